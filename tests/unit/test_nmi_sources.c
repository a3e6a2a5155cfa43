/* with: vcpu/nmi_sources.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "vcpu/nmi_sources.h"

#define LVT_NMI  0x400u
#define LVT_MASK 0x10000u

static void the_chipset_asserts_what_it_is_let_and_led_to(void **state)
{
    (void)state;
    for (unsigned port = 0; port < 256; port++)
        for (unsigned way = 0; way < 5; way++) {
            struct nmi_sources s = {.port_61 = (uint8_t)port,
                                    .apic_off = way == 4,
                                    .lint0 = way & 1 ? LVT_NMI : LVT_NMI | LVT_MASK,
                                    .lint1 = way & 2 ? LVT_NMI : 0x700};
            bool serr = (port & 0x84) == 0x80, iochk = (port & 0x48) == 0x40;
            assert_int_equal(nmi_sources_asserted(&s),
                             way && (serr || iochk) ? NMI_SOURCE_CHIPSET : 0);
        }
}

static void a_counter_asserts_when_it_has_overflowed_and_masked_itself(void **state)
{
    (void)state;
    static const struct {
        uint32_t lvt;
        uint64_t overflows;
        bool asserted;
    } rows[] = {
        {LVT_NMI | LVT_MASK, 1, true}, {LVT_NMI | LVT_MASK, 0, false},
        {LVT_NMI, 1, false},           {0xFE | LVT_MASK, 1, false},
        {LVT_MASK, 1ull << 62, false}, {LVT_NMI | LVT_MASK, 1ull << 62, true},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct nmi_sources s = {.perf = rows[i].lvt, .overflows = rows[i].overflows};
        assert_int_equal(nmi_sources_asserted(&s), rows[i].asserted ? NMI_SOURCE_PERF : 0);
    }
}

/* A story a row: asserted, foreign, blocked, and whether the guest gets an NMI. */
static void what_stands_counts_once_and_not_in_its_handler(void **state)
{
    (void)state;
    static const struct {
        uint32_t asserted;
        bool foreign, blocked, guests;
    } story[] = {
        {0, false, false, false}, /* a kick, no more */
        {2, false, false, true},  /* an overflow met it */
        {2, false, true, false},  /* a kick while the handler runs */
        {0, false, false, false}, /* the handler has been there */
        {2, true, false, true},   /* an overflow alone */
        {2, false, true, false},  /* a kick in its handler */
        {2, false, false, true},  /* the next one, with a kick */
        {2, false, false, false}, /* a handler that let it stand: once is enough */
        {3, false, false, true},  /* the chipset besides */
        {3, false, false, false}, {1, false, false, false},
        {3, false, false, true},  {0, true, true, true}, /* foreign ones are always the guest's */
    };
    uint32_t handed = 0;
    for (size_t i = 0; i < sizeof(story) / sizeof(story[0]); i++)
        assert_int_equal(
            nmi_is_guests(&handed, story[i].asserted, story[i].foreign, story[i].blocked),
            story[i].guests);
}

/* The button leaves no trace, or the chipset's. */
static void all_but_counters_press_the_button(void **state)
{
    (void)state;
    assert_true(nmi_is_button(0));
    assert_true(nmi_is_button(NMI_SOURCE_CHIPSET));
    assert_false(nmi_is_button(NMI_SOURCE_PERF));
    assert_false(nmi_is_button(NMI_SOURCE_CHIPSET | NMI_SOURCE_PERF));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_chipset_asserts_what_it_is_let_and_led_to),
        cmocka_unit_test(a_counter_asserts_when_it_has_overflowed_and_masked_itself),
        cmocka_unit_test(all_but_counters_press_the_button),
        cmocka_unit_test(what_stands_counts_once_and_not_in_its_handler),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
