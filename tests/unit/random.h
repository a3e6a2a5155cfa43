/* Random numbers that are the same in every run: xorshift64* from a fixed, printed seed. */
#pragma once

#include <stdint.h>
#include <stdio.h>

static uint64_t random_state;

static inline void random_seed(uint64_t seed)
{
    random_state = seed;
    printf("seed 0x%llx\n", (unsigned long long)seed);
}

static inline uint64_t random_u64(void)
{
    random_state ^= random_state >> 12;
    random_state ^= random_state << 25;
    random_state ^= random_state >> 27;
    return random_state * 0x2545F4914F6CDD1Dull;
}

/* A number below `limit` (at least 1). */
static inline uint64_t random_below(uint64_t limit) { return (random_u64() >> 16) % limit; }
