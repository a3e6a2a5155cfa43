/* with: mm/guest_access.c */
#define _GNU_SOURCE 1 /* REG_EFL */
#include "mm/guest_access.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>

#include <cmocka.h>

#include "base/bits.h"
#include "mm/host_tables.h"

/* Each access to a page of the guest's is counted: it faults, and is let through alone, by TF.
 * Where the window leads to is the table's entry; it shows the same page here whatever that says.
 */
#define RFLAGS_TF 0x100
#define FORBIDDEN 0x100000ull

static uint8_t *page;
static unsigned accesses;
static uint64_t entry, opened;
static struct window windows[2];

uint64_t *host_tables_entry(uint64_t address)
{
    (void)address;
    fail();
    return NULL;
}
void fake_invlpg(uint64_t address)
{
    assert_ptr_equal((void *)address, page);
    opened = entry ? entry & ~(PAGE_MASK | BIT(63)) : opened;
}

static void close_page(void) { assert_int_equal(mprotect(page, PAGE_SIZE, PROT_NONE), 0); }
static void open_page(void)
{
    assert_int_equal(mprotect(page, PAGE_SIZE, PROT_READ | PROT_WRITE), 0);
}

static void on_access(int number, siginfo_t *info, void *context)
{
    ucontext_t *at = context;
    (void)number;
    assert_in_range((uint64_t)info->si_addr, (uint64_t)page, (uint64_t)page + PAGE_SIZE - 1);
    accesses++;
    open_page();
    at->uc_mcontext.gregs[REG_EFL] |= RFLAGS_TF;
}

static void on_step(int number, siginfo_t *info, void *context)
{
    ucontext_t *at = context;
    (void)number, (void)info;
    close_page();
    at->uc_mcontext.gregs[REG_EFL] &= ~RFLAGS_TF;
}

static int set_up(void **state)
{
    (void)state;
    page = mmap(NULL, PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    for (unsigned i = 0; i < 2; i++)
        windows[i] = (struct window){&entry, page};
    guest_access_forbid(HPA(FORBIDDEN), HPA(FORBIDDEN + 2 * PAGE_SIZE), 36, true);
    return page == MAP_FAILED;
}

static int tear_down(void **state)
{
    (void)state;
    return munmap(page, PAGE_SIZE);
}

/* In the test itself: cmocka has its own handlers before. */
static void count_accesses(void)
{
    struct sigaction access = {.sa_sigaction = on_access, .sa_flags = SA_SIGINFO};
    struct sigaction step = {.sa_sigaction = on_step, .sa_flags = SA_SIGINFO};
    assert_int_equal(sigaction(SIGSEGV, &access, NULL), 0);
    assert_int_equal(sigaction(SIGTRAP, &step, NULL), 0);
}

static void test_a_register_is_touched_once(void **state)
{
    (void)state;
    count_accesses();
    for (unsigned bytes = 1; bytes <= 8; bytes *= 2) {
        uint8_t value[8] = {0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88}, got[8] = {0};
        close_page();
        accesses = 0;
        assert_int_equal(guest_write(windows, GPA(0xFEC00010), value, bytes), ERROR_NONE);
        assert_int_equal(accesses, 1);
        assert_int_equal(guest_read(windows, got, GPA(0xFEC00010), bytes), ERROR_NONE);
        assert_int_equal(accesses, 2);
        assert_int_equal(opened, 0xFEC00000);
        assert_int_equal(entry, 0);
        assert_int_equal(guest_move(windows, GPA(0x5020), GPA(0x5010), bytes), ERROR_NONE);
        assert_int_equal(accesses, 4); /* a read and a write */
        open_page();
        assert_memory_equal(page + 0x10, value, bytes);
        assert_memory_equal(got, value, bytes);
        assert_int_equal(got[7], bytes == 8 ? 0x88 : 0);
        assert_memory_equal(page + 0x20, value, bytes);
        memset(page, 0, PAGE_SIZE);
    }
}

static void test_any_length_and_alignment(void **state)
{
    uint8_t value[64], got[64];
    (void)state;
    for (unsigned i = 0; i < sizeof(value); i++)
        value[i] = (uint8_t)(i * 7 + 1);
    for (unsigned bytes = 0; bytes <= sizeof(value); bytes++) {
        for (unsigned offset = 0; offset < 9; offset++) {
            memset(page, 0, PAGE_SIZE);
            memset(got, 0xEE, sizeof(got));
            assert_int_equal(guest_write(windows, GPA(0x7000 + offset), value, bytes), ERROR_NONE);
            assert_memory_equal(page + offset, value, bytes);
            assert_int_equal(page[offset + bytes], 0);
            assert_int_equal(guest_read(windows, got, GPA(0x7000 + offset), bytes), ERROR_NONE);
            assert_memory_equal(got, value, bytes);
            assert_true(bytes == sizeof(got) || got[bytes] == 0xEE);
        }
    }
}

static void test_what_is_refused(void **state)
{
    static const struct {
        uint64_t at, bytes;
        enum error error;
    } rows[] = {
        {FORBIDDEN - 8, 8, ERROR_NONE},
        {FORBIDDEN - 8, 9, ERROR_RANGE},
        {FORBIDDEN, 1, ERROR_RANGE},
        {FORBIDDEN + 2 * PAGE_SIZE - 1, 1, ERROR_RANGE},
        {FORBIDDEN + 2 * PAGE_SIZE, 8, ERROR_NONE},
        {FORBIDDEN - 8, 16 * PAGE_SIZE, ERROR_RANGE},
        {BIT(36) - 8, 8, ERROR_NONE},
        {BIT(36) - 7, 8, ERROR_RANGE},
        {BIT(36), 1, ERROR_RANGE},
        {UINT64_MAX - 3, 8, ERROR_RANGE},
    };
    uint8_t bytes[8];
    (void)state;
    count_accesses();
    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
        /* Of what is refused nothing may be touched, nor `bytes` that are far too few for it. */
        if (rows[i].error != ERROR_NONE)
            close_page();
        accesses = 0;
        assert_int_equal(guest_read(windows, bytes, GPA(rows[i].at), rows[i].bytes), rows[i].error);
        assert_int_equal(guest_write(windows, GPA(rows[i].at), bytes, rows[i].bytes),
                         rows[i].error);
        assert_int_equal(guest_move(windows, GPA(rows[i].at), GPA(0x5000), rows[i].bytes),
                         rows[i].error);
        assert_int_equal(guest_move(windows, GPA(0x5000), GPA(rows[i].at), rows[i].bytes),
                         rows[i].error);
        assert_int_equal(accesses, 0);
        open_page();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_register_is_touched_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_any_length_and_alignment, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_what_is_refused, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
