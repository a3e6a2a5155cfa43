/* Linked into a test build of Orlop: a debugger that needs no one at its port. `debug_fault=`
 * chooses what it does, instead of a fault:
 *   divide,bsp,guest   four breakpoints of its own, where the guest never comes, on all CPUs
 *   page,bsp,guest     the same, and now and then the guest is stepped for some instructions
 *   tables,bsp,guest   the guest's call for the debugger has as many instructions stepped as ECX
 *                      says; the log tells where each one left RIP, and what else was met
 * With `ap` instead of `bsp` there are no breakpoints. */
#include "base/log.h"
#include "base/x86/cr.h"
#include "boot/options.h"
#include "kernel/percpu.h"
#include "lib/format.h"
#include "vmx/exit.h"
#include "vmx/machine.h"
#include "vmx/step.h"
#include "vmx/vmcs.h"

#define NEVER      0x00007000DEAD0000ull /* no address of the guest's */
#define PERIOD     1500
#define ENOUGH     30
#define BURST      24
#define TRACE_LINE 8

static const struct options *chosen;
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

static void trace(const struct vmx_cpu *vcpu)
{
    static char line[128];
    static size_t used;
    if (vcpu->debug_why != DEBUG_HYPERCALL)
        used += format(line + used, sizeof(line) - used, " %s%llx", why_name(vcpu->debug_why),
                       (unsigned long long)vmcs_read(GUEST_RIP));
    if (used > sizeof(line) - 24 || !steps_left[vcpu->cpu->number]) {
        log_info("steps", "rip%s", line);
        used = 0;
    }
}

static void attend(struct vmx_cpu *vcpu)
{
    uint32_t *left = &steps_left[vcpu->cpu->number];
    if (vcpu->debug_why == DEBUG_HYPERCALL)
        *left = chosen->debug_fault == DEBUG_CHECK_TABLES ? (uint32_t)vcpu->registers.rcx : 0;
    else if (*left)
        --*left;
    if (chosen->debug_fault == DEBUG_CHECK_TABLES)
        trace(vcpu);
    if (vcpu->debug_why == DEBUG_STEP && ++steps == ENOUGH)
        log_info("steps", "%u so far", ENOUGH);
    vcpu->debug_why = DEBUG_NOTHING;
    if (*left)
        step_arm(vcpu);
}

void __wrap_debug_fault_set(const struct options *options)
{
    chosen = options;
    machine.debug.attend = attend;
    machine.debug.generation = 1;
    for (unsigned i = 0; i < DEBUG_BREAKPOINTS && !options->debug_fault_on_ap; i++)
        machine.debug.breakpoints[i] = (struct debug_breakpoint){
            NEVER + i * 16, i == 2 ? 0 : (uint8_t)i, i == 2 ? 1 : 8, true};
}

void __wrap_debug_fault_after_launch(const struct cpu *cpu) { (void)cpu; }

void __wrap_vmx_attend(struct vmx_cpu *vcpu)
{
    uint8_t reason = vcpu->history_reason[(uint8_t)(vcpu->history_next - 1)];
    if (chosen->debug_fault == DEBUG_FAULT_PAGE && reason == EXIT_REASON_PREEMPTION_TIMER &&
        vcpu->step == STEP_NONE && vcpu->debug_why == DEBUG_NOTHING) {
        steps_left[vcpu->cpu->number] = 1 + below(BURST);
        step_arm(vcpu);
    }
    __real_vmx_attend(vcpu);
    if (chosen->debug_fault != DEBUG_FAULT_PAGE)
        return;
    vmcs_write(PIN_CONTROLS, vmcs_read(PIN_CONTROLS) | PIN_PREEMPTION_TIMER);
    vmcs_write(VMX_PREEMPTION_TIMER_VALUE, 1 + below(PERIOD));
}
