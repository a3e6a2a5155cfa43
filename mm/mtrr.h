/* The memory type range registers: which memory type a physical address has. Pure: the state was
 * read elsewhere (RDMSR of mtrr_fixed_msr(), IA32_MTRR_PHYSBASEn/PHYSMASKn, ...) and is only
 * interpreted here. Source: Intel SDM (December 2023) vol. 3, chapter 12 "Memory Cache Control",
 * section 12.11 "Memory Type Range Registers (MTRRs)". */
#pragma once

#include "base/bits.h"
#include "base/types.h"
#include "base/x86/page.h"

/* MSRs 200H to 24FH; behind them lies the first fixed-range one. */
#define MTRR_VARIABLE_MAX 40
#define MTRR_FIXED_COUNT  11
#define MTRR_SETS_MAX     4

#define MTRRCAP_VCNT       BITS(7, 0)
#define MTRRCAP_FIX        BIT(8)
#define MTRR_DEF_TYPE_TYPE BITS(7, 0)
#define MTRR_DEF_TYPE_FE   BIT(10) /* fixed ranges on */
#define MTRR_DEF_TYPE_E    BIT(11) /* MTRRs on */
#define MTRR_PHYSBASE_TYPE BITS(7, 0)
#define MTRR_PHYSMASK_V    BIT(11) /* the pair is valid */

struct mtrr_state {
    uint64_t cap, def_type;
    uint64_t fixed[MTRR_FIXED_COUNT]; /* in the order of mtrr_fixed_msr() */
    struct {
        uint64_t base, mask; /* raw values of the pair */
    } variable[MTRR_VARIABLE_MAX];
    unsigned variable_count;
    unsigned phys_bits; /* MAXPHYADDR, CPUID 80000008h EAX[7:0] */
};

/* [base, end) has one type; end is UINT64_MAX where no type changes any more. */
struct mtrr_run {
    uint64_t base, end;
    uint8_t type;
};

/* What is odd about a state; any combination. It has a defined meaning here all the same. */
enum mtrr_problem {
    MTRR_PROBLEM_RESERVED_TYPE = 1, /* an encoding that does not exist: taken as UC */
    MTRR_PROBLEM_DISCONTIGUOUS = 2, /* a mask with holes: taken bit by bit, as processors do */
    MTRR_PROBLEM_OVERLAP = 4,       /* an overlap that the SDM leaves undefined: taken as UC */
};

/* The MSR index that belongs to fixed[i]; i < MTRR_FIXED_COUNT. */
uint32_t mtrr_fixed_msr(unsigned i);

/* The type of the page that holds `address`: UC, WC, WT, WP or WB, never a reserved one. */
uint8_t mtrr_type(const struct mtrr_state *state, uint64_t address);

/* The run of one type that begins at `address` (rounded down to its page). It ends where the type
 * changes. Only masks with holes can cut it shorter: a run never holds two types. */
struct mtrr_run mtrr_run_at(const struct mtrr_state *state, uint64_t address);

/* Is [base, end) of one type? `*type` is the type of the first page. Exact for contiguous masks;
 * with thousands of holes in a mask it may say false for true, never true for false. Its cost
 * depends on the number of ranges, not on the size. False for an empty range. */
bool mtrr_uniform(const struct mtrr_state *state, uint64_t base, uint64_t end, uint8_t *type);

/* The registers as RDMSR finds them: MSRs 200H to 2FFH that are MTRRs, by the low byte of their
 * index. Those that do not exist are not looked at; reading keeps cap, count and width. */
void mtrr_shadow_fill(uint64_t shadow[0x100], const struct mtrr_state *state);
void mtrr_shadow_read(struct mtrr_state *state, const uint64_t shadow[0x100]);

/* What several CPUs have, each state once: an address has the strictest of its types, which is what
 * ranges that overlap would give it. Where states differ, one that has masks with holes counts as
 * "all uncached": what several such have in common may change at every page. */
struct mtrr_sets {
    unsigned count; /* at least 1 */
    struct mtrr_state set[MTRR_SETS_MAX];
};

/* Where there are more than MTRR_SETS_MAX, the last of them is "all uncached". */
void mtrr_sets_add(struct mtrr_sets *sets, const struct mtrr_state *state);
bool mtrr_sets_alike(const struct mtrr_sets *a, const struct mtrr_sets *b);

/* As mtrr_run_at(); the stricter of two types. */
struct mtrr_run mtrr_sets_run_at(const struct mtrr_sets *sets, uint64_t address);
uint8_t mtrr_stricter(uint8_t a, uint8_t b);

/* The set of enum mtrr_problem that this state has. Ranges that are off are not looked at. */
unsigned mtrr_problems(const struct mtrr_state *state);

/* A register by its SDM name, and what two CPUs have in it. */
struct mtrr_difference {
    char name[24];
    uint64_t a, b;
};

/* Whether the registers of two CPUs differ, and in which first; registers that are off, or do not
 * exist, may. `*first` is written only then, and may be NULL. phys_bits is not compared. */
bool mtrr_states_differ(const struct mtrr_state *a, const struct mtrr_state *b,
                        struct mtrr_difference *first);
