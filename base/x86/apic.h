/* Local APIC: register offsets, ICR bits, and the MSRs of x2APIC mode.
 * Source: Intel SDM (325462-083US) vol. 3, section 11.4.1, The Local APIC Block Diagram (table of
 * registers); section 11.6.1, Interrupt Command Register (ICR); section 11.12.1.2, x2APIC Register
 * Address Space. */
#pragma once

#include "base/bits.h"

#define APIC_DEFAULT_BASE 0xFEE00000ull

/* Offsets in the xAPIC page. */
#define APIC_ID            0x020u
#define APIC_VERSION       0x030u
#define APIC_TPR           0x080u
#define APIC_APR           0x090u
#define APIC_PPR           0x0A0u
#define APIC_EOI           0x0B0u
#define APIC_RRD           0x0C0u
#define APIC_LDR           0x0D0u
#define APIC_DFR           0x0E0u /* xAPIC only */
#define APIC_SVR           0x0F0u
#define APIC_ISR           0x100u /* eight registers, 10h apart; also TMR, IRR */
#define APIC_TMR           0x180u
#define APIC_IRR           0x200u
#define APIC_ESR           0x280u
#define APIC_LVT_CMCI      0x2F0u
#define APIC_ICR_LOW       0x300u
#define APIC_ICR_HIGH      0x310u /* xAPIC only */
#define APIC_LVT_TIMER     0x320u
#define APIC_LVT_THERMAL   0x330u
#define APIC_LVT_PERF      0x340u
#define APIC_LVT_LINT0     0x350u
#define APIC_LVT_LINT1     0x360u
#define APIC_LVT_ERROR     0x370u
#define APIC_INITIAL_COUNT 0x380u
#define APIC_CURRENT_COUNT 0x390u
#define APIC_DIVIDE        0x3E0u
#define APIC_SELF_IPI      0x3F0u /* x2APIC only */

/* The MSR of an xAPIC offset. ICR is one 64-bit register there, at APIC_ICR_LOW's number. */
#define APIC_X2APIC_MSR(offset)  (0x800u + ((offset) >> 4))
#define MSR_IA32_X2APIC_APICID   APIC_X2APIC_MSR(APIC_ID)
#define MSR_IA32_X2APIC_EOI      APIC_X2APIC_MSR(APIC_EOI)
#define MSR_IA32_X2APIC_SVR      APIC_X2APIC_MSR(APIC_SVR)
#define MSR_IA32_X2APIC_ICR      APIC_X2APIC_MSR(APIC_ICR_LOW)
#define MSR_IA32_X2APIC_SELF_IPI APIC_X2APIC_MSR(APIC_SELF_IPI)

#define APIC_XAPIC_ID_SHIFT 24 /* the id in APIC_ID, and the destination in APIC_ICR_HIGH */
#define APIC_SVR_ENABLE     BIT(8)
#define APIC_LVT_MASKED     BIT(16)

#define ICR_VECTOR_MASK            BITS(7, 0)
#define ICR_DELIVERY_MASK          BITS(10, 8)
#define ICR_DELIVERY_FIXED         (0ull << 8)
#define ICR_DELIVERY_LOWEST        (1ull << 8)
#define ICR_DELIVERY_SMI           (2ull << 8)
#define ICR_DELIVERY_NMI           (4ull << 8)
#define ICR_DELIVERY_INIT          (5ull << 8)
#define ICR_DELIVERY_STARTUP       (6ull << 8)
#define ICR_DESTINATION_LOGICAL    BIT(11)
#define ICR_STATUS_PENDING         BIT(12) /* xAPIC only */
#define ICR_LEVEL_ASSERT           BIT(14)
#define ICR_TRIGGER_LEVEL          BIT(15)
#define ICR_SHORTHAND_MASK         BITS(19, 18)
#define ICR_SHORTHAND_SELF         (1ull << 18)
#define ICR_SHORTHAND_ALL          (2ull << 18)
#define ICR_SHORTHAND_OTHERS       (3ull << 18)
#define ICR_X2APIC_RESERVED        (BITS(31, 20) | BITS(17, 16) | BITS(13, 12))
#define ICR_X2APIC_DESTINATION(id) ((uint64_t)(id) << 32)
