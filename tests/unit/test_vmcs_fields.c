/* with: vmx/vmcs_fields.c vmx/vmcs.c vmx/instruction_errors.c vmx/exit_reasons.c lib/string.c */
/* The table of VMCS fields and the accessors that it makes, on a VMCS in memory; the texts of exit
 * reasons and instruction errors; the architectural constants that have a structure. */
#include "base/x86/apic.h"
#include "base/x86/cr.h"
#include "base/x86/eflags.h"
#include "base/x86/exceptions.h"
#include "base/x86/msr.h"
#include "base/x86/page.h"
#include "base/x86/segment.h"
#include "vmx/exit_info.h"
#include "vmx/exit_reasons.h"
#include "vmx/instruction_errors.h"
#include "vmx/vmcs.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/* Counted in the SDM's tables: 23 of 16 bits, 55 of 64, 51 of 32, 52 of natural width. */
#define FIELD_COUNT 181

static void the_table_has_every_field_once_in_rising_order(void **state)
{
    (void)state;
    assert_int_equal(vmcs_field_count, FIELD_COUNT);
    for (size_t i = 0; i < vmcs_field_count; i++) {
        const struct vmcs_field_info *field = &vmcs_field_table[i];
        assert_ptr_equal(vmcs_field_find(field->encoding), field);
        if (i)
            assert_true(field->encoding > field[-1].encoding);
        for (size_t j = 0; j < i; j++)
            assert_string_not_equal(vmcs_field_name(&vmcs_field_table[j]), vmcs_field_name(field));
    }
}

/* Appendix B numbers the fields of a width and kind from 0 without holes, but for two. */
static void the_fields_of_a_group_are_numbered_without_holes(void **state)
{
    (void)state;
    assert_int_equal(vmcs_field_table[0].encoding, 0);
    for (size_t i = 1; i < vmcs_field_count; i++) {
        uint32_t before = vmcs_field_table[i - 1].encoding, encoding = vmcs_field_table[i].encoding;
        bool same_group = (encoding & 0x6C00) == (before & 0x6C00);
        bool hole = encoding == VMCS_SPEC_CTRL_MASK.encoding ||
                    encoding == VMCS_VMX_PREEMPTION_TIMER_VALUE.encoding;
        if (same_group && !hole)
            assert_int_equal(encoding, before + 2);
        if (!same_group)
            assert_int_equal(encoding & 0x3FF, 0);
    }
}

static void an_unlisted_encoding_is_not_found(void **state)
{
    (void)state;
    static const uint32_t unlisted[] = {0x0001, 0x000A,  0x2001,  0x482C,    0x681F,
                                        0x6C1E, 0x10000, 0x1681E, 0xFFFFFFFF};
    for (size_t i = 0; i < ARRAY_SIZE(unlisted); i++)
        assert_null(vmcs_field_find(unlisted[i]));
}

/* Typed a second time, from the SDM's Appendix B: a field of each group, and those that the exit
 * path lives by. */
static void encodings_are_those_of_the_sdm(void **state)
{
    (void)state;
    const struct {
        uint32_t encoding;
        struct vmcs_field field;
    } known[] = {
        {0x0000, VMCS_VPID},
        {0x0802, VMCS_GUEST_CS_SELECTOR},
        {0x080E, VMCS_GUEST_TR_SELECTOR},
        {0x0812, VMCS_PML_INDEX},
        {0x0C0C, VMCS_HOST_TR_SELECTOR},
        {0x2000, VMCS_IO_BITMAP_A},
        {0x2004, VMCS_MSR_BITMAP},
        {0x2010, VMCS_TSC_OFFSET},
        {0x201A, VMCS_EPT_POINTER},
        {0x202C, VMCS_XSS_EXITING_BITMAP},
        {0x2034, VMCS_TERTIARY_CONTROLS},
        {0x2044, VMCS_SECONDARY_VM_EXIT_CONTROLS},
        {0x204C, VMCS_SPEC_CTRL_SHADOW},
        {0x2400, VMCS_GUEST_PHYSICAL_ADDRESS},
        {0x2800, VMCS_VMCS_LINK_POINTER},
        {0x2802, VMCS_GUEST_IA32_DEBUGCTL},
        {0x2806, VMCS_GUEST_IA32_EFER},
        {0x280A, VMCS_GUEST_PDPTE0},
        {0x2818, VMCS_GUEST_IA32_PKRS},
        {0x2C02, VMCS_HOST_IA32_EFER},
        {0x4000, VMCS_PIN_CONTROLS},
        {0x4002, VMCS_PRIMARY_CONTROLS},
        {0x4004, VMCS_EXCEPTION_BITMAP},
        {0x400C, VMCS_VM_EXIT_CONTROLS},
        {0x4012, VMCS_VM_ENTRY_CONTROLS},
        {0x4016, VMCS_VM_ENTRY_INTERRUPTION_INFO},
        {0x401E, VMCS_SECONDARY_CONTROLS},
        {0x4024, VMCS_INSTRUCTION_TIMEOUT_CONTROL},
        {0x4400, VMCS_VM_INSTRUCTION_ERROR},
        {0x4402, VMCS_EXIT_REASON},
        {0x4408, VMCS_IDT_VECTORING_INFO},
        {0x440C, VMCS_VM_EXIT_INSTRUCTION_LENGTH},
        {0x4800, VMCS_GUEST_ES_LIMIT},
        {0x4816, VMCS_GUEST_CS_ACCESS_RIGHTS},
        {0x4824, VMCS_GUEST_INTERRUPTIBILITY_STATE},
        {0x4826, VMCS_GUEST_ACTIVITY_STATE},
        {0x482E, VMCS_VMX_PREEMPTION_TIMER_VALUE},
        {0x4C00, VMCS_HOST_IA32_SYSENTER_CS},
        {0x6000, VMCS_CR0_GUEST_HOST_MASK},
        {0x6006, VMCS_CR4_READ_SHADOW},
        {0x6400, VMCS_EXIT_QUALIFICATION},
        {0x640A, VMCS_GUEST_LINEAR_ADDRESS},
        {0x6800, VMCS_GUEST_CR0},
        {0x6804, VMCS_GUEST_CR4},
        {0x6808, VMCS_GUEST_CS_BASE},
        {0x681A, VMCS_GUEST_DR7},
        {0x681C, VMCS_GUEST_RSP},
        {0x681E, VMCS_GUEST_RIP},
        {0x6820, VMCS_GUEST_RFLAGS},
        {0x6822, VMCS_GUEST_PENDING_DEBUG_EXCEPTIONS},
        {0x6C00, VMCS_HOST_CR0},
        {0x6C08, VMCS_HOST_GS_BASE},
        {0x6C14, VMCS_HOST_RSP},
        {0x6C16, VMCS_HOST_RIP},
    };
    for (size_t i = 0; i < ARRAY_SIZE(known); i++)
        assert_int_equal(known[i].field.encoding, known[i].encoding);
}

static uint64_t value_of_width(enum vmcs_width width, uint64_t value)
{
    return width == VMCS_WIDTH_16   ? (uint16_t)value
           : width == VMCS_WIDTH_32 ? (uint32_t)value
                                    : value;
}

static void each_reader_reads_its_own_field(void **state)
{
    (void)state;
    fake_vmcs_reset();
    for (size_t i = 0; i < vmcs_field_count; i++)
        fake_vmcs.value[vmcs_field_table[i].encoding] = 100 + i;
    uint64_t expected = 100;
#define CHECK_READER(name, code, width, kind, access, text)                                        \
    assert_int_equal(vmcs_read(name), expected++);
    VMCS_FIELDS(CHECK_READER)
    assert_int_equal(expected, 100 + FIELD_COUNT);
    assert_int_equal(fake_vmcs.reads, FIELD_COUNT); /* one VMREAD each */
    assert_int_equal(fake_vmcs.writes, 0);
}

static void each_writer_writes_its_own_field_in_its_width(void **state)
{
    (void)state;
    const uint64_t value = 0xFEDCBA9876543210ull;
#define CHECK_WRITER_RO(name, code, width)
#define CHECK_WRITER_RW(name, code, width)                                                         \
    fake_vmcs_reset();                                                                             \
    vmcs_write(name, (vmcs_value_##width)value);                                                   \
    assert_int_equal(fake_vmcs.value[code], value_of_width(VMCS_WIDTH_##width, value));            \
    fake_vmcs.value[code] = 0;                                                                     \
    for (uint32_t e = 0; e < FAKE_VMCS_ENCODINGS; e++)                                             \
        if (fake_vmcs.value[e])                                                                    \
            fail_msg("a write of %s touched %x", #name, e);                                        \
    assert_int_equal(fake_vmcs.writes, 1);
#define CHECK_WRITER(name, code, width, kind, access, text) CHECK_WRITER_##access(name, code, width)
    VMCS_FIELDS(CHECK_WRITER)
}

static void rows_of_fields_are_counted_by_index(void **state)
{
    (void)state;
    assert_int_equal(VMCS_AT(GUEST_ES_BASE, 0).encoding, VMCS_GUEST_ES_BASE.encoding);
    assert_int_equal(VMCS_AT(GUEST_ES_SELECTOR, 3).encoding, VMCS_GUEST_DS_SELECTOR.encoding);
    assert_int_equal(VMCS_AT(GUEST_ES_BASE, 7).encoding, VMCS_GUEST_TR_BASE.encoding);
    assert_int_equal(VMCS_AT(GUEST_ES_LIMIT, 6).encoding, VMCS_GUEST_LDTR_LIMIT.encoding);
    assert_int_equal(VMCS_AT(GUEST_ES_ACCESS_RIGHTS, 1).encoding,
                     VMCS_GUEST_CS_ACCESS_RIGHTS.encoding);
    fake_vmcs_reset();
    vmcs_write_field(VMCS_AT(GUEST_ES_BASE, 4), 0x1234);
    assert_int_equal(vmcs_read(GUEST_FS_BASE), 0x1234);
    assert_int_equal(vmcs_read_field(VMCS_GUEST_FS_BASE), 0x1234);
}

static void a_checked_read_of_a_missing_field_says_so(void **state)
{
    (void)state;
    uint64_t value = 77;
    fake_vmcs_reset();
    fake_vmcs_set(VMCS_TSC_MULTIPLIER, 5);
    assert_true(vmcs_read_checked(VMCS_TSC_MULTIPLIER.encoding, &value));
    assert_int_equal(value, 5);
    fake_vmcs.missing[VMCS_TSC_MULTIPLIER.encoding] = true;
    value = 77;
    assert_false(vmcs_read_checked(VMCS_TSC_MULTIPLIER.encoding, &value));
    assert_false(vmcs_read_checked(0x7FFE, &value));
    assert_int_equal(value, 77);
}

/* --- a failed write ends in a panic with words; the panic of the tests aborts --- */

static void assert_panic_of_write_says(const char *wanted)
{
    int ends[2], status;
    char said[512] = "";
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        signal(SIGABRT, SIG_DFL);
        dup2(ends[1], STDERR_FILENO);
        vmcs_write(TSC_MULTIPLIER, 1);
        _exit(0);
    }
    close(ends[1]);
    size_t length = 0;
    ssize_t got;
    while ((got = read(ends[0], said + length, sizeof(said) - 1 - length)) > 0)
        length += (size_t)got;
    close(ends[0]);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    if (!strstr(said, wanted))
        fail_msg("said: %s", said);
}

static void a_failed_write_panics_with_field_and_error(void **state)
{
    (void)state;
    fake_vmcs_reset();
    fake_vmcs.missing[VMCS_TSC_MULTIPLIER.encoding] = true;
    fake_vmcs_set(VMCS_VM_INSTRUCTION_ERROR, 12);
    assert_panic_of_write_says("TSC multiplier (0x2032) failed: error 12, VMREAD or VMWRITE: this "
                               "CPU has no such VMCS field");
    fake_vmcs.missing[VMCS_VM_INSTRUCTION_ERROR.encoding] = true;
    assert_panic_of_write_says("TSC multiplier (0x2032) failed: no VMCS is current");
}

/* --- what must not compile --- */

static bool compiles(const char *statement)
{
    FILE *compiler = popen("gcc -std=gnu11 -I. -Wall -Wextra -Werror -fsyntax-only -x c - "
                           "2>/dev/null",
                           "w");
    assert_non_null(compiler);
    fprintf(compiler,
            "#include \"vmx/vmcs.h\"\n"
            "void f(uint64_t v);\n"
            "void f(uint64_t v) { (void)v; %s; }\n",
            statement);
    return pclose(compiler) == 0;
}

static void wrong_use_of_a_field_does_not_compile(void **state)
{
    (void)state;
    assert_true(compiles("vmcs_write(GUEST_RIP, v)"));
    assert_true(compiles("vmcs_write(GUEST_RIP, vmcs_read(GUEST_RSP))"));
    assert_true(compiles("v = vmcs_read(EXIT_REASON)"));
    assert_false(compiles("vmcs_write(EXIT_REASON, v)"));            /* read-only */
    assert_false(compiles("vmcs_write(GUEST_PHYSICAL_ADDRESS, v)")); /* read-only */
    assert_false(compiles("vmcs_write(GUEST_RIP, GUEST_RSP)"));      /* a field as a value */
    assert_false(compiles("vmcs_write(GUEST_RIP, VMCS_GUEST_RSP)"));
    assert_false(compiles("vmcs_write_field(VMCS_GUEST_RIP, VMCS_GUEST_RSP)"));
    assert_false(compiles("vmcs_write_field(0x681E, v)")); /* a number as a field */
    assert_false(compiles("v = VMCS_GUEST_RIP"));
    assert_false(compiles("v = vmcs_read(GUEST_R1P)"));
}

/* --- texts --- */

static void every_exit_reason_has_a_name(void **state)
{
    (void)state;
    assert_string_equal(exit_reason_name(EXIT_REASON_EPT_VIOLATION), "EPT violation");
    assert_string_equal(exit_reason_name(0), "exception or NMI");
    assert_string_equal(exit_reason_name(10), "CPUID");
    assert_string_equal(exit_reason_name(55), "XSETBV");
    assert_string_equal(exit_reason_name(79), "WRMSRLIST");
    static const uint32_t reserved[] = {35, 38, 42, 71, 80, 81, 0xFFFF, 0xFFFFFFFF};
    for (size_t i = 0; i < ARRAY_SIZE(reserved); i++)
        assert_string_equal(exit_reason_name(reserved[i]), "reserved exit reason");
    unsigned named = 0;
    for (uint32_t reason = 0; reason < EXIT_REASON_COUNT; reason++)
        named += strcmp(exit_reason_name(reason), "reserved exit reason") != 0;
    assert_int_equal(named, EXIT_REASON_COUNT - 4);
}

static void instruction_errors_have_words_and_strangers_too(void **state)
{
    (void)state;
    static const uint32_t unassigned[] = {0, 14, 21, 27, 29, 1000, 0xFFFFFFFF};
    for (size_t i = 0; i < ARRAY_SIZE(unassigned); i++)
        assert_non_null(strstr(vmx_instruction_error_text(unassigned[i]), "without a meaning"));
    unsigned assigned = 0;
    for (uint32_t number = 0; number < 64; number++)
        assigned += !strstr(vmx_instruction_error_text(number), "without a meaning");
    assert_int_equal(assigned, 25);
    assert_non_null(strstr(vmx_instruction_error_text(7), "control field"));
    assert_non_null(strstr(vmx_instruction_error_text(8), "host-state"));
    assert_non_null(strstr(vmx_instruction_error_text(28), "INVEPT or INVVPID"));
}

static void entry_failures_have_words(void **state)
{
    (void)state;
    assert_non_null(strstr(vmx_entry_failure_text(2), "PDPTE"));
    assert_non_null(strstr(vmx_entry_failure_text(3), "NMI"));
    assert_non_null(strstr(vmx_entry_failure_text(4), "link pointer"));
    assert_non_null(strstr(vmx_entry_failure_text(1), "without a meaning"));
    assert_non_null(strstr(vmx_entry_failure_text(1ull << 32), "without a meaning"));
}

/* --- constants with a structure --- */

static void descriptors_come_apart_into_what_they_were_made_of(void **state)
{
    (void)state;
    /* The flat segments that everybody knows by heart. */
    assert_int_equal(SEGMENT_DESCRIPTOR(0, 0xFFFFF, SEGMENT_RIGHTS_CODE32), 0x00CF9B000000FFFFull);
    assert_int_equal(SEGMENT_DESCRIPTOR(0, 0xFFFFF, SEGMENT_RIGHTS_DATA32), 0x00CF93000000FFFFull);
    assert_int_equal(SEGMENT_DESCRIPTOR(0, 0xFFFFF, SEGMENT_RIGHTS_CODE64), 0x00AF9B000000FFFFull);
    assert_int_equal(SEGMENT_RIGHTS_REAL_CODE, 0x9B);
    assert_int_equal(SEGMENT_RIGHTS_REAL_DATA, 0x93);
    assert_int_equal(SEGMENT_RIGHTS_LDT, 0x82);
    assert_int_equal(SEGMENT_RIGHTS_TSS_BUSY, 0x8B);

    uint64_t seed = 0x9E3779B97F4A7C15ull;
    for (unsigned round = 0; round < 10000; round++) {
        seed = seed * 6364136223846793005ull + 1442695040888963407ull;
        uint32_t base = (uint32_t)(seed >> 32), limit = (uint32_t)seed & 0xFFFFF;
        uint32_t rights = (uint32_t)(seed >> 20) & 0xF0FF;
        uint64_t descriptor = SEGMENT_DESCRIPTOR(base, limit, rights);
        assert_int_equal(segment_descriptor_base(descriptor), base);
        assert_int_equal(segment_descriptor_rights(descriptor), rights);
        assert_int_equal(segment_descriptor_limit(descriptor),
                         rights & SEGMENT_G ? ((uint64_t)limit + 1) * 4096 - 1 : limit);
    }
}

static void exceptions_with_an_error_code_are_eight(void **state)
{
    (void)state;
    unsigned count = 0;
    for (unsigned vector = 0; vector < 300; vector++) {
        bool expected =
            vector == 8 || (vector >= 10 && vector <= 14) || vector == 17 || vector == 21;
        assert_int_equal(exception_pushes_error_code(vector), expected);
        count += expected;
    }
    assert_int_equal(count, 8);
}

static void x2apic_msrs_follow_the_offsets(void **state)
{
    (void)state;
    assert_int_equal(MSR_IA32_X2APIC_APICID, 0x802);
    assert_int_equal(MSR_IA32_X2APIC_EOI, 0x80B);
    assert_int_equal(MSR_IA32_X2APIC_SVR, 0x80F);
    assert_int_equal(MSR_IA32_X2APIC_ICR, 0x830);
    assert_int_equal(MSR_IA32_X2APIC_SELF_IPI, 0x83F);
    assert_int_equal(APIC_X2APIC_MSR(APIC_LVT_TIMER), 0x832);
}

static void masks_are_disjoint_and_reset_values_right(void **state)
{
    (void)state;
    assert_int_equal(CR0_DEFINED, 0xE005003F);
    assert_int_equal(RFLAGS_RESERVED0 & (RFLAGS_STATUS | RFLAGS_IF | RFLAGS_FIXED | RFLAGS_ID), 0);
    assert_int_equal((uint32_t)RFLAGS_RESERVED0, 0xFFC08028);
    assert_int_equal(XCR0_AVX512, 0xE0);
    assert_int_equal(XCR0_AMX, 0x60000);
    assert_int_equal(PTE_ADDRESS_MASK, 0x000FFFFFFFFFF000ull);
    assert_int_equal(INTERRUPTION_REINJECT_MASK, 0x80000FFF);
    assert_int_equal(MSR_IA32_MTRR_PHYSMASK(9), 0x213);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_table_has_every_field_once_in_rising_order),
        cmocka_unit_test(the_fields_of_a_group_are_numbered_without_holes),
        cmocka_unit_test(an_unlisted_encoding_is_not_found),
        cmocka_unit_test(encodings_are_those_of_the_sdm),
        cmocka_unit_test(each_reader_reads_its_own_field),
        cmocka_unit_test(each_writer_writes_its_own_field_in_its_width),
        cmocka_unit_test(rows_of_fields_are_counted_by_index),
        cmocka_unit_test(a_checked_read_of_a_missing_field_says_so),
        cmocka_unit_test(a_failed_write_panics_with_field_and_error),
        cmocka_unit_test(wrong_use_of_a_field_does_not_compile),
        cmocka_unit_test(every_exit_reason_has_a_name),
        cmocka_unit_test(instruction_errors_have_words_and_strangers_too),
        cmocka_unit_test(entry_failures_have_words),
        cmocka_unit_test(descriptors_come_apart_into_what_they_were_made_of),
        cmocka_unit_test(exceptions_with_an_error_code_are_eight),
        cmocka_unit_test(x2apic_msrs_follow_the_offsets),
        cmocka_unit_test(masks_are_disjoint_and_reset_values_right),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
