/* The stop protocol with a thread for each CPU, each with its GS base: who stands still, who is
 * told of what, and who holds the stop. The clock is the test's. */
#include "base/bits.h"
#include "base/layout.h"

#include <asm/prctl.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

/* Where the host has room for the CPUs' slots. */
#undef LAYOUT_CPU_BASE
#define LAYOUT_CPU_BASE 0x200000000000
#include "kernel/stop.c"

#define CPUS      3
#define BOUND_US  100
#define LONG_US   100000000
#define GUEST_RUN 0
#define GUEST_END 1

static volatile uint64_t ticks;
static volatile uint32_t guest; /* what the threads do, and ... */
static volatile bool deaf;      /* ... whether they look at their attention */
static volatile uint32_t kicks;
static pthread_t threads[CPUS];

uint64_t fake_rdtsc(void)
{
    sched_yield();
    return __atomic_add_fetch(&ticks, 10, __ATOMIC_SEQ_CST);
}

uint64_t time_tsc_per_us(void) { return 1; }

bool apic_send(uint32_t apic_id, uint32_t delivery, uint8_t vector)
{
    (void)apic_id, (void)delivery, (void)vector;
    __atomic_add_fetch(&kicks, 1, __ATOMIC_SEQ_CST);
    return true;
}

static void become(struct cpu *cpu)
{
    cpu->self = cpu;
    syscall(SYS_arch_prctl, ARCH_SET_GS, cpu);
}

/* A CPU other than the first: its guest, and what waits before each entry. */
static void *run(void *argument)
{
    struct cpu *cpu = argument;
    become(cpu);
    while (guest == GUEST_RUN) {
        cpu->kicked = 0;
        if (!deaf && (cpu->attention & ATTENTION_STOP))
            stop_serve(cpu);
        sched_yield();
    }
    return NULL;
}

static int start(void **state)
{
    (void)state;
    guest = GUEST_RUN;
    deaf = false;
    stop_set_cpus(CPUS);
    for (uint32_t i = 0; i < CPUS; i++) {
        struct cpu *cpu = percpu_get(i);
        *cpu = (struct cpu){.number = i, .apic_id = i, .state = CPU_GUEST};
        if (i)
            pthread_create(&threads[i], NULL, run, cpu);
    }
    become(percpu_get(0));
    return 0;
}

static int end(void **state)
{
    (void)state;
    if (stop_holder()) /* a check has failed meanwhile */
        stop_release();
    deaf = false;
    guest = GUEST_END;
    for (uint32_t i = 1; i < CPUS; i++)
        pthread_join(threads[i], NULL);
    return 0;
}

static void all_stand_still_until_they_are_let_go(void **state)
{
    (void)state;
    assert_int_equal(stop_all(STOP_WORK, LONG_US), 0);
    assert_ptr_equal(stop_holder(), percpu_get(0));
    for (uint32_t i = 1; i < CPUS; i++) {
        assert_int_equal(percpu_get(i)->state, CPU_STOPPED);
        assert_true(stop_has_stopped(percpu_get(i)));
    }
    stop_release();
    assert_null(stop_holder());
    for (uint32_t i = 1; i < CPUS; i++)
        while (percpu_get(i)->state != CPU_GUEST)
            sched_yield();
}

static void the_deaf_are_counted(void **state)
{
    (void)state;
    deaf = true;
    percpu_get(2)->state = CPU_WAIT_FOR_SIPI;
    kicks = 0;
    assert_int_equal(stop_all(STOP_WORK, BOUND_US), 1);
    assert_int_equal(kicks, 1);
    assert_int_equal(stop_running_cpu(), 1);
    assert_false(stop_has_stopped(percpu_get(1)));
    assert_true(stop_has_stopped(percpu_get(2)));
    stop_release();
}

static void note_who(void *argument) { *(uint32_t *)argument = this_cpu()->number; }

static void an_errand_is_run_by_its_cpu(void **state)
{
    (void)state;
    uint32_t who = ~0u;
    assert_int_equal(stop_all(STOP_WORK, LONG_US), 0);
    for (uint32_t i = 0; i < CPUS; i++) {
        assert_true(stop_run_on(percpu_get(i), note_who, &who));
        assert_int_equal(who, i);
    }
    stop_release();
}

/* Longer than one may wait for its beginning. */
static void take_long(void *argument)
{
    uint64_t since = ticks;
    while (ticks - since < 3 * ERRAND_US * time_tsc_per_us())
        __atomic_add_fetch(&ticks, 1000, __ATOMIC_SEQ_CST);
    note_who(argument);
}

static void an_errand_that_has_begun_is_waited_for(void **state)
{
    (void)state;
    uint32_t who = ~0u;
    assert_int_equal(stop_all(STOP_WORK, LONG_US), 0);
    assert_true(stop_run_on(percpu_get(2), take_long, &who));
    assert_int_equal(who, 2);
    stop_release();
}

static void an_errand_that_is_not_begun_is_taken_back(void **state)
{
    (void)state;
    uint32_t who = ~0u;
    deaf = true;
    assert_int_equal(stop_all(STOP_WORK, BOUND_US), 2);
    struct cpu *cpu = percpu_get(1);
    assert_false(stop_run_on(cpu, note_who, &who)); /* it has not stopped */
    cpu->state = CPU_STOPPED;                       /* it has, and hangs behind that */
    cpu->stopped_generation = generation;
    assert_false(stop_run_on(cpu, note_who, &who));
    assert_int_equal(who, ~0u);
    deaf = false;
    for (uint32_t i = 0; i < 1000; i++)
        sched_yield();
    assert_int_equal(who, ~0u);
    cpu->state = CPU_GUEST;
    stop_release();
}

static uint32_t held_by = ~0u;

/* Handed the stop, it runs its guest alone, and hands it back. */
static void *held_by_another(void *argument)
{
    struct cpu *cpu = argument;
    become(cpu);
    while (guest == GUEST_RUN) {
        if (cpu->attention & ATTENTION_STOP)
            stop_serve(cpu);
        if (stop_holder() == cpu) {
            assert_int_equal(stop_all(STOP_TYPES, BOUND_US), 0);
            stop_release();
            assert_true(stop_run_on(percpu_get(0), note_who, &held_by));
            stop_hand_over(percpu_get(0));
        }
        sched_yield();
    }
    return NULL;
}

static void the_holder_hands_over_and_gets_it_back(void **state)
{
    (void)state;
    assert_int_equal(end(NULL), 0);
    guest = GUEST_RUN;
    for (uint32_t i = 1; i < CPUS; i++)
        pthread_create(&threads[i], NULL, held_by_another, percpu_get(i));
    assert_int_equal(stop_all(STOP_WORK, LONG_US), 0);
    stop_hand_over(percpu_get(2));
    assert_ptr_equal(stop_holder(), percpu_get(0));
    assert_int_equal(held_by, 0);
    assert_true(stop_has_stopped(percpu_get(1)));
    stop_release();
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(all_stand_still_until_they_are_let_go),
        TEST(the_deaf_are_counted),
        TEST(an_errand_is_run_by_its_cpu),
        TEST(an_errand_that_has_begun_is_waited_for),
        TEST(an_errand_that_is_not_begun_is_taken_back),
        TEST(the_holder_hands_over_and_gets_it_back),
    };
    void *slots = mmap((void *)LAYOUT_CPU_BASE, CPUS * LAYOUT_SLOT_BYTES, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    return slots == MAP_FAILED ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
