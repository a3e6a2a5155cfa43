/* The information structure that a multiboot kernel is handed, in version 1 or 2. Pure. */
#pragma once

#include "loader/multiboot_place.h"

/* What it is made of. The strings and the table of modules are bootinfo's. */
struct multiboot_told {
    const struct bootinfo *info;
    const struct memory_map *map; /* the guest's */
    const char *command_line, *loader_name;
    unsigned module_count;
    const uint32_t *modules; /* indices into bootinfo's, in the order of the plan's */
};

#define MULTIBOOT_LOADER_NAME_BYTES 96u /* of loader_name, the NUL included */

/* `image`: its sections have been placed (elf_place_sections). Fills `out`, zeroed and to be put at
 * plan->info_at. What the machine does not have is left out.
 */
void multiboot_info_build(const struct multiboot_image *image, const struct multiboot_plan *plan,
                          const struct multiboot_told *told, uint8_t out[MULTIBOOT_INFO_BYTES]);
