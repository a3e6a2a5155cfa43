/* with: */
#include "vcpu/advance.h"
#include "vcpu/registers.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/unit/random.h"

/* The obvious rule: outside 64-bit mode EIP has 32 bits. */
static uint64_t model(uint64_t rip, uint32_t length, bool in_64bit_mode)
{
    return in_64bit_mode ? rip + length : (rip + length) % (1ull << 32);
}

/* As vmx/exit.c does it. */
static uint64_t advance(uint64_t rip, uint32_t length, bool in_64bit_mode)
{
    uint64_t next;
    return rip_step(rip, length, &next) ? rip_wrap(next, in_64bit_mode) : next;
}

static void rip_steps_and_wraps_at_32_bits_outside_64_bit_mode(void **state)
{
    (void)state;
    random_seed(0xadba0ce);
    for (unsigned i = 0; i < 200000; i++) {
        uint32_t length = 1 + (uint32_t)random_below(15);
        bool in_64bit_mode = random_below(2);
        uint64_t rip = random_u64() >> random_below(64);
        if (random_below(2))
            rip |= 0xfffffff0;
        rip = in_64bit_mode ? rip : (uint32_t)rip;
        assert_true(advance(rip, length, in_64bit_mode) == model(rip, length, in_64bit_mode));
    }
}

static void a_step_without_a_carry_needs_no_mode(void **state)
{
    (void)state;
    uint64_t next;
    assert_false(rip_step(0xfffffffd, 2, &next));
    assert_true(next == 0xffffffff);
    assert_true(rip_step(0xfffffffe, 2, &next));
    assert_true(next == 0x100000000);
    assert_true(rip_step(~0ull, 2, &next));
    assert_true(next == 1);
    assert_true(rip_step(0x1fffffff0, 16, &next));
    assert_true(next == 0x200000000);
    assert_false(rip_step(0xfffffffffffffff0, 2, &next));
    assert_true(next == 0xfffffffffffffff2);
}

static void there_is_no_wrap_at_16_bits(void **state)
{
    (void)state;
    assert_int_equal(advance(0xfffe, 2, false), 0x10000);
    assert_int_equal(advance(0xffff, 2, false), 0x10001);
}

static void the_step_may_leave_the_canonical_half(void **state)
{
    (void)state;
    assert_int_equal(advance(0x7ffffffffffe, 2, true), 0x800000000000);
    assert_int_equal(advance(0xfffffffffffffffe, 2, true), 0);
}

static struct advance_state complete(uint64_t rflags, uint64_t debugctl, bool sti, bool mov_ss)
{
    struct advance_state state = {rflags, debugctl, DR6_B0, sti, mov_ss};
    advance_complete(&state);
    return state;
}

static void tf_makes_a_single_step_trap_pending_unless_btf_is_set(void **state)
{
    (void)state;
    assert_int_equal(complete(RFLAGS_TF, 0, false, false).pending_debug, DR6_B0 | DR6_BS);
    assert_int_equal(complete(RFLAGS_TF, DEBUGCTL_BTF, false, false).pending_debug, DR6_B0);
    assert_int_equal(complete(RFLAGS_TF, ~DEBUGCTL_BTF, false, true).pending_debug,
                     DR6_B0 | DR6_BS);
    assert_int_equal(complete(RFLAGS_IF, 0, false, false).pending_debug, DR6_B0);
}

static void completing_clears_rf_and_blocking_and_nothing_else(void **state)
{
    (void)state;
    struct advance_state after = complete(~0ull, ~0ull, true, true);
    assert_true(after.rflags == ~RFLAGS_RF);
    assert_true(after.debugctl == ~0ull);
    assert_false(after.blocked_by_sti);
    assert_false(after.blocked_by_mov_ss);
}

static void an_element_that_is_not_the_last_leaves_rf_set(void **state)
{
    (void)state;
    struct advance_state after = {RFLAGS_TF, 0, DR6_B0, true, true};
    advance_complete_element(&after);
    assert_int_equal(after.rflags, RFLAGS_TF | RFLAGS_RF);
    assert_int_equal(after.pending_debug, DR6_B0 | DR6_BS);
    assert_false(after.blocked_by_sti);
    assert_false(after.blocked_by_mov_ss);
}

/* The hot path skips advance_complete() where this says so: it must then change nothing. */
static void the_usual_path_misses_nothing(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 64; i++) {
        uint64_t rflags = (i & 1 ? RFLAGS_TF : 0) | (i & 2 ? RFLAGS_RF : 0) | RFLAGS_FIXED;
        struct advance_state before = {rflags, i & 4 ? DEBUGCTL_BTF : 0, 0, i & 8, i & 16};
        struct advance_state after = before;
        advance_complete(&after);
        bool changed = after.rflags != before.rflags || after.pending_debug ||
                       before.blocked_by_sti || before.blocked_by_mov_ss;
        if (changed)
            assert_true(advance_is_rare(rflags, before.blocked_by_sti || before.blocked_by_mov_ss));
    }
    assert_false(advance_is_rare(RFLAGS_FIXED | RFLAGS_IF | RFLAGS_ZF, false));
}

static void registers_are_found_by_their_encoding(void **state)
{
    (void)state;
    struct guest_registers regs;
    uint64_t *const want[16] = {&regs.rax, &regs.rcx, &regs.rdx, &regs.rbx, NULL,      &regs.rbp,
                                &regs.rsi, &regs.rdi, &regs.r8,  &regs.r9,  &regs.r10, &regs.r11,
                                &regs.r12, &regs.r13, &regs.r14, &regs.r15};
    for (unsigned i = 0; i < 32; i++)
        assert_ptr_equal(guest_register(&regs, i), want[i & 15]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rip_steps_and_wraps_at_32_bits_outside_64_bit_mode),
        cmocka_unit_test(a_step_without_a_carry_needs_no_mode),
        cmocka_unit_test(there_is_no_wrap_at_16_bits),
        cmocka_unit_test(the_step_may_leave_the_canonical_half),
        cmocka_unit_test(tf_makes_a_single_step_trap_pending_unless_btf_is_set),
        cmocka_unit_test(completing_clears_rf_and_blocking_and_nothing_else),
        cmocka_unit_test(an_element_that_is_not_the_last_leaves_rf_set),
        cmocka_unit_test(the_usual_path_misses_nothing),
        cmocka_unit_test(registers_are_found_by_their_encoding),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
