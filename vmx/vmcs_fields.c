#include "vmx/vmcs_fields.h"

#include "base/bits.h"

/* All names in one piece, so that a row holds an offset of 16 bits and no pointer. */
#define FIELD_ROOM(name, encoding, width, kind, access, text) char name[sizeof(text)];
#define FIELD_TEXT(name, encoding, width, kind, access, text) text,
static const struct field_names {
    VMCS_FIELDS(FIELD_ROOM)
} names = {VMCS_FIELDS(FIELD_TEXT)};

#define FIELD_INFO(name, encoding, width, kind, access, text)                                      \
    {encoding, offsetof(struct field_names, name)},
const struct vmcs_field_info vmcs_field_table[] = {VMCS_FIELDS(FIELD_INFO)};
const size_t vmcs_field_count = ARRAY_SIZE(vmcs_field_table);

const struct vmcs_field_info *vmcs_field_find(uint32_t encoding)
{
    for (size_t i = 0; i < vmcs_field_count; i++)
        if (vmcs_field_table[i].encoding == encoding)
            return &vmcs_field_table[i];
    return NULL;
}

const char *vmcs_field_name(const struct vmcs_field_info *field)
{
    return (const char *)&names + field->name;
}
