/* with: vcpu/entry_state.c vcpu/init_sipi.c */
#include "vcpu/entry_state.h"

#include "base/x86/cr.h"
#include "base/x86/eflags.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void assert_segment(const struct reset_segment *segment, uint16_t selector, uint64_t base,
                           uint32_t limit, uint32_t rights)
{
    assert_int_equal(segment->selector, selector);
    assert_int_equal(segment->base, base);
    assert_int_equal(segment->limit, limit);
    assert_int_equal(segment->access_rights, rights);
}

static void a_boot_sector_starts_as_from_the_bios(void **state)
{
    (void)state;
    struct entry_state entry =
        entry_state_boot_sector(CR0_ET | CR0_CD | CR0_PE, 0x1234, 0x56, 0x81);
    const struct reset_state *processor = &entry.processor;
    assert_segment(&processor->cs, 0x1234, 0x12340, 0xFFFF, 0x9B);
    assert_segment(&processor->data, 0, 0, 0xFFFF, 0x93);
    assert_int_equal(processor->rip, 0x56);
    assert_int_equal(processor->rdx, 0x81);
    assert_int_equal(processor->rflags, RFLAGS_FIXED);
    assert_int_equal(processor->cr0, CR0_ET | CR0_CD); /* real mode; caching is left as it was */
    assert_int_equal(processor->idtr_base, 0);
    assert_int_equal(processor->idtr_limit, 0x3FF);
    assert_int_equal(entry.rsp, 0x7C00);
    assert_int_equal(entry.rsi, 0);
}

/* Linux's Documentation/x86/boot.rst, "32-bit Boot Protocol". */
static void linux_starts_in_flat_protected_mode(void **state)
{
    (void)state;
    struct entry_state entry = entry_state_linux(CR0_ET | CR0_NW, 0x1000000, 0x90000, 0x91000);
    const struct reset_state *processor = &entry.processor;
    assert_segment(&processor->cs, 0x10, 0, 0xFFFFFFFF, 0xC09B);
    assert_segment(&processor->data, 0x18, 0, 0xFFFFFFFF, 0xC093);
    assert_int_equal(processor->rip, 0x1000000);
    assert_int_equal(entry.rsi, 0x90000);
    assert_int_equal(processor->rflags & RFLAGS_IF, 0);
    assert_int_equal(processor->cr0, CR0_PE | CR0_ET | CR0_NW);
    assert_int_equal(processor->cr4, 0);
    assert_int_equal(processor->gdtr_base, 0x91000);
    assert_int_equal(processor->gdtr_limit, 0x1F);
    assert_int_equal(processor->rdx, 0);
}

/* Multiboot2 Specification, "I386 machine state". */
static void a_multiboot_kernel_starts_in_flat_protected_mode(void **state)
{
    (void)state;
    struct entry_state entry = entry_state_multiboot(CR0_ET, 0x36D76289, 0x100020, 0x203000);
    const struct reset_state *processor = &entry.processor;
    assert_segment(&processor->cs, 0x10, 0, 0xFFFFFFFF, 0xC09B);
    assert_segment(&processor->data, 0x18, 0, 0xFFFFFFFF, 0xC093);
    assert_int_equal(processor->rip, 0x100020);
    assert_int_equal(entry.rax, 0x36D76289);
    assert_int_equal(entry.rbx, 0x203000);
    assert_int_equal(entry.rsi, 0);
    assert_int_equal(processor->rflags, RFLAGS_FIXED);
    assert_int_equal(processor->cr0, CR0_PE | CR0_ET);
    assert_int_equal(processor->cr4, 0);
    assert_int_equal(processor->gdtr_limit, 0);
    assert_int_equal(processor->idtr_limit, 0);
}

/* boot.rst, "Running the Kernel". */
static void linux16_starts_behind_its_first_sector(void **state)
{
    (void)state;
    struct entry_state entry = entry_state_linux16(CR0_ET | CR0_CD | CR0_PE, 0x8F00, 0x9800);
    const struct reset_state *processor = &entry.processor;
    assert_segment(&processor->cs, 0x8F20, 0x8F200, 0xFFFF, 0x9B);
    assert_segment(&processor->data, 0x8F00, 0x8F000, 0xFFFF, 0x93);
    assert_int_equal(processor->rip, 0);
    assert_int_equal(processor->rflags, RFLAGS_FIXED);
    assert_int_equal(processor->cr0, CR0_ET | CR0_CD);
    assert_int_equal(processor->idtr_base, 0);
    assert_int_equal(processor->idtr_limit, 0x3FF);
    assert_int_equal(entry.rsp, 0x9800);
    assert_int_equal(processor->rdx, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_boot_sector_starts_as_from_the_bios),
        cmocka_unit_test(linux_starts_in_flat_protected_mode),
        cmocka_unit_test(a_multiboot_kernel_starts_in_flat_protected_mode),
        cmocka_unit_test(linux16_starts_behind_its_first_sector),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
