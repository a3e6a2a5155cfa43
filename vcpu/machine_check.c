#include "vcpu/machine_check.h"

#include "base/x86/exceptions.h"

/* NMIs are kept by who delivers them (vmx/exit_events.c); a #DB may be a trap, behind its
 * instruction. */
bool machine_check_loses(enum waiting_event waiting, unsigned vector)
{
    return waiting == WAITING_INTERRUPT || (waiting == WAITING_EXCEPTION && vector == EXCEPTION_DB);
}
