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
        {0x000000FD, ICR_OTHER, 0xFD},   {0x00000400, ICR_NMI, 0},
        {0x000C4500, ICR_INIT, 0},       {0x00000200, ICR_OTHER, 0},
        {0x00000700, ICR_OTHER, 0},      {0x00044500, ICR_OTHER, 0},
        {0x00044600, ICR_OTHER, 0},      {0x000C4400, ICR_NMI, 0},
        {0x00044400, ICR_OTHER, 0},      {0x00084500, ICR_INIT, 0},
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

static bool reaches(const struct icr_message *message, uint32_t sender, uint32_t id)
{
    struct icr_receiver to = {.apic_id = id, .ldr = id < 8 ? 0x1000000u << id : 0, .dfr = ~0u};
    return icr_reaches(message, sender, &to);
}

static void a_physical_destination_is_one_cpu_the_sender_too(void **state)
{
    (void)state;
    for (uint32_t id = 0; id < 256; id++) {
        struct icr_message message = to(3, 0, false);
        assert_int_equal(reaches(&message, 0, id), id == 3);
        assert_int_equal(reaches(&message, 3, id), id == 3);
        message = to(0x12345, 0, true);
        assert_false(reaches(&message, 0, id));
    }
    struct icr_message far = to(0x12345, 0, true);
    assert_true(reaches(&far, 0, 0x12345));
}

/* SDM vol. 3A, 11.6.2.1 "Physical Destination Mode": all ones is a broadcast. */
static void broadcasts_reach_all_and_one_shorthand_not_the_sender(void **state)
{
    (void)state;
    const struct {
        struct icr_message message;
        bool sender;
    } all[] = {
        {to(0xFF, 0, false), true},
        {to(0xFF, ICR_DESTINATION_LOGICAL, false), true},
        {to(0xFFFFFFFF, 0, true), true},
        {to(0xFFFFFFFF, ICR_DESTINATION_LOGICAL, true), true},
        {to(0, ICR_SHORTHAND_ALL, false), true},
        {to(0, ICR_SHORTHAND_OTHERS, false), false},
        {to(0xFF, ICR_SHORTHAND_OTHERS, false), false},
        {to(0, ICR_SHORTHAND_OTHERS, true), false},
    };
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
        for (uint32_t id = 0; id < 12; id++)
            assert_int_equal(reaches(&all[i].message, 5, id), id != 5 || all[i].sender);
    struct icr_message only_xapic = to(0xFF, 0, true); /* no broadcast in x2APIC mode */
    assert_false(reaches(&only_xapic, 0, 1));
    assert_true(reaches(&only_xapic, 0, 0xFF));
}

/* The model: a set of CPUs, bit by bit. */
static void logical_destinations_are_sets(void **state)
{
    (void)state;
    srand(SEED);
    for (int round = 0; round < 20000; round++) {
        uint32_t set = (uint32_t)rand() & 0xFFFF, cluster = (uint32_t)rand() & 0xFF;
        struct icr_receiver cpu = {.apic_id = (uint32_t)rand() & 0xFFF,
                                   .ldr = (uint32_t)rand() << 24,
                                   .dfr = rand() & 1 ? 0xFFFFFFFF : 0x0FFFFFFF};
        struct icr_message x2 = to(cluster << 16 | set, ICR_DESTINATION_LOGICAL, true);
        bool wanted = cpu.apic_id / 16 == cluster && (set & 1u << cpu.apic_id % 16) != 0;
        assert_int_equal(icr_reaches(&x2, 0x1000, &cpu), wanted);
        set &= 0xFF;
        struct icr_message old = to(set, ICR_DESTINATION_LOGICAL, false);
        bool flat = cpu.dfr == 0xFFFFFFFF, same = false;
        for (unsigned bit = 0; bit < (flat ? 8 : 4); bit++)
            same |= (set >> bit & 1) && (cpu.ldr >> 24 >> bit & 1);
        wanted = set == 0xFF || (same && (flat || set / 16 == cpu.ldr >> 28));
        assert_int_equal(icr_reaches(&old, 0x1000, &cpu), wanted);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_messages_of_a_start_are_told_apart),
        cmocka_unit_test(a_physical_destination_is_one_cpu_the_sender_too),
        cmocka_unit_test(broadcasts_reach_all_and_one_shorthand_not_the_sender),
        cmocka_unit_test(logical_destinations_are_sets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
