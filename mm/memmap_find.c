#include "mm/memmap.h"

#include "base/bits.h"

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

/* One of `avoid` that overlaps [base, end), or NULL. */
static const struct memory_range *obstacle(const struct memory_range *avoid, unsigned count,
                                           uint64_t base, uint64_t end)
{
    for (unsigned i = 0; i < count; i++)
        if (avoid[i].base < end && base < avoid[i].end && avoid[i].base < avoid[i].end)
            return &avoid[i];
    return NULL;
}

/* Each turn but the last goes below one more of `avoid`, so there are at most avoid_count + 1. */
static bool find_in_range(struct memory_range pages, uint64_t size, uint64_t align,
                          const struct memory_range *avoid, unsigned avoid_count, uint64_t *base)
{
    uint64_t end = ALIGN_DOWN(pages.end, align);
    while (end > pages.base && end - pages.base >= size) {
        const struct memory_range *in_way = obstacle(avoid, avoid_count, end - size, end);
        if (!in_way) {
            *base = end - size;
            return true;
        }
        end = ALIGN_DOWN(in_way->base, align);
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

enum error memory_map_find_bottom(const struct memory_map *map, uint64_t size, uint64_t align,
                                  uint64_t low, uint64_t limit, const struct memory_range *avoid,
                                  unsigned avoid_count, uint64_t *base)
{
    size = ALIGN_UP(size, PAGE_SIZE);
    for (uint32_t i = 0; i < map->count; i++) {
        struct memory_range pages = usable_pages(&map->ranges[i]);
        uint64_t at = max_u64(pages.base, low), end = min_u64(pages.end, limit);
        while (at < end && (at = ALIGN_UP(at, max_u64(align, PAGE_SIZE))) < end &&
               end - at >= size) {
            const struct memory_range *in_way = obstacle(avoid, avoid_count, at, at + size);
            if (!in_way) {
                *base = at;
                return ERROR_NONE;
            }
            at = in_way->end;
        }
    }
    return ERROR_NOT_FOUND;
}

uint64_t memory_map_run(const struct memory_map *map, uint64_t base, uint64_t limit)
{
    for (uint32_t i = 0; i < map->count; i++) {
        const struct memory_range *range = &map->ranges[i];
        if (range->type == MEMORY_USABLE && range->base <= base && base < range->end)
            return min_u64(range->end, limit) - base;
    }
    return 0;
}

enum error memory_map_find_low_page(const struct memory_map *map, const struct memory_range *avoid,
                                    unsigned avoid_count, uint64_t low, uint64_t high,
                                    uint64_t *base)
{
    return find_highest(map, PAGE_SIZE, PAGE_SIZE, (struct memory_range){low, high, 0}, avoid,
                        avoid_count, base);
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
