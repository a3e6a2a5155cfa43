/* Linked into a test build of Orlop: a debugger that needs no one at its port. `debug_fault=`
 * chooses what it does, instead of a fault:
 *   divide,bsp,guest   four breakpoints of its own, where the guest never comes, on all CPUs
 *   page,bsp,guest     the same, and now and then the guest is stepped for some instructions
 *   tables,bsp,guest   the guest's call for the debugger has as many instructions stepped as CX
 *                      says, at once, or, where bit 31 of ECX is set, a while later; the log tells
 *                      where each one left RIP, and what else was met
 * With `ap` instead of `bsp` there are no breakpoints, with `boot` instead of `guest` no monitor
 * trap flag. Under `page` only what interrupts cannot come into is stepped: they would come behind
 * it, which the guests tell. */
#include "base/log.h"
#include "base/x86/eflags.h"
#include "boot/options.h"
#include "kernel/percpu.h"
#include "lib/format.h"
#include "vmx/exit.h"
#include "vmx/machine.h"
#include "vmx/step.h"
#include "vmx/vmcs.h"

#define NEVER     0x00007000DEAD0000ull /* no address of the guest's */
#define PERIOD    1500
#define ENOUGH    30
#define LATER     BIT(31)
#define LATER_TSC 20000
#define BURST     24

static const struct options *chosen;
static bool later;
static uint32_t seed = 12345, steps, steps_left[LAYOUT_MAX_CPUS];

void __wrap_debug_fault_set(const struct options *options);
void __wrap_debug_fault_after_launch(const struct cpu *cpu);
void __real_vmx_attend(struct vmx_cpu *vcpu);
void __wrap_vmx_attend(struct vmx_cpu *vcpu);

static uint32_t below(uint32_t bound)
{
    seed = seed * 1664525 + 1013904223;
    return (uint32_t)((uint64_t)seed * bound >> 32);
}

static const char *why_name(uint32_t why)
{
    return why == DEBUG_STEP    ? ""
           : why == DEBUG_WATCH ? "watch "
           : why == DEBUG_INT3  ? "int3 "
                                : "? ";
}

/* Where RIP is, counted from where the first step began. */
static void trace(const struct vmx_cpu *vcpu)
{
    static char line[160];
    static size_t used;
    static uint64_t origin;
    uint64_t rip = vmcs_read(GUEST_RIP);
    if (vcpu->debug_why == DEBUG_HYPERCALL)
        origin = rip;
    else
        used += format(line + used, sizeof(line) - used, " %s%lld", why_name(vcpu->debug_why),
                       (long long)(rip - origin));
    if (steps_left[vcpu->cpu->number])
        return;
    log_info("steps", "to%s", line);
    used = 0;
}

static void attend(struct vmx_cpu *vcpu)
{
    uint32_t *left = &steps_left[vcpu->cpu->number];
    if (vcpu->debug_why == DEBUG_HYPERCALL)
        *left = chosen->debug_fault == DEBUG_CHECK_TABLES ? (uint16_t)vcpu->registers.rcx : 0;
    else if (*left)
        --*left;
    if (chosen->debug_fault == DEBUG_FAULT_PAGE && (vmcs_read(GUEST_RFLAGS) & RFLAGS_IF))
        *left = 0;
    if (chosen->debug_fault == DEBUG_CHECK_TABLES)
        trace(vcpu);
    if (vcpu->debug_why == DEBUG_STEP && ++steps == ENOUGH)
        log_info("steps", "%u so far", ENOUGH);
    later = vcpu->debug_why == DEBUG_HYPERCALL && (vcpu->registers.rcx & LATER);
    vcpu->debug_why = DEBUG_NOTHING;
    if (*left && !later)
        step_arm(vcpu);
}

void __wrap_debug_fault_set(const struct options *options)
{
    chosen = options;
    machine.debug.attend = attend;
    machine.debug.generation = 1;
    machine.debug.int3 = true; /* none is the debugger's: each goes back */
    for (unsigned i = 0; i < DEBUG_BREAKPOINTS && !options->debug_fault_on_ap; i++)
        machine.debug.breakpoints[i] = (struct debug_breakpoint){
            NEVER + i * 16, i == 2 ? 0 : (uint8_t)i, i == 2 ? 1 : 8, true};
}

void __wrap_debug_fault_after_launch(const struct cpu *cpu) { (void)cpu; }

static void arm_timer(uint32_t ticks)
{
    vmcs_write(PIN_CONTROLS, vmcs_read(PIN_CONTROLS) | PIN_PREEMPTION_TIMER);
    vmcs_write(VMX_PREEMPTION_TIMER_VALUE, ticks);
}

static void begin_burst(struct vmx_cpu *vcpu)
{
    if (vcpu->step != STEP_NONE || vcpu->debug_why != DEBUG_NOTHING ||
        (vmcs_read(GUEST_RFLAGS) & RFLAGS_IF))
        return;
    steps_left[vcpu->cpu->number] = 1 + below(BURST);
    step_arm(vcpu);
}

void __wrap_vmx_attend(struct vmx_cpu *vcpu)
{
    bool burst = chosen->debug_fault == DEBUG_FAULT_PAGE;
    uint8_t reason = vcpu->history_reason[(uint8_t)(vcpu->history_next - 1)];
    if (!chosen->debug_fault_after_launch)
        machine.caps.primary &= ~CONTROL_MAY_BE_1(PRIMARY_MONITOR_TRAP_FLAG);
    if (burst && reason == EXIT_REASON_PREEMPTION_TIMER)
        begin_burst(vcpu);
    if (later && reason == EXIT_REASON_PREEMPTION_TIMER) {
        later = false;
        step_arm(vcpu);
    }
    __real_vmx_attend(vcpu);
    if (burst)
        arm_timer(1 + below(PERIOD));
    else if (later)
        arm_timer(LATER_TSC);
}
