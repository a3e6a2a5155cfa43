/* What the entry for a block of addresses should be: the rule behind every EPT entry, apart from
 * where it is stored. For mm/ept*.c alone. */
#pragma once

#include "mm/ept.h"

enum ept_shape { EPT_SHAPE_ABSENT, EPT_SHAPE_PAGE, EPT_SHAPE_TABLE };

/* `entry` is complete for a page and 0 otherwise. */
struct ept_choice {
    enum ept_shape shape;
    uint64_t entry;
};

/* The first address that four levels, and this processor, do not have. */
uint64_t ept_plan_limit(const struct ept_caps *caps);

struct ept_plan ept_plan_make(const struct mtrr_sets *types, const struct ept_hidden *hidden,
                              const struct ept_caps *caps);

/* The choice for the block of level_bytes(level) at `base`, a multiple of that. */
struct ept_choice ept_plan_choose(struct ept_plan *plan, uint64_t base, unsigned level);

/* The strictest type in that block. */
uint8_t ept_plan_strictest(struct ept_plan *plan, uint64_t base, unsigned level);

static inline bool ept_hidden_overlaps(const struct ept_hidden *hidden, uint64_t base, uint64_t end)
{
    for (unsigned i = 0; i < hidden->count; i++)
        if (hidden->ranges[i].base < end && base < hidden->ranges[i].end)
            return true;
    return false;
}
