#include "lib/string.h"
#include "mm/ept.h"
#include "mm/ept_plan.h"
#include "mm/ept_reserve.h"

/* Contiguous masks make some hundreds of runs at most; a mask with holes, any number. */
#define LOOKS 4096

struct retype {
    struct ept *ept;
    struct ept_retyped done;
};

static uint64_t typed(uint64_t block, unsigned level, uint8_t type)
{
    return block | EPT_RIGHTS | (uint64_t)type << EPT_TYPE_SHIFT | (level > 1 ? EPT_PS : 0);
}

/* A block of more than one type: a table, or what is right for all of it. */
static uint64_t split(struct retype *job, uint64_t block, unsigned level)
{
    struct ept *ept = job->ept;
    hpa_t frame;
    if (!ept_reserve_has_split(ept)) {
        job->done.strict++;
        return typed(block, level, ept_plan_strictest(&ept->plan, block, level));
    }
    uint64_t *entries = ept_reserve_take(ept, EPT_TABLE_SPLIT, --level, block, &frame);
    for (unsigned i = 0; i < TABLE_ENTRIES; i++, block += level_bytes(level)) {
        struct ept_choice choice = ept_plan_choose(&ept->plan, block, level);
        uint64_t entry = choice.shape == EPT_SHAPE_PAGE ? choice.entry : split(job, block, level);
        table_store(ept->memory, &entries[i], entry);
    }
    job->done.split++;
    return frame.v | EPT_RIGHTS;
}

static bool is_link(uint64_t entry, unsigned level)
{
    return (entry & EPT_RIGHTS) && level > 1 && !(entry & EPT_PS);
}

/* Not one that was set, nor one in a hidden range. */
static bool has_type_of_plan(const struct ept *ept, uint64_t entry, uint64_t block)
{
    return (entry & EPT_RIGHTS) == EPT_RIGHTS && (entry & EPT_ADDRESS) == block &&
           !ept_hidden_overlaps(&ept->hidden, block, block + PAGE_SIZE);
}

static uint64_t entry_now(struct retype *job, uint64_t old, uint64_t block, unsigned level)
{
    struct ept *ept = job->ept;
    bool link = is_link(old, level);
    const struct ept_reserve *table = link ? ept_reserve_linked(ept, old) : NULL;
    if (link ? !table || table->state != EPT_TABLE_SPLIT : !has_type_of_plan(ept, old, block))
        return old;
    struct ept_choice choice = ept_plan_choose(&ept->plan, block, level);
    if (choice.shape == EPT_SHAPE_PAGE) {
        if (table)
            ept_reserve_give_back(ept, table);
        return choice.entry;
    }
    return link ? old : split(job, block, level);
}

static void retype_table(struct retype *job, hpa_t table, unsigned level, uint64_t base)
{
    const struct table_memory *memory = job->ept->memory;
    uint64_t *entries = memory->map(memory->context, table);
    for (unsigned i = 0; i < TABLE_ENTRIES; i++, base += level_bytes(level)) {
        uint64_t entry = entry_now(job, entries[i], base, level);
        if (entry != entries[i]) {
            table_store(memory, &entries[i], entry);
            job->done.changed++;
        }
        if (is_link(entry, level))
            retype_table(job, HPA(entry & EPT_ADDRESS), level - 1, base);
        else if (entry & EPT_RIGHTS)
            job->done.kib[ept_entry_type(entry)] += level_bytes(level) / KIB(1);
    }
}

static void retype_all(struct retype *job)
{
    struct ept_plan *plan = &job->ept->plan;
    job->done.strict = 0;
    memset(job->done.kib, 0, sizeof(job->done.kib));
    plan->run.end = 0;
    plan->looks = LOOKS;
    retype_table(job, job->ept->root, TABLE_LEVELS, 0);
    job->done.strict += !plan->looks;
    plan->run.end = 0;
    plan->looks = UINT32_MAX;
}

struct ept_retyped ept_retype(struct ept *ept)
{
    struct retype job = {.ept = ept};
    ept_drop_touched(ept, UINT32_MAX);
    ept_reclaim(ept);
    retype_all(&job);
    if (job.done.strict) /* what was joined behind it may have given tables back */
        retype_all(&job);
    return job.done;
}
