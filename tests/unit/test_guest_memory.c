/* with: vmx/guest_memory.c vmx/exit_cr.c vmx/vmcs_fields.c vcpu/paging.c vcpu/cr_rules.c vcpu/cr4_features.c vcpu/cpuid_rules.c vcpu/cpuid_policy.c mm/mtrr*.c mm/memmap*.c lib/format.c */
#include "vmx/guest_memory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/x86/cr.h"
#include "base/x86/msr.h"
#include "mm/guest_access.h"
#include "vmx/machine.h"
#include "vmx/memory_types.h"
#include "vmx/vmcs.h"

/* Reads that Orlop makes by the guest's registers: never of a device. */
#define APIC    0xFEE00000ull
#define CR0_RUN (CR0_PE | CR0_ET | CR0_NE)

struct machine machine;
static struct memory_map map;
static struct cpu cpu;
static struct vmx_cpu vcpu;
static uint64_t apic_base, read_at;
static unsigned reads;

bool fake_rdmsr(uint32_t index, uint64_t *value)
{
    assert_int_equal(index, MSR_IA32_APIC_BASE);
    *value = apic_base | APIC_BASE_EN;
    return true;
}
enum error guest_read(const struct window *window, void *to, gpa_t from, uint64_t bytes)
{
    (void)window;
    reads++;
    read_at = from.v;
    memset(to, 0, bytes);
    return ERROR_NONE;
}

/* Not reached. */
enum error guest_write(const struct window *window, gpa_t to, const void *from, uint64_t bytes)
{
    (void)window, (void)to, (void)from, (void)bytes;
    fail();
    return ERROR_RANGE;
}
enum error guest_exchange(const struct window *window, gpa_t at, uint64_t old, uint64_t value,
                          unsigned bytes)
{
    (void)window, (void)at, (void)old, (void)value, (void)bytes;
    fail();
    return ERROR_RANGE;
}
void types_switch_caches(struct vmx_cpu *self, bool off) { (void)self, (void)off; }
void vmx_flush_linear(void) {}
enum exit_next handle_unexpected(struct vmx_cpu *self)
{
    (void)self;
    fail();
    return NEXT_UD;
}
void exit_set_register(struct vmx_cpu *self, unsigned number, uint64_t value)
{
    (void)self, (void)number, (void)value;
    fail();
}
uint64_t exit_get_register(struct vmx_cpu *self, unsigned number)
{
    assert_int_equal(number, 0);
    return self->registers.rax;
}
bool exit_in_64bit_mode(void) { return false; }
unsigned exit_cpl(void) { return 0; }
_Noreturn void vmx_field_failed(uint32_t encoding)
{
    fail_msg("field %x", encoding);
    abort();
}

/* 256 MiB of RAM with the usual holes and MTRRs, the firmware's own above it, and a device at 3.5
 * GiB. */
static void start(uint64_t apic)
{
    fake_vmcs_reset();
    memset(&vcpu, 0, sizeof(vcpu));
    memset(&machine, 0, sizeof(machine));
    memset(&map, 0, sizeof(map));
    vcpu.cpu = &cpu;
    apic_base = apic;
    reads = 0;
    assert_int_equal(memory_map_set(&map, 0, 0x9F000, MEMORY_USABLE), ERROR_NONE);
    assert_int_equal(memory_map_set(&map, MIB(1), MIB(256), MEMORY_USABLE), ERROR_NONE);
    assert_int_equal(memory_map_set(&map, MIB(256), MIB(257), MEMORY_RESERVED), ERROR_NONE);
    machine.map = &map;
    machine.caps.cpuid_ext_8_eax = 40;
    machine.mtrr.def_type = MTRR_DEF_TYPE_E;
    machine.mtrr.phys_bits = 40;
    machine.mtrr.variable_count = 1;
    machine.mtrr.variable[0].base = MEMORY_TYPE_WB;
    machine.mtrr.variable[0].mask = (0xFFFFFFFFFFull & ~(MIB(512) - 1)) | MTRR_PHYSMASK_V;
    vmcs_write(GUEST_CR0, CR0_RUN);
    vmcs_write(CR0_READ_SHADOW, CR0_RUN);
}

static size_t fetch(uint64_t rip)
{
    uint8_t bytes[15];
    vmcs_write(GUEST_RIP, rip);
    reads = 0;
    size_t count = guest_fetch(&vcpu, bytes, sizeof(bytes));
    if (!count)
        assert_int_equal(reads, 0);
    return count;
}

static void code_is_read_in_ram_and_rom_and_never_in_a_device(void **unused)
{
    (void)unused;
    start(APIC);
    const uint64_t memory[] = {0x7C00, 0x9FC00, 0xF0000, MIB(200), MIB(256), 0xFFFFFFE0};
    const uint64_t devices[] = {0xA0000, 0xBFF00, APIC, APIC + 0x300, 0xFEC00010, 0xE0000000};
    for (unsigned i = 0; i < 6; i++) {
        assert_int_equal(fetch(memory[i]), 15);
        assert_int_equal(fetch(devices[i]), 0);
    }
    assert_int_equal(fetch(0xBFFF8), 0);
    assert_int_equal(fetch(0x9FFF8), 8); /* up to the device */
}

static void the_apic_is_none_wherever_it_is(void **unused)
{
    (void)unused;
    start(MIB(64));
    assert_int_equal(fetch(MIB(64) + 0x20), 0);
    assert_int_equal(fetch(MIB(64) - 8), 8);
    assert_int_equal(fetch(MIB(64) + PAGE_SIZE), 15);
}

/* Paging is switched on with PAE, and CD with it, which exits. */
static enum exit_next load_pdptes(uint64_t cr3)
{
    vmcs_write(GUEST_CR3, cr3);
    vmcs_write(GUEST_CR4, CR4_PAE);
    vmcs_write(CR4_READ_SHADOW, CR4_PAE);
    machine.cr4_allowed = CR4_PAE;
    vcpu.registers.rax = CR0_RUN | CR0_PG | CR0_CD;
    reads = 0;
    return handle_cr_access(&vcpu);
}

static void pdptes_come_from_ram_and_a_device_has_none(void **unused)
{
    (void)unused;
    start(APIC);
    assert_int_equal(load_pdptes(0x8020), NEXT_ADVANCE);
    assert_true(reads == 1 && read_at == 0x8020);
    start(APIC);
    assert_int_equal(load_pdptes(APIC + 0x300), NEXT_GP);
    assert_int_equal(reads, 0);
    assert_int_equal(vmcs_read(GUEST_CR0), CR0_RUN);
    start(0x8000);
    assert_int_equal(load_pdptes(0x8020), NEXT_GP);
    assert_int_equal(reads, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(code_is_read_in_ram_and_rom_and_never_in_a_device),
        cmocka_unit_test(the_apic_is_none_wherever_it_is),
        cmocka_unit_test(pdptes_come_from_ram_and_a_device_has_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
