/* VMX root mode of one CPU: into it, once, for good; and what must be dropped from its TLB. */
#pragma once

#include "base/error.h"
#include "vmx/vmx_cpu.h"

/* Read this CPU's capability words. */
void vmx_read_capabilities(struct vmx_capabilities *caps);

/* Set FEATURE_CONTROL where it is unlocked, put CR0 and CR4 into what VMX operation wants, VMXON,
 * and drop every mapping that an earlier user of VMX left behind. Requirements were checked before.
 * ERROR_UNSUPPORTED, logged, where the CPU says no. This CPU, its slot entered. */
MUST_CHECK enum error vmx_root_enter(struct vmx_cpu *vcpu, hpa_t vmxon_region, hpa_t vmcs_region);

/* After a VM entry that failed: have the next one be a launch, which the failed one may have been.
 */
void vmx_relaunch(struct vmx_cpu *vcpu);

/* Drop this CPU's mappings: of the EPT in use, and of this guest's linear addresses. */
void vmx_flush_ept(uint64_t eptp);
void vmx_flush_linear(void);
