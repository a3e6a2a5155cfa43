/* The memory map: what the firmware says each physical address is, kept normalised at all times:
 * sorted, disjoint, neighbours of one type merged, the stricter type where entries overlap. Pure.
 * An address that no range holds is a gap: no memory that anybody told of. */
#pragma once

#include "base/error.h"
#include "base/types.h"

#define MEMORY_MAP_MAX 128

/* The numbers of multiboot2 and of ACPI's address map (ACPI 6.5, section 15.1, "INT 15H, E820H -
 * Query System Address Map"). From loose to strict: usable, reclaimable, NVS, reserved, bad. */
enum memory_kind {
    MEMORY_USABLE = 1,
    MEMORY_RESERVED = 2,
    MEMORY_ACPI_RECLAIMABLE = 3,
    MEMORY_ACPI_NVS = 4,
    MEMORY_BAD = 5,
};

/* Half-open [base, end), in bytes. */
struct memory_range {
    uint64_t base, end;
    uint32_t type;
};

/* All zeroes is the empty map. */
struct memory_map {
    uint32_t count;
    uint32_t lost; /* the strictest type that found no room; 0: all did */
    struct memory_range ranges[MEMORY_MAP_MAX];
};

/* Adds one entry of the firmware's, in any order; where it overlaps, the stricter type wins. Length
 * 0 is ignored, an unknown type is reserved, an entry that would wrap is clipped at 2^64 - 1 (the
 * last byte of the address space belongs to nobody).
 * ERROR_NO_SPACE: the table is full or has one entry left. The map is still normalised and errs on
 * the safe side: a usable part may be missing, a whole range may have become stricter, nothing is
 * looser than what was added so far. What found no room in a gap left the gap as it was, and from
 * then on no looser type is let into gaps. */
MUST_CHECK enum error memory_map_add(struct memory_map *map, uint64_t base, uint64_t length,
                                     uint32_t type);

/* Gives [base, end) one type whatever it was before. ERROR_NO_SPACE as above. */
MUST_CHECK enum error memory_map_set(struct memory_map *map, uint64_t base, uint64_t end,
                                     uint32_t type);

/* The highest `size` bytes (rounded up to pages) of whole usable pages that end on a multiple of
 * `align` (a power of two, at least a page is taken), at or below `limit`, and that overlap none of
 * `avoid` (in any order; the types are not looked at). ERROR_NOT_FOUND, or ERROR_RANGE where the
 * question makes no sense (size 0, or align no power of two). */
MUST_CHECK enum error memory_map_find_top(const struct memory_map *map, uint64_t size,
                                          uint64_t align, uint64_t limit,
                                          const struct memory_range *avoid, unsigned avoid_count,
                                          uint64_t *base);

/* The same from below: the lowest such bytes inside [low, limit) that begin on a multiple of
 * `align`. That the question makes sense is the caller's to see to. */
MUST_CHECK enum error memory_map_find_bottom(const struct memory_map *map, uint64_t size,
                                             uint64_t align, uint64_t low, uint64_t limit,
                                             const struct memory_range *avoid, unsigned avoid_count,
                                             uint64_t *base);

/* Usable bytes from `base` on, without a gap, up to `limit`. */
uint64_t memory_map_run(const struct memory_map *map, uint64_t base, uint64_t limit);

/* The highest whole usable page inside [low, high) that overlaps none of `avoid`. */
MUST_CHECK enum error memory_map_find_low_page(const struct memory_map *map,
                                               const struct memory_range *avoid,
                                               unsigned avoid_count, uint64_t low, uint64_t high,
                                               uint64_t *base);

/* The one type that all of [base, end) has; 0 where it has none (a gap in it, two types, empty). */
uint32_t memory_map_type_of(const struct memory_map *map, uint64_t base, uint64_t end);

/* Is a byte of [base, end) memory, in use by whomever: usable, ACPI reclaimable or NVS? */
bool memory_map_holds_ram(const struct memory_map *map, uint64_t base, uint64_t end);

/* The end of the highest usable whole page; 0 without any. */
uint64_t memory_map_top(const struct memory_map *map);

/* All usable whole pages together, in bytes. */
uint64_t memory_map_usable_bytes(const struct memory_map *map);
