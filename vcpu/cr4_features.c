#include "vcpu/cr4_features.h"

#define FEATURE(cr4, leaf, out, bits)                                                              \
    {                                                                                              \
        cr4, CPUID_PLACE_##leaf, CPUID_OUT_##out, bits                                             \
    }

/* PCE has no CPUID bit: every CPU with RDPMC, so every one with VMX, has it. */
const struct cr4_feature cr4_features[] = {
    FEATURE(CR4_VME, 1, EDX, CPUID_1_EDX_VME),
    FEATURE(CR4_PVI, 1, EDX, CPUID_1_EDX_VME),
    FEATURE(CR4_TSD, 1, EDX, CPUID_1_EDX_TSC),
    FEATURE(CR4_DE, 1, EDX, CPUID_1_EDX_DE),
    FEATURE(CR4_PSE, 1, EDX, CPUID_1_EDX_PSE),
    FEATURE(CR4_PAE, 1, EDX, CPUID_1_EDX_PAE),
    FEATURE(CR4_MCE, 1, EDX, CPUID_1_EDX_MCE),
    FEATURE(CR4_PGE, 1, EDX, CPUID_1_EDX_PGE),
    FEATURE(CR4_OSFXSR, 1, EDX, CPUID_1_EDX_FXSR),
    FEATURE(CR4_OSXMMEXCPT, 1, EDX, CPUID_1_EDX_SSE),
    FEATURE(CR4_UMIP, 7_0, ECX, CPUID_7_ECX_UMIP),
    FEATURE(CR4_LA57, 7_0, ECX, CPUID_7_ECX_LA57),
    FEATURE(CR4_FSGSBASE, 7_0, EBX, CPUID_7_EBX_FSGSBASE),
    FEATURE(CR4_PCIDE, 1, ECX, CPUID_1_ECX_PCID),
    FEATURE(CR4_OSXSAVE, 1, ECX, CPUID_1_ECX_XSAVE),
    FEATURE(CR4_KL, 7_0, ECX, CPUID_7_ECX_KL),
    FEATURE(CR4_SMEP, 7_0, EBX, CPUID_7_EBX_SMEP),
    FEATURE(CR4_SMAP, 7_0, EBX, CPUID_7_EBX_SMAP),
    FEATURE(CR4_PKE, 7_0, ECX, CPUID_7_ECX_PKU),
    FEATURE(CR4_CET, 7_0, ECX, CPUID_7_ECX_CET_SS),
    FEATURE(CR4_CET, 7_0, EDX, CPUID_7_EDX_CET_IBT),
    FEATURE(CR4_CET, 7_1, EDX, BIT(18) /* CET_SSS */),
    FEATURE(CR4_PKS, 7_0, ECX, CPUID_7_ECX_PKS),
    FEATURE(CR4_UINTR, 7_0, EDX, CPUID_7_EDX_UINTR),
    FEATURE(CR4_LASS, 7_1, EAX, CPUID_7_1_EAX_LASS),
    FEATURE(CR4_LAM_SUP, 7_1, EAX, CPUID_7_1_EAX_LAM),
};
const unsigned cr4_feature_count = ARRAY_SIZE(cr4_features);
