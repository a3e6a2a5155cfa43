/* The debug registers while the debugger has breakpoints in them: MOV DR and #DB exit then, and the
 * guest sees its own (vcpu/debug_registers.h). Without, nothing exits, and the registers are the
 * guest's. DR6 always is. And #BP, where the debugger has its INT3 in the guest's memory. Each CPU
 * does its own, in root mode. */
#pragma once

#include "vmx/exit.h"

/* Take over what machine.debug says, before the guest is entered. */
void debug_apply(struct vmx_cpu *vcpu);

/* The guest's DR0 to DR3, DR6, DR7. */
uint64_t debug_guest_dr(const struct vmx_cpu *vcpu, unsigned number);
void debug_set_guest_dr(struct vmx_cpu *vcpu, unsigned number, uint64_t value);

/* INIT: the guest's are those of the reset, the debugger's stay. */
void debug_reset_registers(struct vmx_cpu *vcpu, uint64_t dr6, uint64_t dr7);

/* All registers are the guest's from now on. */
void debug_leave_registers(struct vmx_cpu *vcpu);

/* #DB for the guest, with what its delivery does to the debug registers. `met` in the layout of the
 * pending debug exceptions. */
void debug_inject(struct vmx_cpu *vcpu, uint64_t met);

/* Take the debugger's part out of the pending debug exceptions: true, and debug_event(), where
 * there is one. */
bool debug_take_met(struct vmx_cpu *vcpu);

/* A breakpoint of the debugger's on the instruction at RIP is not met this time. */
void debug_pass_breakpoint(const struct vmx_cpu *vcpu);

/* #DB and #BP of the guest's, by the exit's interruption information. */
enum exit_next debug_exception(struct vmx_cpu *vcpu, uint32_t info);
