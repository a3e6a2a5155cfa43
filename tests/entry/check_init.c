/* Linked into a test build of Orlop, for ICR interception: a machine check waits on each CPU that
 * takes an INIT by its mail, and would be delivered at the NMI window that opens when the CPU
 * starts; another one comes to each that waits for its SIPI, once. */
#include "base/x86/exceptions.h"
#include "vmx/exit_events.h"
#include "vmx/vmcs.h"

void __real_event_take(struct vmx_cpu *vcpu, enum cpu_event event, uint8_t vector);
void __wrap_event_take(struct vmx_cpu *vcpu, enum cpu_event event, uint8_t vector);
void __real_vmx_idle(void);
void __wrap_vmx_idle(void);

void __wrap_event_take(struct vmx_cpu *vcpu, enum cpu_event event, uint8_t vector)
{
    if (event == CPU_EVENT_INIT)
        vcpu->machine_check_waits = true;
    __real_event_take(vcpu, event, vector);
    if (event == CPU_EVENT_SIPI)
        vmcs_write(PRIMARY_CONTROLS, vmcs_read(PRIMARY_CONTROLS) | PRIMARY_NMI_WINDOW_EXITING);
}

void __wrap_vmx_idle(void)
{
    static bool came[LAYOUT_MAX_CPUS];
    uint32_t number = this_cpu()->number;
    __real_vmx_idle();
    if (came[number])
        return;
    came[number] = true;
    __asm__ volatile("int %0" : : "i"(EXCEPTION_MC));
}
