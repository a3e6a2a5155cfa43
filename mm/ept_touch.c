#include "base/panic.h"
#include "mm/ept.h"
#include "mm/ept_plan.h"
#include "mm/ept_reserve.h"

/* For one touch: what usual MTRRs never need, and masks with holes cannot make dear. */
#define LOOKS 64

/* A new table of `level` around `address`: `entry` there, and around it every block of this level
 * that can be one page, while that costs nothing more. Gives the entry that links it. */
static uint64_t make_table(struct ept *ept, unsigned level, uint64_t address, uint64_t entry)
{
    hpa_t frame;
    uint64_t *entries = ept_reserve_take(ept, EPT_TABLE_TOUCHED, level, address, &frame);
    uint64_t base = ALIGN_DOWN(address, level_bytes(level + 1));
    unsigned own = level_index(level, address);
    for (unsigned i = 0; i < TABLE_ENTRIES; i++) {
        uint64_t block = base + i * level_bytes(level), value = 0;
        if (i == own)
            value = entry;
        else if (ept->plan.looks > 0) /* behind the last one all would be uncached */
            value = ept_plan_choose(&ept->plan, block, level).entry;
        table_store(ept->memory, &entries[i], value);
    }
    return frame.v | EPT_RIGHTS;
}

/* The largest page that can hold `address` at or below `*level`, which becomes its level. One of
 * 4 KiB always can, since the caller has excluded hidden ranges. */
static uint64_t largest_page(struct ept_plan *plan, uint64_t address, unsigned *level)
{
    for (;; --*level) {
        uint64_t block = ALIGN_DOWN(address, level_bytes(*level));
        struct ept_choice choice = ept_plan_choose(plan, block, *level);
        if (choice.shape == EPT_SHAPE_PAGE)
            return choice.entry;
        ASSERT(*level > 1);
    }
}

/* The page and the tables that lead to it. */
static __attribute__((noinline)) enum ept_fill fill_below(struct ept *ept, const struct walk *walk,
                                                          uint64_t address)
{
    unsigned level = walk->level;
    uint64_t entry = largest_page(&ept->plan, address, &level);
    if (ept_reserve_count(ept, EPT_TABLE_FREE) < walk->level - level) {
        /* As many as any address can need: what goes may be on the way to this one. */
        ASSERT(ept_drop_touched(ept, EPT_RESERVE_MIN));
        return EPT_FILL_DROPPED;
    }
    ept->plan.looks = LOOKS;
    for (; level < walk->level; level++)
        entry = make_table(ept, level, address, entry);
    ept->plan.looks = UINT32_MAX;
    table_store(ept->memory, walk->slot, entry);
    return EPT_FILL_MAPPED;
}

enum ept_fill ept_map_on_touch(struct ept *ept, gpa_t address)
{
    if (address.v >= ept->plan.limit)
        return EPT_FILL_BEYOND;
    if (ept_hidden_overlaps(&ept->hidden, address.v, address.v + 1))
        return EPT_FILL_HIDDEN;
    struct walk walk = ept_lookup(ept, address);
    if (walk.mapped)
        return EPT_FILL_ALREADY;
    uint64_t block = ALIGN_DOWN(address.v, level_bytes(walk.level));
    struct ept_choice choice = ept_plan_choose(&ept->plan, block, walk.level);
    if (choice.shape == EPT_SHAPE_PAGE)
        table_store(ept->memory, walk.slot, choice.entry);
    else if (fill_below(ept, &walk, address.v) != EPT_FILL_MAPPED)
        return EPT_FILL_DROPPED;
    ept->counters.touched++;
    return EPT_FILL_MAPPED;
}
