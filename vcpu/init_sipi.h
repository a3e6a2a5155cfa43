/* INIT and startup IPIs: one state machine for every virtual CPU, and the register state that INIT
 * leaves, as data. Knows no VMX: the caller carries the action out. Nothing here logs, because
 * between an INIT and the wait for its SIPI there is no time to (Linux sends the two SIPIs 10 us
 * after the INIT). Pure; called by the CPU that owns the state. */
#pragma once

#include "base/types.h"

enum cpu_state {
    CPU_STATE_OFF,           /* not launched: in root mode, where INIT is blocked */
    CPU_STATE_RUNNING,       /* executes, or is in HLT */
    CPU_STATE_WAIT_FOR_SIPI, /* after INIT; a SIPI starts it */
    CPU_STATE_SHUTDOWN,      /* after a triple fault; only INIT ends it */
    CPU_STATE_LEFT_OUT,      /* parked for good: never executes guest code */
    CPU_STATES
};

enum cpu_event {
    CPU_EVENT_LAUNCH,
    CPU_EVENT_INIT,
    CPU_EVENT_SIPI,
    CPU_EVENT_TRIPLE_FAULT,
    CPU_EVENTS
};

enum cpu_action {
    CPU_ACTION_NONE,           /* the event has no effect */
    CPU_ACTION_ENTER,          /* run from the state that the loader prepared (boot CPU, launch) */
    CPU_ACTION_RESET_AND_WAIT, /* load the INIT state, wait for a SIPI */
    CPU_ACTION_RESET_AND_RUN,  /* load the INIT state, run at the reset vector (boot CPU) */
    CPU_ACTION_START,          /* reset_state_start() with the SIPI's vector, then run */
    CPU_ACTION_STOP,           /* shut down: nothing more is executed */
};

struct cpu_transition {
    enum cpu_state state; /* the new one */
    enum cpu_action action;
};

/* What `event` does to a CPU in `state`. `is_boot_cpu` is IA32_APIC_BASE.BSP of that CPU. */
struct cpu_transition init_sipi_step(enum cpu_state state, enum cpu_event event, bool is_boot_cpu);

struct reset_segment {
    uint16_t selector;
    uint64_t base;
    uint32_t limit;
    uint32_t access_rights; /* bits 7:0 as in a descriptor's byte 5; bit 16 = unusable */
};

/* What INIT sets (Intel SDM vol. 3A, 10.1.1 "Processor State After Reset", table "IA-32 and Intel
 * 64 Processor States Following Power-up, Reset, or INIT"). What is not here is unchanged by INIT:
 * x87, MMX and SSE state, XCR0, the TSC, MTRRs, PAT, APIC mode and the other MSRs. */
struct reset_state {
    uint64_t rip, rflags, rdx; /* every other general register is 0 */
    uint64_t cr0;              /* the guest's view: CD and NW are as before */
    uint64_t cr2, cr3, cr4, efer;
    uint64_t dr6, dr7; /* DR0 to DR3 are 0 */
    struct reset_segment cs, data /* SS, DS, ES, FS, GS */, ldtr, tr;
    uint64_t gdtr_base, idtr_base;
    uint32_t gdtr_limit, idtr_limit;
};

/* The state after INIT. `cr0_before` is the guest's view of CR0; `signature` is CPUID.1:EAX. */
struct reset_state reset_state_after_init(uint64_t cr0_before, uint32_t signature);

/* Turns it into the state in which a SIPI starts the CPU: CS:IP = vector * 100h : 0 (vol. 3A, 9.4
 * "Multiple-Processor (MP) Initialization"). */
void reset_state_start(struct reset_state *state, uint8_t vector);
