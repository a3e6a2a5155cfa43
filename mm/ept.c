#include "mm/ept.h"

#include "base/panic.h"
#include "mm/ept_plan.h"
#include "mm/ept_reserve.h"

/* A root, or table of 1 GiB entries, is looked at in whole GiBs: blocks of these levels are part of
 * the boot map as a whole or not at all. */
static bool is_boot_block(const struct memory_map *map, const struct ept_hidden *hidden,
                          uint64_t base, unsigned level)
{
    uint64_t end = base + level_bytes(level);
    return level < 3 || base < GIB(4) || memory_map_holds_ram(map, base, end) ||
           ept_hidden_overlaps(hidden, base, end);
}

static enum error check_arguments(const struct ept_caps *caps, const struct memory_range *hidden,
                                  unsigned hidden_count, struct ept_hidden *copy)
{
    if (!caps->page_2m)
        return ERROR_UNSUPPORTED;
    if (caps->phys_bits < 32 || caps->phys_bits > 52 || hidden_count > EPT_HIDDEN_MAX)
        return ERROR_RANGE;
    copy->count = hidden_count;
    for (unsigned i = 0; i < hidden_count; i++) {
        copy->ranges[i] = hidden[i];
        if (hidden[i].base >= hidden[i].end || (hidden[i].base | hidden[i].end) & PAGE_MASK)
            return ERROR_RANGE;
    }
    return ERROR_NONE;
}

/* The tables below one GiB: none, or that of its 2 MiB entries and those of 4 KiB entries. */
static unsigned count_in_gib(struct ept_plan *plan, uint64_t gib)
{
    if (ept_plan_choose(plan, gib, 3).shape != EPT_SHAPE_TABLE)
        return 0;
    unsigned tables = 1;
    bool plain = !ept_hidden_overlaps(plan->hidden, gib, gib + GIB(1)) &&
                 mtrr_sets_run_at(plan->types, gib).end >= gib + GIB(1);
    for (uint64_t base = gib; !plain && base < gib + GIB(1); base += MIB(2))
        tables += ept_plan_choose(plan, base, 2).shape == EPT_SHAPE_TABLE;
    return tables;
}

static unsigned count_tables(struct ept_plan *plan, const struct memory_map *map)
{
    unsigned tables = 1;
    for (uint64_t top = 0; top < plan->limit; top += level_bytes(4)) {
        if (!is_boot_block(map, plan->hidden, top, 4))
            continue;
        tables++;
        for (uint64_t gib = top; gib < top + level_bytes(4); gib += GIB(1))
            if (is_boot_block(map, plan->hidden, gib, 3))
                tables += count_in_gib(plan, gib);
    }
    return tables;
}

unsigned ept_tables_needed(const struct memory_map *map, const struct mtrr_sets *types,
                           const struct ept_caps *caps, const struct memory_range *hidden,
                           unsigned hidden_count)
{
    struct ept_hidden copy;
    if (check_arguments(caps, hidden, hidden_count, &copy))
        return UINT32_MAX;
    struct ept_plan plan = ept_plan_make(types, &copy, caps);
    return count_tables(&plan, map);
}

void ept_set_pool(struct ept *ept, const struct table_memory *memory, hpa_t pool, unsigned count)
{
    ept->memory = memory;
    ept->pool = pool;
    ept->pool_tables = count;
}

/* One table a level is open at a time, and is filled from its first entry to its last. */
struct builder {
    struct ept *ept;
    const struct memory_map *map;
    struct open_table {
        hpa_t frame;
        uint64_t *entries;
        uint64_t base;
        unsigned index;
    } open[TABLE_LEVELS + 1];
};

static void open_table(struct builder *builder, unsigned level, uint64_t base)
{
    struct ept *ept = builder->ept;
    ASSERT(ept->boot_tables < ept->pool_tables);
    hpa_t frame = HPA(ept->pool.v + ept->boot_tables++ * PAGE_SIZE);
    uint64_t *entries = ept->memory->map(ept->memory->context, frame);
    ASSERT(entries);
    builder->open[level] = (struct open_table){frame, entries, base, 0};
}

static void add_entry(struct builder *builder, unsigned level, uint64_t entry)
{
    struct open_table *table = &builder->open[level];
    table_store(builder->ept->memory, &table->entries[table->index++], entry);
}

/* A table is linked into the one above when it is full. */
static void build_tree(struct builder *builder)
{
    unsigned level = TABLE_LEVELS;
    open_table(builder, level, 0);
    for (;;) {
        struct open_table *table = &builder->open[level];
        if (table->index == TABLE_ENTRIES) {
            if (level == TABLE_LEVELS)
                return;
            add_entry(builder, ++level, table->frame.v | EPT_RIGHTS);
            continue;
        }
        uint64_t base = table->base + table->index * level_bytes(level);
        struct ept_choice choice = {EPT_SHAPE_ABSENT, 0};
        if (is_boot_block(builder->map, &builder->ept->hidden, base, level))
            choice = ept_plan_choose(&builder->ept->plan, base, level);
        if (choice.shape == EPT_SHAPE_TABLE)
            open_table(builder, --level, base);
        else
            add_entry(builder, level, choice.entry);
    }
}

enum error ept_build(struct ept *ept, const struct memory_map *map, const struct mtrr_sets *types,
                     const struct ept_caps *caps, const struct memory_range *hidden,
                     unsigned hidden_count)
{
    enum error error = check_arguments(caps, hidden, hidden_count, &ept->hidden);
    if (error)
        return error;
    struct builder builder = {.ept = ept, .map = map};
    ept->plan = ept_plan_make(types, &ept->hidden, caps);
    uint64_t needed = count_tables(&ept->plan, map);
    if (ept->pool_tables < needed + EPT_RESERVE_MIN)
        return ERROR_NO_SPACE;
    ept->caps = *caps;
    ept->boot_tables = 0;
    build_tree(&builder);
    ept->root = builder.open[TABLE_LEVELS].frame;
    ept_reserve_start(ept);
    return ERROR_NONE;
}

uint64_t ept_pointer(const struct ept *ept) { return ept->root.v | EPTP_WALK_4 | EPTP_TYPE_WB; }
