#include "vmx/exit_breakpoints.h"

#include "base/hw.h"
#include "base/x86/cr.h"
#include "vcpu/breakpoints.h"
#include "vmx/exit_info.h"
#include "vmx/vmcs.h"

#define DR7_ANY (DR7_ENABLED(0) | DR7_ENABLED(1) | DR7_ENABLED(2) | DR7_ENABLED(3))

bool breakpoints_on(void) { return vmcs_read(GUEST_DR7) & DR7_ANY; }

/* As the processor would: a debugger's breakpoints, in the registers that the guest does not use,
 * are met as well (vmx/exit_dr.h). */
static void note(unsigned kinds, uint64_t address, uint64_t bytes)
{
    struct breakpoints b = {.dr7 = vmcs_read(GUEST_DR7)};
    hw_read_breakpoints(b.address);
    uint64_t met = breakpoints_met(&b, kinds, address, bytes);
    if (met)
        vmcs_write(GUEST_PENDING_DEBUG_EXCEPTIONS, vmcs_read(GUEST_PENDING_DEBUG_EXCEPTIONS) | met |
                                                       PENDING_DEBUG_ENABLED_BREAKPOINT);
}

void breakpoints_note_data(uint64_t bytes, bool write)
{
    if (breakpoints_on())
        note(write ? BREAKPOINTS_OF_WRITES : BREAKPOINTS_OF_READS, vmcs_read(GUEST_LINEAR_ADDRESS),
             bytes);
}

void breakpoints_note_port(uint16_t port, unsigned bytes)
{
    if (breakpoints_on() && (vmcs_read(GUEST_CR4) & CR4_DE))
        note(BREAKPOINTS_OF_PORTS, port, bytes);
}
