/* Entries of 4-level paging, and memory types.
 * Source: Intel SDM (325462-083US) vol. 3, section 4.5, 4-Level Paging and 5-Level Paging; section
 * 12.3, Methods of Caching Available; section 12.12, Page Attribute Table (PAT). */
#pragma once

#include "base/bits.h"

#define PTE_P            BIT(0)
#define PTE_RW           BIT(1)
#define PTE_US           BIT(2)
#define PTE_PWT          BIT(3)
#define PTE_PCD          BIT(4)
#define PTE_A            BIT(5)
#define PTE_D            BIT(6)
#define PTE_PS           BIT(7) /* PDPTE: 1 GiB, PDE: 2 MiB page */
#define PTE_PAT          BIT(7) /* PTE of a 4 KiB page */
#define PTE_G            BIT(8)
#define PTE_PAT_LARGE    BIT(12) /* 2 MiB and 1 GiB pages */
#define PTE_XD           BIT(63)
#define PTE_ADDRESS_MASK BITS(51, 12)

#define PAGE_TABLE_ENTRIES 512u
#define PAGE_2M_SIZE       MIB(2)
#define PAGE_1G_SIZE       GIB(1)

enum memory_type {
    MEMORY_TYPE_UC = 0,
    MEMORY_TYPE_WC = 1,
    MEMORY_TYPE_WT = 4,
    MEMORY_TYPE_WP = 5,
    MEMORY_TYPE_WB = 6,
    MEMORY_TYPE_UC_MINUS = 7, /* PAT only */
};

#define PAT_RESET 0x0007040600070406ull
