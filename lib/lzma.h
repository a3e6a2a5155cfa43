/* LZMA, as tools/pack_image.py packs: the stream alone, without a header or an end mark, and
 * without bits of place or of neighbours (lc = lp = pb = 0). Pure; any CPU, any context. */
#pragma once

#include "base/error.h"
#include "base/types.h"

#define LZMA_PROBABILITIES 1775

/* What the decoder keeps; nothing in it need be set. */
struct lzma {
    const uint8_t *in, *in_end;
    uint8_t *out;
    size_t at;
    uint32_t range, code, state;
    uint32_t distance[4]; /* less 1: the last ones, the newest first */
    bool short_of_input;
    uint16_t probability[LZMA_PROBABILITIES]; /* of 2048ths that a bit is 0 */
};

/* Unpack to all of the `bytes` at `out`. ERROR_MALFORMED: the stream ends before, or is none; what
 * is in `out` then is anything. Nothing else is read than `in`, nothing else written than `out`. */
MUST_CHECK enum error lzma_unpack(struct lzma *lzma, const uint8_t *in, size_t in_bytes,
                                  uint8_t *out, size_t bytes);
