/* Linked into a test build of Orlop: every VM entry is checked by all rules before it is made, and
 * a rule that is broken is a panic. Every exit takes the slow way out, which ends in vmx_attend(),
 * the last that writes to the VMCS. The usual build has not one instruction of this.
 *
 * A check takes tens of thousands of instructions, longer than a guest waits between an INIT and a
 * SIPI: with more than one CPU this build wants `sipi=icr`. */
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

void __wrap_vmx_attend(struct vmx_cpu *vcpu)
{
    struct entry_environment now = entry_now();
    struct entry_broken broken;
    char rule[256];
    __real_vmx_attend(vcpu);
    if (!entry_check(&now, ENTRY_ALL, &broken))
        return;
    entry_broken_text(&broken, rule, sizeof(rule));
    panic("VM entry on cpu%u would fail: %s", vcpu->cpu->number, rule);
}
