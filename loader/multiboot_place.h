/* Where a multiboot kernel's segments, its modules and its information structure go, and the moves
 * that bring them there, whatever order the boot loader put them in. Pure: a plan. */
#pragma once

#include "boot/bootinfo.h"
#include "loader/moves.h"
#include "loader/multiboot_image.h"

#define MULTIBOOT_INFO_BYTES (4 * PAGE_SIZE)

struct multiboot_plan {
    uint32_t entry;
    uint32_t load_base;  /* of the lowest segment */
    uint64_t info_at;    /* MULTIBOOT_INFO_BYTES, to be written last */
    uint64_t symbols_at; /* what of the file the kernel's sections are in and no segment */
    struct memory_range modules[BOOTINFO_MAX_MODULES]; /* where the kernel finds them */
    struct memory_range missing; /* after a refusal: where; from 0 on, how much */
    unsigned move_count;
    struct move moves[MOVES_MAX]; /* first all of these, in this order ... */
    unsigned zero_count;
    struct memory_range zeroes[ELF_SEGMENTS_MAX]; /* ... then these are cleared */
};
_Static_assert(MOVES_WANTED_MAX >= BOOTINFO_MAX_MODULES + ELF_SEGMENTS_MAX, "each moves once");

/* Plans `sources`: the kernel's whole file, then its modules in their order, at most
 * BOOTINFO_MAX_MODULES together, all below 4 GiB. `map` is the guest's: what is not for it is not
 * usable. A module stays where it is if it lies on usable memory, begins a page, and no segment
 * goes there; else it goes to the lowest place from 1 MiB on. ERROR_NO_SPACE, or ERROR_MALFORMED
 * for sources that cannot be, and `*why` is a short sentence; out->missing is good then, if not
 * empty. */
MUST_CHECK enum error multiboot_place(const struct multiboot_image *image,
                                      const struct memory_map *map,
                                      const struct memory_range *sources, unsigned count,
                                      struct multiboot_plan *out, const char **why);
