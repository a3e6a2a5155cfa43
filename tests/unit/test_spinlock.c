/* with: */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <pthread.h>
#include <sched.h>

#include "lib/spinlock.h"

static struct spinlock lock;

static void a_held_lock_is_refused_until_it_is_released(void **state)
{
    (void)state;
    assert_false(spin_lock_bounded(&lock, 0)); /* not even one look */
    assert_true(spin_lock_bounded(&lock, 1));
    assert_false(spin_try_lock(&lock));
    assert_false(spin_lock_bounded(&lock, 1000));
    spin_unlock(&lock);
    assert_true(spin_try_lock(&lock));
    spin_unlock(&lock);
}

#define ROUNDS 2000000u
static volatile uint64_t counter;
static pthread_barrier_t start;

static void *count_up(void *argument)
{
    pthread_barrier_wait(&start);
    for (unsigned i = 0; i < ROUNDS; i++) {
        while (!spin_lock_bounded(&lock, 1000000))
            sched_yield();
        counter++;
        spin_unlock(&lock);
    }
    return argument;
}

static void one_thread_at_a_time_is_inside(void **state)
{
    (void)state;
    pthread_t threads[2];
    pthread_barrier_init(&start, NULL, 2);
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, count_up, NULL), 0);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(counter, 2 * ROUNDS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_held_lock_is_refused_until_it_is_released),
        cmocka_unit_test(one_thread_at_a_time_is_inside),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
