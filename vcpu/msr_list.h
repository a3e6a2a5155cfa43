/* The table of msr_table.h, for the two files that expand it. */
#pragma once

#include "base/bits.h"
#include "base/x86/msr.h"
#include "vcpu/msr_table.h"

/* MSRs that nothing else in Orlop names; the remark says what tells of them. */
#define MSR_TRACE_HUB_STH_ACPIBAR_BASE 0x0080u /* model-specific */
#define MSR_IA32_CORE_CAPABILITIES     0x00cfu /* CORE_CAPABILITIES */
#define MSR_PRMRR_PHYS_BASE            0x01f4u /* MTRRCAP bit 12 */
#define MSR_PRMRR_BASE_0               0x02a0u /* MTRRCAP bit 12 */
#define MSR_IA32_PEBS_BASE             0x03f4u /* leaf 23H */
#define MSR_IA32_TME_ACTIVATE          0x0982u /* leaf 7 ECX bit 13 */
#define MSR_IA32_UINTR_RR              0x0985u /* UINTR; six */
#define MSR_IA32_RAR_CTRL              0x0ed0u /* CORE_CAPABILITIES bit 1; four */
#define MSR_IA32_SEAMRR_PHYS_BASE      0x1400u /* MTRRCAP bit 15 */
#define MSR_IA32_HW_FEEDBACK_PTR       0x17d0u /* leaf 6 EAX bit 19; two */

/* X(first, last, NAME, read, write, rule, gate, memory, why)
 *
 * read, write: enum msr_access. rule: read_RULE() and write_RULE() below judge what is GUARDed.
 * gate: where the policy opens it, the row is passed. memory: enum msr_memory. Sorted. */
#define MSR_TABLE(X)                                                                               \
    X(MSR_IA32_APIC_BASE, MSR_IA32_APIC_BASE, IA32_APIC_BASE, PASS, GUARD, apic_base, NEVER,       \
      PHYSICAL, "the APIC's page over Orlop would take Orlop's own accesses")                      \
    X(MSR_MEMORY_CTRL, MSR_MEMORY_CTRL, MEMORY_CTRL, PASS, GUARD, memory_ctrl, NEVER, NONE,        \
      "UC-lock disable would make locked accesses of Orlop's own fault")                           \
    X(MSR_IA32_FEATURE_CONTROL, MSR_IA32_FEATURE_CONTROL, IA32_FEATURE_CONTROL, GUARD, FAULT,      \
      feature_control, NEVER, NONE, "reads as locked with VMX off")                                \
    X(MSR_IA32_BIOS_UPDT_TRIG, MSR_IA32_BIOS_UPDT_TRIG, IA32_BIOS_UPDT_TRIG, PASS, GUARD,          \
      updt_trig, NEVER, LINEAR, "an update under Orlop's feet: taken, without effect")             \
    X(MSR_TRACE_HUB_STH_ACPIBAR_BASE, MSR_TRACE_HUB_STH_ACPIBAR_BASE, TRACE_HUB_STH_ACPIBAR_BASE,  \
      PASS, FAULT, none, NEVER, PHYSICAL, "places a device over any memory")                       \
    X(MSR_IA32_SMM_MONITOR_CTL, MSR_IA32_SMM_MONITOR_CTL, IA32_SMM_MONITOR_CTL, FAULT, FAULT,      \
      none, NEVER, PHYSICAL, "belongs to VMX, which the guest does not have")                      \
    X(MSR_IA32_CORE_CAPABILITIES, MSR_IA32_CORE_CAPABILITIES, IA32_CORE_CAPABILITIES, GUARD, PASS, \
      filtered, NEVER, NONE, "tells of remote action requests and UC-lock disable")                \
    X(MSR_IA32_MISC_ENABLE, MSR_IA32_MISC_ENABLE, IA32_MISC_ENABLE, GUARD, GUARD, misc_enable,     \
      NEVER, NONE, "XD disable would make Orlop's page tables invalid; tells of PEBS")             \
    X(MSR_IA32_DEBUGCTL, MSR_IA32_DEBUGCTL, IA32_DEBUGCTL, PASS, PASS, none, NEVER, LINEAR,        \
      "in the VMCS; branch trace records stop at each exit")                                       \
    X(MSR_PRMRR_PHYS_BASE, MSR_PRMRR_PHYS_BASE + 1, PRMRR_PHYS, PASS, FAULT, none, NEVER,          \
      PHYSICAL, "makes memory unreachable; firmware's, locked")                                    \
    X(MSR_IA32_MTRR_PHYSBASE(0), MSR_IA32_MTRR_PHYSMASK(0x27), IA32_MTRR_PHYS, GUARD, GUARD,       \
      mtrr_variable, NEVER, NONE, "would make Orlop uncached: kept in a shadow")                   \
    X(MSR_IA32_MTRR_FIX64K_00000, MSR_IA32_MTRR_FIX64K_00000, IA32_MTRR_FIX64K, GUARD, GUARD,      \
      mtrr_fixed, NEVER, NONE, "as the variable ones")                                             \
    X(MSR_IA32_MTRR_FIX16K_80000, MSR_IA32_MTRR_FIX16K_A0000, IA32_MTRR_FIX16K, GUARD, GUARD,      \
      mtrr_fixed, NEVER, NONE, "as the variable ones")                                             \
    X(MSR_IA32_MTRR_FIX4K_C0000, MSR_IA32_MTRR_FIX4K_F8000, IA32_MTRR_FIX4K, GUARD, GUARD,         \
      mtrr_fixed, NEVER, NONE, "as the variable ones")                                             \
    X(MSR_IA32_PAT, MSR_IA32_PAT, IA32_PAT, PASS, PASS, none, NEVER, NONE, "in the VMCS")          \
    X(MSR_PRMRR_BASE_0, MSR_PRMRR_BASE_0, PRMRR_BASE_0, PASS, FAULT, none, NEVER, PHYSICAL,        \
      "as PRMRR_PHYS")                                                                             \
    X(MSR_IA32_MTRR_DEF_TYPE, MSR_IA32_MTRR_DEF_TYPE, IA32_MTRR_DEF_TYPE, GUARD, GUARD,            \
      mtrr_default, NEVER, NONE, "as the variable ones")                                           \
    X(MSR_IA32_PERF_CAPABILITIES, MSR_IA32_PERF_CAPABILITIES, IA32_PERF_CAPABILITIES, GUARD, PASS, \
      filtered, PEBS, NONE, "tells of PEBS")                                                       \
    X(MSR_IA32_PEBS_ENABLE, MSR_IA32_PEBS_ENABLE, IA32_PEBS_ENABLE, PASS, GUARD, pebs, PEBS,       \
      LINEAR, "a counter that overflows in root mode writes where Orlop's tables say")             \
    X(MSR_IA32_PEBS_BASE, MSR_IA32_PEBS_BASE + 1, IA32_PEBS_BASE, PASS, GUARD, pebs, PEBS, LINEAR, \
      "as IA32_PEBS_ENABLE")                                                                       \
    X(MSR_IA32_VMX_BASIC, MSR_IA32_VMX_EXIT_CTLS2, IA32_VMX, FAULT, FAULT, none, NEVER, NONE,      \
      "belong to VMX, which the guest does not have")                                              \
    X(MSR_IA32_RTIT_OUTPUT_BASE, MSR_IA32_RTIT_CR3_MATCH, IA32_RTIT, FAULT, FAULT, none, PT,       \
      PHYSICAL, "trace output goes past EPT, unless PT uses guest physical addresses")             \
    X(MSR_IA32_RTIT_ADDR0_A, MSR_IA32_RTIT_ADDR3_B, IA32_RTIT_ADDR, FAULT, FAULT, none, PT, NONE,  \
      "as IA32_RTIT")                                                                              \
    X(MSR_IA32_DS_AREA, MSR_IA32_DS_AREA, IA32_DS_AREA, PASS, PASS, none, NEVER, LINEAR,           \
      "used by BTS, which an exit stops, and by PEBS, which is guarded")                           \
    X(MSR_IA32_TME_ACTIVATE, MSR_IA32_TME_ACTIVATE + 2, IA32_TME, PASS, FAULT, none, NEVER,        \
      PHYSICAL, "re-encrypts memory; firmware's, locked")                                          \
    X(MSR_IA32_UINTR_RR, MSR_IA32_UINTR_RR + 5, IA32_UINTR, PASS, PASS, none, NEVER, LINEAR,       \
      "used at CPL 3 alone, so through EPT")                                                       \
    X(MSR_IA32_XSS, MSR_IA32_XSS, IA32_XSS, PASS, GUARD, xss, NEVER, NONE,                         \
      "XRSTORS of a hidden component (PT's) would write its MSRs")                                 \
    X(MSR_IA32_RAR_CTRL, MSR_IA32_RAR_CTRL + 3, IA32_RAR, FAULT, FAULT, none, NEVER, PHYSICAL,     \
      "remote action requests read and write a table past EPT")                                    \
    X(MSR_IA32_SEAMRR_PHYS_BASE, MSR_IA32_SEAMRR_PHYS_BASE + 1, IA32_SEAMRR_PHYS, PASS, FAULT,     \
      none, NEVER, PHYSICAL, "as PRMRR_PHYS")                                                      \
    X(MSR_IA32_HW_FEEDBACK_PTR, MSR_IA32_HW_FEEDBACK_PTR + 1, IA32_HW_FEEDBACK, FAULT, FAULT,      \
      none, NEVER, PHYSICAL, "the processor writes its feedback table past EPT")                   \
    X(MSR_IA32_EFER, MSR_IA32_EFER, IA32_EFER, PASS, PASS, none, NEVER, NONE,                      \
      "in the VMCS; the CPU keeps LMA and \"IA-32e mode guest\" in step")

/* Indexes that the bitmap covers. */
#define MSR_LOW_LAST   0x00001fffu
#define MSR_HIGH_FIRST 0xc0000000u
#define MSR_HIGH_LAST  0xc0001fffu

#define GATE_NEVER(policy) false
#define GATE_PT(policy)    ((policy)->pt_passes)
#define GATE_PEBS(policy)  ((policy)->pebs_passes)
