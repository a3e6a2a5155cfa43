/* Data and I/O breakpoints of the guest's debug registers, for the accesses that Orlop carries out
 * in the guest's place: the processor then sees no access of the guest's and raises no trap. Pure.
 */
#pragma once

#include "base/types.h"

struct breakpoints {
    uint64_t address[4]; /* DR0 to DR3 */
    uint64_t dr7;
};

/* Bits of DR7's R/W fields: what an access may be met by. */
#define BREAKPOINTS_OF_READS  (1u << 3)
#define BREAKPOINTS_OF_WRITES (1u << 1 | 1u << 3)
#define BREAKPOINTS_OF_PORTS  (1u << 2) /* with CR4.DE alone */

/* Bits 3:0 of DR6: the enabled breakpoints, of those kinds, that an access of `bytes` at `address`
 * (linear, or a port) meets. */
uint64_t breakpoints_met(const struct breakpoints *b, unsigned kinds, uint64_t address,
                         uint64_t bytes);
