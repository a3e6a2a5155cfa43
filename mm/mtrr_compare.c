#include "lib/format.h"
#include "mm/mtrr.h"
#include "mm/mtrr_bits.h"

#define FIXED_NAME(name) "_" #name,
static const char names[][14] = {"CAP", "_DEF_TYPE", MTRR_FIXED_REGISTERS(FIXED_NAME)};
#undef FIXED_NAME
#define FIRST_FIXED 2
#define FIRST_PAIR  (FIRST_FIXED + MTRR_FIXED_COUNT)
_Static_assert(ARRAY_SIZE(names) == FIRST_PAIR, "one name each");

/* The registers as one row, in the order in which they are compared. */
static const uint64_t *row_of(const struct mtrr_state *state)
{
    _Static_assert(offsetof(struct mtrr_state, cap) == 0 &&
                       offsetof(struct mtrr_state, def_type) == 8 &&
                       offsetof(struct mtrr_state, fixed) == 8 * FIRST_FIXED &&
                       offsetof(struct mtrr_state, variable) == 8 * FIRST_PAIR,
                   "a row of 64-bit values");
    return (const uint64_t *)state;
}

/* Once the first two are alike, what exists and what is on is the same for both. */
static bool in_force(const struct mtrr_state *a, const struct mtrr_state *b, unsigned i)
{
    if (i < FIRST_PAIR)
        return i < FIRST_FIXED || mtrr_fixed_is_on(a);
    unsigned pair = (i - FIRST_PAIR) / 2;
    return mtrr_is_on(a) && (mtrr_is_valid(a, pair) || mtrr_is_valid(b, pair));
}

static void name_register(unsigned i, char *text, size_t bytes)
{
    static const char *const halves[] = {"BASE", "MASK"};
    if (i < FIRST_PAIR)
        format(text, bytes, "IA32_MTRR%s", names[i]);
    else
        format(text, bytes, "IA32_MTRR_PHYS%s%u", halves[(i - FIRST_PAIR) % 2],
               (i - FIRST_PAIR) / 2);
}

bool mtrr_states_differ(const struct mtrr_state *a, const struct mtrr_state *b,
                        struct mtrr_difference *first)
{
    const uint64_t *in_a = row_of(a), *in_b = row_of(b);
    for (unsigned i = 0; i < FIRST_PAIR + 2 * mtrr_variable_count(a); i++) {
        if (in_a[i] == in_b[i] || !in_force(a, b, i))
            continue;
        if (!first)
            return true;
        name_register(i, first->name, sizeof(first->name));
        first->a = in_a[i];
        first->b = in_b[i];
        return true;
    }
    return false;
}
