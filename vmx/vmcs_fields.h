/* Every field of a VMCS, typed once. The list makes the encodings, the typed accessors (vmcs.h),
 * the table of names for dumps (vmcs_fields.c) and the VMCS of the unit tests; the assertions at
 * the end hold each row against the bits of its own encoding.
 * Source: Intel SDM (325462-083US) vol. 3, Appendix B, Field Encoding in VMCS, and section 25.11.2,
 * VMREAD, VMWRITE, and Encodings of VMCS Fields. */
#pragma once

#include "base/types.h"

enum vmcs_width { VMCS_WIDTH_16 = 0, VMCS_WIDTH_64 = 1, VMCS_WIDTH_32 = 2, VMCS_WIDTH_NATURAL = 3 };
enum vmcs_kind { VMCS_CONTROL = 0, VMCS_READ_ONLY = 1, VMCS_GUEST = 2, VMCS_HOST = 3 };

/* X(NAME, encoding, width, kind, access, "SDM name") */
#define VMCS_FIELDS_16(X)                                                                          \
    X(VPID, 0x0000, 16, CONTROL, RW, "virtual-processor identifier (VPID)")                        \
    X(POSTED_INTERRUPT_NOTIFICATION_VECTOR, 0x0002, 16, CONTROL, RW,                               \
      "posted-interrupt notification vector")                                                      \
    X(EPTP_INDEX, 0x0004, 16, CONTROL, RW, "EPTP index")                                           \
    X(HLAT_PREFIX_SIZE, 0x0006, 16, CONTROL, RW, "HLAT prefix size")                               \
    X(LAST_PID_POINTER_INDEX, 0x0008, 16, CONTROL, RW, "last PID-pointer index")                   \
    X(GUEST_ES_SELECTOR, 0x0800, 16, GUEST, RW, "guest ES selector")                               \
    X(GUEST_CS_SELECTOR, 0x0802, 16, GUEST, RW, "guest CS selector")                               \
    X(GUEST_SS_SELECTOR, 0x0804, 16, GUEST, RW, "guest SS selector")                               \
    X(GUEST_DS_SELECTOR, 0x0806, 16, GUEST, RW, "guest DS selector")                               \
    X(GUEST_FS_SELECTOR, 0x0808, 16, GUEST, RW, "guest FS selector")                               \
    X(GUEST_GS_SELECTOR, 0x080A, 16, GUEST, RW, "guest GS selector")                               \
    X(GUEST_LDTR_SELECTOR, 0x080C, 16, GUEST, RW, "guest LDTR selector")                           \
    X(GUEST_TR_SELECTOR, 0x080E, 16, GUEST, RW, "guest TR selector")                               \
    X(GUEST_INTERRUPT_STATUS, 0x0810, 16, GUEST, RW, "guest interrupt status")                     \
    X(PML_INDEX, 0x0812, 16, GUEST, RW, "PML index")                                               \
    X(GUEST_UINV, 0x0814, 16, GUEST, RW, "guest UINV")                                             \
    X(HOST_ES_SELECTOR, 0x0C00, 16, HOST, RW, "host ES selector")                                  \
    X(HOST_CS_SELECTOR, 0x0C02, 16, HOST, RW, "host CS selector")                                  \
    X(HOST_SS_SELECTOR, 0x0C04, 16, HOST, RW, "host SS selector")                                  \
    X(HOST_DS_SELECTOR, 0x0C06, 16, HOST, RW, "host DS selector")                                  \
    X(HOST_FS_SELECTOR, 0x0C08, 16, HOST, RW, "host FS selector")                                  \
    X(HOST_GS_SELECTOR, 0x0C0A, 16, HOST, RW, "host GS selector")                                  \
    X(HOST_TR_SELECTOR, 0x0C0C, 16, HOST, RW, "host TR selector")

#define VMCS_FIELDS_64(X)                                                                          \
    X(IO_BITMAP_A, 0x2000, 64, CONTROL, RW, "address of I/O bitmap A")                             \
    X(IO_BITMAP_B, 0x2002, 64, CONTROL, RW, "address of I/O bitmap B")                             \
    X(MSR_BITMAP, 0x2004, 64, CONTROL, RW, "address of MSR bitmaps")                               \
    X(VM_EXIT_MSR_STORE_ADDRESS, 0x2006, 64, CONTROL, RW, "VM-exit MSR-store address")             \
    X(VM_EXIT_MSR_LOAD_ADDRESS, 0x2008, 64, CONTROL, RW, "VM-exit MSR-load address")               \
    X(VM_ENTRY_MSR_LOAD_ADDRESS, 0x200A, 64, CONTROL, RW, "VM-entry MSR-load address")             \
    X(EXECUTIVE_VMCS_POINTER, 0x200C, 64, CONTROL, RW, "executive-VMCS pointer")                   \
    X(PML_ADDRESS, 0x200E, 64, CONTROL, RW, "PML address")                                         \
    X(TSC_OFFSET, 0x2010, 64, CONTROL, RW, "TSC offset")                                           \
    X(VIRTUAL_APIC_ADDRESS, 0x2012, 64, CONTROL, RW, "virtual-APIC address")                       \
    X(APIC_ACCESS_ADDRESS, 0x2014, 64, CONTROL, RW, "APIC-access address")                         \
    X(POSTED_INTERRUPT_DESCRIPTOR_ADDRESS, 0x2016, 64, CONTROL, RW,                                \
      "posted-interrupt descriptor address")                                                       \
    X(VM_FUNCTION_CONTROLS, 0x2018, 64, CONTROL, RW, "VM-function controls")                       \
    X(EPT_POINTER, 0x201A, 64, CONTROL, RW, "EPT pointer (EPTP)")                                  \
    X(EOI_EXIT_BITMAP_0, 0x201C, 64, CONTROL, RW, "EOI-exit bitmap 0")                             \
    X(EOI_EXIT_BITMAP_1, 0x201E, 64, CONTROL, RW, "EOI-exit bitmap 1")                             \
    X(EOI_EXIT_BITMAP_2, 0x2020, 64, CONTROL, RW, "EOI-exit bitmap 2")                             \
    X(EOI_EXIT_BITMAP_3, 0x2022, 64, CONTROL, RW, "EOI-exit bitmap 3")                             \
    X(EPTP_LIST_ADDRESS, 0x2024, 64, CONTROL, RW, "EPTP-list address")                             \
    X(VMREAD_BITMAP, 0x2026, 64, CONTROL, RW, "VMREAD-bitmap address")                             \
    X(VMWRITE_BITMAP, 0x2028, 64, CONTROL, RW, "VMWRITE-bitmap address")                           \
    X(VE_INFORMATION_ADDRESS, 0x202A, 64, CONTROL, RW,                                             \
      "virtualization-exception information address")                                              \
    X(XSS_EXITING_BITMAP, 0x202C, 64, CONTROL, RW, "XSS-exiting bitmap")                           \
    X(ENCLS_EXITING_BITMAP, 0x202E, 64, CONTROL, RW, "ENCLS-exiting bitmap")                       \
    X(SUB_PAGE_PERMISSION_TABLE_POINTER, 0x2030, 64, CONTROL, RW,                                  \
      "sub-page-permission-table pointer")                                                         \
    X(TSC_MULTIPLIER, 0x2032, 64, CONTROL, RW, "TSC multiplier")                                   \
    X(TERTIARY_CONTROLS, 0x2034, 64, CONTROL, RW,                                                  \
      "tertiary processor-based VM-execution controls")                                            \
    X(ENCLV_EXITING_BITMAP, 0x2036, 64, CONTROL, RW, "ENCLV-exiting bitmap")                       \
    X(LOW_PASID_DIRECTORY_ADDRESS, 0x2038, 64, CONTROL, RW, "low PASID directory address")         \
    X(HIGH_PASID_DIRECTORY_ADDRESS, 0x203A, 64, CONTROL, RW, "high PASID directory address")       \
    X(SHARED_EPT_POINTER, 0x203C, 64, CONTROL, RW, "shared EPT pointer")                           \
    X(PCONFIG_EXITING_BITMAP, 0x203E, 64, CONTROL, RW, "PCONFIG-exiting bitmap")                   \
    X(HLAT_POINTER, 0x2040, 64, CONTROL, RW,                                                       \
      "hypervisor-managed linear-address translation pointer")                                     \
    X(PID_POINTER_TABLE_ADDRESS, 0x2042, 64, CONTROL, RW, "PID-pointer table address")             \
    X(SECONDARY_VM_EXIT_CONTROLS, 0x2044, 64, CONTROL, RW, "secondary VM-exit controls")           \
    X(SPEC_CTRL_MASK, 0x204A, 64, CONTROL, RW, "IA32_SPEC_CTRL mask")                              \
    X(SPEC_CTRL_SHADOW, 0x204C, 64, CONTROL, RW, "IA32_SPEC_CTRL shadow")                          \
    X(GUEST_PHYSICAL_ADDRESS, 0x2400, 64, READ_ONLY, RO, "guest-physical address")                 \
    X(VMCS_LINK_POINTER, 0x2800, 64, GUEST, RW, "VMCS link pointer")                               \
    X(GUEST_IA32_DEBUGCTL, 0x2802, 64, GUEST, RW, "guest IA32_DEBUGCTL")                           \
    X(GUEST_IA32_PAT, 0x2804, 64, GUEST, RW, "guest IA32_PAT")                                     \
    X(GUEST_IA32_EFER, 0x2806, 64, GUEST, RW, "guest IA32_EFER")                                   \
    X(GUEST_IA32_PERF_GLOBAL_CTRL, 0x2808, 64, GUEST, RW, "guest IA32_PERF_GLOBAL_CTRL")           \
    X(GUEST_PDPTE0, 0x280A, 64, GUEST, RW, "guest PDPTE0")                                         \
    X(GUEST_PDPTE1, 0x280C, 64, GUEST, RW, "guest PDPTE1")                                         \
    X(GUEST_PDPTE2, 0x280E, 64, GUEST, RW, "guest PDPTE2")                                         \
    X(GUEST_PDPTE3, 0x2810, 64, GUEST, RW, "guest PDPTE3")                                         \
    X(GUEST_IA32_BNDCFGS, 0x2812, 64, GUEST, RW, "guest IA32_BNDCFGS")                             \
    X(GUEST_IA32_RTIT_CTL, 0x2814, 64, GUEST, RW, "guest IA32_RTIT_CTL")                           \
    X(GUEST_IA32_LBR_CTL, 0x2816, 64, GUEST, RW, "guest IA32_LBR_CTL")                             \
    X(GUEST_IA32_PKRS, 0x2818, 64, GUEST, RW, "guest IA32_PKRS")                                   \
    X(HOST_IA32_PAT, 0x2C00, 64, HOST, RW, "host IA32_PAT")                                        \
    X(HOST_IA32_EFER, 0x2C02, 64, HOST, RW, "host IA32_EFER")                                      \
    X(HOST_IA32_PERF_GLOBAL_CTRL, 0x2C04, 64, HOST, RW, "host IA32_PERF_GLOBAL_CTRL")              \
    X(HOST_IA32_PKRS, 0x2C06, 64, HOST, RW, "host IA32_PKRS")

#define VMCS_FIELDS_32(X)                                                                          \
    X(PIN_CONTROLS, 0x4000, 32, CONTROL, RW, "pin-based VM-execution controls")                    \
    X(PRIMARY_CONTROLS, 0x4002, 32, CONTROL, RW, "primary processor-based VM-execution controls")  \
    X(EXCEPTION_BITMAP, 0x4004, 32, CONTROL, RW, "exception bitmap")                               \
    X(PAGE_FAULT_ERROR_CODE_MASK, 0x4006, 32, CONTROL, RW, "page-fault error-code mask")           \
    X(PAGE_FAULT_ERROR_CODE_MATCH, 0x4008, 32, CONTROL, RW, "page-fault error-code match")         \
    X(CR3_TARGET_COUNT, 0x400A, 32, CONTROL, RW, "CR3-target count")                               \
    X(VM_EXIT_CONTROLS, 0x400C, 32, CONTROL, RW, "primary VM-exit controls")                       \
    X(VM_EXIT_MSR_STORE_COUNT, 0x400E, 32, CONTROL, RW, "VM-exit MSR-store count")                 \
    X(VM_EXIT_MSR_LOAD_COUNT, 0x4010, 32, CONTROL, RW, "VM-exit MSR-load count")                   \
    X(VM_ENTRY_CONTROLS, 0x4012, 32, CONTROL, RW, "VM-entry controls")                             \
    X(VM_ENTRY_MSR_LOAD_COUNT, 0x4014, 32, CONTROL, RW, "VM-entry MSR-load count")                 \
    X(VM_ENTRY_INTERRUPTION_INFO, 0x4016, 32, CONTROL, RW,                                         \
      "VM-entry interruption-information field")                                                   \
    X(VM_ENTRY_EXCEPTION_ERROR_CODE, 0x4018, 32, CONTROL, RW, "VM-entry exception error code")     \
    X(VM_ENTRY_INSTRUCTION_LENGTH, 0x401A, 32, CONTROL, RW, "VM-entry instruction length")         \
    X(TPR_THRESHOLD, 0x401C, 32, CONTROL, RW, "TPR threshold")                                     \
    X(SECONDARY_CONTROLS, 0x401E, 32, CONTROL, RW,                                                 \
      "secondary processor-based VM-execution controls")                                           \
    X(PLE_GAP, 0x4020, 32, CONTROL, RW, "PLE_Gap")                                                 \
    X(PLE_WINDOW, 0x4022, 32, CONTROL, RW, "PLE_Window")                                           \
    X(INSTRUCTION_TIMEOUT_CONTROL, 0x4024, 32, CONTROL, RW, "instruction-timeout control")         \
    X(VM_INSTRUCTION_ERROR, 0x4400, 32, READ_ONLY, RO, "VM-instruction error")                     \
    X(EXIT_REASON, 0x4402, 32, READ_ONLY, RO, "exit reason")                                       \
    X(VM_EXIT_INTERRUPTION_INFO, 0x4404, 32, READ_ONLY, RO, "VM-exit interruption information")    \
    X(VM_EXIT_INTERRUPTION_ERROR_CODE, 0x4406, 32, READ_ONLY, RO,                                  \
      "VM-exit interruption error code")                                                           \
    X(IDT_VECTORING_INFO, 0x4408, 32, READ_ONLY, RO, "IDT-vectoring information field")            \
    X(IDT_VECTORING_ERROR_CODE, 0x440A, 32, READ_ONLY, RO, "IDT-vectoring error code")             \
    X(VM_EXIT_INSTRUCTION_LENGTH, 0x440C, 32, READ_ONLY, RO, "VM-exit instruction length")         \
    X(VM_EXIT_INSTRUCTION_INFO, 0x440E, 32, READ_ONLY, RO, "VM-exit instruction information")      \
    X(GUEST_ES_LIMIT, 0x4800, 32, GUEST, RW, "guest ES limit")                                     \
    X(GUEST_CS_LIMIT, 0x4802, 32, GUEST, RW, "guest CS limit")                                     \
    X(GUEST_SS_LIMIT, 0x4804, 32, GUEST, RW, "guest SS limit")                                     \
    X(GUEST_DS_LIMIT, 0x4806, 32, GUEST, RW, "guest DS limit")                                     \
    X(GUEST_FS_LIMIT, 0x4808, 32, GUEST, RW, "guest FS limit")                                     \
    X(GUEST_GS_LIMIT, 0x480A, 32, GUEST, RW, "guest GS limit")                                     \
    X(GUEST_LDTR_LIMIT, 0x480C, 32, GUEST, RW, "guest LDTR limit")                                 \
    X(GUEST_TR_LIMIT, 0x480E, 32, GUEST, RW, "guest TR limit")                                     \
    X(GUEST_GDTR_LIMIT, 0x4810, 32, GUEST, RW, "guest GDTR limit")                                 \
    X(GUEST_IDTR_LIMIT, 0x4812, 32, GUEST, RW, "guest IDTR limit")                                 \
    X(GUEST_ES_ACCESS_RIGHTS, 0x4814, 32, GUEST, RW, "guest ES access rights")                     \
    X(GUEST_CS_ACCESS_RIGHTS, 0x4816, 32, GUEST, RW, "guest CS access rights")                     \
    X(GUEST_SS_ACCESS_RIGHTS, 0x4818, 32, GUEST, RW, "guest SS access rights")                     \
    X(GUEST_DS_ACCESS_RIGHTS, 0x481A, 32, GUEST, RW, "guest DS access rights")                     \
    X(GUEST_FS_ACCESS_RIGHTS, 0x481C, 32, GUEST, RW, "guest FS access rights")                     \
    X(GUEST_GS_ACCESS_RIGHTS, 0x481E, 32, GUEST, RW, "guest GS access rights")                     \
    X(GUEST_LDTR_ACCESS_RIGHTS, 0x4820, 32, GUEST, RW, "guest LDTR access rights")                 \
    X(GUEST_TR_ACCESS_RIGHTS, 0x4822, 32, GUEST, RW, "guest TR access rights")                     \
    X(GUEST_INTERRUPTIBILITY_STATE, 0x4824, 32, GUEST, RW, "guest interruptibility state")         \
    X(GUEST_ACTIVITY_STATE, 0x4826, 32, GUEST, RW, "guest activity state")                         \
    X(GUEST_SMBASE, 0x4828, 32, GUEST, RW, "guest SMBASE")                                         \
    X(GUEST_IA32_SYSENTER_CS, 0x482A, 32, GUEST, RW, "guest IA32_SYSENTER_CS")                     \
    X(VMX_PREEMPTION_TIMER_VALUE, 0x482E, 32, GUEST, RW, "VMX-preemption timer value")             \
    X(HOST_IA32_SYSENTER_CS, 0x4C00, 32, HOST, RW, "host IA32_SYSENTER_CS")

#define VMCS_FIELDS_NATURAL(X)                                                                     \
    X(CR0_GUEST_HOST_MASK, 0x6000, NATURAL, CONTROL, RW, "CR0 guest/host mask")                    \
    X(CR4_GUEST_HOST_MASK, 0x6002, NATURAL, CONTROL, RW, "CR4 guest/host mask")                    \
    X(CR0_READ_SHADOW, 0x6004, NATURAL, CONTROL, RW, "CR0 read shadow")                            \
    X(CR4_READ_SHADOW, 0x6006, NATURAL, CONTROL, RW, "CR4 read shadow")                            \
    X(CR3_TARGET_VALUE_0, 0x6008, NATURAL, CONTROL, RW, "CR3-target value 0")                      \
    X(CR3_TARGET_VALUE_1, 0x600A, NATURAL, CONTROL, RW, "CR3-target value 1")                      \
    X(CR3_TARGET_VALUE_2, 0x600C, NATURAL, CONTROL, RW, "CR3-target value 2")                      \
    X(CR3_TARGET_VALUE_3, 0x600E, NATURAL, CONTROL, RW, "CR3-target value 3")                      \
    X(EXIT_QUALIFICATION, 0x6400, NATURAL, READ_ONLY, RO, "exit qualification")                    \
    X(IO_RCX, 0x6402, NATURAL, READ_ONLY, RO, "I/O RCX")                                           \
    X(IO_RSI, 0x6404, NATURAL, READ_ONLY, RO, "I/O RSI")                                           \
    X(IO_RDI, 0x6406, NATURAL, READ_ONLY, RO, "I/O RDI")                                           \
    X(IO_RIP, 0x6408, NATURAL, READ_ONLY, RO, "I/O RIP")                                           \
    X(GUEST_LINEAR_ADDRESS, 0x640A, NATURAL, READ_ONLY, RO, "guest-linear address")                \
    X(GUEST_CR0, 0x6800, NATURAL, GUEST, RW, "guest CR0")                                          \
    X(GUEST_CR3, 0x6802, NATURAL, GUEST, RW, "guest CR3")                                          \
    X(GUEST_CR4, 0x6804, NATURAL, GUEST, RW, "guest CR4")                                          \
    X(GUEST_ES_BASE, 0x6806, NATURAL, GUEST, RW, "guest ES base")                                  \
    X(GUEST_CS_BASE, 0x6808, NATURAL, GUEST, RW, "guest CS base")                                  \
    X(GUEST_SS_BASE, 0x680A, NATURAL, GUEST, RW, "guest SS base")                                  \
    X(GUEST_DS_BASE, 0x680C, NATURAL, GUEST, RW, "guest DS base")                                  \
    X(GUEST_FS_BASE, 0x680E, NATURAL, GUEST, RW, "guest FS base")                                  \
    X(GUEST_GS_BASE, 0x6810, NATURAL, GUEST, RW, "guest GS base")                                  \
    X(GUEST_LDTR_BASE, 0x6812, NATURAL, GUEST, RW, "guest LDTR base")                              \
    X(GUEST_TR_BASE, 0x6814, NATURAL, GUEST, RW, "guest TR base")                                  \
    X(GUEST_GDTR_BASE, 0x6816, NATURAL, GUEST, RW, "guest GDTR base")                              \
    X(GUEST_IDTR_BASE, 0x6818, NATURAL, GUEST, RW, "guest IDTR base")                              \
    X(GUEST_DR7, 0x681A, NATURAL, GUEST, RW, "guest DR7")                                          \
    X(GUEST_RSP, 0x681C, NATURAL, GUEST, RW, "guest RSP")                                          \
    X(GUEST_RIP, 0x681E, NATURAL, GUEST, RW, "guest RIP")                                          \
    X(GUEST_RFLAGS, 0x6820, NATURAL, GUEST, RW, "guest RFLAGS")                                    \
    X(GUEST_PENDING_DEBUG_EXCEPTIONS, 0x6822, NATURAL, GUEST, RW,                                  \
      "guest pending debug exceptions")                                                            \
    X(GUEST_IA32_SYSENTER_ESP, 0x6824, NATURAL, GUEST, RW, "guest IA32_SYSENTER_ESP")              \
    X(GUEST_IA32_SYSENTER_EIP, 0x6826, NATURAL, GUEST, RW, "guest IA32_SYSENTER_EIP")              \
    X(GUEST_IA32_S_CET, 0x6828, NATURAL, GUEST, RW, "guest IA32_S_CET")                            \
    X(GUEST_SSP, 0x682A, NATURAL, GUEST, RW, "guest SSP")                                          \
    X(GUEST_IA32_INTERRUPT_SSP_TABLE_ADDR, 0x682C, NATURAL, GUEST, RW,                             \
      "guest IA32_INTERRUPT_SSP_TABLE_ADDR")                                                       \
    X(HOST_CR0, 0x6C00, NATURAL, HOST, RW, "host CR0")                                             \
    X(HOST_CR3, 0x6C02, NATURAL, HOST, RW, "host CR3")                                             \
    X(HOST_CR4, 0x6C04, NATURAL, HOST, RW, "host CR4")                                             \
    X(HOST_FS_BASE, 0x6C06, NATURAL, HOST, RW, "host FS base")                                     \
    X(HOST_GS_BASE, 0x6C08, NATURAL, HOST, RW, "host GS base")                                     \
    X(HOST_TR_BASE, 0x6C0A, NATURAL, HOST, RW, "host TR base")                                     \
    X(HOST_GDTR_BASE, 0x6C0C, NATURAL, HOST, RW, "host GDTR base")                                 \
    X(HOST_IDTR_BASE, 0x6C0E, NATURAL, HOST, RW, "host IDTR base")                                 \
    X(HOST_IA32_SYSENTER_ESP, 0x6C10, NATURAL, HOST, RW, "host IA32_SYSENTER_ESP")                 \
    X(HOST_IA32_SYSENTER_EIP, 0x6C12, NATURAL, HOST, RW, "host IA32_SYSENTER_EIP")                 \
    X(HOST_RSP, 0x6C14, NATURAL, HOST, RW, "host RSP")                                             \
    X(HOST_RIP, 0x6C16, NATURAL, HOST, RW, "host RIP")                                             \
    X(HOST_IA32_S_CET, 0x6C18, NATURAL, HOST, RW, "host IA32_S_CET")                               \
    X(HOST_SSP, 0x6C1A, NATURAL, HOST, RW, "host SSP")                                             \
    X(HOST_IA32_INTERRUPT_SSP_TABLE_ADDR, 0x6C1C, NATURAL, HOST, RW,                               \
      "host IA32_INTERRUPT_SSP_TABLE_ADDR")

#define VMCS_FIELDS(X) VMCS_FIELDS_16(X) VMCS_FIELDS_64(X) VMCS_FIELDS_32(X) VMCS_FIELDS_NATURAL(X)

/* An encoding is a type of its own: handed over as a value, it does not compile. */
struct vmcs_field {
    uint32_t encoding;
};

#define VMCS_FIELD_CONSTANT(name, field_encoding, width, kind, access, text)                       \
    static const struct vmcs_field VMCS_##name = {field_encoding};
VMCS_FIELDS(VMCS_FIELD_CONSTANT)
#undef VMCS_FIELD_CONSTANT

/* For tables and labels. */
enum vmcs_encoding {
#define VMCS_ENCODING_NUMBER(name, encoding, width, kind, access, text) ENCODING_##name = encoding,
    VMCS_FIELDS(VMCS_ENCODING_NUMBER)
#undef VMCS_ENCODING_NUMBER
};

/* Encoding: bit 0 access type (0 full), 9:1 index, 11:10 kind, 12 zero, 14:13 width, 31:15 zero. */
#define VMCS_ENCODING_WIDTH(encoding) (((encoding) >> 13) & 3)
#define VMCS_ENCODING_KIND(encoding)  (((encoding) >> 10) & 3)
#define VMCS_ENCODING_ZERO            0xFFFF9001u

#define VMCS_IS_RO 1
#define VMCS_IS_RW 0
#define VMCS_FIELD_ASSERT(name, encoding, width, kind, access, text)                               \
    _Static_assert(VMCS_ENCODING_WIDTH(encoding) == VMCS_WIDTH_##width, #name ": width");          \
    _Static_assert(VMCS_ENCODING_KIND(encoding) == VMCS_##kind, #name ": kind");                   \
    _Static_assert((VMCS_##kind == VMCS_READ_ONLY) == VMCS_IS_##access, #name ": access");         \
    _Static_assert(((encoding)&VMCS_ENCODING_ZERO) == 0, #name ": reserved bits");
VMCS_FIELDS(VMCS_FIELD_ASSERT)
#undef VMCS_FIELD_ASSERT

struct vmcs_field_info {
    uint16_t encoding;
    uint16_t name; /* for vmcs_field_name */
};

/* All fields by rising encoding within each width group: 16, 64, 32 bits, natural. */
extern const struct vmcs_field_info vmcs_field_table[];
extern const size_t vmcs_field_count;

/* The row of an encoding, or NULL for one that the SDM's edition does not list. Pure. */
const struct vmcs_field_info *vmcs_field_find(uint32_t encoding);

/* The SDM's name of a row. */
const char *vmcs_field_name(const struct vmcs_field_info *field);
