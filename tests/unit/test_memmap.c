/* with: mm/memmap.c mm/memmap_find.c */
#include "base/bits.h"
#include "mm/memmap.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/random.h"

/* The model paints types into an array, one element for each KiB of a small address space, so that
 * ranges begin and end inside of pages too. */
#define UNIT     KIB(1)
#define UNITS    1024
#define PER_PAGE (PAGE_SIZE / UNIT)

static int order_of(uint32_t type)
{
    static const uint32_t loose_to_strict[] = {
        0, MEMORY_USABLE, MEMORY_ACPI_RECLAIMABLE, MEMORY_ACPI_NVS, MEMORY_RESERVED, MEMORY_BAD};
    for (unsigned i = 0; i < ARRAY_SIZE(loose_to_strict); i++)
        if (loose_to_strict[i] == type)
            return i;
    return order_of(MEMORY_RESERVED);
}

static uint32_t known(uint32_t type) { return type >= 1 && type <= 5 ? type : MEMORY_RESERVED; }

static void model_add(uint32_t *model, uint64_t base, uint64_t end, uint32_t type, bool override)
{
    type = known(type);
    for (uint64_t i = base; i < end; i++)
        if (override || order_of(type) > order_of(model[i]))
            model[i] = type;
}

static void assert_normalised(const struct memory_map *map)
{
    assert_true(map->count <= MEMORY_MAP_MAX);
    for (uint32_t i = 0; i < map->count; i++) {
        const struct memory_range *range = &map->ranges[i];
        assert_true(range->base < range->end);
        assert_in_range(range->type, 1, 5);
        if (i == 0)
            continue;
        assert_true(range[-1].end <= range->base);
        assert_false(range[-1].end == range->base && range[-1].type == range->type);
    }
}

static uint32_t type_at(const struct memory_map *map, uint64_t address)
{
    for (uint32_t i = 0; i < map->count; i++)
        if (map->ranges[i].base <= address && address < map->ranges[i].end)
            return map->ranges[i].type;
    return 0;
}

static void assert_equals_model(const struct memory_map *map, const uint32_t *model)
{
    for (unsigned i = 0; i < UNITS; i++)
        assert_int_equal(type_at(map, i * UNIT), model[i]);
    assert_int_equal(type_at(map, UNITS * UNIT), 0);
}

/* Some entries, types 0 and 6 and above among them, a few set over the others. */
static void make_random(struct memory_map *map, uint32_t *model, unsigned entries)
{
    memset(map, 0, sizeof(*map));
    memset(model, 0, UNITS * sizeof(*model));
    for (unsigned i = 0; i < entries; i++) {
        uint64_t base = random_below(UNITS), length = random_below(UNITS - base + 1);
        uint32_t type = random_below(3) ? 1 + random_below(5) : random_below(9);
        bool override = random_below(5) == 0;
        if (override)
            assert_int_equal(memory_map_set(map, base * UNIT, (base + length) * UNIT, type),
                             ERROR_NONE);
        else
            assert_int_equal(memory_map_add(map, base * UNIT, length * UNIT, type), ERROR_NONE);
        model_add(model, base, base + length, type, override);
        assert_normalised(map);
    }
}

static void random_entries_paint_what_the_model_paints(void **unused)
{
    (void)unused;
    static struct memory_map map;
    static uint32_t model[UNITS];
    for (unsigned round = 0; round < 1500; round++) {
        make_random(&map, model, 1 + random_below(12));
        assert_equals_model(&map, model);
    }
}

static void the_order_of_entries_does_not_matter(void **unused)
{
    (void)unused;
    static struct memory_map forward, backward;
    for (unsigned round = 0; round < 500; round++) {
        struct memory_range entries[20];
        memset(&forward, 0, sizeof(forward));
        memset(&backward, 0, sizeof(backward));
        for (unsigned i = 0; i < 20; i++) {
            uint64_t base = random_below(UNITS), length = random_below(40);
            entries[i] = (struct memory_range){base, length, random_below(7)};
            assert_int_equal(memory_map_add(&forward, base, length, entries[i].type), ERROR_NONE);
        }
        for (unsigned i = 20; i-- > 0;)
            assert_int_equal(
                memory_map_add(&backward, entries[i].base, entries[i].end, entries[i].type),
                ERROR_NONE);
        assert_int_equal(forward.count, backward.count);
        for (uint32_t i = 0; i < forward.count; i++) {
            assert_int_equal(forward.ranges[i].base, backward.ranges[i].base);
            assert_int_equal(forward.ranges[i].end, backward.ranges[i].end);
            assert_int_equal(forward.ranges[i].type, backward.ranges[i].type);
        }
    }
}

static void empty_entries_are_ignored_and_wrapping_ones_clipped(void **unused)
{
    (void)unused;
    static struct memory_map map;
    assert_int_equal(memory_map_add(&map, 0x1000, 0, MEMORY_BAD), ERROR_NONE);
    assert_int_equal(memory_map_set(&map, 0x2000, 0x1000, MEMORY_BAD), ERROR_NONE);
    assert_int_equal(map.count, 0);
    assert_int_equal(memory_map_add(&map, UINT64_MAX, 1, MEMORY_USABLE), ERROR_NONE);
    assert_int_equal(map.count, 0);
    assert_int_equal(memory_map_add(&map, UINT64_MAX - 0x17ff, UINT64_MAX, MEMORY_USABLE),
                     ERROR_NONE);
    assert_int_equal(memory_map_add(&map, UINT64_MAX - 0x7ff, 0x801, 77), ERROR_NONE);
    assert_int_equal(map.count, 2);
    assert_true(map.ranges[0].base == UINT64_MAX - 0x17ff);
    assert_true(map.ranges[1].base == UINT64_MAX - 0x7ff && map.ranges[1].end == UINT64_MAX);
    assert_int_equal(map.ranges[1].type, MEMORY_RESERVED);
}

/* Many small entries: the table fills up. From then on nothing may be looser than the model. */
static void a_full_table_is_valid_and_errs_on_the_safe_side(void **unused)
{
    (void)unused;
    static struct memory_map map;
    static uint32_t model[UNITS];
    unsigned refused = 0;
    for (unsigned round = 0; round < 60; round++) {
        memset(&map, 0, sizeof(map));
        memset(model, 0, sizeof(model));
        for (unsigned i = 0; i < 400; i++) {
            uint64_t base = random_below(UNITS - 8), length = 1 + random_below(8);
            uint32_t type = 1 + random_below(5), before = map.count;
            bool override = order_of(type) > 1 && random_below(4) == 0;
            enum error error = override ? memory_map_set(&map, base, base + length, type)
                                        : memory_map_add(&map, base, length, type);
            model_add(model, base, base + length, type, override);
            assert_true(error == ERROR_NONE || error == ERROR_NO_SPACE);
            assert_true(error == ERROR_NONE || map.lost || before + 1 >= MEMORY_MAP_MAX);
            refused += error != ERROR_NONE;
            assert_normalised(&map);
            for (uint64_t at = base; error == ERROR_NONE && at < base + length; at++)
                assert_true(order_of(type_at(&map, at)) >= order_of(type));
        }
        for (unsigned at = 0; at < UNITS; at++) {
            uint32_t type = type_at(&map, at);
            assert_true(type == 0 || order_of(type) >= order_of(model[at]));
        }
    }
    assert_true(refused > 60);
}

static void the_entry_that_fills_the_table_exactly_is_kept(void **unused)
{
    (void)unused;
    static struct memory_map map;
    for (uint64_t i = 0; i < MEMORY_MAP_MAX; i++)
        assert_int_equal(memory_map_add(&map, 2 * i, 1, MEMORY_USABLE), ERROR_NONE);
    assert_int_equal(map.count, MEMORY_MAP_MAX);
    assert_int_equal(memory_map_add(&map, 2 * MEMORY_MAP_MAX, 1, MEMORY_USABLE), ERROR_NO_SPACE);
    assert_int_equal(map.count, MEMORY_MAP_MAX);
    assert_int_equal(map.lost, MEMORY_USABLE);
    /* A stricter part of a range that cannot be divided takes all of it; a looser one nothing. */
    assert_int_equal(memory_map_set(&map, 1, 2, MEMORY_USABLE), ERROR_NONE);
    assert_int_equal(map.count, MEMORY_MAP_MAX - 1);
    memset(&map, 0, sizeof(map));
    assert_int_equal(memory_map_add(&map, 0, 100, MEMORY_ACPI_NVS), ERROR_NONE);
    for (uint64_t i = 1; i < MEMORY_MAP_MAX; i++)
        assert_int_equal(memory_map_add(&map, 1000 + 2 * i, 1, MEMORY_USABLE), ERROR_NONE);
    assert_int_equal(memory_map_set(&map, 10, 20, MEMORY_USABLE), ERROR_NO_SPACE);
    assert_int_equal(memory_map_type_of(&map, 0, 100), MEMORY_ACPI_NVS);
    assert_int_equal(memory_map_add(&map, 10, 10, MEMORY_BAD), ERROR_NO_SPACE);
    assert_int_equal(memory_map_type_of(&map, 0, 100), MEMORY_BAD);
}

static void what_was_lost_in_a_gap_never_becomes_usable(void **unused)
{
    (void)unused;
    static struct memory_map map;
    for (uint64_t i = 0; i < MEMORY_MAP_MAX; i++)
        assert_int_equal(memory_map_add(&map, 2 * i, 1, MEMORY_USABLE), ERROR_NONE);
    assert_int_equal(memory_map_add(&map, 0x1000, 0x1000, MEMORY_RESERVED), ERROR_NO_SPACE);
    assert_int_equal(memory_map_set(&map, 0, 512, MEMORY_RESERVED), ERROR_NONE);
    assert_int_equal(map.count, 1);
    assert_int_equal(memory_map_add(&map, 0, 0x4000, MEMORY_USABLE), ERROR_NO_SPACE);
    assert_int_equal(memory_map_type_of(&map, 0x1000, 0x2000), 0);
    assert_int_equal(memory_map_add(&map, 0, 0x4000, MEMORY_BAD), ERROR_NONE);
    assert_int_equal(memory_map_type_of(&map, 0, 0x4000), MEMORY_BAD);
}

static bool page_is_usable(const uint32_t *model, uint64_t page)
{
    for (unsigned i = 0; i < PER_PAGE; i++)
        if (model[page * PER_PAGE + i] != MEMORY_USABLE)
            return false;
    return true;
}

static bool page_is_avoided(const struct memory_range *avoid, unsigned count, uint64_t page)
{
    for (unsigned i = 0; i < count; i++)
        for (uint64_t at = page * PAGE_SIZE; at < (page + 1) * PAGE_SIZE; at += 512)
            if (avoid[i].base <= at + 511 && at < avoid[i].end && avoid[i].base < avoid[i].end)
                return true;
    return false;
}

/* Tries each place from the top. UINT64_MAX: none. */
static uint64_t model_find(const uint32_t *model, uint64_t pages, uint64_t align, uint64_t low,
                           uint64_t high, const struct memory_range *avoid, unsigned count)
{
    for (uint64_t end = UNITS / PER_PAGE; end >= pages; end--) {
        bool good = end % align == 0 && end * PAGE_SIZE <= high;
        for (uint64_t page = end - pages; good && page < end; page++)
            good = page * PAGE_SIZE >= low && page_is_usable(model, page) &&
                   !page_is_avoided(avoid, count, page);
        if (good)
            return (end - pages) * PAGE_SIZE;
    }
    return UINT64_MAX;
}

/* The same from below. */
static uint64_t model_find_bottom(const uint32_t *model, uint64_t pages, uint64_t align,
                                  uint64_t low, uint64_t high, const struct memory_range *avoid,
                                  unsigned count)
{
    for (uint64_t start = 0; start + pages <= UNITS / PER_PAGE; start++) {
        bool good = start % align == 0 && (start + pages) * PAGE_SIZE <= high;
        for (uint64_t page = start; good && page < start + pages; page++)
            good = page * PAGE_SIZE >= low && page_is_usable(model, page) &&
                   !page_is_avoided(avoid, count, page);
        if (good)
            return start * PAGE_SIZE;
    }
    return UINT64_MAX;
}

static void finding_memory_agrees_with_trying_each_place(void **unused)
{
    (void)unused;
    static struct memory_map map;
    static uint32_t model[UNITS];
    unsigned found = 0, rounds = 4000;
    for (unsigned round = 0; round < rounds; round++) {
        if (round % 8 == 0) {
            make_random(&map, model, 1 + random_below(6));
            assert_int_equal(memory_map_set(&map, 0, random_below(UNITS) * UNIT, MEMORY_USABLE),
                             ERROR_NONE);
            for (unsigned i = 0; i < UNITS; i++)
                model[i] = type_at(&map, i * UNIT);
        }
        struct memory_range avoid[6];
        unsigned count = random_below(7);
        for (unsigned i = 0; i < count; i++) {
            avoid[i].base = random_below(UNITS * 2) * 512;
            avoid[i].end = avoid[i].base + random_below(24) * 512;
        }
        uint64_t pages = 1 + random_below(40), align = 1ull << random_below(5);
        uint64_t low = random_below(64) * UNIT, high = random_below(UNITS + 64) * UNIT, base;
        uint64_t bytes = pages * PAGE_SIZE - random_below(PAGE_SIZE);
        uint64_t expected = model_find(model, pages, align, 0, high, avoid, count);
        enum error error =
            memory_map_find_top(&map, bytes, align * PAGE_SIZE, high, avoid, count, &base);
        assert_int_equal(error, expected == UINT64_MAX ? ERROR_NOT_FOUND : ERROR_NONE);
        assert_true(error || base == expected);
        found += !error;
        expected = model_find_bottom(model, pages, align, low, high, avoid, count);
        error =
            memory_map_find_bottom(&map, bytes, align * PAGE_SIZE, low, high, avoid, count, &base);
        assert_int_equal(error, expected == UINT64_MAX ? ERROR_NOT_FOUND : ERROR_NONE);
        assert_true(error || base == expected);
        expected = model_find(model, 1, 1, low, high, avoid, count);
        error = memory_map_find_low_page(&map, avoid, count, low, high, &base);
        assert_int_equal(error, expected == UINT64_MAX ? ERROR_NOT_FOUND : ERROR_NONE);
        assert_true(error || base == expected);
        found += !error;
    }
    assert_in_range(found, rounds / 2, rounds * 2 - rounds / 8); /* both answers are seen */
}

static void questions_agree_with_the_model(void **unused)
{
    (void)unused;
    static struct memory_map map;
    static uint32_t model[UNITS];
    for (unsigned round = 0; round < 3000; round++) {
        if (round % 10 == 0)
            make_random(&map, model, 1 + random_below(9));
        uint64_t base = random_below(UNITS), end = base + random_below(min_u64(60, UNITS - base));
        uint32_t type = base < end ? model[base] : 0;
        bool ram = false;
        for (uint64_t i = base; i < end; i++) {
            type = model[i] == type ? type : 0;
            ram |= order_of(model[i]) >= 1 && order_of(model[i]) <= 3;
        }
        assert_int_equal(memory_map_type_of(&map, base * UNIT, end * UNIT), type);
        assert_int_equal(memory_map_holds_ram(&map, base * UNIT, end * UNIT), ram);
        uint64_t top = 0, pages = 0;
        for (uint64_t page = 0; page < UNITS / PER_PAGE; page++)
            if (page_is_usable(model, page))
                top = page + 1, pages++;
        assert_int_equal(memory_map_top(&map), top * PAGE_SIZE);
        assert_int_equal(memory_map_usable_bytes(&map), pages * PAGE_SIZE);
    }
}

static void nonsense_is_refused_and_the_end_of_the_space_does_not_wrap(void **unused)
{
    (void)unused;
    static struct memory_map map;
    uint64_t base;
    assert_int_equal(memory_map_add(&map, UINT64_MAX - 0x7ff, 0x7ff, MEMORY_USABLE), ERROR_NONE);
    assert_int_equal(memory_map_top(&map), 0);
    assert_int_equal(memory_map_usable_bytes(&map), 0);
    assert_int_equal(memory_map_add(&map, UINT64_MAX - 0xfff, 0xfff, MEMORY_USABLE), ERROR_NONE);
    assert_int_equal(memory_map_add(&map, 0x100, 0x10, MEMORY_USABLE), ERROR_NONE);
    assert_int_equal(memory_map_top(&map), 0);
    assert_int_equal(memory_map_usable_bytes(&map), 0);
    assert_int_equal(memory_map_find_top(&map, 1, 1, UINT64_MAX, NULL, 0, &base), ERROR_NOT_FOUND);
    assert_int_equal(memory_map_find_top(&map, 0, 1, 99, NULL, 0, &base), ERROR_RANGE);
    assert_int_equal(memory_map_find_top(&map, 1, 0, 99, NULL, 0, &base), ERROR_RANGE);
    assert_int_equal(memory_map_find_top(&map, 1, 3, 99, NULL, 0, &base), ERROR_RANGE);
    assert_int_equal(memory_map_find_top(&map, UINT64_MAX, 1, 99, NULL, 0, &base), ERROR_RANGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_entries_paint_what_the_model_paints),
        cmocka_unit_test(the_order_of_entries_does_not_matter),
        cmocka_unit_test(empty_entries_are_ignored_and_wrapping_ones_clipped),
        cmocka_unit_test(a_full_table_is_valid_and_errs_on_the_safe_side),
        cmocka_unit_test(the_entry_that_fills_the_table_exactly_is_kept),
        cmocka_unit_test(what_was_lost_in_a_gap_never_becomes_usable),
        cmocka_unit_test(finding_memory_agrees_with_trying_each_place),
        cmocka_unit_test(questions_agree_with_the_model),
        cmocka_unit_test(nonsense_is_refused_and_the_end_of_the_space_does_not_wrap),
    };
    random_seed(0x6d656d6d6170);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
