/* with: vcpu/msr_table.c vcpu/msr_rules.c */
#include "vcpu/msr_table.h"

#include "base/bits.h"
#include "base/x86/msr.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/msr_line.h"

#include "tests/unit/random.h"

#define OWN_BASE 0x7f000000ull
#define OWN_END  0x7f200000ull

/* A CPU with ten variable MTRRs, fixed ones, x2APIC and 46 address bits. */
static const struct msr_policy policy = {.own_base = OWN_BASE,
                                         .own_end = OWN_END,
                                         .mtrr_cap = 0x50a,
                                         .xss_supported = BIT(11) | BIT(12),
                                         .physical_bits = 46,
                                         .has_x2apic = true,
                                         .has_microcode = true};

static enum msr_action write_rule(uint32_t index, uint64_t value)
{
    return msr_write_rule(&policy, index, 0, &value);
}

static enum msr_action read_rule(uint32_t index)
{
    uint64_t value = 0;
    return msr_read_rule(&policy, index, &value);
}

/* ---- table, bitmap and rules agree ---- */

static const struct msr_row *row_of(uint32_t index)
{
    for (unsigned i = 0; i < msr_row_count; i++)
        if (index >= msr_rows[i].first && index <= msr_rows[i].last)
            return &msr_rows[i];
    return NULL;
}

static void rows_are_sorted_and_apart_and_inside_the_bitmap(void **state)
{
    (void)state;
    for (unsigned i = 0; i < msr_row_count; i++) {
        const struct msr_row *row = &msr_rows[i];
        assert_true(row->first <= row->last);
        assert_true(row->last < 0x2000 || (row->first >= 0xc0000000 && row->last < 0xc0002000));
        assert_true(i == 0 || msr_rows[i - 1].last < row->first);
        assert_true(row->why[0] && row->name[0]);
    }
}

/* The table once more, in the SDM's numbers: p passed, g guarded, f faults; reads, then writes. */
static const struct {
    uint32_t first, last;
    char access[3];
} expected[] = {
    {0x1b, 0x1b, "pg"},
    {0x33, 0x33, "pg"},
    {0x3a, 0x3a, "gf"},
    {0x79, 0x79, "pg"},
    {0x80, 0x80, "pf"},
    {0x9b, 0x9b, "ff"},
    {0xcf, 0xcf, "gp"},
    {0x1a0, 0x1a0, "gg"},
    {0x1d9, 0x1d9, "pp"},
    {0x1f4, 0x1f5, "pf"},
    {0x200, 0x24f, "gg"},
    {0x250, 0x250, "gg"},
    {0x258, 0x259, "gg"},
    {0x268, 0x26f, "gg"},
    {0x277, 0x277, "pp"},
    {0x2a0, 0x2a0, "pf"},
    {0x2ff, 0x2ff, "gg"},
    {0x345, 0x345, "gp"},
    {0x3f1, 0x3f1, "pg"},
    {0x3f4, 0x3f5, "pg"},
    {0x480, 0x493, "ff"},
    {0x560, 0x572, "ff"},
    {0x580, 0x587, "ff"},
    {0x600, 0x600, "pp"},
    {0x982, 0x984, "pf"},
    {0x985, 0x98a, "pp"},
    {0xda0, 0xda0, "pg"},
    {0xed0, 0xed3, "ff"},
    {0x1400, 0x1401, "pf"},
    {0x17d0, 0x17d1, "ff"},
    {0xc0000080, 0xc0000080, "pp"},
};

static void the_rows_are_the_ones_that_are_meant(void **state)
{
    (void)state;
    static const char letters[] = {[MSR_PASS] = 'p', [MSR_GUARD] = 'g', [MSR_FAULT] = 'f'};
    assert_int_equal(msr_row_count, ARRAY_SIZE(expected));
    for (unsigned i = 0; i < msr_row_count; i++) {
        assert_int_equal(msr_rows[i].first, expected[i].first);
        assert_int_equal(msr_rows[i].last, expected[i].last);
        assert_int_equal(letters[msr_rows[i].read], expected[i].access[0]);
        assert_int_equal(letters[msr_rows[i].write], expected[i].access[1]);
    }
}

static bool bitmap_bit(const uint8_t *bitmap, uint32_t index, bool write)
{
    unsigned page = (write ? 2 : 0) + (index >= 0xc0000000 ? 1 : 0);
    uint32_t n = index & 0x1fff;
    return bitmap[page * 1024 + n / 8] >> n % 8 & 1;
}

static void check_index(const uint8_t *bitmap, uint32_t index)
{
    const struct msr_row *row = row_of(index);
    enum msr_access read = row ? row->read : MSR_PASS, write = row ? row->write : MSR_PASS;
    assert_int_equal(bitmap_bit(bitmap, index, false), read != MSR_PASS);
    assert_int_equal(bitmap_bit(bitmap, index, true), write != MSR_PASS);
    if (read != MSR_GUARD)
        assert_int_equal(read_rule(index), read == MSR_PASS ? MSR_DO_NATIVE : MSR_DO_FAULT);
    if (write != MSR_GUARD)
        assert_int_equal(write_rule(index, 0), write == MSR_PASS ? MSR_DO_NATIVE : MSR_DO_FAULT);
}

static void bitmap_and_rules_say_what_the_rows_say(void **state)
{
    (void)state;
    uint8_t bitmap[MSR_BITMAP_BYTES];
    memset(bitmap, 0xaa, sizeof(bitmap));
    msr_bitmap_build(bitmap, &policy);
    for (uint32_t n = 0; n < 0x2000; n++) {
        check_index(bitmap, n);
        check_index(bitmap, 0xc0000000 + n);
    }
}

static void nothing_that_addresses_physical_memory_is_passed(void **state)
{
    (void)state;
    for (unsigned i = 0; i < msr_row_count; i++) {
        if (msr_rows[i].memory == MSR_MEMORY_PHYSICAL)
            assert_int_not_equal(msr_rows[i].write, MSR_PASS);
    }
    static const uint32_t known[] = {MSR_IA32_RTIT_OUTPUT_BASE,
                                     MSR_IA32_RTIT_OUTPUT_MASK_PTRS,
                                     MSR_IA32_APIC_BASE,
                                     0x17d0,
                                     0xed2,
                                     0x982};
    for (unsigned i = 0; i < ARRAY_SIZE(known); i++)
        assert_int_equal(row_of(known[i])->memory, MSR_MEMORY_PHYSICAL);
}

static void an_index_outside_the_bitmap_is_a_gp(void **state)
{
    (void)state;
    static const uint32_t outside[] = {0x2000,     0x40000000, 0x400000f0, 0xbfffffff,
                                       0xc0002000, 0xdeadbeef, 0xffffffff};
    for (unsigned i = 0; i < ARRAY_SIZE(outside); i++) {
        assert_int_equal(read_rule(outside[i]), MSR_DO_FAULT);
        assert_int_equal(write_rule(outside[i], 0), MSR_DO_FAULT);
    }
}

static void what_a_guest_uses_all_day_does_not_exit(void **state)
{
    (void)state;
    static const uint32_t hot[] = {MSR_IA32_TSC,
                                   MSR_IA32_TSC_DEADLINE,
                                   MSR_IA32_EFER,
                                   MSR_IA32_KERNEL_GS_BASE,
                                   MSR_IA32_FS_BASE,
                                   MSR_IA32_PAT,
                                   MSR_IA32_SPEC_CTRL,
                                   MSR_IA32_LSTAR,
                                   0x830,
                                   0x80b};
    uint8_t bitmap[MSR_BITMAP_BYTES];
    msr_bitmap_build(bitmap, &policy);
    for (unsigned i = 0; i < ARRAY_SIZE(hot); i++)
        assert_false(bitmap_bit(bitmap, hot[i], false) || bitmap_bit(bitmap, hot[i], true));
}

/* ---- hidden features ---- */

static void vmx_is_locked_off(void **state)
{
    (void)state;
    uint64_t value = ~0ull;
    assert_int_equal(msr_read_rule(&policy, MSR_IA32_FEATURE_CONTROL, &value), MSR_DO_ANSWER);
    assert_int_equal(value, 1);
    assert_int_equal(write_rule(MSR_IA32_FEATURE_CONTROL, 5), MSR_DO_FAULT);
    for (uint32_t index = 0x480; index <= 0x493; index++) {
        assert_int_equal(read_rule(index), MSR_DO_FAULT);
        assert_int_equal(write_rule(index, 0), MSR_DO_FAULT);
    }
    assert_int_equal(read_rule(MSR_IA32_SMM_MONITOR_CTL), MSR_DO_FAULT);
}

static void processor_trace_faults_unless_it_goes_through_ept(void **state)
{
    (void)state;
    struct msr_policy open = policy;
    uint64_t value = 0;
    uint8_t bitmap[MSR_BITMAP_BYTES];
    open.pt_passes = true;
    msr_bitmap_build(bitmap, &open);
    static const uint32_t trace[] = {0x560, 0x561, 0x570, 0x571, 0x572, 0x580, 0x587};
    for (unsigned i = 0; i < ARRAY_SIZE(trace); i++) {
        assert_int_equal(read_rule(trace[i]), MSR_DO_FAULT);
        assert_int_equal(write_rule(trace[i], 0), MSR_DO_FAULT);
        assert_int_equal(msr_read_rule(&open, trace[i], &value), MSR_DO_NATIVE);
        assert_int_equal(msr_write_rule(&open, trace[i], 0, &value), MSR_DO_NATIVE);
        assert_false(bitmap_bit(bitmap, trace[i], false) || bitmap_bit(bitmap, trace[i], true));
    }
}

static void pebs_is_off_and_unseen_unless_root_mode_stops_the_counters(void **state)
{
    (void)state;
    struct msr_policy open = policy;
    uint64_t one = 1;
    open.pebs_passes = true;
    assert_int_equal(write_rule(MSR_IA32_PEBS_ENABLE, 1), MSR_DO_FAULT);
    assert_int_equal(write_rule(MSR_IA32_PEBS_ENABLE, 0), MSR_DO_NATIVE);
    assert_int_equal(write_rule(0x3f4, 0x1000), MSR_DO_FAULT);
    assert_int_equal(msr_write_rule(&open, MSR_IA32_PEBS_ENABLE, 0, &one), MSR_DO_NATIVE);

    assert_true(msr_read_filter(&policy, MSR_IA32_PERF_CAPABILITIES, ~0ull) == ~0x34fc0ull);
    assert_true(msr_read_filter(&open, MSR_IA32_PERF_CAPABILITIES, ~0ull) == ~0ull);
    assert_int_equal(msr_read_filter(&policy, MSR_IA32_MISC_ENABLE, 0x850089), 0x851089);
    assert_int_equal(msr_read_filter(&open, MSR_IA32_MISC_ENABLE, 0x850089), 0x850089);
}

static void misc_enable_never_turns_nx_off(void **state)
{
    (void)state;
    uint64_t value = MISC_ENABLE_XD_DISABLE | BIT(12) | BIT(18);
    assert_true(msr_write_needs_now(MSR_IA32_MISC_ENABLE));
    assert_int_equal(msr_write_rule(&policy, MSR_IA32_MISC_ENABLE, 0x1, &value), MSR_DO_NATIVE);
    assert_int_equal(value, BIT(18));
    value = 0;
    assert_int_equal(msr_write_rule(&policy, MSR_IA32_MISC_ENABLE, BIT(12), &value), MSR_DO_NATIVE);
    assert_int_equal(value, BIT(12));
}

/* Orlop's own locked accesses reach memory of any type. Split locks (bit 29) stay the guest's. */
static void uc_lock_disable_is_unseen_and_cannot_be_set(void **state)
{
    (void)state;
    assert_false(msr_read_filter(&policy, 0xcf, ~0ull) & BIT(4));
    assert_true(msr_read_filter(&policy, 0xcf, BIT(5)) == BIT(5));
    for (unsigned bit = 0; bit < 64; bit++) {
        uint64_t value = BIT(bit);
        assert_int_equal(msr_write_rule(&policy, 0x33, BIT(28), &value),
                         bit == 28 ? MSR_DO_FAULT : MSR_DO_NATIVE);
        assert_true(value == BIT(bit));
    }
    assert_int_equal(write_rule(0x33, BIT(28) | BIT(29)), MSR_DO_FAULT);
    assert_int_equal(write_rule(0x33, 0), MSR_DO_NATIVE);
}

static void remote_action_requests_are_unseen(void **state)
{
    (void)state;
    assert_true(msr_read_filter(&policy, 0xcf, ~0ull) == ~0x12ull);
    assert_int_equal(read_rule(0xcf), MSR_DO_NATIVE);
    assert_int_equal(write_rule(0xed2, 0x1000), MSR_DO_FAULT);
}

static void other_reads_are_not_filtered(void **state)
{
    (void)state;
    for (uint32_t index = 0; index < 0x2000; index++) {
        if (index != 0xcf && index != MSR_IA32_MISC_ENABLE && index != MSR_IA32_PERF_CAPABILITIES)
            assert_true(msr_read_filter(&policy, index, ~0ull) == ~0ull);
    }
}

static void the_documentation_has_each_row(void **state)
{
    (void)state;
    static char text[65536];
    FILE *file = fopen("docs/abi.md", "r");
    assert_non_null(file);
    text[fread(text, 1, sizeof(text) - 1, file)] = 0;
    fclose(file);
    const char *at = strstr(text, "| index | MSR | read | write | memory | why |\n|---|");
    assert_non_null(at);
    at = strchr(strchr(at, '\n') + 1, '\n') + 1;
    for (unsigned i = 0; i < msr_row_count; i++) {
        char line[400];
        msr_line(&msr_rows[i], line, sizeof(line));
        if (strncmp(at, line, strlen(line)) != 0)
            fail_msg("docs/abi.md has not: %s", line);
        at = strchr(at, '\n') + 1;
    }
    assert_int_equal(*at, '\n'); /* no row more */
}

static void a_microcode_update_is_taken_without_effect(void **state)
{
    (void)state;
    assert_int_equal(write_rule(MSR_IA32_BIOS_UPDT_TRIG, 0xffff880000001030), MSR_DO_IGNORE);
    assert_int_equal(write_rule(MSR_IA32_BIOS_SIGN_ID, 0), MSR_DO_NATIVE);
    struct msr_policy without = policy;
    uint64_t address = 0x1030;
    without.has_microcode = false;
    assert_int_equal(msr_write_rule(&without, MSR_IA32_BIOS_UPDT_TRIG, 0, &address), MSR_DO_FAULT);
}

static void xss_takes_supported_components_alone(void **state)
{
    (void)state;
    assert_int_equal(write_rule(MSR_IA32_XSS, 0), MSR_DO_NATIVE);
    assert_int_equal(write_rule(MSR_IA32_XSS, BIT(11) | BIT(12)), MSR_DO_NATIVE);
    assert_int_equal(write_rule(MSR_IA32_XSS, BIT(8)), MSR_DO_FAULT);
    assert_int_equal(write_rule(MSR_IA32_XSS, BIT(11) | BIT(63)), MSR_DO_FAULT);
}

/* ---- IA32_APIC_BASE ---- */

#define OFF    0ull
#define XAPIC  APIC_BASE_EN
#define X2APIC (APIC_BASE_EN | APIC_BASE_EXTD)

static enum msr_action apic_write(uint64_t now, uint64_t value)
{
    return msr_write_rule(&policy, MSR_IA32_APIC_BASE, now, &value);
}

static void apic_modes_change_as_the_sdm_draws_it(void **state)
{
    (void)state;
    static const struct {
        uint64_t from, to;
        enum msr_action action;
    } steps[] = {
        {OFF, OFF, MSR_DO_NATIVE},       {OFF, XAPIC, MSR_DO_NATIVE},
        {OFF, X2APIC, MSR_DO_FAULT},     {XAPIC, OFF, MSR_DO_NATIVE},
        {XAPIC, XAPIC, MSR_DO_NATIVE},   {XAPIC, X2APIC, MSR_DO_NATIVE},
        {X2APIC, OFF, MSR_DO_NATIVE},    {X2APIC, XAPIC, MSR_DO_FAULT},
        {X2APIC, X2APIC, MSR_DO_NATIVE},
    };
    assert_true(msr_write_needs_now(MSR_IA32_APIC_BASE));
    for (unsigned i = 0; i < ARRAY_SIZE(steps); i++) {
        assert_int_equal(apic_write(0xfee00000 | steps[i].from, 0xfee00000 | steps[i].to),
                         steps[i].action);
        assert_int_equal(apic_write(0xfee00000 | steps[i].from, 0xfee00000 | APIC_BASE_EXTD),
                         MSR_DO_FAULT);
    }
    struct msr_policy without = policy;
    uint64_t value = 0xfee00000 | X2APIC;
    without.has_x2apic = false;
    assert_int_equal(msr_write_rule(&without, MSR_IA32_APIC_BASE, XAPIC, &value), MSR_DO_FAULT);
}

static void the_apic_page_stays_off_orlop_and_inside_the_address_space(void **state)
{
    (void)state;
    assert_int_equal(apic_write(XAPIC, OWN_BASE | XAPIC), MSR_DO_FAULT);
    assert_int_equal(apic_write(XAPIC, (OWN_END - 0x1000) | XAPIC), MSR_DO_FAULT);
    assert_int_equal(apic_write(XAPIC, (OWN_BASE - 0x1000) | XAPIC), MSR_DO_NATIVE);
    assert_int_equal(apic_write(XAPIC, OWN_END | XAPIC), MSR_DO_NATIVE);
    assert_int_equal(apic_write(XAPIC, BIT(45) | XAPIC), MSR_DO_NATIVE);
    assert_int_equal(apic_write(XAPIC, BIT(46) | XAPIC), MSR_DO_FAULT);
}

static void apic_base_refuses_reserved_bits(void **state)
{
    (void)state;
    for (unsigned bit = 0; bit < 64; bit++) {
        bool reserved = bit < 8 || bit == 9 || bit >= 46;
        if (bit == 10 || bit == 11)
            continue;
        assert_int_equal(apic_write(XAPIC, BIT(bit) | XAPIC),
                         reserved ? MSR_DO_FAULT : MSR_DO_NATIVE);
    }
}

/* ---- MTRRs ---- */

static bool model_type(uint64_t type)
{
    return type == 0 || type == 1 || type == 4 || type == 5 || type == 6;
}

static void mtrr_types_are_the_five_that_exist(void **state)
{
    (void)state;
    for (unsigned type = 0; type < 256; type++) {
        enum msr_action want = model_type(type) ? MSR_DO_SHADOW : MSR_DO_FAULT;
        assert_int_equal(write_rule(0x200, 0x80000000 | type), want);
        assert_int_equal(write_rule(0x2ff, 0xc00 | type), want);
        for (unsigned byte = 0; byte < 8; byte++)
            assert_int_equal(write_rule(0x268, (0x0600040106050106 & ~(0xffull << 8 * byte)) |
                                                   (uint64_t)type << 8 * byte),
                             want);
    }
}

static void mtrrs_refuse_reserved_bits(void **state)
{
    (void)state;
    for (unsigned bit = 0; bit < 64; bit++) {
        bool address = bit >= 12 && bit < 46;
        if (bit >= 8) /* below is the type */
            assert_int_equal(write_rule(0x202, BIT(bit)), address ? MSR_DO_SHADOW : MSR_DO_FAULT);
        assert_int_equal(write_rule(0x203, BIT(bit)),
                         address || bit == 11 ? MSR_DO_SHADOW : MSR_DO_FAULT);
        if (bit >= 8)
            assert_int_equal(write_rule(0x2ff, BIT(bit)),
                             bit == 10 || bit == 11 ? MSR_DO_SHADOW : MSR_DO_FAULT);
    }
}

/* The short way for writes to 200H to 2FFH that change nothing, for all of them that exit. */
static void the_short_way_past_the_mtrrs_agrees_with_the_table(void **state)
{
    (void)state;
    unsigned taken = 0;
    random_seed(0x317);
    for (uint32_t index = 0x200; index < 0x300; index++) {
        const struct msr_row *row = row_of(index);
        for (unsigned i = 0; i < 500 && row && row->write != MSR_PASS; i++) {
            uint64_t value = random_u64() >> random_below(64);
            if (random_below(2))
                value &= 0x0707070707070707;
            bool legal = write_rule(index, value) == MSR_DO_SHADOW;
            assert_int_equal(msr_mtrr_keeps(&policy, index, value, value), legal);
            assert_false(msr_mtrr_keeps(&policy, index, value, value ^ BIT(random_below(64))));
            taken += legal;
        }
    }
    assert_true(taken > 500);
}

static void only_mtrrs_that_the_cpu_has_exist(void **state)
{
    (void)state;
    struct msr_policy bare = policy;
    uint64_t value = 0;
    bare.mtrr_cap = 0;
    for (uint32_t index = 0x200; index < 0x250; index++) {
        enum msr_action want = index < 0x214 ? MSR_DO_SHADOW : MSR_DO_FAULT;
        assert_int_equal(read_rule(index), want);
        assert_int_equal(write_rule(index, 0), want);
        assert_int_equal(msr_read_rule(&bare, index, &value), MSR_DO_FAULT);
    }
    static const uint32_t fixed[] = {0x250, 0x258, 0x259, 0x268, 0x26c, 0x26f};
    for (unsigned i = 0; i < ARRAY_SIZE(fixed); i++) {
        assert_int_equal(read_rule(fixed[i]), MSR_DO_SHADOW);
        assert_int_equal(write_rule(fixed[i], 0x0606060606060606), MSR_DO_SHADOW);
        assert_int_equal(msr_read_rule(&bare, fixed[i], &value), MSR_DO_FAULT);
        assert_int_equal(msr_write_rule(&bare, fixed[i], 0, &value), MSR_DO_FAULT);
    }
    assert_int_equal(msr_read_rule(&bare, 0x2ff, &value), MSR_DO_SHADOW);
}

/* No write reaches the CPU that would change the caching of Orlop's memory, turn off what it runs
 * on, or use a feature that is hidden. */
static void random_writes_never_get_through_to_what_is_guarded(void **state)
{
    (void)state;
    random_seed(0x3535);
    for (unsigned i = 0; i < 300000; i++) {
        const struct msr_row *row = &msr_rows[random_below(msr_row_count)];
        uint32_t index = row->first + (uint32_t)random_below(row->last - row->first + 1);
        uint64_t value = random_u64() >> random_below(64), now = random_u64();
        if (msr_write_rule(&policy, index, now, &value) != MSR_DO_NATIVE)
            continue;
        assert_int_not_equal(row->write, MSR_FAULT);
        assert_false((index >= 0x200 && index < 0x270) || index == 0x2ff || index == 0x79);
        if (index == MSR_IA32_MISC_ENABLE)
            assert_true(!(value & MISC_ENABLE_XD_DISABLE) && !((value ^ now) & BIT(12)));
        if (index == MSR_IA32_XSS)
            assert_true(!(value & ~policy.xss_supported));
        if (index == MSR_IA32_APIC_BASE)
            assert_true((value & ~0xfffull) < OWN_BASE || (value & ~0xfffull) >= OWN_END);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_are_sorted_and_apart_and_inside_the_bitmap),
        cmocka_unit_test(the_rows_are_the_ones_that_are_meant),
        cmocka_unit_test(bitmap_and_rules_say_what_the_rows_say),
        cmocka_unit_test(nothing_that_addresses_physical_memory_is_passed),
        cmocka_unit_test(an_index_outside_the_bitmap_is_a_gp),
        cmocka_unit_test(what_a_guest_uses_all_day_does_not_exit),
        cmocka_unit_test(vmx_is_locked_off),
        cmocka_unit_test(processor_trace_faults_unless_it_goes_through_ept),
        cmocka_unit_test(pebs_is_off_and_unseen_unless_root_mode_stops_the_counters),
        cmocka_unit_test(misc_enable_never_turns_nx_off),
        cmocka_unit_test(uc_lock_disable_is_unseen_and_cannot_be_set),
        cmocka_unit_test(remote_action_requests_are_unseen),
        cmocka_unit_test(other_reads_are_not_filtered),
        cmocka_unit_test(the_documentation_has_each_row),
        cmocka_unit_test(a_microcode_update_is_taken_without_effect),
        cmocka_unit_test(xss_takes_supported_components_alone),
        cmocka_unit_test(apic_modes_change_as_the_sdm_draws_it),
        cmocka_unit_test(the_apic_page_stays_off_orlop_and_inside_the_address_space),
        cmocka_unit_test(apic_base_refuses_reserved_bits),
        cmocka_unit_test(mtrr_types_are_the_five_that_exist),
        cmocka_unit_test(mtrrs_refuse_reserved_bits),
        cmocka_unit_test(the_short_way_past_the_mtrrs_agrees_with_the_table),
        cmocka_unit_test(only_mtrrs_that_the_cpu_has_exist),
        cmocka_unit_test(random_writes_never_get_through_to_what_is_guarded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
