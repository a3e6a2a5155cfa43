/* Orlop's final place: one range at the top of the highest usable RAM below 4 GiB, sized for all
 * that will ever be needed. The image is copied to its bottom, and the host's tables map it there
 * at the address it was linked for, so that nothing is relocated and nothing notices. */
#pragma once

#include "base/error.h"
#include "mm/memmap.h"

struct place {
    hpa_t base, end;
    hpa_t cr3; /* the host's tables */
};

/* How much the range must hold. */
struct place_needs {
    uint32_t cpus;
    unsigned ept_tables; /* reserve included */
    uint64_t log_bytes;
};

#define PLACE_ALIGN MIB(2)

/* Find the range, avoiding what is still needed. ERROR_NOT_FOUND: no such room. */
MUST_CHECK enum error place_find(const struct place_needs *needs, const struct memory_map *map,
                                 const struct memory_range *avoid, unsigned avoid_count,
                                 struct place *place);

/* Build the host's tables in the range, for an image that now lies at `image`. Boot map in force.
 */
void place_build(const struct place_needs *needs, struct place *place);

/* Copy the image and go on in the copy, on the host's tables. The boot map is gone afterwards. */
void place_move(struct place *place, hpa_t image);

/* Give a CPU's slot its stacks and areas. */
void place_map_slot(uint32_t number);
