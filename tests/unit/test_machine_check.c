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

#define NOTHING        ((struct waiting_event){WAITING_NONE, 0})
#define INTERRUPT      ((struct waiting_event){WAITING_INTERRUPT, 0x40})
#define NMI            ((struct waiting_event){WAITING_NMI, EXCEPTION_NMI})
#define EXCEPTION(one) ((struct waiting_event){WAITING_EXCEPTION, EXCEPTION_##one})
#define INT1           ((struct waiting_event){WAITING_INT, EXCEPTION_DB})

static void what_does_not_come_again_is_not_replaced(void **state)
{
    (void)state;
    assert_true(machine_check_loses(INTERRUPT, NOTHING, false));
    assert_true(machine_check_loses(INTERRUPT, INTERRUPT, false)); /* delivered again */
    assert_true(machine_check_loses(EXCEPTION(DB), NOTHING, false));
    assert_false(machine_check_loses(EXCEPTION(PF), NOTHING, false));
    assert_false(machine_check_loses(EXCEPTION(PF), EXCEPTION(PF), false));
    assert_false(machine_check_loses(INT1, NOTHING, false));
    assert_false(machine_check_loses(NMI, NOTHING, false));
    assert_false(machine_check_loses(NMI, NMI, false));
    assert_false(machine_check_loses(NOTHING, NOTHING, false));
}

/* What is done again after #MC is the new task's first instruction, which has not faulted. */
static void a_fault_of_a_new_task_is_not_replaced(void **state)
{
    (void)state;
    const struct waiting_event faults[] = {EXCEPTION(TS), EXCEPTION(NP), EXCEPTION(SS),
                                           EXCEPTION(GP), EXCEPTION(PF), EXCEPTION(DF)};
    for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
        assert_true(machine_check_loses(faults[i], NOTHING, true));
        assert_true(machine_check_loses(faults[i], faults[i], true)); /* delivered again */
        assert_false(machine_check_loses(faults[i], NOTHING, false));
    }
    assert_false(machine_check_loses(NOTHING, NOTHING, true)); /* it has been delivered */
    assert_false(machine_check_loses(NMI, NOTHING, true));
    assert_false(machine_check_loses(INT1, NOTHING, true));
}

/* A task gate whose TSS is bad, a stack or table where nothing is: what comes again is the event.
 */
static void a_fault_in_the_delivery_of_what_does_not_come_again_is_not_replaced(void **state)
{
    (void)state;
    assert_true(machine_check_loses(EXCEPTION(NP), INTERRUPT, false));
    assert_true(machine_check_loses(EXCEPTION(NP), NMI, false));
    assert_true(machine_check_loses(EXCEPTION(PF), EXCEPTION(DB), false));
    assert_false(machine_check_loses(EXCEPTION(DF), EXCEPTION(GP), false));
    assert_false(machine_check_loses(EXCEPTION(NP), INT1, false));
    assert_false(machine_check_loses(NOTHING, INTERRUPT, false));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_running_cpu_with_mce_takes_it),
        cmocka_unit_test(without_mce_the_cpu_shuts_down),
        cmocka_unit_test(a_cpu_that_waits_for_its_sipi_is_not_told),
        cmocka_unit_test(what_does_not_come_again_is_not_replaced),
        cmocka_unit_test(a_fault_of_a_new_task_is_not_replaced),
        cmocka_unit_test(a_fault_in_the_delivery_of_what_does_not_come_again_is_not_replaced),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
