/* The guest is put into its memory, as its loader's plan says. */
#include "kernel/main_steps.h"

#include "base/log.h"
#include "base/panic.h"
#include "guest/bios_hook.h"
#include "kernel/panic.h"
#include "lib/string.h"
#include "loader/linux_params.h"
#include "mm/frames.h"
#include "vmx/machine.h"

#define BOOT_DRIVE 0x80
#define BDA_CURSOR GPA(0x450) /* column and row on the first page of the text screen */

/* What is usable to the guest is not Orlop's, and may be written. */
static void must(enum error error)
{
    if (error != ERROR_NONE)
        panic("the guest would lie in Orlop's range");
}

static void write_guest(uint64_t to, const void *from, uint64_t bytes)
{
    must(guest_write(this_cpu()->windows, GPA(to), from, bytes));
}

static void load_realmode(void)
{
    const struct guest_plan *plan = &boot.plan;
    uint64_t end = plan->load_address + plan->source_bytes;
    if (memory_map_type_of(&boot.facts.map, plan->load_address, end) != MEMORY_USABLE)
        refuse("the guest would lie at 0x%llx-0x%llx, which the firmware does not call usable; "
               "write another addr= in grub.cfg",
               (unsigned long long)plan->load_address, (unsigned long long)end);
    must(guest_move(this_cpu()->windows, GPA(plan->load_address), GPA(plan->source_start),
                    plan->source_bytes));
    boot.entry = entry_state_boot_sector(boot.cr0, plan->entry_cs, plan->entry_ip, BOOT_DRIVE);
}

static struct linux_source source_of(uint32_t module)
{
    const struct bootinfo_module *from = &boot.info.modules[module];
    return (struct linux_source){from->start, from->end};
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
    if (linux_place(&boot.linux_image, &boot.facts.map, sources, count, command_line_bytes, out,
                    &why) == ERROR_NONE)
        return;
    if (out->missing_bytes)
        refuse("the Linux guest: %s (%llu KiB); give the machine more memory", why,
               (unsigned long long)out->missing_bytes / 1024);
    refuse("the Linux guest: %s; change its module2 lines in grub.cfg", why);
}

static void move_linux(const struct linux_plan *plan, uint8_t *page)
{
    for (unsigned i = 0; i < plan->move_count; i++)
        must(guest_move(this_cpu()->windows, GPA(plan->moves[i].to), GPA(plan->moves[i].from),
                        plan->moves[i].bytes));
    memset(page, 0, PAGE_SIZE);
    for (unsigned i = 0; i < plan->zero_count; i++)
        for (uint64_t at = plan->zeroes[i].base; at < plan->zeroes[i].end; at += PAGE_SIZE)
            write_guest(at, page, min_u64(plan->zeroes[i].end - at, PAGE_SIZE));
}

static void hand_over(const struct linux_plan *plan, uint8_t *page)
{
    struct linux_screen screen = {.framebuffer = boot.info.framebuffer};
    uint8_t cursor[2];
    must(guest_read(this_cpu()->windows, cursor, BDA_CURSOR, sizeof(cursor)));
    screen.cursor_column = cursor[0];
    screen.cursor_row = cursor[1];
    linux_params_build(&boot.linux_image, plan, &boot.facts.map, &screen, boot.facts.rsdp, page);
    write_guest(plan->low_at, page, PAGE_SIZE);
    write_guest(plan->gdt_at, linux_gdt, sizeof(linux_gdt));
    write_guest(plan->command_line_at, boot.plan.command_line, strlen(boot.plan.command_line) + 1);
}

static void load_linux(void)
{
    struct linux_plan plan;
    uint8_t *page = frames_pointer(boot.facts.scratch);
    place_linux(&plan);
    move_linux(&plan, page);
    hand_over(&plan, page);
    log_debug("linux", "kernel at 0x%llx, initrd 0x%llx-0x%llx, zero page 0x%llx",
              (unsigned long long)plan.kernel_at, (unsigned long long)plan.initrd_at,
              (unsigned long long)(plan.initrd_at + plan.initrd_bytes),
              (unsigned long long)plan.low_at);
    boot.entry = entry_state_linux(boot.cr0, (uint32_t)plan.kernel_at, (uint32_t)plan.low_at,
                                   (uint32_t)plan.gdt_at);
}

/* From here on the map is the guest's. */
static void show_memory(void)
{
    if (memory_map_set(&boot.facts.map, boot.place.base.v, boot.place.end.v, MEMORY_RESERVED) !=
        ERROR_NONE)
        log_warn("memory", "the map is full: the guest is shown less memory than there is");
    bios_hook_install(this_cpu(), &boot.facts.map);
}

void main_load_guest(void)
{
    show_memory();
    boot.facts.scratch = frames_take();
    for (uint32_t i = boot.guest_cpus; i < boot.cpus.count; i++)
        facts_disable_cpu(&boot.facts, boot.cpus.apic_id[i]);
    if (boot.plan.kind == GUEST_LINUX)
        load_linux();
    else
        load_realmode();
}
