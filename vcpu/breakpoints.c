#include "vcpu/breakpoints.h"

#include "base/bits.h"
#include "base/x86/cr.h"

/* SDM vol. 3B, 18.2.5 "Breakpoint Field Recognition": the breakpoint's address is aligned to its
 * length, and one byte in common is a hit. */
static bool meets(uint64_t breakpoint, uint64_t length, uint64_t address, uint64_t bytes)
{
    uint64_t base = ALIGN_DOWN(breakpoint, length);
    return address - base < length || base - address < bytes;
}

uint64_t breakpoints_met(const struct breakpoints *b, unsigned kinds, uint64_t address,
                         uint64_t bytes)
{
    static const uint8_t lengths[4] = {1, 2, 8, 4};
    uint64_t met = 0;
    for (unsigned i = 0; i < 4; i++) {
        unsigned fields = (unsigned)(b->dr7 >> DR7_FIELDS_SHIFT(i));
        if ((b->dr7 & DR7_ENABLED(i)) && (kinds >> (fields & 3) & 1) &&
            meets(b->address[i], lengths[fields >> 2 & 3], address, bytes))
            met |= DR6_B0 << i;
    }
    return met;
}
