#include "vmx/exit_machine_check.h"

#include "base/hw.h"
#include "base/log.h"
#include "base/x86/exceptions.h"
#include "base/x86/mca.h"
#include "base/x86/msr.h"
#include "kernel/debug_fault.h"
#include "kernel/panic.h"
#include "vcpu/machine_check.h"
#include "vmx/exit.h"
#include "vmx/exit_info.h"
#include "vmx/vmcs.h"

#define U(x) ((unsigned long long)(x))

static uint64_t read_or_zero(uint32_t index)
{
    uint64_t value = 0;
    return hw_rdmsr_safe(index, &value) ? value : 0;
}

/* The banks are left as they are: they are the guest's. */
static void report(const struct vmx_cpu *vcpu)
{
    unsigned banks = (unsigned)(read_or_zero(MSR_IA32_MCG_CAP) & MCG_CAP_COUNT);
    log_error("mca", "machine check on cpu%u, status 0x%llx, guest at 0x%llx", vcpu->cpu->number,
              U(read_or_zero(MSR_IA32_MCG_STATUS)), U(vmcs_read(GUEST_RIP)));
    for (unsigned i = 0; i < banks; i++) {
        uint64_t status = read_or_zero(MSR_IA32_MC0_CTL + 4 * i + 1);
        if (status & MCI_STATUS_VAL)
            log_error("mca", "bank %u: status 0x%llx", i, U(status));
    }
}

static enum waiting_kind kind_of(uint32_t info)
{
    if (!(info & INTERRUPTION_VALID))
        return WAITING_NONE;
    switch (info & INTERRUPTION_TYPE_MASK) {
    case INTERRUPTION_TYPE_EXTERNAL:
        return WAITING_INTERRUPT;
    case INTERRUPTION_TYPE_NMI:
        return WAITING_NMI;
    case INTERRUPTION_TYPE_HARDWARE:
        return WAITING_EXCEPTION;
    default:
        return WAITING_INT;
    }
}

static struct waiting_event event_of(uint32_t info)
{
    return (struct waiting_event){kind_of(info), info & INTERRUPTION_VECTOR_MASK};
}

static void deliver(struct vmx_cpu *vcpu, struct waiting_event before)
{
    if (before.kind == WAITING_NMI)
        vcpu->nmi_pending = 1;
    vmcs_write(VM_ENTRY_INTERRUPTION_INFO,
               EXCEPTION_MC | INTERRUPTION_TYPE_HARDWARE | INTERRUPTION_VALID);
    vmcs_write(GUEST_ACTIVITY_STATE, ACTIVITY_ACTIVE);
}

void machine_check_serve(struct vmx_cpu *vcpu)
{
    struct waiting_event before = event_of(vmcs_read(VM_ENTRY_INTERRUPTION_INFO));
    bool in_new_task = vcpu->task_fault && vmcs_read(GUEST_RIP) == vcpu->task_fault_rip;
    bool loses = machine_check_loses(before, event_of(vmcs_read(IDT_VECTORING_INFO)), in_new_task);
    if (!vcpu->machine_check_waits)
        report(vcpu);
    vcpu->machine_check_waits = false;
    switch (machine_check_next(vcpu->run_state == CPU_STATE_RUNNING, vmcs_read(GUEST_CR4), loses)) {
    case MACHINE_CHECK_DELIVER:
        deliver(vcpu, before);
        break;
    case MACHINE_CHECK_WAIT:
        vcpu->machine_check_waits = true;
        exit_set_primary(PRIMARY_NMI_WINDOW_EXITING, true);
        break;
    case MACHINE_CHECK_SHUTDOWN:
        stop_guest("machine check on cpu%u, whose CR4.MCE is 0", vcpu->cpu->number);
    case MACHINE_CHECK_DROP:
        break;
    }
}

void machine_check_window(struct vmx_cpu *vcpu)
{
    if (vcpu->machine_check_waits)
        percpu_attend(vcpu->cpu, ATTENTION_CHECK);
}

void machine_check_provoke(const struct vmx_cpu *vcpu)
{
    if (debug_machine_check(vcpu->cpu) && (vmcs_read(GUEST_CR4) & CR4_MCE)) {
        debug_fault_done();
        __asm__ volatile("int %0" : : "i"(EXCEPTION_MC));
    }
}
