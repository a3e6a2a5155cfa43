/* Which windows of race.asm have been met, in the log, for the rows that want them all. */
#include "base/log.h"
#include "base/types.h"
#include "kernel/time.h"

extern volatile uint64_t race_windows_met;

/* Before each look at what waits, on any CPU; not more often than lines are printed. */
void race_tell(void);
void race_tell(void)
{
    static uint64_t told, told_us;
    uint64_t met = race_windows_met;
    if (time_us() - told_us < 400000 || !(met & ~__atomic_fetch_or(&told, met, __ATOMIC_SEQ_CST)))
        return;
    told_us = time_us();
    log_info("race", "windows 0x%llx", (unsigned long long)met);
}
