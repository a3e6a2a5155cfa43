/* The way of a CPU into its guest, in steps that main.c calls in order. */
#pragma once

#include "base/error.h"
#include "vcpu/entry_state.h"
#include "vmx/machine.h"
#include "vmx/setup.h"

/* Before any CPU: what all share. `all` holds what every CPU can do. BSP, boot only. */
void vmx_prepare_machine(uint64_t own_base, uint64_t own_end);

/* Frames of one CPU: VMXON region, VMCS, scratch pages. BSP, boot only. */
void vmx_prepare_cpu(uint32_t number);

/* VMX root mode, a whole VMCS, the state after INIT. ERROR_UNSUPPORTED, logged, where the CPU says
 * no. On the CPU itself. */
MUST_CHECK enum error vmx_start_cpu(struct cpu *cpu);

/* Enter the guest: on the boot CPU as `entry` says; on others waiting for a SIPI. */
_Noreturn void vmx_run_boot_cpu(struct cpu *cpu, const struct entry_state *entry);
_Noreturn void vmx_run_other_cpu(struct cpu *cpu);

/* Stay in VMX root mode for good: INIT is blocked there, so no guest code can run on this CPU. */
_Noreturn void vmx_park(struct cpu *cpu);
