/* Linked into a test build of Orlop: every VM entry is checked by all rules before it is made, and
 * a rule that is broken is a panic. Every exit takes the slow way out, which ends in vmx_attend(),
 * the last that writes to the VMCS. The usual build has not one instruction of this.
 *
 * A check takes tens of thousands of instructions, longer than there are between an INIT or a SIPI
 * and what follows it. So the entry behind such an exit is left out; with `sipi=icr` there are
 * none. */
#include "base/panic.h"
#include "kernel/percpu.h"
#include "vmx/entry_now.h"
#include "vmx/exit.h"

void __real_vmx_handle_exit(struct vmx_cpu *vcpu);
void __wrap_vmx_handle_exit(struct vmx_cpu *vcpu);
void __real_vmx_attend(struct vmx_cpu *vcpu);
void __wrap_vmx_attend(struct vmx_cpu *vcpu);

void __wrap_vmx_handle_exit(struct vmx_cpu *vcpu)
{
    __real_vmx_handle_exit(vcpu);
    percpu_attend(vcpu->cpu, ATTENTION_RELOAD);
}

static bool has_no_time(const struct vmx_cpu *vcpu)
{
    uint8_t reason = vcpu->history_reason[(uint8_t)(vcpu->history_next - 1)];
    return reason == EXIT_REASON_INIT || reason == EXIT_REASON_SIPI;
}

void __wrap_vmx_attend(struct vmx_cpu *vcpu)
{
    struct entry_environment now = entry_now();
    struct entry_broken broken;
    char rule[256];
    __real_vmx_attend(vcpu);
    if (has_no_time(vcpu) || !entry_check(&now, ENTRY_ALL, &broken))
        return;
    entry_broken_text(&broken, rule, sizeof(rule));
    panic("VM entry on cpu%u would fail: %s", vcpu->cpu->number, rule);
}
