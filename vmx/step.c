#include "vmx/step.h"

#include "base/x86/cr.h"
#include "base/x86/eflags.h"
#include "base/x86/msr.h"
#include "vcpu/decoder_prefixes.h"
#include "vmx/exit.h"
#include "vmx/exit_dr.h"
#include "vmx/exit_info.h"
#include "vmx/guest_memory.h"
#include "vmx/machine.h"
#include "vmx/setup.h"
#include "vmx/vmcs.h"

#define OPCODE_IRET 0xCF
#define OPCODE_STI  0xFB

static bool has_trap_flag(void) { return machine.caps.primary >> 32 & PRIMARY_MONITOR_TRAP_FLAG; }

/* A trap by TF follows the instruction. */
static bool traps(void)
{
    return (vmcs_read(GUEST_RFLAGS) & RFLAGS_TF) &&
           !(vmcs_read(GUEST_IA32_DEBUGCTL) & DEBUGCTL_BTF);
}

static bool event_waits(void) { return vmcs_read(VM_ENTRY_INTERRUPTION_INFO) & INTERRUPTION_VALID; }
static bool is_active(void) { return vmcs_read(GUEST_ACTIVITY_STATE) == ACTIVITY_ACTIVE; }

/* The first byte of the opcode at RIP, and the length with it; 0 where it cannot be read. */
static uint8_t opcode_here(const struct vmx_cpu *vcpu, uint32_t *length)
{
    uint8_t bytes[DECODER_MAX_BYTES];
    unsigned count = (unsigned)guest_fetch(vcpu, bytes, sizeof(bytes));
    struct decoder_cursor cursor = {bytes, count, 0, false};
    struct decoder_prefixes prefixes = {0};
    uint8_t opcode = decoder_prefixes_read(&cursor, &prefixes, guest_code_mode());
    *length = cursor.at;
    return opcode;
}

/* IRET unblocks NMIs, even if it faults (SDM vol. 3A, 6.7.1 "Handling Multiple NMIs"): the window
 * opens by it, and nothing is to be given back. */
static bool unblocks_nmis(const struct vmx_cpu *vcpu)
{
    uint32_t length;
    return opcode_here(vcpu, &length) == OPCODE_IRET;
}

/* An event cannot be injected under blocking by MOV SS, which also wants a pending single step
 * named under TF (SDM vol. 3C, 27.3.1.5 "Checks on Guest Non-Register State"). */
void step_by_window(struct vmx_cpu *vcpu, bool delivered)
{
    uint32_t blocking = vmcs_read(GUEST_INTERRUPTIBILITY_STATE);
    if ((blocking & INTERRUPTIBILITY_NMI) && (delivered || !unblocks_nmis(vcpu))) {
        vcpu->step_nmi_blocking = INTERRUPTIBILITY_NMI;
        blocking &= ~INTERRUPTIBILITY_NMI;
    }
    blocking &= ~INTERRUPTIBILITY_SHADOW;
    vmcs_write(GUEST_INTERRUPTIBILITY_STATE,
               delivered ? blocking : blocking | INTERRUPTIBILITY_MOV_SS);
    exit_set_primary(PRIMARY_NMI_WINDOW_EXITING, true);
    if (traps() && !delivered)
        vmcs_write(GUEST_PENDING_DEBUG_EXCEPTIONS,
                   vmcs_read(GUEST_PENDING_DEBUG_EXCEPTIONS) | PENDING_DEBUG_BS);
}

void step_give_back(struct vmx_cpu *vcpu)
{
    vmcs_write(GUEST_INTERRUPTIBILITY_STATE,
               vmcs_read(GUEST_INTERRUPTIBILITY_STATE) | vcpu->step_nmi_blocking);
    vcpu->step_nmi_blocking = 0;
}

/* The instruction is let run first. Blocking by STI does not hold a #DB back, and would want one
 * under TF: there an interrupt may come first, and is the step. */
static void step_by_trap_flag(void)
{
    exit_set_primary(PRIMARY_MONITOR_TRAP_FLAG, true);
    uint32_t blocking = vmcs_read(GUEST_INTERRUPTIBILITY_STATE);
    if (!event_waits() && is_active() && (vmcs_read(GUEST_RFLAGS) & RFLAGS_IF) && !traps() &&
        !vmcs_read(GUEST_PENDING_DEBUG_EXCEPTIONS) && !(blocking & INTERRUPTIBILITY_SHADOW))
        vmcs_write(GUEST_INTERRUPTIBILITY_STATE, blocking | INTERRUPTIBILITY_STI);
}

/* STI's own shadow would keep the window shut for one instruction more. False: not STI, or one that
 * faults. */
static bool carry_out_sti(const struct vmx_cpu *vcpu)
{
    uint32_t length;
    uint64_t rflags = vmcs_read(GUEST_RFLAGS);
    if (opcode_here(vcpu, &length) != OPCODE_STI ||
        ((vmcs_read(GUEST_CR0) & CR0_PE) && exit_cpl() > bits_get(rflags, RFLAGS_IOPL)))
        return false;
    exit_step_over(length);
    vmcs_write(GUEST_RFLAGS, vmcs_read(GUEST_RFLAGS) | RFLAGS_IF);
    if (!(rflags & RFLAGS_IF))
        vmcs_write(GUEST_INTERRUPTIBILITY_STATE,
                   vmcs_read(GUEST_INTERRUPTIBILITY_STATE) | INTERRUPTIBILITY_STI);
    return true;
}

/* An injected NMI would keep the window shut: it waits with the others. A #DB that is pending is
 * delivered before all else, unless MOV SS holds it back. In HLT nothing can be blocked, and the
 * window opens there. */
static void prepare_window(struct vmx_cpu *vcpu)
{
    uint32_t info = vmcs_read(VM_ENTRY_INTERRUPTION_INFO);
    bool held = vmcs_read(GUEST_INTERRUPTIBILITY_STATE) & INTERRUPTIBILITY_MOV_SS;
    if (event_waits() && (info & INTERRUPTION_TYPE_MASK) == INTERRUPTION_TYPE_NMI) {
        vmcs_write(VM_ENTRY_INTERRUPTION_INFO, 0);
        vcpu->nmi_pending = 1;
    }
    bool delivered =
        event_waits() || !is_active() || (vmcs_read(GUEST_PENDING_DEBUG_EXCEPTIONS) && !held);
    if (!delivered && carry_out_sti(vcpu))
        vcpu->step = STEP_DONE;
    else
        step_by_window(vcpu, delivered);
}

static bool has_moved(const struct vmx_cpu *vcpu)
{
    return vmcs_read(GUEST_RIP) != vcpu->step_rip || vcpu->registers.rcx != vcpu->step_rcx;
}

static void begin(struct vmx_cpu *vcpu)
{
    vcpu->step = STEP_ARMED;
    vcpu->step_rip = vmcs_read(GUEST_RIP);
    vcpu->step_rcx = vcpu->registers.rcx;
    vcpu->step_blocking = vmcs_read(GUEST_INTERRUPTIBILITY_STATE) & INTERRUPTIBILITY_SHADOW;
    vcpu->step_pending = vmcs_read(GUEST_PENDING_DEBUG_EXCEPTIONS);
    vmx_write_host_rip(true);
    debug_pass_breakpoint(vcpu);
}

/* NMIs that waited come now. */
static void end(struct vmx_cpu *vcpu)
{
    vcpu->step = STEP_NONE;
    vmx_write_host_rip(false);
    exit_set_primary(PRIMARY_MONITOR_TRAP_FLAG, false);
    if (!vcpu->machine_check_waits && !vcpu->sink_count)
        exit_set_primary(PRIMARY_NMI_WINDOW_EXITING, false);
    if (!vcpu->sink_count)
        step_give_back(vcpu);
    percpu_attend(vcpu->cpu, ATTENTION_RELOAD);
}

void step_arm(struct vmx_cpu *vcpu)
{
    step_cancel(vcpu);
    vcpu->step = STEP_WANTED;
    percpu_attend(vcpu->cpu, ATTENTION_RELOAD);
}

/* Where nothing has happened yet, the shadow is again what it was. */
void step_cancel(struct vmx_cpu *vcpu)
{
    if (vcpu->step == STEP_ARMED && !has_moved(vcpu) && !vcpu->sink_count) {
        uint32_t blocking = vmcs_read(GUEST_INTERRUPTIBILITY_STATE) & ~INTERRUPTIBILITY_SHADOW;
        vmcs_write(GUEST_INTERRUPTIBILITY_STATE, blocking | vcpu->step_blocking);
        vmcs_write(GUEST_PENDING_DEBUG_EXCEPTIONS, vcpu->step_pending);
    }
    if (vcpu->step != STEP_NONE)
        end(vcpu);
}

void step_restart(struct vmx_cpu *vcpu)
{
    if (vcpu->step != STEP_NONE)
        vcpu->step = STEP_DONE;
}

bool step_holds_nmis(const struct vmx_cpu *vcpu) { return vcpu->step != STEP_NONE && is_active(); }

void step_window_opened(struct vmx_cpu *vcpu)
{
    step_give_back(vcpu);
    if (vcpu->step == STEP_ARMED && !has_trap_flag())
        vcpu->step = STEP_DONE;
}

enum exit_next handle_monitor_trap_flag(struct vmx_cpu *vcpu)
{
    vcpu->step = STEP_DONE;
    return handle_nmi_window(vcpu); /* what else waits for the end of an instruction */
}

/* An event that an exit has queued is delivered first. An exit that did nothing, for an NMI of
 * ours, or a page that was mapped, leaves all as it was. */
void step_attend(struct vmx_cpu *vcpu)
{
    if (vcpu->step == STEP_NONE || vcpu->run_state == CPU_STATE_WAIT_FOR_SIPI)
        return;
    exit_wrap_rip();
    if (vcpu->step == STEP_WANTED)
        begin(vcpu);
    else if (vcpu->step == STEP_ARMED && has_moved(vcpu) && !event_waits())
        vcpu->step = STEP_DONE;
    if (vcpu->step == STEP_ARMED && has_trap_flag())
        step_by_trap_flag();
    else if (vcpu->step == STEP_ARMED && !vcpu->sink_count)
        prepare_window(vcpu);
    if (vcpu->step != STEP_DONE)
        return;
    end(vcpu);
    if (!debug_take_met(vcpu))
        debug_event(vcpu, DEBUG_STEP, 0);
}
