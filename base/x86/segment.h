/* Segment descriptors and their rights, as memory and as the VMCS hold them. The selectors of the
 * host's own GDT are the kernel's, not here.
 * Source: Intel SDM (325462-083US) vol. 3, section 3.4.5, Segment Descriptors; section 3.5, System
 * Descriptor Types; section 25.4.1, Guest Register State (format of access rights). */
#pragma once

#include "base/bits.h"

/* Access rights, VMCS format: descriptor bits 55:40 with 51:48 as 0, and "unusable" above. */
#define SEGMENT_TYPE_MASK  0x0000000Fu
#define SEGMENT_S          (1u << 4) /* code or data; 0: system */
#define SEGMENT_DPL_MASK   (3u << 5)
#define SEGMENT_DPL(level) ((uint32_t)(level) << 5)
#define SEGMENT_P          (1u << 7)
#define SEGMENT_AVL        (1u << 12)
#define SEGMENT_L          (1u << 13)
#define SEGMENT_DB         (1u << 14)
#define SEGMENT_G          (1u << 15)
#define SEGMENT_UNUSABLE   (1u << 16)
#define SEGMENT_RESERVED   (0xFFFE0F00u)

/* Types with SEGMENT_S. */
#define SEGMENT_TYPE_ACCESSED   1u
#define SEGMENT_TYPE_WRITABLE   2u /* data */
#define SEGMENT_TYPE_READABLE   2u /* code */
#define SEGMENT_TYPE_EXPAND     4u /* data */
#define SEGMENT_TYPE_CONFORMING 4u /* code */
#define SEGMENT_TYPE_CODE       8u
#define SEGMENT_TYPE_DATA_RW    3u  /* accessed */
#define SEGMENT_TYPE_CODE_XR    11u /* accessed */

/* Types without SEGMENT_S. */
#define SEGMENT_TYPE_TSS16_AVAILABLE 1u
#define SEGMENT_TYPE_LDT             2u
#define SEGMENT_TYPE_TSS16_BUSY      3u
#define SEGMENT_TYPE_TSS_AVAILABLE   9u
#define SEGMENT_TYPE_TSS_BUSY        11u
#define SEGMENT_TYPE_INTERRUPT_GATE  14u
#define SEGMENT_TYPE_TRAP_GATE       15u

/* What the processor has after reset, and what its modes want. */
#define SEGMENT_RIGHTS_REAL_CODE (SEGMENT_P | SEGMENT_S | SEGMENT_TYPE_CODE_XR) /* 9Bh */
#define SEGMENT_RIGHTS_REAL_DATA (SEGMENT_P | SEGMENT_S | SEGMENT_TYPE_DATA_RW) /* 93h */
#define SEGMENT_RIGHTS_LDT       (SEGMENT_P | SEGMENT_TYPE_LDT)                 /* 82h */
#define SEGMENT_RIGHTS_TSS_BUSY  (SEGMENT_P | SEGMENT_TYPE_TSS_BUSY)            /* 8Bh */
#define SEGMENT_RIGHTS_CODE64    (SEGMENT_RIGHTS_REAL_CODE | SEGMENT_L | SEGMENT_G)
#define SEGMENT_RIGHTS_CODE32    (SEGMENT_RIGHTS_REAL_CODE | SEGMENT_DB | SEGMENT_G)
#define SEGMENT_RIGHTS_DATA32    (SEGMENT_RIGHTS_REAL_DATA | SEGMENT_DB | SEGMENT_G)

#define SELECTOR_RPL_MASK 0x0003u
#define SELECTOR_TI       0x0004u

/* An 8-byte descriptor from its parts; `limit` in bytes or, with SEGMENT_G, in pages: 20 bits. */
#define SEGMENT_DESCRIPTOR(base, limit, rights)                                                    \
    (((uint64_t)(limit)&0xFFFF) | ((uint64_t)(base)&0xFFFFFF) << 16 |                              \
     (uint64_t)((rights)&0xF0FF) << 40 | ((uint64_t)(limit) >> 16 & 0xF) << 48 |                   \
     ((uint64_t)(base) >> 24 & 0xFF) << 56)

/* The second half of the 16-byte descriptors of 64-bit mode (TSS, LDT). */
#define SEGMENT_DESCRIPTOR_HIGH(base) ((uint64_t)(base) >> 32)

static inline uint32_t segment_descriptor_rights(uint64_t descriptor)
{
    return (uint32_t)(descriptor >> 40) & 0xF0FF;
}

static inline uint32_t segment_descriptor_base(uint64_t descriptor)
{
    return (uint32_t)((descriptor >> 16 & 0xFFFFFF) | (descriptor >> 56 & 0xFF) << 24);
}

/* The limit in bytes, with the granularity bit worked in. */
static inline uint32_t segment_descriptor_limit(uint64_t descriptor)
{
    uint32_t limit = (uint32_t)((descriptor & 0xFFFF) | (descriptor >> 32 & 0xF0000));
    return segment_descriptor_rights(descriptor) & SEGMENT_G ? limit << 12 | 0xFFF : limit;
}

/* The operand of LGDT and LIDT. */
struct __attribute__((packed)) descriptor_table_register {
    uint16_t limit;
    uint64_t base;
};
_Static_assert(sizeof(struct descriptor_table_register) == 10, "LGDT m16&64");
