/* with: vcpu/reload.c vcpu/paging.c */
#include "vcpu/reload.h"

#include "base/bits.h"
#include "base/x86/cr.h"
#include "base/x86/msr.h"
#include "base/x86/page.h"
#include "base/x86/segment.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define GDT   0x5FF8u /* linear as physical; the second descriptor begins a page */
#define LDT   0x7003u
#define BASE  0xFFFF888812345678u
#define DATA  SEGMENT_DESCRIPTOR(0, 0xFFFFF, SEGMENT_RIGHTS_DATA32)
#define TASK  SEGMENT_DESCRIPTOR(BASE, 0x67, SEGMENT_RIGHTS_TSS_BUSY)
#define TABLE SEGMENT_DESCRIPTOR(BASE, 0x17, SEGMENT_RIGHTS_LDT)
#define HIGH  SEGMENT_DESCRIPTOR_HIGH(BASE)

static uint8_t bytes[9 * PAGE_SIZE];

static bool fake_read(void *context, void *to, gpa_t from, uint64_t count)
{
    (void)context;
    if (from.v + count > sizeof(bytes))
        return false;
    memcpy(to, bytes + from.v, count);
    return true;
}

static void fake_write(void *context, gpa_t to, const void *from, uint64_t count)
{
    (void)context;
    memcpy(bytes + to.v, from, count);
}

static bool fake_exchange(void *context, gpa_t at, uint64_t old, uint64_t value, unsigned count)
{
    uint64_t now = 0;
    assert_true(fake_read(context, &now, at, count));
    if (now != old)
        return false;
    fake_write(context, at, &value, count);
    return true;
}

static void put(uint64_t at, uint64_t value) { memcpy(bytes + at, &value, 8); }

/* Nine pages, linear as physical, CPL 0's; selector 8 lies at 6000h. */
static struct reload_tables tables_of(uint64_t low, uint64_t high)
{
    memset(bytes, 0, sizeof(bytes));
    for (unsigned level = 1; level < 4; level++)
        put(level * PAGE_SIZE, (level + 1) * PAGE_SIZE | PTE_P | PTE_RW | PTE_US);
    for (unsigned page = 0; page < 9; page++)
        put(4 * PAGE_SIZE + page * 8, page * PAGE_SIZE | PTE_P);
    put(GDT + 8, low);
    put(GDT + 16, high);
    put(LDT + 8, low);
    put(LDT + 16, high);
    return (struct reload_tables){
        .paging = {.cr0 = CR0_PE | CR0_PG,
                   .cr3 = PAGE_SIZE,
                   .cr4 = CR4_PAE | CR4_SMAP,
                   .efer = EFER_LMA,
                   .physical_bits = 36},
        .memory = {fake_read, fake_write, fake_exchange, NULL},
        .gdt = {.base = GDT, .limit = 23},
        .ldt = {.base = LDT, .limit = 15, .rights = SEGMENT_RIGHTS_LDT},
    };
}

static bool gives(uint64_t low, uint64_t high, struct reload_segment s)
{
    struct reload_tables tables = tables_of(low, high);
    return reload_gives(&tables, &s);
}

static const struct reload_segment data = {8, UINT32_MAX, SEGMENT_RIGHTS_DATA32, 0x1234};
static const struct reload_segment task = {8, 0x67, SEGMENT_RIGHTS_TSS_BUSY, BASE};
static const struct reload_segment ldt = {8, 0x17, SEGMENT_RIGHTS_LDT, BASE};

static void what_is_as_it_was_is_given(void **state)
{
    (void)state;
    assert_true(gives(DATA, 0, data));
    assert_true(gives(TASK, HIGH, task));
    assert_true(gives(TASK & ~BIT(41), HIGH, task)); /* available again */
    assert_true(gives(TABLE, HIGH, ldt));
    struct reload_segment local = data;
    local.selector |= SELECTOR_TI;
    assert_true(gives(DATA, 0, local));
}

static void null_selectors_need_no_table(void **state)
{
    (void)state;
    for (uint16_t selector = 0; selector < 4; selector++)
        assert_true(gives(0, 0, (struct reload_segment){.selector = selector}));
    assert_false(gives(0, 0, (struct reload_segment){.selector = SELECTOR_TI}));
}

/* Each bit of a descriptor counts, but for a base that 64-bit mode does not have. */
static void what_has_changed_is_not(void **state)
{
    (void)state;
    const uint64_t base = BITS(39, 16) | BITS(63, 56);
    for (unsigned bit = 0; bit < 64; bit++) {
        assert_int_equal(gives(DATA ^ BIT(bit), 0, data), (base & BIT(bit)) != 0);
        assert_false(gives(TABLE ^ BIT(bit), HIGH, ldt));
        assert_int_equal(gives(TASK ^ BIT(bit), HIGH, task), bit == 41);
        bool reserved = bit >= 32 && !(bit >= 40 && bit <= 44);
        assert_int_equal(gives(TASK, HIGH ^ BIT(bit), task), reserved);
    }
    struct reload_segment unusable = data;
    unusable.rights |= SEGMENT_UNUSABLE;
    assert_false(gives(DATA, 0, unusable));
}

static void what_is_out_of_reach_is_not(void **state)
{
    (void)state;
    struct reload_segment s = data;
    struct reload_tables t = tables_of(DATA, 0);
    t.gdt.limit = 15;
    assert_true(reload_gives(&t, &data));
    t.gdt.limit = 14;
    assert_false(reload_gives(&t, &data));
    t = tables_of(TASK, HIGH);
    t.gdt.limit = 22;
    assert_false(reload_gives(&t, &task));
    t = tables_of(DATA, 0);
    s.selector |= SELECTOR_TI;
    t.ldt.rights |= SEGMENT_UNUSABLE;
    assert_false(reload_gives(&t, &s));
    s = ldt;
    s.selector |= SELECTOR_TI; /* LDTR and TR come from the GDT alone */
    assert_false(gives(TABLE, HIGH, s));
}

/* Absent, a page of CPL 3's under SMAP, no memory behind it; the second page of a descriptor. */
static void what_would_be_a_page_fault_is_not(void **state)
{
    (void)state;
    static const uint64_t entries[] = {0, 6 * PAGE_SIZE | PTE_P | PTE_US, 64 * PAGE_SIZE | PTE_P};
    for (unsigned i = 0; i < ARRAY_SIZE(entries); i++) {
        struct reload_tables t = tables_of(DATA, 0);
        put(4 * PAGE_SIZE + 6 * 8, entries[i]);
        assert_false(reload_gives(&t, &data));
        t.gdt.base -= 4;
        t.gdt.limit = UINT16_MAX;
        assert_false(reload_gives(&t, &data));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_as_it_was_is_given),
        cmocka_unit_test(null_selectors_need_no_table),
        cmocka_unit_test(what_has_changed_is_not),
        cmocka_unit_test(what_is_out_of_reach_is_not),
        cmocka_unit_test(what_would_be_a_page_fault_is_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
