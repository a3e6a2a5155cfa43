/* with: loader/moves.c mm/memmap.c mm/memmap_find.c */
#include "base/bits.h"
#include "loader/moves.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/random.h"

/* The model is the memory itself: the moves are carried out on bytes. */
#define PAGES 48u
#define BYTES (PAGES * PAGE_SIZE)

static uint8_t before[BYTES], memory[BYTES];
static bool usable[PAGES];
static struct memory_map map;
static struct move wanted[MOVES_WANTED_MAX], ordered[MOVES_MAX];
static unsigned wanted_count, ordered_count;
static struct memory_range keep[MOVES_KEEP_MAX];
static unsigned keep_count;
static uint64_t missing_bytes;

static enum error order(void)
{
    missing_bytes = 0;
    ordered_count = 77;
    return moves_order(&map, wanted, wanted_count, keep, keep_count, ordered, &ordered_count,
                       &missing_bytes);
}

static bool meet(uint64_t a, uint64_t a_bytes, uint64_t b, uint64_t b_bytes)
{
    for (uint64_t i = a; i < a + a_bytes; i++)
        if (i >= b && i < b + b_bytes)
            return true;
    return false;
}

static void make_map(unsigned holes)
{
    memset(&map, 0, sizeof(map));
    for (unsigned i = 0; i < PAGES; i++) {
        usable[i] = random_below(100) >= holes;
        assert_int_equal(memory_map_add(&map, i * PAGE_SIZE, PAGE_SIZE,
                                        usable[i] ? MEMORY_USABLE : MEMORY_RESERVED),
                         ERROR_NONE);
    }
}

/* Targets and sources anywhere, in units of bytes; targets disjoint. */
static void make_moves(unsigned count, uint64_t most_bytes)
{
    wanted_count = 0;
    while (wanted_count < count) {
        struct move *move = &wanted[wanted_count];
        move->bytes = 1 + random_below(most_bytes);
        move->to = random_below(BYTES - move->bytes + 1);
        move->from = random_below(8) ? random_below(BYTES - move->bytes + 1) : move->to;
        bool free = true;
        for (unsigned i = 0; i < wanted_count; i++)
            free = free && (move->to + move->bytes <= wanted[i].to ||
                            wanted[i].to + wanted[i].bytes <= move->to);
        if (free)
            wanted_count++;
        else if (most_bytes > 1)
            most_bytes--;
    }
}

static bool is_wanted_target(const struct move *move)
{
    for (unsigned i = 0; i < wanted_count; i++)
        if (wanted[i].to == move->to && wanted[i].bytes == move->bytes)
            return true;
    return false;
}

/* Returns how many moves were parking. */
static unsigned check_parking(void)
{
    unsigned parked = 0;
    for (unsigned i = 0; i < ordered_count; i++) {
        if (is_wanted_target(&ordered[i]))
            continue;
        parked++;
        for (uint64_t at = ordered[i].to; at < ordered[i].to + ordered[i].bytes; at++)
            assert_true(usable[at / PAGE_SIZE]);
        for (unsigned k = 0; k < keep_count; k++)
            assert_false(
                meet(keep[k].base, keep[k].end - keep[k].base, ordered[i].to, ordered[i].bytes));
    }
    return parked;
}

static void carry_out(void)
{
    memcpy(memory, before, BYTES);
    for (unsigned i = 0; i < ordered_count; i++)
        memmove(memory + ordered[i].to, memory + ordered[i].from, ordered[i].bytes);
}

static void check_memory(void)
{
    static bool written[BYTES];
    memset(written, 0, sizeof(written));
    carry_out();
    for (unsigned i = 0; i < ordered_count; i++)
        memset(written + ordered[i].to, true, ordered[i].bytes);
    for (unsigned i = 0; i < wanted_count; i++)
        assert_memory_equal(memory + wanted[i].to, before + wanted[i].from, wanted[i].bytes);
    for (unsigned i = 0; i < BYTES; i++)
        if (!written[i] && memory[i] != before[i])
            fail_msg("byte %u was written", i);
}

/* Whether the moves that `left` names can be done in some order, none twice: all are tried. */
static bool some_order_works(unsigned left)
{
    if (left == 0)
        return true;
    for (unsigned i = 0; i < wanted_count; i++) {
        bool first = left & (1u << i);
        for (unsigned j = 0; first && j < wanted_count; j++)
            if (j != i && (left & (1u << j)) &&
                meet(wanted[i].to, wanted[i].bytes, wanted[j].from, wanted[j].bytes))
                first = false;
        if (first && some_order_works(left & ~(1u << i)))
            return true;
    }
    return false;
}

/* Pages in one run where nothing is that ever mattered; `ordered` is what was done before. */
static bool some_place_is_left(uint64_t bytes)
{
    uint64_t run = 0;
    for (unsigned page = 0; page < PAGES; page++) {
        uint64_t at = page * PAGE_SIZE;
        bool free = usable[page];
        for (unsigned i = 0; i < wanted_count; i++)
            free = free && !meet(at, PAGE_SIZE, wanted[i].to, wanted[i].bytes) &&
                   !meet(at, PAGE_SIZE, wanted[i].from, wanted[i].bytes);
        for (unsigned i = 0; i < ordered_count; i++)
            free = free && !meet(at, PAGE_SIZE, ordered[i].to, ordered[i].bytes);
        for (unsigned i = 0; i < keep_count; i++)
            free = free && !meet(at, PAGE_SIZE, keep[i].base, keep[i].end - keep[i].base);
        run = free ? run + PAGE_SIZE : 0;
        if (run >= bytes)
            return true;
    }
    return false;
}

#define MODELLED_MAX 8 /* the model tries orders, of which there are soon too many */

static void make_keep(void)
{
    keep_count = (unsigned)random_below(MOVES_KEEP_MAX + 1);
    for (unsigned i = 0; i < keep_count; i++) {
        keep[i].base = random_below(BYTES);
        keep[i].end = min_u64(BYTES, keep[i].base + random_below(3 * PAGE_SIZE));
    }
}

static void each_source_arrives_and_nothing_else_changes(void **state)
{
    (void)state;
    unsigned parked = 0, refused = 0, plain = 0;
    random_seed(0x3077);
    for (unsigned i = 0; i < BYTES; i++)
        before[i] = (uint8_t)random_u64();
    for (unsigned round = 0; round < 1200; round++) {
        make_map(random_below(2) ? 5 : 60);
        make_keep();
        make_moves(1 + (unsigned)random_below(MODELLED_MAX), 8 * PAGE_SIZE);
        bool simple = some_order_works((1u << wanted_count) - 1);
        if (order() != ERROR_NONE) {
            refused++;
            assert_false(simple);
            assert_false(some_place_is_left(missing_bytes));
            continue;
        }
        unsigned parkings = check_parking();
        assert_int_equal(parkings == 0, simple);
        assert_true(ordered_count <= wanted_count + parkings);
        check_memory();
        parked += parkings != 0;
        plain += parkings == 0;
    }
    assert_true(parked > 100 && refused > 50 && plain > 100);
}

static void more_moves_than_the_model_bears_arrive_too(void **state)
{
    (void)state;
    unsigned good = 0;
    random_seed(0x3078);
    for (unsigned round = 0; round < 1200; round++) {
        make_map(60);
        make_keep();
        make_moves(MODELLED_MAX + (unsigned)random_below(MOVES_WANTED_MAX - MODELLED_MAX + 1),
                   2 * PAGE_SIZE);
        if (order() != ERROR_NONE)
            continue;
        good++;
        check_parking();
        check_memory();
    }
    assert_true(good > 300);
}

static void usable_pages(unsigned from, unsigned to)
{
    memset(&map, 0, sizeof(map));
    for (unsigned i = 0; i < PAGES; i++)
        usable[i] = i >= from && i < to;
    assert_int_equal(memory_map_add(&map, from * PAGE_SIZE, (to - from) * PAGE_SIZE, MEMORY_USABLE),
                     ERROR_NONE);
}

static void a_chain_is_done_from_its_free_end(void **state)
{
    (void)state;
    usable_pages(0, 0);
    keep_count = 0;
    wanted_count = MOVES_WANTED_MAX;
    for (unsigned i = 0; i < wanted_count; i++)
        wanted[i] = (struct move){(i + 1) * PAGE_SIZE, i * PAGE_SIZE, PAGE_SIZE};
    assert_int_equal(order(), ERROR_NONE);
    assert_int_equal(ordered_count, wanted_count);
    for (unsigned i = 0; i < wanted_count; i++)
        assert_int_equal(ordered[i].from, (wanted_count - 1 - i) * PAGE_SIZE);
}

static void a_swap_parks_the_smaller_one(void **state)
{
    (void)state;
    usable_pages(30, 33);
    keep_count = 1;
    keep[0] = (struct memory_range){32 * PAGE_SIZE, 33 * PAGE_SIZE, 0};
    wanted_count = 2;
    wanted[0] = (struct move){0x8000, 0x2000, 0x4000};
    wanted[1] = (struct move){0x2000, 0x8000, 0x1800};
    assert_int_equal(order(), ERROR_NONE);
    assert_int_equal(ordered_count, 3);
    assert_int_equal(ordered[0].from, 0x8000);
    assert_int_equal(ordered[0].to, 30 * PAGE_SIZE);
    assert_int_equal(ordered[1].to, 0x8000);
    assert_int_equal(ordered[2].from, 30 * PAGE_SIZE);
    assert_int_equal(ordered[2].to, 0x2000);
    usable_pages(31, 33);
    assert_int_equal(order(), ERROR_NO_SPACE);
    assert_int_equal(missing_bytes, 0x1800);
}

static void all_in_one_ring_need_one_parking(void **state)
{
    (void)state;
    usable_pages(20, 48);
    keep_count = 0;
    wanted_count = MOVES_WANTED_MAX;
    for (unsigned i = 0; i < wanted_count; i++)
        wanted[i] = (struct move){i * PAGE_SIZE, (i + 1) % wanted_count * PAGE_SIZE, PAGE_SIZE};
    assert_int_equal(order(), ERROR_NONE);
    assert_int_equal(ordered_count, wanted_count + 1);
    check_memory();
}

static void each_of_four_swaps_is_parked_once(void **state)
{
    (void)state;
    usable_pages(20, 24);
    keep_count = 0;
    wanted_count = 8;
    for (unsigned i = 0; i < wanted_count; i++)
        wanted[i] = (struct move){i * 64, (i ^ 1) * 64, 64};
    assert_int_equal(order(), ERROR_NONE);
    assert_int_equal(ordered_count, 12);
    assert_int_equal(check_parking(), 4);
    check_memory();
}

static void one_byte_is_enough_to_wait_for(void **state)
{
    (void)state;
    static const uint64_t sources[] = {0x1000 - 0x3FF, 0x10FF}; /* its last byte, its first */
    usable_pages(0, 0);
    keep_count = 0;
    wanted_count = 2;
    for (unsigned i = 0; i < ARRAY_SIZE(sources); i++) {
        wanted[0] = (struct move){0x1000, 0x8000, 0x100};
        wanted[1] = (struct move){0x4000, sources[i], 0x400};
        assert_int_equal(order(), ERROR_NONE);
        assert_int_equal(ordered_count, 2);
        assert_int_equal(ordered[0].to, 0x4000);
        wanted[1].from += i ? 1 : -1;
        assert_int_equal(order(), ERROR_NONE);
        assert_int_equal(ordered[0].to, 0x1000);
    }
}

static void what_is_in_its_place_is_not_moved(void **state)
{
    (void)state;
    usable_pages(0, 0);
    keep_count = 0;
    wanted_count = 2;
    wanted[0] = (struct move){0x1000, 0x1000, 0x1000};
    wanted[1] = (struct move){0x4000, 0x3800, 0x1000};
    assert_int_equal(order(), ERROR_NONE);
    assert_int_equal(ordered_count, 1);
    assert_int_equal(ordered[0].to, 0x4000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_source_arrives_and_nothing_else_changes),
        cmocka_unit_test(more_moves_than_the_model_bears_arrive_too),
        cmocka_unit_test(a_chain_is_done_from_its_free_end),
        cmocka_unit_test(a_swap_parks_the_smaller_one),
        cmocka_unit_test(all_in_one_ring_need_one_parking),
        cmocka_unit_test(each_of_four_swaps_is_parked_once),
        cmocka_unit_test(one_byte_is_enough_to_wait_for),
        cmocka_unit_test(what_is_in_its_place_is_not_moved),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
