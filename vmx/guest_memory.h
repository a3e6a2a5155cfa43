/* The guest's memory as its processor sees it: by its present paging mode, and without what is
 * Orlop's. The rules are vcpu/paging.h's. */
#pragma once

#include "base/error.h"
#include "vcpu/decoder.h"
#include "vcpu/paging.h"
#include "vmx/vmx_cpu.h"

/* The registers of paging, from the VMCS. */
struct paging guest_paging(void);

/* Guest-physical memory through this CPU's window. Orlop's own range, what lies beyond the physical
 * addresses, the local APIC's page, whose registers want 32-bit accesses and may be guarded, and
 * the hook's, are no memory. */
struct physical_memory guest_physical(const struct vmx_cpu *vcpu);

/* Guest-linear to guest-physical, for looking at instructions: rights are not checked, accessed
 * flags not set. ERROR_NOT_FOUND: not present. */
MUST_CHECK enum error guest_translate(const struct vmx_cpu *vcpu, gva_t linear, gpa_t *physical);

/* The same, as an access of the guest's own CPL 0: where it could read the page, or write to it;
 * with accessed and dirty flags. Not looked at: protection keys. */
MUST_CHECK enum error guest_translate_for_kernel(const struct vmx_cpu *vcpu, gva_t linear,
                                                 bool write, gpa_t *physical);

/* The same, where it could write to the page and run code on it. In 64-bit mode. */
MUST_CHECK enum error guest_translate_for_code(const struct vmx_cpu *vcpu, gva_t linear,
                                               gpa_t *physical);

/* The same, as an access of the guest's code at its CPL, in any mode. False: `*error` is the error
 * code of the #PF. */
bool guest_translate_as_guest(const struct vmx_cpu *vcpu, gva_t linear, bool write, gpa_t *physical,
                              uint32_t *error);

/* Whether the bytes, in one page, are plain usable memory: no device, no ROM, not the local APIC's
 * page wherever the guest has it, not Orlop's range. */
bool guest_is_usable(gpa_t at, uint64_t bytes);

/* Whether it has no effect to read the bytes, which lie in one page: RAM, whoever has it, or a ROM;
 * no device, not the local APIC's page wherever the guest has it. */
bool guest_is_quiet(gpa_t at, uint64_t bytes);

/* That of the guest's code. */
enum decoder_mode guest_code_mode(void);

/* The linear address of CS:RIP. */
uint64_t guest_code_address(void);

/* The bytes at CS:RIP, at most `count`. Returns how many could be read; of a device none are. */
size_t guest_fetch(const struct vmx_cpu *vcpu, uint8_t *bytes, size_t count);
