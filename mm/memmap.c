#include "mm/memmap.h"

#include "base/bits.h"

/* How strict a type is; 0 stands for types that do not exist. */
static const uint8_t strictness[] = {
    [MEMORY_USABLE] = 1,   [MEMORY_ACPI_RECLAIMABLE] = 2,
    [MEMORY_ACPI_NVS] = 3, [MEMORY_RESERVED] = 4,
    [MEMORY_BAD] = 5,
};

static uint32_t known_type(uint32_t type)
{
    return type < ARRAY_SIZE(strictness) && strictness[type] ? type : MEMORY_RESERVED;
}

/* The first range that ends above `address`: the one that holds it, else the next one. */
static uint32_t range_from(const struct memory_map *map, uint64_t address)
{
    uint32_t i = 0;
    while (i < map->count && map->ranges[i].end <= address)
        i++;
    return i;
}

/* The caller knows that there is room. */
static void insert_range(struct memory_map *map, uint32_t index, struct memory_range range)
{
    for (uint32_t i = map->count++; i > index; i--)
        map->ranges[i] = map->ranges[i - 1];
    map->ranges[index] = range;
}

/* Joins range `index` with the one before it if they touch and have one type. */
static void merge_with_previous(struct memory_map *map, uint32_t index)
{
    if (index == 0 || index >= map->count)
        return;
    struct memory_range *range = &map->ranges[index], *previous = range - 1;
    if (previous->end != range->base || previous->type != range->type)
        return;
    previous->end = range->end;
    map->count--;
    for (uint32_t i = index; i < map->count; i++)
        map->ranges[i] = map->ranges[i + 1];
}

static void merge_around(struct memory_map *map, uint32_t index)
{
    merge_with_previous(map, index + 1);
    merge_with_previous(map, index);
}

/* `part` lies in the gap before range `index`. */
static enum error fill_gap(struct memory_map *map, uint32_t index, struct memory_range part)
{
    if (map->count == MEMORY_MAP_MAX)
        return ERROR_NO_SPACE;
    insert_range(map, index, part);
    merge_around(map, index);
    return ERROR_NONE;
}

/* `part` lies inside range `index`. Without room for the rest of the range, the whole range takes
 * a stricter type, and keeps its own rather than a looser one. */
static enum error change_part(struct memory_map *map, uint32_t index, struct memory_range part)
{
    struct memory_range old = map->ranges[index];
    bool left = old.base < part.base, right = part.end < old.end;
    bool room = map->count + left + right <= MEMORY_MAP_MAX;
    if (!room && strictness[part.type] < strictness[old.type])
        return ERROR_NO_SPACE;
    if (!room)
        part.base = old.base, part.end = old.end;
    if (room && right)
        insert_range(map, index + 1, (struct memory_range){part.end, old.end, old.type});
    if (room && left)
        insert_range(map, index++, (struct memory_range){old.base, part.base, old.type});
    map->ranges[index] = part;
    merge_around(map, index);
    return room ? ERROR_NONE : ERROR_NO_SPACE;
}

/* Goes through [base, end) from one gap or range to the next, so each step sees one old type. */
static enum error paint(struct memory_map *map, uint64_t base, uint64_t end, uint32_t type,
                        bool override)
{
    enum error result = ERROR_NONE;
    while (base < end) {
        uint32_t i = range_from(map, base);
        const struct memory_range *range = &map->ranges[i];
        bool gap = i == map->count || base < range->base;
        uint64_t stop = i == map->count ? end : min_u64(end, gap ? range->base : range->end);
        struct memory_range part = {base, stop, type};
        enum error error = ERROR_NONE;
        if (gap)
            error = fill_gap(map, i, part);
        else if (override ? type != range->type : strictness[type] > strictness[range->type])
            error = change_part(map, i, part);
        if (error)
            result = error;
        base = stop;
    }
    return result;
}

enum error memory_map_add(struct memory_map *map, uint64_t base, uint64_t length, uint32_t type)
{
    uint64_t end = length > UINT64_MAX - base ? UINT64_MAX : base + length;
    return paint(map, base, end, known_type(type), false);
}

enum error memory_map_set(struct memory_map *map, uint64_t base, uint64_t end, uint32_t type)
{
    return paint(map, base, end, known_type(type), true);
}

/* The whole pages of a usable range; empty for any other. */
static struct memory_range usable_pages(const struct memory_range *range)
{
    struct memory_range pages = {0, 0, range->type};
    if (range->type != MEMORY_USABLE || range->base > UINT64_MAX - PAGE_MASK)
        return pages;
    pages.base = ALIGN_UP(range->base, PAGE_SIZE);
    pages.end = max_u64(pages.base, ALIGN_DOWN(range->end, PAGE_SIZE));
    return pages;
}

/* Does one of `avoid` overlap [base, end)? If so, `*below` is where the lowest such begins. */
static bool is_taken(const struct memory_range *avoid, unsigned count, uint64_t base, uint64_t end,
                     uint64_t *below)
{
    bool taken = false;
    *below = end;
    for (unsigned i = 0; i < count; i++) {
        if (avoid[i].base < end && base < avoid[i].end && avoid[i].base < avoid[i].end) {
            taken = true;
            *below = min_u64(*below, avoid[i].base);
        }
    }
    return taken;
}

/* Each turn but the last goes below one more of `avoid`, so there are at most avoid_count + 1. */
static bool find_in_range(struct memory_range pages, uint64_t size, uint64_t align,
                          const struct memory_range *avoid, unsigned avoid_count, uint64_t *base)
{
    uint64_t end = ALIGN_DOWN(pages.end, align), below;
    while (end > pages.base && end - pages.base >= size) {
        if (!is_taken(avoid, avoid_count, end - size, end, &below)) {
            *base = end - size;
            return true;
        }
        end = ALIGN_DOWN(below, align);
    }
    return false;
}

static enum error find_highest(const struct memory_map *map, uint64_t size, uint64_t align,
                               struct memory_range within, const struct memory_range *avoid,
                               unsigned avoid_count, uint64_t *base)
{
    for (uint32_t i = map->count; i-- > 0;) {
        struct memory_range range = map->ranges[i];
        range.base = max_u64(range.base, within.base);
        range.end = min_u64(range.end, within.end);
        if (range.base < range.end &&
            find_in_range(usable_pages(&range), size, align, avoid, avoid_count, base))
            return ERROR_NONE;
    }
    return ERROR_NOT_FOUND;
}

enum error memory_map_find_top(const struct memory_map *map, uint64_t size, uint64_t align,
                               uint64_t limit, const struct memory_range *avoid,
                               unsigned avoid_count, uint64_t *base)
{
    if (size == 0 || size > UINT64_MAX - PAGE_MASK || align == 0 || (align & (align - 1)))
        return ERROR_RANGE;
    return find_highest(map, ALIGN_UP(size, PAGE_SIZE), max_u64(align, PAGE_SIZE),
                        (struct memory_range){0, limit, 0}, avoid, avoid_count, base);
}

enum error memory_map_find_low_page(const struct memory_map *map, const struct memory_range *avoid,
                                    unsigned avoid_count, uint64_t low, uint64_t high,
                                    uint64_t *base)
{
    return find_highest(map, PAGE_SIZE, PAGE_SIZE, (struct memory_range){low, high, 0}, avoid,
                        avoid_count, base);
}

uint32_t memory_map_type_of(const struct memory_map *map, uint64_t base, uint64_t end)
{
    uint32_t i = range_from(map, base);
    if (base >= end || i == map->count)
        return 0;
    const struct memory_range *range = &map->ranges[i];
    return range->base <= base && end <= range->end ? range->type : 0;
}

bool memory_map_holds_ram(const struct memory_map *map, uint64_t base, uint64_t end)
{
    for (uint32_t i = range_from(map, base); i < map->count && map->ranges[i].base < end; i++)
        if (strictness[map->ranges[i].type] < strictness[MEMORY_RESERVED])
            return true;
    return false;
}

uint64_t memory_map_top(const struct memory_map *map)
{
    for (uint32_t i = map->count; i-- > 0;) {
        struct memory_range pages = usable_pages(&map->ranges[i]);
        if (pages.base < pages.end)
            return pages.end;
    }
    return 0;
}

uint64_t memory_map_usable_bytes(const struct memory_map *map)
{
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < map->count; i++) {
        struct memory_range pages = usable_pages(&map->ranges[i]);
        bytes += pages.end - pages.base;
    }
    return bytes;
}
