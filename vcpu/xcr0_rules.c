#include "vcpu/xcr0_rules.h"

/* "If any component of `wanted` is on, all of `needed` must be." One row a rule of vol. 1, 13.3. */
static const struct {
    uint64_t wanted, needed;
} group_rules[] = {
    {XCR0_AVX, XCR0_SSE},
    {XCR0_MPX, XCR0_MPX},
    {XCR0_AVX512, XCR0_AVX512 | XCR0_AVX},
    {XCR0_AMX, XCR0_AMX},
};

bool xcr0_write_legal(uint64_t supported, uint32_t index, uint64_t value)
{
    if (index != 0 || !(value & XCR0_X87) || (value & ~(supported & XCR0_KNOWN)))
        return false;
    for (unsigned i = 0; i < ARRAY_SIZE(group_rules); i++) {
        if ((value & group_rules[i].wanted) &&
            (value & group_rules[i].needed) != group_rules[i].needed)
            return false;
    }
    return true;
}
