/* with: vcpu/breakpoints.c */
#include "vcpu/breakpoints.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/x86/cr.h"
#include "tests/unit/random.h"

/* Byte by byte: is one of the access's a byte of the breakpoint's? */
static bool model_meets(uint64_t breakpoint, uint64_t length, uint64_t address, uint64_t bytes)
{
    for (uint64_t i = 0; i < bytes; i++)
        if ((address + i) / length == breakpoint / length)
            return true;
    return false;
}

static uint64_t model(const struct breakpoints *b, unsigned kinds, uint64_t address, uint64_t bytes)
{
    static const uint64_t lengths[4] = {1, 2, 8, 4};
    uint64_t met = 0;
    for (unsigned i = 0; i < 4; i++) {
        bool on = (b->dr7 >> (2 * i) & 1) || (b->dr7 >> (2 * i + 1) & 1);
        unsigned kind = (unsigned)(b->dr7 >> (16 + 4 * i)) & 3;
        uint64_t length = lengths[b->dr7 >> (18 + 4 * i) & 3];
        if (on && (kinds & 1u << kind) && model_meets(b->address[i], length, address, bytes))
            met |= 1ull << i;
    }
    return met;
}

static void breakpoints_are_met_as_by_the_model(void **state)
{
    static const unsigned kinds[] = {BREAKPOINTS_OF_READS, BREAKPOINTS_OF_WRITES,
                                     BREAKPOINTS_OF_PORTS};
    unsigned hits = 0;
    (void)state;
    random_seed(0xb0ea);
    for (unsigned i = 0; i < 300000; i++) {
        struct breakpoints b = {.dr7 = random_u64()};
        uint64_t base = random_below(2) ? 0x1000 : 0xfffffffffffff000;
        for (unsigned n = 0; n < 4; n++)
            b.address[n] = base + random_below(32);
        uint64_t address = base + random_below(32), bytes = 1ull << random_below(4);
        unsigned kind = kinds[random_below(3)];
        uint64_t met = breakpoints_met(&b, kind, address, bytes);
        assert_true(met == model(&b, kind, address, bytes));
        hits += met != 0;
    }
    assert_true(hits > 10000 && hits < 290000);
}

static void kinds_are_those_of_the_manual(void **state)
{
    (void)state;
    struct breakpoints b = {.address = {0x70, 0x70, 0x70, 0x70}};
    b.dr7 = 0xaa | 0u << 16 | 1u << 20 | 2u << 24 | 3u << 28; /* execute, write, port, access */
    assert_int_equal(breakpoints_met(&b, BREAKPOINTS_OF_READS, 0x70, 1), DR6_B3);
    assert_int_equal(breakpoints_met(&b, BREAKPOINTS_OF_WRITES, 0x70, 1), DR6_B1 | DR6_B3);
    assert_int_equal(breakpoints_met(&b, BREAKPOINTS_OF_PORTS, 0x70, 1), DR6_B2);
    assert_int_equal(breakpoints_met(&b, BREAKPOINTS_OF_PORTS, 0x6f, 2), DR6_B2);
    assert_int_equal(breakpoints_met(&b, BREAKPOINTS_OF_PORTS, 0x71, 2), 0);
    b.dr7 &= ~0xffull;
    assert_int_equal(breakpoints_met(&b, BREAKPOINTS_OF_WRITES, 0x70, 1), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(breakpoints_are_met_as_by_the_model),
        cmocka_unit_test(kinds_are_those_of_the_manual),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
