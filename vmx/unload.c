#include "vmx/unload.h"

#include "base/hw.h"
#include "base/log.h"
#include "base/panic.h"
#include "base/x86/apic.h"
#include "base/x86/cr.h"
#include "base/x86/eflags.h"
#include "base/x86/msr.h"
#include "include/orlop_abi.h"
#include "kernel/apic.h"
#include "kernel/log.h"
#include "kernel/stop.h"
#include "kernel/time.h"
#include "lib/spinlock.h"
#include "lib/string.h"
#include "mm/frames.h"
#include "mm/guest_access.h"
#include "mm/pte.h"
#include "vcpu/cr_rules.h"
#include "vcpu/reload.h"
#include "vcpu/task_switch.h"
#include "vmx/exit.h"
#include "vmx/exit_dr.h"
#include "vmx/exit_info.h"
#include "vmx/exit_machine_check.h"
#include "vmx/guest_memory.h"
#include "vmx/machine.h"
#include "vmx/root.h"
#include "vmx/vmcs.h"

#define OTHERS_US  1000000ull /* so long a CPU waits for the others' calls */
#define NMI_POLLS  1000000
#define LOCK_POLLS 100000
#define TABLE_BITS 9
#define LEVELS     4
#define HOST_ENTRY 511 /* of the top table: base/layout.h is the last 2 GiB */

/* The guest's, and only VM entry delivers them. */
#define ATTENTION_EVENTS (ATTENTION_MAIL | ATTENTION_CHECK | ATTENTION_GUEST_NMI)

_Noreturn void vmx_leave(uint64_t cr3, uint64_t page); /* vmx/leave.asm */
extern const uint8_t vmx_leave_page[], vmx_leave_page_end[];

static struct spinlock pages_lock;
static volatile uint32_t arrived; /* CPUs that have called and can leave */

static unsigned table_index(uint64_t linear, unsigned level)
{
    return linear >> (PAGE_SHIFT + TABLE_BITS * (level - 1)) & (BIT(TABLE_BITS) - 1);
}

/* The real MTRRs are as the firmware left them; a guest that has set its own would lose them. */
static bool mtrrs_are_real(const struct vmx_cpu *vcpu)
{
    const struct mtrr_state *mtrr = &machine.mtrr;
    bool same = true;
    for (unsigned i = 0; i < 2 * mtrr->variable_count; i++)
        same &= vcpu->mtrr_shadow[i] == hw_rdmsr(MSR_IA32_MTRR_PHYSBASE0 + i);
    for (unsigned i = 0; i < MTRR_FIXED_COUNT && (mtrr->cap & MTRRCAP_FIX); i++)
        same &= vcpu->mtrr_shadow[mtrr_fixed_msr(i) & 0xFF] == hw_rdmsr(mtrr_fixed_msr(i));
    return same && (!mtrr->cap || vcpu->mtrr_shadow[MSR_IA32_MTRR_DEF_TYPE & 0xFF] ==
                                      hw_rdmsr(MSR_IA32_MTRR_DEF_TYPE));
}

/* In the middle of something that only Orlop can end: an NMI or machine check that waits, an NMI
 * whose handler runs, a #DB that MOV SS holds back, an instruction that is stepped. */
static bool is_busy(const struct vmx_cpu *vcpu)
{
    return (vmcs_read(GUEST_INTERRUPTIBILITY_STATE) & INTERRUPTIBILITY_NMI) ||
           vmcs_read(GUEST_PENDING_DEBUG_EXCEPTIONS) || vcpu->nmi_pending ||
           vcpu->machine_check_waits || vcpu->sink_count || vcpu->step != STEP_NONE ||
           (vcpu->cpu->attention & ATTENTION_EVENTS);
}

/* An INIT of this CPU's making too: who has called has left none, so all is taken once all have. */
static bool mail_waits(void)
{
    uint32_t all = 0;
    for (uint32_t i = 0; i < machine.guest_cpus; i++)
        all |= percpu_get(i)->attention;
    return all & ATTENTION_MAIL;
}

static struct reload_segment read_segment(enum task_segment_name name)
{
    return (struct reload_segment){
        (uint16_t)vmcs_read_field(VMCS_AT(GUEST_ES_SELECTOR, name)),
        (uint32_t)vmcs_read_field(VMCS_AT(GUEST_ES_LIMIT, name)),
        (uint32_t)vmcs_read_field(VMCS_AT(GUEST_ES_ACCESS_RIGHTS, name)),
        vmcs_read_field(VMCS_AT(GUEST_ES_BASE, name)),
    };
}

/* The selector, or 0 where it does not give again what the register holds. */
static uint16_t reloaded(const struct vmx_cpu *vcpu, enum task_segment_name name)
{
    struct reload_segment segment = read_segment(name);
    struct reload_tables tables = {
        .paging = guest_paging(),
        .memory = guest_physical(vcpu),
        .gdt = {.limit = vmcs_read(GUEST_GDTR_LIMIT), .base = vmcs_read(GUEST_GDTR_BASE)},
        .ldt = read_segment(TASK_LDTR),
    };
    return reload_gives(&tables, &segment) ? segment.selector : 0;
}

/* In 64-bit mode these cannot, or should not, become null. */
static bool segments_reload(const struct vmx_cpu *vcpu)
{
    static const uint8_t needed[] = {TASK_CS, TASK_SS, TASK_LDTR, TASK_TR};
    bool all = true;
    for (unsigned i = 0; i < ARRAY_SIZE(needed); i++)
        all &= reloaded(vcpu, needed[i]) == read_segment(needed[i]).selector;
    return all;
}

/* What the last steps, on the guest's page and in part on its tables, cannot do: 5 levels, shadow
 * stacks, a page of the lower half under LASS, branch records that go to memory, a trap by TF right
 * behind the VMCALL, a segment that memory does not hold as the register does. */
static bool is_possible(const struct vmx_cpu *vcpu, uint64_t page)
{
    uint64_t cr4 = vmcs_read(GUEST_CR4), debugctl = vmcs_read(GUEST_IA32_DEBUGCTL);
    return exit_in_64bit_mode() && !(cr4 & (CR4_LA57 | CR4_CET)) &&
           !((cr4 & CR4_LASS) && !(page >> 63)) && !(debugctl & (DEBUGCTL_TR | DEBUGCTL_BTS)) &&
           !(vmcs_read(GUEST_RFLAGS) & RFLAGS_TF) && segments_reload(vcpu);
}

static int64_t judge(const struct vmx_cpu *vcpu, uint64_t page, gpa_t *physical)
{
    if (!is_possible(vcpu, page) || !mtrrs_are_real(vcpu))
        return ORLOP_ERROR_UNSUPPORTED;
    if (page & PAGE_MASK)
        return ORLOP_ERROR_ARGUMENT;
    if (table_index(page, LEVELS) == HOST_ENTRY ||
        guest_translate_for_code(vcpu, GVA(page), physical) != ERROR_NONE ||
        !guest_is_usable(*physical, PAGE_SIZE))
        return ORLOP_ERROR_ADDRESS;
    return is_busy(vcpu) || mail_waits() ? ORLOP_ERROR_BUSY : 0;
}

/* True once all have called; then nobody may turn back. Until then an event does, and time. */
static bool wait_for_others(struct vmx_cpu *vcpu)
{
    uint64_t start = hw_rdtsc(), bound = OTHERS_US * time_tsc_per_us();
    uint32_t now = __atomic_add_fetch(&arrived, 1, __ATOMIC_SEQ_CST);
    while (now != machine.guest_cpus) {
        if (vcpu->cpu->attention & ATTENTION_STOP) {
            stop_serve(vcpu->cpu);
            percpu_attend(vcpu->cpu, ATTENTION_STOP);
        }
        hw_pause();
        machine_check_provoke(vcpu);
        now = __atomic_load_n(&arrived, __ATOMIC_SEQ_CST);
        bool late = hw_rdtsc() - start > bound || (vcpu->cpu->attention & ATTENTION_EVENTS);
        if (now != machine.guest_cpus && late &&
            __atomic_compare_exchange_n(&arrived, &now, now - 1, false, __ATOMIC_SEQ_CST,
                                        __ATOMIC_SEQ_CST))
            return false;
    }
    return true;
}

/* Each CPU needs a page of its own: what it loads lies there. False: another one has it. */
static bool claim_page(struct vmx_cpu *vcpu, gpa_t physical)
{
    bool free = spin_lock_bounded(&pages_lock, LOCK_POLLS);
    if (!free)
        return false;
    for (uint32_t i = 0; i < machine.guest_cpus; i++)
        free &= ((struct vmx_cpu *)percpu_get(i)->vcpu)->leave_frame.v != physical.v;
    if (free)
        vcpu->leave_frame = physical;
    spin_unlock(&pages_lock);
    return free;
}

static void put_table_register(uint8_t bytes[16], uint32_t limit, uint64_t base)
{
    memcpy(bytes, &limit, sizeof(uint16_t));
    memcpy(bytes + sizeof(uint16_t), &base, sizeof(base));
}

static void fill_state(const struct vmx_cpu *vcpu, struct leave_state *state)
{
    *state = (struct leave_state){
        .cr0 = cr0_view(vmcs_read(GUEST_CR0), vmcs_read(CR0_READ_SHADOW)),
        .cr3 = vmcs_read(GUEST_CR3),
        .cr4 = cr4_view(vmcs_read(GUEST_CR4), vmcs_read(CR4_READ_SHADOW), machine.cr4_allowed),
        .efer = vmcs_read(GUEST_IA32_EFER),
        .dr7 = debug_guest_dr(vcpu, 7),
        .cs = vmcs_read(GUEST_CS_SELECTOR),
        .ss = vmcs_read(GUEST_SS_SELECTOR),
        .ds = reloaded(vcpu, TASK_DS),
        .es = reloaded(vcpu, TASK_ES),
        .fs = reloaded(vcpu, TASK_FS),
        .gs = reloaded(vcpu, TASK_GS),
        .ldtr = vmcs_read(GUEST_LDTR_SELECTOR),
        .tr = vmcs_read(GUEST_TR_SELECTOR),
        .fs_base = vmcs_read(GUEST_FS_BASE),
        .gs_base = vmcs_read(GUEST_GS_BASE),
        .rip = vmcs_read(GUEST_RIP) + vmcs_read(VM_EXIT_INSTRUCTION_LENGTH),
        .rsp = vmcs_read(GUEST_RSP),
        .rflags = vmcs_read(GUEST_RFLAGS) & ~RFLAGS_RF,
        .registers = vcpu->registers,
    };
    put_table_register(state->gdtr, vmcs_read(GUEST_GDTR_LIMIT), vmcs_read(GUEST_GDTR_BASE));
    put_table_register(state->idtr, vmcs_read(GUEST_IDTR_LIMIT), vmcs_read(GUEST_IDTR_BASE));
}

/* Orlop's tables, and the one page at the guest's address. The pages of sinks serve as tables: no
 * step is under way. Returns what CR3 shall hold. */
static uint64_t build_tables(const struct vmx_cpu *vcpu, uint64_t page, gpa_t physical)
{
    _Static_assert(VMX_SINK_PAGES >= LEVELS, "a table of each level");
    for (unsigned level = LEVELS; level > 0; level--) {
        uint64_t *table = frames_pointer(vcpu->scratch[level - 1]);
        uint64_t next = level > 1 ? vcpu->scratch[level - 2].v : physical.v;
        memset(table, 0, PAGE_SIZE);
        table[table_index(page, level)] = next | PTE_P | PTE_W;
    }
    uint64_t *top = frames_pointer(vcpu->scratch[LEVELS - 1]);
    const uint64_t *own = frames_pointer(HPA(hw_read_cr3() & PTE_ADDRESS));
    top[HOST_ENTRY] = own[HOST_ENTRY];
    return vcpu->scratch[LEVELS - 1].v;
}

/* What the host does not look at, the processor's own instance of it. */
static void restore_msrs(void)
{
    hw_wrmsr(MSR_IA32_SYSENTER_CS, vmcs_read(GUEST_IA32_SYSENTER_CS));
    hw_wrmsr(MSR_IA32_SYSENTER_ESP, vmcs_read(GUEST_IA32_SYSENTER_ESP));
    hw_wrmsr(MSR_IA32_SYSENTER_EIP, vmcs_read(GUEST_IA32_SYSENTER_EIP));
    hw_wrmsr(MSR_IA32_PAT, vmcs_read(GUEST_IA32_PAT));
    if (vmcs_read(GUEST_IA32_DEBUGCTL)) /* there are CPUs without it; and 0 it is already */
        hw_wrmsr(MSR_IA32_DEBUGCTL, vmcs_read(GUEST_IA32_DEBUGCTL));
}

/* VMXOFF unblocks INIT (SDM vol. 3C, 31.3 "VMX Instructions"): one that waits resets the CPU there,
 * so it counts as stopped before it. */
static _Noreturn void leave(struct cpu *cpu)
{
    struct vmx_cpu *vcpu = cpu->vcpu;
    uint32_t why = __atomic_exchange_n(&cpu->attention, 0, __ATOMIC_SEQ_CST);
    if (!(hw_rdmsr(MSR_IA32_APIC_BASE) & APIC_BASE_EXTD)) /* the NMI interrupted who sent it */
        apic_write(APIC_ICR_HIGH, vcpu->leave_icr_high);
    if (why & ATTENTION_GUEST_NMI) /* it comes again, behind the IRET */
        apic_send(cpu->apic_id, APIC_IPI_NMI, 0);
    restore_msrs();
    vcpu->in_root = 0;
    vmx_flush_ept(vcpu->eptp);
    vmx_flush_linear();
    stop_publish(cpu, CPU_LEFT_OUT);
    if (vmx_vmclear(vcpu->vmcs) != VMX_SUCCEED || vmx_vmxoff() != VMX_SUCCEED)
        panic("VMXOFF failed");
    vmx_leave(vcpu->leave_cr3, vcpu->leave_page);
}

static void fill_page(const struct vmx_cpu *vcpu, gpa_t physical)
{
    const struct window *window = &vcpu->cpu->windows[0];
    struct leave_state state;
    fill_state(vcpu, &state);
    if (guest_write(window, physical, vmx_leave_page,
                    (uint64_t)(vmx_leave_page_end - vmx_leave_page)) != ERROR_NONE ||
        guest_write(window, GPA(physical.v + LEAVE_STATE_AT), &state, sizeof(state)) != ERROR_NONE)
        panic("a page of the guest's cannot be written"); /* judge() has looked */
}

/* Until all have called neither the guest's page nor the pages of sinks, which it may see again,
 * are touched. */
int64_t unload(struct vmx_cpu *vcpu, uint64_t page)
{
    gpa_t physical;
    int64_t error = judge(vcpu, page, &physical);
    if (error)
        return error;
    if (!claim_page(vcpu, physical))
        return ORLOP_ERROR_ARGUMENT;
    if (!wait_for_others(vcpu)) {
        vcpu->leave_frame = GPA(0);
        return ORLOP_ERROR_BUSY;
    }
    debug_leave_registers(vcpu);
    fill_page(vcpu, physical);
    vcpu->leave_cr3 = build_tables(vcpu, page, physical);
    vcpu->leave_page = page;
    vcpu->leave_icr_high = apic_read(APIC_ICR_HIGH);
    /* From its NMI handler this CPU goes on with NMIs blocked, so that none meets the tables half
     * changed; the guest's IRET, which vmx/leave.asm ends with, unblocks them. */
    vcpu->cpu->leave = leave;
    if (apic_send(vcpu->cpu->apic_id, APIC_IPI_NMI, 0))
        for (unsigned poll = 0; poll < NMI_POLLS; poll++)
            hw_pause();
    leave(vcpu->cpu);
}
