#include "vmx/setup.h"

#include "base/bits.h"
#include "base/hw.h"
#include "base/x86/cr.h"
#include "base/x86/exceptions.h"
#include "base/x86/msr.h"
#include "include/orlop_abi.h"
#include "kernel/descriptors.h"
#include "mm/frames.h"
#include "vcpu/cr_rules.h"
#include "vmx/exit_info.h"
#include "vmx/vmcs.h"

extern const uint8_t vmx_exit[], vmx_exit_measured[]; /* vmx/entry.asm */

void vmx_build_policies(struct machine *all, uint64_t own_base, uint64_t own_end)
{
    uint64_t revision;
    uint32_t passes = vmx_passed_features(&all->controls);
    all->cr4_allowed = cr4_allowed_bits(hw_cpuid, all->caps.cr4_fixed1);
    const struct cpuid_capabilities capabilities = {
        .cr4_allowed = all->cr4_allowed, .passes = passes, .hidden = all->hidden};
    all->quick_call = all->hidden ? UINT64_MAX : ORLOP_CALL_VERSION;
    cpuid_policy_build(&all->cpuid, &capabilities, hw_cpuid);
    all->msr = (struct msr_policy){
        .own_base = own_base,
        .own_end = own_end,
        .mtrr_cap = all->mtrr.cap,
        .xss_supported = all->cpuid.xss_supported,
        .physical_bits = (uint8_t)vmx_physical_bits(&all->caps),
        .has_microcode = hw_rdmsr_safe(MSR_IA32_BIOS_SIGN_ID, &revision),
        .has_x2apic = all->caps.cpuid_1_ecx & CPUID_1_ECX_X2APIC,
        .pt_passes = passes & CPUID_PASSES_PT,
        .pebs_passes = passes & CPUID_PASSES_PEBS,
    };
    all->msr_bitmap = frames_take();
    msr_bitmap_build(frames_pointer(all->msr_bitmap), &all->msr);
}

void vmx_write_host_rip(bool attended)
{
    const uint8_t *stub = attended || machine.measure_exits ? vmx_exit_measured : vmx_exit;
    vmcs_write(HOST_RIP, (uint64_t)stub);
}

static void write_controls(const struct vmx_cpu *vcpu)
{
    const struct vmx_controls *controls = &machine.controls;
    vmcs_write(PIN_CONTROLS, controls->pin);
    vmcs_write(PRIMARY_CONTROLS, controls->primary);
    vmcs_write(SECONDARY_CONTROLS, controls->secondary);
    vmcs_write(VM_EXIT_CONTROLS, controls->exit);
    vmcs_write(VM_ENTRY_CONTROLS, controls->entry);
    vmcs_write(EXCEPTION_BITMAP, (uint32_t)BIT(EXCEPTION_MC));
    vmcs_write(PAGE_FAULT_ERROR_CODE_MASK, 0);
    vmcs_write(PAGE_FAULT_ERROR_CODE_MATCH, 0);
    vmcs_write(CR3_TARGET_COUNT, 0);
    vmcs_write(VM_EXIT_MSR_STORE_COUNT, 0);
    vmcs_write(VM_EXIT_MSR_LOAD_COUNT, 0);
    vmcs_write(VM_ENTRY_MSR_LOAD_COUNT, 0);
    vmcs_write(VM_EXIT_MSR_STORE_ADDRESS, 0);
    vmcs_write(VM_EXIT_MSR_LOAD_ADDRESS, 0);
    vmcs_write(VM_ENTRY_MSR_LOAD_ADDRESS, 0);
    vmcs_write(VM_ENTRY_INTERRUPTION_INFO, 0);
    vmcs_write(VM_ENTRY_EXCEPTION_ERROR_CODE, 0);
    vmcs_write(VM_ENTRY_INSTRUCTION_LENGTH, 0);
    vmcs_write(IO_BITMAP_A, machine.io_bitmap[0].v);
    vmcs_write(IO_BITMAP_B, machine.io_bitmap[1].v);
    vmcs_write(MSR_BITMAP, machine.msr_bitmap.v);
    vmcs_write(TSC_OFFSET, 0);
    vmcs_write(EPT_POINTER, vcpu->eptp);
    vmcs_write(TPR_THRESHOLD, 0);
    if (controls->secondary & SECONDARY_ENABLE_VPID)
        vmcs_write(VPID, (uint16_t)(vcpu->cpu->number + 1));
    if (controls->secondary & SECONDARY_ENABLE_XSAVES_XRSTORS)
        vmcs_write(XSS_EXITING_BITMAP, 0);
    /* SGX is hidden: its instructions are #UD, whatever the processor has. */
    if (controls->secondary & SECONDARY_ENABLE_ENCLS_EXITING)
        vmcs_write(ENCLS_EXITING_BITMAP, ~0ull);
    if (controls->secondary & SECONDARY_ENABLE_ENCLV_EXITING)
        vmcs_write(ENCLV_EXITING_BITMAP, ~0ull);
    vmcs_write(CR0_GUEST_HOST_MASK, cr0_owned_bits());
    /* OSXSAVE and PKE too: the host's CR4 follows them, so that CPUID needs no correction. */
    vmcs_write(CR4_GUEST_HOST_MASK, cr4_owned_bits(machine.cr4_allowed) | CR4_OSXSAVE | CR4_PKE);
}

static void write_host(const struct vmx_cpu *vcpu)
{
    const struct cpu *cpu = vcpu->cpu;
    vmcs_write(HOST_CR0, hw_read_cr0());
    vmcs_write(HOST_CR3, hw_read_cr3());
    vmcs_write(HOST_CR4, machine.host_cr4);
    vmcs_write(HOST_ES_SELECTOR, HOST_DS);
    vmcs_write(HOST_CS_SELECTOR, HOST_CS);
    vmcs_write(HOST_SS_SELECTOR, HOST_DS);
    vmcs_write(HOST_DS_SELECTOR, HOST_DS);
    vmcs_write(HOST_FS_SELECTOR, 0);
    vmcs_write(HOST_GS_SELECTOR, 0);
    vmcs_write(HOST_TR_SELECTOR, HOST_TSS);
    vmcs_write(HOST_FS_BASE, 0);
    vmcs_write(HOST_GS_BASE, (uint64_t)cpu);
    vmcs_write(HOST_TR_BASE, (uint64_t)&cpu->tss);
    vmcs_write(HOST_GDTR_BASE, (uint64_t)cpu->gdt);
    vmcs_write(HOST_IDTR_BASE, descriptors_idt_base());
    vmcs_write(HOST_IA32_PAT, hw_rdmsr(MSR_IA32_PAT));
    vmcs_write(HOST_IA32_EFER, hw_rdmsr(MSR_IA32_EFER));
    vmcs_write(HOST_IA32_SYSENTER_CS, 0);
    vmcs_write(HOST_IA32_SYSENTER_ESP, 0);
    vmcs_write(HOST_IA32_SYSENTER_EIP, 0);
    vmcs_write(HOST_RSP, (uint64_t)(&vcpu->registers + 1));
    vmx_write_host_rip(false);
}

/* What INIT leaves alone, and so is written once. */
static void write_guest_once(void)
{
    vmcs_write(VMCS_LINK_POINTER, VMCS_LINK_POINTER_NONE);
    vmcs_write(GUEST_IA32_DEBUGCTL, 0);
    vmcs_write(GUEST_IA32_PAT, hw_rdmsr(MSR_IA32_PAT));
    vmcs_write(GUEST_IA32_SYSENTER_CS, (uint32_t)hw_rdmsr(MSR_IA32_SYSENTER_CS));
    vmcs_write(GUEST_IA32_SYSENTER_ESP, hw_rdmsr(MSR_IA32_SYSENTER_ESP));
    vmcs_write(GUEST_IA32_SYSENTER_EIP, hw_rdmsr(MSR_IA32_SYSENTER_EIP));
    for (unsigned i = 0; i < 4; i++)
        vmcs_write_field(VMCS_AT(GUEST_PDPTE0, i), 0);
}

/* Every field that this CPU has begins as 0: what a region holds before VMPTRLD counts for nothing
 * (SDM vol. 3C, 25.11.3 "Initializing a VMCS"). */
static void clear_fields(void)
{
    uint64_t value;
    for (size_t i = 0; i < vmcs_field_count; i++)
        if (VMCS_ENCODING_KIND(vmcs_field_table[i].encoding) != VMCS_READ_ONLY &&
            vmcs_read_checked(vmcs_field_table[i].encoding, &value))
            vmcs_write_field((struct vmcs_field){vmcs_field_table[i].encoding}, 0);
}

void vmx_write_vmcs(struct vmx_cpu *vcpu)
{
    clear_fields();
    write_controls(vcpu);
    write_host(vcpu);
    write_guest_once();
}

/* ES, CS, SS, DS, FS, GS, LDTR, TR: the order of the VMCS. */
static void load_segment(unsigned place, const struct reset_segment *segment)
{
    vmcs_write_field(VMCS_AT(GUEST_ES_SELECTOR, place), segment->selector);
    vmcs_write_field(VMCS_AT(GUEST_ES_BASE, place), segment->base);
    vmcs_write_field(VMCS_AT(GUEST_ES_LIMIT, place), segment->limit);
    vmcs_write_field(VMCS_AT(GUEST_ES_ACCESS_RIGHTS, place), segment->access_rights);
}

void vmx_load_real_segment(struct vmcs_field selector, uint16_t value)
{
    unsigned place = (selector.encoding - VMCS_GUEST_ES_SELECTOR.encoding) / 2;
    vmcs_write_field(selector, value);
    vmcs_write_field(VMCS_AT(GUEST_ES_BASE, place), (uint32_t)value * 16);
}

static void load_control_registers(const struct reset_state *state)
{
    vmcs_write(GUEST_CR0, cr0_hardware_value(state->cr0));
    vmcs_write(CR0_READ_SHADOW, state->cr0);
    vmcs_write(GUEST_CR3, state->cr3);
    vmcs_write(GUEST_CR4, cr4_hardware_value(state->cr4));
    vmcs_write(CR4_READ_SHADOW, state->cr4);
    vmcs_write(HOST_CR4, machine.host_cr4 | (state->cr4 & (CR4_OSXSAVE | CR4_PKE)));
    vmcs_write(GUEST_IA32_EFER, state->efer);
    vmcs_write(VM_ENTRY_CONTROLS,
               vmcs_read(VM_ENTRY_CONTROLS) & ~(uint32_t)ENTRY_CTL_IA32E_MODE_GUEST);
}

void vmx_load_state(struct vmx_cpu *vcpu, const struct reset_state *state, uint32_t activity)
{
    const struct reset_segment *segments[8] = {&state->data, &state->cs,   &state->data,
                                               &state->data, &state->data, &state->data,
                                               &state->ldtr, &state->tr};
    for (unsigned i = 0; i < ARRAY_SIZE(segments); i++)
        load_segment(i, segments[i]);
    load_control_registers(state);
    vmcs_write(GUEST_GDTR_BASE, state->gdtr_base);
    vmcs_write(GUEST_GDTR_LIMIT, state->gdtr_limit);
    vmcs_write(GUEST_IDTR_BASE, state->idtr_base);
    vmcs_write(GUEST_IDTR_LIMIT, state->idtr_limit);
    vmcs_write(GUEST_DR7, state->dr7);
    vmcs_write(GUEST_RIP, state->rip);
    vmcs_write(GUEST_RSP, 0);
    vmcs_write(GUEST_RFLAGS, state->rflags);
    vmcs_write(GUEST_PENDING_DEBUG_EXCEPTIONS, 0);
    vmcs_write(GUEST_INTERRUPTIBILITY_STATE, 0);
    vmcs_write(GUEST_ACTIVITY_STATE, activity);
    vmcs_write(VM_ENTRY_INTERRUPTION_INFO, 0);
    vcpu->registers = (struct guest_registers){.rdx = state->rdx};
    vcpu->caches_off = state->cr0 & CR0_CD;
    percpu_attend(vcpu->cpu, ATTENTION_RELOAD);
}
