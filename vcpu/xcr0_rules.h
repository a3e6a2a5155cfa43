/* Which values XSETBV takes (Intel SDM vol. 1, 13.3 "Enabling the XSAVE Feature Set and
 * XSAVE-Enabled Features"). The caller executes a legal one fault-safely all the same. Pure. */
#pragma once

#include "base/types.h"
#include "base/x86/cr.h"

/* State components that Orlop knows the rules of. Others are hidden, so that no rule is missed. */
#define XCR0_KNOWN (XCR0_X87 | XCR0_SSE | XCR0_AVX | XCR0_MPX | XCR0_AVX512 | XCR0_PKRU | XCR0_AMX)

/* XSETBV with ECX = index and EDX:EAX = value at CPL 0 with CR4.OSXSAVE = 1 (else the instruction
 * faults without an exit). `supported` is cpuid_policy.xcr0_supported. False means #GP(0). */
bool xcr0_write_legal(uint64_t supported, uint32_t index, uint64_t value);
