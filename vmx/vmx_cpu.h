/* One guest CPU on one host CPU, as VMX sees it. It lies in two pages of the CPU's slot, right
 * above the host's stack: the exit stub stores the guest's registers at its start, and goes on
 * below. */
#pragma once

#include "base/layout.h"
#include "base/types.h"
#include "kernel/percpu.h"
#include "mm/mtrr.h"
#include "vcpu/debug_registers.h"
#include "vcpu/init_sipi.h"
#include "vcpu/registers.h"
#include "vmx/capabilities.h"
#include "vmx/exit_reasons.h"

/* kernel/place.c counts the scratch pages. */
#define VMX_SINK_PAGES 4   /* two operands, each across a page boundary */
#define VMX_HISTORY    256 /* as many as a byte counts, so that the index wraps by itself */

enum vmx_step {
    STEP_NONE,
    STEP_WANTED, /* by the debugger: begins before the next entry */
    STEP_ARMED,
    STEP_DONE, /* to be told */
};

struct vmx_cpu {
    struct guest_registers registers; /* first: HOST_RSP points just past it */
    uint8_t launched;                 /* written by entry.asm */
    uint8_t history_next;
    uint8_t nmi_pending;      /* an NMI of the guest's waits to be injected */
    bool machine_check_waits; /* for an event that is delivered first */
    bool task_fault;          /* a task switch ended in a fault of the new task's ... */
    uint8_t in_root;          /* VMXON was executed, the VMCS is current */

    uint64_t exits[EXIT_REASON_COUNT];
    uint64_t history_rip[VMX_HISTORY];
    uint8_t history_reason[VMX_HISTORY];

    struct cpu *cpu;
    struct vmx_capabilities caps; /* of this CPU alone */
    struct mtrr_difference mtrrs; /* the BSP's and this CPU's; no name: they are alike */
    uint32_t signature;           /* CPUID.1:EAX, which INIT leaves in EDX */
    uint32_t run_state;           /* enum cpu_state of vcpu/init_sipi.h */
    uint32_t mail;                /* an INIT or SIPI that another CPU left (vmx/icr.c) */
    uint32_t ldr, dfr;            /* the guest's, for it */
    hpa_t vmxon, vmcs;
    uint64_t eptp;
    uint64_t ept_generation; /* the one that this CPU has invalidated for */
    uint64_t guest_nmis;     /* injected */
    uint32_t nmi_handed;     /* sources that were believed (vcpu/nmi_sources.h) */
    uint64_t started_us;     /* by a SIPI, at last */
    uint64_t task_fault_rip; /* ... which is not delivered while RIP is this */

    /* Accesses to Orlop's own range (vmx/exit_range.h). */
    uint64_t range_touches, range_told_us;
    bool range_told, ignored_told;
    uint32_t sink_count; /* pages that show a sink until the step is over */
    gpa_t sink[VMX_SINK_PAGES];
    hpa_t scratch[VMX_SINK_PAGES];

    uint64_t leave_cr3, leave_page; /* vmx/unload.c: the tables, the guest's page, linear ... */
    gpa_t leave_frame;              /* ... and physical; 0: none */
    uint32_t leave_icr_high;        /* the guest's */

    /* For the debugger (vmx/debugging.h): what has happened, and what it has told this CPU. */
    uint32_t debug_why;
    uint64_t debug_detail, debug_generation;
    bool debug_end_seen; /* where the guest ends, at this RIP */
    uint64_t debug_end_rip;
    bool debug_changed;          /* registers, since the guest was entered */
    struct breakpoints guest_dr; /* vmx/exit_dr.h: the guest's, where they are shared ... */
    struct debug_owners dr_owners;
    bool dr_shared, dr_told; /* ... with the debugger's */

    /* An instruction that is stepped (vmx/step.h): where it stood, and what it takes away and gives
     * back. */
    uint8_t step;
    uint32_t step_nmi_blocking, step_blocking;
    uint64_t step_rip, step_rcx, step_pending;

    uint64_t exit_started; /* with `exitcost`: TSC of the exit, and by reason the sums ... */
    uint64_t exit_ticks[EXIT_REASON_COUNT];
    uint32_t exit_least[EXIT_REASON_COUNT], exit_most[EXIT_REASON_COUNT]; /* ... 0: none yet */

    /* The guest's view of MSRs 200H to 2FFH that are MTRRs, and of CR0.CD. Other CPUs look at it:
     * vmx/memory_types.h. */
    uint64_t mtrr_shadow[0x100];
    bool caches_off;
};

_Static_assert(sizeof(struct vmx_cpu) <= LAYOUT_SLOT_VCPU_PAGES * PAGE_SIZE, "base/layout.h");
_Static_assert(offsetof(struct vmx_cpu, registers) == 0, "the exit stub pushes it");

/* The struct of the CPU that runs this. */
static inline struct vmx_cpu *this_vmx_cpu(void) { return this_cpu()->vcpu; }
