/* One instruction of the guest's, and then back. Where the processor has the monitor trap flag, a
 * VM exit follows the instruction (SDM vol. 3C, 26.5.2 "Monitor Trap Flag"). Where it has not, the
 * VM entry is made with blocking by MOV SS and NMI-window exiting, under which the window opens
 * after exactly one instruction (26.2 "Other Causes of VM Exits", "NMI window"). RFLAGS.TF would do
 * it too, but then the guest could see it: in what PUSHF, INT and faults push, and in DR6. */
#pragma once

#include "vmx/vmx_cpu.h"

/* Let this CPU's guest run one instruction when it is entered next, or have one event delivered
 * that waits for it; then debug_event(DEBUG_STEP), or DEBUG_WATCH where it met a breakpoint. An
 * exit that carries the instruction out counts as the instruction. Of a string with REP an element
 * is one. Interrupts and NMIs wait meanwhile, but for those that end HLT, which are the step there;
 * without the monitor trap flag a CPU in HLT makes no step. */
void step_arm(struct vmx_cpu *vcpu);

/* Never mind. No effect where there is no step. */
void step_cancel(struct vmx_cpu *vcpu);

/* For vmx_attend(), last before the entry: what the step needs from it, or the end of the step. */
void step_attend(struct vmx_cpu *vcpu);

/* Whether NMIs have to wait for the end of the step. */
bool step_holds_nmis(const struct vmx_cpu *vcpu);

/* INIT has come: the step ends where the CPU starts. */
void step_restart(struct vmx_cpu *vcpu);

/* Open the NMI window after one instruction, or after an event that is `delivered` first: also the
 * way of vmx/exit_range.c, which needs no debugger. */
void step_by_window(struct vmx_cpu *vcpu, bool delivered);

/* The window has opened, or the step was given up: NMIs are blocked again where they were. */
void step_give_back(struct vmx_cpu *vcpu);

/* NMI-window exit: whether a step has ended is seen by step_attend(). */
void step_window_opened(struct vmx_cpu *vcpu);
