#include "vmx/exit.h"

#include "base/bits.h"
#include "base/hw.h"
#include "base/x86/cr.h"
#include "base/x86/eflags.h"
#include "base/x86/exceptions.h"
#include "base/x86/segment.h"
#include "include/orlop_abi.h"
#include "vcpu/advance.h"
#include "vcpu/cpuid_rules.h"
#include "vmx/exit_info.h"
#include "vmx/machine.h"
#include "vmx/vmcs.h"

#define LIKELY(condition)   __builtin_expect(!!(condition), 1)
#define UNLIKELY(condition) __builtin_expect(!!(condition), 0)
#define INLINE              static inline __attribute__((always_inline))
#define COLD                __attribute__((noinline, cold))

bool exit_in_64bit_mode(void)
{
    return (vmcs_read(GUEST_IA32_EFER) & EFER_LMA) &&
           (vmcs_read(GUEST_CS_ACCESS_RIGHTS) & SEGMENT_L);
}

bool exit_in_real_mode(void)
{
    return !(vmcs_read(GUEST_CR0) & CR0_PE) || (vmcs_read(GUEST_RFLAGS) & RFLAGS_VM);
}

/* Reads again what its caller has read, so that the usual exit need not keep it. `last`: not an
 * element of a string with more to come. */
static COLD void complete(bool last)
{
    uint32_t interruptibility = vmcs_read(GUEST_INTERRUPTIBILITY_STATE);
    struct advance_state state = {
        .rflags = vmcs_read(GUEST_RFLAGS),
        .debugctl = vmcs_read(GUEST_IA32_DEBUGCTL),
        .pending_debug = vmcs_read(GUEST_PENDING_DEBUG_EXCEPTIONS),
        .blocked_by_sti = interruptibility & INTERRUPTIBILITY_STI,
        .blocked_by_mov_ss = interruptibility & INTERRUPTIBILITY_MOV_SS,
    };
    last ? advance_complete(&state) : advance_complete_element(&state);
    vmcs_write(GUEST_RFLAGS, state.rflags);
    vmcs_write(GUEST_PENDING_DEBUG_EXCEPTIONS, state.pending_debug);
    vmcs_write(GUEST_INTERRUPTIBILITY_STATE, interruptibility & ~INTERRUPTIBILITY_SHADOW);
}

static COLD void advance_rare(void) { complete(true); }
void exit_step_element(void) { complete(false); }

static COLD uint64_t wrap(uint64_t next) { return rip_wrap(next, exit_in_64bit_mode()); }

INLINE void advance_from(uint64_t rip, uint64_t length)
{
    uint64_t next;
    if (UNLIKELY(rip_step(rip, length, &next)))
        next = wrap(next);
    vmcs_write(GUEST_RIP, next);
    uint64_t interruptibility = vmcs_read_field(VMCS_GUEST_INTERRUPTIBILITY_STATE);
    if (UNLIKELY(
            advance_is_rare(vmcs_read(GUEST_RFLAGS), interruptibility & INTERRUPTIBILITY_SHADOW)))
        advance_rare();
}

void exit_step_over(uint32_t length) { advance_from(vmcs_read(GUEST_RIP), length); }
void exit_advance(void) { exit_step_over(vmcs_read(VM_EXIT_INSTRUCTION_LENGTH)); }

/* As the whole register, which saves an instruction; the processor gives 32 bits. */
INLINE uint64_t instruction_length(void)
{
    return vmcs_read_field(VMCS_VM_EXIT_INSTRUCTION_LENGTH);
}

static COLD void cpuid_filtered(struct vmx_cpu *vcpu)
{
    exit_cpuid_filtered(vcpu, (uint32_t)vcpu->registers.rax, (uint32_t)vcpu->registers.rcx);
    exit_advance();
}

/* The native answer goes to the 64-bit registers with their upper halves zero, as the instruction
 * leaves them (SDM vol. 2A, "CPUID"). Leaf 1 is answered here as well: guests ask it most. The
 * host's CR4.OSXSAVE and PKE follow the guest's, so that the native answer shows the guest's own.
 */
INLINE void exit_cpuid(struct vmx_cpu *vcpu, uint64_t rip)
{
    uint64_t a = (uint32_t)vcpu->registers.rax, c = (uint32_t)vcpu->registers.rcx, b, d;
    uint64_t leaf = a;
    if (UNLIKELY(leaf != CPUID_LEAF_FEATURES &&
                 cpuid_needs_filter(&machine.cpuid, (uint32_t)leaf))) {
        cpuid_filtered(vcpu);
        return;
    }
    if (leaf == CPUID_LEAF_FEATURES) {
        __asm__ volatile("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
        c = cpuid_filter_1_ecx(&machine.cpuid, (uint32_t)c);
        d = cpuid_filter_1_edx(&machine.cpuid, (uint32_t)d);
    } else {
        __asm__ volatile("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
    }
    vcpu->registers.rax = a;
    vcpu->registers.rbx = b;
    vcpu->registers.rcx = c;
    vcpu->registers.rdx = d;
    advance_from(rip, instruction_length());
}

/* The table's row; the dispatcher answers CPUID before it comes to the table. */
static enum exit_next handle_cpuid(struct vmx_cpu *vcpu) { return handle_unexpected(vcpu); }

/* A table of calls, not a switch: gcc splits the switch into a range check, a jump table and a bit
 * test, four instructions more for every exit but CPUID, which is not called through it. */
static enum exit_next (*const handlers[EXIT_REASON_COUNT])(struct vmx_cpu *vcpu) = {
#define HANDLER(number, name, text, handler) [number] = handler,
    EXIT_REASONS(HANDLER)
#undef HANDLER
        [35] = handle_unexpected,
    [38] = handle_unexpected, /* reserved by the SDM */
    [42] = handle_unexpected,
    [71] = handle_unexpected,
};
#define COUNT_ROW(number, name, text, handler) +1
_Static_assert(0 EXIT_REASONS(COUNT_ROW) + 4 == EXIT_REASON_COUNT, "no hole in the table");
#undef COUNT_ROW

/* Everything but the plain step. */
static COLD void finish(enum exit_next next)
{
    if (next == NEXT_ADVANCE)
        exit_advance();
    else if (next == NEXT_UD)
        exit_inject(EXCEPTION_UD, 0);
    else if (next == NEXT_GP)
        exit_inject(EXCEPTION_GP, 0);
    else if (next == NEXT_RETRY)
        exit_redeliver();
}

static COLD void handle_odd_reason(struct vmx_cpu *vcpu, uint32_t reason)
{
    if (reason == (EXIT_REASON_ENTRY_FAILURE | EXIT_REASON_ENTRY_FAILURE_MACHINE_CHECK)) {
        percpu_attend(vcpu->cpu, ATTENTION_CHECK);
        return; /* what was to be injected still is */
    }
    if (reason & EXIT_REASON_ENTRY_FAILURE) {
        (void)handle_entry_failure(vcpu); /* comes back where the debugger has put it right */
        return;
    }
    (void)handle_unexpected(vcpu);
}

INLINE void remember(struct vmx_cpu *vcpu, uint64_t reason, uint64_t rip)
{
    uint64_t place = vcpu->history_next;
    vcpu->history_next++;
    vcpu->history_rip[place] = rip;
    vcpu->history_reason[place] = (uint8_t)reason;
}

/* The whole of every exit but the stub. The reason's flags (enclave, bus lock, entry failure) make
 * the number large, so one comparison sorts them out. */
void vmx_handle_exit(struct vmx_cpu *vcpu)
{
    uint64_t reason = vmcs_read_field(VMCS_EXIT_REASON), rip = vmcs_read(GUEST_RIP);
    remember(vcpu, reason, rip);
    if (LIKELY(reason == EXIT_REASON_CPUID)) {
        vcpu->exits[EXIT_REASON_CPUID]++;
        exit_cpuid(vcpu, rip);
        return;
    }
    if (UNLIKELY(reason >= EXIT_REASON_COUNT)) {
        handle_odd_reason(vcpu, (uint32_t)reason);
        return;
    }
    vcpu->exits[reason]++;
    enum exit_next next = handlers[reason](vcpu);
    if (LIKELY(next == NEXT_ADVANCE))
        advance_from(vmcs_read(GUEST_RIP), instruction_length());
    else
        finish(next);
}

void vmx_count_ticks(struct vmx_cpu *vcpu, uint64_t tsc)
{
    uint8_t reason = vcpu->history_reason[(uint8_t)(vcpu->history_next - 1)];
    if (reason >= EXIT_REASON_COUNT)
        return;
    uint64_t ticks = tsc - vcpu->exit_started, least = vcpu->exit_least[reason];
    uint32_t kept = (uint32_t)min_u64(ticks, UINT32_MAX);
    vcpu->exit_ticks[reason] += ticks;
    if (!least || kept < least)
        vcpu->exit_least[reason] = kept;
    if (kept > vcpu->exit_most[reason])
        vcpu->exit_most[reason] = kept;
}

#define CONTRIBUTORY                                                                               \
    (BIT(EXCEPTION_DE) | BIT(EXCEPTION_TS) | BIT(EXCEPTION_NP) | BIT(EXCEPTION_SS) |               \
     BIT(EXCEPTION_GP) | BIT(EXCEPTION_CP))

/* The exception whose delivery this exit interrupted; none: a vector that there is not. */
static unsigned interrupted_exception(uint32_t vectoring)
{
    bool exception = (vectoring & INTERRUPTION_VALID) &&
                     (vectoring & INTERRUPTION_TYPE_MASK) == INTERRUPTION_TYPE_HARDWARE;
    return exception ? vectoring & INTERRUPTION_VECTOR_MASK & (EXCEPTION_VECTORS - 1)
                     : EXCEPTION_VECTORS;
}

static bool is_contributory(unsigned vector)
{
    return vector < EXCEPTION_VECTORS && (CONTRIBUTORY >> vector & 1);
}

/* Contributory exceptions and page faults make #DF when they meet, and what meets #DF shuts the
 * processor down (SDM vol. 3A, 6.15, "Interrupt 8 - Double Fault Exception (#DF)", table 6-5). */
static bool makes_double_fault(uint32_t vectoring, unsigned vector)
{
    unsigned first = interrupted_exception(vectoring);
    if (first == EXCEPTION_PF)
        return is_contributory(vector) || vector == EXCEPTION_PF;
    return is_contributory(first) && is_contributory(vector);
}

static bool makes_triple_fault(uint32_t vectoring, unsigned vector)
{
    return interrupted_exception(vectoring) == EXCEPTION_DF &&
           (is_contributory(vector) || vector == EXCEPTION_PF);
}

/* Real mode delivers no error codes (SDM vol. 3C, 27.2.1.3 "VM-Entry Control Fields"). A fault is
 * pushed with RF set (vol. 3B, 18.3.1.1 "Instruction-Breakpoint Exception Condition"), and VM entry
 * pushes RFLAGS as they are. */
void exit_inject(unsigned vector, uint32_t error_code)
{
    uint32_t vectoring = vmcs_read(IDT_VECTORING_INFO);
    if (makes_triple_fault(vectoring, vector)) {
        (void)handle_triple_fault(this_vmx_cpu());
        return;
    }
    if (makes_double_fault(vectoring, vector)) {
        vector = EXCEPTION_DF;
        error_code = 0;
    }
    if (vector != EXCEPTION_DF) /* an abort */
        vmcs_write(GUEST_RFLAGS, vmcs_read(GUEST_RFLAGS) | RFLAGS_RF);
    uint32_t info = vector | INTERRUPTION_TYPE_HARDWARE | INTERRUPTION_VALID;
    if (exception_pushes_error_code(vector) && (vmcs_read(GUEST_CR0) & CR0_PE)) {
        info |= INTERRUPTION_ERROR_CODE;
        vmcs_write(VM_ENTRY_EXCEPTION_ERROR_CODE, error_code);
    }
    vmcs_write(VM_ENTRY_INTERRUPTION_INFO, info);
}

void exit_redeliver(void)
{
    uint32_t vectoring = vmcs_read(IDT_VECTORING_INFO);
    if (!(vectoring & INTERRUPTION_VALID))
        return;
    vmcs_write(VM_ENTRY_INTERRUPTION_INFO, vectoring & INTERRUPTION_REINJECT_MASK);
    vmcs_write(VM_ENTRY_INSTRUCTION_LENGTH, vmcs_read(VM_EXIT_INSTRUCTION_LENGTH));
    if (vectoring & INTERRUPTION_ERROR_CODE)
        vmcs_write(VM_ENTRY_EXCEPTION_ERROR_CODE, vmcs_read(IDT_VECTORING_ERROR_CODE));
    /* An NMI that is delivered again must not find itself blocked by its first try. */
    if ((vectoring & INTERRUPTION_TYPE_MASK) == INTERRUPTION_TYPE_NMI)
        vmcs_write(GUEST_INTERRUPTIBILITY_STATE,
                   vmcs_read(GUEST_INTERRUPTIBILITY_STATE) & ~INTERRUPTIBILITY_NMI);
}

void exit_set_register(struct vmx_cpu *vcpu, unsigned number, uint64_t value)
{
    uint64_t *place = guest_register(&vcpu->registers, number);
    if (!place) {
        vmcs_write(GUEST_RSP, value);
        return;
    }
    *place = value;
    percpu_attend(vcpu->cpu, ATTENTION_RELOAD);
}

uint64_t exit_get_register(struct vmx_cpu *vcpu, unsigned number)
{
    uint64_t *place = guest_register(&vcpu->registers, number);
    return place ? *place : vmcs_read(GUEST_RSP);
}

void exit_wrap_rip(void)
{
    vmcs_write(GUEST_RIP, rip_wrap(vmcs_read(GUEST_RIP), exit_in_64bit_mode()));
}

void exit_set_primary(uint32_t control, bool on)
{
    uint32_t primary = vmcs_read(PRIMARY_CONTROLS);
    vmcs_write(PRIMARY_CONTROLS, on ? primary | control : primary & ~control);
}

unsigned exit_cpl(void)
{
    return (unsigned)bits_get(vmcs_read(GUEST_SS_ACCESS_RIGHTS), SEGMENT_DPL_MASK);
}
