/* How each rule of vmx/entry_rules.h is broken: on a VMCS that keeps all rules, a state to begin
 * with and the fields to change. The same list is tried on the emulator (tests/entry/try_rules.c)
 * and on a VMCS in memory (tests/unit/test_entry_check.c). A rule may be tried in several ways. */
#pragma once

#include "base/bits.h"
#include "base/x86/cr.h"
#include "base/x86/eflags.h"
#include "base/x86/msr.h"
#include "base/x86/segment.h"
#include "vmx/controls.h"
#include "vmx/entry_check.h"
#include "vmx/exit_info.h"
#include "vmx/vmcs_fields.h"

/* Pages whose addresses a try may name. */
enum try_page {
    PAGE_NONE,
    PAGE_ZEROES,
    PAGE_SHADOW, /* begins with the VMCS revision, as a shadow VMCS; then a PDPTE that is illegal */
    PAGE_CURRENT, /* the current VMCS */
    PAGE_COUNT
};

#define ILLEGAL_PDPTE 3 /* present, and bit 1 set */

/* One field: (old & ~clear) | set, or a page's address with `set` added. */
struct try_field {
    uint16_t encoding;
    uint8_t page;
    uint64_t clear, set;
};

enum {
#define TRY_FIELD_AT(name, encoding, width, kind, access, text) TRY_AT_##name = (encoding),
    VMCS_FIELDS(TRY_FIELD_AT)
#undef TRY_FIELD_AT
};
#define SET(field, value)                                                                          \
    {                                                                                              \
        TRY_AT_##field, PAGE_NONE, ~0ull, value                                                    \
    }
#define OR(field, bits)                                                                            \
    {                                                                                              \
        TRY_AT_##field, PAGE_NONE, 0, bits                                                         \
    }
#define CLEAR(field, bits)                                                                         \
    {                                                                                              \
        TRY_AT_##field, PAGE_NONE, bits, 0                                                         \
    }
#define PAGE(field, page, bytes)                                                                   \
    {                                                                                              \
        TRY_AT_##field, PAGE_##page, 0, bytes                                                      \
    }

/* What a try begins with. The environment of the last three is never that of Orlop. */
#define TRY_STATES(S)                                                                              \
    S(REAL, true, false, false, {TRY_AT_VPID, PAGE_NONE, 0, 0})                                    \
    S(LONG, true, false, false, OR(VM_ENTRY_CONTROLS, ENTRY_CTL_IA32E_MODE_GUEST),                 \
      OR(GUEST_CR0, CR0_PG | CR0_PE), OR(GUEST_CR4, CR4_PAE),                                      \
      SET(GUEST_IA32_EFER, EFER_LME | EFER_LMA),                                                   \
      SET(GUEST_CS_ACCESS_RIGHTS, SEGMENT_RIGHTS_CODE64), SET(GUEST_CS_LIMIT, 0xFFFFFFFF))         \
    S(V86, true, false, false, SET(GUEST_RFLAGS, RFLAGS_VM | RFLAGS_IOPL | RFLAGS_FIXED),          \
      OR(GUEST_CR0, CR0_PE), SET(GUEST_ES_ACCESS_RIGHTS, 0xF3), SET(GUEST_CS_ACCESS_RIGHTS, 0xF3), \
      SET(GUEST_SS_ACCESS_RIGHTS, 0xF3), SET(GUEST_DS_ACCESS_RIGHTS, 0xF3),                        \
      SET(GUEST_FS_ACCESS_RIGHTS, 0xF3), SET(GUEST_GS_ACCESS_RIGHTS, 0xF3))                        \
    S(PROTECTED, true, false, false, OR(GUEST_CR0, CR0_PE))                                        \
    S(RESTRICTED, true, false, false, CLEAR(SECONDARY_CONTROLS, SECONDARY_UNRESTRICTED_GUEST),     \
      OR(GUEST_CR0, CR0_PE | CR0_PG))                                                              \
    S(PAE, true, false, false, OR(GUEST_CR0, CR0_PE | CR0_PG), OR(GUEST_CR4, CR4_PAE))             \
    S(NO_EPT, true, false, false,                                                                  \
      CLEAR(SECONDARY_CONTROLS, SECONDARY_UNRESTRICTED_GUEST | SECONDARY_ENABLE_EPT),              \
      OR(GUEST_CR0, CR0_PE | CR0_PG))                                                              \
    S(LEGACY, false, false, false, CLEAR(VM_EXIT_CONTROLS, EXIT_CTL_HOST_ADDRESS_SPACE_SIZE),      \
      SET(HOST_IA32_EFER, 0), SET(HOST_RIP, 0x1000), CLEAR(HOST_CR4, CR4_PCIDE))                   \
    S(SMM, true, true, false, {TRY_AT_VPID, PAGE_NONE, 0, 0})                                      \
    S(TRACING, true, false, true, {TRY_AT_VPID, PAGE_NONE, 0, 0})

#define WIDE          BIT(51)
#define NOT_CANONICAL BIT(62)
#define SECOND(bits)  OR(SECONDARY_CONTROLS, bits)
#define THIRD(bits)                                                                                \
    OR(PRIMARY_CONTROLS, PRIMARY_ACTIVATE_TERTIARY_CONTROLS), OR(TERTIARY_CONTROLS, bits)
#define SHADOWED OR(PRIMARY_CONTROLS, PRIMARY_USE_TPR_SHADOW), PAGE(VIRTUAL_APIC_ADDRESS, ZEROES, 0)
#define DELIVERED                                                                                  \
    SHADOWED, OR(PIN_CONTROLS, PIN_EXTERNAL_INTERRUPT_EXITING),                                    \
        SECOND(SECONDARY_VIRTUAL_INTERRUPT_DELIVERY)
#define POSTED(bits)                                                                               \
    DELIVERED, OR(PIN_CONTROLS, PIN_PROCESS_POSTED_INTERRUPTS), OR(VM_EXIT_CONTROLS, bits)
#define FUNCTIONS(bits) SECOND(SECONDARY_ENABLE_VM_FUNCTIONS), SET(VM_FUNCTION_CONTROLS, bits)
#define TRACED          SECOND(SECONDARY_PT_USES_GUEST_PHYSICAL)
#define EVENT(bits)     SET(VM_ENTRY_INTERRUPTION_INFO, INTERRUPTION_VALID | (bits))
#define TYPE(number)    ((number) << 8)
#define PENDING(bits)   SET(GUEST_PENDING_DEBUG_EXCEPTIONS, bits)
#define BLOCKED(bits)   SET(GUEST_INTERRUPTIBILITY_STATE, bits)
#define SLEEP(state)    SET(GUEST_ACTIVITY_STATE, state)

#define TRIES_CONTROLS(T)                                                                          \
    T(PIN_RESERVED, REAL, OR(PIN_CONTROLS, BIT(31)))                                               \
    T(PIN_RESERVED, REAL, CLEAR(PIN_CONTROLS, BIT(1)))                                             \
    T(PRIMARY_RESERVED, REAL, OR(PRIMARY_CONTROLS, BIT(0)))                                        \
    T(PRIMARY_RESERVED, REAL, CLEAR(PRIMARY_CONTROLS, BIT(1)))                                     \
    T(SECONDARY_RESERVED, REAL, SECOND(BIT(29)))                                                   \
    T(TERTIARY_RESERVED, REAL, THIRD(BIT(63)))                                                     \
    T(CR3_TARGETS, REAL, SET(CR3_TARGET_COUNT, 5))                                                 \
    T(IO_BITMAPS, REAL, OR(PRIMARY_CONTROLS, PRIMARY_USE_IO_BITMAPS), SET(IO_BITMAP_A, 0x800))     \
    T(IO_BITMAPS, REAL, OR(PRIMARY_CONTROLS, PRIMARY_USE_IO_BITMAPS), SET(IO_BITMAP_B, WIDE))      \
    T(MSR_BITMAPS, REAL, OR(MSR_BITMAP, 1))                                                        \
    T(MSR_BITMAPS, REAL, OR(MSR_BITMAP, WIDE))                                                     \
    T(VIRTUAL_APIC, REAL, SHADOWED, SET(VIRTUAL_APIC_ADDRESS, 0x10))                               \
    T(VIRTUAL_APIC, REAL, SHADOWED, SET(VIRTUAL_APIC_ADDRESS, WIDE))                               \
    T(TPR_THRESHOLD, REAL, SHADOWED, SET(TPR_THRESHOLD, 0x10))                                     \
    T(TPR_THRESHOLD_VTPR, REAL, SHADOWED, SET(TPR_THRESHOLD, 1))                                   \
    T(VIRTUAL_NMIS, REAL, CLEAR(PIN_CONTROLS, PIN_NMI_EXITING))                                    \
    T(NMI_WINDOW, REAL, CLEAR(PIN_CONTROLS, PIN_VIRTUAL_NMIS),                                     \
      OR(PRIMARY_CONTROLS, PRIMARY_NMI_WINDOW_EXITING))                                            \
    T(APIC_ACCESS_PAGE, REAL, SECOND(SECONDARY_VIRTUALIZE_APIC_ACCESSES),                          \
      SET(APIC_ACCESS_ADDRESS, 0xFEE00010))                                                        \
    T(APIC_ACCESS_PAGE, REAL, SECOND(SECONDARY_VIRTUALIZE_APIC_ACCESSES),                          \
      SET(APIC_ACCESS_ADDRESS, WIDE))                                                              \
    T(X2APIC_SHADOW, REAL, SECOND(SECONDARY_VIRTUALIZE_X2APIC_MODE))                               \
    T(APIC_REGISTERS_SHADOW, REAL, SECOND(SECONDARY_APIC_REGISTER_VIRTUALIZATION))                 \
    T(DELIVERY_SHADOW, REAL, SECOND(SECONDARY_VIRTUAL_INTERRUPT_DELIVERY),                         \
      OR(PIN_CONTROLS, PIN_EXTERNAL_INTERRUPT_EXITING))                                            \
    T(IPI_SHADOW, REAL, THIRD(TERTIARY_IPI_VIRTUALIZATION))                                        \
    T(X2APIC_ALONE, REAL, SHADOWED,                                                                \
      SECOND(SECONDARY_VIRTUALIZE_X2APIC_MODE | SECONDARY_VIRTUALIZE_APIC_ACCESSES))               \
    T(DELIVERY_EXITING, REAL, SHADOWED, SECOND(SECONDARY_VIRTUAL_INTERRUPT_DELIVERY))              \
    T(POSTED_DELIVERY, REAL, SHADOWED, OR(PIN_CONTROLS, PIN_PROCESS_POSTED_INTERRUPTS),            \
      OR(VM_EXIT_CONTROLS, EXIT_CTL_ACKNOWLEDGE_INTERRUPT))                                        \
    T(POSTED_ACKNOWLEDGE, REAL, POSTED(0))                                                         \
    T(POSTED_VECTOR, REAL, POSTED(EXIT_CTL_ACKNOWLEDGE_INTERRUPT),                                 \
      SET(POSTED_INTERRUPT_NOTIFICATION_VECTOR, 0x100))                                            \
    T(POSTED_DESCRIPTOR, REAL, POSTED(EXIT_CTL_ACKNOWLEDGE_INTERRUPT),                             \
      SET(POSTED_INTERRUPT_DESCRIPTOR_ADDRESS, 0x20))                                              \
    T(POSTED_DESCRIPTOR, REAL, POSTED(EXIT_CTL_ACKNOWLEDGE_INTERRUPT),                             \
      SET(POSTED_INTERRUPT_DESCRIPTOR_ADDRESS, WIDE))                                              \
    T(VPID, REAL, SECOND(SECONDARY_ENABLE_VPID), SET(VPID, 0))                                     \
    T(EPTP_TYPE, REAL, CLEAR(EPT_POINTER, 7), OR(EPT_POINTER, 3))                                  \
    T(EPTP_WALK, REAL, CLEAR(EPT_POINTER, 0x38), OR(EPT_POINTER, 0x10))                            \
    T(EPTP_DIRTY, REAL, OR(EPT_POINTER, BIT(6)))                                                   \
    T(EPTP_RESERVED, REAL, OR(EPT_POINTER, BIT(11)))                                               \
    T(EPTP_RESERVED, REAL, OR(EPT_POINTER, WIDE))                                                  \
    T(PML_EPT, NO_EPT, SECOND(SECONDARY_ENABLE_PML))                                               \
    T(PML_ADDRESS, REAL, SECOND(SECONDARY_ENABLE_PML), SET(PML_ADDRESS, 8))                        \
    T(PML_ADDRESS, REAL, SECOND(SECONDARY_ENABLE_PML), SET(PML_ADDRESS, WIDE))                     \
    T(UNRESTRICTED_EPT, REAL, CLEAR(SECONDARY_CONTROLS, SECONDARY_ENABLE_EPT))                     \
    T(MODE_BASED_EPT, NO_EPT, SECOND(SECONDARY_MODE_BASED_EXECUTE_CONTROL))                        \
    T(SUB_PAGE_EPT, NO_EPT, SECOND(SECONDARY_SUB_PAGE_WRITE_PERMISSIONS))                          \
    T(SUB_PAGE_TABLE, REAL, SECOND(SECONDARY_SUB_PAGE_WRITE_PERMISSIONS),                          \
      SET(SUB_PAGE_PERMISSION_TABLE_POINTER, 0x18))                                                \
    T(VM_FUNCTIONS, REAL, FUNCTIONS(BIT(63)))                                                      \
    T(EPTP_SWITCHING_EPT, NO_EPT, FUNCTIONS(1))                                                    \
    T(EPTP_LIST, REAL, FUNCTIONS(1), SET(EPTP_LIST_ADDRESS, 8))                                    \
    T(EPTP_LIST, REAL, FUNCTIONS(1), SET(EPTP_LIST_ADDRESS, WIDE))                                 \
    T(SHADOW_BITMAPS, REAL, SECOND(SECONDARY_VMCS_SHADOWING), SET(VMREAD_BITMAP, 4))               \
    T(SHADOW_BITMAPS, REAL, SECOND(SECONDARY_VMCS_SHADOWING), SET(VMWRITE_BITMAP, WIDE))           \
    T(VE_AREA, REAL, SECOND(SECONDARY_EPT_VIOLATION_VE), SET(VE_INFORMATION_ADDRESS, 4))           \
    T(VE_AREA, REAL, SECOND(SECONDARY_EPT_VIOLATION_VE), SET(VE_INFORMATION_ADDRESS, WIDE))        \
    T(PT_EPT, NO_EPT, TRACED, OR(VM_ENTRY_CONTROLS, ENTRY_CTL_LOAD_RTIT_CTL),                      \
      OR(VM_EXIT_CONTROLS, EXIT_CTL_CLEAR_RTIT_CTL))                                               \
    T(PT_LOAD, REAL, TRACED, OR(VM_EXIT_CONTROLS, EXIT_CTL_CLEAR_RTIT_CTL))                        \
    T(PT_CLEAR, REAL, TRACED, OR(VM_ENTRY_CONTROLS, ENTRY_CTL_LOAD_RTIT_CTL))                      \
    T(PT_TRACING, TRACING, OR(VM_ENTRY_CONTROLS, ENTRY_CTL_LOAD_RTIT_CTL))                         \
    T(TSC_MULTIPLIER, REAL, SECOND(SECONDARY_USE_TSC_SCALING), SET(TSC_MULTIPLIER, 0))             \
    T(PASID_DIRECTORIES, REAL, SECOND(SECONDARY_PASID_TRANSLATION),                                \
      SET(LOW_PASID_DIRECTORY_ADDRESS, 8))                                                         \
    T(PASID_DIRECTORIES, REAL, SECOND(SECONDARY_PASID_TRANSLATION),                                \
      SET(HIGH_PASID_DIRECTORY_ADDRESS, WIDE))                                                     \
    T(HLAT_EPT, NO_EPT, THIRD(TERTIARY_ENABLE_HLAT))                                               \
    T(HLAT_POINTER, REAL, THIRD(TERTIARY_ENABLE_HLAT), SET(HLAT_POINTER, 1))                       \
    T(HLAT_POINTER, REAL, THIRD(TERTIARY_ENABLE_HLAT), SET(HLAT_POINTER, WIDE))                    \
    T(HLAT_PREFIX, REAL, THIRD(TERTIARY_ENABLE_HLAT), SET(HLAT_PREFIX_SIZE, 53))                   \
    T(PAGING_WRITE_EPT, NO_EPT, THIRD(TERTIARY_EPT_PAGING_WRITE_CONTROL))                          \
    T(GUEST_PAGING_EPT, NO_EPT, THIRD(TERTIARY_GUEST_PAGING_VERIFICATION))                         \
    T(IPI_TABLE, REAL, SHADOWED, THIRD(TERTIARY_IPI_VIRTUALIZATION),                               \
      SET(PID_POINTER_TABLE_ADDRESS, 4))                                                           \
    T(IPI_TABLE_END, REAL, SHADOWED, THIRD(TERTIARY_IPI_VIRTUALIZATION),                           \
      SET(PID_POINTER_TABLE_ADDRESS, BIT(39) - 8), SET(LAST_PID_POINTER_INDEX, 1))                 \
    T(EXIT_RESERVED, REAL, CLEAR(VM_EXIT_CONTROLS, BIT(0)))                                        \
    T(EXIT_2_RESERVED, REAL, OR(VM_EXIT_CONTROLS, EXIT_CTL_ACTIVATE_SECONDARY_CONTROLS),           \
      SET(SECONDARY_VM_EXIT_CONTROLS, BIT(63)))                                                    \
    T(EXIT_2_RESERVED, REAL, OR(VM_EXIT_CONTROLS, EXIT_CTL_ACTIVATE_SECONDARY_CONTROLS),           \
      SET(SECONDARY_VM_EXIT_CONTROLS, BIT(20)))                                                    \
    T(SAVE_TIMER, REAL, CLEAR(PIN_CONTROLS, PIN_PREEMPTION_TIMER),                                 \
      OR(VM_EXIT_CONTROLS, EXIT_CTL_SAVE_PREEMPTION_TIMER))                                        \
    T(EXIT_STORE_LIST, REAL, SET(VM_EXIT_MSR_STORE_COUNT, 1), SET(VM_EXIT_MSR_STORE_ADDRESS, 8))   \
    T(EXIT_STORE_LIST, REAL, SET(VM_EXIT_MSR_STORE_COUNT, 1),                                      \
      SET(VM_EXIT_MSR_STORE_ADDRESS, WIDE))                                                        \
    T(EXIT_LOAD_LIST, REAL, SET(VM_EXIT_MSR_LOAD_COUNT, 1), SET(VM_EXIT_MSR_LOAD_ADDRESS, 8))      \
    T(EXIT_LOAD_LIST, REAL, SET(VM_EXIT_MSR_LOAD_COUNT, 1), SET(VM_EXIT_MSR_LOAD_ADDRESS, WIDE))   \
    T(ENTRY_RESERVED, REAL, OR(VM_ENTRY_CONTROLS, BIT(31)))                                        \
    T(ENTRY_RESERVED, REAL, CLEAR(VM_ENTRY_CONTROLS, BIT(0)))                                      \
    T(EVENT_TYPE, REAL, EVENT(TYPE(1)))                                                            \
    T(EVENT_VECTOR, REAL, EVENT(INTERRUPTION_TYPE_NMI | 3))                                        \
    T(EVENT_VECTOR, REAL, EVENT(INTERRUPTION_TYPE_HARDWARE | 32))                                  \
    T(EVENT_ERROR_CODE, PROTECTED, EVENT(INTERRUPTION_TYPE_EXTERNAL | INTERRUPTION_ERROR_CODE),    \
      OR(GUEST_RFLAGS, RFLAGS_IF))                                                                 \
    T(EVENT_ERROR_CODE, REAL, EVENT(INTERRUPTION_TYPE_HARDWARE | INTERRUPTION_ERROR_CODE | 13))    \
    T(EVENT_ERROR_CODE, PROTECTED, EVENT(INTERRUPTION_TYPE_HARDWARE | 13))                         \
    T(EVENT_RESERVED, REAL, EVENT(INTERRUPTION_TYPE_HARDWARE | BIT(12)))                           \
    T(ERROR_CODE, PROTECTED, EVENT(INTERRUPTION_TYPE_HARDWARE | INTERRUPTION_ERROR_CODE | 13),     \
      SET(VM_ENTRY_EXCEPTION_ERROR_CODE, 0x10000))                                                 \
    T(EVENT_LENGTH, REAL, EVENT(INTERRUPTION_TYPE_SOFTWARE | 0x21),                                \
      SET(VM_ENTRY_INSTRUCTION_LENGTH, 16))                                                        \
    T(ENTRY_LOAD_LIST, REAL, SET(VM_ENTRY_MSR_LOAD_COUNT, 1), SET(VM_ENTRY_MSR_LOAD_ADDRESS, 8))   \
    T(ENTRY_LOAD_LIST, REAL, SET(VM_ENTRY_MSR_LOAD_COUNT, 1),                                      \
      SET(VM_ENTRY_MSR_LOAD_ADDRESS, WIDE))                                                        \
    T(TO_SMM, REAL, OR(VM_ENTRY_CONTROLS, ENTRY_CTL_ENTRY_TO_SMM))                                 \
    T(DUAL_MONITOR, REAL, OR(VM_ENTRY_CONTROLS, ENTRY_CTL_DEACTIVATE_DUAL_MONITOR))                \
    T(SMM_ONE_OF_TWO, SMM,                                                                         \
      OR(VM_ENTRY_CONTROLS, ENTRY_CTL_ENTRY_TO_SMM | ENTRY_CTL_DEACTIVATE_DUAL_MONITOR))

#define TRIES_HOST(T)                                                                              \
    T(HOST_CR0, REAL, CLEAR(HOST_CR0, CR0_NE))                                                     \
    T(HOST_CR0, REAL, OR(HOST_CR0, BIT(32)))                                                       \
    T(HOST_CR4, REAL, CLEAR(HOST_CR4, CR4_VMXE))                                                   \
    T(HOST_CR4, REAL, OR(HOST_CR4, BIT(31)))                                                       \
    T(HOST_CET_WP, REAL, OR(HOST_CR4, CR4_CET), CLEAR(HOST_CR0, CR0_WP))                           \
    T(HOST_CR3, REAL, OR(HOST_CR3, WIDE))                                                          \
    T(HOST_SYSENTER, REAL, SET(HOST_IA32_SYSENTER_ESP, NOT_CANONICAL))                             \
    T(HOST_SYSENTER, REAL, SET(HOST_IA32_SYSENTER_EIP, NOT_CANONICAL))                             \
    T(HOST_PERF, REAL, OR(VM_EXIT_CONTROLS, EXIT_CTL_LOAD_PERF_GLOBAL_CTRL),                       \
      SET(HOST_IA32_PERF_GLOBAL_CTRL, BIT(63)))                                                    \
    T(HOST_PAT, REAL, SET(HOST_IA32_PAT, 0x0007040600070402))                                      \
    T(HOST_EFER, REAL, OR(HOST_IA32_EFER, BIT(1)))                                                 \
    T(HOST_EFER_LMA, REAL, CLEAR(HOST_IA32_EFER, EFER_LMA))                                        \
    T(HOST_EFER_LMA, REAL, CLEAR(HOST_IA32_EFER, EFER_LME))                                        \
    T(HOST_S_CET, REAL, OR(VM_EXIT_CONTROLS, EXIT_CTL_LOAD_CET_STATE),                             \
      SET(HOST_IA32_S_CET, BIT(6)))                                                                \
    T(HOST_SSP, REAL, OR(VM_EXIT_CONTROLS, EXIT_CTL_LOAD_CET_STATE), SET(HOST_SSP, 2))             \
    T(HOST_SSP_TABLE, REAL, OR(VM_EXIT_CONTROLS, EXIT_CTL_LOAD_CET_STATE),                         \
      SET(HOST_IA32_INTERRUPT_SSP_TABLE_ADDR, NOT_CANONICAL))                                      \
    T(HOST_PKRS, REAL, OR(VM_EXIT_CONTROLS, EXIT_CTL_LOAD_PKRS), SET(HOST_IA32_PKRS, BIT(32)))     \
    T(HOST_SELECTORS, REAL, OR(HOST_CS_SELECTOR, 1))                                               \
    T(HOST_SELECTORS, REAL, OR(HOST_GS_SELECTOR, 4))                                               \
    T(HOST_SELECTORS, REAL, OR(HOST_TR_SELECTOR, 4))                                               \
    T(HOST_CS, REAL, SET(HOST_CS_SELECTOR, 0))                                                     \
    T(HOST_TR, REAL, SET(HOST_TR_SELECTOR, 0))                                                     \
    T(HOST_SS, LEGACY, SET(HOST_SS_SELECTOR, 0))                                                   \
    T(HOST_BASES, REAL, SET(HOST_FS_BASE, NOT_CANONICAL))                                          \
    T(HOST_BASES, REAL, SET(HOST_GS_BASE, NOT_CANONICAL))                                          \
    T(HOST_BASES, REAL, SET(HOST_TR_BASE, NOT_CANONICAL))                                          \
    T(HOST_BASES, REAL, SET(HOST_GDTR_BASE, NOT_CANONICAL))                                        \
    T(HOST_BASES, REAL, SET(HOST_IDTR_BASE, NOT_CANONICAL))                                        \
    T(NO_IA32E_GUEST, LEGACY, OR(VM_ENTRY_CONTROLS, ENTRY_CTL_IA32E_MODE_GUEST))                   \
    T(NO_HOST_64, LEGACY, OR(VM_EXIT_CONTROLS, EXIT_CTL_HOST_ADDRESS_SPACE_SIZE),                  \
      SET(HOST_IA32_EFER, EFER_LME | EFER_LMA))                                                    \
    T(HOST_64, REAL, CLEAR(VM_EXIT_CONTROLS, EXIT_CTL_HOST_ADDRESS_SPACE_SIZE),                    \
      SET(HOST_IA32_EFER, 0))                                                                      \
    T(HOST_PCIDE, LEGACY, OR(HOST_CR4, CR4_PCIDE))                                                 \
    T(HOST_RIP_32, LEGACY, SET(HOST_RIP, BIT(32)))                                                 \
    T(HOST_PAE, REAL, CLEAR(HOST_CR4, CR4_PAE))                                                    \
    T(HOST_RIP, REAL, SET(HOST_RIP, NOT_CANONICAL))

#define TRIES_REGISTERS(T)                                                                         \
    T(CR0, REAL, CLEAR(GUEST_CR0, CR0_NE))                                                         \
    T(CR0, RESTRICTED, CLEAR(GUEST_CR0, CR0_PG))                                                   \
    T(CR0, REAL, OR(GUEST_CR0, BIT(32)))                                                           \
    T(PG_PE, REAL, OR(GUEST_CR0, CR0_PG))                                                          \
    T(CR4, REAL, CLEAR(GUEST_CR4, CR4_VMXE))                                                       \
    T(CR4, REAL, OR(GUEST_CR4, BIT(31)))                                                           \
    T(CET_WP, REAL, OR(GUEST_CR4, CR4_CET), CLEAR(GUEST_CR0, CR0_WP))                              \
    T(DEBUGCTL, REAL, SET(GUEST_IA32_DEBUGCTL, BIT(5)))                                            \
    T(IA32E_PG, LONG, CLEAR(GUEST_CR0, CR0_PG))                                                    \
    T(IA32E_PAE, LONG, CLEAR(GUEST_CR4, CR4_PAE))                                                  \
    T(PCIDE, REAL, OR(GUEST_CR4, CR4_PCIDE))                                                       \
    T(CR3, REAL, SET(GUEST_CR3, WIDE))                                                             \
    T(DR7, REAL, OR(GUEST_DR7, BIT(32)))                                                           \
    T(SYSENTER, REAL, SET(GUEST_IA32_SYSENTER_ESP, NOT_CANONICAL))                                 \
    T(SYSENTER, REAL, SET(GUEST_IA32_SYSENTER_EIP, NOT_CANONICAL))                                 \
    T(S_CET, REAL, OR(VM_ENTRY_CONTROLS, ENTRY_CTL_LOAD_CET_STATE), SET(GUEST_IA32_S_CET, BIT(6))) \
    T(S_CET, REAL, OR(VM_ENTRY_CONTROLS, ENTRY_CTL_LOAD_CET_STATE),                                \
      SET(GUEST_IA32_S_CET, BITS(11, 10)))                                                         \
    T(SSP_TABLE, REAL, OR(VM_ENTRY_CONTROLS, ENTRY_CTL_LOAD_CET_STATE),                            \
      SET(GUEST_IA32_INTERRUPT_SSP_TABLE_ADDR, NOT_CANONICAL))                                     \
    T(PERF, REAL, OR(VM_ENTRY_CONTROLS, ENTRY_CTL_LOAD_PERF_GLOBAL_CTRL),                          \
      SET(GUEST_IA32_PERF_GLOBAL_CTRL, BIT(63)))                                                   \
    T(PAT, REAL, SET(GUEST_IA32_PAT, 0x0007040600070402))                                          \
    T(PAT, REAL, SET(GUEST_IA32_PAT, 0x0807040600070406))                                          \
    T(EFER, REAL, SET(GUEST_IA32_EFER, BIT(1)))                                                    \
    T(IA32E_LMA, REAL, SET(GUEST_IA32_EFER, EFER_LMA | EFER_LME))                                  \
    T(IA32E_LMA, LONG, SET(GUEST_IA32_EFER, 0))                                                    \
    T(PG_LME, LONG, SET(GUEST_IA32_EFER, EFER_LMA))                                                \
    T(BNDCFGS, REAL, OR(VM_ENTRY_CONTROLS, ENTRY_CTL_LOAD_BNDCFGS), SET(GUEST_IA32_BNDCFGS, 4))    \
    T(RTIT_CTL, REAL, OR(VM_ENTRY_CONTROLS, ENTRY_CTL_LOAD_RTIT_CTL),                              \
      SET(GUEST_IA32_RTIT_CTL, BIT(63)))                                                           \
    T(LBR_CTL, REAL, OR(VM_ENTRY_CONTROLS, ENTRY_CTL_LOAD_LBR_CTL),                                \
      SET(GUEST_IA32_LBR_CTL, BIT(4)))                                                             \
    T(PKRS, REAL, OR(VM_ENTRY_CONTROLS, ENTRY_CTL_LOAD_PKRS), SET(GUEST_IA32_PKRS, BIT(32)))       \
    T(UINV, REAL, OR(VM_ENTRY_CONTROLS, ENTRY_CTL_LOAD_UINV), SET(GUEST_UINV, 0x100))

#define TRIES_SEGMENTS(T)                                                                          \
    T(TR_TI, REAL, OR(GUEST_TR_SELECTOR, 4))                                                       \
    T(LDTR_TI, REAL, OR(GUEST_LDTR_SELECTOR, 4))                                                   \
    T(SS_RPL, RESTRICTED, OR(GUEST_SS_SELECTOR, 1))                                                \
    T(VM_BASE, V86, SET(GUEST_ES_SELECTOR, 1))                                                     \
    T(VM_BASE, V86, SET(GUEST_GS_BASE, 0x10))                                                      \
    T(BASE_CANONICAL, REAL, SET(GUEST_FS_BASE, NOT_CANONICAL))                                     \
    T(BASE_CANONICAL, REAL, SET(GUEST_GS_BASE, NOT_CANONICAL))                                     \
    T(BASE_CANONICAL, REAL, SET(GUEST_TR_BASE, NOT_CANONICAL))                                     \
    T(LDTR_BASE, REAL, SET(GUEST_LDTR_BASE, NOT_CANONICAL))                                        \
    T(BASE_32, REAL, SET(GUEST_CS_BASE, BIT(32)))                                                  \
    T(BASE_32, REAL, SET(GUEST_DS_BASE, BIT(32)))                                                  \
    T(VM_LIMIT, V86, SET(GUEST_DS_LIMIT, 0xFFFE))                                                  \
    T(VM_LIMIT, V86, SET(GUEST_DS_LIMIT, 0x1FFFF))                                                 \
    T(VM_RIGHTS, V86, SET(GUEST_FS_ACCESS_RIGHTS, 0x93))                                           \
    T(CS_TYPE, REAL, SET(GUEST_CS_ACCESS_RIGHTS, 0x9A))                                            \
    T(CS_TYPE, RESTRICTED, SET(GUEST_CS_ACCESS_RIGHTS, 0x93))                                      \
    T(SS_TYPE, REAL, SET(GUEST_SS_ACCESS_RIGHTS, 0x91))                                            \
    T(DATA_ACCESSED, REAL, SET(GUEST_DS_ACCESS_RIGHTS, 0x92))                                      \
    T(DATA_READABLE, REAL, SET(GUEST_ES_ACCESS_RIGHTS, 0x99))                                      \
    T(USABLE_S, REAL, CLEAR(GUEST_CS_ACCESS_RIGHTS, SEGMENT_S))                                    \
    T(USABLE_S, REAL, CLEAR(GUEST_FS_ACCESS_RIGHTS, SEGMENT_S))                                    \
    T(CS_DPL_DATA, PROTECTED, SET(GUEST_CS_ACCESS_RIGHTS, 0xF3))                                   \
    T(CS_DPL_PLAIN, PROTECTED, SET(GUEST_CS_ACCESS_RIGHTS, 0xFB))                                  \
    T(CS_DPL_CONFORMING, PROTECTED, SET(GUEST_CS_ACCESS_RIGHTS, 0xFF))                             \
    T(SS_DPL_RPL, RESTRICTED, SET(GUEST_SS_ACCESS_RIGHTS, 0xF3),                                   \
      SET(GUEST_CS_ACCESS_RIGHTS, 0xFB))                                                           \
    T(SS_DPL_CS_DATA, PROTECTED, SET(GUEST_CS_ACCESS_RIGHTS, 0x93),                                \
      SET(GUEST_SS_ACCESS_RIGHTS, 0xF3))                                                           \
    T(SS_DPL_REAL, REAL, SET(GUEST_SS_ACCESS_RIGHTS, 0xF3), SET(GUEST_CS_ACCESS_RIGHTS, 0xFB))     \
    T(DATA_DPL, RESTRICTED, OR(GUEST_DS_SELECTOR, 3))                                              \
    T(USABLE_P, REAL, CLEAR(GUEST_CS_ACCESS_RIGHTS, SEGMENT_P))                                    \
    T(USABLE_P, REAL, CLEAR(GUEST_GS_ACCESS_RIGHTS, SEGMENT_P))                                    \
    T(RIGHTS_RESERVED, REAL, OR(GUEST_CS_ACCESS_RIGHTS, BIT(8)))                                   \
    T(RIGHTS_RESERVED, REAL, OR(GUEST_DS_ACCESS_RIGHTS, BIT(17)))                                  \
    T(CS_DB, LONG, OR(GUEST_CS_ACCESS_RIGHTS, SEGMENT_DB))                                         \
    T(LIMIT_LOW, REAL, OR(GUEST_DS_ACCESS_RIGHTS, SEGMENT_G), SET(GUEST_DS_LIMIT, 0xFFFE))         \
    T(LIMIT_HIGH, REAL, SET(GUEST_DS_LIMIT, 0x1FFFFF))                                             \
    T(TR_TYPE, REAL, SET(GUEST_TR_ACCESS_RIGHTS, 0x89))                                            \
    T(TR_TYPE, LONG, SET(GUEST_TR_ACCESS_RIGHTS, 0x83))                                            \
    T(TR_S, REAL, OR(GUEST_TR_ACCESS_RIGHTS, SEGMENT_S))                                           \
    T(TR_P, REAL, CLEAR(GUEST_TR_ACCESS_RIGHTS, SEGMENT_P))                                        \
    T(TR_RESERVED, REAL, OR(GUEST_TR_ACCESS_RIGHTS, BIT(11)))                                      \
    T(TR_LIMIT_LOW, REAL, OR(GUEST_TR_ACCESS_RIGHTS, SEGMENT_G), SET(GUEST_TR_LIMIT, 0x67))        \
    T(TR_LIMIT_HIGH, REAL, SET(GUEST_TR_LIMIT, 0xFFFFFFFF))                                        \
    T(TR_UNUSABLE, REAL, OR(GUEST_TR_ACCESS_RIGHTS, SEGMENT_UNUSABLE))                             \
    T(LDTR_TYPE, REAL, SET(GUEST_LDTR_ACCESS_RIGHTS, 0x83))                                        \
    T(LDTR_S, REAL, OR(GUEST_LDTR_ACCESS_RIGHTS, SEGMENT_S))                                       \
    T(LDTR_P, REAL, CLEAR(GUEST_LDTR_ACCESS_RIGHTS, SEGMENT_P))                                    \
    T(LDTR_RESERVED, REAL, OR(GUEST_LDTR_ACCESS_RIGHTS, BIT(11)))                                  \
    T(LDTR_LIMIT_LOW, REAL, OR(GUEST_LDTR_ACCESS_RIGHTS, SEGMENT_G), SET(GUEST_LDTR_LIMIT, 0x67))  \
    T(LDTR_LIMIT_HIGH, REAL, SET(GUEST_LDTR_LIMIT, 0xFFFFFFFF))                                    \
    T(TABLE_BASE, REAL, SET(GUEST_GDTR_BASE, NOT_CANONICAL))                                       \
    T(TABLE_BASE, REAL, SET(GUEST_IDTR_BASE, NOT_CANONICAL))                                       \
    T(TABLE_LIMIT, REAL, SET(GUEST_GDTR_LIMIT, 0x10000))                                           \
    T(TABLE_LIMIT, REAL, SET(GUEST_IDTR_LIMIT, 0x10000))

#define TRIES_STATE(T)                                                                             \
    T(RIP_32, REAL, SET(GUEST_RIP, BIT(32)))                                                       \
    T(RIP_64, LONG, SET(GUEST_RIP, NOT_CANONICAL))                                                 \
    T(RFLAGS_RESERVED, REAL, OR(GUEST_RFLAGS, BIT(3)))                                             \
    T(RFLAGS_RESERVED, REAL, OR(GUEST_RFLAGS, BIT(63)))                                            \
    T(RFLAGS_1, REAL, CLEAR(GUEST_RFLAGS, RFLAGS_FIXED))                                           \
    T(RFLAGS_VM_IA32E, V86, OR(VM_ENTRY_CONTROLS, ENTRY_CTL_IA32E_MODE_GUEST),                     \
      OR(GUEST_CR0, CR0_PG), OR(GUEST_CR4, CR4_PAE), SET(GUEST_IA32_EFER, EFER_LME | EFER_LMA))    \
    T(RFLAGS_VM_PE, V86, CLEAR(GUEST_CR0, CR0_PE))                                                 \
    T(EXTERNAL_IF, REAL, EVENT(INTERRUPTION_TYPE_EXTERNAL | 0x20))                                 \
    T(SSP, REAL, OR(VM_ENTRY_CONTROLS, ENTRY_CTL_LOAD_CET_STATE), SET(GUEST_SSP, 2))               \
    T(SSP_32, REAL, OR(VM_ENTRY_CONTROLS, ENTRY_CTL_LOAD_CET_STATE), SET(GUEST_SSP, BIT(32)))      \
    T(ACTIVITY, REAL, SLEEP(4))                                                                    \
    T(HLT_DPL, PROTECTED, SLEEP(ACTIVITY_HLT), SET(GUEST_SS_ACCESS_RIGHTS, 0xF3),                  \
      SET(GUEST_CS_ACCESS_RIGHTS, 0xFB))                                                           \
    T(STI_ACTIVE, REAL, SLEEP(ACTIVITY_HLT), BLOCKED(INTERRUPTIBILITY_STI),                        \
      OR(GUEST_RFLAGS, RFLAGS_IF))                                                                 \
    T(MOV_SS_ACTIVE, REAL, SLEEP(ACTIVITY_HLT), BLOCKED(INTERRUPTIBILITY_MOV_SS))                  \
    T(HLT_EVENT, REAL, SLEEP(ACTIVITY_HLT), EVENT(INTERRUPTION_TYPE_HARDWARE | 6))                 \
    T(SHUTDOWN_EVENT, REAL, SLEEP(ACTIVITY_SHUTDOWN), EVENT(INTERRUPTION_TYPE_HARDWARE | 6))       \
    T(SIPI_EVENT, REAL, SLEEP(ACTIVITY_WAIT_FOR_SIPI), EVENT(INTERRUPTION_TYPE_NMI | 2))           \
    T(SMM_SIPI, SMM, OR(VM_ENTRY_CONTROLS, ENTRY_CTL_ENTRY_TO_SMM), SLEEP(ACTIVITY_WAIT_FOR_SIPI), \
      BLOCKED(INTERRUPTIBILITY_SMI))                                                               \
    T(BLOCKING_RESERVED, REAL, BLOCKED(BIT(5)))                                                    \
    T(STI_MOV_SS, REAL, BLOCKED(INTERRUPTIBILITY_SHADOW), OR(GUEST_RFLAGS, RFLAGS_IF))             \
    T(STI_IF, REAL, BLOCKED(INTERRUPTIBILITY_STI))                                                 \
    T(EXTERNAL_BLOCKED, REAL, EVENT(INTERRUPTION_TYPE_EXTERNAL | 0x20),                            \
      BLOCKED(INTERRUPTIBILITY_MOV_SS), OR(GUEST_RFLAGS, RFLAGS_IF))                               \
    T(NMI_MOV_SS, REAL, EVENT(INTERRUPTION_TYPE_NMI | 2), BLOCKED(INTERRUPTIBILITY_MOV_SS))        \
    T(SMI_BLOCKED, REAL, BLOCKED(INTERRUPTIBILITY_SMI))                                            \
    T(SMM_SMI_BLOCKED, SMM, OR(VM_ENTRY_CONTROLS, ENTRY_CTL_ENTRY_TO_SMM))                         \
    T(NMI_STI, REAL, EVENT(INTERRUPTION_TYPE_NMI | 2), BLOCKED(INTERRUPTIBILITY_STI),              \
      OR(GUEST_RFLAGS, RFLAGS_IF))                                                                 \
    T(VIRTUAL_NMI_BLOCKED, REAL, EVENT(INTERRUPTION_TYPE_NMI | 2), BLOCKED(INTERRUPTIBILITY_NMI))  \
    T(ENCLAVE_MOV_SS, REAL, BLOCKED(INTERRUPTIBILITY_ENCLAVE | INTERRUPTIBILITY_MOV_SS))           \
    T(ENCLAVE_SGX, REAL, BLOCKED(INTERRUPTIBILITY_ENCLAVE))                                        \
    T(PENDING_RESERVED, REAL, PENDING(BIT(4)))                                                     \
    T(PENDING_RESERVED, REAL, PENDING(BIT(13)))                                                    \
    T(PENDING_BS, REAL, BLOCKED(INTERRUPTIBILITY_MOV_SS), OR(GUEST_RFLAGS, RFLAGS_TF))             \
    T(PENDING_NO_BS, REAL, BLOCKED(INTERRUPTIBILITY_MOV_SS), PENDING(PENDING_DEBUG_BS))            \
    T(PENDING_RTM, REAL, PENDING(PENDING_DEBUG_RTM))                                               \
    T(LINK_ADDRESS, REAL, SET(VMCS_LINK_POINTER, 0x100))                                           \
    T(LINK_ADDRESS, REAL, SET(VMCS_LINK_POINTER, WIDE))                                            \
    T(LINK_REVISION, REAL, SET(VMCS_LINK_POINTER, 0), PAGE(VMCS_LINK_POINTER, ZEROES, 0))          \
    T(LINK_SHADOW, REAL, SET(VMCS_LINK_POINTER, 0), PAGE(VMCS_LINK_POINTER, SHADOW, 0))            \
    T(LINK_CURRENT, REAL, SET(VMCS_LINK_POINTER, 0), PAGE(VMCS_LINK_POINTER, CURRENT, 0))          \
    T(PDPTES, PAE, SET(GUEST_PDPTE0, 3))                                                           \
    T(PDPTES, PAE, SET(GUEST_PDPTE3, WIDE | 1))                                                    \
    T(PDPTES_MEMORY, NO_EPT, OR(GUEST_CR4, CR4_PAE), SET(GUEST_CR3, 0), PAGE(GUEST_CR3, SHADOW, 0))

#define ENTRY_TRIES(T)                                                                             \
    TRIES_CONTROLS(T) TRIES_HOST(T) TRIES_REGISTERS(T) TRIES_SEGMENTS(T) TRIES_STATE(T)

#define TRY_FIELDS_MAX 10
struct entry_try {
    uint8_t rule, state;
    struct try_field fields[TRY_FIELDS_MAX];
};
struct try_state {
    const char *name;
    bool in_ia32e, in_smm, tracing;
    struct try_field fields[TRY_FIELDS_MAX];
};

enum {
#define TRY_STATE_ID(name, ...) STATE_##name,
    TRY_STATES(TRY_STATE_ID) STATE_COUNT
#undef TRY_STATE_ID
};

static const struct try_state try_states[] = {
#define TRY_STATE(name, in_ia32e, in_smm, tracing, ...)                                            \
    {#name, in_ia32e, in_smm, tracing, {__VA_ARGS__}},
    TRY_STATES(TRY_STATE)
#undef TRY_STATE
};

static const struct entry_try tries[] = {
#define TRY(rule, state, ...) {ENTRY_RULE_##rule, STATE_##state, {__VA_ARGS__}},
    ENTRY_TRIES(TRY)
#undef TRY
};

/* A field's new value. A row of zeroes changes nothing. */
static inline uint64_t try_value(const struct try_field *field, uint64_t old,
                                 const uint64_t pages[PAGE_COUNT])
{
    return field->page ? pages[field->page] + field->set : (old & ~field->clear) | field->set;
}
