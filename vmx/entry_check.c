#include "vmx/entry_check.h"

#include "base/bits.h"
#include "lib/format.h"
#include "lib/string.h"
#include "vmx/entry_view.h"
#include "vmx/vmcs_fields.h"

/* Reads a field, and remembers it for the report. */
uint64_t entry_look(struct entry_view *v, uint32_t encoding)
{
    uint64_t value = v->now->read(v->now->context, encoding);
    struct entry_broken *seen = v->seen;
    for (unsigned i = 0; i < seen->seen; i++)
        if (seen->fields[i].encoding == encoding)
            return value;
    if (seen->seen < ENTRY_SEEN_MAX) {
        seen->fields[seen->seen].encoding = encoding;
        seen->fields[seen->seen++].value = value;
    }
    return value;
}

enum {
#define FIELD_AT(name, encoding, width, kind, access, text) AT_##name = (encoding),
    VMCS_FIELDS(FIELD_AT)
#undef FIELD_AT
        AT_NOTHING = 0xFFFF
};

static const struct {
    uint16_t field;
    uint8_t gate, low, bits, value;
} fact_rows[] = {
#define FACT_ROW(name, gate, field, low, bits, value) {AT_##field, FACT_##gate, low, bits, value},
    ENTRY_FACTS(FACT_ROW)
#undef FACT_ROW
};

#define CAP(member)           offsetof(struct vmx_capabilities, member)
#define BITS_ARE(mask, value) ((uint32_t)(value) << 16 | (mask))
static const struct rule {
    uint32_t argument;
    uint16_t field;
    uint8_t conditions[2];
    uint8_t fields, check;
} __attribute__((packed)) rules[] = {
#define RULE(name, if_1, if_2, field, fields, check, argument)                                     \
    {argument, AT_##field, {FACT_##if_1, FACT_##if_2}, fields, CHECK_##check},
#define RULE_OF_FACT(name, if_1, if_2, fact)                                                       \
    {FACT_##fact, AT_NOTHING, {FACT_##if_1, FACT_##if_2}, 1, CHECK_fact},
    ENTRY_RULES(RULE, RULE_OF_FACT)
#undef RULE
#undef RULE_OF_FACT
};

#define RULE_NAME(name, ...) #name "\0"
static const char rule_names[] = ENTRY_RULES(RULE_NAME, RULE_NAME);

#define PLUS_ONE(...) +1
static const struct {
    char number[9];
    uint8_t kind, rules;
} sections[] = {
#define SECTION(number, kind, rules) {number, ENTRY_##kind, 0 rules(PLUS_ONE, PLUS_ONE)},
    ENTRY_SECTIONS(SECTION)
#undef SECTION
};

static void read_facts(struct entry_view *v)
{
    v->facts[FACT_ALWAYS] = true;
    v->facts[FACT_NOW_IA32E] = v->now->in_ia32e;
    v->facts[FACT_TRACING] = v->now->tracing;
    v->facts[FACT_IN_SMM] = v->now->in_smm;
    v->facts[FACT_HAS_SGX] = v->now->caps->cpuid_7_ebx & CPUID_7_EBX_SGX;
    for (unsigned i = 0; i < ARRAY_SIZE(fact_rows); i++) {
        uint64_t value = v->now->read(v->now->context, fact_rows[i].field);
        v->facts[FACT_ROWS + i] =
            v->facts[fact_rows[i].gate] &&
            (value >> fact_rows[i].low & (BIT(fact_rows[i].bits) - 1)) == fact_rows[i].value;
    }
}

/* For the report: the field that a condition comes from. */
static void show_fact(struct entry_view *v, unsigned condition)
{
    unsigned fact = condition & ~CONDITION_NOT;
    if (fact >= FACT_ROWS && fact < FACT_COUNT)
        entry_look(v, fact_rows[fact - FACT_ROWS].field);
}

static bool rule_kept(struct entry_view *v, const struct rule *rule)
{
    for (v->segment = 0; rule->fields >> v->segment; v->segment++) {
        v->seen->seen = 0;
        if (!(rule->fields >> v->segment & 1))
            continue;
        if (!entry_holds(v, rule->conditions[0]) || !entry_holds(v, rule->conditions[1]))
            continue;
        uint64_t value =
            rule->field == AT_NOTHING ? 0 : entry_look(v, rule->field + 2 * v->segment);
        if (!entry_checks[rule->check](v, value, rule->argument)) {
            if (rule->check == CHECK_fact)
                show_fact(v, rule->argument);
            show_fact(v, rule->conditions[0]);
            show_fact(v, rule->conditions[1]);
            return false;
        }
    }
    return true;
}

bool entry_check(const struct entry_environment *environment, unsigned classes,
                 struct entry_broken *broken)
{
    struct entry_view view = {.now = environment, .seen = broken};
    const struct rule *rule = rules;
    read_facts(&view);
    for (unsigned i = 0; i < ARRAY_SIZE(sections); i++) {
        for (unsigned left = sections[i].rules; left > 0; left--, rule++) {
            if ((sections[i].kind & classes) && !rule_kept(&view, rule)) {
                broken->rule = (enum entry_rule)(rule - rules);
                return true;
            }
        }
    }
    return false;
}

const char *entry_rule_name(enum entry_rule rule)
{
    const char *name = rule_names;
    for (unsigned i = 0; i < rule; i++)
        name += strlen(name) + 1;
    return name;
}

const char *entry_rule_section(enum entry_rule rule)
{
    unsigned section = 0;
    for (unsigned first = sections[0].rules; first <= rule; first += sections[section].rules)
        section++;
    return sections[section].number;
}

size_t entry_broken_text(const struct entry_broken *broken, char *text, size_t size)
{
    size_t used = format(text, size, "rule %s (SDM vol. 3C, %s) is broken",
                         entry_rule_name(broken->rule), entry_rule_section(broken->rule));
    for (unsigned i = 0; i < broken->seen && used < size; i++) {
        const struct vmcs_field_info *field = vmcs_field_find(broken->fields[i].encoding);
        used += format(text + used, size - used, "%s %s = 0x%llx", i ? "," : ":",
                       field ? vmcs_field_name(field) : "?",
                       (unsigned long long)broken->fields[i].value);
    }
    return used;
}
