/* What CPUID tells the guest: the native answer, less what Orlop hides, plus Orlop's own leaves.
 *
 * Hidden is what would not work (an instruction whose VMX control is missing, a CR4 bit that VMX
 * operation forbids), what Orlop keeps for itself (VMX, SMX), and what would let the guest reach
 * memory past EPT (Intel PT's output, the hardware feedback table, PEBS records written while the
 * processor is in Orlop). All of that is worked out once, at boot, into masks; an exit for a leaf
 * that nothing is hidden from costs one test, leaf 1 three operations more. Topology, APIC ids and
 * whatever else follows the CPU or the live XCR0 stay as the CPU answers. Pure; any CPU. */
#pragma once

#include "base/hw.h"
#include "base/types.h"
#include "base/x86/cpuid.h"
#include "base/x86/cr.h"

/* Places in the CPUID tree that lose bits. A place without subleaves ignores ECX. */
enum cpuid_place {
    CPUID_PLACE_1,
    CPUID_PLACE_6,
    CPUID_PLACE_7_0,
    CPUID_PLACE_7_1,
    CPUID_PLACE_7_2,
    CPUID_PLACE_D_0,
    CPUID_PLACE_D_1,
    CPUID_PLACE_23_0,
    CPUID_PLACE_80000001,
    CPUID_PLACE_COUNT
};

enum cpuid_out { CPUID_OUT_EAX, CPUID_OUT_EBX, CPUID_OUT_ECX, CPUID_OUT_EDX, CPUID_OUT_COUNT };

/* What the mechanism passes through to the guest. Bits of cpuid_capabilities.passes; a clear bit
 * hides the feature. */
enum cpuid_passes {
    CPUID_PASSES_RDTSCP = 1 << 0,    /* "enable RDTSCP": RDTSCP and RDPID */
    CPUID_PASSES_INVPCID = 1 << 1,   /* "enable INVPCID" */
    CPUID_PASSES_XSAVES = 1 << 2,    /* "enable XSAVES/XRSTORS" */
    CPUID_PASSES_USER_WAIT = 1 << 3, /* "enable user wait and pause": TPAUSE, UMWAIT */
    CPUID_PASSES_PCONFIG = 1 << 4,   /* "enable PCONFIG" */
    CPUID_PASSES_PT = 1 << 5,        /* "Intel PT uses guest physical addresses" */
    CPUID_PASSES_PEBS = 1 << 6,      /* VM exits load IA32_PERF_GLOBAL_CTRL with 0 */
    CPUID_PASSES_MSR_LIST = 1 << 7,  /* "enable MSR-list instructions" */
};

struct cpuid_capabilities {
    uint64_t cr4_allowed; /* CR4 bits that the guest may set, from cr4_allowed_bits() */
    uint32_t passes;      /* enum cpuid_passes */
    bool hidden;          /* `cpuid=hidden`: no mark of Orlop's */
};

struct cpuid_policy {
    uint64_t filtered;                                 /* bit n: basic leaf n is not all native */
    uint64_t zeroed;                                   /* bit n: basic leaf n reads as zeros */
    uint32_t keep[CPUID_PLACE_COUNT][CPUID_OUT_COUNT]; /* what is kept of the native answer */
    uint64_t xcr0_supported;                           /* state components for XSETBV */
    uint64_t xss_supported;                            /* state components for IA32_XSS */
    uint32_t xsave_bytes;                              /* D.0:ECX for xcr0_supported */
    uint32_t marks;                                    /* bits added to leaf 1 ECX */
    uint32_t highest_basic;                            /* leaf */
    bool hidden;
    uint32_t linear_bits; /* 80000008:EAX[15:8], 0 = native */
};

/* What of the guest's state CPUID shows. */
struct cpuid_context {
    uint64_t guest_cr4; /* as the guest reads it */
    bool in_64bit_mode; /* EFER.LMA and CS.L: SYSCALL is enumerated in 64-bit mode alone */
};

/* How the builders read the CPU's own CPUID: hw_cpuid, or a table in a test. */
typedef struct cpuid_regs cpuid_reader(uint32_t leaf, uint32_t subleaf);

/* Works out the policy of this CPU. Boot time, on each CPU whose features may differ. */
void cpuid_policy_build(struct cpuid_policy *policy, const struct cpuid_capabilities *capabilities,
                        cpuid_reader *native);

/* Whether cpuid_filter() would change anything. False means: give the native answer as it is.
 * Inline and branch-poor, because every CPUID exit asks. */
static inline bool cpuid_needs_filter(const struct cpuid_policy *policy, uint32_t leaf)
{
    return leaf >= 64 || (policy->filtered >> leaf & 1);
}

/* The leaf to ask the processor for. Where Orlop hides, its range is beyond the highest leaf, which
 * then answers (SDM vol. 2A, "CPUID - CPU Identification"), and no hypervisor below is asked. */
uint32_t cpuid_leaf_asked(const struct cpuid_policy *policy, uint32_t leaf);

/* Turns the native answer of cpuid_leaf_asked() in *answer into the guest's. Writing the four
 * values to the 64-bit registers zero-extends them, as the instruction does (Intel SDM vol. 2A,
 * "CPUID - CPU Identification"). Defined for every leaf and subleaf. */
void cpuid_filter(const struct cpuid_policy *policy, uint32_t leaf, uint32_t subleaf,
                  const struct cpuid_context *context, struct cpuid_regs *answer);

/* cpuid_filter() for leaf 1 alone, the leaf that guests ask most; EAX and EBX stay. OSXSAVE is the
 * CPU's answer, because the CR4 that runs has the guest's bit (docs/design.md). */
static inline uint32_t cpuid_filter_1_ecx(const struct cpuid_policy *policy, uint32_t native)
{
    return (native & policy->keep[CPUID_PLACE_1][CPUID_OUT_ECX]) | policy->marks;
}

static inline uint32_t cpuid_filter_1_edx(const struct cpuid_policy *policy, uint32_t native)
{
    return native & policy->keep[CPUID_PLACE_1][CPUID_OUT_EDX];
}
