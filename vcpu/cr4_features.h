/* Which CPUID bits say that a CR4 bit exists. One table, read in both directions: a CR4 bit that no
 * CPUID bit announces is reserved, and a feature whose CR4 bit the guest may not set is hidden from
 * CPUID. Source: Intel SDM vol. 3A, 2.5 "Control Registers", and vol. 2A, "CPUID". */
#pragma once

#include "vcpu/cpuid_rules.h"

struct cr4_feature {
    uint64_t cr4;
    enum cpuid_place place; /* where CPUID announces it */
    enum cpuid_out out;
    uint32_t bits;
};

extern const struct cr4_feature cr4_features[];
extern const unsigned cr4_feature_count;

/* Where a place is. */
uint32_t cpuid_place_leaf(enum cpuid_place place);
uint32_t cpuid_place_subleaf(enum cpuid_place place);

/* The CPU's own answer at `place`, zeros where the CPU has no such leaf. */
struct cpuid_regs cpuid_place_read(cpuid_reader *native, enum cpuid_place place);

/* One output register by number. */
uint32_t cpuid_out_get(const struct cpuid_regs *answer, enum cpuid_out out);
