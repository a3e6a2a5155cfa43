/* Exits that no instruction causes: INIT, SIPI, NMIs, the timer; and the look at what waits before
 * the guest is entered again. Between an INIT exit and the entry into wait-for-SIPI nothing slow
 * may happen: SIPIs that come before are lost, and Linux sends them 10 us apart. */
#include "vmx/exit_events.h"

#include "base/bits.h"
#include "base/hw.h"
#include "base/log.h"
#include "base/x86/apic.h"
#include "base/x86/exceptions.h"
#include "base/x86/msr.h"
#include "kernel/apic.h"
#include "kernel/debug_fault.h"
#include "kernel/log.h"
#include "kernel/panic.h"
#include "kernel/stop.h"
#include "kernel/time.h"
#include "kernel/traps.h"
#include "vcpu/nmi_sources.h"
#include "vmx/exit.h"
#include "vmx/exit_dr.h"
#include "vmx/exit_info.h"
#include "vmx/exit_machine_check.h"
#include "vmx/exit_range.h"
#include "vmx/icr.h"
#include "vmx/machine.h"
#include "vmx/memory_types.h"
#include "vmx/root.h"
#include "vmx/setup.h"
#include "vmx/step.h"
#include "vmx/vmcs.h"

#define HELD_INIT_US 1000 /* many times what it takes, above a slow host too */

#define CMOS_INDEX           0x70
#define CMOS_DATA            0x71
#define CMOS_SHUTDOWN_STATUS 0x8F /* with NMIs masked, as firmware reads it */
#define CMOS_SHUTDOWN_LAST   0x0C /* 1 to this: somebody goes on */
#define NMI_STATUS_PORT      0x61

void debug_event(struct vmx_cpu *vcpu, enum debug_why why, uint64_t detail)
{
    if (!machine.debug.attend || vcpu->debug_why != DEBUG_NOTHING)
        return;
    vcpu->debug_detail = detail;
    vcpu->debug_why = why;
    percpu_attend(vcpu->cpu, ATTENTION_DEBUG);
}

bool debug_last_look(struct vmx_cpu *vcpu, enum debug_why why)
{
    if (!machine.debug.last_look || !machine.debug.last_look(vcpu, why))
        return false;
    debug_event(vcpu, why, 0);
    return true;
}

/* Into wait-for-SIPI with as few instructions as will do; what INIT resets is reset when a SIPI
 * comes, for nothing can look at it before. */
static void wait_for_sipi(struct vmx_cpu *vcpu)
{
    if (!machine.icr_intercepted)
        vmcs_write(GUEST_ACTIVITY_STATE, ACTIVITY_WAIT_FOR_SIPI);
    vmcs_write(GUEST_INTERRUPTIBILITY_STATE, 0);
    vmcs_write(GUEST_PENDING_DEBUG_EXCEPTIONS, 0);
    vmcs_write(VM_ENTRY_INTERRUPTION_INFO, 0);
    vmcs_write(PRIMARY_CONTROLS, machine.controls.primary);
    vcpu->nmi_pending = 0;
    vcpu->machine_check_waits = false; /* told; its banks stay */
}

static void reset_apic(struct vmx_cpu *vcpu)
{
    apic_reset();
    icr_note_ids(vcpu);
}

/* `vector` is NULL for the reset vector. */
static void start(struct vmx_cpu *vcpu, const uint8_t *vector)
{
    struct reset_state state = reset_state_after_init(vmcs_read(CR0_READ_SHADOW), vcpu->signature);
    if (vector)
        reset_state_start(&state, *vector);
    hw_write_cr2(state.cr2);
    vmx_load_state(vcpu, &state, ACTIVITY_ACTIVE);
    vcpu->started_us = time_us();
    vmx_flush_linear(); /* paging is off at once: nothing of the old tables may be used */
    vmcs_write(PRIMARY_CONTROLS, machine.controls.primary);
    debug_reset_registers(vcpu, state.dr6, state.dr7);
    step_restart(vcpu);
    reset_apic(vcpu);
    if (machine.debug.stop_at_start)
        debug_event(vcpu, DEBUG_START, 0);
}

/* On the bare machine INIT gives the boot CPU to the firmware, which resets the machine or, where
 * the shutdown status in the CMOS says so, goes on with who asked for it (80286 programs left
 * protected mode like this). Above Orlop the firmware would find a processor without VMX and other
 * CPUs at work: so the machine is reset here. */
static void restart_boot_cpu(struct vmx_cpu *vcpu)
{
    hw_out8(CMOS_INDEX, CMOS_SHUTDOWN_STATUS);
    if (hw_in8(CMOS_DATA) - 1u >= CMOS_SHUTDOWN_LAST)
        reset_machine("INIT to the boot CPU");
    start(vcpu, NULL);
}

static void carry_out(struct vmx_cpu *vcpu, enum cpu_action action, uint8_t vector)
{
    range_end_step(vcpu);
    step_give_back(vcpu);
    if (action == CPU_ACTION_START) {
        start(vcpu, &vector);
        return;
    }
    wait_for_sipi(vcpu);
    if (machine.icr_intercepted)
        reset_apic(vcpu); /* where nothing hurries; else at the start */
    if (action == CPU_ACTION_RESET_AND_RUN)
        restart_boot_cpu(vcpu);
}

void event_take(struct vmx_cpu *vcpu, enum cpu_event event, uint8_t vector)
{
    bool boot_cpu = hw_rdmsr(MSR_IA32_APIC_BASE) & APIC_BASE_BSP;
    struct cpu_transition next = init_sipi_step(vcpu->run_state, event, boot_cpu);
    vcpu->run_state = next.state;
    if (next.action != CPU_ACTION_NONE)
        carry_out(vcpu, next.action, vector);
    stop_publish(vcpu->cpu, next.state == CPU_STATE_WAIT_FOR_SIPI ? CPU_WAIT_FOR_SIPI : CPU_GUEST);
    percpu_attend(vcpu->cpu, next.state == CPU_STATE_RUNNING ? ATTENTION_TYPES : 0);
}

/* Wait-for-SIPI blocks INIT (SDM vol. 3C, 25.4.2 "Guest Non-Register State"), and a processor may
 * hold it until the SIPI has started the CPU: it exits then before the first instruction. A guest
 * that sends INIT, SIPI, SIPI within a few microseconds means the one that came first, which a CPU
 * that waits ignores. */
static bool came_before_sipi(const struct vmx_cpu *vcpu)
{
    uint8_t exit_before = vcpu->history_reason[(uint8_t)(vcpu->history_next - 2)];
    return exit_before == EXIT_REASON_SIPI && vmcs_read(GUEST_RIP) == 0 &&
           time_us() - vcpu->started_us < HELD_INIT_US;
}

enum exit_next handle_init(struct vmx_cpu *vcpu)
{
    if (came_before_sipi(vcpu))
        return NEXT_RESUME;
    event_take(vcpu, CPU_EVENT_INIT, 0);
    return NEXT_RESUME;
}

/* While it waited it counted as stopped, so it looks for a stop first. */
enum exit_next handle_sipi(struct vmx_cpu *vcpu)
{
    stop_publish(vcpu->cpu, CPU_ROOT);
    stop_serve(vcpu->cpu);
    percpu_attend(vcpu->cpu, ATTENTION_STOP); /* what a stop changed meanwhile is looked at too */
    event_take(vcpu, CPU_EVENT_SIPI, (uint8_t)(vmcs_read(EXIT_QUALIFICATION) & SIPI_VECTOR_MASK));
    return NEXT_RESUME;
}

/* NMIs and machine checks exit; and for a debugger #DB and #BP. */
enum exit_next handle_exception_or_nmi(struct vmx_cpu *vcpu)
{
    uint32_t info = vmcs_read(VM_EXIT_INTERRUPTION_INFO);
    switch (info & INTERRUPTION_VECTOR_MASK) {
    case EXCEPTION_DB:
    case EXCEPTION_BP:
        return debug_exception(vcpu, info);
    case EXCEPTION_NMI:
        percpu_nmi_taken(vcpu->cpu);
        trap_unblock_nmi();
        return NEXT_RETRY;
    case EXCEPTION_MC:
        percpu_attend(vcpu->cpu, ATTENTION_CHECK);
        return NEXT_RETRY;
    default:
        return handle_unexpected(vcpu);
    }
}

enum exit_next handle_nmi_window(struct vmx_cpu *vcpu)
{
    range_end_step(vcpu);
    step_window_opened(vcpu);
    exit_set_primary(PRIMARY_NMI_WINDOW_EXITING, false);
    machine_check_window(vcpu);
    percpu_attend(vcpu->cpu, vcpu->nmi_pending ? ATTENTION_RELOAD : 0); /* injects it */
    return machine.hook.stepped ? machine.hook.stepped(vcpu) : NEXT_RESUME;
}

/* An NMI ends the shadow of STI, as on the bare CPU, and never comes in that of MOV SS (SDM vol.
 * 3C, 27.3.1.5 "Checks on Guest Non-Register State"). NMIs that come while one waits merge with it,
 * as they do on the bare CPU. */
static void inject_nmi(struct vmx_cpu *vcpu)
{
    uint32_t blocking = vmcs_read(GUEST_INTERRUPTIBILITY_STATE);
    bool taken = vmcs_read(VM_ENTRY_INTERRUPTION_INFO) & INTERRUPTION_VALID;
    if (vcpu->run_state != CPU_STATE_RUNNING || step_holds_nmis(vcpu))
        return; /* wait-for-SIPI blocks NMIs; it waits for the start, or INIT drops it */
    /* An injected NMI would drop a #DB that is pending (SDM vol. 3C, 27.7.3 "Delivery of Pending
     * Debug Exceptions after VM Entry"); at the window it has been delivered. */
    bool debug = vmcs_read(GUEST_PENDING_DEBUG_EXCEPTIONS);
    if (taken || debug || (blocking & (INTERRUPTIBILITY_NMI | INTERRUPTIBILITY_MOV_SS))) {
        exit_set_primary(PRIMARY_NMI_WINDOW_EXITING, true);
        return;
    }
    vmcs_write(GUEST_INTERRUPTIBILITY_STATE, blocking & ~INTERRUPTIBILITY_STI);
    vmcs_write(VM_ENTRY_INTERRUPTION_INFO,
               EXCEPTION_NMI | INTERRUPTION_TYPE_NMI | INTERRUPTION_VALID);
    vmcs_write(GUEST_ACTIVITY_STATE, ACTIVITY_ACTIVE);
    vcpu->nmi_pending = 0;
    vcpu->guest_nmis++;
}

static uint32_t asserted_sources(void)
{
    struct nmi_sources sources = {
        .port_61 = hw_in8(NMI_STATUS_PORT),
        .apic_off = !(hw_rdmsr(MSR_IA32_APIC_BASE) & APIC_BASE_EN),
        .lint0 = apic_read(APIC_LVT_LINT0),
        .lint1 = apic_read(APIC_LVT_LINT1),
        .perf = apic_read(APIC_LVT_PERF),
    };
    if (!hw_rdmsr_safe(MSR_IA32_PERF_GLOBAL_STATUS, &sources.overflows))
        sources.overflows = 0;
    return nmi_sources_asserted(&sources);
}

/* The guest's own, and what may have met one of ours. */
static void note_nmis(struct vmx_cpu *vcpu, uint32_t why)
{
    bool foreign = why & ATTENTION_GUEST_NMI;
    bool blocked = vmcs_read(GUEST_INTERRUPTIBILITY_STATE) & INTERRUPTIBILITY_NMI;
    bool looks = (why & ATTENTION_KICKED) || machine.debug.stop_at_nmi;
    uint32_t asserted = looks ? asserted_sources() : 0;
    if (!nmi_is_guests(&vcpu->nmi_handed, asserted, foreign, blocked))
        return;
    if (machine.debug.stop_at_nmi && nmi_is_button(asserted)) {
        debug_event(vcpu, DEBUG_NMI, 0);
        return;
    }
    __atomic_add_fetch(&vcpu->cpu->nmis_merged, vcpu->nmi_pending, __ATOMIC_RELAXED);
    vcpu->nmi_pending = 1;
}

static void arm_timer(uint64_t us)
{
    uint64_t shift = machine.caps.misc & VMX_MISC_TIMER_SHIFT_MASK;
    if (!(machine.caps.pin >> 32 & PIN_PREEMPTION_TIMER))
        return;
    uint32_t pin = machine.controls.pin;
    vmcs_write(PIN_CONTROLS, us ? pin | PIN_PREEMPTION_TIMER : pin);
    /* Without it each entry would start the time anew, and a busy guest never see it end. */
    uint32_t save = machine.caps.exit >> 32 & EXIT_CTL_SAVE_PREEMPTION_TIMER;
    vmcs_write(VM_EXIT_CONTROLS, us ? machine.controls.exit | save : machine.controls.exit);
    if (us)
        vmcs_write(VMX_PREEMPTION_TIMER_VALUE,
                   (uint32_t)min_u64(time_ticks(us) >> shift, UINT32_MAX));
}

enum exit_next handle_preemption_timer(struct vmx_cpu *vcpu)
{
    percpu_attend(vcpu->cpu, ATTENTION_LOG | ATTENTION_TYPES);
    return NEXT_RETRY;
}

/* What this CPU does by the clock, and when it is to be called back; 0 is never. */
static void attend_timer(struct vmx_cpu *vcpu, uint64_t us, uint32_t why)
{
    uint32_t number = vcpu->cpu->number;
    bool looks = machine.debug.look && machine.debug.looker == number;
    if (!(why & (ATTENTION_LOG | ATTENTION_TYPES)) || (number && !machine.debug.look))
        return;
    us = number ? 0 : min_u64(us - 1, log_drain_line() - 1) + 1;
    if (looks) {
        machine.debug.look(vcpu);
        us = min_u64(us - 1, DEBUG_LOOK_US - 1) + 1;
    }
    arm_timer(us);
}

/* Everything that waits for this CPU. Called until nothing does. On its way into wait-for-SIPI it
 * counts as stopped already, and standing still here would lose the SIPI (handle_sipi makes up). */
void vmx_attend(struct vmx_cpu *vcpu)
{
    struct cpu *cpu = vcpu->cpu;
    uint32_t why = __atomic_exchange_n(&cpu->attention, 0, __ATOMIC_SEQ_CST);
    if ((why & ATTENTION_STOP) && vcpu->run_state != CPU_STATE_WAIT_FOR_SIPI)
        stop_serve(cpu);
    if (vcpu->ept_generation != machine.ept_generation) {
        vcpu->ept_generation = machine.ept_generation;
        vmx_flush_ept(vcpu->eptp);
    }
    if (why & (ATTENTION_GUEST_NMI | ATTENTION_KICKED))
        note_nmis(vcpu, why);
    if (why & ATTENTION_CHECK) /* goes before INIT */
        machine_check_serve(vcpu);
    if (machine.icr_intercepted)
        icr_serve(vcpu);
    debug_fault_after_launch(cpu);
    machine_check_provoke(vcpu);
    attend_timer(vcpu, types_attend(vcpu, why & ATTENTION_TYPES), why);
    if (why & ATTENTION_DEBUG)
        machine.debug.attend(vcpu);
    if (vcpu->nmi_pending) /* behind it: an NMI waits while the debugger steps */
        inject_nmi(vcpu);
    if (vcpu->debug_generation != machine.debug.generation)
        debug_apply(vcpu);
    step_attend(vcpu);
}

/* The guest's own end: its processor is shown as it stands. */
enum exit_next handle_triple_fault(struct vmx_cpu *vcpu)
{
    if (debug_last_look(vcpu, DEBUG_TRIPLE_FAULT))
        return NEXT_RESUME;
    stop_guest("triple fault on cpu%u at CS:RIP %04x:%llx", vcpu->cpu->number,
               vmcs_read(GUEST_CS_SELECTOR), (unsigned long long)vmcs_read(GUEST_RIP));
}
