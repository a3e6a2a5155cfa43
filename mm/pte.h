/* The bits of EPT entries beside those of x86-64 paging, and the arithmetic that both share. Level
 * 1 is the table of 4 KiB pages, level 4 the root. Source: Intel SDM (December 2023) vol. 3,
 * section 29.3.2 "EPT Translation Mechanism" and its tables. */
#pragma once

#include "base/bits.h"
#include "base/types.h"
#include "base/x86/page.h"

#define TABLE_ENTRIES 512
#define TABLE_LEVELS  4

/* Short names for three bits of base/x86/page.h. */
#define PTE_W       PTE_RW
#define PTE_NX      PTE_XD
#define PTE_ADDRESS PTE_ADDRESS_MASK

/* EPT. An entry with none of R, W, X is not present. */
#define EPT_R          BIT(0)
#define EPT_W          BIT(1)
#define EPT_X          BIT(2)
#define EPT_RIGHTS     (EPT_R | EPT_W | EPT_X)
#define EPT_TYPE       BITS(5, 3) /* of a page: its memory type */
#define EPT_TYPE_SHIFT 3
#define EPT_IPAT       BIT(6) /* of a page: the guest's PAT is not asked */
#define EPT_PS         BIT(7) /* levels 2 and 3: a page, not a table */
#define EPT_ADDRESS    BITS(51, 12)

/* The EPT pointer: SDM vol. 3, section 25.6.11 "Extended-Page-Table Pointer (EPTP)". */
#define EPTP_TYPE_WB      6ull
#define EPTP_WALK_4       (3ull << 3) /* number of levels less one */
#define EPTP_ACCESS_DIRTY BIT(6)

/* log2 of the bytes that one entry of a table of `level` spans: 12, 21, 30, 39. */
static inline unsigned level_shift(unsigned level) { return PAGE_SHIFT + 9 * (level - 1); }
static inline uint64_t level_bytes(unsigned level) { return BIT(level_shift(level)); }
static inline unsigned level_index(unsigned level, uint64_t address)
{
    return address >> level_shift(level) & (TABLE_ENTRIES - 1);
}
