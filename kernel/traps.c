#include "kernel/traps.h"

#include "base/bits.h"
#include "base/hw.h"
#include "base/x86/exceptions.h"
#include "base/x86/mca.h"
#include "base/x86/msr.h"
#include "kernel/panic.h"
#include "kernel/percpu.h"
#include "kernel/stop.h"

struct fault_fixup {
    uint64_t at, resume;
};
extern const struct fault_fixup fault_fixups[]; /* kernel/fault_safe.asm */
extern const uint64_t fault_fixup_count;

static struct entry_window windows[TRAP_ENTRY_WINDOWS];

void trap_set_entry_window(unsigned index, struct entry_window window) { windows[index] = window; }

const char *trap_name(uint64_t vector)
{
    static const char *const names[EXCEPTION_VECTORS] = {
#define TRAP_NAME(number, name, error_code, text) [number] = text,
        EXCEPTIONS(TRAP_NAME)
#undef TRAP_NAME
    };
    return vector < EXCEPTION_VECTORS && names[vector] ? names[vector] : "reserved exception";
}

static bool fixed_up(struct trap_frame *frame)
{
    if (frame->vector != EXCEPTION_GP && frame->vector != EXCEPTION_UD)
        return false;
    for (uint64_t i = 0; i < fault_fixup_count; i++) {
        if (frame->rip == fault_fixups[i].at) {
            frame->rip = fault_fixups[i].resume;
            return true;
        }
    }
    return false;
}

/* Between the last look at `attention` and the VM entry: look again. */
static void send_back(struct trap_frame *frame)
{
    for (unsigned i = 0; i < ARRAY_SIZE(windows); i++)
        if (frame->rip - windows[i].start < windows[i].end - windows[i].start)
            frame->rip = windows[i].restart;
}

/* Runs on a stack of its own, takes no lock and writes no log. */
static void handle_nmi(struct trap_frame *frame)
{
    struct cpu *cpu = this_cpu();
    if (cpu->leave)
        cpu->leave(cpu);
    percpu_nmi_taken(cpu);
    stop_serve_in_nmi(cpu);
    send_back(frame);
}

/* The guest's, if Orlop's own code can go on: false where it cannot. Likewise on its own stack. */
static bool machine_check_passed_on(struct trap_frame *frame)
{
    struct cpu *cpu = this_cpu();
    uint64_t status;
    if (!cpu->vcpu || (hw_rdmsr_safe(MSR_IA32_MCG_STATUS, &status) && !(status & MCG_STATUS_RIPV)))
        return false;
    percpu_attend(cpu, ATTENTION_CHECK);
    send_back(frame);
    return true;
}

void trap_dispatch(struct trap_frame *frame)
{
    if (frame->vector == EXCEPTION_NMI)
        handle_nmi(frame);
    else if (frame->vector == EXCEPTION_MC && machine_check_passed_on(frame))
        return;
    else if (!fixed_up(frame))
        panic_trap(frame);
}
