/* From capabilities to a VMCS: what Orlop asks of the processor, and every field of the VMCS. */
#pragma once

#include "vcpu/init_sipi.h"
#include "vmx/machine.h"
#include "vmx/vmcs_fields.h"
#include "vmx/vmx_cpu.h"

/* What the guest is told by CPUID, MSRs, CR4, given these controls. BSP, boot only. */
void vmx_build_policies(struct machine *all, uint64_t own_base, uint64_t own_end);

/* Write every field that this CPU's current VMCS has, but the guest's registers, which the caller
 * adds by vmx_load_state(). */
void vmx_write_vmcs(struct vmx_cpu *vcpu);

/* Put the guest's processor into a state as after INIT or SIPI, or as a loader wants it. General
 * registers but RDX and RSP become 0. `activity` is enum activity_state. */
void vmx_load_state(struct vmx_cpu *vcpu, const struct reset_state *state, uint32_t activity);

/* Where VM exits go: with `attended` vmx_attend() follows each of them. */
void vmx_write_host_rip(bool attended);

/* One of the guest's segment registers, by its selector's field, as a load in real mode leaves it.
 */
void vmx_load_real_segment(struct vmcs_field selector, uint16_t value);
