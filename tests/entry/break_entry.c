/* Linked into a test build of Orlop: with `debug_fault=...,guest` a field of the VMCS is broken at
 * the guest's first exit, instead of a fault: divide, of the controls; page, of the host's state;
 * tables, of the guest's. */
#include "boot/options.h"
#include "kernel/percpu.h"
#include "vmx/vmcs.h"

static const struct options *chosen;

void __wrap_debug_fault_set(const struct options *options);
void __wrap_debug_fault_after_launch(const struct cpu *cpu);

void __wrap_debug_fault_set(const struct options *options) { chosen = options; }

void __wrap_debug_fault_after_launch(const struct cpu *cpu)
{
    static bool done;
    if (cpu->number != chosen->debug_fault_on_ap || done)
        return;
    done = true;
    if (chosen->debug_fault == DEBUG_FAULT_DIVIDE)
        vmcs_write(CR3_TARGET_COUNT, 5);
    else if (chosen->debug_fault == DEBUG_FAULT_PAGE)
        vmcs_write(HOST_TR_SELECTOR, 0);
    else if (chosen->debug_fault == DEBUG_CHECK_TABLES)
        vmcs_write(GUEST_RFLAGS, 0);
}
