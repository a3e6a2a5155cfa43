/* Model-specific registers that a hypervisor meets, under their SDM names. The remark names what
 * says that the register exists (a CPUID bit, see cpuid.h, or another register); reading one
 * without it is #GP. No remark: every processor in 64-bit mode has it.
 * Source: Intel SDM (325462-083US) vol. 4, section 2.1, Architectural MSRs; the bits of EFER from
 * vol. 3, section 2.2.1, Extended Feature Enable Register. */
#pragma once

#include "base/bits.h"

#define MSR_IA32_P5_MC_ADDR               0x0000u
#define MSR_IA32_P5_MC_TYPE               0x0001u
#define MSR_IA32_MONITOR_FILTER_SIZE      0x0006u /* MONITOR */
#define MSR_IA32_TIME_STAMP_COUNTER       0x0010u
#define MSR_IA32_PLATFORM_ID              0x0017u
#define MSR_IA32_APIC_BASE                0x001Bu
#define MSR_MEMORY_CTRL                   0x0033u /* CORE_CAPABILITIES bits 4, 5; UC_LOCK_DIS */
#define MSR_IA32_FEATURE_CONTROL          0x003Au /* VMX or SMX (or SGX, LMCE) */
#define MSR_IA32_TSC_ADJUST               0x003Bu /* TSC_ADJUST */
#define MSR_IA32_SPEC_CTRL                0x0048u /* IBRS_IBPB, STIBP or SSBD */
#define MSR_IA32_PRED_CMD                 0x0049u /* IBRS_IBPB */
#define MSR_IA32_BIOS_UPDT_TRIG           0x0079u
#define MSR_IA32_BIOS_SIGN_ID             0x008Bu
#define MSR_IA32_SGXLEPUBKEYHASH0         0x008Cu /* SGX_LC; four */
#define MSR_IA32_SMM_MONITOR_CTL          0x009Bu /* SMX or VMX_BASIC bit 49, dual monitor */
#define MSR_IA32_SMBASE                   0x009Eu /* VMX_MISC bit 15; in SMM alone */
#define MSR_IA32_PMC0                     0x00C1u /* leaf 0AH */
#define MSR_IA32_UMWAIT_CONTROL           0x00E1u /* WAITPKG */
#define MSR_IA32_MPERF                    0x00E7u /* leaf 6 ECX bit 0 */
#define MSR_IA32_APERF                    0x00E8u /* leaf 6 ECX bit 0 */
#define MSR_IA32_MTRRCAP                  0x00FEu /* MTRR */
#define MSR_IA32_ARCH_CAPABILITIES        0x010Au /* ARCH_CAPABILITIES */
#define MSR_IA32_FLUSH_CMD                0x010Bu /* L1D_FLUSH */
#define MSR_IA32_TSX_CTRL                 0x0122u /* ARCH_CAPABILITIES bit 7 */
#define MSR_IA32_SYSENTER_CS              0x0174u /* SEP */
#define MSR_IA32_SYSENTER_ESP             0x0175u /* SEP */
#define MSR_IA32_SYSENTER_EIP             0x0176u /* SEP */
#define MSR_IA32_MCG_CAP                  0x0179u /* MCA */
#define MSR_IA32_MCG_STATUS               0x017Au /* MCA */
#define MSR_IA32_MCG_CTL                  0x017Bu /* MCG_CAP bit 8 */
#define MSR_IA32_PERFEVTSEL0              0x0186u /* leaf 0AH */
#define MSR_IA32_PERF_STATUS              0x0198u
#define MSR_IA32_PERF_CTL                 0x0199u
#define MSR_IA32_CLOCK_MODULATION         0x019Au /* ACPI */
#define MSR_IA32_THERM_INTERRUPT          0x019Bu /* ACPI */
#define MSR_IA32_THERM_STATUS             0x019Cu /* ACPI */
#define MSR_IA32_MISC_ENABLE              0x01A0u
#define MSR_IA32_ENERGY_PERF_BIAS         0x01B0u /* leaf 6 ECX bit 3 */
#define MSR_IA32_XFD                      0x01C4u /* leaf 0DH subleaf 1 EAX bit 4 */
#define MSR_IA32_XFD_ERR                  0x01C5u /* leaf 0DH subleaf 1 EAX bit 4 */
#define MSR_IA32_DEBUGCTL                 0x01D9u
#define MSR_IA32_SMRR_PHYSBASE            0x01F2u /* MTRRCAP bit 11; in SMM alone */
#define MSR_IA32_SMRR_PHYSMASK            0x01F3u /* MTRRCAP bit 11; in SMM alone */
#define MSR_IA32_MTRR_PHYSBASE0           0x0200u /* MTRRCAP bits 7:0 pairs */
#define MSR_IA32_MTRR_PHYSMASK0           0x0201u
#define MSR_IA32_MTRR_PHYSBASE(n)         (MSR_IA32_MTRR_PHYSBASE0 + 2u * (n))
#define MSR_IA32_MTRR_PHYSMASK(n)         (MSR_IA32_MTRR_PHYSMASK0 + 2u * (n))
#define MSR_IA32_MTRR_FIX64K_00000        0x0250u /* MTRRCAP bit 8, this and the next ten */
#define MSR_IA32_MTRR_FIX16K_80000        0x0258u
#define MSR_IA32_MTRR_FIX16K_A0000        0x0259u
#define MSR_IA32_MTRR_FIX4K_C0000         0x0268u
#define MSR_IA32_MTRR_FIX4K_C8000         0x0269u
#define MSR_IA32_MTRR_FIX4K_D0000         0x026Au
#define MSR_IA32_MTRR_FIX4K_D8000         0x026Bu
#define MSR_IA32_MTRR_FIX4K_E0000         0x026Cu
#define MSR_IA32_MTRR_FIX4K_E8000         0x026Du
#define MSR_IA32_MTRR_FIX4K_F0000         0x026Eu
#define MSR_IA32_MTRR_FIX4K_F8000         0x026Fu
#define MSR_IA32_PAT                      0x0277u /* PAT */
#define MSR_IA32_MC0_CTL2                 0x0280u /* MCG_CAP bit 10 */
#define MSR_IA32_MTRR_DEF_TYPE            0x02FFu /* MTRR */
#define MSR_IA32_FIXED_CTR0               0x0309u /* leaf 0AH */
#define MSR_IA32_PERF_CAPABILITIES        0x0345u /* PDCM */
#define MSR_IA32_FIXED_CTR_CTRL           0x038Du /* leaf 0AH */
#define MSR_IA32_PERF_GLOBAL_STATUS       0x038Eu /* leaf 0AH */
#define MSR_IA32_PERF_GLOBAL_CTRL         0x038Fu /* leaf 0AH */
#define MSR_IA32_PERF_GLOBAL_OVF_CTRL     0x0390u /* leaf 0AH */
#define MSR_IA32_PEBS_ENABLE              0x03F1u
#define MSR_IA32_MC0_CTL                  0x0400u /* MCA; MCG_CAP bits 7:0 banks of four */
#define MSR_IA32_VMX_BASIC                0x0480u /* VMX, this and the next ten */
#define MSR_IA32_VMX_PINBASED_CTLS        0x0481u
#define MSR_IA32_VMX_PROCBASED_CTLS       0x0482u
#define MSR_IA32_VMX_EXIT_CTLS            0x0483u
#define MSR_IA32_VMX_ENTRY_CTLS           0x0484u
#define MSR_IA32_VMX_MISC                 0x0485u
#define MSR_IA32_VMX_CR0_FIXED0           0x0486u
#define MSR_IA32_VMX_CR0_FIXED1           0x0487u
#define MSR_IA32_VMX_CR4_FIXED0           0x0488u
#define MSR_IA32_VMX_CR4_FIXED1           0x0489u
#define MSR_IA32_VMX_VMCS_ENUM            0x048Au
#define MSR_IA32_VMX_PROCBASED_CTLS2      0x048Bu /* PROCBASED_CTLS bit 63 */
#define MSR_IA32_VMX_EPT_VPID_CAP         0x048Cu /* PROCBASED_CTLS2 bit 33 or 37, EPT or VPID */
#define MSR_IA32_VMX_TRUE_PINBASED_CTLS   0x048Du /* VMX_BASIC bit 55, this and the next three */
#define MSR_IA32_VMX_TRUE_PROCBASED_CTLS  0x048Eu
#define MSR_IA32_VMX_TRUE_EXIT_CTLS       0x048Fu
#define MSR_IA32_VMX_TRUE_ENTRY_CTLS      0x0490u
#define MSR_IA32_VMX_VMFUNC               0x0491u /* PROCBASED_CTLS2 bit 45, VM functions */
#define MSR_IA32_VMX_PROCBASED_CTLS3      0x0492u /* PROCBASED_CTLS bit 49, tertiary */
#define MSR_IA32_VMX_EXIT_CTLS2           0x0493u /* EXIT_CTLS bit 63, secondary exit controls */
#define MSR_IA32_A_PMC0                   0x04C1u /* PERF_CAPABILITIES bit 13 */
#define MSR_IA32_RTIT_OUTPUT_BASE         0x0560u /* INTEL_PT, this and those up to RTIT_ADDR */
#define MSR_IA32_RTIT_OUTPUT_MASK_PTRS    0x0561u
#define MSR_IA32_RTIT_CTL                 0x0570u
#define MSR_IA32_RTIT_STATUS              0x0571u
#define MSR_IA32_RTIT_CR3_MATCH           0x0572u
#define MSR_IA32_RTIT_ADDR0_A             0x0580u /* leaf 14H; A and B of up to four */
#define MSR_IA32_RTIT_ADDR3_B             0x0587u
#define MSR_IA32_DS_AREA                  0x0600u /* DS */
#define MSR_IA32_U_CET                    0x06A0u /* CET_SS or CET_IBT */
#define MSR_IA32_S_CET                    0x06A2u /* CET_SS or CET_IBT */
#define MSR_IA32_PL0_SSP                  0x06A4u /* CET_SS */
#define MSR_IA32_PL3_SSP                  0x06A7u /* CET_SS */
#define MSR_IA32_INTERRUPT_SSP_TABLE_ADDR 0x06A8u /* CET_SS */
#define MSR_IA32_TSC_DEADLINE             0x06E0u /* TSC_DEADLINE */
#define MSR_IA32_PKRS                     0x06E1u /* PKS */
#define MSR_IA32_PM_ENABLE                0x0770u /* leaf 6 EAX bit 7 */
#define MSR_IA32_HWP_REQUEST              0x0774u /* leaf 6 EAX bit 7 */
#define MSR_IA32_X2APIC_BASE              0x0800u /* X2APIC; names by register in apic.h */
#define MSR_IA32_X2APIC_LAST              0x08FFu
#define MSR_IA32_DEBUG_INTERFACE          0x0C80u     /* SDBG */
#define MSR_IA32_PQR_ASSOC                0x0C8Fu     /* RDT */
#define MSR_IA32_BNDCFGS                  0x0D90u     /* MPX */
#define MSR_IA32_PASID                    0x0D93u     /* ENQCMD */
#define MSR_IA32_XSS                      0x0DA0u     /* leaf 0DH subleaf 1 EAX bit 3 */
#define MSR_IA32_LBR_CTL                  0x14CEu     /* ARCH_LBR */
#define MSR_IA32_EFER                     0xC0000080u /* NX or LM */
#define MSR_IA32_STAR                     0xC0000081u
#define MSR_IA32_LSTAR                    0xC0000082u
#define MSR_IA32_CSTAR                    0xC0000083u
#define MSR_IA32_FMASK                    0xC0000084u
#define MSR_IA32_FS_BASE                  0xC0000100u
#define MSR_IA32_GS_BASE                  0xC0000101u
#define MSR_IA32_KERNEL_GS_BASE           0xC0000102u
#define MSR_IA32_TSC_AUX                  0xC0000103u /* RDTSCP or RDPID */
#define MSR_IA32_TSC                      MSR_IA32_TIME_STAMP_COUNTER

#define APIC_BASE_BSP          BIT(8)
#define APIC_BASE_EXTD         BIT(10) /* x2APIC mode */
#define APIC_BASE_EN           BIT(11)
#define APIC_BASE_ADDRESS_MASK BITS(51, 12)

#define FEATURE_CONTROL_LOCK            BIT(0)
#define FEATURE_CONTROL_VMX_INSIDE_SMX  BIT(1)
#define FEATURE_CONTROL_VMX_OUTSIDE_SMX BIT(2)
#define FEATURE_CONTROL_SENTER_MASK     BITS(15, 8)
#define FEATURE_CONTROL_SGX_LC          BIT(17)
#define FEATURE_CONTROL_SGX             BIT(18)
#define FEATURE_CONTROL_LMCE            BIT(20)

#define EFER_SCE BIT(0)
#define EFER_LME BIT(8)
#define EFER_LMA BIT(10)
#define EFER_NXE BIT(11)

#define DEBUGCTL_LBR                BIT(0)
#define DEBUGCTL_BTF                BIT(1)
#define DEBUGCTL_BUS_LOCK_DETECT    BIT(2)
#define DEBUGCTL_TR                 BIT(6)
#define DEBUGCTL_BTS                BIT(7)
#define DEBUGCTL_BTINT              BIT(8)
#define DEBUGCTL_BTS_OFF_OS         BIT(9)
#define DEBUGCTL_BTS_OFF_USR        BIT(10)
#define DEBUGCTL_FREEZE_LBRS_ON_PMI BIT(11)
#define DEBUGCTL_FREEZE_PERFMON     BIT(12)
#define DEBUGCTL_UNCORE_PMI         BIT(13)
#define DEBUGCTL_FREEZE_WHILE_SMM   BIT(14)
#define DEBUGCTL_RTM                BIT(15)

/* A locked access to memory that is not write-back faults: SDM vol. 3A, 9.1.2.3 "Features to
 * Disable Bus Locks". */
#define MEMORY_CTRL_UC_LOCK_DISABLE BIT(28)

#define MISC_ENABLE_FAST_STRINGS   BIT(0)
#define MISC_ENABLE_ENABLE_MONITOR BIT(18)
#define MISC_ENABLE_LIMIT_CPUID    BIT(22)
#define MISC_ENABLE_XD_DISABLE     BIT(34)

#define RTIT_CTL_TRACE_EN BIT(0)
