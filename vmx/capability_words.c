#include "vmx/capability_words.h"

#include "base/panic.h"
#include "lib/string.h"

#define BIT_NAME(bit, name, text) {bit, text},
#define BIT_NAMES_END                                                                              \
    {                                                                                              \
        0, NULL                                                                                    \
    }
static const struct vmx_bit_name bits_pin[] = {PIN_CONTROL_BITS(BIT_NAME) BIT_NAMES_END};
static const struct vmx_bit_name bits_primary[] = {PRIMARY_CONTROL_BITS(BIT_NAME) BIT_NAMES_END};
static const struct vmx_bit_name bits_secondary[] = {SECONDARY_CONTROL_BITS(BIT_NAME)
                                                         BIT_NAMES_END};
static const struct vmx_bit_name bits_tertiary[] = {TERTIARY_CONTROL_BITS(BIT_NAME) BIT_NAMES_END};
static const struct vmx_bit_name bits_exit[] = {EXIT_CONTROL_BITS(BIT_NAME) BIT_NAMES_END};
static const struct vmx_bit_name bits_entry[] = {ENTRY_CONTROL_BITS(BIT_NAME) BIT_NAMES_END};
static const struct vmx_bit_name bits_ept_vpid[] = {EPT_VPID_CAP_BITS(BIT_NAME) BIT_NAMES_END};
static const struct vmx_bit_name bits_basic[] = {VMX_BASIC_BITS(BIT_NAME) BIT_NAMES_END};
static const struct vmx_bit_name bits_misc[] = {VMX_MISC_BITS(BIT_NAME) BIT_NAMES_END};
static const struct vmx_bit_name bits_feature_control[] = {
    {0, "lock"},
    {1, "VMX inside SMX operation"},
    {2, "VMX outside SMX operation"},
    BIT_NAMES_END,
};
static const struct vmx_bit_name bits_unnamed[] = {BIT_NAMES_END};

#define OFFSET(member) offsetof(struct vmx_capabilities, member)
#define CPUID_WORD(member, leaf, subleaf, reg, state, text)                                        \
    {text, OFFSET(member), 0, 0, VMX_WORD_FLAGS, bits_unnamed},
#define MSR_WORD(member, msr, gate, mask, kind, bits, text)                                        \
    {text, OFFSET(member), OFFSET(gate), mask, VMX_WORD_##kind, bits_##bits},
#define TRUE_WORD(member, msr, legacy, bits, text)                                                 \
    {text, OFFSET(member), OFFSET(cpuid_1_ecx), CPUID_1_ECX_VMX, VMX_WORD_CONTROLS, bits_##bits},

const struct vmx_word vmx_word_table[] = {VMX_CPUID_WORDS(CPUID_WORD) VMX_MSR_WORDS(MSR_WORD)
                                              VMX_TRUE_WORDS(TRUE_WORD)};
const size_t vmx_word_count = ARRAY_SIZE(vmx_word_table);

const struct vmx_word_field vmx_word_field_table[] = {
    {OFFSET(cpuid_ext_8_eax), CPUID_EXT_8_EAX_PHYSICAL_BITS, "MAXPHYADDR"},
    {OFFSET(basic), VMX_BASIC_REVISION_MASK, "VMCS revision identifier"},
    {OFFSET(basic), VMX_BASIC_REGION_SIZE_MASK, "bytes of a VMXON region or VMCS"},
    {OFFSET(basic), VMX_BASIC_MEMORY_TYPE_MASK, "memory type of VMX structures"},
    {OFFSET(misc), VMX_MISC_TIMER_SHIFT_MASK, "VMX-preemption timer counts TSC bit"},
    {OFFSET(misc), VMX_MISC_CR3_TARGETS_MASK, "CR3-target values"},
    {OFFSET(misc), VMX_MISC_MSR_LIST_MASK, "MSR-list size, in 512s, minus 1"},
    {OFFSET(misc), VMX_MISC_MSEG_REVISION_MASK, "MSEG revision identifier"},
    {OFFSET(vmcs_enum), BITS(9, 1), "highest index of a VMCS field"},
    {OFFSET(ept_vpid), EPT_VPID_CAP_HLAT_MASK, "largest HLAT prefix size"},
};
const size_t vmx_word_field_count = ARRAY_SIZE(vmx_word_field_table);

uint64_t vmx_capability_at(const struct vmx_capabilities *caps, uint16_t offset)
{
    uint64_t value;

    ASSERT(offset <= sizeof(*caps) - sizeof(value));
    memcpy(&value, (const char *)caps + offset, sizeof(value));
    return value;
}

bool vmx_word_present(const struct vmx_capabilities *caps, const struct vmx_word *word)
{
    return !word->gate_mask || (vmx_capability_at(caps, word->gate_offset) & word->gate_mask);
}

const struct vmx_word *vmx_word_find(uint16_t offset)
{
    for (size_t i = 0; i < vmx_word_count; i++)
        if (vmx_word_table[i].offset == offset)
            return &vmx_word_table[i];
    panic("no capability word at offset %u", (unsigned)offset);
}

uint64_t vmx_word_named_bits(const struct vmx_word *word)
{
    uint64_t mask = 0;

    for (const struct vmx_bit_name *bit = word->bits; bit->name; bit++)
        mask |= BIT(bit->bit);
    return mask;
}

const char *vmx_word_bit_name(const struct vmx_word *word, unsigned bit)
{
    for (const struct vmx_bit_name *row = word->bits; row->name; row++)
        if (row->bit == bit)
            return row->name;
    return NULL;
}
