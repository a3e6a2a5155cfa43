/* Typed access to the fields of the current VMCS. `vmcs_read(GUEST_RIP)` and
 * `vmcs_write(GUEST_RIP, rip)` paste the field's name into the name of a function that the table in
 * vmcs_fields.h generates: a field that does not exist has none, a read-only field has no writer,
 * and an encoding, being a struct, cannot be passed where a value is due.
 *
 * Any CPU in VMX root mode with its VMCS current. A read is one VMREAD without a check: it cannot
 * fail for a field that exists (Intel SDM vol. 3, section 31.3, VMX Instructions, "VMREAD"). A
 * write is one VMWRITE and one branch never taken; it ends in vmx_field_failed(). */
#pragma once

#include "vmx/instructions.h"
#include "vmx/vmcs_fields.h"

/* The end of every failed VMWRITE: names the field and the VM-instruction error, and panics. */
_Noreturn void vmx_field_failed(uint32_t encoding) __attribute__((cold));

typedef uint16_t vmcs_value_16;
typedef uint32_t vmcs_value_32;
typedef uint64_t vmcs_value_64;
typedef uint64_t vmcs_value_NATURAL;

#define vmcs_read(name)         vmcs_read_##name()
#define vmcs_write(name, value) vmcs_write_##name(value)

/* By encoding, for tables: dumps (false: this CPU lacks the field) and loops over segments. */
static inline MUST_CHECK bool vmcs_read_checked(uint32_t encoding, uint64_t *value)
{
    return vmx_vmread_checked(encoding, value);
}

static inline uint64_t vmcs_read_field(struct vmcs_field field)
{
    return vmx_vmread(field.encoding);
}

static inline void vmcs_write_field(struct vmcs_field field, uint64_t value)
{
    if (__builtin_expect(!vmx_vmwrite(field.encoding, value), 0))
        vmx_field_failed(field.encoding);
}

/* Fields come in rows: `VMCS_AT(GUEST_ES_BASE, 3)` is the fourth, GUEST_DS_BASE. */
#define VMCS_AT(first, index) ((struct vmcs_field){VMCS_##first.encoding + 2u * (uint32_t)(index)})

#define VMCS_WRITER_RO(name, width)
#define VMCS_WRITER_RW(name, width)                                                                \
    static inline void vmcs_write_##name(vmcs_value_##width value)                                 \
    {                                                                                              \
        vmcs_write_field(VMCS_##name, value);                                                      \
    }
#define VMCS_ACCESSORS(name, code, width, kind, access, text)                                      \
    static inline vmcs_value_##width vmcs_read_##name(void)                                        \
    {                                                                                              \
        return (vmcs_value_##width)vmx_vmread(VMCS_##name.encoding);                               \
    }                                                                                              \
    VMCS_WRITER_##access(name, width)
VMCS_FIELDS(VMCS_ACCESSORS)
#undef VMCS_ACCESSORS
#undef VMCS_WRITER_RO
#undef VMCS_WRITER_RW
