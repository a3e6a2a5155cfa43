/* What all guest CPUs share: what the hardware can do, what follows from it for the guest, and the
 * EPT. Filled on the BSP before any CPU enters VMX root mode; afterwards only the EPT changes,
 * under its lock. */
#pragma once

#include "kernel/stop.h"
#include "lib/spinlock.h"
#include "mm/ept.h"
#include "vcpu/cpuid_rules.h"
#include "vcpu/msr_table.h"
#include "vcpu/ports.h"
#include "vmx/choose.h"
#include "vmx/debugging.h"
#include "vmx/exit.h"
#include "vmx/vmx_cpu.h"

/* A page of the guest's that the EPT shows as a copy of ours, in which a VMCALL leads to us.
 * Registered from above this layer, before any CPU runs the guest; all zeroes is none. */
struct machine_hook {
    gpa_t page; /* what the EPT shows as `frame`, read and execute */
    hpa_t frame;
    uint16_t entry_ip; /* the VMCALL, at CS:IP of real or virtual-8086 mode */
    uint32_t entry_base;
    enum exit_next (*called)(struct vmx_cpu *vcpu);
    enum exit_next (*written)(struct vmx_cpu *vcpu); /* the guest writes to the page */
    enum exit_next (*stepped)(struct vmx_cpu *vcpu); /* an instruction ran in the real page */
    void (*refresh)(struct vmx_cpu *vcpu);           /* before the copy is shown again */
};

struct machine {
    struct vmx_capabilities caps;
    struct vmx_controls controls;
    struct cpuid_policy cpuid;
    uint64_t cr4_allowed;
    uint64_t host_cr4; /* less what follows the guest's: OSXSAVE, PKE */
    struct msr_policy msr;
    hpa_t msr_bitmap;
    hpa_t io_bitmap[2];     /* A and B, where there are `ports` */
    struct mtrr_state mtrr; /* the BSP's, as the firmware left them */
    struct mtrr_sets types; /* what the EPT's types come from */
    struct ept ept;
    struct spinlock ept_lock;
    uint32_t guest_cpus;  /* CPUs that run the guest; the others are left out */
    bool icr_intercepted; /* INIT and SIPI go by vmx/icr.h */
    uint64_t icr_page;    /* the local APIC's page, then */
    struct machine_hook hook;
    struct port_table ports;      /* filled as `hook` is, before the VMCSs are written */
    bool hidden;                  /* `cpuid=hidden` */
    uint64_t quick_call;          /* ORLOP_CALL_VERSION; hidden: what no number of 32 bits is */
    const struct memory_map *map; /* the guest's, while it runs */
    struct machine_debug debug;
    bool measure_exits;               /* `exitcost` */
    volatile uint64_t ept_generation; /* raised when the EPT's old entries must not be used */
};

extern struct machine machine;

/* Show one page of the guest's at `frame`, with `rights` of EPT_R, EPT_W, EPT_X; or what it shows
 * otherwise, which is nothing but for the local APIC and the hook's page. The caller drops its own
 * mappings; other CPUs may see the old ones for a while. Any CPU, root mode. */
MUST_CHECK enum error machine_show_page(gpa_t page, hpa_t frame, uint64_t rights);
void machine_restore_page(gpa_t page);

/* The EPT's lock. Serves stop requests while it waits. */
void machine_lock(struct cpu *cpu);
void machine_unlock(void);

/* With the lock held: all CPUs stand still while `change` is made to the EPT, and invalidate before
 * they go on. False where one does not stop within `bound_us`, and nothing was done: it may be deaf
 * by its guest's doing (a local APIC that is off), or for a while by the host below. */
bool machine_change_stopped(struct vmx_cpu *vcpu, enum stop_reason reason, uint64_t bound_us,
                            void (*change)(void));

/* Map what the guest touched first at `address`. Serves stop requests while it waits. */
enum ept_fill machine_fill(struct vmx_cpu *vcpu, gpa_t address);
