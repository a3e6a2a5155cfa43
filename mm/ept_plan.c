#include "mm/ept_plan.h"

/* SDM vol. 3, section 29.3.2 "EPT Translation Mechanism": four levels translate 48 bits; an access
 * above them is a violation. */
uint64_t ept_plan_limit(const struct ept_caps *caps) { return BIT(min_u64(caps->phys_bits, 48)); }

struct ept_plan ept_plan_make(const struct mtrr_sets *types, const struct ept_hidden *hidden,
                              const struct ept_caps *caps)
{
    return (struct ept_plan){
        .types = types,
        .hidden = hidden,
        .limit = ept_plan_limit(caps),
        .page_1g = caps->page_1g,
        .looks = UINT32_MAX,
    };
}

static __attribute__((noinline)) void look_up_run(struct ept_plan *plan, uint64_t base)
{
    const struct mtrr_run uncached = {0, UINT64_MAX, MEMORY_TYPE_UC};
    plan->run = plan->looks ? mtrr_sets_run_at(plan->types, base) : uncached;
    plan->looks -= plan->looks > 0;
}

/* The last run is kept: blocks are asked for in rising order, and touches lie near each other. One
 * that was begun before `base` may have been cut short earlier than one from `base` would be: the
 * answer must not depend on what was asked before, or counting and building would differ. */
static bool has_one_type(struct ept_plan *plan, uint64_t base, uint64_t end)
{
    const struct mtrr_run *run = &plan->run;
    if (base < run->base || run->end < end)
        look_up_run(plan, base);
    return end <= run->end;
}

static struct ept_choice page(const struct ept_plan *plan, uint64_t base, unsigned level)
{
    uint64_t entry = base | EPT_RIGHTS | (uint64_t)plan->run.type << EPT_TYPE_SHIFT;
    return (struct ept_choice){EPT_SHAPE_PAGE, entry | (level > 1 ? EPT_PS : 0)};
}

struct ept_choice ept_plan_choose(struct ept_plan *plan, uint64_t base, unsigned level)
{
    const struct ept_choice absent = {EPT_SHAPE_ABSENT, 0}, table = {EPT_SHAPE_TABLE, 0};
    uint64_t end = base + level_bytes(level);
    if (base >= plan->limit)
        return absent;
    if (ept_hidden_overlaps(plan->hidden, base, end))
        return level == 1 ? absent : table;
    if (level == 4 || (level == 3 && !plan->page_1g))
        return table;
    return has_one_type(plan, base, end) ? page(plan, base, level) : table;
}

uint8_t ept_plan_strictest(struct ept_plan *plan, uint64_t base, unsigned level)
{
    uint64_t end = base + level_bytes(level);
    look_up_run(plan, base);
    uint8_t type = plan->run.type;
    while (plan->run.end < end && type != MEMORY_TYPE_UC) {
        look_up_run(plan, plan->run.end);
        type = mtrr_stricter(type, plan->run.type);
    }
    return type;
}
