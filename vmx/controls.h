/* The bits of the VMX control and capability words under their SDM names. Each word is one X-list,
 * which makes the masks (`PIN_NMI_EXITING`, an integer constant expression) and the names that
 * reports and refusals print (vmx/capabilities.h).
 * Source: Intel SDM (325462-083US) vol. 3, sections 25.6 to 25.8 (VM-Execution, VM-Exit and
 * VM-Entry Control Fields) and Appendix A, VMX Capability Reporting Facility. */
#pragma once

#include "base/types.h"

/* X(bit, NAME, "SDM name") */
#define PIN_CONTROL_BITS(X)                                                                        \
    X(0, EXTERNAL_INTERRUPT_EXITING, "external-interrupt exiting")                                 \
    X(3, NMI_EXITING, "NMI exiting")                                                               \
    X(5, VIRTUAL_NMIS, "virtual NMIs")                                                             \
    X(6, PREEMPTION_TIMER, "activate VMX-preemption timer")                                        \
    X(7, PROCESS_POSTED_INTERRUPTS, "process posted interrupts")

#define PRIMARY_CONTROL_BITS(X)                                                                    \
    X(2, INTERRUPT_WINDOW_EXITING, "interrupt-window exiting")                                     \
    X(3, USE_TSC_OFFSETTING, "use TSC offsetting")                                                 \
    X(7, HLT_EXITING, "HLT exiting")                                                               \
    X(9, INVLPG_EXITING, "INVLPG exiting")                                                         \
    X(10, MWAIT_EXITING, "MWAIT exiting")                                                          \
    X(11, RDPMC_EXITING, "RDPMC exiting")                                                          \
    X(12, RDTSC_EXITING, "RDTSC exiting")                                                          \
    X(15, CR3_LOAD_EXITING, "CR3-load exiting")                                                    \
    X(16, CR3_STORE_EXITING, "CR3-store exiting")                                                  \
    X(17, ACTIVATE_TERTIARY_CONTROLS, "activate tertiary controls")                                \
    X(19, CR8_LOAD_EXITING, "CR8-load exiting")                                                    \
    X(20, CR8_STORE_EXITING, "CR8-store exiting")                                                  \
    X(21, USE_TPR_SHADOW, "use TPR shadow")                                                        \
    X(22, NMI_WINDOW_EXITING, "NMI-window exiting")                                                \
    X(23, MOV_DR_EXITING, "MOV-DR exiting")                                                        \
    X(24, UNCONDITIONAL_IO_EXITING, "unconditional I/O exiting")                                   \
    X(25, USE_IO_BITMAPS, "use I/O bitmaps")                                                       \
    X(27, MONITOR_TRAP_FLAG, "monitor trap flag")                                                  \
    X(28, USE_MSR_BITMAPS, "use MSR bitmaps")                                                      \
    X(29, MONITOR_EXITING, "MONITOR exiting")                                                      \
    X(30, PAUSE_EXITING, "PAUSE exiting")                                                          \
    X(31, ACTIVATE_SECONDARY_CONTROLS, "activate secondary controls")

#define SECONDARY_CONTROL_BITS(X)                                                                  \
    X(0, VIRTUALIZE_APIC_ACCESSES, "virtualize APIC accesses")                                     \
    X(1, ENABLE_EPT, "enable EPT")                                                                 \
    X(2, DESCRIPTOR_TABLE_EXITING, "descriptor-table exiting")                                     \
    X(3, ENABLE_RDTSCP, "enable RDTSCP")                                                           \
    X(4, VIRTUALIZE_X2APIC_MODE, "virtualize x2APIC mode")                                         \
    X(5, ENABLE_VPID, "enable VPID")                                                               \
    X(6, WBINVD_EXITING, "WBINVD exiting")                                                         \
    X(7, UNRESTRICTED_GUEST, "unrestricted guest")                                                 \
    X(8, APIC_REGISTER_VIRTUALIZATION, "APIC-register virtualization")                             \
    X(9, VIRTUAL_INTERRUPT_DELIVERY, "virtual-interrupt delivery")                                 \
    X(10, PAUSE_LOOP_EXITING, "PAUSE-loop exiting")                                                \
    X(11, RDRAND_EXITING, "RDRAND exiting")                                                        \
    X(12, ENABLE_INVPCID, "enable INVPCID")                                                        \
    X(13, ENABLE_VM_FUNCTIONS, "enable VM functions")                                              \
    X(14, VMCS_SHADOWING, "VMCS shadowing")                                                        \
    X(15, ENABLE_ENCLS_EXITING, "enable ENCLS exiting")                                            \
    X(16, RDSEED_EXITING, "RDSEED exiting")                                                        \
    X(17, ENABLE_PML, "enable PML")                                                                \
    X(18, EPT_VIOLATION_VE, "EPT-violation #VE")                                                   \
    X(19, CONCEAL_VMX_FROM_PT, "conceal VMX from PT")                                              \
    X(20, ENABLE_XSAVES_XRSTORS, "enable XSAVES/XRSTORS")                                          \
    X(21, PASID_TRANSLATION, "PASID translation")                                                  \
    X(22, MODE_BASED_EXECUTE_CONTROL, "mode-based execute control for EPT")                        \
    X(23, SUB_PAGE_WRITE_PERMISSIONS, "sub-page write permissions for EPT")                        \
    X(24, PT_USES_GUEST_PHYSICAL, "Intel PT uses guest physical addresses")                        \
    X(25, USE_TSC_SCALING, "use TSC scaling")                                                      \
    X(26, ENABLE_USER_WAIT_AND_PAUSE, "enable user wait and pause")                                \
    X(27, ENABLE_PCONFIG, "enable PCONFIG")                                                        \
    X(28, ENABLE_ENCLV_EXITING, "enable ENCLV exiting")                                            \
    X(30, BUS_LOCK_DETECTION, "VMM bus-lock detection")                                            \
    X(31, INSTRUCTION_TIMEOUT, "instruction timeout")

#define TERTIARY_CONTROL_BITS(X)                                                                   \
    X(0, LOADIWKEY_EXITING, "LOADIWKEY exiting")                                                   \
    X(1, ENABLE_HLAT, "enable HLAT")                                                               \
    X(2, EPT_PAGING_WRITE_CONTROL, "EPT paging-write control")                                     \
    X(3, GUEST_PAGING_VERIFICATION, "guest-paging verification")                                   \
    X(4, IPI_VIRTUALIZATION, "IPI virtualization")                                                 \
    X(7, VIRTUALIZE_SPEC_CTRL, "virtualize IA32_SPEC_CTRL")

#define EXIT_CONTROL_BITS(X)                                                                       \
    X(2, SAVE_DEBUG_CONTROLS, "save debug controls")                                               \
    X(9, HOST_ADDRESS_SPACE_SIZE, "host address-space size")                                       \
    X(12, LOAD_PERF_GLOBAL_CTRL, "load IA32_PERF_GLOBAL_CTRL on exit")                             \
    X(15, ACKNOWLEDGE_INTERRUPT, "acknowledge interrupt on exit")                                  \
    X(18, SAVE_PAT, "save IA32_PAT")                                                               \
    X(19, LOAD_PAT, "load IA32_PAT on exit")                                                       \
    X(20, SAVE_EFER, "save IA32_EFER")                                                             \
    X(21, LOAD_EFER, "load IA32_EFER on exit")                                                     \
    X(22, SAVE_PREEMPTION_TIMER, "save VMX-preemption timer value")                                \
    X(23, CLEAR_BNDCFGS, "clear IA32_BNDCFGS")                                                     \
    X(24, CONCEAL_VMX_FROM_PT, "conceal VMX from PT on exit")                                      \
    X(25, CLEAR_RTIT_CTL, "clear IA32_RTIT_CTL")                                                   \
    X(26, CLEAR_LBR_CTL, "clear IA32_LBR_CTL")                                                     \
    X(27, CLEAR_UINV, "clear UINV")                                                                \
    X(28, LOAD_CET_STATE, "load CET state on exit")                                                \
    X(29, LOAD_PKRS, "load PKRS on exit")                                                          \
    X(30, SAVE_PERF_GLOBAL_CTRL, "save IA32_PERF_GLOBAL_CTRL")                                     \
    X(31, ACTIVATE_SECONDARY_CONTROLS, "activate secondary controls on exit")

#define ENTRY_CONTROL_BITS(X)                                                                      \
    X(2, LOAD_DEBUG_CONTROLS, "load debug controls")                                               \
    X(9, IA32E_MODE_GUEST, "IA-32e mode guest")                                                    \
    X(10, ENTRY_TO_SMM, "entry to SMM")                                                            \
    X(11, DEACTIVATE_DUAL_MONITOR, "deactivate dual-monitor treatment")                            \
    X(13, LOAD_PERF_GLOBAL_CTRL, "load IA32_PERF_GLOBAL_CTRL on entry")                            \
    X(14, LOAD_PAT, "load IA32_PAT on entry")                                                      \
    X(15, LOAD_EFER, "load IA32_EFER on entry")                                                    \
    X(16, LOAD_BNDCFGS, "load IA32_BNDCFGS")                                                       \
    X(17, CONCEAL_VMX_FROM_PT, "conceal VMX from PT on entry")                                     \
    X(18, LOAD_RTIT_CTL, "load IA32_RTIT_CTL")                                                     \
    X(19, LOAD_UINV, "load UINV")                                                                  \
    X(20, LOAD_CET_STATE, "load CET state on entry")                                               \
    X(21, LOAD_LBR_CTL, "load guest IA32_LBR_CTL")                                                 \
    X(22, LOAD_PKRS, "load PKRS on entry")

/* Appendix A.10, VPID and EPT Capabilities. */
#define EPT_VPID_CAP_BITS(X)                                                                       \
    X(0, EXECUTE_ONLY, "execute-only EPT translations")                                            \
    X(6, WALK_4, "EPT page-walk length 4")                                                         \
    X(7, WALK_5, "EPT page-walk length 5")                                                         \
    X(8, MEMORY_TYPE_UC, "EPT paging structures of memory type UC")                                \
    X(14, MEMORY_TYPE_WB, "EPT paging structures of memory type WB")                               \
    X(16, PAGE_2M, "EPT 2-MByte pages")                                                            \
    X(17, PAGE_1G, "EPT 1-GByte pages")                                                            \
    X(20, INVEPT, "INVEPT")                                                                        \
    X(21, ACCESSED_DIRTY, "accessed and dirty flags for EPT")                                      \
    X(22, ADVANCED_EXIT_INFO, "advanced VM-exit information for EPT violations")                   \
    X(23, SUPERVISOR_SHADOW_STACK, "supervisor shadow-stack control")                              \
    X(25, INVEPT_SINGLE, "single-context INVEPT")                                                  \
    X(26, INVEPT_ALL, "all-context INVEPT")                                                        \
    X(32, INVVPID, "INVVPID")                                                                      \
    X(40, INVVPID_ADDRESS, "individual-address INVVPID")                                           \
    X(41, INVVPID_SINGLE, "single-context INVVPID")                                                \
    X(42, INVVPID_ALL, "all-context INVVPID")                                                      \
    X(43, INVVPID_RETAINING_GLOBALS, "single-context-retaining-globals INVVPID")

/* Appendix A.1, Basic VMX Information: the single bits. */
#define VMX_BASIC_BITS(X)                                                                          \
    X(48, ADDRESSES_32_BIT, "VMX structures limited to 32-bit physical addresses")                 \
    X(49, DUAL_MONITOR, "dual-monitor treatment of SMIs and SMM")                                  \
    X(54, INS_OUTS_INFO, "VM-exit information for INS and OUTS")                                   \
    X(55, TRUE_CONTROLS, "TRUE capability MSRs")                                                   \
    X(56, ANY_ERROR_CODE, "VM entry can deliver an exception with or without error code")

/* Appendix A.6, Miscellaneous Data: the single bits. */
#define VMX_MISC_BITS(X)                                                                           \
    X(5, STORES_LMA, "VM exits store IA32_EFER.LMA into the IA-32e mode guest control")            \
    X(6, ACTIVITY_HLT, "activity state HLT")                                                       \
    X(7, ACTIVITY_SHUTDOWN, "activity state shutdown")                                             \
    X(8, ACTIVITY_WAIT_FOR_SIPI, "activity state wait-for-SIPI")                                   \
    X(14, PT_IN_VMX, "Intel PT can be used in VMX operation")                                      \
    X(15, SMBASE_READABLE, "RDMSR can read IA32_SMBASE in SMM")                                    \
    X(28, SMM_MONITOR_CTL_BIT_2, "IA32_SMM_MONITOR_CTL bit 2 can be set")                          \
    X(29, VMWRITE_ANY_FIELD, "VMWRITE to read-only fields")                                        \
    X(30, ZERO_LENGTH_INJECTION, "injection with instruction length 0")

#define CONTROL_MASK(prefix, bit, name) prefix##_##name = 1ull << (bit),
#define PIN_MASK(bit, name, text)       CONTROL_MASK(PIN, bit, name)
#define PRIMARY_MASK(bit, name, text)   CONTROL_MASK(PRIMARY, bit, name)
#define SECONDARY_MASK(bit, name, text) CONTROL_MASK(SECONDARY, bit, name)
#define TERTIARY_MASK(bit, name, text)  CONTROL_MASK(TERTIARY, bit, name)
#define EXIT_MASK(bit, name, text)      CONTROL_MASK(EXIT_CTL, bit, name)
#define ENTRY_MASK(bit, name, text)     CONTROL_MASK(ENTRY_CTL, bit, name)
#define EPT_VPID_MASK(bit, name, text)  CONTROL_MASK(EPT_VPID_CAP, bit, name)
#define BASIC_MASK(bit, name, text)     CONTROL_MASK(VMX_BASIC, bit, name)
#define MISC_MASK(bit, name, text)      CONTROL_MASK(VMX_MISC, bit, name)

/* The last member makes the type of each enum 64 bits wide, so that ~MASK keeps the upper half. */
enum pin_control { PIN_CONTROL_BITS(PIN_MASK) PIN_CONTROL_WIDE = 1ull << 63 };
enum primary_control { PRIMARY_CONTROL_BITS(PRIMARY_MASK) PRIMARY_CONTROL_WIDE = 1ull << 63 };
enum secondary_control { SECONDARY_CONTROL_BITS(SECONDARY_MASK) SECONDARY_WIDE = 1ull << 63 };
enum tertiary_control { TERTIARY_CONTROL_BITS(TERTIARY_MASK) TERTIARY_WIDE = 1ull << 63 };
enum exit_control { EXIT_CONTROL_BITS(EXIT_MASK) EXIT_CONTROL_WIDE = 1ull << 63 };
enum entry_control { ENTRY_CONTROL_BITS(ENTRY_MASK) ENTRY_CONTROL_WIDE = 1ull << 63 };
enum ept_vpid_cap { EPT_VPID_CAP_BITS(EPT_VPID_MASK) EPT_VPID_CAP_WIDE = 1ull << 63 };
enum vmx_basic_bit { VMX_BASIC_BITS(BASIC_MASK) VMX_BASIC_WIDE = 1ull << 63 };
enum vmx_misc_bit { VMX_MISC_BITS(MISC_MASK) VMX_MISC_WIDE = 1ull << 63 };
#undef CONTROL_MASK
#undef PIN_MASK
#undef PRIMARY_MASK
#undef SECONDARY_MASK
#undef TERTIARY_MASK
#undef EXIT_MASK
#undef ENTRY_MASK
#undef EPT_VPID_MASK
#undef BASIC_MASK
#undef MISC_MASK

/* In the capability MSR of a control word: bit N "must be 1", bit 32+N "may be 1". Section A.2. */
#define CONTROL_MUST_BE_1(mask) ((uint64_t)(mask)&0xFFFFFFFF)
#define CONTROL_MAY_BE_1(mask)  ((uint64_t)(mask) << 32)

/* The fields of IA32_VMX_BASIC and IA32_VMX_MISC that are more than one bit. */
#define VMX_BASIC_REVISION_MASK     0x000000007FFFFFFFull
#define VMX_BASIC_REGION_SIZE_MASK  0x00001FFF00000000ull /* bytes, at most 4096 */
#define VMX_BASIC_MEMORY_TYPE_MASK  0x003C000000000000ull
#define VMX_BASIC_MEMORY_TYPE_WB    6
#define VMX_MISC_TIMER_SHIFT_MASK   0x000000000000001Full /* the timer counts TSC bit N */
#define VMX_MISC_CR3_TARGETS_MASK   0x0000000001FF0000ull
#define VMX_MISC_MSR_LIST_MASK      0x000000000E000000ull /* at most 512 * (N + 1) entries */
#define VMX_MISC_MSEG_REVISION_MASK 0xFFFFFFFF00000000ull
#define EPT_VPID_CAP_HLAT_MASK      0x003F000000000000ull /* largest HLAT prefix size */

/* There is no shadow VMCS. Section 25.4.2, Guest Non-Register State. The EPTP is in mm/pte.h. */
#define VMCS_LINK_POINTER_NONE (~0ull)
