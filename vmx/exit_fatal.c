#include "vmx/exit_fatal.h"

#include "kernel/log.h"
#include "kernel/panic.h"
#include "vmx/entry_now.h"
#include "vmx/exit.h"
#include "vmx/instruction_errors.h"
#include "vmx/machine.h"
#include "vmx/vmcs.h"

#define SHOWN_EXITS 16
#define RULE_BYTES  256

#define U(x) ((unsigned long long)(x))

static void dump_fields(void)
{
    log_print("VMCS:\n");
    for (size_t i = 0; i < vmcs_field_count; i++) {
        uint64_t value;
        if (vmcs_read_checked(vmcs_field_table[i].encoding, &value))
            log_print("  %-34s %016llx\n", vmcs_field_name(&vmcs_field_table[i]), U(value));
    }
}

static void dump_registers(const struct guest_registers *r)
{
    log_print("guest registers at the last exit:\n");
    log_print("  rax %016llx rbx %016llx rcx %016llx rdx %016llx\n", U(r->rax), U(r->rbx),
              U(r->rcx), U(r->rdx));
    log_print("  rsi %016llx rdi %016llx rbp %016llx r8  %016llx\n", U(r->rsi), U(r->rdi),
              U(r->rbp), U(r->r8));
    log_print("  r9  %016llx r10 %016llx r11 %016llx r12 %016llx\n", U(r->r9), U(r->r10), U(r->r11),
              U(r->r12));
    log_print("  r13 %016llx r14 %016llx r15 %016llx\n", U(r->r13), U(r->r14), U(r->r15));
}

/* With `exitcost`, the mean number of ticks between the two readings of the exit stub too. */
static void dump_count(const struct vmx_cpu *vcpu, uint32_t reason)
{
    uint64_t count = vcpu->exits[reason];
    log_print("  %-28s %llu", exit_reason_name(reason), U(count));
    if (vcpu->exit_ticks[reason])
        log_print(", %llu ticks each", U(vcpu->exit_ticks[reason] / count));
    log_print("\n");
}

static void dump_exits(const struct vmx_cpu *vcpu)
{
    log_print("exits by reason:\n");
    for (uint32_t reason = 0; reason < EXIT_REASON_COUNT; reason++)
        if (vcpu->exits[reason])
            dump_count(vcpu, reason);
    log_print("last exits, oldest first:\n");
    for (unsigned back = SHOWN_EXITS; back > 0; back--) {
        uint8_t place = (uint8_t)(vcpu->history_next - back);
        if (vcpu->history_rip[place] || vcpu->history_reason[place])
            log_print("  %-28s rip %016llx\n", exit_reason_name(vcpu->history_reason[place]),
                      U(vcpu->history_rip[place]));
    }
}

void vmx_dump(struct cpu *cpu, bool is_self)
{
    const struct vmx_cpu *vcpu = cpu->vcpu;
    uint64_t any = 0;
    for (uint32_t reason = 0; vcpu && reason < EXIT_REASON_COUNT; reason++)
        any |= vcpu->exits[reason];
    if (!any && !is_self)
        return;
    log_print("cpu%u guest state:\n", cpu->number);
    if (!vcpu)
        return;
    dump_registers(&vcpu->registers);
    log_print("NMIs: %llu injected, %u merged; %u of Orlop's own\n", U(vcpu->guest_nmis),
              cpu->nmis_merged, cpu->nmis_kicked);
    dump_exits(vcpu);
    if (is_self && vcpu->in_root)
        dump_fields();
}

/* The errors and exits that come of a field's value, and whose. */
#define ERROR_CONTROLS 7
#define ERROR_HOST     8

_Noreturn void vmx_entry_failed(struct vmx_cpu *vcpu, bool invalid)
{
    char rule[RULE_BYTES] = "";
    uint64_t number = 0;
    if (invalid || !vmcs_read_checked(VMCS_VM_INSTRUCTION_ERROR.encoding, &number))
        panic("VM entry failed on cpu%u: there is no current VMCS", vcpu->cpu->number);
    if (number == ERROR_CONTROLS || number == ERROR_HOST)
        entry_now_text(number == ERROR_HOST ? ENTRY_HOST : ENTRY_CONTROLS, rule, sizeof(rule));
    panic("VM entry failed on cpu%u with VM-instruction error %llu: %s%s%s", vcpu->cpu->number,
          U(number), vmx_instruction_error_text((uint32_t)number), *rule ? "; " : "", rule);
}

enum exit_next handle_entry_failure(struct vmx_cpu *vcpu)
{
    char rule[RULE_BYTES] = "";
    uint32_t reason = vmcs_read(EXIT_REASON) & EXIT_REASON_BASIC_MASK;
    uint64_t qualification = vmcs_read(EXIT_QUALIFICATION);
    if (debug_last_look(vcpu, DEBUG_ENTRY_FAILURE))
        return NEXT_RESUME;
    if (reason == EXIT_REASON_ENTRY_FAILURE_GUEST_STATE)
        entry_now_text(ENTRY_GUEST, rule, sizeof(rule));
    panic("VM entry failed on cpu%u: %s, exit qualification %llu: %s%s%s", vcpu->cpu->number,
          exit_reason_name(reason), U(qualification), vmx_entry_failure_text(qualification),
          *rule ? "; " : "", rule);
}

/* Named and dumped, never skipped: our controls do not cause it, so we do not know what it wants.
 */
enum exit_next handle_unexpected(struct vmx_cpu *vcpu)
{
    uint32_t reason = vmcs_read(EXIT_REASON);
    panic("unexpected VM exit on cpu%u: reason 0x%x, %s, exit qualification 0x%llx",
          vcpu->cpu->number, reason, exit_reason_name(reason & EXIT_REASON_BASIC_MASK),
          U(vmcs_read(EXIT_QUALIFICATION)));
}
