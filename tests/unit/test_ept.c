/* with: mm/ept*.c mm/walk.c mm/memmap*.c mm/mtrr*.c lib/format.c */
#include "mm/ept.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/random.h"

/* The pool's frames lie in what is hidden, so an entry that names one of them is a link. */
#define POOL_TABLES 400
#define POOL_BASE   (GIB(2) - POOL_TABLES * PAGE_SIZE)
#define GARBAGE     0xbad0bad0bad0bad3ull
#define RWX         7ull

/* What a table is to processors: NEW ones they never saw, STALE ones they may still remember. */
enum life { NEW, LIVE, STALE };

static struct {
    uint64_t entries[TABLE_ENTRIES];
    bool written[TABLE_ENTRIES];
    enum life life;
    unsigned level;
    uint64_t base;
} pool[POOL_TABLES];

static struct memory_map map;
static struct mtrr_sets all = {.count = 1};
static struct mtrr_state *const mtrr = &all.set[0];
static struct ept_caps caps;
static struct memory_range hidden[2];
static unsigned hidden_count;
static struct ept ept;
static unsigned stores;

/* Pages that were set or cleared: they, and the page sizes around them, obey no rule. */
static struct page_set {
    uint64_t page, entry;
} sets[16];
static unsigned set_count;

static uint64_t *map_pool(void *context, hpa_t table)
{
    (void)context;
    assert_in_range(table.v, POOL_BASE, POOL_BASE + (POOL_TABLES - 1) * PAGE_SIZE);
    return pool[(table.v - POOL_BASE) / PAGE_SIZE].entries;
}

static bool is_link(uint64_t entry)
{
    return (entry & EPT_ADDRESS) - POOL_BASE < POOL_TABLES * PAGE_SIZE;
}

static unsigned linked_table(uint64_t entry)
{
    return ((entry & EPT_ADDRESS) - POOL_BASE) / PAGE_SIZE;
}

static bool is_hidden(uint64_t base, uint64_t end)
{
    bool result = false;
    for (unsigned i = 0; i < hidden_count; i++)
        result |= base < hidden[i].end && hidden[i].base < end;
    return result;
}

static uint64_t limit(void) { return 1ull << (caps.phys_bits < 48 ? caps.phys_bits : 48); }

static const struct page_set *set_in(uint64_t base, uint64_t bytes)
{
    for (unsigned i = 0; i < set_count; i++)
        if (sets[i].page - base < bytes)
            return &sets[i];
    return NULL;
}

/* May one entry of `level` map the block at `base`? */
static bool can_be_page(uint64_t base, unsigned level)
{
    uint8_t type;
    uint64_t bytes = level_bytes(level);
    return (level < 3 || (level == 3 && caps.page_1g)) && !is_hidden(base, base + bytes) &&
           mtrr_uniform(mtrr, base, base + bytes, &type);
}

static void check_page(unsigned level, uint64_t base, uint64_t entry)
{
    const struct page_set *set = set_in(base, level_bytes(level));
    uint64_t enclosing = ALIGN_DOWN(base, level_bytes(level + 1));
    if (set && set->entry) {
        assert_int_equal(level, 1);
        assert_int_equal(entry, set->entry);
        return;
    }
    uint64_t expected = base | RWX | (uint64_t)mtrr_type(mtrr, base) << 3;
    assert_int_equal(entry, expected | (level > 1 ? BIT(7) : 0));
    assert_true(can_be_page(base, level) && base < limit());
    assert_true(!can_be_page(enclosing, level + 1) || set_in(enclosing, level_bytes(level + 1)));
}

/* All that hangs below a table; each of them is complete, and none hangs there twice. */
static void check_tree(unsigned table, unsigned level, uint64_t base, bool going_live)
{
    assert_int_equal(pool[table].life, going_live ? NEW : LIVE);
    pool[table].life = LIVE, pool[table].level = level, pool[table].base = base;
    for (unsigned i = 0; i < TABLE_ENTRIES; i++) {
        uint64_t entry = pool[table].entries[i], block = base + i * level_bytes(level);
        assert_true(pool[table].written[i]);
        if ((entry & RWX) == 0) {
            assert_int_equal(entry, 0);
        } else if (level > 1 && !(entry & BIT(7))) {
            assert_true(is_link(entry));
            assert_int_equal(entry & ~EPT_ADDRESS, RWX);
            check_tree(linked_table(entry), level - 1, block, going_live);
        } else {
            check_page(level, block, entry);
        }
    }
}

static void kill_tree(unsigned table)
{
    pool[table].life = STALE;
    for (unsigned i = 0; pool[table].level > 1 && i < TABLE_ENTRIES; i++) {
        uint64_t entry = pool[table].entries[i];
        if ((entry & RWX) && !(entry & BIT(7)))
            kill_tree(linked_table(entry));
    }
}

/* What an address translates to, by a walk of the test's own; 0 for nothing. */
static uint64_t translate(uint64_t address, unsigned *level)
{
    uint64_t entry = ept.root.v;
    for (*level = 4;; --*level) {
        entry = pool[linked_table(entry)].entries[address >> (12 + 9 * (*level - 1)) & 511];
        if ((entry & RWX) == 0)
            return 0;
        if (*level == 1 || (entry & BIT(7)))
            return entry;
    }
}

/* A page that is replaced by a table: but for set pages, nothing changes on any 4 KiB of it. */
static void check_split(unsigned level, uint64_t base, uint64_t old)
{
    for (uint64_t at = base; at < base + level_bytes(level); at += PAGE_SIZE << random_below(8)) {
        uint64_t page = ALIGN_DOWN(at, PAGE_SIZE), offset;
        unsigned now;
        uint64_t entry = translate(page, &now);
        if (set_in(page, PAGE_SIZE))
            continue;
        offset = page & (level_bytes(now) - 1);
        assert_int_equal((entry & EPT_ADDRESS) + offset, (old & EPT_ADDRESS) + (page - base));
        assert_int_equal(entry & 0x7f, old & 0x7f);
    }
}

/* Each store on its own: after it, all that processors can reach is a valid tree. */
static void watch_store(void *context, uint64_t *entry, uint64_t value)
{
    (void)context;
    unsigned table = ((uint8_t *)entry - (uint8_t *)pool) / sizeof(pool[0]);
    unsigned i = entry - pool[table].entries;
    uint64_t old = *entry, base = pool[table].base + i * level_bytes(pool[table].level);
    stores++;
    assert_true(table < POOL_TABLES && i < TABLE_ENTRIES && IS_ALIGNED((uintptr_t)entry, 8));
    assert_int_not_equal(pool[table].life, STALE);
    *entry = value;
    pool[table].written[i] = true;
    if (pool[table].life == NEW) {
        for (unsigned j = 0; is_link(value) && j < TABLE_ENTRIES; j++)
            assert_true(pool[linked_table(value)].written[j]);
        return;
    }
    bool was_link = pool[table].level > 1 && (old & RWX) && !(old & BIT(7));
    if (was_link)
        kill_tree(linked_table(old));
    if ((value & RWX) == 0)
        assert_true(value == 0);
    else if (pool[table].level > 1 && !(value & BIT(7)))
        check_tree(linked_table(value), pool[table].level - 1, base, true);
    else
        check_page(pool[table].level, base, value);
    if ((old & RWX) && !was_link && pool[table].level > 1 && value)
        check_split(pool[table].level, base, old);
}

static const struct table_memory memory = {.map = map_pool, .store = watch_store};

static void add_variable(uint64_t base, uint64_t bytes, uint8_t type)
{
    unsigned i = mtrr->variable_count++;
    mtrr->variable[i].base = (base & ~(bytes - 1)) | type;
    mtrr->variable[i].mask = (~(bytes - 1) & BITS(mtrr->phys_bits - 1, 12)) | MTRR_PHYSMASK_V;
}

static void make_mtrrs(uint64_t low_end, uint64_t high_end)
{
    static const uint8_t types[] = {0, 6, 6, 1, 4, 5};
    memset(mtrr, 0, sizeof(*mtrr));
    mtrr->cap = MTRRCAP_FIX;
    mtrr->phys_bits = caps.phys_bits;
    mtrr->def_type = MTRR_DEF_TYPE_E | (random_below(4) ? MTRR_DEF_TYPE_FE : 0);
    for (unsigned i = 0; i < sizeof(mtrr->fixed); i++)
        ((uint8_t *)mtrr->fixed)[i] = i < 8 * 2 || random_below(3) ? 6 : types[random_below(6)];
    if (random_below(2)) { /* write-back but for devices */
        mtrr->def_type |= MEMORY_TYPE_WB;
        add_variable(GIB(3), GIB(1), MEMORY_TYPE_UC);
        if (random_below(2))
            add_variable(ALIGN_DOWN(low_end, MIB(64)), MIB(64), MEMORY_TYPE_UC);
    } else {
        add_variable(0, GIB(2), MEMORY_TYPE_WB);
        add_variable(GIB(2), GIB(1), MEMORY_TYPE_WB);
        for (uint64_t at = GIB(4); at < high_end; at *= 2)
            add_variable(at, at, MEMORY_TYPE_WB);
    }
    for (unsigned more = random_below(3); more > 0; more--)
        add_variable(random_below(random_below(2) ? GIB(4) : high_end + GIB(8)),
                     PAGE_SIZE << random_below(20), types[random_below(6)]);
}

/* A machine: RAM below and above 4 GiB, Orlop at the top of 2 GiB, MTRRs that fit more or less. */
static void make_machine(void)
{
    uint64_t low_end = GIB(2) + random_below(GIB(1)), top = random_below(GIB(40));
    memset(&map, 0, sizeof(map));
    caps = (struct ept_caps){random_below(2), true, random_below(2), 36};
    caps.phys_bits += random_below(3) ? random_below(17) : 0;
    assert_int_equal(memory_map_add(&map, 0, 0x9fc00, MEMORY_USABLE), ERROR_NONE);
    assert_int_equal(memory_map_add(&map, 0xf0000, 0x10000, MEMORY_RESERVED), ERROR_NONE);
    assert_int_equal(memory_map_add(&map, MIB(1), low_end - MIB(1), MEMORY_USABLE), ERROR_NONE);
    if (random_below(3))
        assert_int_equal(memory_map_add(&map, GIB(4), top, MEMORY_USABLE), ERROR_NONE);
    if (random_below(3) == 0) /* far away, as in machines of several nodes, or not RAM at all */
        assert_int_equal(memory_map_add(&map, GIB(50) + random_below(GIB(30)), random_below(GIB(4)),
                                        1 + random_below(5)),
                         ERROR_NONE);
    make_mtrrs(low_end, GIB(4) + top);
    hidden[0] = (struct memory_range){POOL_BASE - random_below(900) * PAGE_SIZE, GIB(2), 0};
    hidden[1].base = random_below(GIB(3) / PAGE_SIZE) * PAGE_SIZE;
    hidden[1].end = hidden[1].base + (1 + random_below(1200)) * PAGE_SIZE;
    hidden_count = 1 + random_below(2);
}

/* Puts garbage everywhere: nothing may rely on what the pool held. */
static enum error build(unsigned reserve)
{
    memset(&ept, 0xa5, sizeof(ept));
    set_count = 0;
    for (unsigned table = 0; table < POOL_TABLES; table++) {
        memset(&pool[table], 0, sizeof(pool[table]));
        for (unsigned i = 0; i < TABLE_ENTRIES; i++)
            pool[table].entries[i] = GARBAGE;
    }
    unsigned needed = ept_tables_needed(&map, &all, &caps, hidden, hidden_count);
    assert_true(needed + reserve <= POOL_TABLES);
    ept_set_pool(&ept, &memory, HPA(POOL_BASE), needed + reserve);
    enum error error = ept_build(&ept, &map, &all, &caps, hidden, hidden_count);
    if (!error)
        check_tree(linked_table(ept.root.v), 4, 0, true);
    return error;
}

/* By the GiB, from the ranges of the map. */
static bool is_boot_gib(uint64_t gib)
{
    bool ram = gib < GIB(4);
    for (uint32_t i = 0; i < map.count; i++)
        ram |= map.ranges[i].type != MEMORY_RESERVED && map.ranges[i].type != MEMORY_BAD &&
               map.ranges[i].base < gib + GIB(1) && gib < map.ranges[i].end;
    return ram && gib < limit();
}

static uint64_t random_address(void)
{
    switch (random_below(6)) {
    case 0:
        return random_below(MIB(4));
    case 1: {
        const struct memory_range *range = &hidden[random_below(hidden_count)];
        return (range->base + random_below(range->end - range->base + MIB(2))) - MIB(1);
    }
    case 2:
        return random_below(GIB(4));
    case 3:
        return random_below(GIB(70));
    case 4: /* around the ends of ranges */
        return map.ranges[random_below(map.count)].end + random_below(MIB(4)) - MIB(2);
    default:
        return random_below(limit());
    }
}

static void each_address_is_mapped_to_itself_with_its_type_or_not_at_all(void **unused)
{
    (void)unused;
    for (unsigned round = 0; round < 80; round++) {
        make_machine();
        assert_int_equal(build(EPT_RESERVE_MIN), ERROR_NONE);
        for (unsigned i = 0; i < 300; i++) {
            uint64_t address = random_address() & (limit() - 1);
            bool expected =
                is_boot_gib(ALIGN_DOWN(address, GIB(1))) && !is_hidden(address, address + 1);
            unsigned level;
            uint64_t entry = translate(address, &level);
            struct walk walk = ept_lookup(&ept, GPA(address));
            assert_int_equal(entry != 0, expected);
            assert_int_equal(walk.mapped, expected);
            assert_true(!expected || (walk.level == level && walk.entry == entry));
            assert_true(!expected || walk.address == address);
            assert_true(!expected || ept_entry_type(walk.entry) == mtrr_type(mtrr, address));
            assert_true(!expected || ept_entry_rights(walk.entry) == RWX);
        }
    }
}

static void the_tables_are_as_many_as_foretold_and_few(void **unused)
{
    (void)unused;
    for (unsigned round = 0; round < 80; round++) {
        make_machine();
        assert_int_equal(build(EPT_RESERVE_MIN), ERROR_NONE);
        unsigned needed = ept_tables_needed(&map, &all, &caps, hidden, hidden_count), live = 0;
        for (unsigned i = 0; i < POOL_TABLES; i++)
            live += pool[i].life == LIVE;
        assert_int_equal(ept.boot_tables, needed);
        assert_int_equal(live, needed);
        unsigned bound = ept_tables_needed(&map, &all, &caps, NULL, 0);
        for (unsigned i = 0; i < hidden_count; i++)
            bound += ept_tables_to_hide(hidden[i].end - hidden[i].base);
        assert_true(needed <= bound && bound < needed + 4 * hidden_count + 3);
    }
}

/* Where a run of one type ends too early, because a mask has more holes than anybody looks at, the
 * answer for a block must not depend on the blocks that were asked for before. */
static void masks_of_many_holes_are_counted_and_built_alike(void **unused)
{
    (void)unused;
    make_machine();
    caps.page_1g = true;
    memset(mtrr, 0, sizeof(*mtrr));
    mtrr->phys_bits = caps.phys_bits;
    mtrr->def_type = MTRR_DEF_TYPE_E | MEMORY_TYPE_WB;
    mtrr->variable_count = 1;
    mtrr->variable[0].base = MEMORY_TYPE_WB; /* every other 64 KiB, and it makes no difference */
    mtrr->variable[0].mask = BIT(16) | MTRR_PHYSMASK_V;
    assert_int_equal(build(EPT_RESERVE_MIN), ERROR_NONE);
    assert_int_equal(ept.boot_tables, ept_tables_needed(&map, &all, &caps, hidden, hidden_count));
    assert_int_equal(ept_lookup(&ept, GPA(GIB(3) + MIB(4))).level, 2);
}

static unsigned tables_for(uint64_t ram_above_4g, bool page_1g)
{
    memset(&map, 0, sizeof(map));
    memset(mtrr, 0, sizeof(*mtrr));
    caps = (struct ept_caps){page_1g, true, false, 46};
    mtrr->phys_bits = 46;
    mtrr->def_type = MTRR_DEF_TYPE_E | MEMORY_TYPE_WB;
    assert_int_equal(memory_map_add(&map, 0, GIB(4), MEMORY_USABLE), ERROR_NONE);
    assert_int_equal(memory_map_add(&map, GIB(4), ram_above_4g, MEMORY_USABLE), ERROR_NONE);
    return ept_tables_needed(&map, &all, &caps, NULL, 0);
}

static void with_1g_pages_ram_costs_nothing_and_without_one_table_a_gib(void **unused)
{
    (void)unused;
    assert_int_equal(tables_for(0, true), 2);
    assert_int_equal(tables_for(GIB(500), true), 2);
    assert_int_equal(tables_for(GIB(6140), true), 1 + 12);
    assert_int_equal(tables_for(0, false), 2 + 4);
    assert_int_equal(tables_for(GIB(60) + 1, false), 2 + 65);
    assert_int_equal(tables_for(GIB(500), false), 2 + 504);
    /* Fixed ranges: a table of 2 MiB pages and one of 4 KiB pages for the first GiB. */
    mtrr->cap = MTRRCAP_FIX, mtrr->def_type |= MTRR_DEF_TYPE_FE, caps.page_1g = true;
    assert_int_equal(ept_tables_needed(&map, &all, &caps, NULL, 0), 2 + 2);
}

static void what_cannot_be_built_is_refused_before_the_first_store(void **unused)
{
    (void)unused;
    make_machine();
    stores = 0;
    assert_int_equal(build(EPT_RESERVE_MIN - 1), ERROR_NO_SPACE);
    const struct ept_caps good_caps = caps;
    const struct memory_range good_range = hidden[0];
#define REFUSED(change, error)                                                                     \
    (change, assert_int_equal(ept_build(&ept, &map, &all, &caps, hidden, hidden_count), error),    \
     assert_int_equal(ept_tables_needed(&map, &all, &caps, hidden, hidden_count), UINT32_MAX),     \
     caps = good_caps, hidden[0] = good_range, hidden_count = 1)
    REFUSED(caps.page_2m = false, ERROR_UNSUPPORTED);
    REFUSED(caps.phys_bits = 31, ERROR_RANGE);
    REFUSED(caps.phys_bits = 53, ERROR_RANGE);
    REFUSED(hidden_count = EPT_HIDDEN_MAX + 1, ERROR_RANGE);
    REFUSED(hidden[0].base += 1, ERROR_RANGE);
    REFUSED(hidden[0].end += 1, ERROR_RANGE);
    REFUSED(hidden[0].end = hidden[0].base, ERROR_RANGE);
    assert_int_equal(stores, 0);
}

static void reclaim(void)
{
    for (unsigned i = 0; i < POOL_TABLES; i++)
        if (pool[i].life == STALE) {
            pool[i].life = NEW;
            memset(pool[i].written, 0, sizeof(pool[i].written));
        }
    ept_reclaim(&ept);
}

/* Touches an address as an EPT violation would, and judges the answer. */
static enum ept_fill touch(uint64_t address)
{
    unsigned level;
    bool was_mapped = address < limit() && translate(address, &level) != 0;
    enum ept_fill fill = ept_map_on_touch(&ept, GPA(address)), first = fill;
    if (fill == EPT_FILL_DROPPED) {
        assert_int_equal(translate(address, &level), 0);
        reclaim();
        fill = ept_map_on_touch(&ept, GPA(address)); /* one round is always enough */
    }
    enum ept_fill expected = address >= limit()                ? EPT_FILL_BEYOND
                             : is_hidden(address, address + 1) ? EPT_FILL_HIDDEN
                             : was_mapped                      ? EPT_FILL_ALREADY
                                                               : EPT_FILL_MAPPED;
    assert_int_equal(fill, expected);
    if (fill == EPT_FILL_MAPPED) {
        uint64_t entry = translate(address, &level);
        uint64_t page = ALIGN_DOWN(address, level_bytes(level));
        assert_int_equal(entry & EPT_ADDRESS, page);
    }
    return first;
}

/* Far addresses; some of them in a GiB whose types make it need 4 KiB pages. */
static uint64_t far_address(void)
{
    uint64_t odd = GIB(100) * (1 + random_below(9)) + MIB(7) + random_below(MIB(4));
    return random_below(2) ? odd : random_below(random_below(20) ? limit() : UINT64_MAX);
}

static void add_odd_places(void)
{
    for (uint64_t i = 1; i <= 9 && GIB(100) * i < limit(); i++)
        add_variable(GIB(100) * i + MIB(8), KIB(64), MEMORY_TYPE_WC);
}

static void a_touch_maps_whatever_there_is_from_the_smallest_pool(void **unused)
{
    (void)unused;
    unsigned dropped = 0;
    for (unsigned round = 0; round < 60; round++) {
        make_machine();
        add_odd_places();
        assert_int_equal(build(EPT_RESERVE_MIN + random_below(10)), ERROR_NONE);
        touch(limit() - 1);
        touch(limit());
        for (unsigned i = 0; i < 60; i++)
            dropped +=
                touch(random_below(4) ? far_address() : random_address()) == EPT_FILL_DROPPED;
        check_tree(linked_table(ept.root.v), 4, 0, false);
    }
    assert_true(dropped > 300);
}

static void the_oldest_table_goes_first(void **unused)
{
    (void)unused;
    unsigned level;
    make_machine();
    caps.page_1g = true, caps.phys_bits = 46;
    make_mtrrs(GIB(3), GIB(4));
    assert_int_equal(build(EPT_RESERVE_MIN), ERROR_NONE);
    for (uint64_t i = 1; i <= 3; i++)
        assert_int_equal(touch(i << 40), EPT_FILL_MAPPED);
    assert_int_equal(touch((2ull << 40) + GIB(511)), EPT_FILL_ALREADY); /* came with the table */
    assert_int_equal(ept_map_on_touch(&ept, GPA(4ull << 40)), EPT_FILL_DROPPED);
    for (uint64_t i = 1; i <= 3; i++)
        assert_int_equal(translate(i << 40, &level), 0); /* as many as any address may need */
    assert_int_equal(ept_map_on_touch(&ept, GPA(4ull << 40)), EPT_FILL_DROPPED); /* not reclaimed */
    reclaim();
    for (uint64_t i = 4; i <= 6; i++)
        assert_int_equal(touch(i << 40), EPT_FILL_MAPPED);
    assert_true(ept_drop_touched(&ept, 1));
    assert_int_equal(translate(4ull << 40, &level), 0);
    assert_int_not_equal(translate(5ull << 40, &level), 0);
    assert_int_not_equal(translate(6ull << 40, &level), 0);
    assert_false(ept_drop_touched(&ept, 4));
    assert_int_equal(ept.counters.dropped, 6);
    assert_int_equal(ept.counters.touched, 6);
    assert_int_equal(ept.counters.reserve_low_water, 0);
}

static void set_page(uint64_t page, bool clear)
{
    static const uint8_t types[] = {0, 1, 4, 5, 6};
    uint64_t rights = random_below(3) ? RWX : EPT_R | (random_below(2) ? EPT_W : 0);
    uint8_t type = types[random_below(5)];
    uint64_t frame = random_below(GIB(1) / PAGE_SIZE) * PAGE_SIZE + GIB(9);
    struct page_set *set = (struct page_set *)set_in(page, PAGE_SIZE);
    unsigned level, free = 0;
    uint64_t before = translate(page, &level);
    for (unsigned i = 0; i < ept.reserve_count; i++)
        free += ept.reserve[i].state == EPT_TABLE_FREE;
    struct page_set old = set ? *set : (struct page_set){0};
    if (!set)
        set = &sets[set_count++];
    *set = (struct page_set){page, clear ? 0 : frame | rights | (uint64_t)type << 3};
    stores = 0;
    enum error error = clear ? ept_clear_page(&ept, GPA(page))
                             : ept_set_page(&ept, GPA(page), HPA(frame), rights, type);
    if (error) { /* nothing changed, and there was reason */
        assert_int_equal(error, ERROR_NO_SPACE);
        assert_int_equal(stores, 0);
        assert_true(!is_hidden(page, page + 1) && free < 3 + 2 * EPT_RESERVE_MIN);
        old.page ? (void)(*set = old) : (void)set_count--;
        return;
    }
    assert_int_equal(translate(page, &level), set->entry);
    assert_true(clear || level == 1);
    assert_true(!clear || before || stores == 0);
    if (clear && !before && !is_hidden(page, page + 1))
        *set = sets[--set_count];
}

static void set_pages_stay_and_all_around_them_keeps_its_type(void **unused)
{
    (void)unused;
    uint64_t split = 0;
    for (unsigned round = 0; round < 60; round++) {
        make_machine();
        add_odd_places();
        assert_int_equal(build(EPT_RESERVE_MIN + random_below(20)), ERROR_NONE);
        for (unsigned i = 0; i < 40; i++) {
            uint64_t address = random_below(3) ? random_address() : far_address();
            if (random_below(2))
                touch(address);
            else if (address < limit() &&
                     (set_count < 16 || set_in(ALIGN_DOWN(address, 4096), 4096)))
                set_page(ALIGN_DOWN(address, PAGE_SIZE), random_below(4) == 0);
            for (unsigned j = 0; j < set_count; j++) {
                unsigned level;
                uint64_t entry = translate(sets[j].page, &level);
                if (sets[j].entry || is_hidden(sets[j].page, sets[j].page + 1))
                    assert_int_equal(entry, sets[j].entry);
                else
                    sets[j].entry = entry; /* a cleared page may have been touched */
            }
        }
        check_tree(linked_table(ept.root.v), 4, 0, false);
        split += ept.counters.split;
    }
    assert_true(split > 100);
}

static void a_hidden_page_can_be_set_though_the_reserve_is_empty(void **unused)
{
    (void)unused;
    make_machine();
    caps.page_1g = true, caps.phys_bits = 46;
    make_mtrrs(GIB(3), GIB(4));
    assert_int_equal(build(EPT_RESERVE_MIN), ERROR_NONE);
    for (uint64_t i = 1; i <= 3; i++)
        touch(i << 40);
    for (uint64_t page = hidden[0].base; page < hidden[0].end; page += 37 * PAGE_SIZE) {
        set_count = 1;
        sets[0] = (struct page_set){page, GIB(1) | EPT_R | 6 << 3};
        assert_int_equal(ept_set_page(&ept, GPA(page), HPA(GIB(1)), EPT_R, 6), ERROR_NONE);
        assert_int_equal(ept_map_on_touch(&ept, GPA(page)), EPT_FILL_HIDDEN);
        assert_int_equal(ept_clear_page(&ept, GPA(page)), ERROR_NONE);
        assert_false(ept_lookup(&ept, GPA(page)).mapped);
    }
    set_count = 0;
}

static void entries_that_hardware_would_not_take_are_refused(void **unused)
{
    (void)unused;
    make_machine();
    caps.phys_bits = 39, caps.execute_only = false;
    make_mtrrs(GIB(3), GIB(4));
    assert_int_equal(build(10), ERROR_NONE);
    stores = 0;
    static const struct {
        uint64_t page, frame, rights;
        uint8_t type;
    } bad[] = {
        {1, 0, 7, 6},     {0, 1, 7, 6}, {BIT(39), 0, 7, 6}, {0, BIT(39), 7, 6}, {0, 0, 0, 6},
        {0, 0, EPT_W, 6}, {0, 0, 6, 6}, {0, 0, EPT_X, 6},   {0, 0, 8, 6},       {0, 0, 15, 6},
        {0, 0, 7, 2},     {0, 0, 7, 3}, {0, 0, 7, 7},       {0, 0, 7, 8},
    };
    for (unsigned i = 0; i < ARRAY_SIZE(bad); i++)
        assert_int_equal(
            ept_set_page(&ept, GPA(bad[i].page), HPA(bad[i].frame), bad[i].rights, bad[i].type),
            ERROR_RANGE);
    assert_int_equal(ept_clear_page(&ept, GPA(1)), ERROR_RANGE);
    assert_int_equal(ept_clear_page(&ept, GPA(BIT(39))), ERROR_RANGE);
    assert_int_equal(stores, 0);
    ept.caps.execute_only = true;
    sets[set_count++] = (struct page_set){0x5000, 0x5000 | EPT_X | 6 << 3};
    assert_int_equal(ept_set_page(&ept, GPA(0x5000), HPA(0x5000), EPT_X, 6), ERROR_NONE);
}

static void the_pointer_says_write_back_four_levels_no_flags(void **unused)
{
    (void)unused;
    make_machine();
    assert_int_equal(build(EPT_RESERVE_MIN), ERROR_NONE);
    assert_int_equal(ept_pointer(&ept), ept.root.v | 0x1e);
    assert_true(IS_ALIGNED(ept.root.v, PAGE_SIZE));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_address_is_mapped_to_itself_with_its_type_or_not_at_all),
        cmocka_unit_test(the_tables_are_as_many_as_foretold_and_few),
        cmocka_unit_test(masks_of_many_holes_are_counted_and_built_alike),
        cmocka_unit_test(with_1g_pages_ram_costs_nothing_and_without_one_table_a_gib),
        cmocka_unit_test(what_cannot_be_built_is_refused_before_the_first_store),
        cmocka_unit_test(a_touch_maps_whatever_there_is_from_the_smallest_pool),
        cmocka_unit_test(the_oldest_table_goes_first),
        cmocka_unit_test(set_pages_stay_and_all_around_them_keeps_its_type),
        cmocka_unit_test(a_hidden_page_can_be_set_though_the_reserve_is_empty),
        cmocka_unit_test(entries_that_hardware_would_not_take_are_refused),
        cmocka_unit_test(the_pointer_says_write_back_four_levels_no_flags),
    };
    random_seed(0x657074);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
