#include "mm/mtrr.h"

#include "base/x86/msr.h"
#include "mm/mtrr_bits.h"

#define NEVER UINT64_MAX

/* SDM vol. 3, section 12.11.2.2 "Fixed Range MTRRs": eight types to a register, lowest first. */
static const struct {
    uint64_t base, end;
    unsigned shift, first;
} fixed_zones[] = {
    {0, KIB(512), 16, 0},
    {KIB(512), KIB(768), 14, 1},
    {KIB(768), MIB(1), 12, 3},
};

uint32_t mtrr_fixed_msr(unsigned i)
{
#define FIXED_MSR(name) MSR_IA32_MTRR_##name,
    static const uint32_t index[MTRR_FIXED_COUNT] = {MTRR_FIXED_REGISTERS(FIXED_MSR)};
#undef FIXED_MSR
    return index[i];
}

static unsigned zone_of(uint64_t address)
{
    return address < fixed_zones[0].end ? 0 : address < fixed_zones[1].end ? 1 : 2;
}

static uint8_t fixed_type(const struct mtrr_state *state, uint64_t address)
{
    unsigned zone = zone_of(address);
    unsigned slot = (address - fixed_zones[zone].base) >> fixed_zones[zone].shift;
    uint64_t value = state->fixed[fixed_zones[zone].first + slot / 8];
    return mtrr_known_type(value >> slot % 8 * 8 & 0xff);
}

uint8_t mtrr_stricter(uint8_t a, uint8_t b)
{
    if (a == b)
        return a;
    bool both_defined = a != MEMORY_TYPE_UC && b != MEMORY_TYPE_UC && mtrr_is_defined_overlap(a, b);
    return both_defined ? MEMORY_TYPE_WT : MEMORY_TYPE_UC;
}

uint8_t mtrr_type(const struct mtrr_state *state, uint64_t address)
{
    if (!mtrr_is_on(state))
        return MEMORY_TYPE_UC;
    if (address < MTRR_FIXED_END && mtrr_fixed_is_on(state))
        return fixed_type(state, address);
    bool found = false;
    uint8_t type = mtrr_known_type(state->def_type & MTRR_DEF_TYPE_TYPE);
    for (unsigned i = 0; i < mtrr_variable_count(state); i++) {
        if (!mtrr_is_valid(state, i) || !mtrr_is_inside(state, i, address))
            continue;
        uint8_t own = mtrr_known_type(mtrr_raw_type(state, i));
        type = found ? mtrr_stricter(type, own) : own;
        found = true;
    }
    return type;
}

/* The lowest address above `from` whose bits under `mask` are those of `value`; `from` itself has
 * others. The topmost bit that differs decides: where `from` has a zero, setting it is enough;
 * where it has a one, a free bit above must go from zero to one first. */
static uint64_t next_match(uint64_t from, uint64_t mask, uint64_t value, uint64_t space)
{
    uint64_t differ = (from ^ value) & mask;
    uint64_t top = BIT(63 - __builtin_clzll(differ));
    if (value & top)
        return (from & ~(2 * top - 1)) | (value & (2 * top - 1));
    uint64_t free_zeroes = space & ~(from | mask | (2 * top - 1));
    if (free_zeroes == 0)
        return NEVER;
    uint64_t carry = free_zeroes & -free_zeroes;
    return (from & ~(2 * carry - 1)) | carry | (value & (carry - 1));
}

/* Where the next address lies that is not on the same side of range i as `address`. Inside, that
 * is at the end of a block as large as the mask's lowest bit: adding it changes a masked bit. */
static uint64_t next_edge(const struct mtrr_state *state, unsigned i, uint64_t address)
{
    uint64_t mask = mtrr_mask(state, i);
    if (!mtrr_is_inside(state, i, address))
        return next_match(address, mask, state->variable[i].base & mask, mtrr_address_bits(state));
    return mask == 0 ? NEVER : (address | ((mask & -mask) - 1)) + 1;
}

uint64_t mtrr_next_change(const struct mtrr_state *state, uint64_t address)
{
    uint64_t next = NEVER;
    if (!mtrr_is_on(state))
        return NEVER;
    if (address < MTRR_FIXED_END && mtrr_fixed_is_on(state))
        return (address | (BIT(fixed_zones[zone_of(address)].shift) - 1)) + 1;
    for (unsigned i = 0; i < mtrr_variable_count(state); i++)
        if (mtrr_is_valid(state, i))
            next = min_u64(next, next_edge(state, i, address));
    return next > mtrr_address_bits(state) ? NEVER : next;
}

/* Ranges of contiguous masks have two edges each, so the loop's bound cuts no run of theirs. */
struct mtrr_run mtrr_run_at(const struct mtrr_state *state, uint64_t address)
{
    struct mtrr_run run = {ALIGN_DOWN(address, PAGE_SIZE), 0, mtrr_type(state, address)};
    run.end = mtrr_next_change(state, run.base);
    for (unsigned steps = 2 * mtrr_variable_count(state) + MTRR_FIXED_RANGES; steps > 0; steps--) {
        if (run.end == NEVER || mtrr_type(state, run.end) != run.type)
            break;
        run.end = mtrr_next_change(state, run.end);
    }
    return run;
}

bool mtrr_uniform(const struct mtrr_state *state, uint64_t base, uint64_t end, uint8_t *type)
{
    struct mtrr_run run = mtrr_run_at(state, base);
    *type = run.type;
    return base < end && end <= run.end;
}
