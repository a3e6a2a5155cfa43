/* with: mm/ept*.c mm/walk.c mm/memmap*.c mm/mtrr_check.c mm/mtrr_compare.c lib/format.c */
#include "mm/ept.h"
#include "mm/ept_plan.h"
#include "mm/mtrr_bits.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/random.h"

/* What a guest's MTRRs can make a look at the types cost: counted in looks at a range, each some
 * ten instructions. Every one of them begins by asking whether the range is valid. */
static uint64_t ranges, allowed;

static bool count_range(const struct mtrr_state *state, unsigned i)
{
    if (++ranges > allowed)
        fail_msg("more than %lu looks at a range", (unsigned long)allowed);
    return mtrr_is_valid(state, i);
}

static void allow(uint64_t looks) { ranges = 0, allowed = looks; }

#define mtrr_is_valid count_range
#include "mm/mtrr.c"
#include "mm/mtrr_sets.c"
#undef mtrr_is_valid

#define PHYS_BITS   46
#define POOL_TABLES 200
#define POOL_BASE   (GIB(2) - POOL_TABLES * PAGE_SIZE)
#define PAIRS       10 /* what processors have; Orlop takes up to MTRR_VARIABLE_MAX */

static uint64_t pool[POOL_TABLES][TABLE_ENTRIES];
static struct memory_map map;
static struct mtrr_sets types;
static struct ept ept;

static uint64_t *map_pool(void *context, hpa_t table)
{
    (void)context;
    assert_in_range(table.v, POOL_BASE, POOL_BASE + (POOL_TABLES - 1) * PAGE_SIZE);
    return pool[(table.v - POOL_BASE) / PAGE_SIZE];
}

static const struct table_memory memory = {.map = map_pool};

static void start_state(struct mtrr_state *state, unsigned pairs)
{
    memset(state, 0, sizeof(*state));
    state->cap = MTRRCAP_FIX;
    state->phys_bits = PHYS_BITS;
    state->variable_count = pairs;
    state->def_type = MTRR_DEF_TYPE_E | MTRR_DEF_TYPE_FE | MEMORY_TYPE_WB;
    memset(state->fixed, MEMORY_TYPE_WB, sizeof(state->fixed));
}

static void set_pair(struct mtrr_state *state, unsigned i, uint64_t base, uint64_t mask,
                     uint8_t type)
{
    state->variable[i].base = (base & BITS(PHYS_BITS - 1, 12)) | type;
    state->variable[i].mask = (mask & BITS(PHYS_BITS - 1, 12)) | MTRR_PHYSMASK_V;
}

static uint8_t random_type(void)
{
    static const uint8_t all[] = {0, 1, 4, 5, 6};
    return all[random_below(5)];
}

/* The ways of a guest that means ill: edges at every page, or every block of a larger page, under
 * one type or under all. */
enum ill { EVERY_PAGE, ONE_TYPE, LOW_BITS, RANDOM_HOLES, ILLS };

static void make_ill(struct mtrr_state *state, enum ill ill, unsigned pairs)
{
    uint8_t one = random_type();
    start_state(state, pairs);
    if (ill == ONE_TYPE)
        state->def_type = MTRR_DEF_TYPE_E | one;
    for (unsigned i = 0; i < pairs; i++) {
        uint64_t some = random_u64(), mask = ~(random_u64() & random_u64());
        if (ill == EVERY_PAGE || ill == ONE_TYPE)
            mask = BIT(12);
        else if (ill == LOW_BITS)
            mask = BIT(12 + random_below(20));
        set_pair(state, i, some, mask, ill == ONE_TYPE ? one : random_type());
    }
}

static void build(void)
{
    const struct ept_caps caps = {true, true, false, PHYS_BITS};
    const struct memory_range own = {GIB(2) - MIB(2), GIB(2), 0};
    memset(&ept, 0, sizeof(ept));
    memset(&map, 0, sizeof(map));
    assert_int_equal(memory_map_add(&map, 0, GIB(3), MEMORY_USABLE), ERROR_NONE);
    assert_int_equal(memory_map_add(&map, GIB(4), GIB(9), MEMORY_USABLE), ERROR_NONE);
    types.count = 1;
    start_state(&types.set[0], PAIRS);
    allow(UINT64_MAX);
    unsigned needed = ept_tables_needed(&map, &types, &caps, &own, 1);
    assert_true(needed + EPT_RESERVE_MAX <= POOL_TABLES);
    ept_set_pool(&ept, &memory, HPA(POOL_BASE), needed + EPT_RESERVE_MAX);
    assert_int_equal(ept_build(&ept, &map, &types, &caps, &own, 1), ERROR_NONE);
}

/* What came with the page, in the tables that it took, has its own type or is absent. */
static void check_around(uint64_t address)
{
    for (unsigned i = 0; i < 200; i++) {
        uint64_t near = address ^ (random_below(random_below(2) ? MIB(2) : GIB(1)) & ~PAGE_MASK);
        struct walk walk = ept_lookup(&ept, GPA(near));
        uint8_t want = mtrr_sets_run_at(&types, near).type;
        assert_true(!walk.mapped || ept_entry_type(walk.entry) == want);
    }
}

/* A rebuild for the types that are set, and first touches far away from each other. */
static void pay(uint64_t rebuild, uint64_t touch)
{
    allow(rebuild);
    ept_retype(&ept);
    for (unsigned i = 0; i < 6; i++) {
        uint64_t address = GIB(64) + random_below(BIT(PHYS_BITS) - GIB(64));
        allow(touch);
        enum ept_fill fill = ept_map_on_touch(&ept, GPA(address));
        assert_true(fill != EPT_FILL_HIDDEN && fill != EPT_FILL_BEYOND);
        allow(UINT64_MAX);
        check_around(address);
    }
}

static bool is_uncached(void)
{
    struct mtrr_run run = mtrr_sets_run_at(&types, PAGE_SIZE * random_below(MIB(512)));
    return run.end == UINT64_MAX && run.type == MEMORY_TYPE_UC;
}

/* Of two to four sets, one with holes is enough; and it costs no walk over its edges. */
static void sets_with_holes_that_differ_are_uncached_and_cheap(void **unused)
{
    (void)unused;
    build();
    for (unsigned round = 0; round < 40; round++) {
        unsigned count = 2 + random_below(MTRR_SETS_MAX - 1), holed = random_below(count);
        unsigned pairs = random_below(2) ? PAIRS : MTRR_VARIABLE_MAX;
        for (types.count = 0; types.count < count; types.count++) {
            struct mtrr_state *state = &types.set[types.count];
            if (types.count == holed || random_below(2))
                make_ill(state, random_below(ILLS), pairs);
            else
                start_state(state, pairs);
        }
        assert_true(mtrr_problems(&types.set[holed]) & MTRR_PROBLEM_DISCONTIGUOUS);
        pay(1000, 1000);
        assert_true(is_uncached());
        types.set[holed].def_type &= ~MTRR_DEF_TYPE_E; /* uncached all the same */
        assert_true(is_uncached());
    }
}

/* One set keeps its types as far as the looks go. Each is a walk over so many edges, with two looks
 * at all pairs an edge: 4,096 walks in either pass of a rebuild, 64 in the tables of a touch, and
 * those for the touched page itself. */
static void one_set_with_holes_is_bounded(void **unused)
{
    (void)unused;
    build();
    for (unsigned round = 0; round < 2 * ILLS; round++) {
        unsigned pairs = round < ILLS ? PAIRS : MTRR_VARIABLE_MAX;
        unsigned walk = (2 * pairs + MTRR_FIXED_RANGES + 1) * 2 * pairs;
        make_ill(&types.set[0], round % ILLS, pairs);
        pay(2 * 4096 * walk, (64 + 4) * walk);
    }
}

/* Ranges without holes, all edges near each other, so that as many blocks as can be are looked at
 * one by one; touches where the edges are. */
static void pay_for_crowded_sets(unsigned count, unsigned pairs)
{
    uint64_t around = GIB(64) + random_below(BIT(PHYS_BITS) - GIB(128));
    uint64_t window = PAGE_SIZE << (3 + random_below(24));
    for (types.count = 0; types.count < count; types.count++) {
        struct mtrr_state *state = &types.set[types.count];
        uint8_t one = random_below(2) ? random_type() : 0xff;
        start_state(state, pairs);
        if (one != 0xff)
            state->def_type = (state->def_type & ~7ull) | one;
        for (unsigned i = 0; i < pairs; i++) {
            uint64_t base = random_below(3) ? around + random_below(window) : random_below(GIB(9));
            uint64_t bytes = PAGE_SIZE << random_below(random_below(2) ? 2 : 15);
            set_pair(state, i, base, ~(bytes - 1), one == 0xff ? random_type() : one);
        }
        assert_false(mtrr_problems(state) & MTRR_PROBLEM_DISCONTIGUOUS);
    }
    pay(500000, 500000);
    allow(500000);
    ept_map_on_touch(&ept, GPA(around + random_below(window)));
}

static void sets_without_holes_are_bounded(void **unused)
{
    (void)unused;
    build();
    for (unsigned round = 0; round < 100; round++)
        pay_for_crowded_sets(1 + round % MTRR_SETS_MAX, round % 8 < 4 ? PAIRS : MTRR_VARIABLE_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sets_with_holes_that_differ_are_uncached_and_cheap),
        cmocka_unit_test(one_set_with_holes_is_bounded),
        cmocka_unit_test(sets_without_holes_are_bounded),
    };
    random_seed(0x636f7374);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
