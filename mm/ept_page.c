#include "mm/ept.h"
#include "mm/ept_plan.h"
#include "mm/ept_reserve.h"

/* SDM vol. 3, section 29.3.3.1 "EPT Misconfigurations": no write without read; execute alone where
 * the capability is there; types 2, 3 and 7 are reserved. */
static bool is_possible(const struct ept *ept, gpa_t page, hpa_t frame, uint64_t rights,
                        uint8_t type)
{
    bool aligned = IS_ALIGNED(page.v, PAGE_SIZE) && IS_ALIGNED(frame.v, PAGE_SIZE);
    bool in_width = page.v < ept->plan.limit && frame.v < BIT(ept->caps.phys_bits);
    bool good_rights = (rights & ~EPT_RIGHTS) == 0 &&
                       ((rights & EPT_R) || (rights == EPT_X && ept->caps.execute_only));
    bool good_type = type <= MEMORY_TYPE_WB && type != 2 && type != 3;
    return aligned && in_width && good_rights && good_type;
}

/* On the way to `page`, `fresh` tables are new and the touched ones become pinned. The last
 * EPT_RESERVE_MIN frames are never pinned, so that a touch can always be served. */
static bool has_room(const struct ept *ept, gpa_t page, unsigned fresh)
{
    unsigned pinned =
        ept_reserve_count(ept, EPT_TABLE_PINNED) + ept_reserve_count(ept, EPT_TABLE_SPLIT) + fresh;
    for (unsigned i = 0; i < ept->reserve_count; i++)
        if (ept->reserve[i].state == EPT_TABLE_TOUCHED &&
            ept_reserve_spans(&ept->reserve[i], page.v))
            pinned++;
    return fresh <= ept_reserve_count(ept, EPT_TABLE_FREE) &&
           pinned + EPT_RESERVE_MIN <= ept->reserve_count;
}

static void pin_path(struct ept *ept, gpa_t page)
{
    for (unsigned i = 0; i < ept->reserve_count; i++)
        if ((ept->reserve[i].state == EPT_TABLE_TOUCHED ||
             ept->reserve[i].state == EPT_TABLE_SPLIT) &&
            ept_reserve_spans(&ept->reserve[i], page.v))
            ept->reserve[i].state = EPT_TABLE_PINNED;
}

/* What `old`, where a walk ended above `level`, says for one block of `level` below it. */
static uint64_t part_of(const struct walk *old, unsigned level, uint64_t block)
{
    if (!old->mapped)
        return 0;
    uint64_t offset = level_bytes(old->level) - 1;
    uint64_t frame = (old->entry & EPT_ADDRESS & ~offset) | (block & offset);
    uint64_t flags = old->entry & ~(EPT_ADDRESS | EPT_PS);
    return frame | flags | (level > 1 ? EPT_PS : 0);
}

/* A table of `level` that says the same as `old`, but for `entry` at `page`. Gives its link. */
static uint64_t split_table(struct ept *ept, const struct walk *old, unsigned level, gpa_t page,
                            uint64_t entry)
{
    hpa_t frame;
    uint64_t *entries = ept_reserve_take(ept, EPT_TABLE_PINNED, level, page.v, &frame);
    uint64_t base = ALIGN_DOWN(page.v, level_bytes(level + 1));
    unsigned own = level_index(level, page.v);
    for (unsigned i = 0; i < TABLE_ENTRIES; i++) {
        uint64_t value = i == own ? entry : part_of(old, level, base + i * level_bytes(level));
        table_store(ept->memory, &entries[i], value);
    }
    return frame.v | EPT_RIGHTS;
}

static enum error write_page(struct ept *ept, gpa_t page, const struct walk *old, uint64_t entry)
{
    if (!has_room(ept, page, old->level - 1))
        return ERROR_NO_SPACE;
    for (unsigned level = 1; level < old->level; level++)
        entry = split_table(ept, old, level, page, entry);
    pin_path(ept, page);
    table_store(ept->memory, old->slot, entry);
    if (old->mapped)
        ept->counters.split += old->level - 1;
    return ERROR_NONE;
}

enum error ept_set_page(struct ept *ept, gpa_t page, hpa_t frame, uint64_t rights, uint8_t type)
{
    if (!is_possible(ept, page, frame, rights, type))
        return ERROR_RANGE;
    struct walk old = ept_lookup(ept, page);
    return write_page(ept, page, &old, frame.v | rights | (uint64_t)type << EPT_TYPE_SHIFT);
}

enum error ept_clear_page(struct ept *ept, gpa_t page)
{
    if (page.v >= ept->plan.limit || !IS_ALIGNED(page.v, PAGE_SIZE))
        return ERROR_RANGE;
    struct walk old = ept_lookup(ept, page);
    return old.mapped ? write_page(ept, page, &old, 0) : ERROR_NONE;
}
