/* A machine check that came on a CPU of the guest's, in its own code or in Orlop's: what the bare
 * CPU would make of it (SDM vol. 3A, 6.15 "Interrupt 18 - Machine-Check Exception (#MC)"). Pure. */
#pragma once

#include "base/types.h"
#include "base/x86/cr.h"

enum machine_check_step {
    MACHINE_CHECK_DROP,     /* waiting for a SIPI, it has no code that could be told */
    MACHINE_CHECK_SHUTDOWN, /* CR4.MCE is 0 */
    MACHINE_CHECK_WAIT,     /* an event is on its way that would not come again */
    MACHINE_CHECK_DELIVER,
};

static inline enum machine_check_step machine_check_next(bool running, uint64_t cr4,
                                                         bool would_lose_event)
{
    if (!running)
        return MACHINE_CHECK_DROP;
    if (!(cr4 & CR4_MCE))
        return MACHINE_CHECK_SHUTDOWN;
    return would_lose_event ? MACHINE_CHECK_WAIT : MACHINE_CHECK_DELIVER;
}

/* The vector is looked at for exceptions alone. */
enum waiting_kind { WAITING_NONE, WAITING_INTERRUPT, WAITING_NMI, WAITING_EXCEPTION, WAITING_INT };
struct waiting_event {
    enum waiting_kind kind;
    unsigned vector;
};

/* Whether an event that waits for the next entry is lost if #MC takes its place. A fault and an INT
 * are not, for RIP is still at their instruction, which does it again. But a fault in the delivery
 * of `delivered` is as much lost as that event would be, and so is one behind the commit point of a
 * task switch (`in_new_task`): the instruction was one of the old task's. */
bool machine_check_loses(struct waiting_event waiting, struct waiting_event delivered,
                         bool in_new_task);
