/* with: mm/walk.c */
#include "mm/pte.h"
#include "mm/walk.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/random.h"

#define TABLES    64
#define POOL_BASE 0x7654000ull
#define ADDRESSES BITS(47, 0)

static uint64_t pool[TABLES][TABLE_ENTRIES];
static unsigned used, maps;

static uint64_t *map_pool(void *context, hpa_t table)
{
    (void)context;
    maps++;
    assert_true(IS_ALIGNED(table.v, PAGE_SIZE));
    if (table.v < POOL_BASE || table.v >= POOL_BASE + used * PAGE_SIZE)
        return NULL;
    return pool[(table.v - POOL_BASE) / PAGE_SIZE];
}

static const struct table_memory memory = {.map = map_pool};

/* Bits of the entry that are not address, large or present, to be ignored by a walk. */
static uint64_t noise(const struct table_format *format, unsigned level)
{
    uint64_t keep = format->present | format->address;
    return random_u64() & ~keep & ~(level > 1 ? format->large : 0);
}

static hpa_t new_table(void)
{
    memset(pool[used], 0, sizeof(pool[0]));
    return HPA(POOL_BASE + used++ * PAGE_SIZE);
}

static uint64_t *entry_of(hpa_t table, unsigned level, uint64_t address)
{
    return &pool[(table.v - POOL_BASE) / PAGE_SIZE][address >> (12 + 9 * (level - 1)) & 511];
}

/* Maps `address` by a page of `last` level, through fresh tables; gives the page's entry. */
static uint64_t *make_path(const struct table_format *format, hpa_t root, uint64_t address,
                           unsigned last, uint64_t target)
{
    hpa_t table = root;
    for (unsigned level = 4; level > last; level--) {
        hpa_t next = new_table();
        *entry_of(table, level, address) = next.v | 1 | noise(format, level);
        table = next;
    }
    uint64_t *entry = entry_of(table, last, address);
    *entry = target | 1 | noise(format, last) | (last > 1 ? format->large : 0);
    return entry;
}

static void check_format(const struct table_format *format)
{
    for (unsigned round = 0; round < 3000; round++) {
        used = 0;
        hpa_t root = new_table();
        unsigned last = 1 + random_below(3);
        uint64_t bytes = 1ull << (12 + 9 * (last - 1)), address = random_u64() & ADDRESSES;
        uint64_t target = random_u64() & BITS(51, 12) & ~(bytes - 1);
        uint64_t *entry = make_path(format, root, address, last, target);
        maps = 0;
        struct walk walk = walk_lookup(format, &memory, root, address);
        assert_true(walk.mapped && walk.level == last && maps == 5 - last);
        assert_ptr_equal(walk.slot, entry);
        assert_int_equal(walk.entry, *entry);
        assert_int_equal(walk.address, target + address % bytes);
        /* The same with junk above what the levels translate, as in a canonical address. */
        assert_int_equal(walk_lookup(format, &memory, root, address | BITS(63, 48)).address,
                         walk.address);
        /* Bits of a large page below its size are attributes, not address. */
        *entry |= bytes > PAGE_SIZE ? PAGE_SIZE : 0;
        assert_int_equal(walk_lookup(format, &memory, root, address).address,
                         target + address % bytes);
        *entry &= ~format->present;
        walk = walk_lookup(format, &memory, root, address);
        assert_true(!walk.mapped && walk.level == last && walk.slot == entry);
        assert_int_equal(walk.entry, *entry);
    }
}

static void x86_64_walks_end_at_the_page_that_was_mapped(void **unused)
{
    (void)unused;
    check_format(&table_format_x86_64);
}

static void ept_walks_end_at_the_page_that_was_mapped(void **unused)
{
    (void)unused;
    check_format(&table_format_ept);
}

static void each_right_alone_makes_an_ept_entry_present(void **unused)
{
    (void)unused;
    for (uint64_t rights = 0; rights < 8; rights++) {
        used = 0;
        hpa_t root = new_table();
        uint64_t *entry = make_path(&table_format_ept, root, 0x123456789abc, 1, 0x5000);
        *entry = 0x5000 | rights | EPT_IPAT;
        struct walk walk = walk_lookup(&table_format_ept, &memory, root, GPA(0x123456789abc).v);
        assert_int_equal(walk.mapped, rights != 0);
        *entry = 0x5000 | rights;
        walk = walk_lookup(&table_format_x86_64, &memory, root, 0x123456789abc);
        assert_int_equal(walk.mapped, rights & 1);
    }
}

/* Bit 7 of a level 4 entry is reserved, and of a level 1 entry something else. */
static void the_large_bit_counts_at_levels_2_and_3_alone(void **unused)
{
    (void)unused;
    used = 0;
    hpa_t root = new_table();
    uint64_t *entry = make_path(&table_format_x86_64, root, 0x40201000, 1, 0x9000);
    *entry_of(root, 4, 0x40201000) |= PTE_PS;
    *entry |= PTE_PAT;
    struct walk walk = walk_lookup(&table_format_x86_64, &memory, root, 0x40201234);
    assert_true(walk.mapped && walk.level == 1 && walk.address == 0x9234);
}

static void a_table_that_cannot_be_read_ends_the_walk(void **unused)
{
    (void)unused;
    for (unsigned bad = 1; bad <= 4; bad++) {
        used = 0;
        hpa_t root = new_table();
        make_path(&table_format_ept, root, 0x7fff12345678, 1, 0x9000);
        uint64_t named = 0xdead000 | EPT_RIGHTS;
        if (bad == 4)
            root = HPA(0xdead000);
        else
            *entry_of(HPA(POOL_BASE + (3 - bad) * PAGE_SIZE), bad + 1, 0x7fff12345678) = named;
        struct walk walk = walk_lookup(&table_format_ept, &memory, root, 0x7fff12345678);
        assert_true(!walk.mapped && walk.level == bad && !walk.slot);
        assert_int_equal(walk.entry, bad == 4 ? 0xdead000 : named);
    }
}

static void record(void *context, uint64_t *entry, uint64_t value)
{
    *(uint64_t **)context = entry;
    *entry = ~value;
}

static void a_store_goes_to_memory_or_to_who_wants_to_see_it(void **unused)
{
    (void)unused;
    uint64_t entry = 1, *seen = NULL;
    const struct table_memory watched = {.map = map_pool, .store = record, .context = &seen};
    table_store(&memory, &entry, 0x1234);
    assert_int_equal(entry, 0x1234);
    table_store(&watched, &entry, 0x5678);
    assert_ptr_equal(seen, &entry);
    assert_int_equal(entry, ~0x5678ull);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(x86_64_walks_end_at_the_page_that_was_mapped),
        cmocka_unit_test(ept_walks_end_at_the_page_that_was_mapped),
        cmocka_unit_test(each_right_alone_makes_an_ept_entry_present),
        cmocka_unit_test(the_large_bit_counts_at_levels_2_and_3_alone),
        cmocka_unit_test(a_table_that_cannot_be_read_ends_the_walk),
        cmocka_unit_test(a_store_goes_to_memory_or_to_who_wants_to_see_it),
    };
    random_seed(0x77616c6b);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
