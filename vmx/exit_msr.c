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
#include "vmx/memory_types.h"

#define NOINLINE __attribute__((noinline))

/* MSRs 200H to 2FFH that exit are MTRRs (vcpu/msr_list.h). */
static bool is_mtrr(uint32_t index) { return index - MSR_IA32_MTRR_PHYSBASE0 < 0x100; }

static uint64_t *shadow(struct vmx_cpu *vcpu, uint32_t index)
{
    return &vcpu->mtrr_shadow[index & 0xFF];
}

static enum exit_next answer(struct vmx_cpu *vcpu, uint64_t value)
{
    vcpu->registers.rax = (uint32_t)value;
    vcpu->registers.rdx = value >> 32;
    return NEXT_ADVANCE;
}

static NOINLINE enum exit_next read_other(struct vmx_cpu *vcpu, uint32_t index,
                                          enum msr_action action)
{
    uint64_t value;
    if (action == MSR_DO_SHADOW)
        return answer(vcpu, *shadow(vcpu, index));
    if (action != MSR_DO_NATIVE || !hw_rdmsr_safe(index, &value))
        return NEXT_GP;
    return answer(vcpu, msr_read_filter(&machine.msr, index, value));
}

enum exit_next handle_rdmsr(struct vmx_cpu *vcpu)
{
    uint64_t value;
    enum msr_action action = msr_read_rule(&machine.msr, (uint32_t)vcpu->registers.rcx, &value);
    if (action == MSR_DO_ANSWER)
        return answer(vcpu, value);
    return read_other(vcpu, (uint32_t)vcpu->registers.rcx, action);
}

/* The page whose writes are intercepted is protected once: it cannot be moved. */
static bool apic_may_be(uint64_t base)
{
    return !machine.icr_intercepted || (base & APIC_BASE_ADDRESS_MASK) == machine.icr_page;
}

static NOINLINE enum exit_next change_apic_base(struct vmx_cpu *vcpu, uint64_t now, uint64_t value)
{
    if (!apic_may_be(value) || !hw_wrmsr_safe(MSR_IA32_APIC_BASE, value))
        return NEXT_GP;
    if (value & ~now & APIC_BASE_EN)
        stop_apic_on(vcpu->cpu);
    return NEXT_ADVANCE;
}

/* Once a CPU, for a guest may write it in a loop. */
static void tell_ignored(struct vmx_cpu *vcpu, uint32_t index)
{
    if (!vcpu->ignored_told)
        log_info("msr", "write to MSR 0x%x ignored (told once a CPU)", index);
    vcpu->ignored_told = true;
}

static NOINLINE enum exit_next write_other(struct vmx_cpu *vcpu, uint32_t index, uint64_t value)
{
    uint64_t now = 0;
    if (index == MSR_IA32_X2APIC_ICR && machine.icr_intercepted)
        return icr_msr_written(vcpu, value);
    if (msr_write_needs_now(index) && !hw_rdmsr_safe(index, &now))
        return NEXT_GP;
    switch (msr_write_rule(&machine.msr, index, now, &value)) {
    case MSR_DO_NATIVE:
        if (index == MSR_IA32_APIC_BASE && value != now)
            return change_apic_base(vcpu, now, value);
        return hw_wrmsr_safe(index, value) ? NEXT_ADVANCE : NEXT_GP;
    case MSR_DO_IGNORE:
        tell_ignored(vcpu, index);
        return NEXT_ADVANCE;
    default:
        return NEXT_GP;
    }
}

/* Fetches all again, so that a write that changes nothing need not keep it. */
static NOINLINE enum exit_next write_mtrr(void)
{
    struct vmx_cpu *vcpu = this_vmx_cpu();
    uint32_t index = (uint32_t)vcpu->registers.rcx;
    uint64_t value = vcpu->registers.rdx << 32 | (uint32_t)vcpu->registers.rax;
    if (msr_write_rule(&machine.msr, index, 0, &value) != MSR_DO_SHADOW)
        return NEXT_GP;
    types_change_mtrr(vcpu, index, value);
    return NEXT_ADVANCE;
}

/* The guest's MTRRs are a shadow: the real ones stay as the firmware set them, so that Orlop is
 * never left uncached. */
enum exit_next handle_wrmsr(struct vmx_cpu *vcpu)
{
    uint32_t index = (uint32_t)vcpu->registers.rcx;
    uint64_t value = vcpu->registers.rdx << 32 | (uint32_t)vcpu->registers.rax;
    if (!is_mtrr(index))
        return write_other(vcpu, index, value);
    bool keeps = msr_mtrr_keeps(&machine.msr, index, value, *shadow(vcpu, index));
    return keeps ? NEXT_ADVANCE : write_mtrr();
}
