#include "vmx/vmcs.h"

#include "base/panic.h"
#include "vmx/instruction_errors.h"

void vmx_field_failed(uint32_t encoding)
{
    const struct vmcs_field_info *field = vmcs_field_find(encoding);
    const char *name = field ? vmcs_field_name(field) : "unlisted field";
    uint64_t number;

    /* Without a current VMCS there is no field to hold the number either. */
    if (!vmcs_read_checked(VMCS_VM_INSTRUCTION_ERROR.encoding, &number))
        panic("VMWRITE of %s (0x%x) failed: no VMCS is current", name, (unsigned)encoding);
    panic("VMWRITE of %s (0x%x) failed: error %u, %s", name, (unsigned)encoding, (unsigned)number,
          vmx_instruction_error_text((uint32_t)number));
}
