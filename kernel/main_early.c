/* The steps on GRUB's memory. */
#include "kernel/main_steps.h"

#include "base/hw.h"
#include "base/log.h"
#include "base/x86/cr.h"
#include "base/x86/msr.h"
#include "include/orlop_abi.h"
#include "kernel/apic.h"
#include "kernel/descriptors.h"
#include "kernel/guest_multiboot.h"
#include "kernel/image.h"
#include "kernel/log.h"
#include "kernel/panic.h"
#include "kernel/main_report.h"
#include "kernel/stop.h"
#include "kernel/time.h"
#include "lib/string.h"
#include "mm/frames.h"
#include "vmx/exit_fatal.h"
#include "vmx/machine.h"
#include "vmx/requirements.h"
#include "vmx/root.h"

#define EPT_RESERVE 32 /* tables for what is mapped on first touch, and for sinks */
#define LOG_RECORDS 512
#define VGA_TEXT    0xB8000
#define EARLY_IST   4096 /* of the boot stack's bottom, for NMI, #DF and #MC until the slot */

extern const uint8_t boot_start[], image_load[]; /* linker.ld; physical, as linked */
static struct cpu early_cpu;
uint8_t boot_stack[BOOT_STACK_BYTES] __attribute__((aligned(16)));

void move_to_stack(uint64_t top, void (*next)(void)) __attribute__((noreturn)); /* move.asm */

void main_start_early_cpu(void)
{
    uint64_t early = (uint64_t)boot_stack + EARLY_IST;
    const uint64_t stacks[3] = {early, early, early};
    boot.cr0 = hw_read_cr0();
    descriptors_build_idt();
    percpu_enter(&early_cpu, 0, 0, stacks);
    log_start();
}

static void log_banner(void)
{
    log_info("orlop", "Orlop %d.%d.%d, started by %s, options \"%s\"", ORLOP_VERSION_MAJOR,
             ORLOP_VERSION_MINOR, ORLOP_VERSION_PATCH, boot.info.loader_name,
             boot.info.command_line);
    for (uint32_t i = 0; i < boot.info.module_count; i++)
        log_debug("boot", "module 0x%llx-0x%llx \"%s\"",
                  (unsigned long long)boot.info.modules[i].start,
                  (unsigned long long)boot.info.modules[i].end, boot.info.modules[i].string);
}

void main_read_information(uint32_t information, uint32_t image)
{
    struct option_complaints complaints;
    boot.image = HPA(image);
    enum error error =
        bootinfo_parse((const void *)(uint64_t)information, GIB(4) - information, &boot.info);
    options_parse(boot.info.command_line, &boot.options, &complaints);
    panic_set_ending(&boot.options, &boot.facts.power);
    if (!boot.info.framebuffer.present || boot.info.framebuffer.type == 2)
        panic_set_screen((void *)VGA_TEXT, 80, 25);
    log_open_serial(&boot.options);
    log_banner();
    options_log_complaints(&complaints);
    if (error != ERROR_NONE)
        refuse("the boot loader's information is malformed; the lines above name the tag");
    if (options_want_debugger(&boot.options) && image_unpack_debugger(boot.image) != ERROR_NONE)
        refuse("the debugger's part of the file is damaged; copy orlop.elf to the medium again");
}

void main_read_machine(void)
{
    facts_read_acpi(&boot.info, &boot.facts);
    time_calibrate(boot.facts.power.fadt_present ? boot.facts.power.fadt.pm_timer_port : 0);
    if (!boot.info.memory_map_present)
        refuse("the boot loader gave no memory map (multiboot2 tag 6 or 17); start Orlop by GRUB "
               "2.02 or later%s",
               boot.info.efi_services_running ? ", which must end EFI's boot services" : "");
    /* What the file's boot part holds, the tables in use among it, lies right below the image. */
    uint64_t boot_part = (uint64_t)image_load - (uint64_t)boot_start;
    if (boot.info.memory_dropped ||
        facts_read_memory(&boot.info, boot.image.v - boot_part, boot.image.v + image_bytes(),
                          &boot.facts) != ERROR_NONE)
        refuse("the firmware's memory map has more than %u ranges", MEMORY_MAP_MAX);
}

static void refuse_requirement(void *context, const struct vmx_requirement *missing)
{
    char text[192];
    (void)context;
    vmx_requirement_text(missing, &machine.caps, text, sizeof(text));
    if (missing->needed && !boot.options.probe)
        refuse("%s", text);
    log_debug("vmx", "%s", text);
}

void main_check_capabilities(void)
{
    vmx_read_capabilities(&machine.caps);
    if (vmx_hypervisor_name(&machine.caps))
        log_info("vmx", "a hypervisor is below: %s", vmx_hypervisor_name(&machine.caps));
    smp_list_cpus(boot.facts.madt_address ? &boot.facts.madt : NULL, &boot.cpus);
    if (machine.caps.cpuid_1_edx & CPUID_1_EDX_MTRR)
        facts_read_mtrrs(&machine.mtrr, vmx_physical_bits(&machine.caps));
    mtrr_sets_add(&machine.types, &machine.mtrr);
    if (boot.options.probe) {
        report_machine(&boot);
        vmx_requirements_check(&machine.caps, refuse_requirement, NULL);
        finish("report complete; paste the lines above into a bug report");
    }
    vmx_requirements_check(&machine.caps, refuse_requirement, NULL);
    if (boot.facts.madt_broken) /* a CPU that is not started could run guest code outside VMX */
        refuse(
            "the firmware's MADT cannot be read whole, so that some CPUs would stay outside VMX; "
            "update the firmware");
    if (boot.cpus.dropped)
        refuse("%u CPUs are more than the %u that Orlop knows; switch some off in the firmware",
               boot.cpus.count + boot.cpus.dropped, LAYOUT_MAX_CPUS);
}

/* The module lies below 4 GiB, which the boot map reaches. */
static void read_kernel(void)
{
    bool is_16 = boot.plan.kind == GUEST_LINUX16;
    const char *why;
    if (linux_image_parse((const uint8_t *)boot.plan.source_start, boot.plan.source_bytes,
                          is_16 ? LINUX_ENTRY_16 : LINUX_ENTRY_32, &boot.linux_image,
                          &why) != ERROR_NONE)
        refuse("module %u (role linux%s) %s; name a Linux kernel in its module2 line in grub.cfg",
               boot.plan.module + 1, is_16 ? "16" : "", why);
    facts_find_rsdp(&boot.facts);
}

void main_plan_guest(void)
{
    bool disk = boot.options.disk && !boot.options.probe;
    if ((disk ? roles_plan_disk(&boot.info, boot.options.disk_drive, &boot.plan)
              : roles_plan(&boot.info, boot.options.probe, &boot.plan)) != ERROR_NONE)
        refuse("%s", boot.plan.message);
    if (boot.plan.kind == GUEST_LINUX || boot.plan.kind == GUEST_LINUX16)
        read_kernel();
    if (boot.plan.kind == GUEST_MULTIBOOT)
        guest_read_multiboot();
    boot.guest_cpus = boot.cpus.count;
    if (boot.options.cpus && boot.options.cpus < boot.cpus.count)
        boot.guest_cpus = boot.options.cpus;
}

static struct ept_caps ept_capabilities(void)
{
    return (struct ept_caps){
        .page_1g = machine.caps.ept_vpid & EPT_VPID_CAP_PAGE_1G,
        .page_2m = true,
        .execute_only = machine.caps.ept_vpid & EPT_VPID_CAP_EXECUTE_ONLY,
        .phys_bits = vmx_physical_bits(&machine.caps),
    };
}

void main_find_place(void)
{
    struct ept_caps caps = ept_capabilities();
    unsigned tables = ept_tables_needed(&boot.facts.map, &machine.types, &caps, NULL, 0);
    log_pump(); /* counting took long */
    boot.ept_tables = tables + ept_tables_to_hide(PLACE_ALIGN) + EPT_RESERVE;
    boot.needs = (struct place_needs){boot.cpus.count, boot.ept_tables,
                                      LOG_RECORDS * sizeof(struct log_record)};
    if (place_find(&boot.needs, &boot.facts.map, boot.facts.avoid, boot.facts.avoid_count,
                   &boot.place) != ERROR_NONE)
        refuse("no usable RAM below 4 GiB has room for Orlop's range, which ends on a multiple of "
               "2 MiB; give the machine more memory");
    log_info("place", "Orlop's own range 0x%llx-0x%llx", (unsigned long long)boot.place.base.v,
             (unsigned long long)boot.place.end.v);
}

_Noreturn void main_move(void (*next)(void))
{
    panic_set_screen(NULL, 0, 0); /* not mapped until the slot is entered */
    place_build(&boot.needs, &boot.place);
    place_move(&boot.place, boot.image);
    guest_access_forbid(boot.place.base, boot.place.end, vmx_physical_bits(&machine.caps),
                        hw_rdmsr(MSR_IA32_EFER) & EFER_NXE);
    place_map_slot(0);
    move_to_stack((uint64_t)percpu_slot(0, LAYOUT_SLOT_VCPU), next);
}
