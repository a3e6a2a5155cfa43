/* with: vcpu/paging.c */
#include "vcpu/paging.h"

#include "base/bits.h"
#include "base/x86/cr.h"
#include "base/x86/msr.h"
#include "base/x86/page.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/random.h"

/* Sixteen pages of physical memory; nothing behind them. */
#define PAGES 16
static uint8_t bytes[PAGES * PAGE_SIZE];
static unsigned lost_exchanges; /* so many times another CPU is quicker */

static bool fake_read(void *context, void *to, gpa_t from, uint64_t count)
{
    (void)context;
    if (from.v + count > sizeof(bytes))
        return false;
    memcpy(to, bytes + from.v, count);
    return true;
}

static bool fake_exchange(void *context, gpa_t at, uint64_t old, uint64_t value, unsigned count)
{
    (void)context;
    assert_true(at.v % count == 0);
    if (lost_exchanges) {
        lost_exchanges--;
        return false;
    }
    if (memcmp(bytes + at.v, &old, count) != 0)
        return false;
    memcpy(bytes + at.v, &value, count);
    return true;
}

static const struct physical_memory memory = {fake_read, NULL, fake_exchange, NULL};

static void put(uint64_t at, uint64_t value, unsigned width) { memcpy(bytes + at, &value, width); }
static uint64_t get(uint64_t at, unsigned width)
{
    uint64_t value = 0;
    memcpy(&value, bytes + at, width);
    return value;
}

#define FAULT 0x80000000u /* with the error code */

/* The guest-physical address, or FAULT. */
static uint64_t walk(const struct paging *p, uint64_t linear, unsigned access)
{
    gpa_t physical;
    uint32_t error = 0xBAD;
    return paging_walk(p, &memory, linear, access, &physical, &error) ? physical.v : FAULT | error;
}

static struct paging paging_of(uint64_t cr4, uint64_t efer)
{
    struct paging p = {
        .cr0 = CR0_PE | CR0_PG, .cr3 = 0x1000, .cr4 = cr4, .efer = efer, .physical_bits = 36};
    for (unsigned i = 0; i < 4; i++)
        p.pdpte[i] = 0x1001;
    memset(bytes, 0, sizeof(bytes));
    return p;
}

static void without_paging_linear_is_physical(void **state)
{
    (void)state;
    struct paging p = paging_of(0, 0);
    p.cr0 = CR0_PE;
    assert_int_equal(walk(&p, 0xFFFFFFFF, PAGING_WRITE | PAGING_USER), 0xFFFFFFFF);
}

/* Linear 00402xyz: directory entry 1, table entry 2. */
static void each_mode_finds_its_page(void **state)
{
    (void)state;
    struct paging p = paging_of(0, 0);
    put(0x1004, 0x2007, 4);
    put(0x2008, 0x5007, 4);
    assert_int_equal(walk(&p, 0x402ABC, PAGING_READ), 0x5ABC);
    p = paging_of(CR4_PAE, 0); /* the PDPTE's table is at 1000h: entries 2 and 2 */
    put(0x1010, 0x2007, 8);
    put(0x2010, 0x6007, 8);
    assert_int_equal(walk(&p, 0x402ABC, PAGING_READ), 0x6ABC);
    p = paging_of(CR4_PAE, EFER_LMA);
    put(0x1000 + 8, 0x2007, 8); /* linear 80_4040_2ABC */
    put(0x2000 + 8, 0x3007, 8);
    put(0x3000 + 16, 0x4007, 8);
    put(0x4000 + 16, 0x7007, 8);
    assert_int_equal(walk(&p, 0x8040402ABC, PAGING_READ), 0x7ABC);
    p = paging_of(CR4_PAE | CR4_LA57, EFER_LMA);
    put(0x1000 + 16, 0x2007, 8);
    put(0x2000 + 8, 0x3007, 8);
    put(0x3000, 0x4087, 8); /* a 1 GiB page, bits 29:13 of whose entry are reserved */
    assert_int_equal(walk(&p, 0x2008000000000, PAGING_READ), FAULT | PF_ERROR_P | PF_ERROR_RSVD);
    put(0x3000, 0x40000087, 8);
    assert_int_equal(walk(&p, 0x2008012345678, PAGING_READ), 0x52345678);
}

/* The entries on the way, as the monitor shows them. */
static void a_look_tells_each_entry(void **state)
{
    (void)state;
    struct paging_way way;
    struct paging p = paging_of(CR4_PAE, EFER_LMA | EFER_NXE);
    put(0x1000 + 8, 0x2007, 8); /* linear 80_4040_2ABC */
    put(0x2000 + 8, 0x3003, 8);
    put(0x3000 + 16, 0x4007 | PTE_XD, 8);
    put(0x4000 + 16, 0x7005, 8);
    assert_int_equal(paging_look(&p, &memory, 0x8040402ABC, &way), PAGING_PAGE);
    assert_int_equal(way.levels, 4);
    assert_int_equal(way.count, 4);
    assert_int_equal(way.at[2].v, 0x3010);
    assert_int_equal(way.entry[1], 0x3003);
    assert_int_equal(way.page_shift, 12);
    assert_int_equal(way.physical.v, 0x7ABC);
    assert_int_equal(way.rights, 0); /* supervisor, read-only, no execution */
    put(0x3000 + 16, 0x4006, 8);
    assert_int_equal(paging_look(&p, &memory, 0x8040402ABC, &way), PAGING_ABSENT);
    assert_int_equal(way.count, 3);
    assert_int_equal(way.entry[2], 0x4006);
    put(0x3000 + 16, 0x4007 | BIT(40), 8);
    assert_int_equal(paging_look(&p, &memory, 0x8040402ABC, &way), PAGING_RESERVED);
    assert_int_equal(way.count, 3);
    put(0x3000 + 16, 0x100007, 8); /* a table behind the memory */
    assert_int_equal(paging_look(&p, &memory, 0x8040402ABC, &way), PAGING_NOWHERE);
    assert_int_equal(way.count, 3);
    p = paging_of(CR4_PAE, 0);
    p.pdpte[0] = 0x1000;
    assert_int_equal(paging_look(&p, &memory, 0x402ABC, &way), PAGING_NOWHERE);
    assert_int_equal(way.count, 0);
    p = paging_of(CR4_PSE, 0);
    put(0x1004, 0x12C00087, 4);
    assert_int_equal(paging_look(&p, &memory, 0x400123, &way), PAGING_PAGE);
    assert_int_equal(way.entry_bytes, 4);
    assert_int_equal(way.page_shift, 22);
    assert_int_equal(way.rights, PTE_RW | PTE_US | PTE_XD);
}

static void an_address_has_as_many_bits_as_its_mode(void **state)
{
    (void)state;
    static const struct {
        uint64_t cr4, efer, linear;
        bool is;
    } rows[] = {
        {0, 0, UINT32_MAX, true},
        {CR4_PAE, 0, UINT32_MAX + 1ull, false},
        {CR4_PAE, EFER_LMA, BITS(46, 0), true},
        {CR4_PAE, EFER_LMA, BIT(47), false},
        {CR4_PAE, EFER_LMA, BITS(63, 47), true},
        {CR4_PAE, EFER_LMA, BITS(63, 47) & ~BIT(63), false},
        {CR4_PAE | CR4_LA57, EFER_LMA, BITS(55, 0), true},
        {CR4_PAE | CR4_LA57, EFER_LMA, BIT(56), false},
        {CR4_PAE | CR4_LA57, EFER_LMA, BITS(63, 56), true},
    };
    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
        struct paging p = {.cr4 = rows[i].cr4, .efer = rows[i].efer};
        assert_int_equal(paging_is_linear(&p, rows[i].linear), rows[i].is);
    }
}

static void large_pages(void **state)
{
    (void)state;
    struct paging p = paging_of(CR4_PSE, 0);
    put(0x1004, 0x12C00087 | 0xAB << 13, 4); /* bits 39:32 in 20:13: AB, too many for 36 */
    assert_int_equal(walk(&p, 0x400123, PAGING_READ), FAULT | PF_ERROR_P | PF_ERROR_RSVD);
    put(0x1004, 0x12C00087 | 0xB << 13, 4);
    assert_int_equal(walk(&p, 0x400123, PAGING_READ), 0xB12C00123);
    p.cr4 = 0; /* not a page, but a table beyond the memory */
    assert_int_equal(walk(&p, 0x400123, PAGING_READ), FAULT);
    p = paging_of(CR4_PAE, 0);
    put(0x1010, 0xA00000087, 8);
    assert_int_equal(walk(&p, 0x5FFFFF, PAGING_READ), 0xA001FFFFF);
}

static void reserved_bits_fault(void **state)
{
    (void)state;
    static const struct {
        uint64_t cr4, efer, bits;
        bool reserved;
    } rows[] = {
        {CR4_PAE, 0, BIT(36), true},         {CR4_PAE, 0, BIT(52), true},
        {CR4_PAE, 0, BIT(62), true},         {CR4_PAE, 0, PTE_XD, true},
        {CR4_PAE, EFER_NXE, PTE_XD, false},  {CR4_PAE, EFER_NXE, BIT(35), false},
        {CR4_PAE, EFER_LMA, BIT(36), true},  {CR4_PAE, EFER_LMA, BIT(51), true},
        {CR4_PAE, EFER_LMA, BIT(52), false}, {CR4_PAE, EFER_LMA, PTE_XD, true},
    };
    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
        struct paging p = paging_of(rows[i].cr4, rows[i].efer);
        put(0x1000, 0x1007, 8); /* every level is the same table */
        put(0x1008, 0x1007 | rows[i].bits, 8);
        uint64_t found = walk(&p, 0x1234, PAGING_WRITE);
        if (rows[i].reserved)
            assert_int_equal(found, FAULT | PF_ERROR_P | PF_ERROR_W | PF_ERROR_RSVD);
        else
            assert_int_equal(found,
                             (0x1234 & PAGE_MASK) | (0x1000 | (rows[i].bits & PTE_ADDRESS_MASK)));
    }
    struct paging p = paging_of(CR4_PAE, EFER_LMA);
    put(0x1000, 0x1087, 8); /* PS in a PML4E */
    assert_int_equal(walk(&p, 0, PAGING_READ), FAULT | PF_ERROR_P | PF_ERROR_RSVD);
    p = paging_of(CR4_PAE, 0);
    p.pdpte[3] = 0;
    assert_int_equal(walk(&p, 0xC0000000, PAGING_USER), FAULT | PF_ERROR_U);
}

/* SDM vol. 3A, 4.6.1 "Determination of Access Rights", read line by line. */
static bool model_allows(uint64_t cr0, uint64_t cr4, bool user_page, bool writable, unsigned access)
{
    bool write = access & PAGING_WRITE;
    if (access & PAGING_LOOK)
        return true;
    if (access & PAGING_USER) {
        if (!user_page)
            return false;
        return write ? writable : true;
    }
    if (user_page && (cr4 & CR4_SMAP) && !(access & PAGING_AC))
        return false;
    if (write && (cr0 & CR0_WP))
        return writable;
    return true;
}

static void rights_and_flags_are_those_of_the_manual(void **state)
{
    (void)state;
    random_seed(0x9A61);
    for (unsigned i = 0; i < 100000; i++) {
        struct paging p = paging_of(random_below(2) ? CR4_SMAP : 0, 0);
        p.cr0 |= random_below(2) ? CR0_WP : 0;
        const uint64_t free = PTE_RW | PTE_US | PTE_A | PTE_D;
        uint64_t pde = 0x2000 | PTE_P | (random_u64() & free);
        uint64_t pte = 0x5000 | (random_u64() & (free | PTE_P));
        unsigned access =
            (unsigned)random_u64() & (PAGING_WRITE | PAGING_USER | PAGING_AC | PAGING_LOOK);
        put(0x1004, pde, 4);
        put(0x2008, pte, 4);
        bool allowed = model_allows(p.cr0, p.cr4, pde & pte & PTE_US, pde & pte & PTE_RW, access);
        uint64_t found = walk(&p, 0x402ABC, access), error = access & (PF_ERROR_W | PF_ERROR_U);
        bool sets = (pte & PTE_P) && allowed && !(access & PAGING_LOOK);
        if (!(pte & PTE_P))
            assert_int_equal(found, FAULT | error);
        else if (!allowed)
            assert_int_equal(found, FAULT | error | PF_ERROR_P);
        else
            assert_int_equal(found, 0x5ABC);
        assert_int_equal(get(0x1004, 4), pde | (sets ? PTE_A : 0));
        assert_int_equal(get(0x2008, 4),
                         pte | (sets ? PTE_A : 0) | (sets && (access & PAGING_WRITE) ? PTE_D : 0));
    }
}

static void tables_where_no_memory_is_are_not_present(void **state)
{
    (void)state;
    struct paging p = paging_of(0, 0);
    p.cr3 = sizeof(bytes);
    assert_int_equal(walk(&p, 0, PAGING_WRITE), FAULT | PF_ERROR_W);
}

static void another_cpus_change_starts_the_walk_again_but_not_for_ever(void **state)
{
    (void)state;
    struct paging p = paging_of(0, 0);
    put(0x1004, 0x2007, 4);
    put(0x2008, 0x5007, 4);
    lost_exchanges = 3;
    assert_int_equal(walk(&p, 0x402ABC, PAGING_WRITE), 0x5ABC);
    assert_int_equal(get(0x2008, 4), 0x5007 | PTE_A | PTE_D);
    put(0x2008, 0x5007, 4);
    lost_exchanges = 1000;
    assert_true(walk(&p, 0x402ABC, PAGING_WRITE) & FAULT);
    assert_true(lost_exchanges > 900);
    lost_exchanges = 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_paging_linear_is_physical),
        cmocka_unit_test(each_mode_finds_its_page),
        cmocka_unit_test(a_look_tells_each_entry),
        cmocka_unit_test(an_address_has_as_many_bits_as_its_mode),
        cmocka_unit_test(large_pages),
        cmocka_unit_test(reserved_bits_fault),
        cmocka_unit_test(rights_and_flags_are_those_of_the_manual),
        cmocka_unit_test(tables_where_no_memory_is_are_not_present),
        cmocka_unit_test(another_cpus_change_starts_the_walk_again_but_not_for_ever),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
