#include "vmx/instruction_errors.h"

#include "base/bits.h"

/* Intel SDM (325462-083US) vol. 3, section 31.4, VM Instruction Error Numbers. Gaps are numbers
 * that the SDM does not assign. */
static const char *const instruction_errors[] = {
    [1] = "VMCALL executed in VMX root operation",
    [2] = "VMCLEAR: the address is not page-aligned or too wide",
    [3] = "VMCLEAR: the address is that of the VMXON region",
    [4] = "VMLAUNCH: the VMCS is not clear",
    [5] = "VMRESUME: the VMCS has not been launched",
    [6] = "VMRESUME after VMXOFF: the VMCS must be cleared first",
    [7] = "VM entry: a control field holds a value that this CPU does not allow",
    [8] = "VM entry: a host-state field holds a value that this CPU does not allow",
    [9] = "VMPTRLD: the address is not page-aligned or too wide",
    [10] = "VMPTRLD: the address is that of the VMXON region",
    [11] = "VMPTRLD: wrong VMCS revision identifier, or shadow VMCS where none may be",
    [12] = "VMREAD or VMWRITE: this CPU has no such VMCS field",
    [13] = "VMWRITE: the VMCS field is read-only",
    [15] = "VMXON executed in VMX root operation",
    [16] = "VM entry: the executive-VMCS pointer is invalid",
    [17] = "VM entry: the executive VMCS has not been launched",
    [18] = "VM entry: the executive-VMCS pointer is not the VMXON pointer",
    [19] = "VMCALL to deactivate dual-monitor treatment: the VMCS is not clear",
    [20] = "VMCALL to activate dual-monitor treatment: invalid VM-exit controls",
    [22] = "VMCALL to activate dual-monitor treatment: wrong MSEG revision identifier",
    [23] = "VMXOFF under dual-monitor treatment of SMIs and SMM",
    [24] = "VMCALL to activate dual-monitor treatment: invalid SMM-monitor features",
    [25] = "VM entry in SMM: a control field of the executive VMCS is invalid",
    [26] = "VM entry while events are blocked by MOV SS",
    [28] = "INVEPT or INVVPID: operand not allowed on this CPU",
};

static const char *const entry_failures[] = {
    [0] = "no detail: a guest-state field is invalid",
    [2] = "loading the PDPTEs failed",
    [3] = "an NMI was to be injected while events are blocked by STI",
    [4] = "the VMCS link pointer is invalid",
};

static const char *text_of(const char *const *table, size_t count, uint64_t number)
{
    if (number >= count || !table[number])
        return "a number without a meaning in the SDM";
    return table[number];
}

const char *vmx_instruction_error_text(uint32_t number)
{
    return text_of(instruction_errors, ARRAY_SIZE(instruction_errors), number);
}

const char *vmx_entry_failure_text(uint64_t qualification)
{
    return text_of(entry_failures, ARRAY_SIZE(entry_failures), qualification);
}
