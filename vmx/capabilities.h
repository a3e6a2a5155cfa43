/* What the CPU's VMX can do: the capability words of one CPU as read, and what follows from them.
 * Pure: the reader is handed in, so that recorded words of other machines serve as well. A word
 * whose existence nothing implies is not read, and is 0 (an absent control word allows nothing).
 * Source: Intel SDM (325462-083US) vol. 3, Appendix A, VMX Capability Reporting Facility. */
#pragma once

#include "base/bits.h"
#include "base/hw.h"
#include "base/x86/cpuid.h"
#include "base/x86/msr.h"
#include "vmx/controls.h"

/* CPUID words. X(member, leaf, subleaf, register, state bits left out, "name"): state follows CR4
 * of the moment, so it says nothing about the CPU. Leaves above the highest one read as 0. */
#define VMX_CPUID_WORDS(X)                                                                         \
    X(cpuid_1_ecx, CPUID_LEAF_FEATURES, 0, ecx, CPUID_1_ECX_OSXSAVE, "CPUID.1:ECX")                \
    X(cpuid_1_edx, CPUID_LEAF_FEATURES, 0, edx, 0, "CPUID.1:EDX")                                  \
    X(cpuid_7_ebx, CPUID_LEAF_EXTENDED, 0, ebx, 0, "CPUID.7.0:EBX")                                \
    X(cpuid_7_ecx, CPUID_LEAF_EXTENDED, 0, ecx, CPUID_7_ECX_OSPKE, "CPUID.7.0:ECX")                \
    X(cpuid_7_edx, CPUID_LEAF_EXTENDED, 0, edx, 0, "CPUID.7.0:EDX")                                \
    X(cpuid_d_1_eax, CPUID_LEAF_XSAVE, 1, eax, 0, "CPUID.D.1:EAX")                                 \
    X(cpuid_ext_1_edx, CPUID_LEAF_EXT_FEATURES, 0, edx, 0, "CPUID.80000001H:EDX")                  \
    X(cpuid_ext_8_eax, CPUID_LEAF_EXT_ADDRESS, 0, eax, 0, "CPUID.80000008H:EAX")

/* MSRs. X(member, msr, gate member, gate mask, kind, bit names, "name"): read where the gate, a
 * word above it, has one of the mask's bits. The kinds are those of enum vmx_word_kind. */
#define VMX_MSR_WORDS(X)                                                                           \
    X(feature_control, MSR_IA32_FEATURE_CONTROL, cpuid_1_ecx, CPUID_1_ECX_VMX, STATE,              \
      feature_control, "IA32_FEATURE_CONTROL")                                                     \
    X(basic, MSR_IA32_VMX_BASIC, cpuid_1_ecx, CPUID_1_ECX_VMX, FIELDS, basic, "IA32_VMX_BASIC")    \
    X(pin_legacy, MSR_IA32_VMX_PINBASED_CTLS, cpuid_1_ecx, CPUID_1_ECX_VMX, CONTROLS, unnamed,     \
      "IA32_VMX_PINBASED_CTLS")                                                                    \
    X(primary_legacy, MSR_IA32_VMX_PROCBASED_CTLS, cpuid_1_ecx, CPUID_1_ECX_VMX, CONTROLS,         \
      unnamed, "IA32_VMX_PROCBASED_CTLS")                                                          \
    X(exit_legacy, MSR_IA32_VMX_EXIT_CTLS, cpuid_1_ecx, CPUID_1_ECX_VMX, CONTROLS, unnamed,        \
      "IA32_VMX_EXIT_CTLS")                                                                        \
    X(entry_legacy, MSR_IA32_VMX_ENTRY_CTLS, cpuid_1_ecx, CPUID_1_ECX_VMX, CONTROLS, unnamed,      \
      "IA32_VMX_ENTRY_CTLS")                                                                       \
    X(misc, MSR_IA32_VMX_MISC, cpuid_1_ecx, CPUID_1_ECX_VMX, FIELDS, misc, "IA32_VMX_MISC")        \
    X(cr0_fixed0, MSR_IA32_VMX_CR0_FIXED0, cpuid_1_ecx, CPUID_1_ECX_VMX, FIXED0, unnamed,          \
      "IA32_VMX_CR0_FIXED0")                                                                       \
    X(cr0_fixed1, MSR_IA32_VMX_CR0_FIXED1, cpuid_1_ecx, CPUID_1_ECX_VMX, FLAGS, unnamed,           \
      "IA32_VMX_CR0_FIXED1")                                                                       \
    X(cr4_fixed0, MSR_IA32_VMX_CR4_FIXED0, cpuid_1_ecx, CPUID_1_ECX_VMX, FIXED0, unnamed,          \
      "IA32_VMX_CR4_FIXED0")                                                                       \
    X(cr4_fixed1, MSR_IA32_VMX_CR4_FIXED1, cpuid_1_ecx, CPUID_1_ECX_VMX, FLAGS, unnamed,           \
      "IA32_VMX_CR4_FIXED1")                                                                       \
    X(vmcs_enum, MSR_IA32_VMX_VMCS_ENUM, cpuid_1_ecx, CPUID_1_ECX_VMX, NUMBER, unnamed,            \
      "IA32_VMX_VMCS_ENUM")                                                                        \
    X(secondary, MSR_IA32_VMX_PROCBASED_CTLS2, primary_legacy,                                     \
      CONTROL_MAY_BE_1(PRIMARY_ACTIVATE_SECONDARY_CONTROLS), CONTROLS, secondary,                  \
      "IA32_VMX_PROCBASED_CTLS2")                                                                  \
    X(ept_vpid, MSR_IA32_VMX_EPT_VPID_CAP, secondary,                                              \
      CONTROL_MAY_BE_1(SECONDARY_ENABLE_EPT | SECONDARY_ENABLE_VPID), FIELDS, ept_vpid,            \
      "IA32_VMX_EPT_VPID_CAP")                                                                     \
    X(vmfunc, MSR_IA32_VMX_VMFUNC, secondary, CONTROL_MAY_BE_1(SECONDARY_ENABLE_VM_FUNCTIONS),     \
      FLAGS, unnamed, "IA32_VMX_VMFUNC")                                                           \
    X(tertiary, MSR_IA32_VMX_PROCBASED_CTLS3, primary_legacy,                                      \
      CONTROL_MAY_BE_1(PRIMARY_ACTIVATE_TERTIARY_CONTROLS), FLAGS, tertiary,                       \
      "IA32_VMX_PROCBASED_CTLS3")                                                                  \
    X(exit2, MSR_IA32_VMX_EXIT_CTLS2, exit_legacy,                                                 \
      CONTROL_MAY_BE_1(EXIT_CTL_ACTIVATE_SECONDARY_CONTROLS), FLAGS, unnamed,                      \
      "IA32_VMX_EXIT_CTLS2")

/* The four words that hold for Orlop: the TRUE MSR where VMX_BASIC bit 55 says that there is one,
 * else the older MSR, which does not say which default-1 controls may be 0 all the same.
 * X(member, msr, older member, bit names, "name"). Section A.2, Reserved Controls and Default
 * Settings. */
#define VMX_TRUE_WORDS(X)                                                                          \
    X(pin, MSR_IA32_VMX_TRUE_PINBASED_CTLS, pin_legacy, pin, "pin-based VM-execution controls")    \
    X(primary, MSR_IA32_VMX_TRUE_PROCBASED_CTLS, primary_legacy, primary,                          \
      "primary processor-based VM-execution controls")                                             \
    X(exit, MSR_IA32_VMX_TRUE_EXIT_CTLS, exit_legacy, exit, "primary VM-exit controls")            \
    X(entry, MSR_IA32_VMX_TRUE_ENTRY_CTLS, entry_legacy, entry, "VM-entry controls")

#define CPU_SIGNATURE_SIZE 13 /* twelve characters and NUL */

struct vmx_capabilities {
#define VMX_CPUID_MEMBER(member, leaf, subleaf, reg, state, name) uint64_t member;
#define VMX_MSR_MEMBER(member, msr, gate, mask, kind, bits, name) uint64_t member;
#define VMX_TRUE_MEMBER(member, msr, legacy, bits, name)          uint64_t member;
    VMX_CPUID_WORDS(VMX_CPUID_MEMBER)
    VMX_MSR_WORDS(VMX_MSR_MEMBER)
    VMX_TRUE_WORDS(VMX_TRUE_MEMBER)
#undef VMX_CPUID_MEMBER
#undef VMX_MSR_MEMBER
#undef VMX_TRUE_MEMBER
    char vendor[CPU_SIGNATURE_SIZE];
    char hypervisor[CPU_SIGNATURE_SIZE]; /* the one below, leaf 40000000H; "" on bare metal */
};

struct vmx_capability_reader {
    uint64_t (*rdmsr)(void *context, uint32_t index);
    struct cpuid_regs (*cpuid)(void *context, uint32_t leaf, uint32_t subleaf);
    void *context;
};

/* Reads all words of the CPU behind `reader`, which must be the CPU that runs. Needs no VMX. */
void vmx_capabilities_read(struct vmx_capabilities *caps,
                           const struct vmx_capability_reader *reader);

/* Narrows `common` to what `cpu` can do as well: features that both have, restrictions of either.
 * Numbers (revision, timer rate and the like) stay those of `common`. */
void vmx_capabilities_merge(struct vmx_capabilities *common, const struct vmx_capabilities *cpu);

/* The control word to use where `wanted` is asked for: bits that must be 1 are added, bits that
 * cannot be 1 dropped and, unless `missing` is NULL, told there. `capability` is a control word. */
uint32_t vmx_controls_adjust(uint64_t capability, uint32_t wanted, uint32_t *missing);

/* The name that people know the hypervisor below by, its bare signature where it is not known,
 * NULL on bare metal. */
const char *vmx_hypervisor_name(const struct vmx_capabilities *caps);

/* MAXPHYADDR in bits: 36 where the CPU has no leaf 80000008H. */
static inline unsigned vmx_physical_bits(const struct vmx_capabilities *caps)
{
    uint64_t bits = bits_get(caps->cpuid_ext_8_eax, CPUID_EXT_8_EAX_PHYSICAL_BITS);
    return bits ? (unsigned)bits : 36;
}

enum vmx_feature_control {
    VMXON_ALLOWED,          /* locked, VMX outside SMX on */
    VMXON_AFTER_WRITE,      /* unlocked: write the value first */
    VMXON_LOCKED_OFF,       /* locked, VMX off until the next reset */
    VMXON_LOCKED_INSIDE_SMX /* locked, VMX on in SMX operation (after SENTER) alone */
};

/* What IA32_FEATURE_CONTROL allows outside SMX operation, where Orlop runs. For VMXON_AFTER_WRITE
 * `*write` is the value to write: the lock and VMX outside SMX are added, all else stays. The MSR
 * is per CPU and lives until the reset. SDM vol. 3, section 24.7, Enabling and Entering VMX
 * Operation. */
enum vmx_feature_control vmx_feature_control_judge(uint64_t value, uint64_t *write);
