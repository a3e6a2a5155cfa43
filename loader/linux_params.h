/* The zero page (struct boot_params) and the GDT that a Linux kernel finds at its 32-bit entry.
 * Pure. Source: Linux, Documentation/arch/x86/zero-page.rst and boot.rst, "32-bit Boot Protocol";
 * layout: arch/x86/include/uapi/asm/bootparam.h. */
#pragma once

#include "loader/linux_place.h"

#define LINUX_BOOT_CS 0x10u
#define LINUX_BOOT_DS 0x18u

/* Null, null, flat code, flat data: to be put at plan->gdt_at. */
extern const uint64_t linux_gdt[LINUX_GDT_BYTES / 8];

/* What the kernel takes over of the screen. */
struct linux_screen {
    struct bootinfo_framebuffer framebuffer; /* absent: colour text, 80 by 25 */
    uint8_t cursor_column, cursor_row;       /* of a text screen, from 0 */
};

/* Fills the zero page. `map` becomes the e820 table; `rsdp` is a physical address, 0 where the
 * kernel is to look for itself. A framebuffer that Linux cannot be told of (palette, no colour
 * positions, more than 65535 wide) leaves it without a screen. */
void linux_params_build(const struct linux_image *image, const struct linux_plan *plan,
                        const struct memory_map *map, const struct linux_screen *screen,
                        uint64_t rsdp, uint8_t page[PAGE_SIZE]);
