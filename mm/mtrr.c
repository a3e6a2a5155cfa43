#include "mm/mtrr.h"

#include "base/x86/msr.h"

#define FIXED_END    MIB(1)
#define FIXED_RANGES 88 /* 8 of 64 KiB, 16 of 16 KiB, 64 of 4 KiB */
#define NEVER        UINT64_MAX

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
    static const uint32_t index[MTRR_FIXED_COUNT] = {
        MSR_IA32_MTRR_FIX64K_00000, MSR_IA32_MTRR_FIX16K_80000, MSR_IA32_MTRR_FIX16K_A0000,
        MSR_IA32_MTRR_FIX4K_C0000,  MSR_IA32_MTRR_FIX4K_C8000,  MSR_IA32_MTRR_FIX4K_D0000,
        MSR_IA32_MTRR_FIX4K_D8000,  MSR_IA32_MTRR_FIX4K_E0000,  MSR_IA32_MTRR_FIX4K_E8000,
        MSR_IA32_MTRR_FIX4K_F0000,  MSR_IA32_MTRR_FIX4K_F8000,
    };
    return index[i];
}

static bool is_reserved_type(uint64_t type)
{
    return type > MEMORY_TYPE_WB || type == 2 || type == 3;
}

static uint8_t known_type(uint64_t type) { return is_reserved_type(type) ? MEMORY_TYPE_UC : type; }

static bool is_on(const struct mtrr_state *state) { return state->def_type & MTRR_DEF_TYPE_E; }

static bool fixed_on(const struct mtrr_state *state)
{
    return is_on(state) && (state->cap & MTRRCAP_FIX) && (state->def_type & MTRR_DEF_TYPE_FE);
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
    return known_type(value >> slot % 8 * 8 & 0xff);
}

static unsigned variable_count(const struct mtrr_state *state)
{
    return min_u64(state->variable_count, MTRR_VARIABLE_MAX);
}

/* The bits that a page's address can have. A processor has 32 to 52 of them. */
static uint64_t address_bits(const struct mtrr_state *state)
{
    return BITS(min_u64(max_u64(state->phys_bits, 32), 52) - 1, PAGE_SHIFT);
}

static bool is_valid(const struct mtrr_state *state, unsigned i)
{
    return state->variable[i].mask & MTRR_PHYSMASK_V;
}

/* SDM vol. 3, section 12.11.3 "Example Base and Mask Calculations": an address is in the range if
 * its masked bits equal those of the base. Bits from MAXPHYADDR on do not take part. */
static uint64_t mask_of(const struct mtrr_state *state, unsigned i)
{
    return state->variable[i].mask & address_bits(state);
}

static bool is_inside(const struct mtrr_state *state, unsigned i, uint64_t address)
{
    return ((address ^ state->variable[i].base) & mask_of(state, i)) == 0;
}

static uint64_t raw_type_of(const struct mtrr_state *state, unsigned i)
{
    return state->variable[i].base & MTRR_PHYSBASE_TYPE;
}

/* SDM vol. 3, section 12.11.4.1 "MTRR Precedences": equal types stay, UC wins, WT wins over WB;
 * the rest is undefined, and UC is the type that is never wrong. The order does not matter. */
static bool is_defined_overlap(uint8_t a, uint8_t b)
{
    return a == b || a == MEMORY_TYPE_UC || b == MEMORY_TYPE_UC ||
           (a == MEMORY_TYPE_WT && b == MEMORY_TYPE_WB) ||
           (a == MEMORY_TYPE_WB && b == MEMORY_TYPE_WT);
}

static uint8_t combine(uint8_t a, uint8_t b)
{
    if (a == b)
        return a;
    bool both_defined = a != MEMORY_TYPE_UC && b != MEMORY_TYPE_UC && is_defined_overlap(a, b);
    return both_defined ? MEMORY_TYPE_WT : MEMORY_TYPE_UC;
}

uint8_t mtrr_type(const struct mtrr_state *state, uint64_t address)
{
    if (!is_on(state))
        return MEMORY_TYPE_UC;
    if (address < FIXED_END && fixed_on(state))
        return fixed_type(state, address);
    bool found = false;
    uint8_t type = known_type(state->def_type & MTRR_DEF_TYPE_TYPE);
    for (unsigned i = 0; i < variable_count(state); i++) {
        if (!is_valid(state, i) || !is_inside(state, i, address))
            continue;
        uint8_t own = known_type(raw_type_of(state, i));
        type = found ? combine(type, own) : own;
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
    uint64_t mask = mask_of(state, i);
    if (!is_inside(state, i, address))
        return next_match(address, mask, state->variable[i].base & mask, address_bits(state));
    return mask == 0 ? NEVER : (address | ((mask & -mask) - 1)) + 1;
}

static uint64_t next_change(const struct mtrr_state *state, uint64_t address)
{
    uint64_t next = NEVER;
    if (!is_on(state))
        return NEVER;
    if (address < FIXED_END && fixed_on(state))
        return (address | (BIT(fixed_zones[zone_of(address)].shift) - 1)) + 1;
    for (unsigned i = 0; i < variable_count(state); i++)
        if (is_valid(state, i))
            next = min_u64(next, next_edge(state, i, address));
    return next > address_bits(state) ? NEVER : next;
}

/* Ranges of contiguous masks have two edges each, so the loop's bound cuts no run of theirs. */
struct mtrr_run mtrr_run_at(const struct mtrr_state *state, uint64_t address)
{
    struct mtrr_run run = {ALIGN_DOWN(address, PAGE_SIZE), 0, mtrr_type(state, address)};
    run.end = next_change(state, run.base);
    for (unsigned steps = 2 * variable_count(state) + FIXED_RANGES; steps > 0; steps--) {
        if (run.end == NEVER || mtrr_type(state, run.end) != run.type)
            break;
        run.end = next_change(state, run.end);
    }
    return run;
}

bool mtrr_uniform(const struct mtrr_state *state, uint64_t base, uint64_t end, uint8_t *type)
{
    struct mtrr_run run = mtrr_run_at(state, base);
    *type = run.type;
    return base < end && end <= run.end;
}

static unsigned fixed_problems(const struct mtrr_state *state)
{
    for (unsigned slot = 0; fixed_on(state) && slot < FIXED_RANGES; slot++)
        if (is_reserved_type(state->fixed[slot / 8] >> slot % 8 * 8 & 0xff))
            return MTRR_PROBLEM_RESERVED_TYPE;
    return 0;
}

/* Two ranges meet if no bit that both masks hold tells them apart. */
static bool is_undefined_pair(const struct mtrr_state *state, unsigned i, unsigned j)
{
    uint64_t common = mask_of(state, i) & mask_of(state, j);
    bool meet = ((state->variable[i].base ^ state->variable[j].base) & common) == 0;
    return meet && !is_defined_overlap(known_type(raw_type_of(state, i)),
                                       known_type(raw_type_of(state, j)));
}

static unsigned variable_problems(const struct mtrr_state *state, unsigned i)
{
    uint64_t mask = mask_of(state, i);
    unsigned problems = is_reserved_type(raw_type_of(state, i)) ? MTRR_PROBLEM_RESERVED_TYPE : 0;
    if (mask + (mask & -mask) != address_bits(state) + PAGE_SIZE && mask != 0)
        problems |= MTRR_PROBLEM_DISCONTIGUOUS;
    for (unsigned j = 0; j < i; j++)
        if (is_valid(state, j) && is_undefined_pair(state, i, j))
            problems |= MTRR_PROBLEM_OVERLAP;
    return problems;
}

unsigned mtrr_problems(const struct mtrr_state *state)
{
    if (!is_on(state))
        return 0;
    unsigned problems = fixed_problems(state);
    if (is_reserved_type(state->def_type & MTRR_DEF_TYPE_TYPE))
        problems |= MTRR_PROBLEM_RESERVED_TYPE;
    for (unsigned i = 0; i < variable_count(state); i++)
        if (is_valid(state, i))
            problems |= variable_problems(state, i);
    return problems;
}

static bool variable_equal(const struct mtrr_state *a, const struct mtrr_state *b, unsigned i)
{
    if (!is_valid(a, i) && !is_valid(b, i))
        return true;
    return a->variable[i].base == b->variable[i].base && a->variable[i].mask == b->variable[i].mask;
}

bool mtrr_state_equal(const struct mtrr_state *a, const struct mtrr_state *b)
{
    if (a->cap != b->cap || a->def_type != b->def_type || a->phys_bits != b->phys_bits ||
        variable_count(a) != variable_count(b))
        return false;
    for (unsigned i = 0; fixed_on(a) && i < MTRR_FIXED_COUNT; i++)
        if (a->fixed[i] != b->fixed[i])
            return false;
    for (unsigned i = 0; is_on(a) && i < variable_count(a); i++)
        if (!variable_equal(a, b, i))
            return false;
    return true;
}
