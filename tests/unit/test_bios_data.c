/* with: guest/bios_data.c */
#include "guest/bios_data.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct bios_uarts three(void)
{
    return (struct bios_uarts){{0x3F8, 0x2F8, 0x3E8, 0}, 0x4626, {10, 20, 30, 40}};
}

static void those_behind_it_move_up_and_one_less_is_counted(void **state)
{
    (void)state;
    static const struct {
        uint16_t port;
        struct bios_uarts after;
    } rows[] = {
        {0x3F8, {{0x2F8, 0x3E8, 0, 0}, 0x4426, {20, 30, 40, 40}}},
        {0x2F8, {{0x3F8, 0x3E8, 0, 0}, 0x4426, {10, 30, 40, 40}}},
        {0x3E8, {{0x3F8, 0x2F8, 0, 0}, 0x4426, {10, 20, 40, 40}}},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct bios_uarts uarts = three();
        assert_true(bios_uarts_remove(&uarts, rows[i].port));
        assert_memory_equal(&uarts, &rows[i].after, sizeof(uarts));
    }
}

static void one_that_is_not_listed_changes_nothing(void **state)
{
    (void)state;
    struct bios_uarts uarts = three(), before = uarts;
    assert_false(bios_uarts_remove(&uarts, 0x2E8));
    assert_memory_equal(&uarts, &before, sizeof(uarts));
}

static void a_count_that_is_wrong_stays_in_its_bits(void **state)
{
    (void)state;
    struct bios_uarts uarts = {{0x3F8, 0, 0, 0}, 0xF1FF, {0}};
    assert_true(bios_uarts_remove(&uarts, 0x3F8));
    assert_int_equal(uarts.equipment, 0xF1FF);
    assert_int_equal(uarts.port[0], 0);
    uarts = (struct bios_uarts){{0, 0, 0, 0x2E8}, 0x0E00, {0}};
    assert_true(bios_uarts_remove(&uarts, 0x2E8));
    assert_int_equal(uarts.equipment, 0x0C00);
    assert_int_equal(uarts.port[3], 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(those_behind_it_move_up_and_one_less_is_counted),
        cmocka_unit_test(one_that_is_not_listed_changes_nothing),
        cmocka_unit_test(a_count_that_is_wrong_stays_in_its_bits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
