/* What the processor says when a VMX instruction or a VM entry fails, in words. Pure. */
#pragma once

#include "base/types.h"

/* The meaning of a VM-instruction error number (VMCS field VM_INSTRUCTION_ERROR after VMfailValid);
 * numbers without a meaning get a text too, never NULL. */
const char *vmx_instruction_error_text(uint32_t number);

/* The meaning of the exit qualification after a VM-entry failure due to invalid guest state, basic
 * exit reason 33; never NULL. Intel SDM vol. 3, section 27.8, VM-Entry Failures During or After
 * Loading Guest State. For reason 34 the qualification is the MSR list's entry number, from 1. */
const char *vmx_entry_failure_text(uint64_t qualification);
