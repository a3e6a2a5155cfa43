#include "mm/walk.h"

#include "mm/pte.h"

const struct table_format table_format_x86_64 = {
    .present = PTE_P,
    .large = PTE_PS,
    .address = PTE_ADDRESS,
    .levels = TABLE_LEVELS,
    .large_level = 3,
};

const struct table_format table_format_ept = {
    .present = EPT_RIGHTS,
    .large = EPT_PS,
    .address = EPT_ADDRESS,
    .levels = TABLE_LEVELS,
    .large_level = 3,
};

static bool is_page(const struct table_format *format, unsigned level, uint64_t entry)
{
    return level == 1 || (level <= format->large_level && (entry & format->large));
}

struct walk walk_lookup(const struct table_format *format, const struct table_memory *memory,
                        hpa_t root, uint64_t address)
{
    struct walk walk = {.level = format->levels, .entry = root.v};
    for (;; walk.level--) {
        uint64_t *table = memory->map(memory->context, HPA(walk.entry & format->address));
        walk.slot = table ? &table[level_index(walk.level, address)] : NULL;
        if (!walk.slot)
            return walk;
        walk.entry = __atomic_load_n(walk.slot, __ATOMIC_RELAXED);
        if (!(walk.entry & format->present))
            return walk;
        if (is_page(format, walk.level, walk.entry))
            break;
    }
    uint64_t offset = level_bytes(walk.level) - 1;
    walk.mapped = true;
    walk.address = (walk.entry & format->address & ~offset) | (address & offset);
    return walk;
}
