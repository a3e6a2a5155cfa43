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

/* Does this table, in use or not, span `address`? */
bool ept_reserve_spans(const struct ept_reserve *table, uint64_t address);
