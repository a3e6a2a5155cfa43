#include "vmx/capability_report.h"

#include "lib/format.h"
#include "vmx/capability_words.h"

#define HALF 32u /* a control word: "must be 1" below, "may be 1" above */

static const char *control_setting(uint64_t word, unsigned bit)
{
    if (word & BIT(bit))
        return "always 1";
    return word & BIT(HALF + bit) ? "0 or 1" : "always 0";
}

static const char *bit_setting(const struct vmx_word *word, uint64_t value, unsigned bit)
{
    if (word->kind == VMX_WORD_CONTROLS)
        return control_setting(value, bit);
    return value & BIT(bit) ? "yes" : "no";
}

static void print_bits(const struct vmx_word *word, uint64_t value,
                       const struct vmx_report_sink *sink)
{
    char text[VMX_REPORT_LINE];

    VMX_FOR_BITS (bit, word) {
        format(text, sizeof(text), "  %2u %-9s %s", (unsigned)*bit.numbers,
               bit_setting(word, value, *bit.numbers), bit.names);
        sink->line(sink->context, text);
    }
}

static void print_fields(const struct vmx_word *word, uint64_t value,
                         const struct vmx_report_sink *sink)
{
    char text[VMX_REPORT_LINE];

    for (size_t i = 0; i < vmx_word_field_count; i++) {
        const struct vmx_word_field *field = &vmx_word_field_table[i];

        if (field->offset != word->offset)
            continue;
        format(text, sizeof(text), "     %-9lu %s", (unsigned long)bits_get(value, field->mask),
               field->name);
        sink->line(sink->context, text);
    }
}

static void print_word(const struct vmx_capabilities *caps, const struct vmx_word *word,
                       const struct vmx_report_sink *sink)
{
    uint64_t value = vmx_word_value(caps, word);
    char text[VMX_REPORT_LINE];

    format(text, sizeof(text), "%s = 0x%lx", word->name, (unsigned long)value);
    sink->line(sink->context, text);
    print_fields(word, value, sink);
    print_bits(word, value, sink);
}

void vmx_capabilities_print(const struct vmx_capabilities *caps, const struct vmx_report_sink *sink)
{
    const char *below = vmx_hypervisor_name(caps);
    char text[VMX_REPORT_LINE];

    format(text, sizeof(text), "processor %s, hypervisor below: %s", caps->vendor,
           below ? below : "none");
    sink->line(sink->context, text);
    for (size_t i = 0; i < vmx_word_count; i++)
        if (vmx_word_present(caps, &vmx_word_table[i]))
            print_word(caps, &vmx_word_table[i], sink);
}

struct comparison {
    const struct vmx_word *word;
    uint64_t a, b;
    unsigned cpu_a, cpu_b;
    unsigned lines;
    const struct vmx_report_sink *sink;
};

static void tell_difference(struct comparison *c, const char *what, const char *a, const char *b)
{
    char text[VMX_REPORT_LINE];

    c->lines++;
    if (!c->sink)
        return;
    format(text, sizeof(text), "%s: %s: %s on CPU %u, %s on CPU %u", c->word->name, what, a,
           c->cpu_a, b, c->cpu_b);
    c->sink->line(c->sink->context, text);
}

/* Numbers first; what is left over is compared bit by bit. */
static uint64_t compare_fields(struct comparison *c)
{
    uint64_t covered = 0;

    for (size_t i = 0; i < vmx_word_field_count; i++) {
        const struct vmx_word_field *field = &vmx_word_field_table[i];
        char a[24], b[24];

        if (field->offset != c->word->offset)
            continue;
        covered |= field->mask;
        if (((c->a ^ c->b) & field->mask) == 0)
            continue;
        format(a, sizeof(a), "%lu", (unsigned long)bits_get(c->a, field->mask));
        format(b, sizeof(b), "%lu", (unsigned long)bits_get(c->b, field->mask));
        tell_difference(c, field->name, a, b);
    }
    return covered;
}

static void compare_bits(struct comparison *c, uint64_t different)
{
    unsigned count = c->word->kind == VMX_WORD_CONTROLS ? HALF : 64;

    if (c->word->kind == VMX_WORD_CONTROLS)
        different |= different >> HALF;
    for (unsigned bit = 0; bit < count; bit++) {
        const char *name = vmx_word_bit_name(c->word, bit);
        char number[16];

        if (!(different & BIT(bit)))
            continue;
        format(number, sizeof(number), "bit %u", bit);
        tell_difference(c, name ? name : number, bit_setting(c->word, c->a, bit),
                        bit_setting(c->word, c->b, bit));
    }
}

/* The four older control words say nothing that the words in use do not say by name. */
static bool compared(const struct vmx_word *word)
{
    return word->kind != VMX_WORD_STATE &&
           (word->kind != VMX_WORD_CONTROLS || *word->bits.numbers != VMX_NO_BIT);
}

unsigned vmx_capabilities_differ(const struct vmx_capabilities *a, unsigned cpu_a,
                                 const struct vmx_capabilities *b, unsigned cpu_b,
                                 const struct vmx_report_sink *sink)
{
    struct comparison c = {.cpu_a = cpu_a, .cpu_b = cpu_b, .sink = sink};

    for (size_t i = 0; i < vmx_word_count; i++) {
        c.word = &vmx_word_table[i];
        c.a = vmx_word_value(a, c.word);
        c.b = vmx_word_value(b, c.word);
        if (compared(c.word))
            compare_bits(&c, (c.a ^ c.b) & ~compare_fields(&c));
    }
    return c.lines;
}
