#include "vcpu/cpuid_rules.h"

#include "base/bits.h"
#include "vcpu/cr4_features.h"
#include "vcpu/xcr0_rules.h"

/* Bits that go unless the mechanism passes the feature (enum cpuid_passes); 0: always hidden. Bits
 * without a name stand here alone, with the SDM's name beside them. */
#define HIDE(leaf, out, bits, passes)                                                              \
    {                                                                                              \
        CPUID_PLACE_##leaf, CPUID_OUT_##out, bits, passes                                          \
    }
static const struct {
    enum cpuid_place place;
    enum cpuid_out out;
    uint32_t bits;
    uint32_t passes;
} hidden[] = {
    HIDE(1, ECX, CPUID_1_ECX_VMX, 0),
    HIDE(1, ECX, CPUID_1_ECX_SMX, 0),
    HIDE(1, ECX, CPUID_1_ECX_HYPERVISOR, 0), /* of one below */
    HIDE(6, EAX, BIT(19), 0),                /* hardware feedback: see msr_table.c */
    HIDE(6, EAX, BIT(23), 0),                /* Intel Thread Director, built on it */
    HIDE(6, ECX, BITS(15, 8), 0),            /* its classes */
    HIDE(6, EDX, BITS(31, 0), 0),            /* the feedback table's format */
    HIDE(7_0, EBX, CPUID_7_EBX_SGX, 0),
    HIDE(7_0, EBX, CPUID_7_EBX_INVPCID, CPUID_PASSES_INVPCID),
    HIDE(7_0, EBX, CPUID_7_EBX_INTEL_PT, CPUID_PASSES_PT),
    HIDE(7_0, ECX, CPUID_7_ECX_WAITPKG, CPUID_PASSES_USER_WAIT),
    HIDE(7_0, ECX, CPUID_7_ECX_RDPID, CPUID_PASSES_RDTSCP),
    HIDE(7_0, ECX, CPUID_7_ECX_SGX_LC, 0),
    HIDE(7_0, EDX, BIT(1), 0), /* SGX_KEYS */
    HIDE(7_0, EDX, CPUID_7_EDX_PCONFIG, CPUID_PASSES_PCONFIG),
    HIDE(7_1, EAX, CPUID_7_1_EAX_FRED, 0),
    HIDE(7_1, EAX, BIT(27), CPUID_PASSES_MSR_LIST), /* RDMSRLIST, WRMSRLIST */
    HIDE(7_1, EBX, BIT(1), 0),                      /* PBNDKB: its control stays off */
    HIDE(7_1, EDX, BIT(15), 0),                     /* URDMSR, UWRMSR: likewise */
    HIDE(7_1, EDX, BIT(21), 0),                     /* APX: exits name four register bits */
    HIDE(7_2, EDX, BIT(6), 0),                      /* UC_LOCK_DIS: see msr_list.h */
    HIDE(D_1, EAX, CPUID_D_1_EAX_XSAVES, CPUID_PASSES_XSAVES),
    HIDE(23_0, EAX, BITS(5, 4), CPUID_PASSES_PEBS), /* architectural PEBS */
    HIDE(80000001, EDX, CPUID_EXT_1_EDX_RDTSCP, CPUID_PASSES_RDTSCP),
};

/* Leaves that describe nothing but a hidden feature. */
static const struct {
    uint32_t leaf, passes;
} hidden_leaves[] = {
    {CPUID_LEAF_SGX, 0},
    {CPUID_LEAF_PT, CPUID_PASSES_PT},
    {0x1b, CPUID_PASSES_PCONFIG}, /* PCONFIG information */
};

/* State components that come and go with a CR4 bit. */
#define XSS_PT    BIT(8)
#define XSS_CET   BITS(12, 11)
#define XSS_UINTR BIT(14)
#define XSS_KNOWN (XSS_PT | BITS(16, 10)) /* PASID, CET, HDC, UINTR, LBR, HWP */
static const struct {
    uint64_t cr4, components;
} component_owners[] = {
    {CR4_PKE, XCR0_PKRU},
    {CR4_CET, XSS_CET},
    {CR4_UINTR, XSS_UINTR},
};

uint32_t cpuid_out_get(const struct cpuid_regs *answer, enum cpuid_out out)
{
    const uint32_t values[CPUID_OUT_COUNT] = {answer->eax, answer->ebx, answer->ecx, answer->edx};
    return values[out];
}

static bool leaf_exists(cpuid_reader *native, uint32_t leaf)
{
    return leaf <= native(leaf & 0x80000000, 0).eax;
}

struct cpuid_regs cpuid_place_read(cpuid_reader *native, enum cpuid_place place)
{
    uint32_t leaf = cpuid_place_leaf(place), subleaf = cpuid_place_subleaf(place);
    if (!leaf_exists(native, leaf) || (leaf == 7 && subleaf > native(7, 0).eax))
        return (struct cpuid_regs){0};
    return native(leaf, subleaf);
}

static void hide_bits(struct cpuid_policy *policy, const struct cpuid_capabilities *capabilities)
{
    for (unsigned i = 0; i < ARRAY_SIZE(hidden); i++) {
        if (!(hidden[i].passes & capabilities->passes))
            policy->keep[hidden[i].place][hidden[i].out] &= ~hidden[i].bits;
    }
    for (unsigned i = 0; i < cr4_feature_count; i++) {
        if (!(cr4_features[i].cr4 & capabilities->cr4_allowed))
            policy->keep[cr4_features[i].place][cr4_features[i].out] &= ~cr4_features[i].bits;
    }
}

static void hide_leaves(struct cpuid_policy *policy, const struct cpuid_capabilities *capabilities)
{
    for (unsigned i = 0; i < ARRAY_SIZE(hidden_leaves); i++) {
        if (!(hidden_leaves[i].passes & capabilities->passes))
            policy->zeroed |= BIT(hidden_leaves[i].leaf);
    }
    if (!(capabilities->cr4_allowed & CR4_KL))
        policy->zeroed |= BIT(CPUID_LEAF_KEY_LOCKER);
}

/* D.0:ECX for what is left: the end of the last component in the standard format (vol. 1, 13.4.2
 * "XSAVE Header" and 13.4.3 "Extended Region of an XSAVE Area"). */
static uint32_t xsave_area_bytes(cpuid_reader *native, uint64_t components)
{
    uint32_t bytes = 512 + 64;
    for (unsigned i = 2; i < 63; i++) {
        if (!(components >> i & 1))
            continue;
        struct cpuid_regs part = native(CPUID_LEAF_XSAVE, i);
        bytes = (uint32_t)max_u64(bytes, (uint64_t)part.ebx + part.eax);
    }
    return bytes;
}

static void hide_components(struct cpuid_policy *policy,
                            const struct cpuid_capabilities *capabilities, cpuid_reader *native)
{
    if (!(capabilities->cr4_allowed & CR4_OSXSAVE)) {
        policy->zeroed |= BIT(CPUID_LEAF_XSAVE);
        return;
    }
    struct cpuid_regs user = cpuid_place_read(native, CPUID_PLACE_D_0);
    struct cpuid_regs system = cpuid_place_read(native, CPUID_PLACE_D_1);
    uint64_t left = ~0ull;
    for (unsigned i = 0; i < ARRAY_SIZE(component_owners); i++) {
        if (!(component_owners[i].cr4 & capabilities->cr4_allowed))
            left &= ~component_owners[i].components;
    }
    policy->xcr0_supported = ((uint64_t)user.edx << 32 | user.eax) & XCR0_KNOWN & left;
    if (!(capabilities->passes & CPUID_PASSES_PT))
        left &= ~XSS_PT;
    if (capabilities->passes & CPUID_PASSES_XSAVES)
        policy->xss_supported = ((uint64_t)system.edx << 32 | system.ecx) & XSS_KNOWN & left;
    policy->xsave_bytes = xsave_area_bytes(native, policy->xcr0_supported);
}

static void keep_components(struct cpuid_policy *policy)
{
    policy->keep[CPUID_PLACE_D_0][CPUID_OUT_EAX] &= (uint32_t)policy->xcr0_supported;
    policy->keep[CPUID_PLACE_D_0][CPUID_OUT_EDX] &= (uint32_t)(policy->xcr0_supported >> 32);
    policy->keep[CPUID_PLACE_D_1][CPUID_OUT_ECX] &= (uint32_t)policy->xss_supported;
    policy->keep[CPUID_PLACE_D_1][CPUID_OUT_EDX] &= (uint32_t)(policy->xss_supported >> 32);
}

#define LINEAR_BITS_4_LEVELS 48

void cpuid_policy_build(struct cpuid_policy *policy, const struct cpuid_capabilities *capabilities,
                        cpuid_reader *native)
{
    *policy = (struct cpuid_policy){0};
    for (unsigned place = 0; place < CPUID_PLACE_COUNT; place++)
        for (unsigned out = 0; out < CPUID_OUT_COUNT; out++)
            policy->keep[place][out] = ~0u;
    hide_bits(policy, capabilities);
    hide_leaves(policy, capabilities);
    hide_components(policy, capabilities, native);
    keep_components(policy);
    if (!(capabilities->cr4_allowed & CR4_LA57) &&
        (cpuid_place_read(native, CPUID_PLACE_7_0).ecx & CPUID_7_ECX_LA57))
        policy->linear_bits = LINEAR_BITS_4_LEVELS;

    policy->hidden = capabilities->hidden;
    policy->marks = capabilities->hidden ? 0 : CPUID_1_ECX_HYPERVISOR;
    policy->highest_basic = native(0, 0).eax;
    policy->filtered = policy->zeroed;
    for (unsigned place = 0; place < CPUID_PLACE_COUNT; place++) {
        if (cpuid_place_leaf(place) < 64)
            policy->filtered |= BIT(cpuid_place_leaf(place));
    }
    /* A leaf that the CPU does not have answers like the last one that it has. */
    policy->filtered &= BITS(min_u64(policy->highest_basic, 63), 0);
}
