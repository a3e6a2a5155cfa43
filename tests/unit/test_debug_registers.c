/* with: vcpu/debug_registers.c */
#include "vcpu/debug_registers.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/x86/cr.h"
#include "tests/unit/random.h"

static unsigned length_of(uint64_t dr7, unsigned i)
{
    static const unsigned lengths[4] = {1, 2, 8, 4};
    return lengths[dr7 >> (18 + 4 * i) & 3];
}

static bool enabled(uint64_t dr7, unsigned i) { return dr7 >> (2 * i) & 3; }

static void random_guest(struct breakpoints *guest)
{
    guest->dr7 = (random_u64() & 0xffff2bff) | DR7_RESET;
    for (unsigned i = 0; i < 4; i++) {
        guest->address[i] = random_u64();
        if (random_below(2))
            guest->dr7 &= ~(3ull << 2 * i);
    }
}

static void random_wishes(struct debug_breakpoint wanted[4])
{
    for (unsigned i = 0; i < 4; i++) {
        wanted[i] = (struct debug_breakpoint){random_u64(), (uint8_t)random_below(4),
                                              (uint8_t)(1u << random_below(4)), random_below(2)};
        if (wanted[i].type == 0)
            wanted[i].bytes = 1;
    }
}

static void the_guests_breakpoints_stay_and_the_others_find_a_place(void **state)
{
    unsigned full = 0;
    (void)state;
    random_seed(0xdeb6);
    for (unsigned round = 0; round < 100000; round++) {
        struct breakpoints guest, real;
        struct debug_breakpoint wanted[4];
        struct debug_owners owners;
        unsigned wishes = 0, places = 0, placed = 0;
        random_guest(&guest);
        random_wishes(wanted);
        bool all = debug_registers_compose(&guest, wanted, &real, &owners);
        for (unsigned i = 0; i < 4; i++) {
            wishes += wanted[i].on;
            places += !enabled(guest.dr7, i);
            if (!owners.of[i]) { /* the guest's, to the bit */
                assert_true(real.address[i] == guest.address[i]);
                assert_true(!((real.dr7 ^ guest.dr7) & (3ull << 2 * i | 0xfull << (16 + 4 * i))));
                continue;
            }
            const struct debug_breakpoint *own = &wanted[owners.of[i] - 1];
            placed++;
            assert_true(own->on && !enabled(guest.dr7, i) && enabled(real.dr7, i));
            assert_true(real.address[i] == own->linear);
            assert_int_equal(real.dr7 >> (16 + 4 * i) & 3, own->type);
            assert_int_equal(length_of(real.dr7, i), own->bytes);
            for (unsigned k = 0; k < i; k++)
                assert_int_not_equal(owners.of[k], owners.of[i]);
        }
        assert_int_equal(placed, wishes < places ? wishes : places);
        assert_int_equal(all, wishes <= places);
        assert_int_equal(real.dr7 & 0xff00, guest.dr7 & 0xff00 & ~(uint64_t)DR7_GD);
        full += !all;
    }
    assert_true(full > 1000);
}

/* What the bare processor would have told the guest, and the debugger if it were alone. */
static void a_trap_is_each_ones_own(void **state)
{
    unsigned both = 0;
    (void)state;
    random_seed(0x5b117);
    for (unsigned round = 0; round < 100000; round++) {
        struct breakpoints guest, real;
        struct debug_breakpoint wanted[4];
        struct debug_owners owners;
        unsigned debuggers, expected = 0;
        uint64_t met = random_u64() & 0xf, other = random_below(4) ? 0 : DR6_BS, expected_guest = 0;
        random_guest(&guest);
        random_wishes(wanted);
        debug_registers_compose(&guest, wanted, &real, &owners);
        for (unsigned i = 0; i < 4; i++)
            if (met >> i & 1 && owners.of[i])
                expected |= 1u << (owners.of[i] - 1);
        for (unsigned i = 0; i < 4; i++)
            if (met >> i & 1 && enabled(guest.dr7, i))
                expected_guest |= 1ull << i;
        uint64_t got = debug_registers_split(&owners, guest.dr7, met | other, &debuggers);
        assert_int_equal(debuggers, expected);
        assert_int_equal(got != 0, expected_guest || other);
        assert_int_equal(got & expected_guest, expected_guest);
        for (unsigned i = 0; i < 4; i++)
            assert_false(got >> i & 1 && owners.of[i]);
        both += got && debuggers;
    }
    assert_true(both > 1000);
}

static void dr6_is_that_of_the_manual(void **state)
{
    (void)state;
    assert_int_equal(debug_registers_dr6(DR6_RESET, DR6_B1), DR6_RESET | DR6_B1);
    assert_int_equal(debug_registers_dr6(DR6_RESET | DR6_B0 | DR6_BS, DR6_B3),
                     DR6_RESET | DR6_BS | DR6_B3);
    assert_int_equal(debug_registers_dr6(DR6_RESET, DR6_BS | DR6_BD | 1u << 12),
                     DR6_RESET | DR6_BS | DR6_BD);
    assert_int_equal(debug_registers_dr6(DR6_RESET, DR6_RTM | DR6_B0),
                     (DR6_RESET & ~DR6_RTM) | DR6_B0);
    assert_int_equal(debug_registers_dr6(DR6_RESET & ~DR6_RTM, DR6_B0), DR6_RESET | DR6_B0);
    assert_int_equal(debug_registers_dr6(DR6_RESET, DR6_BLD), DR6_RESET & ~DR6_BLD);
    assert_int_equal(debug_registers_dr6(DR6_RESET & ~DR6_BLD, DR6_BS),
                     (DR6_RESET & ~DR6_BLD) | DR6_BS);
}

static enum debug_move_verdict judge(unsigned *number, bool to_dr, uint64_t value, bool de,
                                     unsigned cpl, uint64_t dr7)
{
    struct debug_move move = {*number, to_dr, value, de, cpl, dr7};
    enum debug_move_verdict verdict = debug_move_judge(&move);
    *number = move.number;
    return verdict;
}

static void moves_are_judged_in_the_manuals_order(void **state)
{
    (void)state;
    for (unsigned number = 0; number < 16; number++)
        for (unsigned flags = 0; flags < 32; flags++) {
            bool to_dr = flags & 1, de = flags & 2, gd = flags & 8, high = flags & 16;
            unsigned cpl = flags & 4 ? 3 : 0, became = number;
            enum debug_move_verdict verdict =
                judge(&became, to_dr, high ? 1ull << 32 : 0x400, de, cpl, gd ? DR7_GD : 0);
            if (number >= 8 || (de && (number == 4 || number == 5)))
                assert_int_equal(verdict, DEBUG_MOVE_UD);
            else if (cpl)
                assert_int_equal(verdict, DEBUG_MOVE_GP);
            else if (gd)
                assert_int_equal(verdict, DEBUG_MOVE_DETECT);
            else if (to_dr && high && number >= 4)
                assert_int_equal(verdict, DEBUG_MOVE_GP);
            else
                assert_int_equal(verdict, DEBUG_MOVE_DONE);
            if (verdict == DEBUG_MOVE_DONE)
                assert_int_equal(became, number == 4 ? 6 : number == 5 ? 7 : number);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_guests_breakpoints_stay_and_the_others_find_a_place),
        cmocka_unit_test(a_trap_is_each_ones_own),
        cmocka_unit_test(dr6_is_that_of_the_manual),
        cmocka_unit_test(moves_are_judged_in_the_manuals_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
