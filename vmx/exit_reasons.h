/* Every basic exit reason, typed once: number, name, the SDM's words and the function that handles
 * it. The table makes the enum, the names, the counters, and the table of calls in the
 * dispatcher. `handle_unexpected` stands where Orlop's controls never cause the exit: it names and
 * dumps it, and never skips an instruction. Numbers not listed are reserved and end there too.
 * Source: Intel SDM (325462-083US) vol. 3, Appendix C, VMX Basic Exit Reasons. */
#pragma once

#include "base/types.h"

/* X(number, NAME, "SDM text", handler) */
#define EXIT_REASONS(X)                                                                            \
    X(0, EXCEPTION_OR_NMI, "exception or NMI", handle_exception_or_nmi)                            \
    X(1, EXTERNAL_INTERRUPT, "external interrupt", handle_unexpected)                              \
    X(2, TRIPLE_FAULT, "triple fault", handle_triple_fault)                                        \
    X(3, INIT, "INIT signal", handle_init)                                                         \
    X(4, SIPI, "start-up IPI (SIPI)", handle_sipi)                                                 \
    X(5, IO_SMI, "I/O system-management interrupt (SMI)", handle_unexpected)                       \
    X(6, OTHER_SMI, "other SMI", handle_unexpected)                                                \
    X(7, INTERRUPT_WINDOW, "interrupt window", handle_unexpected)                                  \
    X(8, NMI_WINDOW, "NMI window", handle_nmi_window)                                              \
    X(9, TASK_SWITCH, "task switch", handle_task_switch)                                           \
    X(10, CPUID, "CPUID", handle_cpuid)                                                            \
    X(11, GETSEC, "GETSEC", handle_getsec)                                                         \
    X(12, HLT, "HLT", handle_unexpected)                                                           \
    X(13, INVD, "INVD", handle_invd)                                                               \
    X(14, INVLPG, "INVLPG", handle_unexpected)                                                     \
    X(15, RDPMC, "RDPMC", handle_unexpected)                                                       \
    X(16, RDTSC, "RDTSC", handle_unexpected)                                                       \
    X(17, RSM, "RSM", handle_unexpected)                                                           \
    X(18, VMCALL, "VMCALL", handle_vmcall)                                                         \
    X(19, VMCLEAR, "VMCLEAR", handle_vmx_instruction)                                              \
    X(20, VMLAUNCH, "VMLAUNCH", handle_vmx_instruction)                                            \
    X(21, VMPTRLD, "VMPTRLD", handle_vmx_instruction)                                              \
    X(22, VMPTRST, "VMPTRST", handle_vmx_instruction)                                              \
    X(23, VMREAD, "VMREAD", handle_vmx_instruction)                                                \
    X(24, VMRESUME, "VMRESUME", handle_vmx_instruction)                                            \
    X(25, VMWRITE, "VMWRITE", handle_vmx_instruction)                                              \
    X(26, VMXOFF, "VMXOFF", handle_vmx_instruction)                                                \
    X(27, VMXON, "VMXON", handle_vmx_instruction)                                                  \
    X(28, CR_ACCESS, "control-register access", handle_cr_access)                                  \
    X(29, MOV_DR, "MOV DR", handle_mov_dr)                                                         \
    X(30, IO_INSTRUCTION, "I/O instruction", handle_io)                                            \
    X(31, RDMSR, "RDMSR", handle_rdmsr)                                                            \
    X(32, WRMSR, "WRMSR", handle_wrmsr)                                                            \
    X(33, ENTRY_FAILURE_GUEST_STATE, "VM-entry failure due to invalid guest state",                \
      handle_entry_failure)                                                                        \
    X(34, ENTRY_FAILURE_MSR_LOADING, "VM-entry failure due to MSR loading", handle_entry_failure)  \
    X(36, MWAIT, "MWAIT", handle_unexpected)                                                       \
    X(37, MONITOR_TRAP_FLAG, "monitor trap flag", handle_monitor_trap_flag)                        \
    X(39, MONITOR, "MONITOR", handle_unexpected)                                                   \
    X(40, PAUSE, "PAUSE", handle_unexpected)                                                       \
    X(41, ENTRY_FAILURE_MACHINE_CHECK, "VM-entry failure due to machine-check event",              \
      handle_entry_failure)                                                                        \
    X(43, TPR_BELOW_THRESHOLD, "TPR below threshold", handle_unexpected)                           \
    X(44, APIC_ACCESS, "APIC access", handle_unexpected)                                           \
    X(45, VIRTUALIZED_EOI, "virtualized EOI", handle_unexpected)                                   \
    X(46, GDTR_IDTR_ACCESS, "access to GDTR or IDTR", handle_unexpected)                           \
    X(47, LDTR_TR_ACCESS, "access to LDTR or TR", handle_unexpected)                               \
    X(48, EPT_VIOLATION, "EPT violation", handle_ept_violation)                                    \
    X(49, EPT_MISCONFIGURATION, "EPT misconfiguration", handle_ept_misconfig)                      \
    X(50, INVEPT, "INVEPT", handle_vmx_instruction)                                                \
    X(51, RDTSCP, "RDTSCP", handle_unexpected)                                                     \
    X(52, PREEMPTION_TIMER, "VMX-preemption timer expired", handle_preemption_timer)               \
    X(53, INVVPID, "INVVPID", handle_vmx_instruction)                                              \
    X(54, WBINVD_OR_WBNOINVD, "WBINVD or WBNOINVD", handle_unexpected)                             \
    X(55, XSETBV, "XSETBV", handle_xsetbv)                                                         \
    X(56, APIC_WRITE, "APIC write", handle_unexpected)                                             \
    X(57, RDRAND, "RDRAND", handle_unexpected)                                                     \
    X(58, INVPCID, "INVPCID", handle_unexpected)                                                   \
    X(59, VMFUNC, "VMFUNC", handle_vmx_instruction)                                                \
    X(60, ENCLS, "ENCLS", handle_vmx_instruction)                                                  \
    X(61, RDSEED, "RDSEED", handle_unexpected)                                                     \
    X(62, PML_FULL, "page-modification log full", handle_unexpected)                               \
    X(63, XSAVES, "XSAVES", handle_unexpected)                                                     \
    X(64, XRSTORS, "XRSTORS", handle_unexpected)                                                   \
    X(65, PCONFIG, "PCONFIG", handle_unexpected)                                                   \
    X(66, SPP_EVENT, "SPP-related event", handle_unexpected)                                       \
    X(67, UMWAIT, "UMWAIT", handle_unexpected)                                                     \
    X(68, TPAUSE, "TPAUSE", handle_unexpected)                                                     \
    X(69, LOADIWKEY, "LOADIWKEY", handle_unexpected)                                               \
    X(70, ENCLV, "ENCLV", handle_vmx_instruction)                                                  \
    X(72, ENQCMD_PASID, "ENQCMD PASID translation failure", handle_unexpected)                     \
    X(73, ENQCMDS_PASID, "ENQCMDS PASID translation failure", handle_unexpected)                   \
    X(74, BUS_LOCK, "bus lock", handle_unexpected)                                                 \
    X(75, INSTRUCTION_TIMEOUT, "instruction timeout", handle_unexpected)                           \
    /* Where the CPU has TDX, these two exit whatever the controls say. */                         \
    X(76, SEAMCALL, "SEAMCALL", handle_vmx_instruction)                                            \
    X(77, TDCALL, "TDCALL", handle_vmx_instruction)                                                \
    /* In later editions. */                                                                       \
    X(78, RDMSRLIST, "RDMSRLIST", handle_unexpected)                                               \
    X(79, WRMSRLIST, "WRMSRLIST", handle_unexpected)

enum exit_reason {
#define EXIT_REASON_CONSTANT(number, name, text, handler) EXIT_REASON_##name = number,
    EXIT_REASONS(EXIT_REASON_CONSTANT)
#undef EXIT_REASON_CONSTANT
        EXIT_REASON_COUNT, /* one above the highest: the size of tables by reason */
};
_Static_assert(EXIT_REASON_COUNT == 80, "the list is in rising order");

/* The field EXIT_REASON. Intel SDM vol. 3, section 25.9.1, Basic VM-Exit Information. */
#define EXIT_REASON_BASIC_MASK    0x0000FFFFu
#define EXIT_REASON_BUS_LOCK_FLAG (1u << 26) /* a bus lock was seen as well */
#define EXIT_REASON_ENCLAVE       (1u << 27)
#define EXIT_REASON_PENDING_MTF   (1u << 28)
#define EXIT_REASON_FROM_ROOT     (1u << 29)
#define EXIT_REASON_ENTRY_FAILURE (1u << 31)

/* The SDM's words for a basic exit reason, "reserved exit reason" for unlisted numbers. */
const char *exit_reason_name(uint32_t basic_reason);
