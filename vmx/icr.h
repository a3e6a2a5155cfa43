/* INIT and SIPI without the hardware's help, for CPUs that cannot wait for a SIPI in VMX operation:
 * the guest's writes to its ICR exit, messages that reset or start a CPU go to that CPU's mailbox,
 * and it waits for them in root mode. NMIs go the same way, so that they never meet one of ours on
 * theirs. All other messages go to the hardware as they were written. */
#pragma once

#include "boot/options.h"
#include "vmx/exit.h"
#include "vmx/machine.h"

/* Which of the two ways this machine needs, from capabilities, known defects and `sipi=`; NULL or
 * the reason why interception is used. BSP, boot only. */
const char *icr_why_intercepted(const struct vmx_capabilities *caps, enum option_sipi wanted);

/* Protect the ICR of every CPU. After the EPT and the MSR bitmap are built. */
void icr_intercept(void);

/* The guest wrote to the page of its local APIC. */
enum exit_next icr_page_written(struct vmx_cpu *vcpu, gpa_t address, uint64_t qualification);

/* The guest wrote to its x2APIC ICR. */
enum exit_next icr_msr_written(struct vmx_cpu *vcpu, uint64_t value);

/* This CPU's logical ids, which its guest, INIT or the firmware has changed. */
void icr_note_ids(struct vmx_cpu *vcpu);

/* Whether `page` is protected for the ICR. */
bool icr_is_protected(gpa_t page);

/* Look into this CPU's mailbox, and wait there while the guest has it wait for a SIPI. */
void icr_serve(struct vmx_cpu *vcpu);
