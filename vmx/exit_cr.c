/* Writes to CR0 and CR4 that touch a bit which Orlop owns (vcpu/cr_rules.h says which, and judges).
 */
#include "base/bits.h"
#include "base/x86/cr.h"
#include "base/x86/msr.h"
#include "base/x86/segment.h"
#include "mm/guest_access.h"
#include "vcpu/cr_rules.h"
#include "vmx/exit.h"
#include "vmx/exit_info.h"
#include "vmx/guest_memory.h"
#include "vmx/machine.h"
#include "vmx/memory_types.h"
#include "vmx/root.h"
#include "vmx/vmcs.h"

static struct cr_state read_state(void)
{
    uint32_t tr = vmcs_read(GUEST_TR_ACCESS_RIGHTS) & SEGMENT_TYPE_MASK;
    return (struct cr_state){
        .cr0 = cr0_view(vmcs_read(GUEST_CR0), vmcs_read(CR0_READ_SHADOW)),
        .cr3 = vmcs_read(GUEST_CR3),
        .cr4 = cr4_view(vmcs_read(GUEST_CR4), vmcs_read(CR4_READ_SHADOW), machine.cr4_allowed),
        .efer = vmcs_read(GUEST_IA32_EFER),
        .cs_l = vmcs_read(GUEST_CS_ACCESS_RIGHTS) & SEGMENT_L,
        .tr_16bit = tr == SEGMENT_TYPE_TSS16_AVAILABLE || tr == SEGMENT_TYPE_TSS16_BUSY,
    };
}

/* PAE paging loads its four PDPTEs with the write (SDM vol. 3A, 4.4.1 "PDPTE Registers"). */
static bool load_pdptes(const struct vmx_cpu *vcpu, uint64_t cr3)
{
    uint64_t entries[4];
    gpa_t table = GPA(cr3 & BITS(31, 5));
    if (!guest_is_quiet(table, sizeof(entries)) ||
        guest_read(&vcpu->cpu->windows[0], entries, table, sizeof(entries)) != ERROR_NONE)
        return false; /* in Orlop's range, or a device's: ones, which are no PDPTEs */
    for (unsigned i = 0; i < 4; i++)
        if (!pdpte_legal(entries[i], vmx_physical_bits(&machine.caps)))
            return false;
    for (unsigned i = 0; i < 4; i++)
        vmcs_write_field(VMCS_AT(GUEST_PDPTE0, i), entries[i]);
    return true;
}

static void set_ia32e(bool on)
{
    uint32_t entry = vmcs_read(VM_ENTRY_CONTROLS);
    uint64_t efer = vmcs_read(GUEST_IA32_EFER);
    uint32_t bit = ENTRY_CTL_IA32E_MODE_GUEST;
    vmcs_write(VM_ENTRY_CONTROLS, on ? entry | bit : entry & ~bit);
    vmcs_write(GUEST_IA32_EFER, on ? efer | EFER_LMA : efer & ~(uint64_t)EFER_LMA);
}

/* What follows a legal write, before the new value is stored. False: #GP after all. */
static bool carry_out(struct vmx_cpu *vcpu, enum cr_verdict verdict, uint64_t cr3)
{
    if ((verdict & CR_VERDICT_LOAD_PDPTES) && !load_pdptes(vcpu, cr3))
        return false;
    if (verdict & CR_VERDICT_ENTER_IA32E)
        set_ia32e(true);
    if (verdict & CR_VERDICT_LEAVE_IA32E)
        set_ia32e(false);
    if (verdict & CR_VERDICT_FLUSH_TLB)
        vmx_flush_linear();
    if (verdict & (CR_VERDICT_CACHES_OFF | CR_VERDICT_CACHES_ON))
        types_switch_caches(vcpu, verdict & CR_VERDICT_CACHES_OFF);
    return true;
}

static enum exit_next write_cr0(struct vmx_cpu *vcpu, const struct cr_state *now, uint64_t value)
{
    uint64_t view;
    enum cr_verdict verdict = cr0_write_rule(now, value, &view);
    if ((verdict & CR_VERDICT_GP) || !carry_out(vcpu, verdict, now->cr3))
        return NEXT_GP;
    vmcs_write(CR0_READ_SHADOW, view);
    vmcs_write(GUEST_CR0, cr0_hardware_value(view));
    return NEXT_ADVANCE;
}

static enum exit_next write_cr4(struct vmx_cpu *vcpu, const struct cr_state *now, uint64_t value)
{
    uint64_t view;
    const uint64_t followed = CR4_OSXSAVE | CR4_PKE;
    enum cr_verdict verdict = cr4_write_rule(now, machine.cr4_allowed, value, &view);
    if ((verdict & CR_VERDICT_GP) || !carry_out(vcpu, verdict, now->cr3))
        return NEXT_GP;
    vmcs_write(CR4_READ_SHADOW, view);
    vmcs_write(GUEST_CR4, cr4_hardware_value(view));
    vmcs_write(HOST_CR4, machine.host_cr4 | (view & followed));
    return NEXT_ADVANCE;
}

/* CR3 exits only on a CPU whose controls force it (no TRUE capability MSRs). Bit 63 asks for no
 * flush, and is not kept (SDM vol. 3A, 4.10.4.1 "Operations that Invalidate TLBs and
 * Paging-Structure Caches"). */
static enum exit_next write_cr3(const struct vmx_cpu *vcpu, const struct cr_state *now,
                                uint64_t value)
{
    bool pae = (now->cr0 & CR0_PG) && (now->cr4 & CR4_PAE) && !(now->efer & EFER_LMA);
    uint64_t allowed = BITS(vmx_physical_bits(&machine.caps) - 1, 0);
    if (now->cr4 & CR4_PCIDE)
        value &= ~CR3_NO_FLUSH;
    if ((now->efer & EFER_LMA) && (value & ~allowed))
        return NEXT_GP;
    if (pae && !load_pdptes(vcpu, value))
        return NEXT_GP;
    vmcs_write(GUEST_CR3, value);
    vmx_flush_linear();
    return NEXT_ADVANCE;
}

bool exit_write_cr(struct vmx_cpu *vcpu, unsigned number, uint64_t value)
{
    struct cr_state now = read_state();
    enum exit_next done = number == 0   ? write_cr0(vcpu, &now, value)
                          : number == 3 ? write_cr3(vcpu, &now, value)
                                        : write_cr4(vcpu, &now, value);
    return done == NEXT_ADVANCE;
}

uint64_t exit_read_cr(unsigned number)
{
    struct cr_state now = read_state();
    return number == 0 ? now.cr0 : number == 3 ? now.cr3 : now.cr4;
}

static enum exit_next read_cr3(struct vmx_cpu *vcpu, uint64_t qualification)
{
    unsigned number = (unsigned)bits_get(qualification, CR_ACCESS_REGISTER_MASK);
    exit_set_register(vcpu, number, vmcs_read(GUEST_CR3));
    return NEXT_ADVANCE;
}

/* The bits of CR4 that any mode may change, without a check or a flush: an OS toggles OSXSAVE and
 * PKE once a CPU, and sees the exit only because the host's CR4 follows them. */
#define CR4_FREE                                                                                   \
    (CR4_VME | CR4_PVI | CR4_TSD | CR4_DE | CR4_MCE | CR4_PCE | CR4_OSFXSR | CR4_OSXMMEXCPT |      \
     CR4_UMIP | CR4_FSGSBASE | CR4_OSXSAVE | CR4_PKE)

/* MOV to CR4 that changes nothing but such bits: true, and done. */
static bool write_cr4_free(uint64_t value)
{
    uint64_t running = vmcs_read(GUEST_CR4), followed = CR4_OSXSAVE | CR4_PKE;
    uint64_t changed =
        (value ^ running ^ CR4_VMXE); /* the running value has VMXE, the guest's not */
    if (changed & ~(CR4_FREE & machine.cr4_allowed))
        return false;
    vmcs_write(GUEST_CR4, value | CR4_VMXE);
    vmcs_write(CR4_READ_SHADOW, value);
    vmcs_write(HOST_CR4, machine.host_cr4 | (value & followed));
    return true;
}

/* LMSW and CLTS touch CR0 only. CLTS and reads of CR0 and CR4 do not exit under our masks, but what
 * they mean is defined all the same. */
static __attribute__((noinline)) enum exit_next cr_access_judged(struct vmx_cpu *vcpu,
                                                                 uint64_t qualification)
{
    uint64_t number = qualification & CR_ACCESS_NUMBER_MASK;
    uint64_t source = bits_get(qualification, CR_ACCESS_LMSW_SOURCE_MASK);
    struct cr_state now = read_state();
    switch (qualification & CR_ACCESS_TYPE_MASK) {
    case CR_ACCESS_TYPE_CLTS:
        return write_cr0(vcpu, &now, cr0_clts_value(now.cr0));
    case CR_ACCESS_TYPE_LMSW:
        return write_cr0(vcpu, &now, cr0_lmsw_value(now.cr0, (uint16_t)source));
    case CR_ACCESS_TYPE_MOV_FROM_CR:
        return number == 3 ? read_cr3(vcpu, qualification) : handle_unexpected(vcpu);
    default: /* MOV to CR: two bits have four values */
        break;
    }
    uint64_t value =
        exit_get_register(vcpu, (unsigned)bits_get(qualification, CR_ACCESS_REGISTER_MASK));
    if (!(now.efer & EFER_LMA) || !now.cs_l)
        value = (uint32_t)value;
    if (number == 3)
        return write_cr3(vcpu, &now, value);
    if (number == 0)
        return write_cr0(vcpu, &now, value);
    if (number == 4)
        return write_cr4(vcpu, &now, value);
    return handle_unexpected(vcpu);
}

enum exit_next handle_cr_access(struct vmx_cpu *vcpu)
{
    const uint64_t which = CR_ACCESS_NUMBER_MASK | CR_ACCESS_TYPE_MASK;
    uint64_t qualification = vmcs_read(EXIT_QUALIFICATION);
    if ((qualification & which) == 4) { /* MOV to CR4 */
        const uint64_t *source =
            guest_register(&vcpu->registers, (unsigned)(qualification >> 8 & 0xF));
        if (source && write_cr4_free(*source))
            return NEXT_ADVANCE;
    }
    return cr_access_judged(vcpu, qualification);
}
