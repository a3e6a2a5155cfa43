/* CPUID leaves and the feature bits that a hypervisor looks at.
 * Source: Intel SDM (325462-083US) vol. 2, "CPUID - CPU Identification", table 3-8, Information
 * Returned by CPUID Instruction. */
#pragma once

#include "base/bits.h"

#define CPUID_LEAF_VENDOR          0x00000000u
#define CPUID_LEAF_FEATURES        0x00000001u
#define CPUID_LEAF_CACHE           0x00000004u
#define CPUID_LEAF_MONITOR         0x00000005u
#define CPUID_LEAF_POWER           0x00000006u
#define CPUID_LEAF_EXTENDED        0x00000007u
#define CPUID_LEAF_PERFMON         0x0000000Au
#define CPUID_LEAF_TOPOLOGY        0x0000000Bu
#define CPUID_LEAF_XSAVE           0x0000000Du
#define CPUID_LEAF_RDT_MONITOR     0x0000000Fu
#define CPUID_LEAF_RDT_ALLOCATION  0x00000010u
#define CPUID_LEAF_SGX             0x00000012u
#define CPUID_LEAF_PT              0x00000014u
#define CPUID_LEAF_TSC             0x00000015u
#define CPUID_LEAF_FREQUENCY       0x00000016u
#define CPUID_LEAF_KEY_LOCKER      0x00000019u
#define CPUID_LEAF_LBR             0x0000001Cu
#define CPUID_LEAF_TOPOLOGY_V2     0x0000001Fu
#define CPUID_LEAF_HYPERVISOR      0x40000000u
#define CPUID_LEAF_HYPERVISOR_LAST 0x4FFFFFFFu
#define CPUID_LEAF_EXT_MAX         0x80000000u
#define CPUID_LEAF_EXT_FEATURES    0x80000001u
#define CPUID_LEAF_EXT_BRAND       0x80000002u
#define CPUID_LEAF_EXT_POWER       0x80000007u
#define CPUID_LEAF_EXT_ADDRESS     0x80000008u

/* Leaf 1. */
#define CPUID_1_ECX_SSE3         BIT(0)
#define CPUID_1_ECX_MONITOR      BIT(3)
#define CPUID_1_ECX_DS_CPL       BIT(4)
#define CPUID_1_ECX_VMX          BIT(5)
#define CPUID_1_ECX_SMX          BIT(6)
#define CPUID_1_ECX_SDBG         BIT(11)
#define CPUID_1_ECX_CX16         BIT(13)
#define CPUID_1_ECX_PDCM         BIT(15)
#define CPUID_1_ECX_PCID         BIT(17)
#define CPUID_1_ECX_X2APIC       BIT(21)
#define CPUID_1_ECX_TSC_DEADLINE BIT(24)
#define CPUID_1_ECX_XSAVE        BIT(26)
#define CPUID_1_ECX_OSXSAVE      BIT(27)
#define CPUID_1_ECX_AVX          BIT(28)
#define CPUID_1_ECX_RDRAND       BIT(30)
#define CPUID_1_ECX_HYPERVISOR   BIT(31)
#define CPUID_1_EDX_FPU          BIT(0)
#define CPUID_1_EDX_VME          BIT(1)
#define CPUID_1_EDX_DE           BIT(2)
#define CPUID_1_EDX_PSE          BIT(3)
#define CPUID_1_EDX_TSC          BIT(4)
#define CPUID_1_EDX_MSR          BIT(5)
#define CPUID_1_EDX_PAE          BIT(6)
#define CPUID_1_EDX_MCE          BIT(7)
#define CPUID_1_EDX_APIC         BIT(9)
#define CPUID_1_EDX_SEP          BIT(11)
#define CPUID_1_EDX_MTRR         BIT(12)
#define CPUID_1_EDX_PGE          BIT(13)
#define CPUID_1_EDX_MCA          BIT(14)
#define CPUID_1_EDX_PAT          BIT(16)
#define CPUID_1_EDX_DS           BIT(21)
#define CPUID_1_EDX_ACPI         BIT(22)
#define CPUID_1_EDX_FXSR         BIT(24)
#define CPUID_1_EDX_SSE          BIT(25)
#define CPUID_1_EDX_HTT          BIT(28)
#define CPUID_1_EBX_APIC_ID      BITS(31, 24)

/* Leaf 7, subleaf 0. */
#define CPUID_7_EBX_FSGSBASE          BIT(0)
#define CPUID_7_EBX_TSC_ADJUST        BIT(1)
#define CPUID_7_EBX_SGX               BIT(2)
#define CPUID_7_EBX_SMEP              BIT(7)
#define CPUID_7_EBX_INVPCID           BIT(10)
#define CPUID_7_EBX_RTM               BIT(11)
#define CPUID_7_EBX_MPX               BIT(14)
#define CPUID_7_EBX_RDSEED            BIT(18)
#define CPUID_7_EBX_SMAP              BIT(20)
#define CPUID_7_EBX_INTEL_PT          BIT(25)
#define CPUID_7_ECX_UMIP              BIT(2)
#define CPUID_7_ECX_PKU               BIT(3)
#define CPUID_7_ECX_OSPKE             BIT(4)
#define CPUID_7_ECX_WAITPKG           BIT(5)
#define CPUID_7_ECX_CET_SS            BIT(7)
#define CPUID_7_ECX_LA57              BIT(16)
#define CPUID_7_ECX_RDPID             BIT(22)
#define CPUID_7_ECX_KL                BIT(23)
#define CPUID_7_ECX_BUS_LOCK_DETECT   BIT(24)
#define CPUID_7_ECX_ENQCMD            BIT(29)
#define CPUID_7_ECX_SGX_LC            BIT(30)
#define CPUID_7_ECX_PKS               BIT(31)
#define CPUID_7_EDX_UINTR             BIT(5)
#define CPUID_7_EDX_HYBRID            BIT(15)
#define CPUID_7_EDX_PCONFIG           BIT(18)
#define CPUID_7_EDX_ARCH_LBR          BIT(19)
#define CPUID_7_EDX_CET_IBT           BIT(20)
#define CPUID_7_EDX_IBRS_IBPB         BIT(26)
#define CPUID_7_EDX_STIBP             BIT(27)
#define CPUID_7_EDX_L1D_FLUSH         BIT(28)
#define CPUID_7_EDX_ARCH_CAPABILITIES BIT(29)
#define CPUID_7_EDX_CORE_CAPABILITIES BIT(30)
#define CPUID_7_EDX_SSBD              BIT(31)
#define CPUID_7_1_EAX_LASS            BIT(6)
#define CPUID_7_1_EAX_FRED            BIT(17)
#define CPUID_7_1_EAX_LAM             BIT(26)

/* Leaf 0DH, subleaf 1. */
#define CPUID_D_1_EAX_XSAVEOPT BIT(0)
#define CPUID_D_1_EAX_XSAVEC   BIT(1)
#define CPUID_D_1_EAX_XGETBV_1 BIT(2)
#define CPUID_D_1_EAX_XSAVES   BIT(3)
#define CPUID_D_1_EAX_XFD      BIT(4)

/* Leaf 80000001H. */
#define CPUID_EXT_1_ECX_SVM     BIT(2) /* AMD */
#define CPUID_EXT_1_EDX_SYSCALL BIT(11)
#define CPUID_EXT_1_EDX_NX      BIT(20)
#define CPUID_EXT_1_EDX_PAGE_1G BIT(26)
#define CPUID_EXT_1_EDX_RDTSCP  BIT(27)
#define CPUID_EXT_1_EDX_LM      BIT(29)

/* Leaf 80000007H and 80000008H. */
#define CPUID_EXT_7_EDX_INVARIANT_TSC BIT(8)
#define CPUID_EXT_8_EAX_PHYSICAL_BITS BITS(7, 0)
#define CPUID_EXT_8_EAX_LINEAR_BITS   BITS(15, 8)
