/* Where a Linux kernel, its joined initrds and what is handed to it go, and the moves that bring
 * them there, whatever order the boot loader put them in. Pure: a plan. */
#pragma once

#include "boot/bootinfo.h"
#include "loader/linux_image.h"
#include "loader/moves.h"

#define LINUX_GDT_BYTES         32u
#define LINUX_LOW_BYTES         (2 * PAGE_SIZE) /* zero page; GDT and command line */
#define LINUX_COMMAND_LINE_ROOM ((uint32_t)PAGE_SIZE - LINUX_GDT_BYTES) /* its NUL included */

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
    uint64_t low_at;          /* LINUX_LOW_BYTES: the zero page ... */
    uint64_t gdt_at;          /* ... then the GDT ... */
    uint64_t command_line_at; /* ... and the command line */
    uint64_t missing_bytes;   /* after a refusal: what found no room, if that is why */
    unsigned move_count;
    struct move moves[MOVES_MAX]; /* first all of these, in this order ... */
    unsigned zero_count;
    struct memory_range zeroes[BOOTINFO_MAX_MODULES]; /* ... then these are cleared */
};
_Static_assert(MOVES_WANTED_MAX >= BOOTINFO_MAX_MODULES, "each module is moved once");

/* Plans `sources`: the kernel's whole file, then the initrds in their order, at most
 * BOOTINFO_MAX_MODULES together, all below 4 GiB. `map` is the guest's: what is not for it is not
 * usable. The low block meets no source, so that it can be written before the moves or after.
 * ERROR_NO_SPACE, or ERROR_MALFORMED for sources that cannot be, and `*why` is a short sentence;
 * out->missing_bytes is good then, nothing else is. */
MUST_CHECK enum error linux_place(const struct linux_image *image, const struct memory_map *map,
                                  const struct linux_source *sources, unsigned count,
                                  uint32_t command_line_bytes, struct linux_plan *out,
                                  const char **why);
