/* The VMX instructions, one wrapper each: with base/hw.h the only inline assembly in C. All need
 * CPL 0; all but VMXON need VMX root mode. Unit tests find a VMCS in memory in its place, in
 * tests/unit/fake/vmx/instructions.h.
 * Source: Intel SDM (325462-083US) vol. 3, chapter 31, VMX Instruction Reference; section 31.2,
 * Conventions, for the three results. */
#pragma once

#include "base/error.h"
#include "base/types.h"

enum vmx_result {
    VMX_SUCCEED,
    VMX_FAIL_INVALID, /* CF: there is no current VMCS to hold an error number */
    VMX_FAIL_VALID,   /* ZF: the number is in the current VMCS, VM_INSTRUCTION_ERROR */
};

enum invept_type { INVEPT_SINGLE_CONTEXT = 1, INVEPT_ALL_CONTEXT = 2 };
enum invvpid_type {
    INVVPID_INDIVIDUAL_ADDRESS = 0,
    INVVPID_SINGLE_CONTEXT = 1,
    INVVPID_ALL_CONTEXT = 2,
    INVVPID_SINGLE_CONTEXT_RETAINING_GLOBALS = 3,
};

static inline enum vmx_result vmx_result_of(bool carry, bool zero)
{
    return carry ? VMX_FAIL_INVALID : zero ? VMX_FAIL_VALID : VMX_SUCCEED;
}

/* VMXON, VMCLEAR and VMPTRLD take the physical address of a page from memory. */
#define VMX_POINTER_INSTRUCTION(name)                                                              \
    static inline MUST_CHECK enum vmx_result vmx_##name(hpa_t page)                                \
    {                                                                                              \
        bool carry, zero;                                                                          \
        __asm__ volatile(#name " %2" : "=@ccc"(carry), "=@ccz"(zero) : "m"(page.v) : "memory");    \
        return vmx_result_of(carry, zero);                                                         \
    }
VMX_POINTER_INSTRUCTION(vmxon)
VMX_POINTER_INSTRUCTION(vmclear)
VMX_POINTER_INSTRUCTION(vmptrld)
#undef VMX_POINTER_INSTRUCTION

static inline MUST_CHECK enum vmx_result vmx_vmxoff(void)
{
    bool carry, zero;
    __asm__ volatile("vmxoff" : "=@ccc"(carry), "=@ccz"(zero) : : "memory");
    return vmx_result_of(carry, zero);
}

/* The address of the current VMCS, all ones where there is none. Cannot fail in root mode. */
static inline hpa_t vmx_vmptrst(void)
{
    hpa_t page;
    __asm__ volatile("vmptrst %0" : "=m"(page.v) : : "cc");
    return page;
}

/* INVEPT drops mappings of one EPTP or all; `eptp` counts for the single-context type only. */
static inline MUST_CHECK enum vmx_result vmx_invept(enum invept_type type, uint64_t eptp)
{
    const struct {
        uint64_t eptp, reserved;
    } descriptor = {eptp, 0};
    bool carry, zero;
    __asm__ volatile("invept %2, %3"
                     : "=@ccc"(carry), "=@ccz"(zero)
                     : "m"(descriptor), "r"((uint64_t)type)
                     : "memory");
    return vmx_result_of(carry, zero);
}

static inline MUST_CHECK enum vmx_result vmx_invvpid(enum invvpid_type type, uint16_t vpid,
                                                     gva_t address)
{
    const struct {
        uint64_t vpid, address;
    } descriptor = {vpid, address.v};
    bool carry, zero;
    __asm__ volatile("invvpid %2, %3"
                     : "=@ccc"(carry), "=@ccz"(zero)
                     : "m"(descriptor), "r"((uint64_t)type)
                     : "memory");
    return vmx_result_of(carry, zero);
}

/* VMREAD of a field that this CPU has: with a current VMCS it cannot fail, so nothing is checked,
 * and it is one instruction. Everything of doubtful existence goes through the checked form. */
static inline uint64_t vmx_vmread(uint32_t encoding)
{
    uint64_t value;
    __asm__ volatile("vmread %1, %0" : "=r"(value) : "r"((uint64_t)encoding) : "cc");
    return value;
}

/* False, and `*value` untouched, where the field or the current VMCS is missing. */
static inline MUST_CHECK bool vmx_vmread_checked(uint32_t encoding, uint64_t *value)
{
    uint64_t read = 0;
    bool failed;
    __asm__ volatile("vmread %2, %1" : "=@ccbe"(failed), "+r"(read) : "r"((uint64_t)encoding));
    if (failed)
        return false;
    *value = read;
    return true;
}

static inline MUST_CHECK bool vmx_vmwrite(uint32_t encoding, uint64_t value)
{
    bool failed;
    __asm__ volatile("vmwrite %1, %2" : "=@ccbe"(failed) : "r"(value), "r"((uint64_t)encoding));
    return !failed;
}
