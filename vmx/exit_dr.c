#include "vmx/exit_dr.h"

#include "base/bits.h"
#include "base/hw.h"
#include "base/log.h"
#include "base/x86/cr.h"
#include "base/x86/eflags.h"
#include "base/x86/exceptions.h"
#include "base/x86/msr.h"
#include "vmx/exit_info.h"
#include "vmx/guest_memory.h"
#include "vmx/machine.h"
#include "vmx/step.h"
#include "vmx/vmcs.h"

#define DR7_ALL_ENABLED (DR7_ENABLED(0) | DR7_ENABLED(1) | DR7_ENABLED(2) | DR7_ENABLED(3))
#define BREAKPOINTS_MET (DR6_B0 | DR6_B1 | DR6_B2 | DR6_B3)

static bool any_wanted(void)
{
    bool any = false;
    for (unsigned i = 0; i < DEBUG_BREAKPOINTS; i++)
        any |= machine.debug.breakpoints[i].on;
    return any;
}

static struct breakpoints guests(const struct vmx_cpu *vcpu)
{
    struct breakpoints b = {.dr7 = vmcs_read(GUEST_DR7)};
    if (vcpu->dr_shared)
        return vcpu->guest_dr;
    hw_read_breakpoints(b.address);
    return b;
}

/* What waits to be told of the registers as they were is told first. */
static void load(struct vmx_cpu *vcpu, const struct breakpoints *guest, bool shared)
{
    static const struct debug_breakpoint none[DEBUG_BREAKPOINTS];
    struct breakpoints real;
    (void)debug_take_met(vcpu);
    if (!debug_registers_compose(guest, shared ? machine.debug.breakpoints : none, &real,
                                 &vcpu->dr_owners) &&
        !vcpu->dr_told) {
        log_warn("debug", "the guest uses the breakpoints of cpu%u itself", vcpu->cpu->number);
        vcpu->dr_told = true;
    }
    vcpu->guest_dr = *guest;
    vcpu->dr_shared = shared;
    hw_write_breakpoints(real.address);
    vmcs_write(GUEST_DR7, shared ? real.dr7 : guest->dr7);
    exit_set_primary(PRIMARY_MOV_DR_EXITING, shared);
    vmcs_write(EXCEPTION_BITMAP, (uint32_t)(BIT(EXCEPTION_MC) | (shared ? BIT(EXCEPTION_DB) : 0) |
                                            (machine.debug.int3 ? BIT(EXCEPTION_BP) : 0)));
}

void debug_apply(struct vmx_cpu *vcpu)
{
    struct breakpoints guest = guests(vcpu);
    vcpu->debug_generation = machine.debug.generation;
    vcpu->dr_told = false;
    load(vcpu, &guest, any_wanted());
}

uint64_t debug_guest_dr(const struct vmx_cpu *vcpu, unsigned number)
{
    struct breakpoints guest = guests(vcpu);
    if (number < ARRAY_SIZE(guest.address))
        return guest.address[number];
    return number == 7 ? guest.dr7 : hw_read_dr6();
}

/* The bits that the processor stores; none is enabled while it is asked. */
static uint64_t stored_dr7(uint64_t value)
{
    const uint64_t live = DR7_ALL_ENABLED | DR7_GD;
    hw_write_dr7(value & ~live & UINT32_MAX);
    uint64_t stored = hw_read_dr7();
    hw_write_dr7(DR7_RESET);
    return stored | (value & live);
}

void debug_set_guest_dr(struct vmx_cpu *vcpu, unsigned number, uint64_t value)
{
    struct breakpoints guest = guests(vcpu);
    if (number < ARRAY_SIZE(guest.address))
        guest.address[number] = value;
    else if (number == 7)
        guest.dr7 = stored_dr7(value);
    else
        hw_write_dr6(value & UINT32_MAX);
    load(vcpu, &guest, vcpu->dr_shared);
}

void debug_reset_registers(struct vmx_cpu *vcpu, uint64_t dr6, uint64_t dr7)
{
    struct breakpoints guest = {.dr7 = dr7};
    hw_write_dr6(dr6);
    load(vcpu, &guest, vcpu->dr_shared);
}

void debug_leave_registers(struct vmx_cpu *vcpu)
{
    struct breakpoints guest = guests(vcpu);
    load(vcpu, &guest, false);
}

/* SDM vol. 3C, 27.6.1 "Vectored-Event Injection": the injection changes neither the debug registers
 * nor IA32_DEBUGCTL. */
void debug_inject(struct vmx_cpu *vcpu, uint64_t met)
{
    hw_write_dr6(debug_registers_dr6(hw_read_dr6(), met));
    vcpu->guest_dr.dr7 &= ~(uint64_t)DR7_GD;
    vmcs_write(GUEST_DR7, vmcs_read(GUEST_DR7) & ~(uint64_t)DR7_GD);
    vmcs_write(GUEST_IA32_DEBUGCTL,
               vmcs_read(GUEST_IA32_DEBUGCTL) & ~(uint64_t)(DEBUGCTL_LBR | DEBUGCTL_BTF));
    vmcs_write(VM_ENTRY_INTERRUPTION_INFO,
               EXCEPTION_DB | INTERRUPTION_TYPE_HARDWARE | INTERRUPTION_VALID);
}

static uint64_t split(const struct vmx_cpu *vcpu, uint64_t met, unsigned *debuggers)
{
    return debug_registers_split(&vcpu->dr_owners, vcpu->guest_dr.dr7, met, debuggers);
}

static void tell(struct vmx_cpu *vcpu, unsigned debuggers)
{
    step_cancel(vcpu);
    debug_event(vcpu, DEBUG_WATCH, (uint64_t)__builtin_ctz(debuggers));
}

bool debug_take_met(struct vmx_cpu *vcpu)
{
    unsigned debuggers;
    uint64_t pending = vmcs_read(GUEST_PENDING_DEBUG_EXCEPTIONS);
    if (!vcpu->dr_shared || !(pending & BREAKPOINTS_MET))
        return false;
    pending = split(vcpu, pending & ~PENDING_DEBUG_ENABLED_BREAKPOINT, &debuggers);
    if (pending & BREAKPOINTS_MET)
        pending |= PENDING_DEBUG_ENABLED_BREAKPOINT;
    if (!debuggers)
        return false;
    vmcs_write(GUEST_PENDING_DEBUG_EXCEPTIONS, pending);
    tell(vcpu, debuggers);
    return true;
}

static bool is_on_instruction(const struct debug_breakpoint *b, uint64_t linear)
{
    return b->on && b->type == 0 && b->linear == linear;
}

/* RF passes the guest's own breakpoint there by as well, so where it has one it meets both. */
void debug_pass_breakpoint(const struct vmx_cpu *vcpu)
{
    uint64_t linear = guest_code_address();
    if (!vcpu->dr_shared)
        return;
    for (unsigned i = 0; i < DEBUG_BREAKPOINTS; i++)
        if ((vcpu->guest_dr.dr7 & DR7_ENABLED(i)) && vcpu->guest_dr.address[i] == linear)
            return;
    for (unsigned i = 0; i < DEBUG_BREAKPOINTS; i++)
        if (is_on_instruction(&machine.debug.breakpoints[i], linear))
            vmcs_write(GUEST_RFLAGS, vmcs_read(GUEST_RFLAGS) | RFLAGS_RF);
}

/* INT1, INT3: as the instruction would have done it. */
static enum exit_next deliver(uint32_t info)
{
    vmcs_write(VM_ENTRY_INTERRUPTION_INFO, info & INTERRUPTION_REINJECT_MASK);
    vmcs_write(VM_ENTRY_INSTRUCTION_LENGTH, vmcs_read(VM_EXIT_INSTRUCTION_LENGTH));
    return NEXT_RESUME;
}

static enum exit_next debug_trap(struct vmx_cpu *vcpu)
{
    unsigned debuggers;
    exit_wrap_rip();
    uint64_t met = split(vcpu, vmcs_read(EXIT_QUALIFICATION), &debuggers);
    if (met)
        debug_inject(vcpu, met);
    if (!debuggers)
        return NEXT_RESUME;
    /* Some processors have RF set already where the instruction was not begun. */
    if (machine.debug.breakpoints[__builtin_ctz(debuggers)].type == 0)
        vmcs_write(GUEST_RFLAGS, vmcs_read(GUEST_RFLAGS) | RFLAGS_RF);
    tell(vcpu, debuggers);
    return NEXT_RESUME;
}

enum exit_next debug_exception(struct vmx_cpu *vcpu, uint32_t info)
{
    if ((info & INTERRUPTION_TYPE_MASK) == INTERRUPTION_TYPE_HARDWARE)
        return debug_trap(vcpu);
    if ((info & INTERRUPTION_VECTOR_MASK) == EXCEPTION_DB || !machine.debug.owns_int3 ||
        !machine.debug.owns_int3(vcpu))
        return deliver(info);
    step_cancel(vcpu);
    debug_event(vcpu, DEBUG_INT3, 0);
    return NEXT_RESUME;
}

static enum exit_next move(struct vmx_cpu *vcpu, const struct debug_move *move, unsigned source)
{
    if (move->to_dr)
        debug_set_guest_dr(vcpu, move->number, move->value);
    else
        exit_set_register(vcpu, source, debug_guest_dr(vcpu, move->number));
    return NEXT_ADVANCE;
}

/* The exit comes before all of the instruction's own checks (SDM vol. 3C, 26.1.3 "Instructions That
 * Cause VM Exits Conditionally", "MOV DR"). */
enum exit_next handle_mov_dr(struct vmx_cpu *vcpu)
{
    uint64_t qualification = vmcs_read(EXIT_QUALIFICATION);
    unsigned place = (unsigned)bits_get(qualification, DR_ACCESS_REGISTER_MASK);
    uint64_t value = exit_get_register(vcpu, place);
    struct debug_move wanted = {
        .number = qualification & DR_ACCESS_NUMBER_MASK,
        .to_dr = !(qualification & DR_ACCESS_FROM_DR),
        .value = exit_in_64bit_mode() ? value : (uint32_t)value,
        .de = vmcs_read(GUEST_CR4) & CR4_DE,
        .cpl = exit_cpl(),
        .dr7 = vcpu->guest_dr.dr7,
    };
    switch (debug_move_judge(&wanted)) {
    case DEBUG_MOVE_UD:
        return NEXT_UD;
    case DEBUG_MOVE_GP:
        return NEXT_GP;
    case DEBUG_MOVE_DETECT:
        debug_inject(vcpu, DR6_BD);
        return NEXT_RESUME;
    default:
        return move(vcpu, &wanted, place);
    }
}
