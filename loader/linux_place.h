/* Where a Linux kernel, its joined initrds and what is handed to it go, and the moves that bring
 * them there, whatever order the boot loader put them in. Pure: a plan. */
#pragma once

#include "boot/bootinfo.h"
#include "loader/linux_image.h"
#include "loader/moves.h"

#define LINUX_GDT_BYTES         32u
#define LINUX_LOW_BYTES         (2 * PAGE_SIZE) /* zero page; GDT and command line */
#define LINUX_COMMAND_LINE_ROOM ((uint32_t)PAGE_SIZE - LINUX_GDT_BYTES) /* its NUL included */

/* For the 16-bit entry: one segment with the setup part, its heap and its stack, which grows down
 * from the command line. */
#define LINUX16_LOW_BYTES         0xA000u
#define LINUX16_STACK             0x9800u
#define LINUX16_COMMAND_LINE_ROOM (LINUX16_LOW_BYTES - LINUX16_STACK)
#define LINUX16_BASE              0x90000u /* where the segment was before 2.02, and at most is */
#define LINUX16_KERNEL_LOW        0x10000u /* a zImage, up to the segment */

/* A file as the boot loader left it: physical, [start, end). */
struct linux_source {
    uint64_t start, end;
};

struct linux_plan {
    uint64_t kernel_at;        /* the 32-bit entry too */
    uint64_t kernel_bytes;     /* usable from there: init_size or more, whole pages */
    uint32_t kernel_alignment; /* as it is told: what kernel_at was aligned to */
    uint64_t initrd_at;        /* 0 without any */
    uint64_t initrd_bytes;
    uint64_t low_at;          /* LINUX_LOW_BYTES: the zero page, or LINUX16_LOW_BYTES ... */
    uint64_t gdt_at;          /* ... then the GDT, for the 32-bit entry ... */
    uint64_t command_line_at; /* ... and the command line */
    uint64_t missing_bytes;   /* after a refusal: what found no room, if that is why */
    unsigned move_count;
    struct move moves[MOVES_MAX]; /* first all of these, in this order ... */
    unsigned zero_count;
    struct memory_range zeroes[BOOTINFO_MAX_MODULES]; /* ... then these are cleared */
};
_Static_assert(MOVES_WANTED_MAX > BOOTINFO_MAX_MODULES, "each module once, the setup part too");

/* Plans `sources`: the kernel's whole file, then the initrds in their order, at most
 * BOOTINFO_MAX_MODULES together, all below 4 GiB. `map` is the guest's: what is not for it is not
 * usable. `low_end`: where the BIOS's conventional memory ends, for the 16-bit entry. The low block
 * is to be written after the moves, which bring the setup part to it for the 16-bit entry.
 * ERROR_NO_SPACE, or ERROR_MALFORMED for sources that cannot be, and `*why` is a short sentence;
 * out->missing_bytes is good then, nothing else is. */
MUST_CHECK enum error linux_place(const struct linux_image *image, const struct memory_map *map,
                                  uint64_t low_end, const struct linux_source *sources,
                                  unsigned count, uint32_t command_line_bytes,
                                  struct linux_plan *out, const char **why);
