#include "vmx/capability_words.h"

#include "base/panic.h"
#include "lib/string.h"

#define FEATURE_CONTROL_BITS(X)                                                                    \
    X(0, LOCK, "lock")                                                                             \
    X(1, SMX, "VMX inside SMX operation")                                                          \
    X(2, OUTSIDE_SMX, "VMX outside SMX operation")
#define NO_BITS(X)

/* One piece of numbers and one of names each, without a pointer for every name. */
#define BIT_NUMBER(bit, name, text) bit,
#define BIT_TEXT(bit, name, text)   text "\0"
#define BIT_LIST(list, bits)                                                                       \
    static const uint8_t numbers_##list[] = {bits(BIT_NUMBER) VMX_NO_BIT};                         \
    static const char names_##list[] = bits(BIT_TEXT) "";
BIT_LIST(pin, PIN_CONTROL_BITS)
BIT_LIST(primary, PRIMARY_CONTROL_BITS)
BIT_LIST(secondary, SECONDARY_CONTROL_BITS)
BIT_LIST(tertiary, TERTIARY_CONTROL_BITS)
BIT_LIST(exit, EXIT_CONTROL_BITS)
BIT_LIST(entry, ENTRY_CONTROL_BITS)
BIT_LIST(ept_vpid, EPT_VPID_CAP_BITS)
BIT_LIST(basic, VMX_BASIC_BITS)
BIT_LIST(misc, VMX_MISC_BITS)
BIT_LIST(feature_control, FEATURE_CONTROL_BITS)
BIT_LIST(unnamed, NO_BITS)
#define BITS_OF(list)                                                                              \
    {                                                                                              \
        numbers_##list, names_##list                                                               \
    }

#define OFFSET(member) offsetof(struct vmx_capabilities, member)
#define CPUID_WORD(member, leaf, subleaf, reg, state, text)                                        \
    {text, OFFSET(member), 0, 0, VMX_WORD_FLAGS, BITS_OF(unnamed)},
#define MSR_WORD(member, msr, gate, mask, kind, bits, text)                                        \
    {text, OFFSET(member), OFFSET(gate), mask, VMX_WORD_##kind, BITS_OF(bits)},
#define TRUE_WORD(member, msr, legacy, bits, text)                                                 \
    {text, OFFSET(member), OFFSET(cpuid_1_ecx), CPUID_1_ECX_VMX, VMX_WORD_CONTROLS, BITS_OF(bits)},

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

    VMX_FOR_BITS (bit, word)
        mask |= BIT(*bit.numbers);
    return mask;
}

const char *vmx_word_bit_name(const struct vmx_word *word, unsigned bit)
{
    VMX_FOR_BITS (named, word)
        if (*named.numbers == bit)
            return named.names;
    return NULL;
}
