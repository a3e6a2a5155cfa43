/* The raw values of a struct mtrr_state, read bit by bit. For mm/mtrr*.c alone. */
#pragma once

#include "mm/mtrr.h"

#define MTRR_FIXED_END    MIB(1)
#define MTRR_FIXED_RANGES 88 /* 8 of 64 KiB, 16 of 16 KiB, 64 of 4 KiB */

/* The fixed-range registers by the ends of their names: IA32_MTRR_..., MSR_IA32_MTRR_... */
#define MTRR_FIXED_REGISTERS(X)                                                                    \
    X(FIX64K_00000)                                                                                \
    X(FIX16K_80000)                                                                                \
    X(FIX16K_A0000)                                                                                \
    X(FIX4K_C0000)                                                                                 \
    X(FIX4K_C8000)                                                                                 \
    X(FIX4K_D0000)                                                                                 \
    X(FIX4K_D8000)                                                                                 \
    X(FIX4K_E0000)                                                                                 \
    X(FIX4K_E8000)                                                                                 \
    X(FIX4K_F0000)                                                                                 \
    X(FIX4K_F8000)

static inline bool mtrr_is_reserved_type(uint64_t type)
{
    return type > MEMORY_TYPE_WB || type == 2 || type == 3;
}

static inline uint8_t mtrr_known_type(uint64_t type)
{
    return mtrr_is_reserved_type(type) ? MEMORY_TYPE_UC : type;
}

static inline bool mtrr_is_on(const struct mtrr_state *state)
{
    return state->def_type & MTRR_DEF_TYPE_E;
}

static inline bool mtrr_fixed_is_on(const struct mtrr_state *state)
{
    return mtrr_is_on(state) && (state->cap & MTRRCAP_FIX) && (state->def_type & MTRR_DEF_TYPE_FE);
}

static inline unsigned mtrr_variable_count(const struct mtrr_state *state)
{
    return min_u64(state->variable_count, MTRR_VARIABLE_MAX);
}

/* The bits that a page's address can have. A processor has 32 to 52 of them. */
static inline uint64_t mtrr_address_bits(const struct mtrr_state *state)
{
    return BITS(min_u64(max_u64(state->phys_bits, 32), 52) - 1, PAGE_SHIFT);
}

static inline bool mtrr_is_valid(const struct mtrr_state *state, unsigned i)
{
    return state->variable[i].mask & MTRR_PHYSMASK_V;
}

/* SDM vol. 3, section 12.11.3 "Example Base and Mask Calculations": an address is in the range if
 * its masked bits equal those of the base. Bits from MAXPHYADDR on do not take part. */
static inline uint64_t mtrr_mask(const struct mtrr_state *state, unsigned i)
{
    return state->variable[i].mask & mtrr_address_bits(state);
}

static inline bool mtrr_is_inside(const struct mtrr_state *state, unsigned i, uint64_t address)
{
    return ((address ^ state->variable[i].base) & mtrr_mask(state, i)) == 0;
}

/* Other than ones down from the top: then the range is many, and ends anywhere. */
static inline bool mtrr_has_hole(const struct mtrr_state *state, unsigned i)
{
    uint64_t mask = mtrr_mask(state, i);
    return mask != 0 && mask + (mask & -mask) != mtrr_address_bits(state) + PAGE_SIZE;
}

static inline uint64_t mtrr_raw_type(const struct mtrr_state *state, unsigned i)
{
    return state->variable[i].base & MTRR_PHYSBASE_TYPE;
}

/* SDM vol. 3, section 12.11.4.1 "MTRR Precedences": equal types stay, UC wins, WT wins over WB;
 * the rest is undefined, and UC is the type that is never wrong. The order does not matter. */
static inline bool mtrr_is_defined_overlap(uint8_t a, uint8_t b)
{
    return a == b || a == MEMORY_TYPE_UC || b == MEMORY_TYPE_UC ||
           (a == MEMORY_TYPE_WT && b == MEMORY_TYPE_WB) ||
           (a == MEMORY_TYPE_WB && b == MEMORY_TYPE_WT);
}

/* The next address above at which the type may be another one, UINT64_MAX for none: each range of a
 * contiguous mask has two of them, the fixed ranges one each. */
uint64_t mtrr_next_change(const struct mtrr_state *state, uint64_t address);
