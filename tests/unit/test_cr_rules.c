/* with: vcpu/cr_rules.c vcpu/cr4_features.c vcpu/cpuid_policy.c vcpu/cpuid_rules.c */
#include "vcpu/cr_rules.h"

#include "base/bits.h"
#include "base/x86/msr.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/unit/random.h"

/* The model keeps a processor state and says which states, and which steps between two of them, the
 * SDM allows: instead of the list of #GP causes, the invariants that they keep. */
static bool lma_of(const struct cr_state *s) { return (s->efer & EFER_LME) && (s->cr0 & CR0_PG); }

static bool state_legal(const struct cr_state *s)
{
    bool lma = lma_of(s);
    if (s->cr0 >> 32)
        return false;
    if ((s->cr0 & CR0_PG) && !(s->cr0 & CR0_PE))
        return false;
    if ((s->cr0 & CR0_NW) && !(s->cr0 & CR0_CD))
        return false;
    if (lma && (!(s->cr4 & CR4_PAE) || s->tr_16bit))
        return false;
    if ((s->cr4 & CR4_PCIDE) && !lma)
        return false;
    return !(s->cr4 & CR4_CET) || (s->cr0 & CR0_WP);
}

static bool step_legal(const struct cr_state *from, const struct cr_state *to)
{
    if (!state_legal(to))
        return false;
    if (lma_of(from) != lma_of(to) && from->cs_l)
        return false;
    if (lma_of(from) && ((from->cr4 ^ to->cr4) & CR4_LA57))
        return false;
    return !((to->cr4 & ~from->cr4) & CR4_PCIDE) || !(from->cr3 & 0xfff);
}

static bool pae_paging(const struct cr_state *s)
{
    return (s->cr0 & CR0_PG) && (s->cr4 & CR4_PAE) && !lma_of(s);
}

/* Values lean towards the bits that rules are about. */
static uint64_t random_cr0(void)
{
    static const uint64_t usual[] = {0x10,       0x11,       0x33,       0x80000011,
                                     0x80050033, 0x60000010, 0xe0050033, 0xc0010011};
    uint64_t value = usual[random_below(8)];
    while (random_below(3))
        value ^= BIT(random_below(random_below(20) ? 32 : 64));
    return value;
}

#define CR4_MODEL_BITS                                                                             \
    (CR4_VME | CR4_PSE | CR4_PAE | CR4_PGE | CR4_LA57 | CR4_PCIDE | CR4_SMEP | CR4_CET |           \
     CR4_OSXSAVE)

static uint64_t random_cr4(void) { return random_u64() & random_u64() & CR4_MODEL_BITS; }

static struct cr_state random_state_legal(void)
{
    for (;;) {
        struct cr_state s = {random_cr0() & CR0_DEFINED,
                             random_u64() & 0xfffffff001,
                             random_cr4(),
                             random_below(2) ? EFER_LME : 0,
                             random_below(2),
                             !random_below(4)};
        s.cr0 |= CR0_ET;
        if (!state_legal(&s))
            continue;
        if (lma_of(&s))
            s.efer |= EFER_LMA;
        return s;
    }
}

static unsigned model_follow_ups(const struct cr_state *from, const struct cr_state *to)
{
    unsigned verdict = 0;
    uint64_t cr0 = from->cr0 ^ to->cr0, cr4 = from->cr4 ^ to->cr4;
    bool reloads =
        (cr0 & (CR0_PG | CR0_CD | CR0_NW)) || (cr4 & (CR4_PAE | CR4_PGE | CR4_PSE | CR4_SMEP));
    if (reloads && pae_paging(to))
        verdict |= CR_VERDICT_LOAD_PDPTES;
    if (lma_of(to) && !lma_of(from))
        verdict |= CR_VERDICT_ENTER_IA32E;
    if (lma_of(from) && !lma_of(to))
        verdict |= CR_VERDICT_LEAVE_IA32E;
    if (cr0 & to->cr0 & CR0_CD)
        verdict |= CR_VERDICT_CACHES_OFF;
    if (cr0 & from->cr0 & CR0_CD)
        verdict |= CR_VERDICT_CACHES_ON;
    return verdict;
}

static bool model_flushes(uint64_t from, uint64_t to)
{
    bool sets_smep = to & ~from & CR4_SMEP, clears_pcide = from & ~to & CR4_PCIDE;
    return ((from ^ to) & (CR4_PGE | CR4_PAE | CR4_PSE | CR4_LA57)) || sets_smep || clears_pcide;
}

#define ROUNDS 300000

static void a_cr0_write_is_taken_exactly_where_the_model_takes_it(void **state)
{
    (void)state;
    unsigned taken = 0;
    random_seed(0xc40);
    for (unsigned i = 0; i < ROUNDS; i++) {
        struct cr_state now = random_state_legal(), next = now;
        uint64_t value = random_cr0(), view = 0xdead;
        next.cr0 = (value & (CR0_DEFINED | ~0xffffffffull)) | CR0_ET;
        unsigned verdict = cr0_write_rule(&now, value, &view);
        assert_int_equal(verdict == CR_VERDICT_GP, !step_legal(&now, &next));
        if (verdict == CR_VERDICT_GP) {
            assert_int_equal(view, 0xdead);
            continue;
        }
        taken++;
        assert_true(view == next.cr0);
        assert_int_equal(verdict & ~CR_VERDICT_FLUSH_TLB, model_follow_ups(&now, &next));
        assert_int_equal((verdict & CR_VERDICT_FLUSH_TLB) != 0,
                         ((now.cr0 ^ next.cr0) & CR0_PG) != 0);
    }
    assert_in_range(taken, ROUNDS / 10, ROUNDS);
}

static void a_cr4_write_is_taken_exactly_where_the_model_takes_it(void **state)
{
    (void)state;
    unsigned taken = 0;
    random_seed(0xc44);
    for (unsigned i = 0; i < ROUNDS; i++) {
        struct cr_state now = random_state_legal(), next = now;
        uint64_t allowed = now.cr4 | random_u64() | random_u64(), view = 0xdead;
        next.cr4 = random_below(3) ? now.cr4 ^ random_cr4() : random_cr4();
        unsigned verdict = cr4_write_rule(&now, allowed, next.cr4, &view);
        bool legal = step_legal(&now, &next) && !(next.cr4 & ~allowed);
        assert_int_equal(verdict == CR_VERDICT_GP, !legal);
        if (verdict == CR_VERDICT_GP)
            continue;
        taken++;
        assert_true(view == next.cr4);
        assert_int_equal(verdict & ~CR_VERDICT_FLUSH_TLB, model_follow_ups(&now, &next));
        assert_int_equal((verdict & CR_VERDICT_FLUSH_TLB) != 0, model_flushes(now.cr4, next.cr4));
    }
    assert_in_range(taken, ROUNDS / 10, ROUNDS);
}

static void an_os_can_switch_to_long_mode_and_back(void **state)
{
    (void)state;
    struct cr_state cpu = {0x60000010, 0, 0, 0, false, false};
    assert_int_equal(cr0_write_rule(&cpu, 0x11, &cpu.cr0), CR_VERDICT_CACHES_ON);
    assert_int_equal(cr4_write_rule(&cpu, CR4_PAE, CR4_PAE, &cpu.cr4), CR_VERDICT_FLUSH_TLB);
    cpu.efer = EFER_LME;
    assert_int_equal(cr0_write_rule(&cpu, 0x80000011, &cpu.cr0),
                     CR_VERDICT_ENTER_IA32E | CR_VERDICT_FLUSH_TLB);
    cpu.efer |= EFER_LMA;
    cpu.cs_l = true;
    assert_int_equal(cr0_write_rule(&cpu, 0x11, &cpu.cr0), CR_VERDICT_GP);
    cpu.cs_l = false;
    assert_int_equal(cr0_write_rule(&cpu, 0x11, &cpu.cr0),
                     CR_VERDICT_LEAVE_IA32E | CR_VERDICT_FLUSH_TLB);
}

static void lmsw_sets_pe_but_never_clears_it(void **state)
{
    (void)state;
    assert_int_equal(cr0_lmsw_value(0x80050033, 0), 0x80050031);
    assert_int_equal(cr0_lmsw_value(0x60000010, 0xffff), 0x6000001f);
    assert_int_equal(cr0_lmsw_value(0x1f, 0xfff4), 0x15);
    assert_int_equal(cr0_clts_value(0x8005003b), 0x80050033);
}

static void the_guest_reads_back_what_it_wrote_and_the_cpu_runs_with_what_orlop_needs(void **state)
{
    (void)state;
    random_seed(0x5ead);
    for (unsigned i = 0; i < 10000; i++) {
        uint64_t view = random_u64(), allowed = random_u64() & ~(CR4_VMXE | CR4_SMXE);
        uint64_t cr0 = cr0_hardware_value(view), cr4 = cr4_hardware_value(view & allowed);
        assert_int_equal(cr0 & (CR0_NE | CR0_CD | CR0_NW), CR0_NE);
        assert_true(cr0_view(cr0, view) == view);
        assert_int_equal(cr4 & CR4_VMXE, CR4_VMXE);
        assert_int_equal(cr4 & CR4_SMXE, 0);
        assert_true(cr4_view(cr4, view & allowed, allowed) == (view & allowed));
        assert_true(cr4_owned_bits(allowed) & CR4_VMXE);
        assert_true(!(cr4_owned_bits(allowed) & allowed));
    }
    assert_int_equal(cr4_view(CR4_VMXE | CR4_PAE, CR4_SMXE | CR4_PSE, CR4_PAE | CR4_PSE),
                     CR4_PAE | CR4_SMXE);
    assert_int_equal(cr0_owned_bits(), CR0_NE | CR0_CD | CR0_NW);
}

static void a_pdpte_has_no_reserved_bit_unless_it_is_not_present(void **state)
{
    (void)state;
    for (unsigned bit = 0; bit < 64; bit++) {
        bool reserved = bit == 1 || bit == 2 || (bit >= 5 && bit <= 8) || bit >= 39;
        assert_int_equal(pdpte_legal(1 | BIT(bit), 39), !reserved);
        assert_true(bit == 0 || pdpte_legal(BIT(bit), 39));
    }
    assert_true(pdpte_legal(BIT(51) | 1, 52));
}

/* ---- which bits of CR4 there are ---- */

static uint32_t max_leaf, leaf7_subleaves;
static uint32_t features[4][4]; /* 1; 7.0; 7.1; anything else */

static struct cpuid_regs fake_native(uint32_t leaf, uint32_t subleaf)
{
    if (leaf == 0)
        return (struct cpuid_regs){max_leaf, 0, 0, 0};
    unsigned row = leaf == 1 ? 0 : leaf == 7 && subleaf < 2 ? 1 + subleaf : 3;
    const uint32_t *words = features[row];
    return (struct cpuid_regs){row == 1 ? leaf7_subleaves : words[0], words[1], words[2], words[3]};
}

static void set_features(uint32_t all)
{
    max_leaf = 0x20, leaf7_subleaves = 1;
    for (unsigned i = 0; i < 4; i++)
        for (unsigned out = 0; out < 4; out++)
            features[i][out] = all;
}

static void cr4_has_what_cpuid_and_vmx_both_allow(void **state)
{
    (void)state;
    set_features(~0u);
    assert_int_equal(cr4_allowed_bits(fake_native, ~0ull), 0x1bff1fff);
    assert_int_equal(cr4_allowed_bits(fake_native, 0x3727ff), 0x3707ff);
    set_features(0);
    assert_int_equal(cr4_allowed_bits(fake_native, ~0ull), CR4_PCE);
    features[0][2] = BIT(26);
    assert_int_equal(cr4_allowed_bits(fake_native, ~0ull), CR4_PCE | CR4_OSXSAVE);
}

static void leaves_that_the_cpu_lacks_allow_nothing(void **state)
{
    (void)state;
    set_features(~0u);
    leaf7_subleaves = 0;
    assert_int_equal(cr4_allowed_bits(fake_native, ~0ull) & (CR4_LASS | CR4_LAM_SUP), 0);
    max_leaf = 7;
    assert_int_equal(cr4_allowed_bits(fake_native, ~0ull) & CR4_SMEP, CR4_SMEP);
    max_leaf = 6;
    assert_int_equal(cr4_allowed_bits(fake_native, ~0ull) & CR4_SMEP, 0);
    assert_int_equal(cr4_allowed_bits(fake_native, ~0ull) & CR4_PAE, CR4_PAE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_cr0_write_is_taken_exactly_where_the_model_takes_it),
        cmocka_unit_test(a_cr4_write_is_taken_exactly_where_the_model_takes_it),
        cmocka_unit_test(an_os_can_switch_to_long_mode_and_back),
        cmocka_unit_test(lmsw_sets_pe_but_never_clears_it),
        cmocka_unit_test(the_guest_reads_back_what_it_wrote_and_the_cpu_runs_with_what_orlop_needs),
        cmocka_unit_test(a_pdpte_has_no_reserved_bit_unless_it_is_not_present),
        cmocka_unit_test(cr4_has_what_cpuid_and_vmx_both_allow),
        cmocka_unit_test(leaves_that_the_cpu_lacks_allow_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
