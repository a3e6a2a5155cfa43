/* with: vcpu/xcr0_rules.c */
#include "vcpu/xcr0_rules.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/unit/random.h"

/* The model counts up what is legal instead of judging: x87, then nothing, SSE, AVX or AVX-512 with
 * all that they build on, each with any of MPX, PKRU and AMX. */
static const uint64_t vectors[] = {0, 0x2, 0x6, 0xe6};
static const uint64_t extras[] = {0x18, 0x200, 0x60000};

static bool model_legal(uint64_t supported, uint64_t value)
{
    for (unsigned v = 0; v < 4; v++) {
        for (unsigned set = 0; set < 8; set++) {
            uint64_t legal = 1 | vectors[v];
            for (unsigned e = 0; e < 3; e++)
                legal |= set >> e & 1 ? extras[e] : 0;
            if (legal == value)
                return !(legal & ~supported);
        }
    }
    return false;
}

static uint64_t spread(unsigned combination)
{
    static const uint8_t bits[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 17, 18, 63};
    uint64_t value = 0;
    for (unsigned i = 0; i < sizeof(bits); i++)
        value |= (uint64_t)(combination >> i & 1) << bits[i];
    return value;
}

static void every_combination_is_judged_as_the_model_does(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 1u << 13; i++)
        assert_int_equal(xcr0_write_legal(~0ull, 0, spread(i)), model_legal(~0ull, spread(i)));
}

static void nothing_that_the_cpu_lacks_is_legal(void **state)
{
    (void)state;
    random_seed(0x0c0ffee0);
    for (unsigned i = 0; i < 200000; i++) {
        uint64_t supported = spread((unsigned)random_below(1 << 13));
        uint64_t value = spread((unsigned)random_below(1 << 13));
        if (random_below(2))
            value = 1 | vectors[random_below(4)];
        assert_int_equal(xcr0_write_legal(supported, 0, value), model_legal(supported, value));
    }
}

static void only_xcr0_exists(void **state)
{
    (void)state;
    assert_true(xcr0_write_legal(~0ull, 0, 3));
    assert_false(xcr0_write_legal(~0ull, 1, 3));
    assert_false(xcr0_write_legal(~0ull, 0x80000000, 3));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_combination_is_judged_as_the_model_does),
        cmocka_unit_test(nothing_that_the_cpu_lacks_is_legal),
        cmocka_unit_test(only_xcr0_exists),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
