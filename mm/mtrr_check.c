#include "mm/mtrr.h"

#include "mm/mtrr_bits.h"

static unsigned fixed_problems(const struct mtrr_state *state)
{
    for (unsigned slot = 0; mtrr_fixed_is_on(state) && slot < MTRR_FIXED_RANGES; slot++)
        if (mtrr_is_reserved_type(state->fixed[slot / 8] >> slot % 8 * 8 & 0xff))
            return MTRR_PROBLEM_RESERVED_TYPE;
    return 0;
}

/* Two ranges meet if no bit that both masks hold tells them apart. */
static bool is_undefined_pair(const struct mtrr_state *state, unsigned i, unsigned j)
{
    uint64_t common = mtrr_mask(state, i) & mtrr_mask(state, j);
    bool meet = ((state->variable[i].base ^ state->variable[j].base) & common) == 0;
    return meet && !mtrr_is_defined_overlap(mtrr_known_type(mtrr_raw_type(state, i)),
                                            mtrr_known_type(mtrr_raw_type(state, j)));
}

static unsigned variable_problems(const struct mtrr_state *state, unsigned i)
{
    unsigned problems =
        mtrr_is_reserved_type(mtrr_raw_type(state, i)) ? MTRR_PROBLEM_RESERVED_TYPE : 0;
    if (mtrr_has_hole(state, i))
        problems |= MTRR_PROBLEM_DISCONTIGUOUS;
    for (unsigned j = 0; j < i; j++)
        if (mtrr_is_valid(state, j) && is_undefined_pair(state, i, j))
            problems |= MTRR_PROBLEM_OVERLAP;
    return problems;
}

unsigned mtrr_problems(const struct mtrr_state *state)
{
    if (!mtrr_is_on(state))
        return 0;
    unsigned problems = fixed_problems(state);
    if (mtrr_is_reserved_type(state->def_type & MTRR_DEF_TYPE_TYPE))
        problems |= MTRR_PROBLEM_RESERVED_TYPE;
    for (unsigned i = 0; i < mtrr_variable_count(state); i++)
        if (mtrr_is_valid(state, i))
            problems |= variable_problems(state, i);
    return problems;
}
