/* The frames of the pool that the boot map left over. For mm/ept*.c alone. */
#pragma once

#include "mm/ept.h"

/* All frames behind the boot tables become free, up to EPT_RESERVE_MAX. */
void ept_reserve_start(struct ept *ept);

unsigned ept_reserve_count(const struct ept *ept, enum ept_table_state state);

/* A free frame, which the caller has made sure of, as a table of `level` that spans `address`. Its
 * old content is still there. `*frame` is its address. */
uint64_t *ept_reserve_take(struct ept *ept, enum ept_table_state state, unsigned level,
                           uint64_t address, hpa_t *frame);

/* May a table be taken, and kept? The last EPT_RESERVE_MIN frames never are. */
bool ept_reserve_has_split(const struct ept *ept);

/* The frame of the reserve that an entry links, NULL for a table of the boot map; and back to it,
 * with all SPLIT tables below. */
const struct ept_reserve *ept_reserve_linked(const struct ept *ept, uint64_t entry);
void ept_reserve_give_back(struct ept *ept, const struct ept_reserve *table);

/* Does this table, in use or not, span `address`? */
bool ept_reserve_spans(const struct ept_reserve *table, uint64_t address);
