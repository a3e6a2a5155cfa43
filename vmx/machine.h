/* What all guest CPUs share: what the hardware can do, what follows from it for the guest, and the
 * EPT. Filled on the BSP before any CPU enters VMX root mode; afterwards only the EPT changes,
 * under its lock. */
#pragma once

#include "lib/spinlock.h"
#include "mm/ept.h"
#include "vcpu/cpuid_rules.h"
#include "vcpu/msr_table.h"
#include "vmx/capabilities.h"
#include "vmx/vmx_cpu.h"

/* The control words that every VMCS gets, after adjustment to the capabilities. */
struct vmx_controls {
    uint32_t pin, primary, secondary, exit, entry;
};

struct machine {
    struct vmx_capabilities caps;
    struct vmx_controls controls;
    struct cpuid_policy cpuid;
    uint64_t leaf1_ecx_keep, leaf1_edx_keep; /* of CPUID leaf 1, ready for the exit path */
    uint64_t cr4_allowed;
    uint64_t host_cr4; /* less what follows the guest's: OSXSAVE, PKE */
    struct msr_policy msr;
    hpa_t msr_bitmap;
    struct mtrr_state mtrr;
    struct ept ept;
    struct spinlock ept_lock;
    uint32_t guest_cpus;              /* CPUs that run the guest; the others are left out */
    bool icr_intercepted;             /* INIT and SIPI go by vmx/icr.h */
    uint64_t icr_page;                /* the local APIC's page, then */
    bool measure_exits;               /* `exitcost` */
    volatile uint64_t ept_generation; /* raised when frames of the EPT are used again */
};

extern struct machine machine;

/* Show one page of the guest's at `frame` (read and, if `write`, write), or nothing at it. The
 * caller drops its own mappings; other CPUs may see the old ones for a while. Any CPU, root mode.
 */
MUST_CHECK enum error machine_show_page(gpa_t page, hpa_t frame, bool write);
void machine_hide_page(gpa_t page);

/* Map what the guest touched first at `address`. Serves stop requests while it waits. */
enum ept_fill machine_fill(struct vmx_cpu *vcpu, gpa_t address);
