/* The steps in Orlop's own range. */
#include "kernel/main_steps.h"

#include "base/hw.h"
#include "base/log.h"
#include "base/panic.h"
#include "base/x86/cr.h"
#include "debug/session.h"
#include "guest/cmos.h"
#include "kernel/debug_fault.h"
#include "kernel/log.h"
#include "kernel/panic.h"
#include "kernel/stop.h"
#include "kernel/time.h"
#include "lib/log_ring.h"
#include "mm/frames.h"
#include "mm/host_tables.h"
#include "vmx/capability_report.h"
#include "vmx/exit_fatal.h"
#include "vmx/icr.h"
#include "vmx/launch.h"
#include "vmx/requirements.h"
#include "vmx/root.h"

#define VGA_TEXT       0xB8000
#define START_BOUND_US 500000
#define ROOT_BOUND_US  500000

/* How far the APs may go: each waits for the next stage. */
enum stage { STAGE_REPORT, STAGE_ROOT, STAGE_GUEST };
static volatile uint32_t stage;

static void map_screen(void)
{
    uint64_t screen = LAYOUT_DEVICE_BASE + LAYOUT_DEVICE_VGA * PAGE_SIZE;
    for (uint64_t i = 0; i < LAYOUT_DEVICE_VGA_PAGES; i++)
        host_tables_map(screen + i * PAGE_SIZE, HPA(VGA_TEXT + i * PAGE_SIZE), HOST_DEVICE);
    if (!boot.info.framebuffer.present || boot.info.framebuffer.type == 2)
        panic_set_screen((void *)screen, 80, 25);
}

/* Supervisor-mode execution and access prevention: the host has no user pages, so any use of one is
 * a bug (SDM vol. 3A, 4.6 "Access Rights"). The APs take CR4 from the BSP. */
static void protect_supervisor(void)
{
    uint64_t cr4 = hw_read_cr4() | CR4_MCE; /* a machine check is reported, not a shutdown */
    if (machine.caps.cpuid_7_ebx & CPUID_7_EBX_SMEP)
        cr4 |= CR4_SMEP;
    if (machine.caps.cpuid_7_ebx & CPUID_7_EBX_SMAP)
        cr4 |= CR4_SMAP;
    hw_write_cr4(cr4 & machine.caps.cr4_fixed1);
}

void main_enter_slot(void)
{
    protect_supervisor();
    uint64_t records = boot.needs.log_bytes / sizeof(struct log_record);
    percpu_enter_slot(0, boot.cpus.apic_id[0]);
    debug_fault_set(&boot.options);
    map_screen();
    log_grow(frames_pointer(frames_take_many(boot.needs.log_bytes / PAGE_SIZE)), records);
    for (uint32_t i = 1; i < boot.cpus.count; i++) {
        place_map_slot(i);
        percpu_get(i)->state = CPU_ABSENT;
    }
}

static void wait_for_stage(enum stage wanted)
{
    while (__atomic_load_n(&stage, __ATOMIC_ACQUIRE) < wanted)
        hw_pause();
}

/* Not inline: half the stack goes to the registers, for as long as this runs. */
static __attribute__((noinline)) void compare_mtrrs(struct vmx_cpu *vcpu)
{
    struct mtrr_state own;
    if (!(vcpu->caps.cpuid_1_edx & machine.caps.cpuid_1_edx & CPUID_1_EDX_MTRR))
        return;
    facts_read_mtrrs(&own, vmx_physical_bits(&vcpu->caps));
    mtrr_states_differ(&machine.mtrr, &own, &vcpu->mtrrs);
}

/* An AP's whole life up to its guest. */
static void run_ap(struct cpu *cpu)
{
    struct vmx_cpu *vcpu = cpu->vcpu;
    vmx_read_capabilities(&vcpu->caps);
    compare_mtrrs(vcpu);
    smp_report_ready(cpu);
    wait_for_stage(STAGE_ROOT);
    cpu->unsuitable = vmx_start_cpu(cpu) != ERROR_NONE;
    __atomic_store_n(&cpu->ready, 2, __ATOMIC_RELEASE);
    debug_fault_before_launch(cpu);
    wait_for_stage(STAGE_GUEST);
    if (cpu->number >= boot.guest_cpus)
        vmx_park(cpu);
    vmx_run_other_cpu(cpu);
}

static void refuse_silent_cpus(void)
{
    for (uint32_t i = 1; i < boot.cpus.count; i++)
        if (!percpu_get(i)->ready)
            refuse("the CPU with APIC id %u did not answer INIT-SIPI-SIPI; switch it off in the "
                   "firmware, or reset the machine and try again",
                   boot.cpus.apic_id[i]);
}

void main_start_cpus(void)
{
    uint64_t page;
    struct vmx_cpu *vcpu = this_cpu()->vcpu;
    vcpu->caps = machine.caps;
    stop_set_cpus(boot.cpus.count);
    if (boot.cpus.count == 1)
        return;
    if (memory_map_find_low_page(&boot.facts.map, boot.facts.avoid, boot.facts.avoid_count,
                                 PAGE_SIZE, MIB(1), &page) != ERROR_NONE)
        refuse("no free page below 1 MiB to start the other CPUs from");
    uint32_t missing = smp_start(&boot.cpus, GPA(page), run_ap, START_BOUND_US);
    log_info("smp", "%u of %u CPUs answer", boot.cpus.count - missing, boot.cpus.count);
    refuse_silent_cpus();
}

static void print_difference(void *context, const char *text)
{
    (void)context;
    log_warn("vmx", "%s", text);
}

static void refuse_requirement(void *context, const struct vmx_requirement *missing)
{
    char text[192];
    const struct vmx_capabilities *caps = context;
    vmx_requirement_text(missing, caps, text, sizeof(text));
    if (missing->needed)
        refuse("a CPU differs from the first: %s", text);
}

/* The EPT takes its memory types from the BSP's. Firmware that forgets a CPU exists, and systems
 * run on it, so this is no refusal. */
static void warn_of_mtrrs(uint32_t apic_id, const struct mtrr_difference *mtrrs)
{
    if (mtrrs->name[0])
        log_warn("mtrr", "APIC id %u: %s is 0x%llx, 0x%llx on the first CPU", apic_id, mtrrs->name,
                 (unsigned long long)mtrrs->b, (unsigned long long)mtrrs->a);
}

void main_merge_capabilities(void)
{
    const struct vmx_report_sink sink = {print_difference, NULL};
    const struct vmx_cpu *first = percpu_get(0)->vcpu;
    for (uint32_t i = 1; i < boot.cpus.count; i++) {
        struct vmx_cpu *other = percpu_get(i)->vcpu;
        vmx_capabilities_differ(&first->caps, 0, &other->caps, i, &sink);
        vmx_requirements_check(&other->caps, refuse_requirement, &other->caps);
        warn_of_mtrrs(boot.cpus.apic_id[i], &other->mtrrs);
        vmx_capabilities_merge(&machine.caps, &other->caps);
    }
}

/* The host's tables are edited at page granularity, so the pool is linear. */
static uint64_t *map_table(void *context, hpa_t table)
{
    (void)context;
    return frames_pointer(table);
}

/* Building the tables is the longest stretch of the boot; the serial line is fed meanwhile. */
static void store_entry(void *context, uint64_t *entry, uint64_t value)
{
    (void)context;
    __atomic_store_n(entry, value, __ATOMIC_RELEASE);
    log_pump();
}

void main_build_ept(void)
{
    static const struct table_memory tables = {.map = map_table, .store = store_entry};
    static const struct table_memory built = {.map = map_table};
    const struct ept_caps caps = {
        .page_1g = machine.caps.ept_vpid & EPT_VPID_CAP_PAGE_1G,
        .page_2m = machine.caps.ept_vpid & EPT_VPID_CAP_PAGE_2M,
        .execute_only = machine.caps.ept_vpid & EPT_VPID_CAP_EXECUTE_ONLY,
        .phys_bits = vmx_physical_bits(&machine.caps),
    };
    const struct memory_range own = {boot.place.base.v, boot.place.end.v, 0};
    hpa_t pool = frames_take_many(boot.ept_tables);
    machine.map = &boot.facts.map;
    ept_set_pool(&machine.ept, &tables, pool, boot.ept_tables);
    enum error error = ept_build(&machine.ept, &boot.facts.map, &machine.types, &caps, &own, 1);
    if (error != ERROR_NONE)
        panic("the EPT cannot be built (error %d) from %u tables", (int)error, boot.ept_tables);
    machine.ept.memory = &built;
    log_debug("ept", "%u tables, reserve %u, pages up to %s", machine.ept.boot_tables,
              machine.ept.reserve_count, caps.page_1g ? "1 GiB" : "2 MiB");
}

void main_prepare_guest_cpus(void)
{
    bool bios = guest_has_bios(boot.plan.kind);
    if (bios)
        cmos_intercept(&boot.facts.map);
    machine.hidden = boot.options.cpuid == CPUID_HIDDEN;
    if (options_want_debugger(&boot.options))
        session_prepare(&boot.options, boot.guest_cpus, bios);
    vmx_prepare_machine(boot.place.base.v, boot.place.end.v);
    machine.measure_exits = boot.options.exitcost;
    machine.guest_cpus = boot.guest_cpus;
    const char *why = icr_why_intercepted(&machine.caps, boot.options.sipi);
    if (!boot.facts.madt_address)
        why = "there is no MADT, so that other CPUs may be there and outside VMX";
    if (why && (boot.guest_cpus > 1 || !boot.facts.madt_address)) {
        log_info("smp", "INIT and SIPI by ICR interception: %s", why);
        icr_intercept();
    }
    for (uint32_t i = 0; i < boot.cpus.count; i++)
        vmx_prepare_cpu(i);
    panic_set_dump(vmx_dump);
}

static void wait_for_roots(void)
{
    uint64_t start = time_us();
    for (uint32_t i = 1; i < boot.cpus.count; i++) {
        while (percpu_get(i)->ready < 2 && time_us() - start < ROOT_BOUND_US)
            hw_pause();
        if (percpu_get(i)->ready < 2)
            refuse("the CPU with APIC id %u did not enter VMX root mode in time",
                   boot.cpus.apic_id[i]);
        if (percpu_get(i)->unsuitable)
            refuse("the CPU with APIC id %u does not enter VMX root mode; the line above says why",
                   boot.cpus.apic_id[i]);
    }
}

void main_enter_root(void)
{
    __atomic_store_n(&stage, STAGE_ROOT, __ATOMIC_RELEASE);
    if (vmx_start_cpu(this_cpu()) != ERROR_NONE)
        refuse("this CPU does not enter VMX root mode; the line above says why");
    wait_for_roots();
    log_info("vmx", "all %u CPUs in root mode, %u for the guest", boot.cpus.count, boot.guest_cpus);
}

/* The guest's first INIT must find its CPUs where they wait for a SIPI. */
static void wait_for_guests(void)
{
    uint64_t start = time_us();
    for (uint32_t i = 1; i < boot.cpus.count; i++)
        while (percpu_get(i)->state == CPU_ROOT && time_us() - start < ROOT_BOUND_US)
            hw_pause();
}

void main_release(void)
{
    debug_fault_before_launch(this_cpu());
    if (boot.plan.kind == GUEST_LINUX)
        log_info("guest", "launch: Linux at 0x%llx", (unsigned long long)boot.entry.processor.rip);
    else if (boot.plan.kind == GUEST_DISK)
        log_info("guest", "launch: the boot sector of drive 0x%x", boot.plan.drive);
    else if (boot.plan.kind == GUEST_MULTIBOOT)
        log_info("guest", "launch: multiboot%u at 0x%llx", boot.multiboot_image.version,
                 (unsigned long long)boot.entry.processor.rip);
    else
        log_info("guest", "launch: real mode at %04x:%04llx", boot.entry.processor.cs.selector,
                 (unsigned long long)boot.entry.processor.rip);
    log_release_serial();
    if (options_want_debugger(&boot.options))
        session_launch();
    __atomic_store_n(&stage, STAGE_GUEST, __ATOMIC_RELEASE);
    wait_for_guests();
}
