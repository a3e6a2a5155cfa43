/* Linked into a test build of Orlop: an NMI of Orlop's to a CPU whose guest has switched its local
 * APIC off is lost, as the SDM has it (vol. 3A, 11.4.3 "Enabling or Disabling the Local APIC").
 * Bochs delivers it all the same. */
#include "base/x86/apic.h"
#include "base/x86/msr.h"
#include "kernel/apic.h"
#include "kernel/stop.h"

static volatile bool off[LAYOUT_MAX_CPUS];

bool __real_hw_wrmsr_safe(uint32_t index, uint64_t value);
bool __wrap_hw_wrmsr_safe(uint32_t index, uint64_t value);
bool __real_apic_send(uint32_t apic_id, enum apic_ipi what, uint8_t page);
bool __wrap_apic_send(uint32_t apic_id, enum apic_ipi what, uint8_t page);

bool __wrap_hw_wrmsr_safe(uint32_t index, uint64_t value)
{
    if (index == MSR_IA32_APIC_BASE)
        off[this_cpu()->number] = !(value & APIC_BASE_EN);
    return __real_hw_wrmsr_safe(index, value);
}

bool __wrap_apic_send(uint32_t apic_id, enum apic_ipi what, uint8_t page)
{
    for (uint32_t i = 0; what == APIC_IPI_NMI && i < stop_cpus(); i++)
        if (percpu_get(i)->apic_id == apic_id && off[i])
            return true;
    return __real_apic_send(apic_id, what, page);
}
