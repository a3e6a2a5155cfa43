/* The guest is put into its memory, as its loader's plan says. */
#include "kernel/main_steps.h"

#include "base/log.h"
#include "guest/bios_hook.h"
#include "guest/disk.h"
#include "kernel/guest_linux.h"
#include "kernel/guest_multiboot.h"
#include "kernel/guest_write.h"
#include "kernel/panic.h"
#include "mm/frames.h"
#include "vmx/machine.h"

#define BOOT_DRIVE 0x80

static void load_realmode(void)
{
    const struct guest_plan *plan = &boot.plan;
    uint64_t end = plan->load_address + plan->source_bytes;
    if (memory_map_type_of(&boot.facts.map, plan->load_address, end) != MEMORY_USABLE)
        refuse("the guest would lie at 0x%llx-0x%llx, which the firmware does not call usable; "
               "write another addr= in grub.cfg",
               (unsigned long long)plan->load_address, (unsigned long long)end);
    guest_must(guest_move(this_cpu()->windows, GPA(plan->load_address), GPA(plan->source_start),
                          plan->source_bytes));
    boot.entry = entry_state_boot_sector(boot.cr0, plan->entry_cs, plan->entry_ip, BOOT_DRIVE);
}

static void load_disk(void)
{
    if (disk_prepare(this_cpu(), boot.plan.drive, boot.cr0, &boot.entry) != ERROR_NONE)
        refuse(
            "the option \"disk\" calls a BIOS, and INT 15h leads to none on this machine; write a "
            "module2 line in grub.cfg");
}

/* From here on the map is the guest's. */
static void show_memory(void)
{
    if (memory_map_set(&boot.facts.map, boot.place.base.v, boot.place.end.v, MEMORY_RESERVED) !=
        ERROR_NONE)
        log_warn("memory", "the map is full: the guest is shown less memory than there is");
    bios_hook_install(this_cpu(), &boot.facts.map);
}

static void (*const loaders[])(void) = {
    [GUEST_REALMODE] = load_realmode,         [GUEST_LINUX] = guest_load_linux,
    [GUEST_LINUX16] = guest_load_linux16,     [GUEST_DISK] = load_disk,
    [GUEST_MULTIBOOT] = guest_load_multiboot,
};

void main_load_guest(void)
{
    show_memory();
    boot.facts.scratch = frames_take();
    for (uint32_t i = boot.guest_cpus; i < boot.cpus.count; i++)
        facts_disable_cpu(&boot.facts, boot.cpus.apic_id[i]);
    loaders[boot.plan.kind]();
}
