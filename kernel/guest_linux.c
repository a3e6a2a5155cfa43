#include "kernel/guest_linux.h"

#include "base/bits.h"
#include "base/log.h"
#include "kernel/guest_write.h"
#include "kernel/main_steps.h"
#include "kernel/panic.h"
#include "lib/string.h"
#include "loader/linux16_header.h"
#include "loader/linux_params.h"
#include "mm/frames.h"

#define BDA_MEMORY_KIB GPA(0x413)
#define BDA_CURSOR     GPA(0x450) /* column and row on the first page of the text screen */

static struct linux_source source_of(uint32_t module)
{
    const struct bootinfo_module *from = &boot.info.modules[module];
    return (struct linux_source){from->start, from->end};
}

/* Where the BIOS's conventional memory ends, as INT 12h tells. */
static uint64_t conventional_end(void)
{
    uint16_t kib;
    guest_must(guest_read(this_cpu()->windows, &kib, BDA_MEMORY_KIB, sizeof(kib)));
    return KIB((uint64_t)kib);
}

static void place_linux(struct linux_plan *out)
{
    struct linux_source sources[BOOTINFO_MAX_MODULES];
    const char *why;
    unsigned count = 0;
    sources[count++] = source_of(boot.plan.module);
    for (uint32_t i = 0; i < boot.plan.initrd_count; i++)
        sources[count++] = source_of(boot.plan.initrds[i]);
    uint32_t command_line_bytes = (uint32_t)strlen(boot.plan.command_line);
    if (linux_place(&boot.linux_image, &boot.facts.map, conventional_end(), sources, count,
                    command_line_bytes, out, &why) == ERROR_NONE)
        return;
    if (out->missing_bytes)
        refuse("the Linux guest: %s (%llu KiB); give the machine more memory", why,
               (unsigned long long)out->missing_bytes / 1024);
    refuse("the Linux guest: %s; change its module2 lines in grub.cfg", why);
}

static void hand_over(const struct linux_plan *plan, uint8_t *page)
{
    struct linux_screen screen = {.framebuffer = boot.info.framebuffer};
    uint8_t cursor[2];
    guest_must(guest_read(this_cpu()->windows, cursor, BDA_CURSOR, sizeof(cursor)));
    screen.cursor_column = cursor[0];
    screen.cursor_row = cursor[1];
    linux_params_build(&boot.linux_image, plan, &boot.facts.map, &screen, boot.facts.rsdp, page);
    guest_put(plan->low_at, page, PAGE_SIZE);
    guest_put(plan->gdt_at, linux_gdt, sizeof(linux_gdt));
    guest_put(plan->command_line_at, boot.plan.command_line, strlen(boot.plan.command_line) + 1);
}

static void log_plan(const struct linux_plan *plan)
{
    log_debug("linux", "kernel at 0x%llx, initrd 0x%llx-0x%llx, parameters at 0x%llx",
              (unsigned long long)plan->kernel_at, (unsigned long long)plan->initrd_at,
              (unsigned long long)(plan->initrd_at + plan->initrd_bytes),
              (unsigned long long)plan->low_at);
}

void guest_load_linux(void)
{
    struct linux_plan plan;
    uint8_t *page = frames_pointer(boot.facts.scratch);
    place_linux(&plan);
    guest_carry_out(plan.moves, plan.move_count, plan.zeroes, plan.zero_count);
    hand_over(&plan, page);
    log_plan(&plan);
    boot.entry = entry_state_linux(boot.cr0, (uint32_t)plan.kernel_at, (uint32_t)plan.low_at,
                                   (uint32_t)plan.gdt_at);
}

void guest_load_linux16(void)
{
    struct linux_plan plan;
    struct linux16_header header;
    place_linux(&plan);
    guest_carry_out(plan.moves, plan.move_count, plan.zeroes, plan.zero_count);
    linux16_header_build(&boot.linux_image, &plan, boot.plan.command_line, &header);
    guest_put(plan.low_at + LINUX_HEADER_OFFSET, header.bytes, boot.linux_image.header_bytes);
    if (header.old_line_wanted)
        guest_put(plan.low_at + LINUX16_OLD_LINE_OFFSET, &header.old_line, sizeof(header.old_line));
    guest_put(plan.command_line_at, boot.plan.command_line, strlen(boot.plan.command_line) + 1);
    log_plan(&plan);
    boot.entry = entry_state_linux16(boot.cr0, (uint16_t)(plan.low_at >> 4), LINUX16_STACK);
}
