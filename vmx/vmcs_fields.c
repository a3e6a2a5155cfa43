#include "vmx/vmcs_fields.h"

#include "base/bits.h"

#define FIELD_INFO(name, encoding, width, kind, access, text)                                      \
    {encoding, VMCS_WIDTH_##width, VMCS_##kind, text},
const struct vmcs_field_info vmcs_field_table[] = {VMCS_FIELDS(FIELD_INFO)};
const size_t vmcs_field_count = ARRAY_SIZE(vmcs_field_table);

const struct vmcs_field_info *vmcs_field_find(uint32_t encoding)
{
    for (size_t i = 0; i < vmcs_field_count; i++)
        if (vmcs_field_table[i].encoding == encoding)
            return &vmcs_field_table[i];
    return NULL;
}
