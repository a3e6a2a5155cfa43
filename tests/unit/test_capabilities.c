/* with: vmx/capabilities.c vmx/capability_words.c vmx/capability_report.c vmx/requirements.c lib/format.c */
/* The capability logic on recorded words (tests/data/vmx: Bochs models, nested KVM): what is read,
 * what is refused and by which name, how words merge, differ and print. */
#include "vmx/capability_report.h"
#include "vmx/capability_words.h"
#include "vmx/requirements.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/recording.h"

#define SKYLAKE "bochs-2.7-corei7_skylake_x"
#define KVM     "kvm-nested-linux-6.1-skylake_x"

/* --- collecting reports --- */

struct refusals {
    unsigned needed, used;
    const struct vmx_requirement *rows[VMX_FEATURE_COUNT];
};

static void collect(void *context, const struct vmx_requirement *missing)
{
    struct refusals *r = context;
    if (missing->needed)
        r->rows[r->needed++] = missing;
    else
        r->used++;
}

static struct refusals refusals_of(const struct vmx_capabilities *caps)
{
    struct refusals r = {0};
    bool suitable = vmx_requirements_check(caps, collect, &r);
    assert_int_equal(suitable, r.needed == 0);
    assert_int_equal(vmx_requirements_check(caps, NULL, NULL), suitable);
    return r;
}

static void assert_refused_for(const struct vmx_capabilities *caps, enum vmx_feature feature)
{
    struct refusals r = refusals_of(caps);
    for (unsigned i = 0; i < r.needed; i++)
        if (r.needed != 1 || r.rows[i] != &vmx_requirement_table[feature])
            print_error("refused: %s\n", r.rows[i]->name);
    assert_int_equal(r.needed, 1);
    assert_ptr_equal(r.rows[0], &vmx_requirement_table[feature]);
    assert_false(vmx_feature_present(caps, feature));
}

struct lines {
    unsigned count;
    char text[512][VMX_REPORT_LINE];
};

static void collect_line(void *context, const char *text)
{
    struct lines *lines = context;
    assert_true(lines->count < 512);
    assert_true(strlen(text) < VMX_REPORT_LINE - 1); /* nothing was cut */
    assert_null(strchr(text, '\n'));
    strcpy(lines->text[lines->count++], text);
}

static unsigned lines_with(const struct lines *lines, const char *text)
{
    unsigned count = 0;
    for (unsigned i = 0; i < lines->count; i++)
        count += strstr(lines->text[i], text) != NULL;
    return count;
}

static uint64_t random_state = 0x2545F4914F6CDD1Dull;
static uint64_t random_u64(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state;
}

/* --- reading --- */

static void words_are_those_of_the_recording(void **state)
{
    (void)state;
    struct vmx_capabilities caps = caps_of(SKYLAKE);
    assert_string_equal(caps.vendor, "GenuineIntel");
    assert_string_equal(caps.hypervisor, "");
    assert_null(vmx_hypervisor_name(&caps));
    assert_int_equal(caps.basic, 0xD810000000002Bull);
    assert_int_equal(caps.misc, 0x600401E0);
    assert_int_equal(caps.ept_vpid, 0xF0106334141ull);
    assert_int_equal(caps.secondary, 0x2177FFF00000000ull);
    assert_int_equal(caps.cr4_fixed1, 0x3727FF);
    assert_int_equal(caps.vmfunc, 1);
    assert_int_equal(caps.feature_control, 5);
    assert_int_equal(caps.primary_legacy, 0xF7F9FFFE0401E172ull);
    assert_int_equal(caps.primary, 0xF7F9FFFE04006172ull); /* the TRUE word */
    assert_int_equal(caps.exit, 0x7FFFFF00036DFBull);
    assert_int_equal(vmx_physical_bits(&caps), 40);
}

static void only_msrs_that_exist_are_read(void **state)
{
    (void)state;
    /* recorded_rdmsr fails the test at the first MSR that faulted on the machine. */
    static const char *const all[] = {
        SKYLAKE,
        KVM,
        "bochs-2.7-corei7_icelake_u",
        "bochs-2.7-corei7_haswell_4770",
        "bochs-2.7-corei7_sandy_bridge_2600k",
        "bochs-2.7-corei5_arrandale_m520",
        "bochs-2.7-corei5_lynnfield_750",
        "bochs-2.7-core2_penryn_t9600",
        "bochs-2.7-core_duo_t2400_yonah",
        "bochs-2.7-p4_prescott_celeron_336",
        "bochs-2.7-ryzen",
        "bochs-2.7-corei3_cnl",
        "bochs-2.7-bx_generic",
    };
    for (unsigned i = 0; i < ARRAY_SIZE(all); i++)
        caps_of(all[i]);
}

static void without_vmx_no_msr_is_read(void **state)
{
    (void)state;
    struct recording from;
    struct vmx_capabilities caps;
    record(&from, SKYLAKE);
    from.cpuid[1].r.ecx &= (uint32_t)~CPUID_1_ECX_VMX;
    read_recording(&caps, &from);
    assert_int_equal(from.msr_reads, 0);
    assert_int_equal(caps.pin, 0);
}

/* Takes the MSRs [first, last] away, as a CPU without them would. */
static void remove_msrs(struct recording *from, uint32_t first, uint32_t last)
{
    for (unsigned i = 0; i < from->msr_count; i++)
        if (from->msr[i].index >= first && from->msr[i].index <= last)
            from->msr[i].index = 0xFFFFFFFF;
}

static void without_true_controls_the_older_words_hold(void **state)
{
    (void)state;
    struct recording from;
    struct vmx_capabilities caps;
    record(&from, SKYLAKE);
    *recorded_msr(&from, MSR_IA32_VMX_BASIC) &= ~(uint64_t)VMX_BASIC_TRUE_CONTROLS;
    remove_msrs(&from, MSR_IA32_VMX_TRUE_PINBASED_CTLS, MSR_IA32_VMX_TRUE_ENTRY_CTLS);
    read_recording(&caps, &from);
    assert_int_equal(caps.primary, 0xF7F9FFFE0401E172ull);
    assert_int_equal(caps.pin, caps.pin_legacy);
    assert_int_equal(caps.entry, 0xFFFF000011FFull);
    assert_false(vmx_feature_present(&caps, VMX_FEATURE_TRUE_CONTROLS));
    assert_int_equal(refusals_of(&caps).needed, 0);
}

static void a_word_behind_a_control_needs_that_control(void **state)
{
    (void)state;
    struct recording from;
    struct vmx_capabilities caps;
    record(&from, SKYLAKE);
    uint64_t *primary = recorded_msr(&from, MSR_IA32_VMX_PROCBASED_CTLS);
    uint64_t *secondary = recorded_msr(&from, MSR_IA32_VMX_PROCBASED_CTLS2);
    uint64_t ept = CONTROL_MAY_BE_1(SECONDARY_ENABLE_EPT);
    uint64_t vpid = CONTROL_MAY_BE_1(SECONDARY_ENABLE_VPID);

    *secondary &= ~CONTROL_MAY_BE_1(SECONDARY_ENABLE_VM_FUNCTIONS);
    remove_msrs(&from, MSR_IA32_VMX_VMFUNC, MSR_IA32_VMX_VMFUNC);
    read_recording(&caps, &from);
    assert_int_equal(caps.vmfunc, 0);

    *secondary &= ~ept; /* VPID alone still implies IA32_VMX_EPT_VPID_CAP */
    read_recording(&caps, &from);
    assert_int_not_equal(caps.ept_vpid, 0);
    *secondary = (*secondary | ept) & ~vpid;
    read_recording(&caps, &from);
    assert_int_not_equal(caps.ept_vpid, 0);
    *secondary &= ~ept;
    remove_msrs(&from, MSR_IA32_VMX_EPT_VPID_CAP, MSR_IA32_VMX_EPT_VPID_CAP);
    read_recording(&caps, &from);
    assert_int_equal(caps.ept_vpid, 0);

    *primary &= ~CONTROL_MAY_BE_1(PRIMARY_ACTIVATE_SECONDARY_CONTROLS);
    remove_msrs(&from, MSR_IA32_VMX_PROCBASED_CTLS2, MSR_IA32_VMX_PROCBASED_CTLS2);
    read_recording(&caps, &from);
    assert_int_equal(caps.secondary, 0);
}

static void newer_words_are_read_where_their_controls_are(void **state)
{
    (void)state;
    struct recording from;
    struct vmx_capabilities caps;
    record(&from, SKYLAKE);
    *recorded_msr(&from, MSR_IA32_VMX_PROCBASED_CTLS) |=
        CONTROL_MAY_BE_1(PRIMARY_ACTIVATE_TERTIARY_CONTROLS);
    *recorded_msr(&from, MSR_IA32_VMX_EXIT_CTLS) |=
        CONTROL_MAY_BE_1(EXIT_CTL_ACTIVATE_SECONDARY_CONTROLS);
    from.msr[from.msr_count].index = MSR_IA32_VMX_PROCBASED_CTLS3;
    from.msr[from.msr_count++].value = TERTIARY_IPI_VIRTUALIZATION;
    from.msr[from.msr_count].index = MSR_IA32_VMX_EXIT_CTLS2;
    from.msr[from.msr_count++].value = 8;
    read_recording(&caps, &from);
    assert_int_equal(caps.tertiary, TERTIARY_IPI_VIRTUALIZATION);
    assert_int_equal(caps.exit2, 8);
}

static void bits_that_follow_cr4_are_left_out(void **state)
{
    (void)state;
    struct recording from;
    struct vmx_capabilities caps, other;
    record(&from, SKYLAKE);
    read_recording(&caps, &from);
    from.cpuid[1].r.ecx ^= (uint32_t)CPUID_1_ECX_OSXSAVE;
    from.cpuid[2].r.ecx ^= (uint32_t)CPUID_7_ECX_OSPKE;
    read_recording(&other, &from);
    assert_memory_equal(&caps, &other, sizeof(caps));
}

static void leaves_above_the_highest_read_as_zero(void **state)
{
    (void)state;
    struct recording from;
    struct vmx_capabilities caps;
    record(&from, SKYLAKE);
    from.cpuid[0].r.eax = 1; /* leaves 7 and D are gone; asking fails the test... */
    from.cpuid[2].leaf = 0x11111111;
    from.cpuid[3].leaf = 0x22222222;
    from.cpuid[4].r.eax = 0x2C100000; /* ...and what an old CPU answers is no highest leaf */
    from.cpuid[5].leaf = 0x33333333;
    from.cpuid[6].leaf = 0x44444444;
    read_recording(&caps, &from);
    assert_int_equal(caps.cpuid_7_ebx, 0);
    assert_int_equal(caps.cpuid_d_1_eax, 0);
    assert_int_equal(caps.cpuid_ext_1_edx, 0);
    assert_int_equal(vmx_physical_bits(&caps), 36);
}

static void the_hypervisor_below_is_named(void **state)
{
    (void)state;
    struct vmx_capabilities caps = caps_of(KVM);
    assert_string_equal(caps.hypervisor, "KVMKVMKVM");
    assert_string_equal(vmx_hypervisor_name(&caps), "KVM");
    strcpy(caps.hypervisor, "Microsoft Hv");
    assert_string_equal(vmx_hypervisor_name(&caps), "Hyper-V");
    strcpy(caps.hypervisor, "SomethingNew");
    assert_string_equal(vmx_hypervisor_name(&caps), "SomethingNew");
}

static void a_signature_is_printable_whatever_it_says(void **state)
{
    (void)state;
    struct recording from;
    struct vmx_capabilities caps;
    record(&from, KVM);
    from.cpuid[2].r = (struct cpuid_regs){0x40000001, 0x41FF0A1B, 0x7F7E2020, 0xFFFFFFFF};
    read_recording(&caps, &from);
    assert_string_equal(caps.hypervisor, "???A  ~?????");
    assert_int_equal(strlen(caps.hypervisor), 12);
}

/* --- control words --- */

static void adjusted_controls_match_a_bitwise_model(void **state)
{
    (void)state;
    for (unsigned round = 0; round < 20000; round++) {
        uint64_t capability = random_u64();
        uint32_t wanted = (uint32_t)random_u64(), missing = 0xDEAD, model = 0, model_missing = 0;
        capability |= capability << 32; /* what must be 1 may be 1 */
        for (unsigned bit = 0; bit < 32; bit++) {
            bool must = capability >> bit & 1, may = capability >> (32 + bit) & 1;
            bool want = wanted >> bit & 1;
            model |= (uint32_t)(must || (want && may)) << bit;
            model_missing |= (uint32_t)(want && !may) << bit;
        }
        assert_int_equal(vmx_controls_adjust(capability, wanted, &missing), model);
        assert_int_equal(missing, model_missing);
        assert_int_equal(vmx_controls_adjust(capability, wanted, NULL), model);
    }
}

static void an_absent_control_word_gives_nothing(void **state)
{
    (void)state;
    uint32_t missing;
    assert_int_equal(vmx_controls_adjust(0, SECONDARY_ENABLE_EPT, &missing), 0);
    assert_int_equal(missing, SECONDARY_ENABLE_EPT);
}

/* --- IA32_FEATURE_CONTROL --- */

static void feature_control_has_four_cases(void **state)
{
    (void)state;
    static const struct {
        uint64_t value;
        enum vmx_feature_control state;
        uint64_t write;
    } cases[] = {
        {0x000000, VMXON_AFTER_WRITE, 0x000005}, /* as after reset */
        {0x000002, VMXON_AFTER_WRITE, 0x000007},
        {0x000004, VMXON_AFTER_WRITE, 0x000005}, /* on, but not locked: VMXON would fault */
        {0x000006, VMXON_AFTER_WRITE, 0x000007},
        {0x16FF00, VMXON_AFTER_WRITE, 0x16FF05}, /* SENTER, SGX and LMCE stay */
        {0x000001, VMXON_LOCKED_OFF, 0},
        {0x16FF01, VMXON_LOCKED_OFF, 0},
        {0x000003, VMXON_LOCKED_INSIDE_SMX, 0},
        {0x000005, VMXON_ALLOWED, 0},
        {0x000007, VMXON_ALLOWED, 0},
        {0x100005, VMXON_ALLOWED, 0}, /* nested KVM */
    };
    for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
        uint64_t write = 0;
        assert_int_equal(vmx_feature_control_judge(cases[i].value, &write), cases[i].state);
        assert_int_equal(write, cases[i].write);
    }
}

static void what_is_written_to_feature_control_is_allowed_next(void **state)
{
    (void)state;
    for (uint64_t value = 0; value < 0x200000; value += 2) {
        uint64_t write, none;
        assert_int_equal(vmx_feature_control_judge(value, &write), VMXON_AFTER_WRITE);
        assert_int_equal(vmx_feature_control_judge(write, &none), VMXON_ALLOWED);
        assert_int_equal(write & ~5ull, value & ~5ull);
    }
}

/* --- requirements --- */

static void suitable_machines_are_taken(void **state)
{
    (void)state;
    static const char *const good[] = {
        SKYLAKE,
        KVM,
        "bochs-2.7-corei7_icelake_u",
        "bochs-2.7-corei7_haswell_4770",
        "bochs-2.7-corei7_sandy_bridge_2600k",
        "bochs-2.7-corei5_arrandale_m520",
        "bochs-2.7-corei3_cnl",
    };
    for (unsigned i = 0; i < ARRAY_SIZE(good); i++) {
        struct vmx_capabilities caps = caps_of(good[i]);
        struct refusals r = refusals_of(&caps);
        if (r.needed)
            print_error("%s: %s\n", good[i], r.rows[0]->name);
        assert_int_equal(r.needed, 0);
    }
}

static void each_unsuitable_machine_is_refused_for_one_reason(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        enum vmx_feature missing;
    } machines[] = {
        {"bochs-2.7-corei5_lynnfield_750", VMX_FEATURE_UNRESTRICTED_GUEST},
        {"bochs-2.7-p4_prescott_celeron_336", VMX_FEATURE_VMX},
        {"bochs-2.7-ryzen", VMX_FEATURE_VENDOR},
    };
    for (unsigned i = 0; i < ARRAY_SIZE(machines); i++) {
        struct vmx_capabilities caps = caps_of(machines[i].name);
        assert_refused_for(&caps, machines[i].missing);
    }
}

static bool is_named(const struct refusals *r, enum vmx_feature feature)
{
    for (unsigned i = 0; i < r->needed; i++)
        if (r->rows[i] == &vmx_requirement_table[feature])
            return true;
    return false;
}

static void early_cpus_are_refused_by_what_they_lack_not_by_what_hangs_on_it(void **state)
{
    (void)state;
    struct vmx_capabilities caps = caps_of("bochs-2.7-core_duo_t2400_yonah");
    struct refusals r = refusals_of(&caps);
    assert_true(is_named(&r, VMX_FEATURE_SECONDARY_CONTROLS));
    assert_true(is_named(&r, VMX_FEATURE_SAVE_EFER));
    assert_false(is_named(&r, VMX_FEATURE_EPT));
    assert_false(is_named(&r, VMX_FEATURE_INVEPT));

    caps = caps_of("bochs-2.7-core2_penryn_t9600");
    r = refusals_of(&caps);
    assert_ptr_equal(r.rows[0], &vmx_requirement_table[VMX_FEATURE_EPT]);
    assert_true(is_named(&r, VMX_FEATURE_SAVE_EFER));
    assert_false(is_named(&r, VMX_FEATURE_UNRESTRICTED_GUEST));
    assert_false(is_named(&r, VMX_FEATURE_EPT_2M));
}

static void *member_at(struct vmx_capabilities *caps, uint16_t offset)
{
    return (char *)caps + offset;
}

static void each_needed_bit_cleared_is_its_own_refusal(void **state)
{
    (void)state;
    unsigned tried = 0;
    for (unsigned id = 0; id < VMX_FEATURE_COUNT; id++) {
        const struct vmx_requirement *row = &vmx_requirement_table[id];
        if (!row->needed || row->holds)
            continue;
        struct vmx_capabilities caps = caps_of(SKYLAKE);
        uint64_t word = vmx_capability_at(&caps, row->offset) & ~row->mask;
        memcpy(member_at(&caps, row->offset), &word, sizeof(word));
        assert_refused_for(&caps, id);
        tried++;
    }
    assert_int_equal(tried, 24);
}

static void each_needed_property_broken_is_its_own_refusal(void **state)
{
    (void)state;
    struct vmx_capabilities caps = caps_of(SKYLAKE);
    strcpy(caps.vendor, "GenuineIotel");
    assert_refused_for(&caps, VMX_FEATURE_VENDOR);

    caps = caps_of(SKYLAKE);
    caps.feature_control = FEATURE_CONTROL_LOCK;
    assert_refused_for(&caps, VMX_FEATURE_FEATURE_CONTROL);
    caps.feature_control = FEATURE_CONTROL_LOCK | FEATURE_CONTROL_VMX_INSIDE_SMX;
    assert_refused_for(&caps, VMX_FEATURE_FEATURE_CONTROL);
    caps.feature_control = 0;
    assert_int_equal(refusals_of(&caps).needed, 0);

    for (uint64_t type = 0; type < 16; type++) {
        caps = caps_of(SKYLAKE);
        caps.basic = (caps.basic & ~VMX_BASIC_MEMORY_TYPE_MASK) | type << 50;
        if (type != VMX_BASIC_MEMORY_TYPE_WB)
            assert_refused_for(&caps, VMX_FEATURE_VMCS_WRITE_BACK);
    }

    caps = caps_of(SKYLAKE);
    caps.ept_vpid &= ~(uint64_t)EPT_VPID_CAP_INVEPT_SINGLE;
    assert_int_equal(refusals_of(&caps).needed, 0);
    caps.ept_vpid &= ~(uint64_t)EPT_VPID_CAP_INVEPT_ALL;
    assert_refused_for(&caps, VMX_FEATURE_INVEPT_TYPE);
}

static void every_row_of_need_was_broken_above(void **state)
{
    (void)state;
    unsigned functions = 0;
    for (unsigned id = 0; id < VMX_FEATURE_COUNT; id++)
        functions += vmx_requirement_table[id].needed && vmx_requirement_table[id].holds;
    assert_int_equal(functions, 4);
}

static void vendors_with_vmx_are_taken(void **state)
{
    (void)state;
    static const char *const vendors[] = {"GenuineIntel", "CentaurHauls", "  Shanghai  "};
    struct vmx_capabilities caps = caps_of(SKYLAKE);
    for (unsigned i = 0; i < ARRAY_SIZE(vendors); i++) {
        strcpy(caps.vendor, vendors[i]);
        assert_int_equal(refusals_of(&caps).needed, 0);
    }
}

static void what_is_used_follows_the_words(void **state)
{
    (void)state;
    struct vmx_capabilities sky = caps_of(SKYLAKE);
    struct vmx_capabilities ice = caps_of("bochs-2.7-corei7_icelake_u");
    struct vmx_capabilities sandy = caps_of("bochs-2.7-corei7_sandy_bridge_2600k");
    assert_false(vmx_feature_present(&sky, VMX_FEATURE_MONITOR_TRAP_FLAG));
    assert_true(vmx_feature_present(&ice, VMX_FEATURE_MONITOR_TRAP_FLAG));
    assert_true(vmx_feature_present(&sky, VMX_FEATURE_EPT_1G));
    assert_false(vmx_feature_present(&sandy, VMX_FEATURE_EPT_1G));
    assert_true(vmx_feature_present(&sky, VMX_FEATURE_WAIT_FOR_SIPI));
    assert_true(vmx_feature_present(&sky, VMX_FEATURE_VPID));
    assert_true(vmx_feature_present(&sky, VMX_FEATURE_XSAVES));
    assert_false(vmx_feature_present(&sandy, VMX_FEATURE_XSAVES));
    assert_false(vmx_feature_present(&sky, VMX_FEATURE_USER_WAIT));
    assert_false(vmx_feature_present(&sky, VMX_FEATURE_PT_IN_VMX));
}

static void a_vpid_needs_a_way_to_flush_it(void **state)
{
    (void)state;
    struct vmx_capabilities caps = caps_of(SKYLAKE);
    caps.ept_vpid &= ~(uint64_t)EPT_VPID_CAP_INVVPID_SINGLE;
    assert_true(vmx_feature_present(&caps, VMX_FEATURE_VPID));
    caps.ept_vpid &= ~(uint64_t)EPT_VPID_CAP_INVVPID_ALL;
    assert_false(vmx_feature_present(&caps, VMX_FEATURE_VPID));
    caps = caps_of(SKYLAKE);
    caps.ept_vpid &= ~(uint64_t)EPT_VPID_CAP_INVVPID;
    assert_false(vmx_feature_present(&caps, VMX_FEATURE_VPID));
}

static void state_is_switched_only_where_both_sides_can(void **state)
{
    (void)state;
    static const struct {
        enum vmx_feature feature;
        uint64_t entry, exit, secondary, misc;
    } rows[] = {
        {VMX_FEATURE_BNDCFGS, ENTRY_CTL_LOAD_BNDCFGS, EXIT_CTL_CLEAR_BNDCFGS, 0, 0},
        {VMX_FEATURE_CET_STATE, ENTRY_CTL_LOAD_CET_STATE, EXIT_CTL_LOAD_CET_STATE, 0, 0},
        {VMX_FEATURE_PKRS, ENTRY_CTL_LOAD_PKRS, EXIT_CTL_LOAD_PKRS, 0, 0},
        {VMX_FEATURE_LBR_CTL, ENTRY_CTL_LOAD_LBR_CTL, EXIT_CTL_CLEAR_LBR_CTL, 0, 0},
        {VMX_FEATURE_UINV, ENTRY_CTL_LOAD_UINV, EXIT_CTL_CLEAR_UINV, 0, 0},
        {VMX_FEATURE_PT_GUEST_PHYSICAL, ENTRY_CTL_LOAD_RTIT_CTL, EXIT_CTL_CLEAR_RTIT_CTL,
         SECONDARY_PT_USES_GUEST_PHYSICAL, VMX_MISC_PT_IN_VMX},
    };
    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
        for (unsigned without = 0; without < 5; without++) {
            struct vmx_capabilities caps = caps_of(SKYLAKE);
            uint64_t entry = CONTROL_MAY_BE_1(rows[i].entry);
            uint64_t exit = CONTROL_MAY_BE_1(rows[i].exit);
            uint64_t secondary = CONTROL_MAY_BE_1(rows[i].secondary);
            caps.entry = without == 1 ? caps.entry & ~entry : caps.entry | entry;
            caps.exit = without == 2 ? caps.exit & ~exit : caps.exit | exit;
            caps.secondary |= secondary;
            if (without == 3)
                caps.secondary &= ~secondary;
            caps.misc = without == 4 ? caps.misc & ~rows[i].misc : caps.misc | rows[i].misc;
            bool expected = without == 0 || (without == 3 && !rows[i].secondary) ||
                            (without == 4 && !rows[i].misc);
            assert_int_equal(vmx_feature_present(&caps, rows[i].feature), expected);
        }
    }
}

static void a_refusal_says_what_to_do(void **state)
{
    (void)state;
    const struct vmx_requirement *vmx = &vmx_requirement_table[VMX_FEATURE_VMX];
    const struct vmx_requirement *ept = &vmx_requirement_table[VMX_FEATURE_EPT];
    struct vmx_capabilities caps = caps_of(SKYLAKE);
    char text[300];

    assert_true(vmx_requirement_text(vmx, &caps, text, sizeof(text)) < sizeof(text));
    assert_string_equal(text, "needed but missing: VMX (CPUID.1:ECX[5]) (processor GenuineIntel): "
                              "switch on virtualization (VT-x, VMX) in the firmware setup, save, "
                              "and turn the machine off and on");
    vmx_requirement_text(ept, &caps, text, sizeof(text));
    assert_non_null(strstr(text, "enable EPT"));
    assert_non_null(strstr(text, "Westmere"));

    caps = caps_of(KVM);
    vmx_requirement_text(vmx, &caps, text, sizeof(text));
    assert_non_null(strstr(text, "under KVM"));
    assert_non_null(strstr(text, "-cpu host"));
    assert_non_null(strstr(text, "nested=1"));
    vmx_requirement_text(ept, &caps, text, sizeof(text));
    assert_non_null(strstr(text, "ept=1"));

    strcpy(caps.hypervisor, "TCGTCGTCGTCG");
    strcpy(caps.vendor, "AuthenticAMD");
    assert_refused_for(&caps, VMX_FEATURE_VENDOR);
    vmx_requirement_text(&vmx_requirement_table[VMX_FEATURE_VENDOR], &caps, text, sizeof(text));
    assert_string_equal(text, "needed but missing: a processor with Intel VMX (processor "
                              "AuthenticAMD under QEMU TCG): QEMU emulates no VMX without KVM: use "
                              "QEMU/KVM on an Intel host, or Bochs");
    vmx_requirement_text(&vmx_requirement_table[VMX_FEATURE_EPT_1G], &caps, text, sizeof(text));
    assert_string_equal(text, "not there: EPT 1-GByte pages (processor AuthenticAMD under QEMU "
                              "TCG): Orlop goes on without it");

    strcpy(caps.hypervisor, "OrlopOrlop");
    strcpy(caps.vendor, "GenuineIntel");
    vmx_requirement_text(vmx, &caps, text, sizeof(text));
    assert_non_null(
        strstr(text, "under OrlopOrlop): an Orlop is below already, and offers no VMX"));
    vmx_requirement_text(&vmx_requirement_table[VMX_FEATURE_EPT_1G], &caps, text, sizeof(text));
    assert_non_null(strstr(text, "under OrlopOrlop): Orlop goes on without it"));
}

static void every_refusal_fits_a_line_of_the_log(void **state)
{
    (void)state;
    struct vmx_capabilities bare = caps_of(SKYLAKE), nested = caps_of(KVM);
    for (unsigned id = 0; id < VMX_FEATURE_COUNT; id++) {
        char text[300];
        const struct vmx_requirement *row = &vmx_requirement_table[id];
        assert_true(vmx_requirement_text(row, &bare, text, sizeof(text)) < 240);
        assert_non_null(strstr(text, row->name));
        assert_true(vmx_requirement_text(row, &nested, text, sizeof(text)) < 240);
    }
}

/* --- several CPUs --- */

static struct vmx_capabilities random_caps(void)
{
    struct vmx_capabilities caps = caps_of(SKYLAKE);
    for (size_t i = 0; i < vmx_word_count; i++) {
        uint64_t word = vmx_word_value(&caps, &vmx_word_table[i]);
        word ^= random_u64() & random_u64() & random_u64();
        memcpy(member_at(&caps, vmx_word_table[i].offset), &word, sizeof(word));
    }
    return caps;
}

static void merged_cpus_have_what_both_have(void **state)
{
    (void)state;
    static struct vmx_capabilities a[40];
    unsigned present = 0;
    for (unsigned i = 0; i < ARRAY_SIZE(a); i++)
        a[i] = random_caps();
    for (unsigned i = 0; i + 1 < ARRAY_SIZE(a); i++) {
        struct vmx_capabilities merged = a[i];
        vmx_capabilities_merge(&merged, &a[i + 1]);
        for (unsigned id = 0; id < VMX_FEATURE_COUNT; id++) {
            const struct vmx_requirement *row = &vmx_requirement_table[id];
            if (row->holds)
                continue;
            bool both = (vmx_capability_at(&a[i], row->offset) & row->mask) == row->mask &&
                        (vmx_capability_at(&a[i + 1], row->offset) & row->mask) == row->mask;
            bool has = (vmx_capability_at(&merged, row->offset) & row->mask) == row->mask;
            assert_int_equal(has, both);
            present += has;
        }
        assert_int_equal((uint32_t)merged.primary,
                         (uint32_t)a[i].primary | (uint32_t)a[i + 1].primary);
        assert_int_equal(merged.cr4_fixed0, a[i].cr4_fixed0 | a[i + 1].cr4_fixed0);
        assert_int_equal(merged.cr4_fixed1, a[i].cr4_fixed1 & a[i + 1].cr4_fixed1);
        assert_int_equal(merged.basic & VMX_BASIC_REVISION_MASK,
                         a[i].basic & VMX_BASIC_REVISION_MASK);
        assert_int_equal(merged.feature_control, a[i].feature_control);
    }
    assert_true(present > 500); /* the random words did not miss everything */
}

static void like_cpus_do_not_differ(void **state)
{
    (void)state;
    static struct lines lines;
    struct vmx_report_sink sink = {collect_line, &lines};
    struct vmx_capabilities a = caps_of(SKYLAKE), b = a;
    b.feature_control = 0; /* the firmware's, per CPU */
    lines.count = 0;
    assert_int_equal(vmx_capabilities_differ(&a, 0, &b, 1, &sink), 0);
    assert_int_equal(lines.count, 0);
}

static void a_difference_is_told_by_name(void **state)
{
    (void)state;
    static struct lines lines;
    struct vmx_report_sink sink = {collect_line, &lines};
    struct vmx_capabilities a = caps_of(SKYLAKE), b = a;
    b.secondary &= ~CONTROL_MAY_BE_1(SECONDARY_UNRESTRICTED_GUEST);
    b.primary |= PRIMARY_CR3_LOAD_EXITING;
    b.misc = (b.misc & ~VMX_MISC_TIMER_SHIFT_MASK) | 5;
    b.cr4_fixed1 ^= BIT(20);
    b.ept_vpid &= ~(uint64_t)EPT_VPID_CAP_PAGE_1G;
    lines.count = 0;
    assert_int_equal(vmx_capabilities_differ(&a, 0, &b, 3, &sink), 5);
    assert_int_equal(lines.count, 5);
    assert_int_equal(lines_with(&lines, "IA32_VMX_PROCBASED_CTLS2: unrestricted guest: 0 or 1 on "
                                        "CPU 0, always 0 on CPU 3"),
                     1);
    assert_int_equal(lines_with(&lines, "CR3-load exiting: 0 or 1 on CPU 0, always 1 on CPU 3"), 1);
    assert_int_equal(lines_with(&lines, "timer counts TSC bit: 0 on CPU 0, 5 on CPU 3"), 1);
    assert_int_equal(lines_with(&lines, "IA32_VMX_CR4_FIXED1: bit 20: yes on CPU 0, no on CPU 3"),
                     1);
    assert_int_equal(lines_with(&lines, "EPT 1-GByte pages: yes on CPU 0, no on CPU 3"), 1);
}

static void any_single_bit_that_differs_is_one_line(void **state)
{
    (void)state;
    struct vmx_capabilities a = caps_of(SKYLAKE);
    for (size_t i = 0; i < vmx_word_count; i++) {
        const struct vmx_word *word = &vmx_word_table[i];
        bool legacy = word->kind == VMX_WORD_CONTROLS && *word->bits.numbers == VMX_NO_BIT;
        unsigned expected = word->kind != VMX_WORD_STATE && !legacy;
        for (unsigned bit = 0; bit < 64; bit++) {
            struct vmx_capabilities b = a;
            uint64_t value = vmx_word_value(&a, word) ^ BIT(bit);
            memcpy(member_at(&b, word->offset), &value, sizeof(value));
            assert_int_equal(vmx_capabilities_differ(&a, 0, &b, 1, NULL), expected);
        }
    }
}

/* --- the report --- */

static void the_report_names_every_bit_once(void **state)
{
    (void)state;
    static struct lines lines;
    struct vmx_report_sink sink = {collect_line, &lines};
    struct vmx_capabilities caps = caps_of(SKYLAKE);
    lines.count = 0;
    vmx_capabilities_print(&caps, &sink);
    for (size_t i = 0; i < vmx_word_count; i++) {
        const struct vmx_word *word = &vmx_word_table[i];
        if (!vmx_word_present(&caps, word))
            continue;
        VMX_FOR_BITS (bit, word) {
            char wanted[VMX_REPORT_LINE];
            unsigned found = 0;
            snprintf(wanted, sizeof(wanted), "  %2u ", *bit.numbers);
            for (unsigned l = 0; l < lines.count; l++) {
                const char *line = lines.text[l];
                size_t length = strlen(line), name = strlen(bit.names);
                found += !strncmp(line, wanted, 5) && length == 15 + name &&
                         !strcmp(line + length - name, bit.names);
            }
            assert_int_equal(found, 1);
        }
    }
}

static void the_report_says_what_each_control_can_be(void **state)
{
    (void)state;
    static struct lines lines;
    struct vmx_report_sink sink = {collect_line, &lines};
    struct vmx_capabilities caps = caps_of(SKYLAKE);
    lines.count = 0;
    vmx_capabilities_print(&caps, &sink);
    assert_string_equal(lines.text[0], "processor GenuineIntel, hypervisor below: none");
    assert_int_equal(lines_with(&lines, "IA32_VMX_BASIC = 0xd810000000002b"), 1);
    assert_int_equal(lines_with(&lines, "   3 0 or 1    NMI exiting"), 1);
    assert_int_equal(lines_with(&lines, "  27 always 0  monitor trap flag"), 1);
    assert_int_equal(lines_with(&lines, "   7 0 or 1    unrestricted guest"), 1);
    assert_int_equal(lines_with(&lines, "   8 yes       activity state wait-for-SIPI"), 1);
    assert_int_equal(lines_with(&lines, "   7 no        EPT page-walk length 5"), 1);
    assert_int_equal(lines_with(&lines, "     43        VMCS revision identifier"), 1);
    assert_int_equal(lines_with(&lines, "VMCS revision identifier"), 1); /* in its word alone */
    assert_int_equal(lines_with(&lines, "     6         memory type of VMX structures"), 1);
    assert_int_equal(lines_with(&lines, "     40        MAXPHYADDR"), 1);
    assert_int_equal(lines_with(&lines, "IA32_VMX_PROCBASED_CTLS3"), 0); /* no tertiary controls */
}

static void a_cpu_without_vmx_is_reported_too(void **state)
{
    (void)state;
    static struct lines lines;
    struct vmx_report_sink sink = {collect_line, &lines};
    struct vmx_capabilities caps = caps_of("bochs-2.7-p4_prescott_celeron_336");
    lines.count = 0;
    vmx_capabilities_print(&caps, &sink);
    assert_int_equal(lines_with(&lines, "IA32_VMX"), 0);
    assert_int_equal(lines_with(&lines, "CPUID.1:ECX"), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_are_those_of_the_recording),
        cmocka_unit_test(only_msrs_that_exist_are_read),
        cmocka_unit_test(without_vmx_no_msr_is_read),
        cmocka_unit_test(without_true_controls_the_older_words_hold),
        cmocka_unit_test(a_word_behind_a_control_needs_that_control),
        cmocka_unit_test(newer_words_are_read_where_their_controls_are),
        cmocka_unit_test(bits_that_follow_cr4_are_left_out),
        cmocka_unit_test(leaves_above_the_highest_read_as_zero),
        cmocka_unit_test(the_hypervisor_below_is_named),
        cmocka_unit_test(a_signature_is_printable_whatever_it_says),
        cmocka_unit_test(adjusted_controls_match_a_bitwise_model),
        cmocka_unit_test(an_absent_control_word_gives_nothing),
        cmocka_unit_test(feature_control_has_four_cases),
        cmocka_unit_test(what_is_written_to_feature_control_is_allowed_next),
        cmocka_unit_test(suitable_machines_are_taken),
        cmocka_unit_test(each_unsuitable_machine_is_refused_for_one_reason),
        cmocka_unit_test(early_cpus_are_refused_by_what_they_lack_not_by_what_hangs_on_it),
        cmocka_unit_test(each_needed_bit_cleared_is_its_own_refusal),
        cmocka_unit_test(each_needed_property_broken_is_its_own_refusal),
        cmocka_unit_test(every_row_of_need_was_broken_above),
        cmocka_unit_test(vendors_with_vmx_are_taken),
        cmocka_unit_test(what_is_used_follows_the_words),
        cmocka_unit_test(a_vpid_needs_a_way_to_flush_it),
        cmocka_unit_test(state_is_switched_only_where_both_sides_can),
        cmocka_unit_test(a_refusal_says_what_to_do),
        cmocka_unit_test(every_refusal_fits_a_line_of_the_log),
        cmocka_unit_test(merged_cpus_have_what_both_have),
        cmocka_unit_test(like_cpus_do_not_differ),
        cmocka_unit_test(a_difference_is_told_by_name),
        cmocka_unit_test(any_single_bit_that_differs_is_one_line),
        cmocka_unit_test(the_report_names_every_bit_once),
        cmocka_unit_test(the_report_says_what_each_control_can_be),
        cmocka_unit_test(a_cpu_without_vmx_is_reported_too),
    };
    printf("seed %#lx\n", random_state);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
