/* What happens to an exit: one dispatcher, one place that steps over an instruction, one place that
 * injects. Handlers are named by vmx/exit_reasons.h and say what is to come next. Each runs on the
 * CPU of its guest, in root mode, with the VMCS current. */
#pragma once

#include "vmx/vmx_cpu.h"

enum exit_next {
    NEXT_RESUME,  /* go on with the state that the handler left */
    NEXT_RETRY,   /* go on where the guest is; an event that the exit interrupted is delivered again
                   */
    NEXT_ADVANCE, /* the instruction is done: step over it */
    NEXT_UD,      /* #UD at the instruction */
    NEXT_GP,      /* #GP(0) at the instruction */
};

/* Reasons that the controls can cause, in the order of exit_reasons.h. */
enum exit_next handle_exception_or_nmi(struct vmx_cpu *vcpu);
enum exit_next handle_triple_fault(struct vmx_cpu *vcpu);
enum exit_next handle_init(struct vmx_cpu *vcpu);
enum exit_next handle_sipi(struct vmx_cpu *vcpu);
enum exit_next handle_nmi_window(struct vmx_cpu *vcpu);
enum exit_next handle_task_switch(struct vmx_cpu *vcpu);
enum exit_next handle_getsec(struct vmx_cpu *vcpu);
enum exit_next handle_invd(struct vmx_cpu *vcpu);
enum exit_next handle_vmcall(struct vmx_cpu *vcpu);
enum exit_next handle_vmx_instruction(struct vmx_cpu *vcpu);
enum exit_next handle_cr_access(struct vmx_cpu *vcpu);
enum exit_next handle_mov_dr(struct vmx_cpu *vcpu);
enum exit_next handle_monitor_trap_flag(struct vmx_cpu *vcpu);
enum exit_next handle_io(struct vmx_cpu *vcpu);
enum exit_next handle_rdmsr(struct vmx_cpu *vcpu);
enum exit_next handle_wrmsr(struct vmx_cpu *vcpu);
enum exit_next handle_entry_failure(struct vmx_cpu *vcpu);
enum exit_next handle_ept_violation(struct vmx_cpu *vcpu);
enum exit_next handle_ept_misconfig(struct vmx_cpu *vcpu);
enum exit_next handle_preemption_timer(struct vmx_cpu *vcpu);
enum exit_next handle_xsetbv(struct vmx_cpu *vcpu);
enum exit_next handle_unexpected(struct vmx_cpu *vcpu);

/* CPUID of leaves that are not all native (vmx/exit_instructions.c). */
void exit_cpuid_filtered(struct vmx_cpu *vcpu, uint32_t leaf, uint32_t subleaf);

/* Called by vmx/entry.asm. */
void vmx_handle_exit(struct vmx_cpu *vcpu);
void vmx_attend(struct vmx_cpu *vcpu);
void vmx_count_ticks(struct vmx_cpu *vcpu, uint64_t tsc);
_Noreturn void vmx_entry_failed(struct vmx_cpu *vcpu, bool invalid);
_Noreturn void vmx_enter_guest(struct vmx_cpu *vcpu);

/* Step over the instruction of this exit, as the processor would have completed it. */
void exit_advance(void);

/* The same where the exit does not tell the length: `length` bytes, from the decoder. */
void exit_step_over(uint32_t length);

/* An element of a string with REP is done, and not the last: the guest stays at the instruction. */
void exit_step_element(void);

/* Queue a fault for the next entry; `error_code` counts for vectors that have one. An event
 * whose delivery this exit interrupted is combined with it as the SDM says (vol. 3A, 6.15, "#DF").
 */
void exit_inject(unsigned vector, uint32_t error_code);

/* Queue again an event whose delivery this exit interrupted (IDT-vectoring information). */
void exit_redeliver(void);

/* Change a register of the guest by its encoding, RSP included. */
void exit_set_register(struct vmx_cpu *vcpu, unsigned number, uint64_t value);
uint64_t exit_get_register(struct vmx_cpu *vcpu, unsigned number);

/* CR0, CR3 or CR4, by 0, 3 and 4, as the guest would write it (false: #GP, nothing done) and reads
 * it. */
MUST_CHECK bool exit_write_cr(struct vmx_cpu *vcpu, unsigned number, uint64_t value);
uint64_t exit_read_cr(unsigned number);

/* Outside 64-bit mode Bochs keeps the carry of an instruction that ends at 4 GiB, which VM entry
 * refuses. */
void exit_wrap_rip(void);

/* Switch a primary VM-execution control. */
void exit_set_primary(uint32_t control, bool on);

/* 0 to 3: the DPL of SS (SDM vol. 3C, 25.4.1 "Guest Register State"). */
unsigned exit_cpl(void);

/* EFER.LMA and CS.L. */
bool exit_in_64bit_mode(void);

/* Real-address or virtual-8086 mode. */
bool exit_in_real_mode(void);
