/* Moves of memory onto memory: an order in which nothing is overwritten before it has been read.
 * Pure. */
#pragma once

#include "mm/memmap.h"

#define MOVES_WANTED_MAX 16u
#define MOVES_MAX        (2 * MOVES_WANTED_MAX) /* each one may go by way of a parking place */
#define MOVES_KEEP_MAX   4u

/* From [from, + bytes) to [to, + bytes), which may overlap, as memmove does it. */
struct move {
    uint64_t to, from, bytes;
};

/* Orders `wanted` (at most MOVES_WANTED_MAX, targets disjoint, below 4 GiB, each source as it is
 * before the first move) into `out`. Moves onto themselves are left out. Where each waits for
 * another, the smallest in the way is parked in usable memory below 4 GiB that is no target, no
 * source that is still to be read, and not in `keep`. ERROR_NO_SPACE: there is none, of
 * `*missing_bytes`. */
MUST_CHECK enum error moves_order(const struct memory_map *map, const struct move *wanted,
                                  unsigned count, const struct memory_range *keep,
                                  unsigned keep_count, struct move out[MOVES_MAX],
                                  unsigned *out_count, uint64_t *missing_bytes);
