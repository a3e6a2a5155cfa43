/* What the boot loader said, copied out of its multiboot2 information structure. Nothing points
 * back into that structure, so the copy stays good after it has been overwritten and after Orlop
 * has moved. Pure: the bytes are not believed, every length is checked, and what does not fit is
 * flagged by name, never dropped in silence. Layouts: boot/multiboot2.h. */
#pragma once

#include "base/error.h"
#include "base/types.h"

#define BOOTINFO_COMMAND_LINE_BYTES 512u /* the closing NUL included, here and below */
#define BOOTINFO_LOADER_NAME_BYTES  64u
#define BOOTINFO_STRINGS_BYTES      2816u /* a Linux command line, and what the others need */
#define BOOTINFO_MAX_MODULES        8u
#define BOOTINFO_MAX_MEMORY_ENTRIES 256u
#define BOOTINFO_RSDP_BYTES         36u
#define BOOTINFO_MACHINE_BYTES      1536u /* VBE's tag has 784, that of a network boot some 600 */

struct bootinfo_module {
    uint64_t start; /* physical, [start, end) */
    uint64_t end;
    bool truncated; /* no room for all of the string: it ends after a whole word, if it has one */
    const char *string; /* in `strings` of the same struct */
};

/* One entry as the firmware gave it: unsorted, perhaps overlapping, empty or wrapping. */
struct bootinfo_memory {
    uint64_t base;
    uint64_t length_bytes;
    uint32_t type; /* MULTIBOOT2_MEMORY_*; EFI types are turned into these */
};

enum bootinfo_map_source {
    BOOTINFO_MAP_NONE,
    BOOTINFO_MAP_MULTIBOOT, /* tag 6 */
    BOOTINFO_MAP_EFI,       /* tag 17, when there is no tag 6 */
};

/* Of a pixel of type RGB. */
struct bootinfo_colour {
    uint8_t bits, position;
};

struct bootinfo_framebuffer {
    uint64_t address;
    uint32_t pitch_bytes;
    uint32_t width; /* in characters where the type is text */
    uint32_t height;
    uint8_t bits_per_pixel;
    uint8_t type;                            /* MULTIBOOT2_FRAMEBUFFER_* */
    struct bootinfo_colour red, green, blue; /* all 0 where the loader did not say, or not RGB */
    bool present;
};

struct bootinfo {
    uint64_t information_start; /* the loader's structure, [start, end), at the address it was */
    uint64_t information_end;   /* read from: physical while the caller runs identity-mapped */

    bool memory_map_present;
    bool basic_memory_present;
    bool load_base_present;
    bool efi32_table_present;
    bool efi64_table_present;
    bool efi_services_running; /* the loader left EFI's boot services on: no map is to be had */
    bool command_line_truncated;
    bool loader_name_truncated;

    uint32_t lower_kib; /* tag 4: memory from 0, and from 1 MiB */
    uint32_t upper_kib;
    uint32_t load_base; /* tag 21: where the loader put the image */

    uint32_t rsdp_bytes; /* 0 none, 20 version 1, 36 version 2 */
    uint8_t rsdp[BOOTINFO_RSDP_BYTES];

    struct bootinfo_framebuffer framebuffer;

    /* The tags that describe the machine and hold no address, as they came, for another multiboot
     * kernel: boot device, VBE, framebuffer, APM, RSDP, network. One that finds no room is left
     * out.
     */
    uint32_t machine_bytes; /* a multiple of 8 */
    uint8_t machine[BOOTINFO_MACHINE_BYTES] __attribute__((aligned(8)));

    enum bootinfo_map_source memory_map_source;
    uint32_t memory_count;
    uint32_t memory_dropped; /* entries beyond the table: the map is then not to be trusted */
    uint32_t module_count;
    uint32_t modules_dropped;

    char loader_name[BOOTINFO_LOADER_NAME_BYTES];
    char command_line[BOOTINFO_COMMAND_LINE_BYTES];
    struct bootinfo_module modules[BOOTINFO_MAX_MODULES];
    struct bootinfo_memory memory[BOOTINFO_MAX_MEMORY_ENTRIES];
    uint32_t strings_bytes; /* in use */
    char strings[BOOTINFO_STRINGS_BYTES];
};
_Static_assert(sizeof(struct bootinfo) <= 12 * 1024, "part of an image of at most 128 KiB");

/* Copies the information structure at `information`, of which at most `limit_bytes` may be read,
 * into `out`. ERROR_MALFORMED, with a log line naming the tag's type and offset, when the structure
 * breaks its format; `out` then holds what came before and is good for a message at most. A missing
 * memory map is no error here: see `memory_map_present`. Unknown tags are skipped; of a tag that
 * comes twice the first counts, and the log names it. */
MUST_CHECK enum error bootinfo_parse(const void *information, size_t limit_bytes,
                                     struct bootinfo *out);
