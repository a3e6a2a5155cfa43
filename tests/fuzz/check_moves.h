/* What holds of every plan's moves. */
#pragma once

#include "loader/moves.h"
#include "tests/fuzz/check.h"

static bool meet(uint64_t a, uint64_t a_bytes, uint64_t b, uint64_t b_bytes)
{
    return a_bytes && b_bytes && a < b + b_bytes && b < a + a_bytes;
}

/* What a move reads was written by no earlier one, but for a whole piece that was parked there. */
static void check_read(const struct move *moves, unsigned index)
{
    const struct move *move = &moves[index];
    for (unsigned i = index; i-- > 0;) {
        const struct move *earlier = &moves[i];
        if (!meet(move->from, move->bytes, earlier->to, earlier->bytes))
            continue;
        CHECK(move->from == earlier->to && move->bytes == earlier->bytes);
        return;
    }
}

/* They move something, into usable memory, and lose nothing. */
static void check_moves(const struct memory_map *map, const struct move *moves, unsigned count)
{
    CHECK(count <= MOVES_MAX);
    for (unsigned i = 0; i < count; i++) {
        const struct move *move = &moves[i];
        CHECK(move->bytes != 0 && move->to != move->from);
        CHECK(move->to + move->bytes <= GIB(4));
        CHECK(memory_map_type_of(map, move->to, move->to + move->bytes) == MEMORY_USABLE);
        check_read(moves, i);
    }
}
