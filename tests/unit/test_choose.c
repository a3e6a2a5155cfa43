/* with: vmx/choose.c vmx/capabilities.c vmx/capability_words.c vmx/requirements.c vcpu/cpuid_rules.c vcpu/cpuid_policy.c vcpu/cr4_features.c vcpu/cr_rules.c lib/format.c */
/* For each recorded processor (tests/data/vmx): does Orlop launch on it, which requirement refuses
 * it first, which controls does it get, and does CPUID then show the instructions that work. */
#include "vcpu/cpuid_rules.h"
#include "vcpu/cr4_features.h"
#include "vcpu/cr_rules.h"
#include "vmx/choose.h"
#include "vmx/requirements.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/recording.h"

#define LAUNCHES VMX_FEATURE_COUNT

/* The controls are written down, not worked out: a change of what Orlop asks for shows here. */
static const struct {
    const char *name;
    enum vmx_feature refused_by;
    struct vmx_controls controls;
} machines[] = {
#include "tests/data/vmx/expected.inc"
};

static struct recording now;

static struct cpuid_regs native(uint32_t leaf, uint32_t subleaf)
{
    for (unsigned i = 0; i < now.cpuid_count; i++)
        if (now.cpuid[i].leaf == leaf && now.cpuid[i].subleaf == subleaf)
            return now.cpuid[i].r;
    return (struct cpuid_regs){0};
}

static struct vmx_capabilities read_machine(unsigned i)
{
    struct vmx_capabilities caps;
    record(&now, machines[i].name);
    read_recording(&caps, &now);
    return caps;
}

struct first {
    enum vmx_feature id;
};

static void keep_first(void *context, const struct vmx_requirement *missing)
{
    struct first *first = context;
    enum vmx_feature id = (enum vmx_feature)(missing - vmx_requirement_table);
    if (missing->needed && id < first->id)
        first->id = id;
}

static void each_recording_launches_or_is_refused_as_it_should(void **state)
{
    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(machines); i++) {
        struct vmx_capabilities caps = read_machine(i);
        struct first first = {LAUNCHES};
        vmx_requirements_check(&caps, keep_first, &first);
        if (first.id != machines[i].refused_by)
            fail_msg("%s: %s", machines[i].name,
                     first.id == LAUNCHES ? "launches" : vmx_requirement_table[first.id].name);
    }
}

static void each_recording_gets_its_controls(void **state)
{
    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(machines); i++) {
        struct vmx_capabilities caps = read_machine(i);
        struct vmx_controls got;
        if (machines[i].refused_by != LAUNCHES)
            continue;
        vmx_choose_controls(&caps, false, &got);
        if (memcmp(&got, &machines[i].controls, sizeof(got)))
            fail_msg("{\"%s\", LAUNCHES, {0x%x, 0x%x, 0x%x, 0x%x, 0x%x}},", machines[i].name,
                     got.pin, got.primary, got.secondary, got.exit, got.entry);
    }
}

static void assert_allowed(uint64_t capability, uint32_t control)
{
    assert_int_equal((uint32_t)capability & ~control, 0);
    assert_int_equal(control & ~(uint32_t)(capability >> 32), 0);
}

/* SDM vol. 3D, A.3 to A.5: the processor refuses a VM entry with anything else. */
static void no_processor_gets_a_control_that_it_refuses(void **state)
{
    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(machines); i++) {
        struct vmx_capabilities caps = read_machine(i);
        struct vmx_controls got;
        if (machines[i].refused_by != LAUNCHES)
            continue;
        for (unsigned ports = 0; ports < 2; ports++) {
            vmx_choose_controls(&caps, ports, &got);
            assert_allowed(caps.pin, got.pin);
            assert_allowed(caps.primary, got.primary);
            assert_allowed(caps.secondary, got.secondary);
            assert_allowed(caps.exit, got.exit);
            assert_allowed(caps.entry, got.entry);
            assert_int_equal(!!(got.primary & PRIMARY_USE_IO_BITMAPS), ports);
            /* Interrupts, HLT, CR3, the TSC and debug registers are the guest's. */
            assert_int_equal(got.pin & PIN_EXTERNAL_INTERRUPT_EXITING, 0);
            assert_int_equal(got.primary & (PRIMARY_HLT_EXITING | PRIMARY_RDTSC_EXITING |
                                            PRIMARY_CR3_LOAD_EXITING | PRIMARY_MOV_DR_EXITING),
                             0);
        }
    }
}

/* Feature bits, and the control or CR4 bit without which the instruction is #UD; NEVER: Orlop lets
 * it through on no processor. */
#define NEVER ~0u
static const struct {
    const char *name;
    uint32_t leaf, subleaf;
    enum cpuid_out out;
    unsigned bit;
    uint32_t control;
    uint64_t cr4;
} features[] = {
    {"RDTSCP", 0x80000001, 0, CPUID_OUT_EDX, 27, SECONDARY_ENABLE_RDTSCP, 0},
    {"RDPID", 7, 0, CPUID_OUT_ECX, 22, SECONDARY_ENABLE_RDTSCP, 0},
    {"INVPCID", 7, 0, CPUID_OUT_EBX, 10, SECONDARY_ENABLE_INVPCID, 0},
    {"XSAVES", 0xd, 1, CPUID_OUT_EAX, 3, SECONDARY_ENABLE_XSAVES_XRSTORS, 0},
    {"WAITPKG", 7, 0, CPUID_OUT_ECX, 5, SECONDARY_ENABLE_USER_WAIT_AND_PAUSE, 0},
    {"ENQCMD", 7, 0, CPUID_OUT_ECX, 29, 0, 0},
    {"PCONFIG", 7, 0, CPUID_OUT_EDX, 18, NEVER, 0},
    {"SGX", 7, 0, CPUID_OUT_EBX, 2, NEVER, 0},
    {"Intel PT", 7, 0, CPUID_OUT_EBX, 25, NEVER, 0},
    {"VMX", 1, 0, CPUID_OUT_ECX, 5, NEVER, 0},
    {"SMX", 1, 0, CPUID_OUT_ECX, 6, NEVER, 0},
    {"PCID", 1, 0, CPUID_OUT_ECX, 17, 0, CR4_PCIDE},
    {"XSAVE", 1, 0, CPUID_OUT_ECX, 26, 0, CR4_OSXSAVE},
    {"FSGSBASE", 7, 0, CPUID_OUT_EBX, 0, 0, CR4_FSGSBASE},
    {"SMEP", 7, 0, CPUID_OUT_EBX, 7, 0, CR4_SMEP},
    {"SMAP", 7, 0, CPUID_OUT_EBX, 20, 0, CR4_SMAP},
    {"UMIP", 7, 0, CPUID_OUT_ECX, 2, 0, CR4_UMIP},
    {"PKU", 7, 0, CPUID_OUT_ECX, 3, 0, CR4_PKE},
    {"CET_SS", 7, 0, CPUID_OUT_ECX, 7, 0, CR4_CET},
    {"LA57", 7, 0, CPUID_OUT_ECX, 16, 0, CR4_LA57},
    {"UINTR", 7, 0, CPUID_OUT_EDX, 5, 0, CR4_UINTR},
};

static bool guest_has(const struct vmx_capabilities *caps, unsigned i)
{
    struct cpuid_policy policy;
    struct vmx_controls controls;
    const struct cpuid_context context = {.in_64bit_mode = true};
    struct cpuid_regs answer = native(features[i].leaf, features[i].subleaf);
    vmx_choose_controls(caps, false, &controls);
    const struct cpuid_capabilities capabilities = {cr4_allowed_bits(native, caps->cr4_fixed1),
                                                    vmx_passed_features(&controls), false};
    cpuid_policy_build(&policy, &capabilities, native);
    cpuid_filter(&policy, features[i].leaf, features[i].subleaf, &context, &answer);
    return cpuid_out_get(&answer, features[i].out) >> features[i].bit & 1;
}

static bool cpu_has(unsigned i)
{
    struct cpuid_regs answer = native(features[i].leaf, features[i].subleaf);
    return cpuid_out_get(&answer, features[i].out) >> features[i].bit & 1;
}

static void a_feature_shows_where_its_instruction_works(void **state)
{
    (void)state;
    unsigned shown = 0, taken = 0;
    for (unsigned m = 0; m < ARRAY_SIZE(machines); m++) {
        if (machines[m].refused_by != LAUNCHES)
            continue;
        for (unsigned i = 0; i < ARRAY_SIZE(features); i++) {
            struct vmx_capabilities caps = read_machine(m);
            uint32_t control = features[i].control;
            uint64_t cr4 = features[i].cr4;
            bool works = cpu_has(i) && control != NEVER &&
                         (!control || (caps.secondary >> 32 & control)) &&
                         (caps.cr4_fixed1 & cr4) == cr4;
            if (guest_has(&caps, i) != works)
                fail_msg("%s on %s", features[i].name, machines[m].name);
            shown += works;
            if (!works || !(control | cr4))
                continue;
            caps.secondary &= ~((uint64_t)control << 32);
            caps.cr4_fixed1 &= ~cr4;
            if (guest_has(&caps, i))
                fail_msg("%s on %s, without what it needs", features[i].name, machines[m].name);
            taken++;
        }
    }
    assert_true(shown > 150);
    assert_true(taken > 100);
}

static void every_recording_has_a_row(void **state)
{
    (void)state;
    unsigned files = 0;
    DIR *folder = opendir("tests/data/vmx");
    assert_non_null(folder);
    for (struct dirent *entry; (entry = readdir(folder));)
        files +=
            strlen(entry->d_name) > 4 && !strcmp(entry->d_name + strlen(entry->d_name) - 4, ".txt");
    closedir(folder);
    assert_int_equal(files, ARRAY_SIZE(machines));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_recording_launches_or_is_refused_as_it_should),
        cmocka_unit_test(each_recording_gets_its_controls),
        cmocka_unit_test(no_processor_gets_a_control_that_it_refuses),
        cmocka_unit_test(a_feature_shows_where_its_instruction_works),
        cmocka_unit_test(every_recording_has_a_row),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
