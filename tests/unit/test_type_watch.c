/* with: vcpu/type_watch.c mm/mtrr*.c lib/format.c */
#include "vcpu/type_watch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "base/bits.h"
#include "mm/mtrr.h"
#include "tests/unit/random.h"

#define NEVER UINT64_MAX

static const struct type_view in_force = {true, false}, settled = {false, true},
                              differ = {false, false};

static void a_change_that_all_have_made_is_taken_at_once_and_once(void **unused)
{
    (void)unused;
    struct type_watch watch = {0};
    assert_int_equal(type_watch_look(&watch, in_force, 5), NEVER);
    assert_int_equal(type_watch_look(&watch, differ, 1000), TYPE_LASTS_US);
    assert_int_equal(type_watch_look(&watch, differ, 1500), TYPE_LASTS_US - 500);
    assert_int_equal(type_watch_look(&watch, settled, 2000), 0);
    type_watch_built(&watch, true, 2000, 2100);
    assert_int_equal(type_watch_look(&watch, in_force, 2100), NEVER);
}

static void a_change_that_is_taken_back_is_none(void **unused)
{
    (void)unused;
    struct type_watch watch = {0};
    assert_int_equal(type_watch_look(&watch, differ, 1000), TYPE_LASTS_US);
    assert_int_equal(type_watch_look(&watch, in_force, 2000), NEVER);
    assert_int_equal(type_watch_look(&watch, differ, 1000000), TYPE_LASTS_US); /* from now on */
}

static void what_lasts_is_taken_as_it_stands(void **unused)
{
    (void)unused;
    struct type_watch watch = {0};
    for (uint64_t now = 7; now < 7 + TYPE_LASTS_US; now += 100000)
        assert_int_equal(type_watch_look(&watch, differ, now), TYPE_LASTS_US - (now - 7));
    assert_int_equal(type_watch_look(&watch, differ, 7 + TYPE_LASTS_US), 0);
    type_watch_built(&watch, true, 7 + TYPE_LASTS_US, 8 + TYPE_LASTS_US);
    assert_int_equal(type_watch_look(&watch, differ, 3 * TYPE_LASTS_US), TYPE_LASTS_US);
}

static void a_rebuild_has_its_rest_and_a_dear_one_a_longer_one(void **unused)
{
    (void)unused;
    struct type_watch watch = {0};
    type_watch_built(&watch, true, 100, 200);
    assert_int_equal(type_watch_look(&watch, settled, 200), TYPE_REST_US);
    assert_int_equal(type_watch_look(&watch, settled, 200 + TYPE_REST_US), 0);
    type_watch_built(&watch, true, 1000000, 1005000);
    assert_int_equal(type_watch_look(&watch, settled, 1005000), 45000);
    type_watch_built(&watch, false, 2000000, 2000001);
    assert_int_equal(type_watch_look(&watch, settled, 2000001), TYPE_LASTS_US);
}

/* A tenth of the time at most, however long one took, and whether or not it came to an end. */
static void the_rest_is_nine_times_what_any_rebuild_took(void **unused)
{
    (void)unused;
    for (uint64_t took = 1; took < 3600000000; took *= 3) {
        for (unsigned done = 0; done <= 1; done++) {
            struct type_watch watch = {0};
            uint64_t end = 5000000 + took, least = done ? TYPE_REST_US : TYPE_LASTS_US;
            type_watch_built(&watch, done, 5000000, end);
            uint64_t rest = type_watch_look(&watch, settled, end);
            assert_int_equal(rest, max_u64(least, 9 * took));
            assert_int_equal(type_watch_look(&watch, settled, end + rest - 1), 1);
            assert_int_equal(type_watch_look(&watch, settled, end + rest), 0);
        }
    }
}

static void a_stop_has_time_for_the_caches_and_costs_a_tenth_in_vain(void **unused)
{
    (void)unused;
    const uint64_t write_back_us = 300000, walk_us = 20000; /* a full cache, and a clean one */
    for (uint32_t cpus = 1; cpus <= 256; cpus++) {
        struct type_watch watch = {0};
        uint64_t bound = type_stop_bound_us(cpus);
        assert_true(bound > write_back_us + cpus * walk_us);
        type_watch_built(&watch, false, 1000, 1000 + bound);
        assert_true(type_watch_look(&watch, settled, 1000 + bound) >= 9 * bound);
    }
}

static void a_clock_that_is_set_back_begins_the_wait_again(void **unused)
{
    (void)unused;
    struct type_watch watch = {0};
    type_watch_built(&watch, true, 5000000, 5000100);
    assert_int_equal(type_watch_look(&watch, settled, 50), TYPE_REST_US);
    assert_int_equal(type_watch_look(&watch, settled, 50 + TYPE_REST_US), 0);
    assert_int_equal(type_watch_look(&watch, differ, 9000000), TYPE_LASTS_US);
    assert_int_equal(type_watch_look(&watch, differ, 3), TYPE_LASTS_US);
    assert_int_equal(type_watch_look(&watch, differ, 3 + TYPE_LASTS_US), 0);
}

/* Random CPUs that write, come and go; the caller looks after each event and when it was told to.
 * Whatever happens: the rate is bounded, what is built is what the CPUs then have, a state in
 * between is built only if it lasted, and in the end what they have is in force. */
#define CPUS 4

static struct {
    unsigned value[CPUS]; /* 0: in the middle of a change */
    bool runs[CPUS];
    unsigned mask; /* what the EPT was built of: a set of values */
    uint64_t unsettled_since;
} model;

static unsigned mask_now(void)
{
    unsigned mask = 0;
    for (unsigned i = 0; i < CPUS; i++)
        mask |= model.runs[i] ? 1u << model.value[i] : 0;
    return mask;
}

static struct type_view view_now(void)
{
    unsigned mask = mask_now();
    return (struct type_view){mask == model.mask, !(mask & 1) && (mask & (mask - 1)) == 0};
}

static void random_event(void)
{
    unsigned cpu = random_below(CPUS), value = random_below(4);
    if (random_below(10) == 0)
        model.runs[cpu] = cpu == 0 || !model.runs[cpu];
    else if (random_below(3))
        model.value[cpu] = value;
    else
        for (unsigned i = 0; i < CPUS; i++)
            model.value[i] = value;
}

static void nothing_is_lost_and_the_rate_is_bounded(void **unused)
{
    (void)unused;
    struct type_watch watch = {0};
    uint64_t now = 1, next = NEVER, last_end = 0, last_took = 0, in_between = 0, built = 0;
    memset(&model, 0, sizeof(model));
    for (unsigned i = 0; i < CPUS; i++)
        model.value[i] = 1, model.runs[i] = true;
    model.mask = mask_now();
    for (unsigned i = 0; i < 300000; i++) {
        uint64_t step = random_below(random_below(50) ? 3000 : 3 * TYPE_LASTS_US);
        bool event = next == NEVER || step < next;
        now += event ? step : next;
        if (event)
            random_event();
        struct type_view view = view_now();
        if (view.in_force || view.settled)
            model.unsettled_since = 0;
        else if (!model.unsettled_since)
            model.unsettled_since = now;
        next = type_watch_look(&watch, view, now);
        if (next == 0) {
            assert_false(view.in_force);
            assert_true(last_end == 0 || now - last_end >= max_u64(TYPE_REST_US, 9 * last_took));
            if (!view.settled) {
                assert_true(now - model.unsettled_since >= TYPE_LASTS_US);
                in_between++;
            }
            bool done = random_below(20);
            uint64_t began = now;
            now += random_below(random_below(50) ? 500 : TYPE_LASTS_US);
            if (done)
                model.mask = mask_now(), built++, model.unsettled_since = 0;
            last_end = now, last_took = now - began;
            type_watch_built(&watch, done, began, now);
            next = type_watch_look(&watch, view_now(), now);
            assert_true(next != 0 && (next == NEVER) == view_now().in_force);
        }
        assert_true(next == NEVER || next <= max_u64(TYPE_LASTS_US, 9 * last_took));
        assert_int_equal(next == NEVER, view_now().in_force);
    }
    assert_true(built > 1000 && in_between > 100);
}

/* The registers as the guest has them, to and from the state; sets of states. */
static void shadows_hold_each_register_at_its_index(void **unused)
{
    (void)unused;
    struct mtrr_state state, back = {.cap = 0x508, .variable_count = 8, .phys_bits = 40};
    uint64_t shadow[0x100] = {0};
    memset(&state, 0, sizeof(state));
    state.cap = 0x508, state.variable_count = 8, state.phys_bits = 40;
    state.def_type = random_u64();
    for (unsigned i = 0; i < MTRR_FIXED_COUNT; i++)
        state.fixed[i] = random_u64();
    for (unsigned i = 0; i < 8; i++)
        state.variable[i].base = random_u64(), state.variable[i].mask = random_u64();
    mtrr_shadow_fill(shadow, &state);
    assert_int_equal(shadow[0xff], state.def_type);
    assert_int_equal(shadow[0x50], state.fixed[0]);
    assert_int_equal(shadow[0x6f], state.fixed[10]);
    assert_int_equal(shadow[0x0f], state.variable[7].mask);
    mtrr_shadow_read(&back, shadow);
    assert_memory_equal(&back, &state, sizeof(state));
    state.variable_count = back.variable_count = 4096; /* no more than there are */
    mtrr_shadow_fill(shadow, &state);
    mtrr_shadow_read(&back, shadow);
    assert_memory_equal(back.fixed, state.fixed, sizeof(state.fixed));
}

static void sets_are_kept_once_and_too_many_are_uncached(void **unused)
{
    (void)unused;
    struct mtrr_sets a = {0}, b = {0};
    struct mtrr_state state = {.phys_bits = 40, .variable_count = 1};
    state.def_type = MTRR_DEF_TYPE_E | MEMORY_TYPE_WB;
    mtrr_sets_add(&a, &state);
    mtrr_sets_add(&a, &state);
    state.variable[0].base = GIB(1); /* not valid: no difference */
    mtrr_sets_add(&a, &state);
    assert_int_equal(a.count, 1);
    for (unsigned i = 0; i < MTRR_SETS_MAX - 1; i++) {
        state.variable[0].base = i * GIB(1) | MEMORY_TYPE_WT;
        state.variable[0].mask = BITS(39, 30) | MTRR_PHYSMASK_V;
        mtrr_sets_add(&a, &state);
    }
    assert_int_equal(a.count, MTRR_SETS_MAX);
    for (unsigned i = a.count; i > 0; i--)
        mtrr_sets_add(&b, &a.set[i - 1]);
    assert_true(mtrr_sets_alike(&a, &b) && mtrr_sets_alike(&b, &a));
    struct mtrr_run run = mtrr_sets_run_at(&a, MIB(1));
    assert_true(run.base == MIB(1) && run.end == 3 * GIB(1) && run.type == MEMORY_TYPE_WT);
    run = mtrr_sets_run_at(&a, 3 * GIB(1));
    assert_true(run.end == UINT64_MAX && run.type == MEMORY_TYPE_WB);
    b.count--;
    assert_false(mtrr_sets_alike(&a, &b) || mtrr_sets_alike(&b, &a));
    state.variable[0].base = 5 * GIB(1);
    mtrr_sets_add(&a, &state);
    run = mtrr_sets_run_at(&a, 0);
    assert_true(run.base == 0 && run.end == UINT64_MAX && run.type == MEMORY_TYPE_UC);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_change_that_all_have_made_is_taken_at_once_and_once),
        cmocka_unit_test(a_change_that_is_taken_back_is_none),
        cmocka_unit_test(what_lasts_is_taken_as_it_stands),
        cmocka_unit_test(a_rebuild_has_its_rest_and_a_dear_one_a_longer_one),
        cmocka_unit_test(the_rest_is_nine_times_what_any_rebuild_took),
        cmocka_unit_test(a_stop_has_time_for_the_caches_and_costs_a_tenth_in_vain),
        cmocka_unit_test(a_clock_that_is_set_back_begins_the_wait_again),
        cmocka_unit_test(nothing_is_lost_and_the_rate_is_bounded),
        cmocka_unit_test(shadows_hold_each_register_at_its_index),
        cmocka_unit_test(sets_are_kept_once_and_too_many_are_uncached),
    };
    random_seed(0x77617463);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
