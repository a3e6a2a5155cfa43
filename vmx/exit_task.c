/* Hardware task switches: VMX knows none, every attempt exits (SDM vol. 3C, 26.4.2 "Treatment of
 * Task Switches"), after the checks of privilege, of the gate and of the new TSS's descriptor.
 * vcpu/task_switch.h does the rest; here is what lies between it and the VMCS. */
#include "base/bits.h"
#include "base/hw.h"
#include "base/x86/cr.h"
#include "base/x86/eflags.h"
#include "base/x86/exceptions.h"
#include "base/x86/msr.h"
#include "vcpu/task_switch.h"
#include "vmx/exit.h"
#include "vmx/exit_dr.h"
#include "vmx/exit_info.h"
#include "vmx/exit_range.h"
#include "vmx/guest_memory.h"
#include "vmx/root.h"
#include "vmx/vmcs.h"

static struct task_state read_state(struct vmx_cpu *vcpu)
{
    struct task_state state = {
        .eip = (uint32_t)vmcs_read(GUEST_RIP),
        .eflags = (uint32_t)vmcs_read(GUEST_RFLAGS),
        .gdt_base = (uint32_t)vmcs_read(GUEST_GDTR_BASE),
        .gdt_limit = vmcs_read(GUEST_GDTR_LIMIT),
        .paging = guest_paging(),
        .dr7 = debug_guest_dr(vcpu, 7),
    };
    for (unsigned i = 0; i < ARRAY_SIZE(state.general); i++)
        state.general[i] = (uint32_t)exit_get_register(vcpu, i);
    for (unsigned i = 0; i < TASK_SEGMENTS; i++)
        state.segment[i] = (struct task_segment){
            (uint16_t)vmcs_read_field(VMCS_AT(GUEST_ES_SELECTOR, i)),
            (uint32_t)vmcs_read_field(VMCS_AT(GUEST_ES_BASE, i)),
            (uint32_t)vmcs_read_field(VMCS_AT(GUEST_ES_LIMIT, i)),
            (uint32_t)vmcs_read_field(VMCS_AT(GUEST_ES_ACCESS_RIGHTS, i)),
        };
    return state;
}

static void write_paging(const struct paging *paging)
{
    vmcs_write(GUEST_CR0, paging->cr0);
    if (paging->cr3 == vmcs_read(GUEST_CR3))
        return;
    vmcs_write(GUEST_CR3, paging->cr3);
    for (unsigned i = 0; i < ARRAY_SIZE(paging->pdpte); i++)
        vmcs_write_field(VMCS_AT(GUEST_PDPTE0, i), paging->pdpte[i]);
    vmx_flush_linear();
}

static void write_state(struct vmx_cpu *vcpu, const struct task_state *state)
{
    for (unsigned i = 0; i < ARRAY_SIZE(state->general); i++)
        exit_set_register(vcpu, i, state->general[i]);
    for (unsigned i = 0; i < TASK_SEGMENTS; i++) {
        const struct task_segment *segment = &state->segment[i];
        vmcs_write_field(VMCS_AT(GUEST_ES_SELECTOR, i), segment->selector);
        vmcs_write_field(VMCS_AT(GUEST_ES_BASE, i), segment->base);
        vmcs_write_field(VMCS_AT(GUEST_ES_LIMIT, i), segment->limit);
        vmcs_write_field(VMCS_AT(GUEST_ES_ACCESS_RIGHTS, i), segment->rights);
    }
    vmcs_write(GUEST_RIP, state->eip);
    vmcs_write(GUEST_RFLAGS, state->eflags);
    debug_set_guest_dr(vcpu, 7, state->dr7);
    write_paging(&state->paging);
}

/* The event that a task gate delivers: of INT n, INT1, INT3 and INTO the task is left behind the
 * instruction, of all others where the processor stood. */
static struct task_request read_request(uint32_t event, uint32_t *length)
{
    uint64_t qualification = vmcs_read(EXIT_QUALIFICATION);
    uint32_t type = event & INTERRUPTION_TYPE_MASK;
    struct task_request request = {
        .source = (enum task_source)bits_get(qualification, TASK_SWITCH_SOURCE_MASK),
        .selector = (uint16_t)(qualification & TASK_SWITCH_SELECTOR_MASK),
    };
    *length = vmcs_read(VM_EXIT_INSTRUCTION_LENGTH);
    if (request.source != TASK_GATE)
        return request;
    request.external =
        type != INTERRUPTION_TYPE_SOFTWARE && type != INTERRUPTION_TYPE_SOFTWARE_EXCEPTION;
    request.has_error_code = event & INTERRUPTION_ERROR_CODE;
    request.error_code = vmcs_read(IDT_VECTORING_ERROR_CODE);
    if (request.external && type != INTERRUPTION_TYPE_PRIVILEGED)
        *length = 0;
    return request;
}

/* An NMI blocks others from its delivery on, and IRET ends that, whatever comes of the switch (SDM
 * vol. 3A, 6.7.1 "Handling Multiple NMIs"). What STI, MOV SS and TF had in store for the old task
 * is over with it, but for breakpoints that MOV SS held back. */
static void settle_events(const struct task_request *request, uint32_t event, bool switched)
{
    uint32_t blocking = vmcs_read(GUEST_INTERRUPTIBILITY_STATE);
    if (request->source == TASK_GATE && (event & INTERRUPTION_TYPE_MASK) == INTERRUPTION_TYPE_NMI)
        blocking |= INTERRUPTIBILITY_NMI;
    if (request->source == TASK_IRET)
        blocking &= ~INTERRUPTIBILITY_NMI;
    if (switched) {
        uint64_t pending = vmcs_read(GUEST_PENDING_DEBUG_EXCEPTIONS) & ~PENDING_DEBUG_BS;
        bool gate = request->source == TASK_GATE;
        vmcs_write(GUEST_PENDING_DEBUG_EXCEPTIONS, gate ? 0 : pending);
        vmcs_write(GUEST_ACTIVITY_STATE, ACTIVITY_ACTIVE);
        blocking &= ~INTERRUPTIBILITY_SHADOW;
    }
    vmcs_write(GUEST_INTERRUPTIBILITY_STATE, blocking);
}

/* The T flag of the new TSS: a trap before the first instruction (SDM vol. 3B, 18.3.1.5
 * "Task-Switch Exception Condition"). DR6.BT has no place among the pending debug exceptions, so
 * the #DB is injected. */
static void inject_task_trap(struct vmx_cpu *vcpu)
{
    const uint64_t breakpoints = DR6_B0 | DR6_B1 | DR6_B2 | DR6_B3;
    (void)debug_take_met(vcpu);
    debug_inject(vcpu, (vmcs_read(GUEST_PENDING_DEBUG_EXCEPTIONS) & breakpoints) | DR6_BT);
    vmcs_write(GUEST_PENDING_DEBUG_EXCEPTIONS, 0);
}

/* Also where it becomes #DF it is a fault first, and sets RF in the task that it finds. */
static void inject_fault(const struct task_outcome *outcome)
{
    if (outcome->vector == EXCEPTION_PF)
        hw_write_cr2(outcome->cr2);
    vmcs_write(GUEST_RFLAGS, vmcs_read(GUEST_RFLAGS) | RFLAGS_RF);
    exit_inject(outcome->vector, outcome->error_code);
}

enum exit_next handle_task_switch(struct vmx_cpu *vcpu)
{
    uint32_t length, event = vmcs_read(IDT_VECTORING_INFO);
    struct task_request request = read_request(event, &length);
    struct physical_memory memory = guest_physical(vcpu);
    range_end_step(vcpu); /* the stepped instruction ends here */
    struct task_state state = read_state(vcpu);
    state.eip += length;
    struct task_outcome outcome = task_switch(&state, &memory, &request);
    settle_events(&request, event, outcome.switched);
    if (outcome.switched)
        write_state(vcpu, &state);
    vcpu->task_fault = outcome.switched && outcome.vector != TASK_NO_FAULT;
    vcpu->task_fault_rip = state.eip;
    if (outcome.vector != TASK_NO_FAULT)
        inject_fault(&outcome);
    else if (outcome.trap)
        inject_task_trap(vcpu);
    return NEXT_RESUME;
}
