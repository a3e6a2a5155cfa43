/* with: vmx/exit_cr.c vmx/memory_types.c vmx/vmcs_fields.c vcpu/cr_rules.c vcpu/cr4_features.c vcpu/cpuid_rules.c vcpu/cpuid_policy.c vcpu/type_watch.c mm/mtrr*.c lib/format.c */
#include "vmx/memory_types.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/hw.h"
#include "base/x86/cr.h"
#include "base/x86/msr.h"
#include "vmx/machine.h"
#include "vmx/vmcs.h"

/* Writes to CR0 that change CD, from the exit on, and what waits for the CPU afterwards. */
#define CR0_ON (CR0_PE | CR0_ET | CR0_NE)

struct machine machine;
static struct cpu cpu;
static struct vmx_cpu vcpu;
static unsigned wbinvds, locked;

void fake_wbinvd(void) { wbinvds++; }
void machine_lock(struct cpu *self) { locked += self == &cpu; }
void machine_unlock(void) { locked--; }
uint64_t time_us(void) { return 0; }
void vmx_flush_linear(void) {}

/* Not reached: they are for other writes, or for the look at other CPUs. */
void stop_kick(struct cpu *target) { (void)target; }
uint32_t stop_cpus(void) { return 0; }
uint32_t stop_running_cpu(void) { return 0; }
bool machine_change_stopped(struct vmx_cpu *self, enum stop_reason reason, uint64_t bound_us,
                            void (*change)(void))
{
    (void)self, (void)reason, (void)bound_us, (void)change;
    fail();
    return false;
}
struct ept_retyped ept_retype(struct ept *ept)
{
    (void)ept;
    fail();
    return (struct ept_retyped){0};
}
bool guest_is_quiet(gpa_t at, uint64_t bytes)
{
    (void)at, (void)bytes;
    fail();
    return false;
}
enum error guest_read(const struct window *window, void *to, gpa_t from, size_t bytes)
{
    (void)window, (void)to, (void)from, (void)bytes;
    fail();
    return ERROR_RANGE;
}
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
_Noreturn void vmx_field_failed(uint32_t encoding)
{
    fail_msg("field %x", encoding);
    abort();
}
uint64_t exit_get_register(struct vmx_cpu *self, unsigned number)
{
    assert_int_equal(number, 0);
    return self->registers.rax;
}

/* MOV CR0, EAX in protected mode without paging: qualification 0. */
static enum exit_next write_cr0(uint64_t value)
{
    vcpu.registers.rax = value;
    return handle_cr_access(&vcpu);
}

static void start(void)
{
    fake_vmcs_reset();
    memset(&vcpu, 0, sizeof(vcpu));
    vcpu.cpu = &cpu;
    cpu.attention = wbinvds = locked = 0;
    vmcs_write(GUEST_CR0, CR0_ON);
    vmcs_write(CR0_READ_SHADOW, CR0_ON);
}

static void caches_are_written_back_when_cd_is_set_and_stay_on(void **unused)
{
    (void)unused;
    start();
    assert_int_equal(write_cr0(CR0_ON | CR0_CD), NEXT_ADVANCE);
    assert_true(wbinvds == 1 && vcpu.caches_off && cpu.attention == 0);
    assert_int_equal(vmcs_read(GUEST_CR0) & (CR0_CD | CR0_NW), 0);
    assert_int_equal(vmcs_read(CR0_READ_SHADOW) & (CR0_CD | CR0_NW), CR0_CD);
    assert_int_equal(write_cr0(CR0_ON | CR0_CD | CR0_NW), NEXT_ADVANCE);
    assert_true(wbinvds == 1 && vcpu.caches_off && cpu.attention == 0);
    assert_int_equal(vmcs_read(GUEST_CR0) & (CR0_CD | CR0_NW), 0);
    assert_int_equal(vmcs_read(CR0_READ_SHADOW) & (CR0_CD | CR0_NW), CR0_CD | CR0_NW);
}

static void mtrrs_are_looked_at_when_cd_is_cleared(void **unused)
{
    (void)unused;
    start();
    assert_int_equal(write_cr0(CR0_ON | CR0_CD), NEXT_ADVANCE);
    assert_int_equal(write_cr0(CR0_ON), NEXT_ADVANCE);
    assert_true(wbinvds == 1 && !vcpu.caches_off);
    assert_int_equal(cpu.attention, ATTENTION_TYPES);
}

static void a_write_that_faults_does_nothing(void **unused)
{
    (void)unused;
    start();
    assert_int_equal(write_cr0(CR0_ON | CR0_NW), NEXT_GP);
    assert_int_equal(write_cr0((CR0_ON & ~CR0_PE) | CR0_PG | CR0_CD), NEXT_GP);
    assert_true(wbinvds == 0 && !vcpu.caches_off && cpu.attention == 0);
    assert_int_equal(vmcs_read(CR0_READ_SHADOW), CR0_ON);
}

static void an_mtrr_is_kept_under_the_lock_and_looked_at(void **unused)
{
    (void)unused;
    start();
    types_change_mtrr(&vcpu, MSR_IA32_MTRR_DEF_TYPE, 0xC06);
    assert_true(vcpu.mtrr_shadow[0xFF] == 0xC06 && locked == 0);
    assert_int_equal(cpu.attention, ATTENTION_TYPES);
    assert_int_equal(types_attend(&vcpu, false), 0); /* nobody asked this CPU */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(caches_are_written_back_when_cd_is_set_and_stay_on),
        cmocka_unit_test(mtrrs_are_looked_at_when_cd_is_cleared),
        cmocka_unit_test(a_write_that_faults_does_nothing),
        cmocka_unit_test(an_mtrr_is_kept_under_the_lock_and_looked_at),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
