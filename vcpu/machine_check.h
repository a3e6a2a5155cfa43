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

/* Whether an event that waits for the next entry comes again if #MC takes its place: a fault and an
 * INT do, for RIP is still at their instruction. The vector is looked at for exceptions alone. */
enum waiting_event { WAITING_NONE, WAITING_INTERRUPT, WAITING_NMI, WAITING_EXCEPTION, WAITING_INT };
bool machine_check_loses(enum waiting_event waiting, unsigned vector);
