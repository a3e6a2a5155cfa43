/* A VMCS in memory for unit tests: `#include "vmx/instructions.h"` finds this file first. Every
 * field of vmcs_field_table exists unless the test says that it does not; what is not in the table
 * fails as VMREAD and VMWRITE of an unsupported component do. Link vmx/vmcs_fields.c. */
#pragma once

#include "base/error.h"
#include "base/types.h"
#include "vmx/vmcs_fields.h"

#include <string.h>

enum vmx_result { VMX_SUCCEED, VMX_FAIL_INVALID, VMX_FAIL_VALID };
enum invept_type { INVEPT_SINGLE_CONTEXT = 1, INVEPT_ALL_CONTEXT = 2 };
enum invvpid_type {
    INVVPID_INDIVIDUAL_ADDRESS = 0,
    INVVPID_SINGLE_CONTEXT = 1,
    INVVPID_ALL_CONTEXT = 2,
    INVVPID_SINGLE_CONTEXT_RETAINING_GLOBALS = 3,
};

#define FAKE_VMCS_ENCODINGS 0x8000u

struct fake_vmcs {
    uint64_t value[FAKE_VMCS_ENCODINGS];
    bool missing[FAKE_VMCS_ENCODINGS]; /* set by a test: this CPU lacks the field */
    unsigned reads, writes, invepts, invvpids;
};

/* One for the whole program, whichever files include this. */
__attribute__((weak)) struct fake_vmcs fake_vmcs;

static inline void fake_vmcs_reset(void) { memset(&fake_vmcs, 0, sizeof(fake_vmcs)); }

static inline bool fake_vmcs_has(uint32_t encoding)
{
    return encoding < FAKE_VMCS_ENCODINGS && vmcs_field_find(encoding) &&
           !fake_vmcs.missing[encoding];
}

/* What the processor would keep of a value: fields have widths. */
static inline uint64_t fake_vmcs_clip(uint32_t encoding, uint64_t value)
{
    switch (VMCS_ENCODING_WIDTH(encoding)) {
    case VMCS_WIDTH_16:
        return (uint16_t)value;
    case VMCS_WIDTH_32:
        return (uint32_t)value;
    default:
        return value;
    }
}

/* For tests: what hardware would have left there, read-only fields included. */
static inline void fake_vmcs_set(struct vmcs_field field, uint64_t value)
{
    fake_vmcs.value[field.encoding] = fake_vmcs_clip(field.encoding, value);
}

static inline uint64_t fake_vmcs_get(struct vmcs_field field)
{
    return fake_vmcs.value[field.encoding];
}

static inline MUST_CHECK bool vmx_vmread_checked(uint32_t encoding, uint64_t *value)
{
    fake_vmcs.reads++;
    if (!fake_vmcs_has(encoding))
        return false;
    *value = fake_vmcs.value[encoding];
    return true;
}

static inline uint64_t vmx_vmread(uint32_t encoding)
{
    uint64_t value = 0xBADBADBADBADBADBull; /* what an unchecked read of a missing field gives */
    if (!vmx_vmread_checked(encoding, &value))
        return value;
    return value;
}

static inline MUST_CHECK bool vmx_vmwrite(uint32_t encoding, uint64_t value)
{
    fake_vmcs.writes++;
    if (!fake_vmcs_has(encoding) || VMCS_ENCODING_KIND(encoding) == VMCS_READ_ONLY)
        return false;
    fake_vmcs.value[encoding] = fake_vmcs_clip(encoding, value);
    return true;
}

static inline MUST_CHECK enum vmx_result vmx_invept(enum invept_type type, uint64_t eptp)
{
    (void)eptp;
    fake_vmcs.invepts++;
    return type == INVEPT_SINGLE_CONTEXT || type == INVEPT_ALL_CONTEXT ? VMX_SUCCEED
                                                                       : VMX_FAIL_VALID;
}

static inline MUST_CHECK enum vmx_result vmx_invvpid(enum invvpid_type type, uint16_t vpid,
                                                     gva_t address)
{
    (void)vpid;
    (void)address;
    fake_vmcs.invvpids++;
    return type <= INVVPID_SINGLE_CONTEXT_RETAINING_GLOBALS ? VMX_SUCCEED : VMX_FAIL_VALID;
}
