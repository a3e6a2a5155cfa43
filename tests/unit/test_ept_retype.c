/* with: mm/ept*.c mm/walk.c mm/memmap*.c mm/mtrr*.c lib/format.c */
#include "mm/ept.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/random.h"

#define POOL_TABLES 200
#define POOL_BASE   (GIB(2) - POOL_TABLES * PAGE_SIZE)
#define OWN_BASE    (GIB(2) - MIB(2))
#define RWX         7ull

static uint64_t pool[POOL_TABLES][TABLE_ENTRIES];
static struct memory_map map;
static struct mtrr_sets types;
static struct ept_caps caps;
static struct ept ept;

static uint64_t *map_pool(void *context, hpa_t table)
{
    (void)context;
    assert_in_range(table.v, POOL_BASE, POOL_BASE + (POOL_TABLES - 1) * PAGE_SIZE);
    return pool[(table.v - POOL_BASE) / PAGE_SIZE];
}

static const struct table_memory memory = {.map = map_pool};

static void start_state(struct mtrr_state *state)
{
    memset(state, 0, sizeof(*state));
    state->cap = MTRRCAP_FIX;
    state->phys_bits = caps.phys_bits;
    state->def_type = MTRR_DEF_TYPE_E | MTRR_DEF_TYPE_FE | MEMORY_TYPE_WB;
    memset(state->fixed, MEMORY_TYPE_WB, sizeof(state->fixed));
}

static void add_range(struct mtrr_state *state, uint64_t base, uint64_t bytes, uint8_t type)
{
    unsigned i = state->variable_count++;
    state->variable[i].base = (base & ~(bytes - 1)) | type;
    state->variable[i].mask = (~(bytes - 1) & BITS(state->phys_bits - 1, 12)) | MTRR_PHYSMASK_V;
}

static uint8_t random_type(void)
{
    static const uint8_t all[] = {0, 1, 4, 5, 6};
    return all[random_below(5)];
}

static void random_mtrrs(struct mtrr_state *state)
{
    start_state(state);
    if (random_below(8) == 0)
        state->def_type &= ~MTRR_DEF_TYPE_E;
    if (random_below(3) == 0)
        state->def_type = (state->def_type & ~7ull) | random_type();
    if (random_below(3) == 0)
        state->def_type &= ~MTRR_DEF_TYPE_FE;
    for (unsigned i = 0; i < sizeof(state->fixed); i++)
        if (random_below(4) == 0)
            ((uint8_t *)state->fixed)[i] = random_type();
    for (unsigned more = random_below(5); more > 0; more--)
        add_range(state, random_below(random_below(2) ? GIB(5) : GIB(40)),
                  PAGE_SIZE << random_below(20), random_type());
    if (random_below(4) == 0) /* a mask with holes */
        state->variable[0].mask ^= BIT(12 + random_below(20));
    if (state->variable_count == 0)
        state->variable[0].mask = 0;
}

static void random_types(void)
{
    struct mtrr_state state;
    types.count = 0;
    for (unsigned cpus = random_below(3) ? 1 : 1 + random_below(6); cpus > 0; cpus--) {
        random_mtrrs(&state);
        mtrr_sets_add(&types, &state);
    }
}

static void build(unsigned reserve, bool page_1g)
{
    const struct memory_range own = {OWN_BASE, GIB(2), 0};
    struct mtrr_state state;
    memset(&ept, 0xa5, sizeof(ept));
    memset(&map, 0, sizeof(map));
    caps = (struct ept_caps){page_1g, true, false, 40};
    assert_int_equal(memory_map_add(&map, 0, GIB(3), MEMORY_USABLE), ERROR_NONE);
    assert_int_equal(memory_map_add(&map, GIB(4), GIB(5), MEMORY_USABLE), ERROR_NONE);
    start_state(&state);
    types.count = 0;
    mtrr_sets_add(&types, &state);
    unsigned needed = ept_tables_needed(&map, &types, &caps, &own, 1);
    assert_true(needed + reserve <= POOL_TABLES);
    ept_set_pool(&ept, &memory, HPA(POOL_BASE), needed + reserve);
    assert_int_equal(ept_build(&ept, &map, &types, &caps, &own, 1), ERROR_NONE);
}

/* The model: what each CPU's MTRRs give the page, joined pair by pair. Of several sets, one that
 * has masks with holes is uncached. */
static uint8_t strictest_at(uint64_t address)
{
    static const uint8_t rank[] = {[0] = 0, [1] = 9, [4] = 1, [5] = 9, [6] = 2};
    uint8_t type = mtrr_type(&types.set[0], address);
    for (unsigned i = 0; types.count > 1 && i < types.count; i++) {
        if (mtrr_problems(&types.set[i]) & MTRR_PROBLEM_DISCONTIGUOUS)
            return MEMORY_TYPE_UC;
        uint8_t other = mtrr_type(&types.set[i], address);
        if (type == other)
            continue;
        bool undefined = rank[type] == 9 || rank[other] == 9;
        type = undefined ? 0 : rank[type] < rank[other] ? type : other;
    }
    return type;
}

static uint64_t entry_of(uint64_t address, unsigned *level)
{
    struct walk walk = ept_lookup(&ept, GPA(address));
    *level = walk.level;
    return walk.mapped ? walk.entry : 0;
}

static uint64_t random_address(void)
{
    switch (random_below(4)) {
    case 0:
        return random_below(MIB(2));
    case 1:
        return random_below(GIB(9));
    case 2: {
        const struct mtrr_state *state = &types.set[random_below(types.count)];
        uint64_t base = state->variable[random_below(6)].base & BITS(39, 12);
        return (base + random_below(MIB(4)) - MIB(2)) & BITS(39, 0);
    }
    default:
        return OWN_BASE - MIB(1) + random_below(MIB(4));
    }
}

static unsigned tables_in(enum ept_table_state state)
{
    unsigned count = 0;
    for (unsigned i = 0; i < ept.reserve_count; i++)
        count += ept.reserve[i].state == state;
    return count;
}

/* Every table hangs in the tree once; a table of the reserve, where its row says. Counts those. */
static unsigned count_linked(uint64_t table, unsigned level, uint64_t base)
{
    unsigned linked = table - POOL_BASE >= ept.boot_tables * PAGE_SIZE;
    if (linked) {
        const struct ept_reserve *row =
            &ept.reserve[(table - POOL_BASE) / PAGE_SIZE - ept.boot_tables];
        assert_true(row->state != EPT_TABLE_FREE && row->state != EPT_TABLE_DROPPED);
        assert_true(row->level == level && row->base == base);
    }
    for (unsigned i = 0; level > 1 && i < TABLE_ENTRIES; i++) {
        uint64_t entry = map_pool(NULL, HPA(table))[i];
        if ((entry & RWX) && !(entry & EPT_PS))
            linked += count_linked(entry & EPT_ADDRESS, level - 1, base + i * level_bytes(level));
    }
    return linked;
}

static void check_tree(void)
{
    unsigned linked = count_linked(ept.root.v, 4, 0);
    assert_int_equal(linked, tables_in(EPT_TABLE_SPLIT) + tables_in(EPT_TABLE_PINNED) +
                                 tables_in(EPT_TABLE_TOUCHED));
}

/* `exact`: every page was small enough. Else one may have a type that is right for all of it. */
static void check_types(bool exact)
{
    for (unsigned i = 0; i < 400; i++) {
        unsigned level;
        uint64_t address = ALIGN_DOWN(random_address(), PAGE_SIZE);
        uint64_t entry = entry_of(address, &level), offset = address & (level_bytes(level) - 1);
        bool hidden = address >= OWN_BASE && address < GIB(2);
        if (hidden || !entry) {
            assert_true(!entry && (hidden || address >= GIB(9) || address - GIB(3) < GIB(1)));
            continue;
        }
        assert_int_equal(entry & EPT_ADDRESS, address - offset);
        assert_int_equal(entry & (RWX | EPT_IPAT), RWX);
        uint8_t want = strictest_at(address), got = ept_entry_type(entry);
        assert_true(got == want || (!exact && got == mtrr_stricter(got, want)));
    }
}

static uint64_t kib_mapped(const struct ept_retyped *done)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i <= MEMORY_TYPE_WB; i++)
        sum += done->kib[i];
    return sum;
}

static void every_page_has_the_strictest_type_of_the_cpus(void **unused)
{
    (void)unused;
    unsigned split = 0, strict = 0, changed = 0;
    for (unsigned round = 0; round < 40; round++) {
        build(random_below(2) ? 64 : EPT_RESERVE_MIN + random_below(6), random_below(2));
        for (unsigned i = 0; i < 12; i++) {
            random_types();
            struct ept_retyped done = ept_retype(&ept);
            check_tree();
            check_types(done.strict == 0);
            assert_int_equal(kib_mapped(&done), (GIB(9) - MIB(2)) / KIB(1));
            assert_true(tables_in(EPT_TABLE_FREE) >= EPT_RESERVE_MIN);
            if (done.strict == 0) /* once is enough */
                assert_int_equal(ept_retype(&ept).changed, 0);
            split += done.split, strict += done.strict, changed += done.changed;
        }
    }
    assert_true(split > 200 && strict > 200 && changed > 2000);
}

static void what_was_split_is_joined_again_and_costs_no_table(void **unused)
{
    (void)unused;
    struct mtrr_state plain;
    build(16, true);
    plain = types.set[0];
    unsigned free = tables_in(EPT_TABLE_FREE), level;
    for (unsigned i = 0; i < 1000; i++) {
        uint64_t at = GIB(4) + random_below(GIB(5));
        add_range(&types.set[0], at, KIB(64), MEMORY_TYPE_WC);
        struct ept_retyped done = ept_retype(&ept);
        assert_true(done.split <= 2); /* fewer where a table was still there */
        assert_int_equal(done.strict, 0);
        assert_int_equal(done.kib[MEMORY_TYPE_WC], 64);
        assert_int_equal(ept_entry_type(entry_of(at, &level)), MEMORY_TYPE_WC);
        assert_int_equal(level, 1);
        types.set[0] = plain;
        if (random_below(2)) { /* else the next one is made while this one is joined */
            ept_retype(&ept);
            assert_int_equal(tables_in(EPT_TABLE_FREE), free);
            entry_of(at, &level);
            assert_int_equal(level, 3);
        }
    }
}

static void tables_that_are_given_back_last_serve_what_was_asked_first(void **unused)
{
    (void)unused;
    struct mtrr_state plain;
    build(EPT_RESERVE_MIN + 2, true);
    plain = types.set[0];
    for (uint64_t gib = 8; gib >= 4; gib--) {
        types.set[0] = plain;
        add_range(&types.set[0], GIB(1) * gib, KIB(64), MEMORY_TYPE_WC);
        struct ept_retyped done = ept_retype(&ept);
        assert_true(done.strict == 0 && done.kib[MEMORY_TYPE_WC] == 64);
        check_tree();
    }
}

static void without_a_table_the_large_page_takes_the_strictest_type(void **unused)
{
    (void)unused;
    unsigned level;
    build(EPT_RESERVE_MIN, true);
    add_range(&types.set[0], GIB(5), MIB(2), MEMORY_TYPE_WT);
    struct ept_retyped done = ept_retype(&ept);
    assert_true(done.strict == 1 && done.split == 0);
    assert_int_equal(ept_entry_type(entry_of(GIB(6) - 1, &level)), MEMORY_TYPE_WT);
    assert_int_equal(level, 3);
    add_range(&types.set[0], GIB(5) + MIB(4), MIB(2), MEMORY_TYPE_WC);
    ept_retype(&ept);
    assert_int_equal(ept_entry_type(entry_of(GIB(5), &level)), MEMORY_TYPE_UC);
    assert_int_equal(ept_entry_type(entry_of(GIB(6), &level)), MEMORY_TYPE_WB);
}

static void pages_that_were_set_and_orlops_range_stay(void **unused)
{
    (void)unused;
    const struct {
        uint64_t page, frame, rights;
    } set[] = {{0xfee00000, 0xfee00000, EPT_R | EPT_X},
               {0xf0000, OWN_BASE, EPT_R | EPT_X},
               {OWN_BASE, OWN_BASE + PAGE_SIZE, EPT_R | EPT_W},
               {GIB(6) + MIB(3), GIB(6) + MIB(3), EPT_R}};
    unsigned level;
    build(20, true);
    add_range(&types.set[0], GIB(6), KIB(64), MEMORY_TYPE_WC);
    ept_retype(&ept); /* the table of this split comes to hold a set page, and is kept */
    for (unsigned i = 0; i < 200; i++) {
        for (unsigned j = 0; j < ARRAY_SIZE(set); j++)
            assert_int_equal(ept_set_page(&ept, GPA(set[j].page), HPA(set[j].frame), set[j].rights,
                                          MEMORY_TYPE_WP),
                             ERROR_NONE);
        random_types();
        ept_retype(&ept);
        check_tree();
        for (unsigned j = 0; j < ARRAY_SIZE(set); j++)
            assert_int_equal(entry_of(set[j].page, &level),
                             set[j].frame | set[j].rights | MEMORY_TYPE_WP << 3);
    }
}

static void what_is_touched_later_has_the_new_types(void **unused)
{
    (void)unused;
    unsigned mapped = 0, far = 0;
    build(EPT_RESERVE_MIN + 4, true);
    for (unsigned i = 0; i < 200; i++) {
        unsigned level;
        uint64_t address = GIB(random_below(2) ? 16 : 600) + random_below(GIB(24));
        random_types();
        ept_retype(&ept);
        assert_int_equal(tables_in(EPT_TABLE_TOUCHED), 0);
        enum ept_fill fill = ept_map_on_touch(&ept, GPA(address));
        assert_true(fill == EPT_FILL_MAPPED || fill == EPT_FILL_ALREADY);
        mapped += fill == EPT_FILL_MAPPED;
        far += tables_in(EPT_TABLE_TOUCHED) > 0;
        uint8_t got = ept_entry_type(entry_of(address, &level)), want = strictest_at(address);
        assert_true(got == want || (fill == EPT_FILL_ALREADY && got == mtrr_stricter(got, want)));
    }
    assert_true(mapped > 10 && far > 50);
}

/* Every other page of all memory is of another type: the time is bounded, and none is too lax. */
static void a_mask_of_a_million_holes_ends_soon_and_uncached(void **unused)
{
    (void)unused;
    build(30, false);
    types.set[0].variable_count = 2;
    types.set[0].variable[0].base = MEMORY_TYPE_WT;
    types.set[0].variable[0].mask = BIT(12) | MTRR_PHYSMASK_V;
    types.set[0].variable[1].base = GIB(1) | MEMORY_TYPE_WP;
    types.set[0].variable[1].mask = BITS(39, 30) | BIT(13) | MTRR_PHYSMASK_V;
    struct ept_retyped done = ept_retype(&ept);
    assert_true(done.strict > 0);
    assert_true(done.kib[MEMORY_TYPE_UC] > GIB(4) / KIB(1));
    for (unsigned i = 0; i < 4000; i++) {
        unsigned level;
        uint64_t address = ALIGN_DOWN(random_below(GIB(2) - MIB(2)), PAGE_SIZE);
        uint8_t got = ept_entry_type(entry_of(address, &level));
        assert_true(got == mtrr_stricter(got, strictest_at(address)));
    }
    start_state(&types.set[0]); /* and the next one looks again */
    types.set[0].variable[0].mask = types.set[0].variable[1].mask = 0;
    done = ept_retype(&ept);
    assert_int_equal(done.kib[MEMORY_TYPE_WB], (GIB(9) - MIB(2)) / KIB(1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_page_has_the_strictest_type_of_the_cpus),
        cmocka_unit_test(what_was_split_is_joined_again_and_costs_no_table),
        cmocka_unit_test(tables_that_are_given_back_last_serve_what_was_asked_first),
        cmocka_unit_test(without_a_table_the_large_page_takes_the_strictest_type),
        cmocka_unit_test(pages_that_were_set_and_orlops_range_stay),
        cmocka_unit_test(what_is_touched_later_has_the_new_types),
        cmocka_unit_test(a_mask_of_a_million_holes_ends_soon_and_uncached),
    };
    random_seed(0x72657479);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
