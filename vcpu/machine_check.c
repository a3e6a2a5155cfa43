#include "vcpu/machine_check.h"

#include "base/x86/exceptions.h"

/* A #DB may be a trap, behind its instruction. */
static bool comes_again(struct waiting_event event)
{
    return event.kind == WAITING_INT || event.kind == WAITING_NONE ||
           (event.kind == WAITING_EXCEPTION && event.vector != EXCEPTION_DB);
}

/* An NMI that waits is kept by who delivers it (vmx/exit_events.c). */
bool machine_check_loses(struct waiting_event waiting, struct waiting_event delivered,
                         bool in_new_task)
{
    if (waiting.kind == WAITING_NMI)
        return false;
    if (waiting.kind == WAITING_EXCEPTION && (in_new_task || !comes_again(delivered)))
        return true;
    return !comes_again(waiting);
}
