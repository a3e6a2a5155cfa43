#include "vcpu/xcr0_rules.h"

/* "If any component of `wanted` is on, all of `needed` must be." */
static inline bool group_legal(uint64_t value, uint64_t wanted, uint64_t needed)
{
    return !(value & wanted) || !(~value & needed);
}

/* One line a rule of vol. 1, 13.3. */
bool xcr0_write_legal(uint64_t supported, uint32_t index, uint64_t value)
{
    if (index != 0 || !(value & XCR0_X87) || (value & ~(supported & XCR0_KNOWN)))
        return false;
    return group_legal(value, XCR0_AVX, XCR0_SSE) && group_legal(value, XCR0_MPX, XCR0_MPX) &&
           group_legal(value, XCR0_AVX512, XCR0_AVX512 | XCR0_AVX) &&
           group_legal(value, XCR0_AMX, XCR0_AMX);
}
