#include "vmx/root.h"

#include "base/hw.h"
#include "base/log.h"
#include "base/panic.h"
#include "base/x86/cr.h"
#include "base/x86/msr.h"
#include "mm/frames.h"
#include "vmx/instructions.h"
#include "vmx/machine.h"

static uint64_t read_msr(void *context, uint32_t index)
{
    (void)context;
    return hw_rdmsr(index);
}

static struct cpuid_regs read_cpuid(void *context, uint32_t leaf, uint32_t subleaf)
{
    (void)context;
    return hw_cpuid(leaf, subleaf);
}

void vmx_read_capabilities(struct vmx_capabilities *caps)
{
    const struct vmx_capability_reader reader = {read_msr, read_cpuid, NULL};
    vmx_capabilities_read(caps, &reader);
}

static enum error unlock_feature_control(void)
{
    uint64_t write;
    switch (vmx_feature_control_judge(hw_rdmsr(MSR_IA32_FEATURE_CONTROL), &write)) {
    case VMXON_ALLOWED:
        return ERROR_NONE;
    case VMXON_AFTER_WRITE:
        if (hw_wrmsr_safe(MSR_IA32_FEATURE_CONTROL, write))
            return ERROR_NONE;
        log_error("vmx", "IA32_FEATURE_CONTROL is unlocked but takes no write of 0x%llx",
                  (unsigned long long)write);
        return ERROR_UNSUPPORTED;
    default:
        return ERROR_UNSUPPORTED;
    }
}

/* SDM vol. 3D, A.7 "VMX-Fixed Bits in CR0" and A.8 "VMX-Fixed Bits in CR4"; caches on, whatever the
 * firmware left: Orlop's structures are write-back. */
static void set_control_registers(const struct vmx_capabilities *caps)
{
    uint64_t cr0 = hw_read_cr0() & ~(uint64_t)(CR0_CD | CR0_NW);
    hw_write_cr0((cr0 | caps->cr0_fixed0) & caps->cr0_fixed1);
    hw_write_cr4(machine.host_cr4);
}

/* Orlop sets flags in the guest's page tables and descriptors by locked accesses, and these may lie
 * in memory of any type. The guest cannot set it either (vcpu/msr_list.h). */
static void allow_uncached_locks(void)
{
    uint64_t now;
    if (hw_rdmsr_safe(MSR_MEMORY_CTRL, &now) && (now & MEMORY_CTRL_UC_LOCK_DISABLE))
        hw_wrmsr(MSR_MEMORY_CTRL, now & ~MEMORY_CTRL_UC_LOCK_DISABLE);
}

static void put_revision(hpa_t region, const struct vmx_capabilities *caps)
{
    *(uint32_t *)frames_pointer(region) = (uint32_t)(caps->basic & VMX_BASIC_REVISION_MASK);
}

/* The next owner of VMX meets tags of the last one: after a soft reboot the TLB may still hold
 * mappings of an EPT or VPID with the same number (SDM vol. 3C, 29.4.3.3 "Guidelines for Use of the
 * INVVPID Instruction"). */
static void drop_old_mappings(void)
{
    uint64_t able = machine.caps.ept_vpid;
    if ((able & EPT_VPID_CAP_INVEPT_ALL) && vmx_invept(INVEPT_ALL_CONTEXT, 0) != VMX_SUCCEED)
        panic("INVEPT of all contexts failed");
    if ((able & EPT_VPID_CAP_INVVPID) && (able & EPT_VPID_CAP_INVVPID_ALL) &&
        vmx_invvpid(INVVPID_ALL_CONTEXT, 0, GVA(0)) != VMX_SUCCEED)
        panic("INVVPID of all contexts failed");
}

enum error vmx_root_enter(struct vmx_cpu *vcpu, hpa_t vmxon_region, hpa_t vmcs_region)
{
    vcpu->vmxon = vmxon_region;
    vcpu->vmcs = vmcs_region;
    if (unlock_feature_control() != ERROR_NONE)
        return ERROR_UNSUPPORTED;
    set_control_registers(&machine.caps);
    allow_uncached_locks();
    put_revision(vmxon_region, &machine.caps);
    put_revision(vmcs_region, &machine.caps);
    if (vmx_vmxon(vmxon_region) != VMX_SUCCEED) {
        log_error("vmx", "VMXON failed: region 0x%llx, revision 0x%llx",
                  (unsigned long long)vmxon_region.v,
                  (unsigned long long)(machine.caps.basic & VMX_BASIC_REVISION_MASK));
        return ERROR_UNSUPPORTED;
    }
    drop_old_mappings();
    if (vmx_vmclear(vmcs_region) != VMX_SUCCEED || vmx_vmptrld(vmcs_region) != VMX_SUCCEED)
        panic("the VMCS at 0x%llx is not accepted", (unsigned long long)vmcs_region.v);
    vcpu->in_root = 1;
    return ERROR_NONE;
}

void vmx_flush_ept(uint64_t eptp)
{
    bool single = machine.caps.ept_vpid & EPT_VPID_CAP_INVEPT_SINGLE;
    if (vmx_invept(single ? INVEPT_SINGLE_CONTEXT : INVEPT_ALL_CONTEXT, eptp) != VMX_SUCCEED)
        panic("INVEPT failed, EPTP 0x%llx", (unsigned long long)eptp);
}

/* Without VPID every entry and exit drops them anyway. */
void vmx_flush_linear(void)
{
    uint64_t able = machine.caps.ept_vpid;
    if (!(machine.controls.secondary & SECONDARY_ENABLE_VPID))
        return;
    bool single = able & EPT_VPID_CAP_INVVPID_SINGLE;
    uint16_t vpid = (uint16_t)(this_cpu()->number + 1);
    if (vmx_invvpid(single ? INVVPID_SINGLE_CONTEXT : INVVPID_ALL_CONTEXT, vpid, GVA(0)) !=
        VMX_SUCCEED)
        panic("INVVPID failed, VPID %u", vpid);
}

/* A VMCS that was launched must be cleared to be launched again (SDM vol. 3C, 25.1 "Overview"). */
void vmx_relaunch(struct vmx_cpu *vcpu)
{
    if (vmx_vmclear(vcpu->vmcs) != VMX_SUCCEED || vmx_vmptrld(vcpu->vmcs) != VMX_SUCCEED)
        panic("the VMCS of cpu%u cannot be loaded again", vcpu->cpu->number);
    vcpu->launched = 0;
}
