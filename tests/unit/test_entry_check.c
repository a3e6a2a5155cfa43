/* with: vmx/entry_check.c vmx/entry_checks.c vmx/vmcs_fields.c vmx/capability_words.c vcpu/cr_rules.c vcpu/cr4_features.c vcpu/cpuid_policy.c vcpu/cpuid_rules.c lib/format.c lib/string.c */
/* The checker of VM entry on a VMCS in memory: what keeps all rules passes, and each rule, broken
 * alone, is the one that is named. */
#include "vmx/entry_check.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/entry/tries.h"
#include "tests/unit/random.h"

#define REVISION 0x2Bu

static struct vmx_capabilities caps;
static uint64_t fields[0x8000];
static const uint64_t pages[PAGE_COUNT] = {0, 0x10000, 0x11000, 0x12000};

static uint64_t read_field(void *context, uint32_t encoding)
{
    (void)context;
    return fields[encoding];
}

static bool read_memory(void *context, uint64_t address, uint64_t *value)
{
    (void)context;
    *value = 0;
    if (address == pages[PAGE_SHADOW])
        *value = BIT(31) | REVISION;
    else if (address == pages[PAGE_SHADOW] + 8)
        *value = ILLEGAL_PDPTE;
    else if (address == pages[PAGE_CURRENT])
        *value = REVISION;
    return address >= pages[1] && address < pages[PAGE_CURRENT] + PAGE_SIZE;
}

static struct entry_environment environment = {
    .caps = &caps, .read = read_field, .memory = read_memory, .vmcs = 0x12000, .in_ia32e = true};

#define NAMED(bit, name, text) | BIT(bit)
#define MAY(bits)              ((0ull bits(NAMED)) << 32)

/* A processor that has every control that the SDM names. */
static void have_everything(void)
{
    memset(&caps, 0, sizeof(caps));
    caps.basic = REVISION;
    caps.pin = MAY(PIN_CONTROL_BITS) | 0x16ull << 32 | 0x16;
    caps.primary = MAY(PRIMARY_CONTROL_BITS) | 0x04006172ull << 32 | 0x04006172;
    caps.secondary = MAY(SECONDARY_CONTROL_BITS);
    caps.tertiary = MAY(TERTIARY_CONTROL_BITS) >> 32;
    caps.exit = MAY(EXIT_CONTROL_BITS) | 0x36DFBull << 32 | 0x36DFB;
    caps.entry = MAY(ENTRY_CONTROL_BITS) | 0x11FBull << 32 | 0x11FB;
    caps.exit2 = 8;
    caps.vmfunc = 1;
    caps.misc = 4ull << 16 | VMX_MISC_ACTIVITY_HLT | VMX_MISC_ACTIVITY_SHUTDOWN |
                VMX_MISC_ACTIVITY_WAIT_FOR_SIPI;
    caps.ept_vpid = EPT_VPID_CAP_MEMORY_TYPE_WB | EPT_VPID_CAP_WALK_4 | 52ull << 48;
    caps.cr0_fixed0 = CR0_PE | CR0_NE | CR0_PG;
    caps.cr0_fixed1 = 0xFFFFFFFF;
    caps.cr4_fixed0 = CR4_VMXE;
    caps.cr4_fixed1 = BITS(28, 0) & ~BIT(15) & ~BIT(26);
    caps.cpuid_ext_8_eax = 39 | 48 << 8;
    caps.cpuid_ext_1_edx = CPUID_EXT_1_EDX_NX;
}

#define PUT(field, value) fields[VMCS_##field.encoding] = (value)

static void write_controls(void)
{
    PUT(PIN_CONTROLS, (uint32_t)caps.pin | PIN_NMI_EXITING | PIN_VIRTUAL_NMIS);
    PUT(PRIMARY_CONTROLS,
        (uint32_t)caps.primary | PRIMARY_USE_MSR_BITMAPS | PRIMARY_ACTIVATE_SECONDARY_CONTROLS);
    PUT(SECONDARY_CONTROLS, SECONDARY_ENABLE_EPT | SECONDARY_UNRESTRICTED_GUEST);
    PUT(VM_EXIT_CONTROLS, (uint32_t)caps.exit | EXIT_CTL_HOST_ADDRESS_SPACE_SIZE |
                              EXIT_CTL_LOAD_PAT | EXIT_CTL_LOAD_EFER);
    PUT(VM_ENTRY_CONTROLS, (uint32_t)caps.entry | ENTRY_CTL_LOAD_DEBUG_CONTROLS |
                               ENTRY_CTL_LOAD_PAT | ENTRY_CTL_LOAD_EFER);
    PUT(EPT_POINTER, 0x5000 | 3 << 3 | 6);
    PUT(MSR_BITMAP, 0x6000);
}

static void write_host(void)
{
    PUT(HOST_CR0, CR0_PG | CR0_WP | CR0_NE | CR0_PE);
    PUT(HOST_CR4, CR4_VMXE | CR4_PAE);
    PUT(HOST_CS_SELECTOR, 8);
    PUT(HOST_SS_SELECTOR, 16);
    PUT(HOST_TR_SELECTOR, 24);
    PUT(HOST_GS_BASE, 0xFFFFFFFF81005000);
    PUT(HOST_IA32_PAT, 0x0007040600070406);
    PUT(HOST_IA32_EFER, EFER_LME | EFER_LMA | EFER_NXE);
    PUT(HOST_RIP, 0xFFFFFFFF80001000);
}

/* Real mode, as a boot sector begins. */
static void write_guest(void)
{
    static const uint32_t rights[8] = {0x93, 0x9B, 0x93, 0x93, 0x93, 0x93, 0x82, 0x8B};
    for (unsigned i = 0; i < 8; i++) {
        fields[VMCS_GUEST_ES_LIMIT.encoding + 2 * i] = 0xFFFF;
        fields[VMCS_GUEST_ES_ACCESS_RIGHTS.encoding + 2 * i] = rights[i];
    }
    PUT(GUEST_CR0, CR0_NE | CR0_ET);
    PUT(GUEST_CR4, CR4_VMXE);
    PUT(GUEST_DR7, DR7_RESET);
    PUT(GUEST_RFLAGS, RFLAGS_FIXED);
    PUT(GUEST_RIP, 0x7C00);
    PUT(GUEST_IA32_PAT, 0x0007040600070406);
    PUT(GUEST_IDTR_LIMIT, 0x3FF);
    PUT(VMCS_LINK_POINTER, VMCS_LINK_POINTER_NONE);
}

static void apply(const struct try_field *field)
{
    for (unsigned i = 0; i < TRY_FIELDS_MAX; i++)
        fields[field[i].encoding] = try_value(&field[i], fields[field[i].encoding], pages);
}

static void write_state(unsigned number)
{
    const struct try_state *state = &try_states[number];
    memset(fields, 0, sizeof(fields));
    write_controls();
    write_host();
    write_guest();
    apply(state->fields);
    environment.in_ia32e = state->in_ia32e;
    environment.in_smm = state->in_smm;
    environment.tracing = state->tracing;
}

static int set_up(void **state)
{
    (void)state;
    have_everything();
    return 0;
}

static void assert_kept(const char *what)
{
    struct entry_broken broken;
    char text[400];
    if (entry_check(&environment, ENTRY_ALL, &broken)) {
        entry_broken_text(&broken, text, sizeof(text));
        fail_msg("%s: %s", what, text);
    }
}

static void what_keeps_all_rules_passes(void **state)
{
    (void)state;
    for (unsigned i = 0; i < STATE_COUNT; i++) {
        write_state(i);
        assert_kept(try_states[i].name);
    }
}

/* Controls and states that the random values below do not reach. */
static const struct {
    uint8_t state;
    struct try_field fields[TRY_FIELDS_MAX];
} rare[] = {
    {STATE_REAL,
     {THIRD(TERTIARY_ENABLE_HLAT), SET(HLAT_POINTER, 0x7018), SET(HLAT_PREFIX_SIZE, 52)}},
    {STATE_REAL,
     {SHADOWED, THIRD(TERTIARY_IPI_VIRTUALIZATION), SET(PID_POINTER_TABLE_ADDRESS, 0x7008),
      SET(LAST_PID_POINTER_INDEX, 255)}},
    {STATE_REAL, {OR(VM_ENTRY_CONTROLS, ENTRY_CTL_LOAD_BNDCFGS), SET(GUEST_IA32_BNDCFGS, 0x7003)}},
    {STATE_REAL, {SLEEP(ACTIVITY_HLT), EVENT(INTERRUPTION_TYPE_NMI | 2)}},
    {STATE_REAL, {SLEEP(ACTIVITY_HLT), EVENT(INTERRUPTION_TYPE_HARDWARE | 1)}},
    {STATE_REAL, {SLEEP(ACTIVITY_SHUTDOWN), EVENT(INTERRUPTION_TYPE_NMI | 2)}},
    {STATE_REAL, {SLEEP(ACTIVITY_SHUTDOWN), EVENT(INTERRUPTION_TYPE_HARDWARE | 18)}},
    {STATE_REAL, {SLEEP(ACTIVITY_WAIT_FOR_SIPI)}},
    {STATE_REAL, {BLOCKED(INTERRUPTIBILITY_STI), OR(GUEST_RFLAGS, RFLAGS_IF)}},
    {STATE_REAL,
     {BLOCKED(INTERRUPTIBILITY_MOV_SS), OR(GUEST_RFLAGS, RFLAGS_TF), PENDING(PENDING_DEBUG_BS)}},
};

static void rare_states_pass(void **state)
{
    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(rare); i++) {
        write_state(rare[i].state);
        apply(rare[i].fields);
        assert_kept("a rare state");
    }
}

static void each_rule_that_is_broken_alone_is_named(void **state)
{
    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(tries); i++) {
        struct entry_broken broken;
        write_state(tries[i].state);
        apply(tries[i].fields);
        if (!entry_check(&environment, ENTRY_ALL, &broken))
            fail_msg("%s: not seen", entry_rule_name(tries[i].rule));
        if (broken.rule != tries[i].rule)
            fail_msg("%s: %s is named", entry_rule_name(tries[i].rule),
                     entry_rule_name(broken.rule));
        assert_true(broken.seen > 0);
    }
}

/* IA32E_HOST_64 repeats what HOST_64 and NO_IA32E_GUEST say together. */
static void every_rule_is_tried(void **state)
{
    (void)state;
    for (unsigned rule = 0; rule < ENTRY_RULE_COUNT; rule++) {
        unsigned count = 0;
        for (unsigned i = 0; i < ARRAY_SIZE(tries); i++)
            count += tries[i].rule == rule;
        if (!count != (rule == ENTRY_RULE_IA32E_HOST_64))
            fail_msg("%s: %u tries", entry_rule_name(rule), count);
    }
}

static void only_the_classes_that_are_asked_for_are_looked_at(void **state)
{
    (void)state;
    struct entry_broken broken;
    write_state(STATE_REAL);
    PUT(HOST_TR_SELECTOR, 0);
    PUT(GUEST_RFLAGS, 0);
    assert_false(entry_check(&environment, ENTRY_CONTROLS, &broken));
    assert_true(entry_check(&environment, ENTRY_HOST, &broken));
    assert_int_equal(broken.rule, ENTRY_RULE_HOST_TR);
    assert_true(entry_check(&environment, ENTRY_GUEST, &broken));
    assert_int_equal(broken.rule, ENTRY_RULE_RFLAGS_1);
}

static void the_text_has_rule_section_and_values(void **state)
{
    (void)state;
    struct entry_broken broken;
    char text[400];
    write_state(STATE_RESTRICTED);
    PUT(GUEST_DS_SELECTOR, 0x1B);
    assert_true(entry_check(&environment, ENTRY_ALL, &broken));
    size_t length = entry_broken_text(&broken, text, sizeof(text));
    assert_int_equal(length, strlen(text));
    assert_string_equal(text, "rule DATA_DPL (SDM vol. 3C, 27.3.1.2) is broken: guest DS access "
                              "rights = 0x93, guest DS selector = 0x1b, secondary "
                              "processor-based VM-execution controls = 0x2");
    entry_broken_text(&broken, text, 30);
    assert_int_equal(strlen(text), 29);
}

/* --- random values that the SDM allows --- */

static uint64_t random_canonical(void) { return (uint64_t)((int64_t)(random_u64() << 16) >> 16); }

static uint64_t random_pat(void)
{
    static const uint8_t types[] = {0, 1, 4, 5, 6, 7};
    uint64_t pat = 0;
    for (unsigned i = 0; i < 8; i++)
        pat = pat << 8 | types[random_below(6)];
    return pat;
}

/* A segment that all modes but virtual-8086 take. */
static void randomize_data(unsigned i)
{
    bool large = random_below(2);
    uint64_t type = random_below(2) ? 1 | random_below(4) << 1 : 0xB | random_below(2) << 2;
    uint64_t dpl = random_below(4), unusable = random_below(4) == 0;
    fields[VMCS_GUEST_ES_SELECTOR.encoding + 2 * i] =
        (random_u64() & 0xFFFC) | random_below(dpl + 1);
    fields[VMCS_GUEST_ES_BASE.encoding + 2 * i] =
        i >= 4 ? random_canonical() : (uint32_t)random_u64();
    fields[VMCS_GUEST_ES_LIMIT.encoding + 2 * i] =
        large ? (uint32_t)random_u64() | 0xFFF : random_u64() & 0xFFFFF;
    fields[VMCS_GUEST_ES_ACCESS_RIGHTS.encoding + 2 * i] =
        (large ? SEGMENT_G : 0) | 0x90 | type | dpl << 5 |
        (random_u64() & (SEGMENT_AVL | SEGMENT_DB)) | (unusable ? SEGMENT_UNUSABLE : 0);
}

static void randomize_registers(void)
{
    fields[VMCS_GUEST_CR0.encoding] |=
        random_u64() & (CR0_MP | CR0_EM | CR0_TS | CR0_WP | CR0_AM | CR0_NW | CR0_CD);
    fields[VMCS_GUEST_CR4.encoding] |=
        random_u64() & (CR4_PSE | CR4_PGE | CR4_OSFXSR | CR4_SMEP | CR4_FSGSBASE);
    PUT(GUEST_CR3, random_u64() & BITS(38, 0));
    PUT(GUEST_DR7, (uint32_t)random_u64());
    PUT(GUEST_IA32_PAT, random_pat());
    PUT(HOST_IA32_PAT, random_pat());
    PUT(GUEST_IA32_SYSENTER_ESP, random_canonical());
    PUT(GUEST_IA32_SYSENTER_EIP, random_canonical());
    PUT(GUEST_GDTR_BASE, random_canonical());
    PUT(GUEST_IDTR_BASE, random_canonical());
    PUT(GUEST_GDTR_LIMIT, random_u64() & 0xFFFF);
    PUT(GUEST_RSP, random_u64());
    fields[VMCS_GUEST_RFLAGS.encoding] |=
        random_u64() & (RFLAGS_STATUS | RFLAGS_IF | RFLAGS_DF | RFLAGS_ID | RFLAGS_AC);
    PUT(HOST_FS_BASE, random_canonical());
    PUT(HOST_RIP, random_canonical());
    PUT(VPID, 1 + random_below(0xFFFF));
    PUT(MSR_BITMAP, random_u64() & BITS(38, 12));
}

/* An event that the state takes, or none; the last kind says what it was. */
static void randomize_event(bool protected)
{
    static const uint8_t vectors[] = {8, 10, 11, 12, 13, 14, 17};
    uint64_t kind = random_below(5);
    if (kind == 0)
        PUT(VM_ENTRY_INTERRUPTION_INFO, random_u64() & BITS(30, 0));
    else if (kind == 1)
        PUT(VM_ENTRY_INTERRUPTION_INFO, INTERRUPTION_VALID | INTERRUPTION_TYPE_NMI | 2);
    else if (kind == 2)
        PUT(VM_ENTRY_INTERRUPTION_INFO, INTERRUPTION_VALID | INTERRUPTION_TYPE_HARDWARE |
                                            vectors[random_below(7)] |
                                            (protected ? INTERRUPTION_ERROR_CODE : 0));
    else if (kind == 3)
        PUT(VM_ENTRY_INTERRUPTION_INFO,
            INTERRUPTION_VALID | INTERRUPTION_TYPE_SOFTWARE | random_below(256));
    PUT(VM_ENTRY_INSTRUCTION_LENGTH, 1 + random_below(15));
    PUT(VM_ENTRY_EXCEPTION_ERROR_CODE, random_u64() & 0xFFFF);
}

static void legal_random_values_pass(void **state)
{
    (void)state;
    static const uint8_t starts[] = {STATE_REAL, STATE_LONG, STATE_PROTECTED, STATE_RESTRICTED,
                                     STATE_PAE};
    random_seed(0x27272E1);
    for (unsigned round = 0; round < 20000; round++) {
        unsigned start = starts[random_below(sizeof(starts))];
        write_state(start);
        randomize_registers();
        for (unsigned i = 0; i < 6; i++)
            if (i != 1 && i != 2)
                randomize_data(i);
        randomize_event(start != STATE_REAL);
        for (unsigned i = 0; i < 4; i++)
            fields[VMCS_GUEST_PDPTE0.encoding + 2 * i] =
                random_below(2) ? random_u64() & ~1ull : random_u64() & (BITS(38, 9) | 0x18 | 1);
        assert_kept(try_states[start].name);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_keeps_all_rules_passes),
        cmocka_unit_test(rare_states_pass),
        cmocka_unit_test(each_rule_that_is_broken_alone_is_named),
        cmocka_unit_test(every_rule_is_tried),
        cmocka_unit_test(only_the_classes_that_are_asked_for_are_looked_at),
        cmocka_unit_test(the_text_has_rule_section_and_values),
        cmocka_unit_test(legal_random_values_pass),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}
