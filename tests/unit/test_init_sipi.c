/* with: vcpu/init_sipi.c */
#include "vcpu/init_sipi.h"

#include "base/x86/cr.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/unit/random.h"

#define AP       false
#define BOOT_CPU true

static void assert_step(enum cpu_state state, enum cpu_event event, bool is_boot_cpu,
                        enum cpu_state next, enum cpu_action action)
{
    struct cpu_transition step = init_sipi_step(state, event, is_boot_cpu);
    assert_int_equal(step.state, next);
    assert_int_equal(step.action, action);
}

static void launch_runs_the_boot_cpu_and_leaves_the_others_waiting(void **state)
{
    (void)state;
    assert_step(CPU_STATE_OFF, CPU_EVENT_LAUNCH, BOOT_CPU, CPU_STATE_RUNNING, CPU_ACTION_ENTER);
    assert_step(CPU_STATE_OFF, CPU_EVENT_LAUNCH, AP, CPU_STATE_WAIT_FOR_SIPI,
                CPU_ACTION_RESET_AND_WAIT);
    assert_step(CPU_STATE_RUNNING, CPU_EVENT_LAUNCH, AP, CPU_STATE_RUNNING, CPU_ACTION_NONE);
}

static void init_makes_an_ap_wait_and_resets_the_boot_cpu(void **state)
{
    (void)state;
    const enum cpu_state from[] = {CPU_STATE_RUNNING, CPU_STATE_WAIT_FOR_SIPI, CPU_STATE_SHUTDOWN};
    for (unsigned i = 0; i < 3; i++) {
        assert_step(from[i], CPU_EVENT_INIT, AP, CPU_STATE_WAIT_FOR_SIPI,
                    CPU_ACTION_RESET_AND_WAIT);
        assert_step(from[i], CPU_EVENT_INIT, BOOT_CPU, CPU_STATE_RUNNING, CPU_ACTION_RESET_AND_RUN);
    }
}

static void a_sipi_starts_a_waiting_cpu_and_is_lost_on_any_other(void **state)
{
    (void)state;
    for (unsigned from = 0; from < CPU_STATES; from++) {
        if (from == CPU_STATE_WAIT_FOR_SIPI)
            assert_step(from, CPU_EVENT_SIPI, AP, CPU_STATE_RUNNING, CPU_ACTION_START);
        else
            assert_step(from, CPU_EVENT_SIPI, AP, from, CPU_ACTION_NONE);
    }
}

static void the_second_sipi_of_a_pair_does_nothing(void **state)
{
    (void)state;
    struct cpu_transition step = {CPU_STATE_RUNNING, CPU_ACTION_NONE};
    step = init_sipi_step(step.state, CPU_EVENT_INIT, AP);
    step = init_sipi_step(step.state, CPU_EVENT_SIPI, AP);
    assert_int_equal(step.action, CPU_ACTION_START);
    step = init_sipi_step(step.state, CPU_EVENT_SIPI, AP);
    assert_int_equal(step.action, CPU_ACTION_NONE);
    assert_int_equal(step.state, CPU_STATE_RUNNING);
}

static void a_triple_fault_stops_a_running_cpu(void **state)
{
    (void)state;
    assert_step(CPU_STATE_RUNNING, CPU_EVENT_TRIPLE_FAULT, AP, CPU_STATE_SHUTDOWN, CPU_ACTION_STOP);
    assert_step(CPU_STATE_WAIT_FOR_SIPI, CPU_EVENT_TRIPLE_FAULT, AP, CPU_STATE_WAIT_FOR_SIPI,
                CPU_ACTION_NONE);
}

/* Whatever happens, a CPU executes guest code only after a launch (boot CPU) or a SIPI, and one
 * that is off or left out never does. */
static void no_random_history_runs_a_cpu_that_must_not(void **state)
{
    (void)state;
    random_seed(0x51b1);
    for (unsigned run = 0; run < 20000; run++) {
        bool is_boot_cpu = random_below(2), was_launched = false, may_run = false;
        enum cpu_state now = random_below(4) ? CPU_STATE_OFF : CPU_STATE_LEFT_OUT;
        bool left_out = now == CPU_STATE_LEFT_OUT;
        for (unsigned n = 0; n < 12; n++) {
            enum cpu_event event = (enum cpu_event)random_below(CPU_EVENTS);
            struct cpu_transition step = init_sipi_step(now, event, is_boot_cpu);
            bool waits = now == CPU_STATE_WAIT_FOR_SIPI;
            was_launched |= event == CPU_EVENT_LAUNCH && !left_out;
            if (event == CPU_EVENT_INIT || event == CPU_EVENT_TRIPLE_FAULT)
                may_run = is_boot_cpu && event == CPU_EVENT_INIT && was_launched;
            if (event == CPU_EVENT_LAUNCH && now == CPU_STATE_OFF)
                may_run = is_boot_cpu;
            if (event == CPU_EVENT_SIPI && waits)
                may_run = true;
            now = step.state;
            assert_int_equal(now == CPU_STATE_RUNNING, may_run);
            assert_int_equal(now == CPU_STATE_LEFT_OUT, left_out);
            assert_true(was_launched || step.action == CPU_ACTION_NONE);
        }
    }
}

static void init_leaves_the_state_of_the_table(void **state)
{
    (void)state;
    struct reset_state reset = reset_state_after_init(~0ull, 0x50654);
    assert_int_equal(reset.cs.selector, 0xf000);
    assert_int_equal(reset.cs.base + reset.rip, 0xfffffff0);
    assert_int_equal(reset.cs.limit, 0xffff);
    assert_int_equal(reset.data.access_rights, 0x93);
    assert_int_equal(reset.rdx, 0x50654);
    assert_int_equal(reset.rflags, 2);
    assert_int_equal(reset.dr6, 0xffff0ff0);
    assert_int_equal(reset.dr7, 0x400);
    assert_int_equal(reset.cr2 | reset.cr3 | reset.cr4 | reset.efer, 0);
    assert_int_equal(reset.gdtr_limit & reset.idtr_limit, 0xffff);
    assert_int_equal(reset.gdtr_base | reset.idtr_base | reset.data.base, 0);
    assert_int_equal(reset.data.selector | reset.ldtr.selector | reset.tr.selector, 0);
    assert_int_equal(reset.ldtr.base | reset.tr.base, 0);
    assert_int_equal(reset.ldtr.limit & reset.tr.limit & reset.data.limit, 0xffff);
    assert_int_equal(reset.cs.access_rights, 0x9b);
    assert_int_equal(reset.tr.access_rights, 0x8b);
    assert_int_equal(reset.ldtr.access_rights, 0x82);
}

static void init_keeps_cd_and_nw_of_cr0(void **state)
{
    (void)state;
    assert_int_equal(reset_state_after_init(~0ull, 0).cr0, 0x60000010);
    assert_int_equal(reset_state_after_init(0x80050033, 0).cr0, 0x10);
    assert_int_equal(reset_state_after_init(0x40000010, 0).cr0, 0x40000010);
}

static void a_sipi_starts_at_the_page_of_its_vector(void **state)
{
    (void)state;
    for (unsigned vector = 0; vector < 256; vector++) {
        struct reset_state start = reset_state_after_init(0, 0);
        reset_state_start(&start, (uint8_t)vector);
        assert_int_equal(start.cs.base, vector * 0x1000);
        assert_int_equal(start.cs.selector, vector * 0x100);
        assert_int_equal(start.rip, 0);
        assert_int_equal(start.cs.limit, 0xffff);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(launch_runs_the_boot_cpu_and_leaves_the_others_waiting),
        cmocka_unit_test(init_makes_an_ap_wait_and_resets_the_boot_cpu),
        cmocka_unit_test(a_sipi_starts_a_waiting_cpu_and_is_lost_on_any_other),
        cmocka_unit_test(the_second_sipi_of_a_pair_does_nothing),
        cmocka_unit_test(a_triple_fault_stops_a_running_cpu),
        cmocka_unit_test(no_random_history_runs_a_cpu_that_must_not),
        cmocka_unit_test(init_leaves_the_state_of_the_table),
        cmocka_unit_test(init_keeps_cd_and_nw_of_cr0),
        cmocka_unit_test(a_sipi_starts_at_the_page_of_its_vector),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
