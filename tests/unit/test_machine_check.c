/* with: vcpu/machine_check.c */
#include "vcpu/machine_check.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/x86/exceptions.h"

static void a_running_cpu_with_mce_takes_it(void **state)
{
    (void)state;
    assert_int_equal(machine_check_next(true, CR4_MCE, false), MACHINE_CHECK_DELIVER);
    assert_int_equal(machine_check_next(true, ~0ull, true), MACHINE_CHECK_WAIT);
}

static void without_mce_the_cpu_shuts_down(void **state)
{
    (void)state;
    assert_int_equal(machine_check_next(true, ~(uint64_t)CR4_MCE, false), MACHINE_CHECK_SHUTDOWN);
    assert_int_equal(machine_check_next(true, 0, true), MACHINE_CHECK_SHUTDOWN);
}

static void a_cpu_that_waits_for_its_sipi_is_not_told(void **state)
{
    (void)state;
    assert_int_equal(machine_check_next(false, 0, false), MACHINE_CHECK_DROP);
    assert_int_equal(machine_check_next(false, CR4_MCE, true), MACHINE_CHECK_DROP);
}

static void what_does_not_come_again_is_not_replaced(void **state)
{
    (void)state;
    assert_true(machine_check_loses(WAITING_INTERRUPT, 0x40));
    assert_true(machine_check_loses(WAITING_EXCEPTION, EXCEPTION_DB));
    assert_false(machine_check_loses(WAITING_EXCEPTION, EXCEPTION_PF));
    assert_false(machine_check_loses(WAITING_INT, EXCEPTION_DB)); /* INT1 */
    assert_false(machine_check_loses(WAITING_NMI, EXCEPTION_NMI));
    assert_false(machine_check_loses(WAITING_NONE, EXCEPTION_DB));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_running_cpu_with_mce_takes_it),
        cmocka_unit_test(without_mce_the_cpu_shuts_down),
        cmocka_unit_test(a_cpu_that_waits_for_its_sipi_is_not_told),
        cmocka_unit_test(what_does_not_come_again_is_not_replaced),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
