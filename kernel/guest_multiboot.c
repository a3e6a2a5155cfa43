#include "kernel/guest_multiboot.h"

#include "boot/multiboot1.h"
#include "boot/multiboot2.h"
#include "include/orlop_abi.h"
#include "kernel/guest_write.h"
#include "kernel/main_steps.h"
#include "kernel/panic.h"
#include "lib/format.h"
#include "lib/string.h"
#include "loader/multiboot_info.h"
#include "mm/frames.h"

void guest_read_multiboot(void)
{
    const char *why;
    const struct multiboot_image *image = &boot.multiboot_image;
    if (multiboot_image_parse((const uint8_t *)boot.plan.source_start, boot.plan.source_bytes,
                              &boot.multiboot_image, &why) == ERROR_NONE)
        return;
    refuse("module %u (role multiboot) %s%.0x; name another kernel in its module2 line in grub.cfg",
           boot.plan.module + 1, why, image->asked); /* %.0x: 0 is nothing */
}

static struct memory_range source_of(uint32_t module)
{
    const struct bootinfo_module *from = &boot.info.modules[module];
    return (struct memory_range){from->start, from->end, 0};
}

static void place_multiboot(struct multiboot_plan *out)
{
    struct memory_range sources[BOOTINFO_MAX_MODULES];
    const struct memory_range *missing = &out->missing;
    const char *why;
    unsigned count = 0;
    sources[count++] = source_of(boot.plan.module);
    for (uint32_t i = 0; i < boot.plan.module_count; i++)
        sources[count++] = source_of(boot.plan.modules[i]);
    if (multiboot_place(&boot.multiboot_image, &boot.facts.map, sources, count, out, &why) !=
        ERROR_NONE)
        refuse("the multiboot guest: %s (0x%llx-0x%llx); give the machine more memory, or change "
               "its module2 lines in grub.cfg",
               why, (unsigned long long)missing->base, (unsigned long long)missing->end);
}

static void hand_over(const struct multiboot_plan *plan)
{
    uint8_t *pages =
        frames_pointer(frames_take_many(MULTIBOOT_INFO_BYTES / PAGE_SIZE)); /* zeroed */
    char name[MULTIBOOT_LOADER_NAME_BYTES];
    format(name, sizeof(name), "Orlop %d.%d.%d, started by %s", ORLOP_VERSION_MAJOR,
           ORLOP_VERSION_MINOR, ORLOP_VERSION_PATCH, boot.info.loader_name);
    const struct multiboot_told told = {
        .info = &boot.info,
        .map = &boot.facts.map,
        .command_line = boot.plan.command_line,
        .loader_name = name,
        .module_count = boot.plan.module_count,
        .modules = boot.plan.modules,
    };
    elf_place_sections(&boot.multiboot_image.sections, plan->symbols_at);
    multiboot_info_build(&boot.multiboot_image, plan, &told, pages);
    guest_put(plan->info_at, pages, MULTIBOOT_INFO_BYTES);
}

void guest_load_multiboot(void)
{
    struct multiboot_plan plan;
    place_multiboot(&plan);
    guest_carry_out(plan.moves, plan.move_count, plan.zeroes, plan.zero_count);
    hand_over(&plan);
    boot.entry = entry_state_multiboot(boot.cr0,
                                       boot.multiboot_image.version == 1 ? MULTIBOOT1_LOADER_MAGIC
                                                                         : MULTIBOOT2_LOADER_MAGIC,
                                       plan.entry, (uint32_t)plan.info_at);
}
