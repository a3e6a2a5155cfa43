/* The layout of what a VM exit leaves behind and a VM entry takes: interruptibility, activity,
 * event information and exit qualifications. Constants alone.
 * Source: Intel SDM (325462-083US) vol. 3, sections 25.4.2 (Guest Non-Register State), 25.8.3
 * (VM-Entry Controls for Event Injection), 25.9 (VM-Exit Information Fields) and 28.2.1 (Basic
 * VM-Exit Information). */
#pragma once

#include "base/types.h"

/* Guest interruptibility state. */
#define INTERRUPTIBILITY_STI     (1u << 0)
#define INTERRUPTIBILITY_MOV_SS  (1u << 1)
#define INTERRUPTIBILITY_SMI     (1u << 2)
#define INTERRUPTIBILITY_NMI     (1u << 3) /* virtual-NMI blocking under virtual NMIs */
#define INTERRUPTIBILITY_ENCLAVE (1u << 4)
#define INTERRUPTIBILITY_SHADOW  (INTERRUPTIBILITY_STI | INTERRUPTIBILITY_MOV_SS)

enum activity_state {
    ACTIVITY_ACTIVE = 0,
    ACTIVITY_HLT = 1,
    ACTIVITY_SHUTDOWN = 2,
    ACTIVITY_WAIT_FOR_SIPI = 3,
};

/* Pending debug exceptions: the bits of DR6, and one that says that a breakpoint was met. */
#define PENDING_DEBUG_ENABLED_BREAKPOINT (1ull << 12)
#define PENDING_DEBUG_BS                 (1ull << 14)
#define PENDING_DEBUG_RTM                (1ull << 16)

/* Interruption information: the one layout of the VM-entry, VM-exit and IDT-vectoring fields. */
#define INTERRUPTION_VECTOR_MASK             0x000000FFu
#define INTERRUPTION_TYPE_MASK               0x00000700u
#define INTERRUPTION_TYPE_EXTERNAL           (0u << 8)
#define INTERRUPTION_TYPE_NMI                (2u << 8)
#define INTERRUPTION_TYPE_HARDWARE           (3u << 8) /* hardware exception */
#define INTERRUPTION_TYPE_SOFTWARE           (4u << 8) /* INT n */
#define INTERRUPTION_TYPE_PRIVILEGED         (5u << 8) /* INT1 */
#define INTERRUPTION_TYPE_SOFTWARE_EXCEPTION (6u << 8) /* INT3, INTO */
#define INTERRUPTION_TYPE_OTHER              (7u << 8) /* entry only: pending MTF VM exit */
#define INTERRUPTION_ERROR_CODE              (1u << 11)
#define INTERRUPTION_NMI_UNBLOCKING          (1u << 12) /* exit only: due to IRET */
#define INTERRUPTION_VALID                   (1u << 31)
/* What IDT-vectoring information and VM-entry injection share: all but bit 12, undefined in one
 * and reserved in the other. */
#define INTERRUPTION_REINJECT_MASK                                                                 \
    (INTERRUPTION_VALID | INTERRUPTION_ERROR_CODE | INTERRUPTION_TYPE_MASK |                       \
     INTERRUPTION_VECTOR_MASK)

/* Exit qualification of control-register accesses. */
#define CR_ACCESS_NUMBER_MASK      0x0000000Full
#define CR_ACCESS_TYPE_MASK        0x00000030ull
#define CR_ACCESS_TYPE_MOV_TO_CR   (0ull << 4)
#define CR_ACCESS_TYPE_MOV_FROM_CR (1ull << 4)
#define CR_ACCESS_TYPE_CLTS        (2ull << 4)
#define CR_ACCESS_TYPE_LMSW        (3ull << 4)
#define CR_ACCESS_LMSW_MEMORY      (1ull << 6)
#define CR_ACCESS_REGISTER_MASK    0x00000F00ull
#define CR_ACCESS_LMSW_SOURCE_MASK 0xFFFF0000ull

/* Exit qualification of MOV DR. Bit 3 is 0, but Bochs exits for DR8 and above, which are #UD. */
#define DR_ACCESS_NUMBER_MASK   0x0000000Full
#define DR_ACCESS_FROM_DR       (1ull << 4)
#define DR_ACCESS_REGISTER_MASK 0x00000F00ull

/* Exit qualification of I/O instructions. */
#define IO_ACCESS_SIZE_MASK 0x00000007ull /* bytes minus one: 0, 1 or 3 */
#define IO_ACCESS_IN        (1ull << 3)
#define IO_ACCESS_STRING    (1ull << 4)
#define IO_ACCESS_REP       (1ull << 5)
#define IO_ACCESS_IMMEDIATE (1ull << 6)
#define IO_ACCESS_PORT_MASK 0xFFFF0000ull
/* VM-exit instruction information of INS and OUTS, where VMX_BASIC_INS_OUTS_INFO says so. */
#define IO_INFO_ADDRESS_SIZE_MASK 0x00000380u /* 0: 16, 1: 32, 2: 64 bits */
#define IO_INFO_SEGMENT_MASK      0x00038000u /* OUTS alone; ES, CS, SS, DS, FS, GS */

/* Exit qualification of EPT violations. */
#define EPT_VIOLATION_READ               (1ull << 0)
#define EPT_VIOLATION_WRITE              (1ull << 1)
#define EPT_VIOLATION_FETCH              (1ull << 2)
#define EPT_VIOLATION_ENTRY_READ         (1ull << 3) /* what all levels together allowed */
#define EPT_VIOLATION_ENTRY_WRITE        (1ull << 4)
#define EPT_VIOLATION_ENTRY_EXECUTE      (1ull << 5)
#define EPT_VIOLATION_ENTRY_USER_EXECUTE (1ull << 6) /* with mode-based execute control */
#define EPT_VIOLATION_LINEAR_VALID       (1ull << 7) /* GUEST_LINEAR_ADDRESS is valid */
#define EPT_VIOLATION_TRANSLATED         (1ull << 8) /* the final access, not the page walk */
#define EPT_VIOLATION_NMI_UNBLOCKING     (1ull << 12)
#define EPT_VIOLATION_SHADOW_STACK       (1ull << 13)
#define EPT_VIOLATION_ASYNCHRONOUS       (1ull << 16) /* not of an instruction: trace output */

/* Exit qualification of a SIPI: the vector; the CPU starts at vector << 12. */
#define SIPI_VECTOR_MASK 0x000000FFull

/* Exit qualification of task switches. */
#define TASK_SWITCH_SELECTOR_MASK 0x0000FFFFull
#define TASK_SWITCH_SOURCE_MASK   0xC0000000ull /* enum task_source of vcpu/task_switch.h */
