/* One CPU of the machine, as the host sees it: who it is, its descriptor tables, its part in the
 * stop protocol. It lies at a fixed page of the CPU's slot (base/layout.h), and GS points at it.
 * What the guest's processor is made of lies in vcpu/ and vmx/, one page further. */
#pragma once

#include "base/bits.h"
#include "base/layout.h"
#include "base/types.h"
#include "mm/guest_access.h"

#define BOOT_STACK_BYTES 8192 /* the BSP's, until it has a slot */

/* SDM vol. 3A, 8.7 "Task Management in 64-bit Mode", figure 8-11. */
struct tss64 {
    uint32_t reserved0;
    uint64_t rsp[3];
    uint64_t reserved1;
    uint64_t ist[7];
    uint64_t reserved2;
    uint16_t reserved3;
    uint16_t io_map_base;
} __attribute__((packed));
_Static_assert(sizeof(struct tss64) == 104, "SDM vol. 3A, figure 8-11");

enum percpu_state {
    CPU_ABSENT,        /* in the MADT, has not answered */
    CPU_ROOT,          /* runs host code: bring-up, an exit */
    CPU_GUEST,         /* runs the guest, or is about to */
    CPU_WAIT_FOR_SIPI, /* in the guest's wait-for-SIPI state: cannot be kicked */
    CPU_STOPPED,       /* has acknowledged a stop */
    CPU_LEFT_OUT,      /* parked in VMX root for good */
};

/* Why the entry path must look before it enters (struct cpu, attention). */
#define ATTENTION_STOP      BIT(0) /* a stop is asked for: kernel/stop.h */
#define ATTENTION_GUEST_NMI BIT(1) /* an NMI came in root mode and belongs to the guest */
#define ATTENTION_LOG       BIT(2) /* lines wait for the serial port: kernel/log.h */
#define ATTENTION_RELOAD    BIT(3) /* a handler changed registers that the fast way out leaves */
#define ATTENTION_MAIL      BIT(4) /* an INIT or SIPI waits in the mailbox: vmx/icr.h */
#define ATTENTION_KICKED    BIT(5) /* an NMI of ours was taken, perhaps with one of the guest's */
#define ATTENTION_TYPES     BIT(6) /* MTRRs may have changed: vmx/memory_types.h */
#define ATTENTION_CHECK     BIT(7) /* a machine check came, and is the guest's */
#define ATTENTION_DEBUG     BIT(8) /* an event for the debugger: vmx/debugging.h */

struct cpu {
    struct cpu *self; /* GS:0 */
    volatile uint32_t attention;
    uint32_t number; /* 0 is the BSP; the others in the order of the MADT */
    uint32_t apic_id;
    uint32_t cr0_found;       /* an AP's when it came, as INIT has left it */
    volatile uint32_t state;  /* enum percpu_state */
    volatile uint32_t kicked; /* an NMI of ours is on its way: kernel/stop.c */
    volatile uint64_t stopped_generation;
    volatile uint64_t nmi_generation; /* of the stops, when an NMI came last */
    volatile uint32_t panicking;
    void (*errand)(void *argument); /* while it stands still: kernel/stop.h */
    void *errand_argument;
    volatile uint32_t errand_state; /* kernel/stop.c */
    void (*leave)(
        struct cpu *cpu);     /* the next NMI of this CPU goes there, for good: vmx/unload.c */
    void *vcpu;               /* struct vmx_cpu, for vmx/entry.asm */
    volatile uint32_t ready;  /* bring-up is done on this CPU, well or badly */
    volatile bool unsuitable; /* it lacks something, and has logged what */
    uint32_t nmis_kicked;     /* NMIs of ours that were taken */
    uint32_t nmis_merged;     /* of the guest's, with one that waited already */
    struct window windows[LAYOUT_SLOT_WINDOWS];
    struct tss64 tss __attribute__((aligned(16)));
    uint64_t gdt[5]; /* null, code, data, TSS (two) */
};

/* The CPU that runs this. Valid once percpu_enter() ran on it. */
static inline struct cpu *this_cpu(void)
{
    struct cpu *cpu;
    __asm__("mov %%gs:0, %0" : "=r"(cpu));
    return cpu;
}

/* Address of page `page` of a CPU's slot. */
static inline void *percpu_slot(uint32_t number, uint32_t page)
{
    return (void *)(LAYOUT_CPU_BASE + (uint64_t)number * LAYOUT_SLOT_BYTES + page * PAGE_SIZE);
}

static inline struct cpu *percpu_get(uint32_t number)
{
    return percpu_slot(number, LAYOUT_SLOT_CPU);
}

/* Ask a CPU to look before it enters its guest. Any CPU, any context. */
static inline void percpu_attend(struct cpu *cpu, uint32_t why)
{
    __atomic_or_fetch(&cpu->attention, why, __ATOMIC_SEQ_CST);
}

/* An NMI of the guest's, for a CPU of the guest's. Any CPU, any context. */
static inline void percpu_guest_nmi(struct cpu *cpu)
{
    if (__atomic_fetch_or(&cpu->attention, ATTENTION_GUEST_NMI, __ATOMIC_SEQ_CST) &
        ATTENTION_GUEST_NMI)
        __atomic_add_fetch(&cpu->nmis_merged, 1, __ATOMIC_RELAXED);
}

/* An NMI has come, on this CPU: ours, where one was on its way, or the guest's. */
void percpu_nmi_taken(struct cpu *cpu);

/* Make `cpu` this CPU's: GDT, TSS, IDT, GS base. `stacks` are the tops of the NMI, #DF and #MC
 * stacks. The BSP calls it twice: early with a static area, then with its slot. */
void percpu_enter(struct cpu *cpu, uint32_t number, uint32_t apic_id, const uint64_t stacks[3]);

/* The same for a CPU with a slot, which is mapped; its windows are opened too. */
void percpu_enter_slot(uint32_t number, uint32_t apic_id);
