/* with: debug/gdb*.c debug/breakpoints.c debug/rsp.c lib/format.c lib/string.c vmx/vmcs_fields.c */
/* Any bytes on gdb's line, plain or as the payload of packets, while the guest stands still and
 * while it runs: what was set in the guest is gone once gdb is. */
#include "lib/format.h"
#include "lib/string.h"

#include "base/panic.h"
#include "tests/fuzz/check.h"
#include "tests/unit/gdb_world.h"

static void put(void *context, uint8_t byte)
{
    (void)context;
    if (gdb_feed(byte))
        world_stop(DEBUG_KEY, 0, 0);
}

static void send_packet(const char *payload, size_t bytes)
{
    struct rsp_reply packet = {(char *)payload, bytes, bytes, false};
    rsp_send(&packet, put, NULL);
    if (world.stands_still)
        gdb_quiet();
}

/* Lines are packets; one that begins with ! is what comes as it is, with ~ a stop. */
static void take_line(const unsigned char *line, size_t bytes)
{
    world.sent_bytes = 0;
    if (bytes && line[0] == '~' && !world.stands_still) {
        world_stop(line[bytes - 1] % (DEBUG_WATCH + 1), line[bytes - 1] % 5,
                   line[bytes - 1] % CPUS);
    } else if (bytes && line[0] == '!') {
        for (size_t i = 1; i < bytes; i++)
            put(NULL, line[i]);
    } else {
        send_packet((const char *)line, bytes);
    }
    if (world.stands_still)
        gdb_quiet();
    CHECK(world.cr3 == 0);
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t bytes)
{
    static uint8_t before[MEMORY_BYTES];
    const unsigned char *end = data + bytes;
    world_begin();
    send_packet("qSupported", 10);
    gdb_set_architecture(bytes % 3);
    while (data < end) {
        const unsigned char *stop = memchr(data, '\n', (size_t)(end - data));
        take_line(data, (size_t)((stop ? stop : end) - data));
        data = stop ? stop + 1 : end;
    }
    send_packet("qSupported", 10);
    memcpy(before, world.memory, sizeof(before));
    send_packet("D", 1);
    CHECK(!memcmp(before, world.memory, sizeof(before)));
    CHECK(!machine.debug.int3);
    for (unsigned i = 0; i < DEBUG_BREAKPOINTS; i++)
        CHECK(!machine.debug.breakpoints[i].on);
    return 0;
}
