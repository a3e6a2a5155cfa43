/* Instructions that always exit, or that Orlop answers: CPUID's filtered leaves, XSETBV, INVD,
 * VMCALL and the rest of VMX, GETSEC. */
#include "base/hw.h"
#include "base/log.h"
#include "include/orlop_abi.h"
#include "vcpu/xcr0_rules.h"
#include "vmx/exit.h"
#include "vmx/hypercall.h"
#include "vmx/machine.h"
#include "vmx/vmcs.h"

void exit_cpuid_filtered(struct vmx_cpu *vcpu, uint32_t leaf, uint32_t subleaf)
{
    const struct cpuid_context context = {
        .guest_cr4 = vmcs_read(CR4_READ_SHADOW),
        .in_64bit_mode = exit_in_64bit_mode(),
    };
    struct cpuid_regs answer = hw_cpuid(cpuid_leaf_asked(&machine.cpuid, leaf), subleaf);
    cpuid_filter(&machine.cpuid, leaf, subleaf, &context, &answer);
    vcpu->registers.rax = answer.eax;
    vcpu->registers.rbx = answer.ebx;
    vcpu->registers.rcx = answer.ecx;
    vcpu->registers.rdx = answer.edx;
}

/* OSXSAVE and CPL are checked before the exit (SDM vol. 3C, 26.1.1 "Relative Priority of Faults and
 * VM Exits"), but Bochs 2.7 exits from every CPL, so that is looked at again. XCR0 is live: the
 * host uses no state that it governs. */
enum exit_next handle_xsetbv(struct vmx_cpu *vcpu)
{
    uint64_t value = vcpu->registers.rdx << 32 | (uint32_t)vcpu->registers.rax;
    uint32_t index = (uint32_t)vcpu->registers.rcx;
    if (exit_cpl() != 0 || !xcr0_write_legal(machine.cpuid.xcr0_supported, index, value) ||
        !hw_xsetbv_safe(index, value))
        return NEXT_GP;
    return NEXT_ADVANCE;
}

/* INVD would drop lines of Orlop's own that are not in memory yet; writing them back is allowed,
 * for nothing tells when a line goes. */
enum exit_next handle_invd(struct vmx_cpu *vcpu)
{
    (void)vcpu;
    hw_wbinvd();
    return NEXT_ADVANCE;
}

/* The guest's processor has no SMX: its CR4.SMXE is 0. */
enum exit_next handle_getsec(struct vmx_cpu *vcpu)
{
    (void)vcpu;
    return NEXT_UD;
}

/* The guest's processor has VMX off: its CR4.VMXE is 0. */
enum exit_next handle_vmx_instruction(struct vmx_cpu *vcpu)
{
    (void)vcpu;
    return NEXT_UD;
}

/* The 64-bit signature in 32-bit code is as good: its upper half was left there by 64-bit code. */
static bool is_signed(const struct vmx_cpu *vcpu)
{
    return vcpu->registers.rbx == ORLOP_CALL_SIGNATURE ||
           ((uint32_t)vcpu->registers.rbx == ORLOP_CALL_SIGNATURE_32 && !exit_in_64bit_mode());
}

/* The offset says it for nearly all calls of others. */
static bool is_hook(void)
{
    return machine.hook.called && (uint32_t)vmcs_read(GUEST_RIP) == machine.hook.entry_ip &&
           vmcs_read(GUEST_CS_BASE) == machine.hook.entry_base && exit_in_real_mode();
}

enum exit_next handle_vmcall(struct vmx_cpu *vcpu)
{
    if (is_hook())
        return machine.hook.called(vcpu);
    if (exit_cpl() != 0 || !is_signed(vcpu))
        return NEXT_UD;
    if ((uint32_t)vcpu->registers.rax != machine.quick_call)
        return hypercall(vcpu);
    vcpu->registers.rax = ORLOP_VERSION;
    return NEXT_ADVANCE;
}
