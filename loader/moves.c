#include "loader/moves.h"

#include "lib/string.h"

static bool overlap(uint64_t a, uint64_t a_bytes, uint64_t b, uint64_t b_bytes)
{
    return a < b + b_bytes && b < a + a_bytes;
}

/* `writer` would overwrite what `reader` still has to read. */
static bool in_way(const struct move *reader, const struct move *writer)
{
    return reader != writer && overlap(writer->to, writer->bytes, reader->from, reader->bytes);
}

static bool blocked(const struct move *left, unsigned count, const struct move *writer)
{
    for (unsigned i = 0; i < count; i++)
        if (in_way(&left[i], writer))
            return true;
    return false;
}

/* The smallest move whose source another one waits for; there is one when all are blocked. */
static struct move *smallest_in_way(struct move *left, unsigned count)
{
    struct move *best = NULL;
    for (unsigned i = 0; i < count; i++)
        for (unsigned j = 0; j < count; j++)
            if (in_way(&left[i], &left[j]) && (!best || left[i].bytes < best->bytes))
                best = &left[i];
    return best;
}

/* Fills `avoid` with what a parking place may not meet; returns how many. */
static unsigned list_avoid(const struct move *wanted, unsigned wanted_count,
                           const struct move *left, unsigned left_count,
                           const struct memory_range *keep, unsigned keep_count,
                           struct memory_range *avoid)
{
    unsigned count = 0;
    for (unsigned i = 0; i < wanted_count; i++)
        avoid[count++] = (struct memory_range){wanted[i].to, wanted[i].to + wanted[i].bytes, 0};
    for (unsigned i = 0; i < left_count; i++)
        avoid[count++] = (struct memory_range){left[i].from, left[i].from + left[i].bytes, 0};
    for (unsigned i = 0; i < keep_count; i++)
        avoid[count++] = keep[i];
    return count;
}

enum error moves_order(const struct memory_map *map, const struct move *wanted, unsigned count,
                       const struct memory_range *keep, unsigned keep_count,
                       struct move out[MOVES_MAX], unsigned *out_count, uint64_t *missing_bytes)
{
    struct move left[MOVES_WANTED_MAX];
    struct memory_range avoid[2 * MOVES_WANTED_MAX + MOVES_KEEP_MAX];
    unsigned left_count = count;
    *out_count = 0;
    memcpy(left, wanted, count * sizeof(*left));
    while (left_count) {
        unsigned i = 0;
        while (i < left_count && blocked(left, left_count, &left[i]))
            i++;
        if (i < left_count) {
            if (left[i].to != left[i].from)
                out[(*out_count)++] = left[i];
            left[i] = left[--left_count];
            continue;
        }
        struct move *parked = smallest_in_way(left, left_count);
        struct move park = *parked;
        i = list_avoid(wanted, count, left, left_count, keep, keep_count, avoid);
        if (memory_map_find_top(map, park.bytes, 1, GIB(4), avoid, i, &park.to) != ERROR_NONE) {
            *missing_bytes = park.bytes;
            return ERROR_NO_SPACE;
        }
        out[(*out_count)++] = park;
        parked->from = park.to;
    }
    return ERROR_NONE;
}
