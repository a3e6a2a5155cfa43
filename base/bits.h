/* Bit and alignment arithmetic. Pure; usable in constant expressions unless said otherwise. */
#pragma once

#include "base/types.h"

#define BIT(n)           (1ull << (n))
#define BITS(high, low)  ((~0ull >> (63 - (high))) & (~0ull << (low)))
#define ARRAY_SIZE(a)    (sizeof(a) / sizeof((a)[0]))
#define ALIGN_DOWN(x, a) ((x) & ~((uint64_t)(a)-1))
#define ALIGN_UP(x, a)   ALIGN_DOWN((x) + (uint64_t)(a)-1, a)
#define IS_ALIGNED(x, a) (((x) & ((uint64_t)(a)-1)) == 0)

/* The field `mask` of `value`, shifted down to bit 0. `mask` is not 0. */
static inline uint64_t bits_get(uint64_t value, uint64_t mask)
{
    return (value & mask) >> __builtin_ctzll(mask);
}

/* The low `bits` (1 to 64) of `value`, extended by their sign: a linear address of so many bits is
 * canonical where this is the address itself. */
static inline uint64_t sign_extend(uint64_t value, unsigned bits)
{
    unsigned unused = (64 - bits) % 64; /* 0 bits do not occur */
    return (uint64_t)((int64_t)(value << unused) >> unused);
}

static inline uint64_t min_u64(uint64_t a, uint64_t b) { return a < b ? a : b; }
static inline uint64_t max_u64(uint64_t a, uint64_t b) { return a > b ? a : b; }
