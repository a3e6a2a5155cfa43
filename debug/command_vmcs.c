/* Fields of a CPU's VMCS, by the manual's names. */
#include "base/bits.h"
#include "debug/commands.h"
#include "lib/format.h"
#include "vmx/capability_words.h"
#include "vmx/exit_reasons.h"
#include "vmx/vmcs.h"

#define U(x) ((unsigned long long)(x))

struct field {
    uint32_t encoding;
    uint64_t value;
    bool done;
    struct vmx_cpu *vcpu;
};

static void read_here(void *argument)
{
    struct field *field = argument;
    field->done = vmcs_read_checked(field->encoding, &field->value);
}

/* What VM entry would refuse is found out before the guest goes on: debug/target.h. */
static void write_here(void *argument)
{
    struct field *field = argument;
    field->done = vmx_vmwrite(field->encoding, field->value);
    field->vcpu->debug_changed = true;
    percpu_attend(field->vcpu->cpu, ATTENTION_RELOAD);
}

/* The capability words that name the bits of control words. */
static const struct {
    uint16_t encoding, word;
} controls[] = {
    {ENCODING_PIN_CONTROLS, offsetof(struct vmx_capabilities, pin)},
    {ENCODING_PRIMARY_CONTROLS, offsetof(struct vmx_capabilities, primary)},
    {ENCODING_SECONDARY_CONTROLS, offsetof(struct vmx_capabilities, secondary)},
    {ENCODING_TERTIARY_CONTROLS, offsetof(struct vmx_capabilities, tertiary)},
    {ENCODING_VM_EXIT_CONTROLS, offsetof(struct vmx_capabilities, exit)},
    {ENCODING_VM_ENTRY_CONTROLS, offsetof(struct vmx_capabilities, entry)},
};

static void say_controls(uint32_t encoding, uint64_t value)
{
    for (size_t i = 0; i < ARRAY_SIZE(controls); i++)
        if (controls[i].encoding == encoding)
            VMX_FOR_BITS (bit, vmx_word_find(controls[i].word))
                if (value >> *bit.numbers & 1)
                    say("       %2u %s\n", *bit.numbers, bit.names);
}

static void say_field(const struct vmcs_field_info *info, uint64_t value)
{
    static const struct bit_name blocking[] = {
        {0, "STI"}, {1, "MOV SS"}, {2, "SMI"}, {3, "NMI"}, {4, "SGX"}};
    static const char *const activities[] = {"active", "HLT", "shutdown", "wait-for-SIPI"};
    char name[64];
    size_t length = format(name, sizeof(name), "%s", vmcs_field_name(info));
    for (size_t i = 0; i < length && i < sizeof(name); i++)
        name[i] = name[i] == ' ' ? '_' : name[i];
    say("  %04x %-47s %016llx", info->encoding, name, U(value));
    if (info->encoding == ENCODING_EXIT_REASON)
        say(" %s", exit_reason_name(value & EXIT_REASON_BASIC_MASK));
    if (info->encoding == ENCODING_GUEST_ACTIVITY_STATE)
        say(" %s", activities[value & 3]);
    if (info->encoding == ENCODING_GUEST_INTERRUPTIBILITY_STATE)
        say_bits(value, blocking, ARRAY_SIZE(blocking));
    else
        say("\n");
    say_controls(info->encoding, value);
}

/* By a part of its name, or by its encoding. */
static enum match match(struct arguments *arguments, const char *word,
                        const struct vmcs_field_info *info)
{
    uint64_t number;
    if (word[0] == '0' && arguments_sum(arguments, word, &number))
        return number == info->encoding ? MATCH_WHOLE : MATCH_NONE;
    return arguments_match(word, vmcs_field_name(info));
}

static void show(struct arguments *arguments, const char *word, struct cpu *cpu)
{
    unsigned found = 0;
    for (size_t i = 0; i < vmcs_field_count; i++) {
        struct field field = {vmcs_field_table[i].encoding, 0, false, cpu->vcpu};
        if (match(arguments, word, &vmcs_field_table[i]) == MATCH_NONE)
            continue;
        found++;
        if (!ask_cpu(cpu, read_here, &field))
            return;
        if (field.done)
            say_field(&vmcs_field_table[i], field.value);
        else if (*word)
            say("  %04x %s: this CPU has no such field\n", field.encoding,
                vmcs_field_name(&vmcs_field_table[i]));
    }
    if (!found)
        say("no field's name has \"%s\" in it: \"vmcs\" shows them all\n", word);
}

static void change(struct arguments *arguments, const char *word, const char *text, struct cpu *cpu)
{
    struct field field = {.vcpu = cpu->vcpu};
    unsigned found = 0;
    bool whole = false;
    for (size_t i = 0; i < vmcs_field_count && !whole; i++) {
        enum match how = match(arguments, word, &vmcs_field_table[i]);
        whole = how == MATCH_WHOLE;
        if (how == MATCH_NONE)
            continue;
        field.encoding = vmcs_field_table[i].encoding;
        found = whole ? 1 : found + 1;
    }
    if (found != 1) {
        say("\"%s\" names %u fields: write the name or number of one, as \"vmcs %s\" shows it\n",
            word, found, found ? word : "");
        return;
    }
    if (!arguments_sum(arguments, text, &field.value)) {
        monitor_complain(arguments);
        return;
    }
    if (VMCS_ENCODING_KIND(field.encoding) == VMCS_HOST) {
        say("host fields are Orlop's own: they can only be looked at\n");
        return;
    }
    if (ask_cpu(cpu, write_here, &field) && !field.done)
        say("the processor refuses the write: it has no such field, or it is read-only\n");
}

static void vmcs(struct arguments *arguments)
{
    struct cpu *cpu;
    char *word = arguments->count ? arguments->words[0] : "";
    char *text = arguments_cut(word);
    if (!monitor_cpu_argument(arguments, 1, &cpu))
        return;
    if (text)
        change(arguments, word, text, cpu);
    else
        show(arguments, word, cpu);
}

const struct command command_vmcs = {
    "vmcs", "vmcs [NAME|NAME=VALUE [CPU]]", "VMCS fields whose names have NAME in them", vmcs,
    false,
};
