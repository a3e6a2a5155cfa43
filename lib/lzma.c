#include "lib/lzma.h"

#define STATES        12u
#define AFTER_MATCH   7u /* the first of the states behind a match */
#define DIRECT_SLOT   14u
#define LOW_BITS      4u
#define SHORTEST      2u
#define HALF          1024u
#define PROBABLE_BITS 11u
#define ADAPT_BITS    5u

/* Where in the probabilities. */
enum {
    IS_MATCH = 0, /* these by state */
    IS_REPEAT = IS_MATCH + STATES,
    IS_OLDER = IS_REPEAT + STATES, /* not the newest distance */
    IS_THIRD = IS_OLDER + STATES,
    IS_FOURTH = IS_THIRD + STATES,
    IS_LONG = IS_FOURTH + STATES,
    LENGTHS = IS_LONG + STATES, /* two choices, trees of 3, 3 and 8 bits */
    REPEAT_LENGTHS = LENGTHS + 2 + 8 + 8 + 256,
    SLOTS = REPEAT_LENGTHS + 2 + 8 + 8 + 256, /* four trees of 6 bits */
    DISTANCES = SLOTS + 4 * 64,
    LOWEST = DISTANCES + 1 + 128 - DIRECT_SLOT,
    LITERALS = LOWEST + 16, /* plain, and beside a bit 0 or 1 of another byte */
    ALL = LITERALS + 3 * 256,
};
_Static_assert(ALL == LZMA_PROBABILITIES, "as many as there are");

static uint8_t next_byte(struct lzma *lzma)
{
    if (lzma->in < lzma->in_end)
        return *lzma->in++;
    lzma->short_of_input = true;
    return 0;
}

static void normalize(struct lzma *lzma)
{
    if (lzma->range >> 24)
        return;
    lzma->range <<= 8;
    lzma->code = lzma->code << 8 | next_byte(lzma);
}

static uint32_t bit(struct lzma *lzma, unsigned index)
{
    uint16_t *probability = &lzma->probability[index];
    uint32_t bound = (lzma->range >> PROBABLE_BITS) * *probability;
    uint32_t one = lzma->code >= bound;
    if (one) {
        lzma->range -= bound;
        lzma->code -= bound;
        *probability -= *probability >> ADAPT_BITS;
    } else {
        lzma->range = bound;
        *probability += (2 * HALF - *probability) >> ADAPT_BITS;
    }
    normalize(lzma);
    return one;
}

/* A bit that is as likely as not. */
static uint32_t direct_bit(struct lzma *lzma)
{
    lzma->range >>= 1;
    uint32_t one = lzma->code >= lzma->range;
    if (one)
        lzma->code -= lzma->range;
    normalize(lzma);
    return one;
}

/* The highest bit comes first. */
static uint32_t tree(struct lzma *lzma, unsigned root, unsigned bits)
{
    uint32_t branch = 1;
    for (unsigned i = 0; i < bits; i++)
        branch = branch << 1 | bit(lzma, root + branch);
    return branch - (1u << bits);
}

/* The lowest does. */
static uint32_t reverse_tree(struct lzma *lzma, unsigned root, unsigned bits)
{
    uint32_t branch = 1, value = 0;
    for (unsigned i = 0; i < bits; i++) {
        uint32_t one = bit(lzma, root + branch);
        branch = branch << 1 | one;
        value |= one << i;
    }
    return value;
}

static uint32_t take_length(struct lzma *lzma, unsigned lengths)
{
    if (!bit(lzma, lengths))
        return SHORTEST + tree(lzma, lengths + 2, 3);
    if (!bit(lzma, lengths + 1))
        return SHORTEST + 8 + tree(lzma, lengths + 10, 3);
    return SHORTEST + 16 + tree(lzma, lengths + 18, 8);
}

static uint32_t take_distance(struct lzma *lzma, uint32_t length)
{
    uint32_t nth = length - SHORTEST < 3 ? length - SHORTEST : 3;
    uint32_t slot = tree(lzma, SLOTS + nth * 64, 6);
    if (slot < 4)
        return slot;
    unsigned bits = (slot >> 1) - 1;
    uint32_t distance = (2 | (slot & 1)) << bits, middle = 0;
    if (slot < DIRECT_SLOT)
        return distance + reverse_tree(lzma, DISTANCES + distance - slot, bits);
    for (unsigned i = LOW_BITS; i < bits; i++)
        middle = middle << 1 | direct_bit(lzma);
    return distance + (middle << LOW_BITS) + reverse_tree(lzma, LOWEST, LOW_BITS);
}

static void take_literal(struct lzma *lzma)
{
    uint32_t byte = 1;
    if (lzma->state >= AFTER_MATCH) { /* beside the byte that did not match */
        uint32_t other = lzma->out[lzma->at - lzma->distance[0] - 1], beside, one;
        do {
            beside = other >> 7 & 1;
            other <<= 1;
            one = bit(lzma, LITERALS + ((1 + beside) << 8) + byte);
            byte = byte << 1 | one;
        } while (one == beside && byte < 0x100);
    }
    while (byte < 0x100)
        byte = byte << 1 | bit(lzma, LITERALS + byte);
    lzma->out[lzma->at++] = (uint8_t)byte;
    if (lzma->state < 4)
        lzma->state = 0;
    else
        lzma->state -= lzma->state < 10 ? 3 : 6;
}

/* `below`: the state that follows those behind a literal. */
static void enter_state(struct lzma *lzma, uint32_t below)
{
    if (lzma->state < AFTER_MATCH)
        lzma->state = below;
    else
        lzma->state = below == AFTER_MATCH ? 10 : 11;
}

/* The `nth` of the last distances becomes the newest. */
static void renew_distance(struct lzma *lzma, unsigned nth, uint32_t distance)
{
    for (; nth > 0; nth--)
        lzma->distance[nth] = lzma->distance[nth - 1];
    lzma->distance[0] = distance;
}

/* The length of a match at one of the last distances. */
static uint32_t take_repeat(struct lzma *lzma)
{
    unsigned nth = 0;
    if (bit(lzma, IS_OLDER + lzma->state)) {
        nth = 1;
        if (bit(lzma, IS_THIRD + lzma->state))
            nth = 2 + bit(lzma, IS_FOURTH + lzma->state);
    } else if (!bit(lzma, IS_LONG + lzma->state)) {
        enter_state(lzma, 9);
        return 1;
    }
    renew_distance(lzma, nth, lzma->distance[nth]);
    uint32_t length = take_length(lzma, REPEAT_LENGTHS);
    enter_state(lzma, 8);
    return length;
}

static uint32_t take_match(struct lzma *lzma)
{
    if (bit(lzma, IS_REPEAT + lzma->state))
        return take_repeat(lzma);
    uint32_t length = take_length(lzma, LENGTHS);
    enter_state(lzma, AFTER_MATCH);
    renew_distance(lzma, 3, take_distance(lzma, length));
    return length;
}

static void start(struct lzma *lzma)
{
    lzma->range = 0xFFFFFFFF;
    lzma->code = lzma->state = 0;
    lzma->at = 0;
    lzma->short_of_input = false;
    for (unsigned i = 0; i < 4; i++)
        lzma->distance[i] = 0;
    for (unsigned i = 0; i < LZMA_PROBABILITIES; i++)
        lzma->probability[i] = HALF;
    for (unsigned i = 0; i < 5; i++) /* the first is 0 */
        lzma->code = lzma->code << 8 | next_byte(lzma);
}

enum error lzma_unpack(struct lzma *lzma, const uint8_t *in, size_t in_bytes, uint8_t *out,
                       size_t bytes)
{
    lzma->in = in;
    lzma->in_end = in + in_bytes;
    lzma->out = out;
    start(lzma);
    while (lzma->at < bytes && !lzma->short_of_input) {
        if (!bit(lzma, IS_MATCH + lzma->state)) {
            take_literal(lzma);
            continue;
        }
        uint32_t length = take_match(lzma);
        if (lzma->distance[0] >= lzma->at || length > bytes - lzma->at)
            return ERROR_MALFORMED;
        for (; length > 0; length--, lzma->at++)
            out[lzma->at] = out[lzma->at - lzma->distance[0] - 1];
    }
    return lzma->short_of_input ? ERROR_MALFORMED : ERROR_NONE;
}
