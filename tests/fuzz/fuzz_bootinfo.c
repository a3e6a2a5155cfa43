/* with: boot/bootinfo.c boot/bootinfo_map.c */
/* Any bytes as a multiboot2 information structure: nothing outside them is read, and what comes out
 * is bounded and closed. */
#include "boot/bootinfo.h"

#include <string.h>

#include "tests/fuzz/check.h"

static struct bootinfo info;

static void check_counts(void)
{
    CHECK(info.module_count <= BOOTINFO_MAX_MODULES);
    CHECK(info.modules_dropped == 0 || info.module_count == BOOTINFO_MAX_MODULES);
    CHECK(info.memory_count <= BOOTINFO_MAX_MEMORY_ENTRIES);
    CHECK(info.memory_dropped == 0 || info.memory_count == BOOTINFO_MAX_MEMORY_ENTRIES);
    CHECK(info.memory_map_present == (info.memory_map_source != BOOTINFO_MAP_NONE));
    CHECK(info.rsdp_bytes == 0 || info.rsdp_bytes == 20 || info.rsdp_bytes == 36);
}

static void check_texts(void)
{
    CHECK(memchr(info.command_line, 0, sizeof(info.command_line)));
    CHECK(memchr(info.loader_name, 0, sizeof(info.loader_name)));
    CHECK(info.strings_bytes <= sizeof(info.strings));
    for (unsigned int i = 0; i < info.module_count; i++) {
        const char *string = info.modules[i].string;
        CHECK(string >= info.strings &&
              memchr(string, 0, (size_t)(info.strings + info.strings_bytes - string)));
        CHECK(info.modules[i].start <= info.modules[i].end);
    }
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t bytes)
{
    unsigned char *exact = malloc(bytes ? bytes : 1); /* a block of its own: its end is watched */
    memcpy(exact, data, bytes);
    /* On failure too: what is there may be used for a message. */
    enum error error = bootinfo_parse(exact, bytes, &info);
    check_counts();
    check_texts();
    CHECK(error == ERROR_NONE || error == ERROR_MALFORMED);
    CHECK(error || info.information_end - info.information_start <= bytes);
    free(exact);
    return 0;
}
