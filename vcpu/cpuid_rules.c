#include "vcpu/cpuid_rules.h"

#include "base/bits.h"
#include "include/orlop_abi.h"
#include "vcpu/cr4_features.h"

static const struct {
    uint32_t leaf, subleaf;
    bool any_subleaf;
} places[CPUID_PLACE_COUNT] = {
    [CPUID_PLACE_1] = {0x1, 0, true},
    [CPUID_PLACE_6] = {0x6, 0, true},
    [CPUID_PLACE_7_0] = {0x7, 0, false},
    [CPUID_PLACE_7_1] = {0x7, 1, false},
    [CPUID_PLACE_7_2] = {0x7, 2, false},
    [CPUID_PLACE_D_0] = {0xd, 0, false},
    [CPUID_PLACE_D_1] = {0xd, 1, false},
    [CPUID_PLACE_23_0] = {0x23, 0, false},
    [CPUID_PLACE_80000001] = {0x80000001, 0, true},
};

static void answer_own_leaf(uint32_t leaf, struct cpuid_regs *answer)
{
    *answer = (struct cpuid_regs){0};
    if (leaf == ORLOP_CPUID_BASE)
        *answer = (struct cpuid_regs){ORLOP_CPUID_HIGHEST, ORLOP_CPUID_SIGNATURE_EBX,
                                      ORLOP_CPUID_SIGNATURE_ECX, ORLOP_CPUID_SIGNATURE_EDX};
    else if (leaf == ORLOP_CPUID_VERSION)
        *answer = (struct cpuid_regs){
            ORLOP_VERSION, ORLOP_FEATURE_HYPERCALLS | ORLOP_FEATURE_SERVICES | ORLOP_FEATURE_UNLOAD,
            0, 0};
}

static bool is_own(uint32_t leaf)
{
    return leaf >= ORLOP_CPUID_BASE && leaf <= ORLOP_CPUID_RANGE_LAST;
}

uint32_t cpuid_leaf_asked(const struct cpuid_policy *policy, uint32_t leaf)
{
    return policy->hidden && is_own(leaf) ? policy->highest_basic : leaf;
}

static void mask_place(const struct cpuid_policy *policy, uint32_t leaf, uint32_t subleaf,
                       struct cpuid_regs *answer)
{
    for (unsigned i = 0; i < CPUID_PLACE_COUNT; i++) {
        if (places[i].leaf != leaf || !(places[i].any_subleaf || places[i].subleaf == subleaf))
            continue;
        answer->eax &= policy->keep[i][CPUID_OUT_EAX];
        answer->ebx &= policy->keep[i][CPUID_OUT_EBX];
        answer->ecx &= policy->keep[i][CPUID_OUT_ECX];
        answer->edx &= policy->keep[i][CPUID_OUT_EDX];
    }
}

/* Leaf 0xD follows the live XCR0 and IA32_XSS, which are the guest's; only hidden components go. */
static void filter_xsave(const struct cpuid_policy *policy, uint32_t subleaf,
                         struct cpuid_regs *answer)
{
    uint64_t components = policy->xcr0_supported | policy->xss_supported;
    if (subleaf == 0)
        answer->ecx = policy->xsave_bytes;
    else if (subleaf > 1 && !(subleaf < 64 && (components >> subleaf & 1)))
        *answer = (struct cpuid_regs){0};
}

static void filter_live_bits(const struct cpuid_policy *policy, uint32_t leaf, uint32_t subleaf,
                             const struct cpuid_context *context, struct cpuid_regs *answer)
{
    if (leaf == CPUID_LEAF_EXTENDED && subleaf == 0) {
        answer->ecx &= ~CPUID_7_ECX_OSPKE;
        answer->ecx |= context->guest_cr4 & CR4_PKE ? CPUID_7_ECX_OSPKE : 0;
    } else if (leaf == CPUID_LEAF_XSAVE) {
        filter_xsave(policy, subleaf, answer);
    } else if (leaf == CPUID_LEAF_EXT_FEATURES && !context->in_64bit_mode) {
        answer->edx &= ~CPUID_EXT_1_EDX_SYSCALL;
    } else if (leaf == CPUID_LEAF_EXT_ADDRESS && policy->linear_bits) {
        answer->eax = (answer->eax & ~CPUID_EXT_8_EAX_LINEAR_BITS) | policy->linear_bits << 8;
    }
}

void cpuid_filter(const struct cpuid_policy *policy, uint32_t leaf, uint32_t subleaf,
                  const struct cpuid_context *context, struct cpuid_regs *answer)
{
    if (leaf == CPUID_LEAF_FEATURES) {
        answer->ecx = cpuid_filter_1_ecx(policy, answer->ecx);
        answer->edx = cpuid_filter_1_edx(policy, answer->edx);
        return;
    }
    leaf = cpuid_leaf_asked(policy, leaf);
    if (is_own(leaf)) {
        answer_own_leaf(leaf, answer);
        return;
    }
    if (!cpuid_needs_filter(policy, leaf))
        return;
    if (leaf < 64 && (policy->zeroed >> leaf & 1)) {
        *answer = (struct cpuid_regs){0};
        return;
    }
    mask_place(policy, leaf, subleaf, answer);
    filter_live_bits(policy, leaf, subleaf, context, answer);
}

uint32_t cpuid_place_leaf(enum cpuid_place place) { return places[place].leaf; }
uint32_t cpuid_place_subleaf(enum cpuid_place place) { return places[place].subleaf; }
