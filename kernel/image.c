#include "kernel/image.h"

#include "base/bits.h"
#include "lib/lzma.h"

extern const uint8_t image_start[], text_end[], rodata_end[], debugger_text_end[],
    debugger_rodata_end[], image_end[]; /* linker.ld */
extern uint8_t debugger_start[];

/* What tools/pack_image.py puts before each of the two; a stream ends on a multiple of four. */
struct packed {
    uint32_t bytes, sum;
};
struct packed_debugger {
    struct packed packed;
    uint32_t unpacked_bytes;
    uint32_t stream[];
};

static struct lzma lzma;
static bool has_debugger;

struct host_image image_parts(void)
{
    uint64_t core_end = (uint64_t)debugger_start;
    return (struct host_image){{
        (uint64_t)image_start,
        (uint64_t)text_end,
        (uint64_t)rodata_end,
        core_end,
        has_debugger ? (uint64_t)debugger_text_end : core_end,
        has_debugger ? (uint64_t)debugger_rodata_end : core_end,
        has_debugger ? (uint64_t)image_end : core_end,
    }};
}

uint64_t image_bytes(void)
{
    return (uint64_t)((has_debugger ? image_end : debugger_start) - image_start);
}

static bool is_as_packed(const struct packed_debugger *debugger)
{
    const uint32_t room = (uint32_t)(image_end - debugger_start);
    uint32_t sum = 0;
    if (debugger->packed.bytes > room || debugger->unpacked_bytes > room)
        return false;
    for (uint32_t i = 0; i < ALIGN_UP(debugger->packed.bytes, 4) / 4; i++)
        sum = (sum << 1 | sum >> 31) + debugger->stream[i];
    return sum == debugger->packed.sum;
}

enum error image_unpack_debugger(hpa_t image)
{
    const struct packed *core = (const void *)(image.v + (uint64_t)(image_end - image_start));
    const struct packed_debugger *debugger =
        (const void *)((const uint8_t *)(core + 1) + ALIGN_UP(core->bytes, 4));
    if (!is_as_packed(debugger))
        return ERROR_MALFORMED;
    has_debugger = true;
    return lzma_unpack(&lzma, (const uint8_t *)debugger->stream, debugger->packed.bytes,
                       debugger_start, debugger->unpacked_bytes);
}
