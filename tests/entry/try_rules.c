/* A test build of Orlop (tests/entry/entry.mk), which ends where the guest would be let run: each
 * rule of VM entry is broken in turn on a scratch VMCS, and the processor and the checker are
 * asked. A line for each rule says what came of it: rejected, named   the processor refused the
 * entry as the rule's class says, the checker named it laxer             the checker named it, the
 * processor entered the guest all the same absent            it cannot be broken here: the
 * processor lacks the control, or Orlop's state is another one WRONG             anything else The
 * scratch guest comes back before its first instruction: its preemption timer is at 0. */
#include "base/log.h"
#include "base/panic.h"
#include "include/orlop_abi.h"
#include "kernel/main_steps.h"
#include "kernel/panic.h"
#include "mm/frames.h"
#include "tests/entry/tries.h"
#include "vmx/entry_now.h"
#include "vmx/exit_reasons.h"
#include "vmx/machine.h"
#include "vmx/setup.h"
#include "vmx/vmcs.h"

#define FIELDS_MAX 256
#define AREA       "entry"

enum outcome { NOT_TRIED, ABSENT, REJECTED, LAXER, WRONG, OUTCOMES };

unsigned try_entry(void);
extern const uint8_t try_exit[];
void __real_main_release(void);
void __wrap_main_release(void);

static uint64_t kept[FIELDS_MAX]; /* of a VMCS that keeps all rules */
static uint64_t pages[PAGE_COUNT];
static uint8_t outcomes[ENTRY_RULE_COUNT];

static hpa_t scratch_vmcs(void) { return HPA(pages[PAGE_CURRENT]); }

static bool can_write(uint32_t encoding)
{
    uint64_t value;
    return VMCS_ENCODING_KIND(encoding) != VMCS_READ_ONLY && vmcs_read_checked(encoding, &value);
}

static void make_current(void)
{
    if (vmx_vmclear(scratch_vmcs()) != VMX_SUCCEED || vmx_vmptrld(scratch_vmcs()) != VMX_SUCCEED)
        panic("the scratch VMCS is not accepted");
}

static void prepare(struct vmx_cpu *vcpu)
{
    uint32_t revision = (uint32_t)(machine.caps.basic & VMX_BASIC_REVISION_MASK);
    struct entry_state entry = entry_state_boot_sector(boot.cr0, 0, 0x7C00, 0x80);
    pages[PAGE_CURRENT] = vcpu->scratch[0].v;
    pages[PAGE_ZEROES] = vcpu->scratch[1].v;
    pages[PAGE_SHADOW] = vcpu->scratch[2].v;
    *(uint32_t *)frames_pointer(vcpu->scratch[0]) = revision;
    uint64_t *shadow = frames_pointer(vcpu->scratch[2]);
    shadow[0] = revision | 1u << 31;
    shadow[1] = ILLEGAL_PDPTE;
    make_current();
    vmx_write_vmcs(vcpu);
    vmx_load_state(vcpu, &entry.processor, ACTIVITY_ACTIVE);
    vmcs_write(HOST_RIP, (uint64_t)try_exit);
    vmcs_write(PIN_CONTROLS, vmcs_read(PIN_CONTROLS) | PIN_PREEMPTION_TIMER);
    vmcs_write(VMX_PREEMPTION_TIMER_VALUE, 0);
    for (size_t i = 0; i < vmcs_field_count; i++)
        if (can_write(vmcs_field_table[i].encoding))
            kept[i] = vmcs_read_field((struct vmcs_field){vmcs_field_table[i].encoding});
}

static void restore(void)
{
    make_current();
    for (size_t i = 0; i < vmcs_field_count; i++)
        if (can_write(vmcs_field_table[i].encoding))
            vmcs_write_field((struct vmcs_field){vmcs_field_table[i].encoding}, kept[i]);
}

/* Fields that the processor lacks belong to controls that it lacks. */
static void apply(const struct try_field *fields)
{
    for (unsigned i = 0; i < TRY_FIELDS_MAX; i++) {
        struct vmcs_field field = {fields[i].encoding};
        uint64_t old;
        if (vmcs_read_checked(field.encoding, &old))
            vmcs_write_field(field, try_value(&fields[i], old, pages));
    }
}

/* What refused the entry: a class of rules; 0: nothing did. */
static unsigned refused_by(unsigned result)
{
    uint64_t reason = vmcs_read(EXIT_REASON);
    uint64_t error = vmcs_read(VM_INSTRUCTION_ERROR);
    if (result == 2)
        return error == 7 ? ENTRY_CONTROLS : error == 8 ? ENTRY_HOST : ENTRY_ALL;
    if (result == 1)
        return ENTRY_ALL;
    if (!(reason & EXIT_REASON_ENTRY_FAILURE))
        return 0;
    reason &= EXIT_REASON_BASIC_MASK;
    return reason == EXIT_REASON_ENTRY_FAILURE_GUEST_STATE ? ENTRY_GUEST : ENTRY_ALL;
}

static unsigned class_of(enum entry_rule rule)
{
    const char *section = entry_rule_section(rule); /* 27.2.1.x, 27.2.x, 27.3 */
    return section[3] == '3' ? ENTRY_GUEST : section[5] == '1' ? ENTRY_CONTROLS : ENTRY_HOST;
}

/* Rules that stand for what this processor lacks. */
static bool says_absent(enum entry_rule rule)
{
    switch (rule) {
    case ENTRY_RULE_PIN_RESERVED:
    case ENTRY_RULE_PRIMARY_RESERVED:
    case ENTRY_RULE_SECONDARY_RESERVED:
    case ENTRY_RULE_TERTIARY_RESERVED:
    case ENTRY_RULE_EXIT_RESERVED:
    case ENTRY_RULE_ENTRY_RESERVED:
    case ENTRY_RULE_HOST_CR4:
    case ENTRY_RULE_CR4:
        return true;
    default:
        return false;
    }
}

static bool is_orlops(const struct try_state *state)
{
    return state->in_ia32e && !state->in_smm && !state->tracing;
}

static enum outcome complain(const struct entry_try *attempt, const char *what, unsigned number)
{
    log_error(AREA, "rule %s: %s %u", entry_rule_name(attempt->rule), what, number);
    return WRONG;
}

static enum outcome break_rule(const struct entry_try *attempt)
{
    struct entry_environment now = entry_now();
    struct entry_broken broken;
    if (!is_orlops(&try_states[attempt->state]))
        return ABSENT;
    restore();
    apply(try_states[attempt->state].fields);
    apply(attempt->fields);
    bool names = entry_check(&now, ENTRY_ALL, &broken);
    unsigned refused = refused_by(try_entry());
    if (!names && !refused)
        return ABSENT;
    if (!names)
        return complain(attempt, "the checker sees nothing, try", (unsigned)(attempt - tries));
    if (broken.rule != attempt->rule && says_absent(broken.rule) &&
        refused == class_of(broken.rule))
        return ABSENT;
    if (broken.rule != attempt->rule)
        return complain(attempt, "another one is named, number", broken.rule);
    /* What is refused by a later class has passed this rule. */
    if (refused && refused < class_of(attempt->rule))
        return complain(attempt, "refused by another class", refused);
    return refused == class_of(attempt->rule) ? REJECTED : LAXER;
}

/* The states that the tries begin with are entered, and the checker has nothing to say. */
static unsigned enter_states(void)
{
    unsigned wrong = 0;
    for (unsigned i = 0; i < STATE_COUNT; i++) {
        struct entry_environment now = entry_now();
        struct entry_broken broken;
        if (!is_orlops(&try_states[i]))
            continue;
        restore();
        apply(try_states[i].fields);
        bool complains = entry_check(&now, ENTRY_ALL, &broken);
        unsigned refused = refused_by(try_entry());
        wrong += complains || refused;
        log_info(AREA, "state %s: %s, %s", try_states[i].name, refused ? "refused" : "entered",
                 complains ? entry_rule_name(broken.rule) : "no rule broken");
    }
    return wrong;
}

static void report(unsigned wrong_states)
{
    static const char *const texts[OUTCOMES] = {"not tried", "absent", "rejected, named", "laxer",
                                                "WRONG"};
    unsigned counts[OUTCOMES] = {0};
    counts[WRONG] = wrong_states;
    for (unsigned rule = 0; rule < ENTRY_RULE_COUNT; rule++) {
        counts[outcomes[rule]]++;
        log_info(AREA, "rule %s %s: %s", entry_rule_name(rule), entry_rule_section(rule),
                 texts[outcomes[rule]]);
    }
    finish("%u rules: %u rejected, %u laxer, %u absent, %u not tried, %u wrong",
           (unsigned)ENTRY_RULE_COUNT, counts[REJECTED], counts[LAXER], counts[ABSENT],
           counts[NOT_TRIED], counts[WRONG]);
}

void __wrap_main_release(void)
{
    prepare(this_cpu()->vcpu);
    unsigned wrong_states = enter_states();
    for (unsigned i = 0; i < ARRAY_SIZE(tries); i++) {
        enum outcome outcome = break_rule(&tries[i]);
        if (outcome > outcomes[tries[i].rule])
            outcomes[tries[i].rule] = (uint8_t)outcome;
    }
    report(wrong_states);
}
