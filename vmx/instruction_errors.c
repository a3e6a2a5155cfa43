#include "vmx/instruction_errors.h"

#include "base/bits.h"
#include "lib/string.h"

/* Intel SDM (325462-083US) vol. 3, section 31.4, VM Instruction Error Numbers. Gaps are numbers
 * that the SDM does not assign. */
#define INSTRUCTION_ERRORS(X)                                                                      \
    X(1, "VMCALL executed in VMX root operation")                                                  \
    X(2, "VMCLEAR: the address is not page-aligned or too wide")                                   \
    X(3, "VMCLEAR: the address is that of the VMXON region")                                       \
    X(4, "VMLAUNCH: the VMCS is not clear")                                                        \
    X(5, "VMRESUME: the VMCS has not been launched")                                               \
    X(6, "VMRESUME after VMXOFF: the VMCS must be cleared first")                                  \
    X(7, "VM entry: a control field holds a value that this CPU does not allow")                   \
    X(8, "VM entry: a host-state field holds a value that this CPU does not allow")                \
    X(9, "VMPTRLD: the address is not page-aligned or too wide")                                   \
    X(10, "VMPTRLD: the address is that of the VMXON region")                                      \
    X(11, "VMPTRLD: wrong VMCS revision identifier, or shadow VMCS where none may be")             \
    X(12, "VMREAD or VMWRITE: this CPU has no such VMCS field")                                    \
    X(13, "VMWRITE: the VMCS field is read-only")                                                  \
    X(15, "VMXON executed in VMX root operation")                                                  \
    X(16, "VM entry: the executive-VMCS pointer is invalid")                                       \
    X(17, "VM entry: the executive VMCS has not been launched")                                    \
    X(18, "VM entry: the executive-VMCS pointer is not the VMXON pointer")                         \
    X(19, "VMCALL to deactivate dual-monitor treatment: the VMCS is not clear")                    \
    X(20, "VMCALL to activate dual-monitor treatment: invalid VM-exit controls")                   \
    X(22, "VMCALL to activate dual-monitor treatment: wrong MSEG revision identifier")             \
    X(23, "VMXOFF under dual-monitor treatment of SMIs and SMM")                                   \
    X(24, "VMCALL to activate dual-monitor treatment: invalid SMM-monitor features")               \
    X(25, "VM entry in SMM: a control field of the executive VMCS is invalid")                     \
    X(26, "VM entry while events are blocked by MOV SS")                                           \
    X(28, "INVEPT or INVVPID: operand not allowed on this CPU")

#define ENTRY_FAILURES(X)                                                                          \
    X(0, "no detail: a guest-state field is invalid")                                              \
    X(2, "loading the PDPTEs failed")                                                              \
    X(3, "an NMI was to be injected while events are blocked by STI")                              \
    X(4, "the VMCS link pointer is invalid")

#define NUMBER(number, text) number,
#define TEXT(number, text)   text "\0"
static const uint8_t error_numbers[] = {INSTRUCTION_ERRORS(NUMBER)};
static const char error_texts[] = INSTRUCTION_ERRORS(TEXT);
static const uint8_t failure_numbers[] = {ENTRY_FAILURES(NUMBER)};
static const char failure_texts[] = ENTRY_FAILURES(TEXT);

static const char *text_of(const uint8_t *numbers, size_t count, const char *texts, uint64_t number)
{
    const char *text = string_numbered(numbers, count, texts, number);
    return text ? text : "a number without a meaning in the SDM";
}

const char *vmx_instruction_error_text(uint32_t number)
{
    return text_of(error_numbers, ARRAY_SIZE(error_numbers), error_texts, number);
}

const char *vmx_entry_failure_text(uint64_t qualification)
{
    return text_of(failure_numbers, ARRAY_SIZE(failure_numbers), failure_texts, qualification);
}
