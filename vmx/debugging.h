/* What the mechanism and a debugger above it have in common. The debugger registers its functions
 * before any CPU runs the guest; without it all is zero, and nothing here is ever called.
 *
 * What happens on a CPU is noted by debug_event() while its exit is handled; once the guest's state
 * is complete, and before the guest is entered again, vmx_attend() calls `attend`. There all other
 * CPUs are stopped, the guest is looked at and changed, and let go on. */
#pragma once

#include "vcpu/debug_registers.h"
#include "vmx/vmx_cpu.h"

enum debug_why {
    DEBUG_NOTHING,
    DEBUG_KEY,           /* somebody asks, at the port */
    DEBUG_LAUNCH,        /* before the guest's first instruction */
    DEBUG_START,         /* a SIPI has started this CPU */
    DEBUG_HYPERCALL,     /* the guest asks */
    DEBUG_NMI,           /* the button */
    DEBUG_TRIPLE_FAULT,  /* the guest's state is that before the event */
    DEBUG_ENTRY_FAILURE, /* the VMCS holds what the processor refuses */
    DEBUG_STEP,          /* the instruction of step_arm() is done */
    DEBUG_INT3,          /* RIP is at the INT3 */
    DEBUG_WATCH,         /* one of `breakpoints` was met; its index is the detail */
    DEBUG_TURN,          /* another CPU hands the session over to this one */
};

struct machine_debug {
    void (*attend)(struct vmx_cpu *vcpu); /* an event was noted */
    /* Called on CPU `looker` at least once a period, while that has a VMX preemption timer. */
    void (*look)(struct vmx_cpu *vcpu);
    volatile uint32_t looker;
    bool (*owns_int3)(struct vmx_cpu *vcpu); /* RIP is at an INT3 of the debugger's */
    /* Asked by what ends the guest, a triple fault or a failed VM entry: shall the debugger see it
     * first? */
    bool (*last_look)(struct vmx_cpu *vcpu, enum debug_why why);
    bool stop_at_start, stop_at_nmi; /* DEBUG_START, DEBUG_NMI */

    /* What each CPU applies before it enters the guest, when `generation` is not its own:
     * vmx/exit_dr.h. Changed while all CPUs stand still. */
    struct debug_breakpoint breakpoints[DEBUG_BREAKPOINTS];
    bool int3; /* #BP exits */
    volatile uint64_t generation;
};

/* `look` is called at most 20 times a second, also where the clock that the TSC was measured by is
 * a little off. */
#define DEBUG_LOOK_US 51000

/* Note an event of this CPU's, or of one that stands still. An earlier one that nobody has attended
 * to yet stays. Root mode. */
void debug_event(struct vmx_cpu *vcpu, enum debug_why why, uint64_t detail);

/* The guest is at its end on this CPU: true where it is kept for the debugger, as it stands. */
bool debug_last_look(struct vmx_cpu *vcpu, enum debug_why why);
