#include "vmx/capabilities.h"

#include "lib/string.h"
#include "vmx/capability_words.h"

/* A signature comes from outside and ends up in the log: printable bytes alone. */
static void copy_signature(char *text, uint32_t a, uint32_t b, uint32_t c)
{
    const uint32_t words[3] = {a, b, c};

    for (unsigned i = 0; i < CPU_SIGNATURE_SIZE - 1; i++) {
        char byte = (char)(words[i / 4] >> (8 * (i % 4)) & 0xFF);
        text[i] = byte == 0 || (byte >= ' ' && byte <= '~') ? byte : '?';
    }
    text[CPU_SIGNATURE_SIZE - 1] = 0;
}

static struct cpuid_regs read_leaf(const struct vmx_capability_reader *reader, uint32_t leaf,
                                   uint32_t subleaf)
{
    struct cpuid_regs none = {0, 0, 0, 0};
    uint32_t highest = reader->cpuid(reader->context, leaf & CPUID_LEAF_EXT_MAX, 0).eax;

    /* A CPU without extended leaves answers with those of a basic one: below 80000000H. */
    if (highest < leaf)
        return none;
    return reader->cpuid(reader->context, leaf, subleaf);
}

static void read_cpuid_words(struct vmx_capabilities *caps,
                             const struct vmx_capability_reader *reader)
{
    struct cpuid_regs r = reader->cpuid(reader->context, CPUID_LEAF_VENDOR, 0);

    copy_signature(caps->vendor, r.ebx, r.edx, r.ecx);
#define READ_CPUID_WORD(member, leaf, subleaf, reg, state, name)                                   \
    caps->member = read_leaf(reader, leaf, subleaf).reg & ~(uint64_t)(state);
    VMX_CPUID_WORDS(READ_CPUID_WORD)
#undef READ_CPUID_WORD
    if (caps->cpuid_1_ecx & CPUID_1_ECX_HYPERVISOR) {
        r = reader->cpuid(reader->context, CPUID_LEAF_HYPERVISOR, 0);
        copy_signature(caps->hypervisor, r.ebx, r.ecx, r.edx);
    }
}

void vmx_capabilities_read(struct vmx_capabilities *caps,
                           const struct vmx_capability_reader *reader)
{
    memset(caps, 0, sizeof(*caps));
    read_cpuid_words(caps, reader);
#define READ_MSR_WORD(member, msr, gate, mask, kind, bits, name)                                   \
    if (caps->gate & (mask))                                                                       \
        caps->member = reader->rdmsr(reader->context, msr);
    VMX_MSR_WORDS(READ_MSR_WORD)
#undef READ_MSR_WORD
#define READ_TRUE_WORD(member, msr, legacy, bits, name)                                            \
    caps->member = caps->basic & VMX_BASIC_TRUE_CONTROLS ? reader->rdmsr(reader->context, msr)     \
                                                         : caps->legacy;
    VMX_TRUE_WORDS(READ_TRUE_WORD)
#undef READ_TRUE_WORD
}

static uint64_t merge_word(const struct vmx_word *word, uint64_t a, uint64_t b)
{
    uint64_t features = vmx_word_named_bits(word);

    switch (word->kind) {
    case VMX_WORD_CONTROLS:
        return (a & b & 0xFFFFFFFF00000000ull) | ((a | b) & 0xFFFFFFFFull);
    case VMX_WORD_FLAGS:
        return a & b;
    case VMX_WORD_FIXED0:
        return a | b;
    case VMX_WORD_FIELDS:
        return (a & ~features) | (a & b & features);
    case VMX_WORD_NUMBER:
    case VMX_WORD_STATE:
        break;
    }
    return a;
}

void vmx_capabilities_merge(struct vmx_capabilities *common, const struct vmx_capabilities *cpu)
{
    for (size_t i = 0; i < vmx_word_count; i++) {
        const struct vmx_word *word = &vmx_word_table[i];
        uint64_t merged = merge_word(word, vmx_word_value(common, word), vmx_word_value(cpu, word));
        memcpy((char *)common + word->offset, &merged, sizeof(merged));
    }
}

uint32_t vmx_controls_adjust(uint64_t capability, uint32_t wanted, uint32_t *missing)
{
    uint32_t must_be_1 = (uint32_t)capability, may_be_1 = (uint32_t)(capability >> 32);

    if (missing)
        *missing = wanted & ~may_be_1;
    return (wanted | must_be_1) & may_be_1;
}

const char *vmx_hypervisor_name(const struct vmx_capabilities *caps)
{
    static const struct {
        const char *signature, *name;
    } known[] = {
        {"KVMKVMKVM", "KVM"},       {"Microsoft Hv", "Hyper-V"},     {"VMwareVMware", "VMware"},
        {"XenVMMXenVMM", "Xen"},    {"VBoxVBoxVBox", "VirtualBox"},  {"TCGTCGTCGTCG", "QEMU TCG"},
        {"bhyve bhyve ", "bhyve"},  {"ACRNACRNACRN", "ACRN"},        {" lrpepyh  vr", "Parallels"},
        {"Jailhouse", "Jailhouse"}, {"OpenBSDVMM58", "OpenBSD vmm"},
    };

    if (!(caps->cpuid_1_ecx & CPUID_1_ECX_HYPERVISOR))
        return NULL;
    for (size_t i = 0; i < ARRAY_SIZE(known); i++)
        if (strcmp(caps->hypervisor, known[i].signature) == 0)
            return known[i].name;
    return caps->hypervisor;
}

enum vmx_feature_control vmx_feature_control_judge(uint64_t value, uint64_t *write)
{
    if (!(value & FEATURE_CONTROL_LOCK)) {
        *write = value | FEATURE_CONTROL_LOCK | FEATURE_CONTROL_VMX_OUTSIDE_SMX;
        return VMXON_AFTER_WRITE;
    }
    if (value & FEATURE_CONTROL_VMX_OUTSIDE_SMX)
        return VMXON_ALLOWED;
    return value & FEATURE_CONTROL_VMX_INSIDE_SMX ? VMXON_LOCKED_INSIDE_SMX : VMXON_LOCKED_OFF;
}
