/* with: vcpu/icr.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>

#include "base/x86/apic.h"
#include "vcpu/icr.h"

#define SEED 20261121u

/* What Linux writes to start a CPU (INIT asserted, INIT de-asserted, two SIPIs), and what else
 * goes. */
static void the_messages_of_a_start_are_told_apart(void **state)
{
    (void)state;
    static const struct {
        uint64_t low;
        enum icr_kind kind;
        uint8_t vector;
    } rows[] = {
        {0x0000C500, ICR_INIT, 0},       {0x00008500, ICR_NOTHING, 0},
        {0x00004500, ICR_INIT, 0},       {0x00000500, ICR_INIT, 0},
        {0x00000699, ICR_STARTUP, 0x99}, {0x00004608, ICR_STARTUP, 8},
        {0x000000FD, ICR_OTHER, 0xFD},   {0x00000400, ICR_OTHER, 0},
        {0x000C4500, ICR_INIT, 0},       {0x00000200, ICR_OTHER, 0},
        {0x00000700, ICR_OTHER, 0},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct icr_message message = icr_decode(rows[i].low, false);
        assert_int_equal(message.kind, rows[i].kind);
        if (message.kind == ICR_STARTUP)
            assert_int_equal(message.vector, rows[i].vector);
    }
}

static struct icr_message to(uint64_t destination, uint64_t flags, bool x2apic)
{
    return icr_decode(destination << (x2apic ? 32 : 56) | flags | ICR_DELIVERY_INIT, x2apic);
}

static void a_physical_destination_is_one_cpu(void **state)
{
    (void)state;
    for (uint32_t id = 0; id < 256; id++) {
        struct icr_message message = to(3, 0, false);
        assert_int_equal(icr_reaches(&message, 0, id), id == 3);
        message = to(0x12345, 0, true);
        assert_false(icr_reaches(&message, 0, id));
    }
    struct icr_message far = to(0x12345, 0, true);
    assert_true(icr_reaches(&far, 0, 0x12345));
}

static void broadcasts_and_shorthands_reach_all_but_the_sender(void **state)
{
    (void)state;
    const struct icr_message all[] = {
        to(0xFF, 0, false),
        to(0xFFFFFFFF, 0, true),
        to(0, ICR_SHORTHAND_ALL, false),
        to(0, ICR_SHORTHAND_OTHERS, false),
        to(0, ICR_SHORTHAND_OTHERS, true),
    };
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
        for (uint32_t id = 0; id < 8; id++)
            assert_int_equal(icr_reaches(&all[i], 5, id), id != 5);
    struct icr_message self = to(5, ICR_SHORTHAND_SELF, false);
    for (uint32_t id = 0; id < 8; id++)
        assert_false(icr_reaches(&self, 5, id));
    struct icr_message only_xapic = to(0xFF, 0, true); /* no broadcast in x2APIC mode */
    assert_false(icr_reaches(&only_xapic, 0, 1));
    assert_true(icr_reaches(&only_xapic, 0, 0xFF));
}

/* The model: a set of CPUs, bit by bit. */
static void logical_destinations_are_sets(void **state)
{
    (void)state;
    srand(SEED);
    for (int round = 0; round < 20000; round++) {
        uint32_t set = (uint32_t)rand() & 0xFFFF, cluster = (uint32_t)rand() & 0xFF;
        uint32_t id = (uint32_t)rand() & 0xFFF, sender = 0x1000;
        struct icr_message x2 = to(cluster << 16 | set, ICR_DESTINATION_LOGICAL, true);
        bool wanted = id / 16 == cluster && (set & 1u << id % 16) != 0;
        assert_int_equal(icr_reaches(&x2, sender, id), wanted);
        set &= 0xFF;
        struct icr_message flat = to(set, ICR_DESTINATION_LOGICAL, false);
        id &= 15;
        wanted = set == 0xFF || (id < 8 && (set & 1u << id) != 0);
        assert_int_equal(icr_reaches(&flat, sender, id), wanted);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_messages_of_a_start_are_told_apart),
        cmocka_unit_test(a_physical_destination_is_one_cpu),
        cmocka_unit_test(broadcasts_and_shorthands_reach_all_but_the_sender),
        cmocka_unit_test(logical_destinations_are_sets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
