#include "mm/ept_reserve.h"

#include "base/panic.h"

void ept_reserve_start(struct ept *ept)
{
    ept->reserve_count = min_u64(ept->pool_tables - ept->boot_tables, EPT_RESERVE_MAX);
    ept->stamp = 0;
    for (unsigned i = 0; i < ept->reserve_count; i++)
        ept->reserve[i] = (struct ept_reserve){.state = EPT_TABLE_FREE};
    ept->counters = (struct ept_counters){.reserve_low_water = ept->reserve_count};
}

unsigned ept_reserve_count(const struct ept *ept, enum ept_table_state state)
{
    unsigned count = 0;
    for (unsigned i = 0; i < ept->reserve_count; i++)
        count += ept->reserve[i].state == state;
    return count;
}

static hpa_t frame_of(const struct ept *ept, const struct ept_reserve *table)
{
    return HPA(ept->pool.v + (ept->boot_tables + (table - ept->reserve)) * PAGE_SIZE);
}

static uint64_t span_of(unsigned level) { return level_bytes(level + 1); }

bool ept_reserve_spans(const struct ept_reserve *table, uint64_t address)
{
    return address >= table->base && address - table->base < span_of(table->level);
}

uint64_t *ept_reserve_take(struct ept *ept, enum ept_table_state state, unsigned level,
                           uint64_t address, hpa_t *frame)
{
    unsigned i = 0;
    while (i < ept->reserve_count && ept->reserve[i].state != EPT_TABLE_FREE)
        i++;
    ASSERT(i < ept->reserve_count);
    uint64_t base = ALIGN_DOWN(address, span_of(level));
    ept->reserve[i] = (struct ept_reserve){state, level, base, ++ept->stamp};
    ept->counters.reserve_low_water =
        min_u64(ept->counters.reserve_low_water, ept_reserve_count(ept, EPT_TABLE_FREE));
    *frame = frame_of(ept, &ept->reserve[i]);
    return ept->memory->map(ept->memory->context, *frame);
}

bool ept_reserve_has_split(const struct ept *ept)
{
    return ept_reserve_count(ept, EPT_TABLE_FREE) > EPT_RESERVE_MIN;
}

const struct ept_reserve *ept_reserve_linked(const struct ept *ept, uint64_t entry)
{
    uint64_t number = ((entry & EPT_ADDRESS) - ept->pool.v) / PAGE_SIZE;
    return number < ept->boot_tables ? NULL : &ept->reserve[number - ept->boot_tables];
}

/* A PINNED table below would have pinned this one too. */
void ept_reserve_give_back(struct ept *ept, const struct ept_reserve *top)
{
    const struct ept_reserve span = *top;
    for (unsigned i = 0; i < ept->reserve_count; i++)
        if (ept->reserve[i].state == EPT_TABLE_SPLIT && ept->reserve[i].level <= span.level &&
            ept_reserve_spans(&span, ept->reserve[i].base))
            ept->reserve[i].state = EPT_TABLE_FREE;
}

void ept_reclaim(struct ept *ept)
{
    for (unsigned i = 0; i < ept->reserve_count; i++)
        if (ept->reserve[i].state == EPT_TABLE_DROPPED)
            ept->reserve[i].state = EPT_TABLE_FREE;
}

static struct ept_reserve *oldest_touched(struct ept *ept)
{
    struct ept_reserve *oldest = NULL;
    for (unsigned i = 0; i < ept->reserve_count; i++) {
        struct ept_reserve *table = &ept->reserve[i];
        if (table->state == EPT_TABLE_TOUCHED && (!oldest || table->stamp < oldest->stamp))
            oldest = table;
    }
    return oldest;
}

/* The entry that links `table`: each table above it is in use, or it would have gone with it. */
static uint64_t *link_of(const struct ept *ept, const struct ept_reserve *table)
{
    uint64_t entry = ept->root.v;
    for (unsigned level = TABLE_LEVELS;; level--) {
        uint64_t *entries = ept->memory->map(ept->memory->context, HPA(entry & EPT_ADDRESS));
        uint64_t *slot = &entries[level_index(level, table->base)];
        if (level == table->level + 1)
            return slot;
        entry = *slot;
        ASSERT((entry & EPT_RIGHTS) && !(entry & EPT_PS));
    }
}

/* Unlinks one table; those that it led to go with it. None of them is pinned: pinning a table pins
 * all above it. */
static void drop_table(struct ept *ept, const struct ept_reserve *top)
{
    uint64_t *slot = link_of(ept, top);
    ASSERT((*slot & EPT_ADDRESS) == frame_of(ept, top).v);
    table_store(ept->memory, slot, 0);
    for (unsigned i = 0; i < ept->reserve_count; i++) {
        struct ept_reserve *table = &ept->reserve[i];
        if (table->state != EPT_TABLE_TOUCHED || table->level > top->level ||
            !ept_reserve_spans(top, table->base))
            continue;
        table->state = EPT_TABLE_DROPPED;
        ept->counters.dropped++;
    }
}

bool ept_drop_touched(struct ept *ept, unsigned tables)
{
    for (;;) {
        unsigned free = ept_reserve_count(ept, EPT_TABLE_FREE);
        if (free + ept_reserve_count(ept, EPT_TABLE_DROPPED) >= tables)
            return true;
        struct ept_reserve *oldest = oldest_touched(ept);
        if (!oldest)
            return false;
        drop_table(ept, oldest);
    }
}
