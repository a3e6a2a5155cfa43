/* with: vcpu/cpuid_rules.c vcpu/cpuid_policy.c vcpu/cr4_features.c */
#include "vcpu/cpuid_rules.h"

#include "base/bits.h"
#include "include/orlop_abi.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/random.h"

/* A CPU that has everything: all feature bits are set, and XSAVE components lie one after the other
 * in steps of 256 bytes from 576. */
static uint32_t max_leaf = 0x24, absent_7_ecx, absent_xcr0;

static struct cpuid_regs native(uint32_t leaf, uint32_t subleaf)
{
    if (leaf == 0 || leaf == 0x80000000)
        return (struct cpuid_regs){leaf ? 0x80000008 : max_leaf, 1, 2, 3};
    if (leaf == 7)
        return (struct cpuid_regs){subleaf ? ~0u : 2, ~0u, ~absent_7_ecx, ~0u};
    if (leaf == 0xd && subleaf == 0)
        return (struct cpuid_regs){~absent_xcr0, ~0u, ~0u, ~0u};
    if (leaf == 0xd && subleaf >= 2)
        return (struct cpuid_regs){256, 576 + 256 * (subleaf - 2), subleaf > 8, 0};
    return (struct cpuid_regs){~0u, ~0u, ~0u, ~0u};
}

#define EVERYTHING ((struct cpuid_capabilities){~0ull, ~0u, false})
#define NOTHING    ((struct cpuid_capabilities){0, 0, false})

static struct cpuid_policy policy_of(struct cpuid_capabilities capabilities)
{
    struct cpuid_policy policy;
    memset(&policy, 0xaa, sizeof(policy));
    cpuid_policy_build(&policy, &capabilities, native);
    return policy;
}

static struct cpuid_regs ask(const struct cpuid_policy *policy, uint32_t leaf, uint32_t subleaf)
{
    const struct cpuid_context context = {.guest_cr4 = 0, .in_64bit_mode = true};
    struct cpuid_regs answer = native(leaf, subleaf);
    cpuid_filter(policy, leaf, subleaf, &context, &answer);
    return answer;
}

static uint32_t out(struct cpuid_regs answer, char name)
{
    const uint32_t values[] = {answer.eax, answer.ebx, answer.ecx, answer.edx};
    return values[name - 'a'];
}

static bool answers_equal(struct cpuid_regs a, struct cpuid_regs b)
{
    return !memcmp(&a, &b, sizeof(a));
}

/* ---- what is hidden, by the SDM's names ---- */

#define ALWAYS 0
#define CR4    1
#define CTRL   2
static const struct {
    const char *name;
    uint32_t leaf, subleaf;
    char out;
    uint8_t bit;
    int by;         /* ALWAYS hidden, or shown by a CR4 bit or a control */
    uint64_t shown; /* the bit that shows it */
} features[] = {
    {"VMX", 1, 0, 'c', 5, ALWAYS, 0},
    {"SMX", 1, 0, 'c', 6, ALWAYS, 0},
    {"VME", 1, 0, 'd', 1, CR4, BIT(0) | BIT(1)},
    {"DE", 1, 0, 'd', 2, CR4, BIT(3)},
    {"PSE", 1, 0, 'd', 3, CR4, BIT(4)},
    {"TSC", 1, 0, 'd', 4, CR4, BIT(2)},
    {"MCE", 1, 0, 'd', 7, CR4, BIT(6)},
    {"PGE", 1, 0, 'd', 13, CR4, BIT(7)},
    {"SSE", 1, 0, 'd', 25, CR4, BIT(10)},
    {"PCID", 1, 0, 'c', 17, CR4, BIT(17)},
    {"XSAVE", 1, 0, 'c', 26, CR4, BIT(18)},
    {"PAE", 1, 0, 'd', 6, CR4, BIT(5)},
    {"FXSR", 1, 0, 'd', 24, CR4, BIT(9)},
    {"hardware feedback", 6, 0, 'a', 19, ALWAYS, 0},
    {"thread director", 6, 0, 'a', 23, ALWAYS, 0},
    {"FSGSBASE", 7, 0, 'b', 0, CR4, BIT(16)},
    {"SGX", 7, 0, 'b', 2, ALWAYS, 0},
    {"SMEP", 7, 0, 'b', 7, CR4, BIT(20)},
    {"INVPCID", 7, 0, 'b', 10, CTRL, CPUID_PASSES_INVPCID},
    {"SMAP", 7, 0, 'b', 20, CR4, BIT(21)},
    {"INTEL_PT", 7, 0, 'b', 25, CTRL, CPUID_PASSES_PT},
    {"UMIP", 7, 0, 'c', 2, CR4, BIT(11)},
    {"PKU", 7, 0, 'c', 3, CR4, BIT(22)},
    {"WAITPKG", 7, 0, 'c', 5, CTRL, CPUID_PASSES_USER_WAIT},
    {"CET_SS", 7, 0, 'c', 7, CR4, BIT(23)},
    {"LA57", 7, 0, 'c', 16, CR4, BIT(12)},
    {"RDPID", 7, 0, 'c', 22, CTRL, CPUID_PASSES_RDTSCP},
    {"KL", 7, 0, 'c', 23, CR4, BIT(19)},
    {"SGX_LC", 7, 0, 'c', 30, ALWAYS, 0},
    {"PKS", 7, 0, 'c', 31, CR4, BIT(24)},
    {"SGX_KEYS", 7, 0, 'd', 1, ALWAYS, 0},
    {"UINTR", 7, 0, 'd', 5, CR4, BIT(25)},
    {"PCONFIG", 7, 0, 'd', 18, CTRL, CPUID_PASSES_PCONFIG},
    {"CET_IBT", 7, 0, 'd', 20, CR4, BIT(23)},
    {"LASS", 7, 1, 'a', 6, CR4, BIT(27)},
    {"FRED", 7, 1, 'a', 17, ALWAYS, 0},
    {"LAM", 7, 1, 'a', 26, CR4, BIT(28)},
    {"MSRLIST", 7, 1, 'a', 27, CTRL, CPUID_PASSES_MSR_LIST},
    {"PBNDKB", 7, 1, 'b', 1, ALWAYS, 0},
    {"USER_MSR", 7, 1, 'd', 15, ALWAYS, 0},
    {"CET_SSS", 7, 1, 'd', 18, CR4, BIT(23)},
    {"APX_F", 7, 1, 'd', 21, ALWAYS, 0},
    {"UC_LOCK_DIS", 7, 2, 'd', 6, ALWAYS, 0},
    {"XSAVES", 0xd, 1, 'a', 3, CTRL, CPUID_PASSES_XSAVES},
    {"PEBS capabilities", 0x23, 0, 'a', 4, CTRL, CPUID_PASSES_PEBS},
    {"PEBS counters", 0x23, 0, 'a', 5, CTRL, CPUID_PASSES_PEBS},
    {"RDTSCP", 0x80000001, 0, 'd', 27, CTRL, CPUID_PASSES_RDTSCP},
};

static bool shows(struct cpuid_capabilities capabilities, unsigned i)
{
    struct cpuid_policy policy = policy_of(capabilities);
    return out(ask(&policy, features[i].leaf, features[i].subleaf), features[i].out) >>
               features[i].bit &
           1;
}

static void a_feature_shows_exactly_where_it_can_be_used(void **state)
{
    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(features); i++) {
        struct cpuid_capabilities all = EVERYTHING, all_but = EVERYTHING, only = NOTHING;
        only.cr4_allowed = CR4_OSXSAVE; /* leaf 0xD is empty without */
        if (features[i].by == CR4) {
            all_but.cr4_allowed &= ~features[i].shown;
            only.cr4_allowed |= features[i].shown;
        } else if (features[i].by == CTRL) {
            all_but.passes &= ~(uint32_t)features[i].shown;
            only.passes |= (uint32_t)features[i].shown;
        }
        bool can_show = features[i].by != ALWAYS;
        if (shows(all, i) != can_show || shows(only, i) != can_show || shows(all_but, i))
            fail_msg("%s", features[i].name);
    }
}

/* What the list above leaves of an answer, where everything or nothing can be used. */
static struct cpuid_regs less_listed(uint32_t leaf, uint32_t subleaf, bool everything)
{
    struct cpuid_regs left = native(leaf, subleaf);
    uint32_t *const outs[] = {&left.eax, &left.ebx, &left.ecx, &left.edx};
    for (unsigned i = 0; i < ARRAY_SIZE(features); i++) {
        bool here = features[i].leaf == leaf && features[i].subleaf == subleaf;
        if (here && (features[i].by == ALWAYS || !everything))
            *outs[features[i].out - 'a'] &= ~(1u << features[i].bit);
    }
    if (leaf == 7 && subleaf == 0)
        left.ecx &= ~(1u << 4); /* OSPKE */
    if (leaf == 6)
        left.ecx &= ~0xff00u, left.edx = 0; /* what describes hardware feedback */
    return left;
}

static void no_other_bit_is_hidden(void **state)
{
    (void)state;
    static const uint32_t leaves[][2] = {{1, 0}, {6, 0},    {7, 0},    {7, 1},
                                         {7, 2}, {0x23, 0}, {0x23, 1}, {0x80000001, 0}};
    struct cpuid_policy all = policy_of(EVERYTHING), none = policy_of(NOTHING);
    for (unsigned i = 0; i < ARRAY_SIZE(leaves); i++) {
        uint32_t leaf = leaves[i][0], subleaf = leaves[i][1];
        assert_true(answers_equal(ask(&all, leaf, subleaf), less_listed(leaf, subleaf, true)));
        assert_true(answers_equal(ask(&none, leaf, subleaf), less_listed(leaf, subleaf, false)));
    }
}

static void leaves_without_subleaves_ignore_ecx(void **state)
{
    (void)state;
    static const uint32_t leaves[] = {1, 6, 0x80000001};
    struct cpuid_policy policy = policy_of(NOTHING);
    for (unsigned i = 0; i < ARRAY_SIZE(leaves); i++)
        assert_true(answers_equal(ask(&policy, leaves[i], 0), ask(&policy, leaves[i], 77)));
}

static void leaves_of_hidden_features_are_zero(void **state)
{
    (void)state;
    struct cpuid_policy none = policy_of(NOTHING), all = policy_of(EVERYTHING);
    const struct cpuid_regs zero = {0};
    static const uint32_t hidden[] = {0x12, 0x14, 0x19, 0x1b, 0xd};
    for (unsigned i = 0; i < ARRAY_SIZE(hidden); i++)
        assert_true(answers_equal(ask(&none, hidden[i], 0), zero));
    assert_true(answers_equal(ask(&all, 0x12, 0), zero));
    assert_true(answers_equal(ask(&all, 0x14, 0), native(0x14, 0)));
    assert_true(answers_equal(ask(&all, 0x19, 0), native(0x19, 0)));
    assert_true(answers_equal(ask(&all, 0x1b, 0), native(0x1b, 0)));
}

/* ---- what follows the guest's state ---- */

static struct cpuid_regs ask_with(uint32_t leaf, uint64_t cr4, bool in_64bit_mode,
                                  struct cpuid_regs answer)
{
    struct cpuid_policy policy = policy_of(EVERYTHING);
    const struct cpuid_context context = {cr4, in_64bit_mode};
    cpuid_filter(&policy, leaf, 0, &context, &answer);
    return answer;
}

/* OSXSAVE in the answer is the guest's already, as CR4 is. */
static void osxsave_is_the_answers_and_ospke_is_the_guests(void **state)
{
    (void)state;
    const struct cpuid_regs ones = {~0u, ~0u, ~0u, ~0u}, zeros = {0};
    for (unsigned i = 0; i < 2; i++) {
        struct cpuid_regs host = i ? ones : zeros;
        assert_int_equal(ask_with(1, 0, true, host).ecx >> 27 & 1, i);
        assert_int_equal(ask_with(1, ~0ull, true, host).ecx >> 27 & 1, i);
        assert_false(ask_with(7, ~CR4_PKE, true, host).ecx & BIT(4));
        assert_true(ask_with(7, CR4_PKE, true, host).ecx & BIT(4));
    }
}

static void syscall_is_enumerated_in_64_bit_mode_alone(void **state)
{
    (void)state;
    const struct cpuid_regs ones = {~0u, ~0u, ~0u, ~0u}, zeros = {0};
    assert_true(ask_with(0x80000001, 0, true, ones).edx == ~0u);
    assert_true(ask_with(0x80000001, 0, false, ones).edx == (uint32_t)~BIT(11));
    assert_false(ask_with(0x80000001, 0, true, zeros).edx);
}

static void the_hypervisor_bit_is_set(void **state)
{
    (void)state;
    assert_int_equal(ask_with(1, 0, true, (struct cpuid_regs){0}).ecx, BIT(31));
}

/* ---- Orlop's own leaves ---- */

static void the_signature_reads_as_text(void **state)
{
    (void)state;
    struct cpuid_policy policy = policy_of(NOTHING);
    struct cpuid_regs base = ask(&policy, 0x40000000, 0);
    char text[13] = {0};
    memcpy(text, &base.ebx, 4);
    memcpy(text + 4, &base.ecx, 4);
    memcpy(text + 8, &base.edx, 4);
    assert_string_equal(text, "OrlopOrlop");
    assert_memory_equal(text, ORLOP_CPUID_SIGNATURE, 12);
    assert_int_equal(base.eax, 0x40000001);
    uint64_t call = 0;
    memcpy(&call, "Orlop", 5);
    assert_int_equal(call, ORLOP_CALL_SIGNATURE);
    assert_int_equal((uint32_t)call, ORLOP_CALL_SIGNATURE_32);
}

/* As a processor answers beyond its highest leaf; a hypervisor below is not asked either. */
static void a_hidden_orlop_leaves_no_mark(void **state)
{
    (void)state;
    struct cpuid_capabilities capabilities = EVERYTHING;
    capabilities.hidden = true;
    struct cpuid_policy policy = policy_of(capabilities), shown = policy_of(EVERYTHING);
    static const uint32_t own[] = {0x40000000, 0x40000001, 0x40000002, 0x400000ff, 0x4fffffff};
    assert_int_equal(ask(&policy, 1, 0).ecx >> 31, 0);
    assert_int_equal(cpuid_filter_1_ecx(&policy, ~0u) >> 31, 0);
    for (unsigned i = 0; i < ARRAY_SIZE(own); i++) {
        assert_int_equal(cpuid_leaf_asked(&policy, own[i]), max_leaf);
        assert_int_equal(cpuid_leaf_asked(&shown, own[i]), own[i]);
        assert_true(answers_equal(ask(&policy, own[i], 0), ask(&policy, max_leaf, 0)));
    }
    assert_int_equal(cpuid_leaf_asked(&policy, 0x3fffffff), 0x3fffffff);
    assert_int_equal(cpuid_leaf_asked(&policy, 0x50000000), 0x50000000);
}

static void the_version_leaf_and_zeros_above_it(void **state)
{
    (void)state;
    struct cpuid_policy policy = policy_of(EVERYTHING);
    struct cpuid_regs want = {
        ORLOP_VERSION, ORLOP_FEATURE_HYPERCALLS | ORLOP_FEATURE_SERVICES | ORLOP_FEATURE_UNLOAD, 0,
        0};
    assert_true(answers_equal(ask(&policy, 0x40000001, 0), want));
    static const uint32_t rest[] = {0x40000002, 0x40000100, 0x4fffffff};
    for (unsigned i = 0; i < ARRAY_SIZE(rest); i++)
        assert_true(answers_equal(ask(&policy, rest[i], i), (struct cpuid_regs){0}));
    assert_true(answers_equal(ask(&policy, 0x3fffffff, 0), native(0x3fffffff, 0)));
    assert_true(answers_equal(ask(&policy, 0x50000000, 0), native(0x50000000, 0)));
}

/* ---- XSAVE ---- */

static void xsave_shows_the_components_that_the_guest_may_use(void **state)
{
    (void)state;
    struct cpuid_policy all = policy_of(EVERYTHING);
    assert_int_equal(all.xcr0_supported, 0x602ff);
    assert_int_equal(all.xss_supported, BIT(8) | BITS(16, 10));
    assert_int_equal(ask(&all, 0xd, 0).eax, 0x602ff);
    assert_int_equal(ask(&all, 0xd, 0).edx, 0);
    assert_int_equal(ask(&all, 0xd, 0).ecx, 576 + 256 * 17);
    assert_int_equal(ask(&all, 0xd, 0).ebx, ~0u);
    assert_int_equal(ask(&all, 0xd, 1).ecx, 0x1fd00);
    assert_int_equal(ask(&all, 0xd, 1).edx, 0);
    for (uint32_t n = 2; n < 70; n++) {
        bool left = n < 64 && ((all.xcr0_supported | all.xss_supported) >> n & 1);
        const struct cpuid_regs want = left ? native(0xd, n) : (struct cpuid_regs){0};
        assert_true(answers_equal(ask(&all, 0xd, n), want));
    }
}

static void hidden_features_take_their_components_along(void **state)
{
    (void)state;
    struct cpuid_capabilities some = EVERYTHING;
    some.cr4_allowed &= ~(CR4_PKE | CR4_CET | CR4_UINTR);
    some.passes &= ~(unsigned)CPUID_PASSES_PT;
    struct cpuid_policy policy = policy_of(some);
    assert_int_equal(policy.xcr0_supported, 0x600ff);
    assert_int_equal(policy.xss_supported, BIT(10) | BIT(13) | BIT(15) | BIT(16));
    assert_int_equal(ask(&policy, 0xd, 9).eax, 0);
    assert_int_equal(ask(&policy, 0xd, 8).eax, 0);
    some.passes = 0;
    policy = policy_of(some);
    assert_int_equal(policy.xss_supported, 0);
    assert_int_equal(ask(&policy, 0xd, 1).ecx, 0);
    some.cr4_allowed &= ~CR4_OSXSAVE;
    policy = policy_of(some);
    assert_int_equal(policy.xcr0_supported, 0);
}

static void a_cpu_with_sse_alone_has_the_legacy_area_and_header(void **state)
{
    (void)state;
    absent_xcr0 = ~3u;
    struct cpuid_policy policy = policy_of(EVERYTHING);
    absent_xcr0 = 0;
    assert_int_equal(policy.xcr0_supported, 3);
    assert_int_equal(ask(&policy, 0xd, 0).ecx, 576);
    assert_int_equal(ask(&policy, 0xd, 2).eax, 0);
}

/* ---- the rest is the CPU's ---- */

static void five_level_paging_hides_with_its_address_width(void **state)
{
    (void)state;
    struct cpuid_capabilities without = EVERYTHING;
    without.cr4_allowed &= ~CR4_LA57;
    struct cpuid_policy all = policy_of(EVERYTHING), policy = policy_of(without);
    assert_int_equal(ask(&all, 0x80000008, 0).eax, ~0u);
    assert_int_equal(ask(&policy, 0x80000008, 0).eax, 0xffff30ff);
    absent_7_ecx = 1u << 16;
    policy = policy_of(without);
    absent_7_ecx = 0;
    assert_int_equal(ask(&policy, 0x80000008, 0).eax, ~0u);
}

static void a_leaf_beyond_the_last_one_is_as_the_cpu_answers(void **state)
{
    (void)state;
    max_leaf = 6;
    struct cpuid_policy policy = policy_of(NOTHING);
    assert_true(answers_equal(ask(&policy, 7, 0), native(7, 0)));
    assert_true(answers_equal(ask(&policy, 0x14, 0), native(0x14, 0)));
    assert_int_equal(ask(&policy, 6, 0).edx, 0);
    policy = policy_of(EVERYTHING);
    assert_int_equal(policy.xcr0_supported | policy.xss_supported, 0);
    max_leaf = 0x24;
}

/* Random answers, policies and leaves: what needs no filter is not changed, nothing is invented,
 * and the short way for leaf 1 is the long one. */
static void random_answers_only_lose_bits(void **state)
{
    (void)state;
    static const uint32_t whole[] = {0, 2, 4, 5, 0xb, 0x1f, 0x15, 0x16, 0x80000002, 0x80000004};
    random_seed(0xc1d);
    for (unsigned i = 0; i < 20000; i++) {
        struct cpuid_capabilities capabilities = {random_u64() | random_u64(),
                                                  (uint32_t)random_u64(), random_u64() & 1};
        struct cpuid_policy policy = policy_of(capabilities);
        const struct cpuid_context context = {random_u64(), random_below(2)};
        for (unsigned n = 0; n < 8; n++) {
            uint32_t leaf = random_below(3) ? (uint32_t)random_below(70) : 0x80000000 | n * 2;
            uint32_t subleaf = (uint32_t)random_below(4), invented;
            struct cpuid_regs before = {(uint32_t)random_u64(), (uint32_t)random_u64(),
                                        (uint32_t)random_u64(), (uint32_t)random_u64()};
            struct cpuid_regs after = before;
            cpuid_filter(&policy, leaf, subleaf, &context, &after);
            if (!cpuid_needs_filter(&policy, leaf))
                assert_true(answers_equal(before, after));
            if (leaf == 1) {
                assert_int_equal(cpuid_filter_1_ecx(&policy, before.ecx), after.ecx);
                assert_int_equal(cpuid_filter_1_edx(&policy, before.edx), after.edx);
                assert_int_equal(after.ebx,
                                 before.ebx); /* initial APIC id, CLFLUSH, logical CPUs */
                assert_int_equal(after.eax, before.eax);
            }
            for (unsigned w = 0; w < ARRAY_SIZE(whole); w++)
                assert_true(leaf != whole[w] || answers_equal(before, after));
            if (leaf == 0x80000008 || (leaf == 0xd && subleaf == 0))
                continue; /* sizes, not bits */
            invented = after.ecx & ~before.ecx;
            assert_false(invented & ~(leaf == 1 ? BIT(31) : leaf == 7 ? BIT(4) : 0));
            assert_false((after.eax & ~before.eax) | (after.ebx & ~before.ebx) |
                         (after.edx & ~before.edx));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_feature_shows_exactly_where_it_can_be_used),
        cmocka_unit_test(no_other_bit_is_hidden),
        cmocka_unit_test(leaves_without_subleaves_ignore_ecx),
        cmocka_unit_test(leaves_of_hidden_features_are_zero),
        cmocka_unit_test(osxsave_is_the_answers_and_ospke_is_the_guests),
        cmocka_unit_test(syscall_is_enumerated_in_64_bit_mode_alone),
        cmocka_unit_test(the_hypervisor_bit_is_set),
        cmocka_unit_test(the_signature_reads_as_text),
        cmocka_unit_test(the_version_leaf_and_zeros_above_it),
        cmocka_unit_test(a_hidden_orlop_leaves_no_mark),
        cmocka_unit_test(xsave_shows_the_components_that_the_guest_may_use),
        cmocka_unit_test(hidden_features_take_their_components_along),
        cmocka_unit_test(a_cpu_with_sse_alone_has_the_legacy_area_and_header),
        cmocka_unit_test(five_level_paging_hides_with_its_address_width),
        cmocka_unit_test(a_leaf_beyond_the_last_one_is_as_the_cpu_answers),
        cmocka_unit_test(random_answers_only_lose_bits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
