/* Linked into a test build of Orlop: a processor without the VMX preemption timer. No model of
 * Bochs that runs real mode in a guest lacks it. */
#include "vmx/controls.h"
#include "vmx/root.h"

void __real_vmx_read_capabilities(struct vmx_capabilities *caps);
void __wrap_vmx_read_capabilities(struct vmx_capabilities *caps);

void __wrap_vmx_read_capabilities(struct vmx_capabilities *caps)
{
    __real_vmx_read_capabilities(caps);
    caps->pin &= ~((uint64_t)PIN_PREEMPTION_TIMER << 32);
}
