#include "vcpu/msr_list.h"

#include "base/x86/cpuid.h"
#include "mm/mtrr.h"

#define MISC_ENABLE_PEBS_UNAVAILABLE BIT(12)
#define CORE_CAPABILITIES_RAR        BIT(1)
#define CORE_CAPABILITIES_UC_LOCK    BIT(4)
/* PEBS trap and record format, saved registers, baseline, output to Intel PT, timing. */
#define PERF_CAPABILITIES_PEBS (BITS(11, 6) | BIT(14) | BIT(16) | BIT(17))

/* The address bits that a physical-address MSR has from `lowest` up, on this CPU. */
static uint64_t address_bits(const struct msr_policy *policy, unsigned lowest)
{
    return BITS(policy->physical_bits - 1, lowest);
}

static enum msr_action read_feature_control(const struct msr_policy *policy, uint32_t index,
                                            uint64_t *value)
{
    (void)policy, (void)index;
    *value = FEATURE_CONTROL_LOCK;
    return MSR_DO_ANSWER;
}

/* The value is the CPU's own, changed by msr_read_filter(). */
static enum msr_action read_filtered(const struct msr_policy *policy, uint32_t index,
                                     uint64_t *value)
{
    (void)policy, (void)index, (void)value;
    return MSR_DO_NATIVE;
}

static enum msr_action read_misc_enable(const struct msr_policy *policy, uint32_t index,
                                        uint64_t *value)
{
    return read_filtered(policy, index, value);
}

static enum msr_action write_updt_trig(const struct msr_policy *policy, uint32_t index,
                                       uint64_t now, uint64_t *value)
{
    (void)index, (void)now, (void)value;
    return policy->has_microcode ? MSR_DO_IGNORE : MSR_DO_FAULT;
}

/* As on a processor without UC-lock disable. Split-lock disable (bit 29) may be: what Orlop locks
 * is aligned. */
static enum msr_action write_memory_ctrl(const struct msr_policy *policy, uint32_t index,
                                         uint64_t now, uint64_t *value)
{
    (void)policy, (void)index, (void)now;
    return *value & MEMORY_CTRL_UC_LOCK_DISABLE ? MSR_DO_FAULT : MSR_DO_NATIVE;
}

static enum msr_action write_misc_enable(const struct msr_policy *policy, uint32_t index,
                                         uint64_t now, uint64_t *value)
{
    (void)policy, (void)index;
    *value &= ~(MISC_ENABLE_XD_DISABLE | MISC_ENABLE_PEBS_UNAVAILABLE);
    *value |= now & MISC_ENABLE_PEBS_UNAVAILABLE; /* read-only, and the guest may have read a 1 */
    return MSR_DO_NATIVE;
}

/* PEBS cannot be used, but may be switched off. */
static enum msr_action write_pebs(const struct msr_policy *policy, uint32_t index, uint64_t now,
                                  uint64_t *value)
{
    (void)policy, (void)index, (void)now;
    return *value ? MSR_DO_FAULT : MSR_DO_NATIVE;
}

static enum msr_action write_xss(const struct msr_policy *policy, uint32_t index, uint64_t now,
                                 uint64_t *value)
{
    (void)index, (void)now;
    return *value & ~policy->xss_supported ? MSR_DO_FAULT : MSR_DO_NATIVE;
}

/* Mode changes that #GP (Intel SDM vol. 3A, 11.12.5 "x2APIC State Transitions"): x2APIC mode is
 * entered from xAPIC mode alone, and left for the disabled state alone. */
static bool apic_mode_legal(const struct msr_policy *policy, uint64_t now, uint64_t value)
{
    bool was_on = now & APIC_BASE_EN, was_x2apic = now & APIC_BASE_EXTD;
    bool is_on = value & APIC_BASE_EN, is_x2apic = value & APIC_BASE_EXTD;
    if (is_x2apic)
        return policy->has_x2apic && is_on && was_on;
    return !(was_x2apic && is_on);
}

static enum msr_action write_apic_base(const struct msr_policy *policy, uint32_t index,
                                       uint64_t now, uint64_t *value)
{
    (void)index;
    uint64_t base = *value & APIC_BASE_ADDRESS_MASK;
    uint64_t defined = address_bits(policy, 12) | APIC_BASE_EN | APIC_BASE_EXTD | APIC_BASE_BSP;
    if ((*value & ~defined) || !apic_mode_legal(policy, now, *value))
        return MSR_DO_FAULT;
    if (base < policy->own_end && base + PAGE_SIZE > policy->own_base)
        return MSR_DO_FAULT;
    return MSR_DO_NATIVE;
}

static bool mtrr_exists(const struct msr_policy *policy, uint32_t index)
{
    if (index < MSR_IA32_MTRR_FIX64K_00000)
        return (index - MSR_IA32_MTRR_PHYSBASE0) / 2 < (policy->mtrr_cap & MTRRCAP_VCNT);
    return index == MSR_IA32_MTRR_DEF_TYPE || (policy->mtrr_cap & MTRRCAP_FIX);
}

/* Eight types at once, or one with zeros (UC) above it. Of the eight encodings of three bits those
 * with bit 1 are reserved, but for WB. */
static bool mtrr_types_legal(uint64_t types)
{
    const uint64_t ones = 0x0101010101010101;
    uint64_t bit0 = types, bit1 = types >> 1, bit2 = types >> 2;
    return !(types & ~(7 * ones)) && !(bit1 & (bit0 | ~bit2) & ones);
}
_Static_assert(MEMORY_TYPE_WB == 6, "bits 1 and 2, without bit 0");

static enum msr_action read_mtrr_variable(const struct msr_policy *policy, uint32_t index,
                                          uint64_t *value)
{
    (void)value;
    return mtrr_exists(policy, index) ? MSR_DO_SHADOW : MSR_DO_FAULT;
}

static enum msr_action read_mtrr_fixed(const struct msr_policy *policy, uint32_t index,
                                       uint64_t *value)
{
    return read_mtrr_variable(policy, index, value);
}

static enum msr_action read_mtrr_default(const struct msr_policy *policy, uint32_t index,
                                         uint64_t *value)
{
    return read_mtrr_variable(policy, index, value);
}

/* Reserved bits and types are #GP (vol. 3A, 12.11.2 "Setting Memory Ranges with MTRRs"). */
static bool mtrr_variable_legal(const struct msr_policy *policy, uint32_t index, uint64_t value)
{
    bool is_mask = index & 1;
    uint64_t defined = address_bits(policy, 12) | (is_mask ? MTRR_PHYSMASK_V : MTRR_PHYSBASE_TYPE);
    if (!mtrr_exists(policy, index) || (value & ~defined))
        return false;
    return is_mask || mtrr_types_legal(value & MTRR_PHYSBASE_TYPE);
}

static bool mtrr_fixed_legal(const struct msr_policy *policy, uint64_t value)
{
    return (policy->mtrr_cap & MTRRCAP_FIX) && mtrr_types_legal(value);
}

static bool mtrr_default_legal(uint64_t value)
{
    const uint64_t defined = MTRR_DEF_TYPE_TYPE | MTRR_DEF_TYPE_FE | MTRR_DEF_TYPE_E;
    return !(value & ~defined) && mtrr_types_legal(value & MTRR_DEF_TYPE_TYPE);
}

/* Behind the fixed-range ones an MSR lies that is none, and that nobody may write. */
_Static_assert(MSR_PRMRR_BASE_0 > MSR_IA32_MTRR_FIX4K_F8000, "vcpu/msr_list.h");

bool msr_mtrr_keeps(const struct msr_policy *policy, uint32_t index, uint64_t value, uint64_t now)
{
    bool legal = index == MSR_IA32_MTRR_DEF_TYPE      ? mtrr_default_legal(value)
                 : index < MSR_IA32_MTRR_FIX64K_00000 ? mtrr_variable_legal(policy, index, value)
                 : index < MSR_PRMRR_BASE_0           ? mtrr_fixed_legal(policy, value)
                                                      : false;
    return legal && value == now;
}

static enum msr_action write_mtrr_variable(const struct msr_policy *policy, uint32_t index,
                                           uint64_t now, uint64_t *value)
{
    (void)now;
    return mtrr_variable_legal(policy, index, *value) ? MSR_DO_SHADOW : MSR_DO_FAULT;
}

static enum msr_action write_mtrr_fixed(const struct msr_policy *policy, uint32_t index,
                                        uint64_t now, uint64_t *value)
{
    (void)index, (void)now;
    return mtrr_fixed_legal(policy, *value) ? MSR_DO_SHADOW : MSR_DO_FAULT;
}

static enum msr_action write_mtrr_default(const struct msr_policy *policy, uint32_t index,
                                          uint64_t now, uint64_t *value)
{
    (void)policy, (void)index, (void)now;
    return mtrr_default_legal(*value) ? MSR_DO_SHADOW : MSR_DO_FAULT;
}

/* ---- the table as a decision tree: the compiler searches the ranges by halving ---- */

#define READ_PASS(rule)   MSR_DO_NATIVE
#define READ_FAULT(rule)  MSR_DO_FAULT
#define READ_GUARD(rule)  read_##rule(policy, index, value)
#define WRITE_PASS(rule)  MSR_DO_NATIVE
#define WRITE_FAULT(rule) MSR_DO_FAULT
#define WRITE_GUARD(rule) write_##rule(policy, index, now, value)

/* An index in the bitmap's ranges that no row names would not have exited; should it, the CPU has
 * the say. Any other index is an MSR that the bare CPU does not have. */
static enum msr_action unlisted_rule(uint32_t index)
{
    bool in_bitmap = index <= MSR_LOW_LAST || (index >= MSR_HIGH_FIRST && index <= MSR_HIGH_LAST);
    return in_bitmap ? MSR_DO_NATIVE : MSR_DO_FAULT;
}

enum msr_action msr_read_rule(const struct msr_policy *policy, uint32_t index, uint64_t *value)
{
    switch (index) {
#define READ_CASE(first, last, name, read, write, rule, gate, memory, why)                         \
    case first ... last:                                                                           \
        return GATE_##gate(policy) ? MSR_DO_NATIVE : READ_##read(rule);
        MSR_TABLE(READ_CASE)
    }
    return unlisted_rule(index);
}

enum msr_action msr_write_rule(const struct msr_policy *policy, uint32_t index, uint64_t now,
                               uint64_t *value)
{
    switch (index) {
#define WRITE_CASE(first, last, name, read, write, rule, gate, memory, why)                        \
    case first ... last:                                                                           \
        return GATE_##gate(policy) ? MSR_DO_NATIVE : WRITE_##write(rule);
        MSR_TABLE(WRITE_CASE)
    }
    return unlisted_rule(index);
}

bool msr_write_needs_now(uint32_t index)
{
    return index == MSR_IA32_APIC_BASE || index == MSR_IA32_MISC_ENABLE;
}

uint64_t msr_read_filter(const struct msr_policy *policy, uint32_t index, uint64_t native)
{
    switch (index) {
    case MSR_IA32_CORE_CAPABILITIES:
        return native & ~(CORE_CAPABILITIES_RAR | CORE_CAPABILITIES_UC_LOCK);
    case MSR_IA32_MISC_ENABLE:
        return policy->pebs_passes ? native : native | MISC_ENABLE_PEBS_UNAVAILABLE;
    case MSR_IA32_PERF_CAPABILITIES:
        return policy->pebs_passes ? native : native & ~PERF_CAPABILITIES_PEBS;
    }
    return native;
}
