/* EPT violations: the first touch of an address that was not mapped at boot, and accesses to what
 * is hidden. Misconfiguration is a bug of ours. */
#include "base/log.h"
#include "base/panic.h"
#include "vmx/exit.h"
#include "vmx/exit_info.h"
#include "vmx/exit_range.h"
#include "vmx/icr.h"
#include "vmx/machine.h"
#include "vmx/vmcs.h"

/* IRET unblocked NMIs and then faulted: they are blocked again until it succeeds (SDM vol.
 * 3C, 28.2.3 "Information About NMI Unblocking Due to IRET"). */
static void restore_nmi_blocking(uint64_t qualification)
{
    if ((qualification & EPT_VIOLATION_NMI_UNBLOCKING) &&
        !(vmcs_read(IDT_VECTORING_INFO) & INTERRUPTION_VALID))
        vmcs_write(GUEST_INTERRUPTIBILITY_STATE,
                   vmcs_read(GUEST_INTERRUPTIBILITY_STATE) | INTERRUPTIBILITY_NMI);
}

/* A page that is there and may not be written: the local APIC's, the hook's; or one that another
 * CPU has just mapped. */
static enum exit_next page_written(struct vmx_cpu *vcpu, gpa_t address, uint64_t qualification)
{
    gpa_t page = GPA(ALIGN_DOWN(address.v, PAGE_SIZE));
    if (icr_is_protected(page))
        return icr_page_written(vcpu, address, qualification);
    if (machine.hook.written && page.v == machine.hook.page.v)
        return machine.hook.written(vcpu);
    return NEXT_RETRY;
}

enum exit_next handle_ept_violation(struct vmx_cpu *vcpu)
{
    uint64_t qualification = vmcs_read(EXIT_QUALIFICATION);
    gpa_t address = GPA(vmcs_read(GUEST_PHYSICAL_ADDRESS));
    restore_nmi_blocking(qualification);
    switch (machine_fill(vcpu, address)) {
    case EPT_FILL_MAPPED:
        return NEXT_RETRY;
    case EPT_FILL_ALREADY:
        return qualification & EPT_VIOLATION_WRITE ? page_written(vcpu, address, qualification)
                                                   : NEXT_RETRY;
    case EPT_FILL_HIDDEN:
        return range_access(vcpu, address, qualification);
    case EPT_FILL_BEYOND:
        return range_access(vcpu, address, qualification);
    default: /* no table can be had now: absent memory, for this time */
        log_warn("ept", "no table for 0x%llx: cpu%u does not stop for the change",
                 (unsigned long long)address.v, stop_running_cpu());
        return range_access(vcpu, address, qualification);
    }
}

enum exit_next handle_ept_misconfig(struct vmx_cpu *vcpu)
{
    gpa_t address = GPA(vmcs_read(GUEST_PHYSICAL_ADDRESS));
    struct walk walk = ept_lookup(&machine.ept, address);
    panic("EPT misconfiguration on cpu%u: guest-physical 0x%llx, level %u, entry 0x%llx",
          vcpu->cpu->number, (unsigned long long)address.v, walk.level,
          (unsigned long long)walk.entry);
}
