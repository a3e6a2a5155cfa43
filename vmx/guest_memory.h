/* The guest's own address translation, for looking at its instructions. Read-only: accessed flags
 * are not set, rights are not checked. */
#pragma once

#include "base/error.h"
#include "vmx/vmx_cpu.h"

/* Guest-linear to guest-physical by the guest's present paging mode. ERROR_NOT_FOUND: not present.
 */
MUST_CHECK enum error guest_translate(const struct vmx_cpu *vcpu, gva_t linear, gpa_t *physical);

/* The same, where the guest's own CPL 0 could read the page, or write to it. Not looked at:
 * protection keys. */
MUST_CHECK enum error guest_translate_for_kernel(const struct vmx_cpu *vcpu, gva_t linear,
                                                 bool write, gpa_t *physical);

/* The bytes at CS:RIP, at most `count`. Returns how many could be read. */
size_t guest_fetch(const struct vmx_cpu *vcpu, uint8_t *bytes, size_t count);
