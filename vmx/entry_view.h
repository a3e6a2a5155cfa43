/* What the checks of VM entry see: inside the checker alone (vmx/entry_check.c,
 * vmx/entry_checks.c).
 */
#pragma once

#include "vmx/entry_check.h"

/* Facts: those that no field tells, and then the rows. */
enum entry_fact {
    FACT_ALWAYS,
    FACT_NOW_IA32E,
    FACT_TRACING,
    FACT_IN_SMM,
    FACT_HAS_SGX,
    FACT_ROWS,
    FACT_BEFORE_ROWS = FACT_ROWS - 1,
#define FACT_ID(name, gate, field, low, width, value) FACT_##name,
    ENTRY_FACTS(FACT_ID)
#undef FACT_ID
        FACT_COUNT,
    FACT_USABLE = 0x7F
};
#define CONDITION_NOT  0x80
#define FACT_NOT(name) (FACT_##name | CONDITION_NOT)
_Static_assert(FACT_COUNT < FACT_USABLE, "a condition is seven bits and NOT");

struct entry_view {
    const struct entry_environment *now;
    struct entry_broken *seen;
    unsigned segment; /* the place of the field in its row */
    bool facts[FACT_COUNT];
};

/* Whether a condition of a rule holds: a fact, with or without CONDITION_NOT. */
bool entry_holds(struct entry_view *v, unsigned condition);

/* Reads a field, and remembers it for the report. */
uint64_t entry_look(struct entry_view *v, uint32_t encoding);

/* The checks: whether `value`, of the field at hand, is as the SDM wants it. */
/* clang-format off */
#define ENTRY_CHECKS(X)                                                                            \
    X(zero) X(not_zero) X(equals) X(bits) X(in_word) X(in_flags) X(address) X(canonical) X(fact)   \
    X(cr3_targets) X(below_vtpr) X(eptp_type) X(eptp_walk) X(eptp_dirty) X(eptp_reserved)          \
    X(hlat_pointer) X(hlat_prefix) X(ipi_table_end) X(msr_list) X(event_type) X(event_vector)      \
    X(event_error_code) X(event_length) X(hlt_event) X(shutdown_event) X(cr0) X(cr4) X(pat)        \
    X(msr_bits) X(host_lma) X(guest_lma) X(guest_lme) X(s_cet) X(ssp) X(bndcfgs) X(ss_rpl)         \
    X(vm_base) X(cs_type) X(readable) X(cs_dpl) X(ss_dpl_rpl) X(data_dpl) X(limit_low)             \
    X(limit_high) X(tr_type) X(rip_64) X(activity) X(pending_bs) X(pending_rtm) X(link_address)    \
    X(link_revision) X(link_shadow) X(link_current) X(pdpte) X(pdptes_memory)
/* clang-format on */

enum {
#define CHECK_ID(name) CHECK_##name,
    ENTRY_CHECKS(CHECK_ID)
#undef CHECK_ID
};
typedef bool entry_check_function(struct entry_view *v, uint64_t value, uint32_t argument);
extern entry_check_function *const entry_checks[];
