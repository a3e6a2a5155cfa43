/* RDMSR and WRMSR of the MSRs that vcpu/msr_table.h guards. Every access to the hardware is
 * fault-safe: where the bare CPU raises #GP, the guest gets it. */
#include "base/hw.h"
#include "base/log.h"
#include "base/x86/apic.h"
#include "base/x86/msr.h"
#include "vcpu/msr_table.h"
#include "vmx/exit.h"
#include "vmx/icr.h"
#include "vmx/machine.h"

static uint64_t *shadow(struct vmx_cpu *vcpu, uint32_t index)
{
    return &vcpu->mtrr_shadow[index & 0xFF];
}

enum exit_next handle_rdmsr(struct vmx_cpu *vcpu)
{
    uint32_t index = (uint32_t)vcpu->registers.rcx;
    uint64_t value = 0;
    switch (msr_read_rule(&machine.msr, index, &value)) {
    case MSR_DO_NATIVE:
        if (!hw_rdmsr_safe(index, &value))
            return NEXT_GP;
        value = msr_read_filter(&machine.msr, index, value);
        break;
    case MSR_DO_SHADOW: value = *shadow(vcpu, index); break;
    case MSR_DO_ANSWER: break;
    default: return NEXT_GP;
    }
    vcpu->registers.rax = (uint32_t)value;
    vcpu->registers.rdx = value >> 32;
    return NEXT_ADVANCE;
}

enum exit_next handle_wrmsr(struct vmx_cpu *vcpu)
{
    uint32_t index = (uint32_t)vcpu->registers.rcx;
    uint64_t value = vcpu->registers.rdx << 32 | (uint32_t)vcpu->registers.rax, now = 0;
    if (index == MSR_IA32_X2APIC_ICR && machine.icr_intercepted)
        return icr_msr_written(vcpu, value);
    if (msr_write_needs_now(index) && !hw_rdmsr_safe(index, &now))
        return NEXT_GP;
    switch (msr_write_rule(&machine.msr, index, now, &value)) {
    case MSR_DO_NATIVE:
        if (!hw_wrmsr_safe(index, value))
            return NEXT_GP;
        if (index == MSR_IA32_APIC_BASE)
            icr_page_moved(value);
        return NEXT_ADVANCE;
    case MSR_DO_SHADOW: *shadow(vcpu, index) = value; return NEXT_ADVANCE;
    case MSR_DO_IGNORE:
        log_info("msr", "write to MSR 0x%x ignored", index);
        return NEXT_ADVANCE;
    default: return NEXT_GP;
    }
}
