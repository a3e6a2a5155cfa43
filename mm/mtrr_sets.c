#include "base/x86/msr.h"
#include "mm/mtrr.h"
#include "mm/mtrr_bits.h"

void mtrr_shadow_fill(uint64_t shadow[0x100], const struct mtrr_state *state)
{
    for (unsigned i = 0; i < MTRR_FIXED_COUNT; i++)
        shadow[mtrr_fixed_msr(i) & 0xFF] = state->fixed[i];
    for (unsigned i = 0; i < mtrr_variable_count(state); i++) {
        shadow[2 * i] = state->variable[i].base;
        shadow[2 * i + 1] = state->variable[i].mask;
    }
    shadow[MSR_IA32_MTRR_DEF_TYPE & 0xFF] = state->def_type;
}

void mtrr_shadow_read(struct mtrr_state *state, const uint64_t shadow[0x100])
{
    for (unsigned i = 0; i < MTRR_FIXED_COUNT; i++)
        state->fixed[i] = shadow[mtrr_fixed_msr(i) & 0xFF];
    for (unsigned i = 0; i < mtrr_variable_count(state); i++) {
        state->variable[i].base = shadow[2 * i];
        state->variable[i].mask = shadow[2 * i + 1];
    }
    state->def_type = shadow[MSR_IA32_MTRR_DEF_TYPE & 0xFF];
}

static bool contains(const struct mtrr_sets *sets, const struct mtrr_state *state)
{
    for (unsigned i = 0; i < sets->count; i++)
        if (!mtrr_states_differ(&sets->set[i], state, NULL))
            return true;
    return false;
}

void mtrr_sets_add(struct mtrr_sets *sets, const struct mtrr_state *state)
{
    if (contains(sets, state))
        return;
    if (sets->count < MTRR_SETS_MAX)
        sets->set[sets->count++] = *state;
    else
        sets->set[MTRR_SETS_MAX - 1].def_type = 0;
}

bool mtrr_sets_alike(const struct mtrr_sets *a, const struct mtrr_sets *b)
{
    for (unsigned i = 0; i < b->count; i++)
        if (!contains(a, &b->set[i]))
            return false;
    return a->count == b->count;
}

static uint8_t type_at(const struct mtrr_sets *sets, uint64_t address)
{
    uint8_t type = mtrr_type(&sets->set[0], address);
    for (unsigned i = 1; i < sets->count; i++)
        type = mtrr_stricter(type, mtrr_type(&sets->set[i], address));
    return type;
}

static uint64_t next_change(const struct mtrr_sets *sets, uint64_t address)
{
    uint64_t next = UINT64_MAX;
    for (unsigned i = 0; i < sets->count; i++)
        next = min_u64(next, mtrr_next_change(&sets->set[i], address));
    return next;
}

static bool has_holes(const struct mtrr_state *state)
{
    for (unsigned i = 0; mtrr_is_on(state) && i < mtrr_variable_count(state); i++)
        if (mtrr_is_valid(state, i) && mtrr_has_hole(state, i))
            return true;
    return false;
}

static bool any_has_holes(const struct mtrr_sets *sets)
{
    for (unsigned i = 0; i < sets->count; i++)
        if (has_holes(&sets->set[i]))
            return true;
    return false;
}

/* Where one set's type changes, the strictest may stay. Without holes the edges are few. */
struct mtrr_run mtrr_sets_run_at(const struct mtrr_sets *sets, uint64_t address)
{
    if (sets->count == 1)
        return mtrr_run_at(&sets->set[0], address);
    struct mtrr_run run = {ALIGN_DOWN(address, PAGE_SIZE), UINT64_MAX, MEMORY_TYPE_UC};
    if (any_has_holes(sets))
        return run;
    run.type = type_at(sets, run.base);
    run.end = run.base;
    do
        run.end = next_change(sets, run.end);
    while (run.end != UINT64_MAX && type_at(sets, run.end) == run.type);
    return run;
}
