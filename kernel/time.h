/* Time from the TSC, measured at boot against a clock that nothing has to be changed for: the ACPI
 * PM timer, or the count of PIT channel 0, only read. CPUID leaves 15H and 16H are not believed
 * while there is such a clock, since emulators and hypervisors make them up. */
#pragma once

#include "base/types.h"

/* Measure; takes a millisecond. `pm_timer_port` is 0 where there is none. BSP, boot only. */
void time_calibrate(uint16_t pm_timer_port);

/* The moment that counts as 0 (the first instruction in C). */
void time_set_origin(uint64_t tsc);

/* Microseconds since the origin, for a reader; 0 before calibration. Any CPU, any context. */
uint64_t time_us_at(uint64_t tsc);

/* Microseconds by the TSC, to be subtracted from one another on one CPU; 0 before calibration. They
 * jump where the guest sets the TSC, but never stand still. */
uint64_t time_us(void);

/* Spin. Any CPU; after calibration. */
void time_delay_us(uint64_t us);

/* What the TSC counts in so many microseconds; the latter in one, rounded down. */
uint64_t time_ticks(uint64_t us);
uint64_t time_tsc_per_us(void);
