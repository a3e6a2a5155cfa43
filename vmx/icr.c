#include "vmx/icr.h"

#include "base/hw.h"
#include "base/log.h"
#include "base/panic.h"
#include "base/x86/apic.h"
#include "base/x86/msr.h"
#include "kernel/apic.h"
#include "kernel/stop.h"
#include "kernel/time.h"
#include "mm/frames.h"
#include "mm/host_tables.h"
#include "vcpu/decoder.h"
#include "vcpu/icr.h"
#include "vmx/exit_breakpoints.h"
#include "vmx/exit_events.h"
#include "vmx/exit_info.h"
#include "vmx/exit_machine_check.h"
#include "vmx/exit_range.h"
#include "vmx/vmcs.h"

#define MAIL_INIT     BIT(31)
#define MAIL_STARTUP  BIT(30) /* the vector is in the low byte */
#define TAKE_BOUND_US 100000

/* Bochs 2.7 keeps an INIT pending after its VM exit, so that no guest instruction runs afterwards;
 * 3.0 does not. Bochs names itself by the revision of its VMCS, without a hypervisor bit, and its
 * version by the highest VMCS field, on every model of CPU: 34h in 2.7, 50h in 3.0. */
#define BOCHS_REVISION  0x2B
#define BOCHS_2_HIGHEST 0x34

void vmx_idle(void); /* vmx/entry.asm */

const char *icr_why_intercepted(const struct vmx_capabilities *caps, enum option_sipi wanted)
{
    if (wanted == SIPI_ICR)
        return "sipi=icr";
    if (!(caps->misc & VMX_MISC_ACTIVITY_WAIT_FOR_SIPI))
        return "VMX has no activity state wait-for-SIPI";
    if (wanted == SIPI_WFS)
        return NULL;
    if ((caps->basic & VMX_BASIC_REVISION_MASK) == BOCHS_REVISION && !caps->hypervisor[0] &&
        caps->vmcs_enum <= BOCHS_2_HIGHEST)
        return "this emulator keeps INIT pending after its VM exit";
    return NULL;
}

static void protect(uint64_t page)
{
    if (ept_set_page(&machine.ept, GPA(page), HPA(page), EPT_R | EPT_X, MEMORY_TYPE_UC) !=
        ERROR_NONE)
        panic("the local APIC's page 0x%llx cannot be protected", (unsigned long long)page);
    machine.icr_page = page;
}

void icr_intercept(void)
{
    uint8_t *bitmap = frames_pointer(machine.msr_bitmap);
    /* The bitmap of writes to low MSRs is the third KiB (SDM vol. 3C, 25.6.9 "MSR-Bitmap Address").
     */
    bitmap[2048 + MSR_IA32_X2APIC_ICR / 8] |= (uint8_t)BIT(MSR_IA32_X2APIC_ICR % 8);
    protect(hw_rdmsr(MSR_IA32_APIC_BASE) & APIC_BASE_ADDRESS_MASK);
    machine.icr_intercepted = true;
}

bool icr_is_protected(gpa_t page) { return machine.icr_intercepted && page.v == machine.icr_page; }

/* A target in the middle of something else serves its mailbox before it runs its guest again; until
 * then the sender's ICR would read as busy, so it waits, and serves its own mail meanwhile. */
static void wait_until_taken(struct vmx_cpu *sender, struct vmx_cpu *target)
{
    uint64_t start = time_us();
    while (__atomic_load_n(&target->mail, __ATOMIC_ACQUIRE) & MAIL_INIT) {
        if (sender->cpu->attention & ATTENTION_STOP) {
            stop_serve(sender->cpu);
            percpu_attend(sender->cpu, ATTENTION_STOP); /* what a stop changed is looked at */
            start = time_us();                          /* the target stood still, too */
        }
        if (__atomic_load_n(&sender->mail, __ATOMIC_ACQUIRE) & MAIL_INIT)
            return; /* two CPUs reset each other: this one is to be reset itself */
        if (time_us() - start > TAKE_BOUND_US) {
            log_warn("icr", "cpu%u does not take its INIT", target->cpu->number);
            return;
        }
        hw_pause();
    }
}

/* A SIPI outside wait-for-SIPI is not remembered, and of several the first counts. An INIT takes
 * the place of what waits: it comes to the same. */
static void put_mail(struct vmx_cpu *target, const struct icr_message *message)
{
    uint32_t now = __atomic_load_n(&target->mail, __ATOMIC_ACQUIRE);
    if (message->kind == ICR_INIT)
        __atomic_store_n(&target->mail, (uint32_t)MAIL_INIT, __ATOMIC_RELEASE);
    else if (target->run_state == CPU_STATE_WAIT_FOR_SIPI && !(now & MAIL_STARTUP))
        __atomic_compare_exchange_n(&target->mail, &now, (uint32_t)MAIL_STARTUP | message->vector,
                                    false, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED);
}

static void post(struct vmx_cpu *sender, struct vmx_cpu *target, const struct icr_message *message)
{
    if (message->kind == ICR_NMI) {
        target->cpu->nmi_generation = stop_generation();
        percpu_guest_nmi(target->cpu);
    } else {
        put_mail(target, message);
        percpu_attend(target->cpu, ATTENTION_MAIL);
    }
    if (target == sender)
        return;
    stop_kick(target->cpu);
    if (message->kind == ICR_INIT)
        wait_until_taken(sender, target);
}

/* True: the message was ours, and nothing is left for the hardware. */
static bool deliver(struct vmx_cpu *sender, uint64_t icr, bool x2apic)
{
    struct icr_message message = icr_decode(icr, x2apic);
    if (message.kind == ICR_OTHER)
        return false;
    for (uint32_t i = 0; message.kind != ICR_NOTHING && i < machine.guest_cpus; i++) {
        struct vmx_cpu *target = percpu_get(i)->vcpu;
        struct icr_receiver to = {percpu_get(i)->apic_id, target->ldr, target->dfr};
        if (icr_reaches(&message, sender->cpu->apic_id, &to))
            post(sender, target, &message);
    }
    return true;
}

void icr_note_ids(struct vmx_cpu *vcpu)
{
    if (!machine.icr_intercepted)
        return;
    vcpu->ldr = apic_read(APIC_LDR);
    vcpu->dfr = apic_read(APIC_DFR);
}

enum exit_next icr_msr_written(struct vmx_cpu *vcpu, uint64_t value)
{
    if (!(hw_rdmsr(MSR_IA32_APIC_BASE) & APIC_BASE_EXTD) || (value & ICR_X2APIC_RESERVED))
        return NEXT_GP; /* the register exists in x2APIC mode alone */
    if (!deliver(vcpu, value, true) && !hw_wrmsr_safe(MSR_IA32_X2APIC_ICR, value))
        return NEXT_GP;
    return NEXT_ADVANCE;
}

static volatile void *window_at(struct vmx_cpu *vcpu, gpa_t address)
{
    uint64_t window = (uint64_t)percpu_slot(vcpu->cpu->number, LAYOUT_SLOT_APIC);
    host_tables_map(window, HPA(ALIGN_DOWN(address.v, PAGE_SIZE)), HOST_DEVICE);
    return (volatile void *)(window + (address.v & PAGE_MASK));
}

static void store(volatile void *to, uint64_t value, unsigned bytes)
{
    switch (bytes) {
    case 1:
        *(volatile uint8_t *)to = (uint8_t)value;
        break;
    case 2:
        *(volatile uint16_t *)to = (uint16_t)value;
        break;
    case 4:
        *(volatile uint32_t *)to = (uint32_t)value;
        break;
    default:
        *(volatile uint64_t *)to = value;
        break;
    }
}

static bool is_own_apic(gpa_t address)
{
    uint64_t base = hw_rdmsr(MSR_IA32_APIC_BASE);
    return (base & APIC_BASE_EN) && !(base & APIC_BASE_EXTD) &&
           (base & APIC_BASE_ADDRESS_MASK) == ALIGN_DOWN(address.v, PAGE_SIZE);
}

/* What can be carried out here: an access as the SDM has it, which is of 32 bits and aligned (vol.
 * 3A, 11.4.1 "The Local APIC Block Diagram"), and other plain stores inside the page. The write may
 * be one of the processor's own: of an event that it delivers, of a page walk. */
static bool is_carried_out(const struct decoded *d, gpa_t address, uint64_t qualification)
{
    uint64_t offset = address.v & PAGE_MASK;
    if (!(qualification & EPT_VIOLATION_TRANSLATED) ||
        (vmcs_read(IDT_VECTORING_INFO) & INTERRUPTION_VALID))
        return false;
    if (d->kind == DECODER_MODIFY || d->kind == DECODER_STOS)
        return d->memory_bytes == 4 && !(offset & 3) && offset;
    return (d->kind == DECODER_STORE || d->kind == DECODER_STORE_IMMEDIATE) &&
           offset + d->memory_bytes <= PAGE_SIZE && (offset != 0 || d->memory_bytes == 1);
}

/* What the instruction writes; another register that it changes, and the flags, are changed. */
static uint64_t value_written(struct vmx_cpu *vcpu, const struct decoded *d, gpa_t address)
{
    uint64_t whole = exit_get_register(vcpu, d->number), rflags = vmcs_read(GUEST_RFLAGS);
    if (d->kind == DECODER_STORE_IMMEDIATE)
        return d->immediate;
    if (d->kind != DECODER_MODIFY) /* STOS: register 0 */
        return decoder_stored_value(d, whole);
    uint32_t old = *(volatile uint32_t *)window_at(vcpu, address);
    uint32_t other = (uint32_t)(d->by_immediate ? d->immediate : whole);
    uint32_t value = decoder_modified_value(d->operation, old, other, &rflags);
    vmcs_write(GUEST_RFLAGS, rflags);
    if (d->operation == DECODER_XCHG)
        exit_set_register(vcpu, d->number, old);
    return value;
}

static void write_register(struct vmx_cpu *vcpu, gpa_t address, uint64_t value, unsigned bytes)
{
    uint64_t offset = address.v & PAGE_MASK;
    if (is_own_apic(address) && offset == APIC_ICR_LOW) {
        volatile uint32_t *low = window_at(vcpu, address);
        uint32_t high = low[(APIC_ICR_HIGH - APIC_ICR_LOW) / 4];
        if (deliver(vcpu, (uint64_t)high << 32 | (uint32_t)value, false))
            return;
    }
    store(window_at(vcpu, address), value, bytes);
    if (offset - APIC_LDR < APIC_DFR + 4 - APIC_LDR)
        icr_note_ids(vcpu);
}

/* The page itself is never opened: another CPU could change the instruction meanwhile, or write its
 * own ICR. What cannot be carried out runs with a sink in place of the page. */
enum exit_next icr_page_written(struct vmx_cpu *vcpu, gpa_t address, uint64_t qualification)
{
    struct decoded d = range_decode(vcpu);
    if (!is_carried_out(&d, address, qualification))
        return range_run_on_sink(vcpu, address, qualification | EPT_VIOLATION_WRITE);
    write_register(vcpu, address, value_written(vcpu, &d, address), d.memory_bytes);
    if (d.kind == DECODER_STOS)
        return range_finish_string(vcpu, &d, address, true);
    breakpoints_note_data(d.memory_bytes, true);
    exit_step_over(d.length);
    return NEXT_RESUME;
}

/* A CPU that waits counts as stopped, from its INIT on: what was changed since is looked at before
 * it starts. */
static void leave_wait(struct cpu *cpu)
{
    stop_publish(cpu, CPU_ROOT);
    stop_serve(cpu);
    percpu_attend(cpu, ATTENTION_STOP);
}

/* The mail goes when it has been acted on: the sender of an INIT sends its SIPI then, which is only
 * for a CPU that waits. Another CPU's SIPI may have taken the INIT's place meanwhile. */
static void take_mail(struct vmx_cpu *vcpu)
{
    uint32_t mail;
    while ((mail = __atomic_load_n(&vcpu->mail, __ATOMIC_ACQUIRE))) {
        if (mail & MAIL_INIT) {
            event_take(vcpu, CPU_EVENT_INIT, 0);
        } else {
            leave_wait(vcpu->cpu);
            event_take(vcpu, CPU_EVENT_SIPI, (uint8_t)mail);
        }
        __atomic_compare_exchange_n(&vcpu->mail, &mail, 0, false, __ATOMIC_ACQ_REL,
                                    __ATOMIC_RELAXED);
    }
}

/* While it waits the CPU counts as stopped (kernel/stop.h): before it acts on its mail it leaves
 * that state, and serves a stop that came meanwhile, as handle_sipi does. An NMI waits with it. */
void icr_serve(struct vmx_cpu *vcpu)
{
    struct cpu *cpu = vcpu->cpu;
    uint32_t why = 0;
    take_mail(vcpu);
    while (vcpu->run_state == CPU_STATE_WAIT_FOR_SIPI) {
        stop_publish(cpu, CPU_WAIT_FOR_SIPI);
        vmx_idle();
        uint32_t came = __atomic_exchange_n(&cpu->attention, 0, __ATOMIC_SEQ_CST);
        if (came & ATTENTION_CHECK)
            machine_check_serve(vcpu);
        why |= came & ATTENTION_GUEST_NMI;
        stop_publish(cpu, CPU_ROOT);
        stop_serve(cpu);
        why |= ATTENTION_STOP; /* what a stop changed is looked at before the entry */
        take_mail(vcpu);
    }
    percpu_attend(cpu, why);
}
