/* For what puts a guest into its memory: kernel/guest_*.c. */
#pragma once

#include "base/error.h"
#include "loader/moves.h"

/* What is usable to the guest is not Orlop's, and may be written: an error is a panic. */
void guest_must(enum error error);

/* Writes into the guest's memory. */
void guest_put(uint64_t to, const void *from, uint64_t bytes);

/* Carries out a loader's plan: the moves in their order, then what is to be zeroes. */
void guest_carry_out(const struct move *moves, unsigned move_count,
                     const struct memory_range *zeroes, unsigned zero_count);
