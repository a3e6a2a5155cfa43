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

/* `part` lies in the gap before range `index`: lets a neighbour of its type grow over it. */
static bool grow_neighbour(struct memory_map *map, uint32_t index, struct memory_range part)
{
    struct memory_range *next = &map->ranges[index], *previous = index ? next - 1 : NULL;
    if (previous && previous->end == part.base && previous->type == part.type) {
        previous->end = part.end;
        merge_with_previous(map, index);
        return true;
    }
    bool grows = index < map->count && next->base == part.end && next->type == part.type;
    if (grows)
        next->base = part.base;
    return grows;
}

/* `part` lies in the gap before range `index`. */
static enum error fill_gap(struct memory_map *map, uint32_t index, struct memory_range part)
{
    if (strictness[part.type] < strictness[map->lost])
        return ERROR_NO_SPACE; /* it may be what was lost that lies here */
    if (grow_neighbour(map, index, part))
        return ERROR_NONE;
    if (map->count == MEMORY_MAP_MAX) {
        map->lost = part.type;
        return ERROR_NO_SPACE;
    }
    insert_range(map, index, part);
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
        if (base < end && strictness[map->ranges[i].type] < strictness[MEMORY_RESERVED])
            return true;
    return false;
}
