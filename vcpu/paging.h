/* What a guest's page tables say of a linear address, as the processor would walk them for a data
 * access of its own: rights, reserved bits, accessed and dirty flags, the error code of #PF. Pure:
 * the tables are reached through functions. Any CPU. */
#pragma once

#include "base/types.h"
#include "base/x86/cr.h"
#include "base/x86/exceptions.h"

/* The registers that decide. The PDPTEs count in PAE paging alone, which has them as registers. */
struct paging {
    uint64_t cr0, cr3, cr4, efer, pdpte[4];
    unsigned physical_bits;
};

/* Guest-physical memory. A write to what is not there goes nowhere. */
struct physical_memory {
    /* False, and nothing read: there is no memory. */
    bool (*read)(void *context, void *to, gpa_t from, uint64_t bytes);
    void (*write)(void *context, gpa_t to, const void *from, uint64_t bytes);
    /* At once: where the `bytes` (1, 4 or 8, aligned) are `old`, they become `value`. False: they
     * are not. */
    bool (*exchange)(void *context, gpa_t at, uint64_t old, uint64_t value, unsigned bytes);
    void *context;
};

/* What the access is: bits of the error code, and two more. */
enum paging_access {
    PAGING_READ = 0,
    PAGING_WRITE = PF_ERROR_W,
    PAGING_USER = PF_ERROR_U,
    PAGING_AC = 1 << 8, /* EFLAGS.AC lets supervisor code at user pages, whatever CR4.SMAP says */
    PAGING_FETCH = 1 << 10, /* supervisor code is to run there as well */
    PAGING_LOOK = 1 << 9,   /* only where it is: rights do not count, and no flag is set */
};

/* True, and `*physical`; or false, and `*error` is the error code of the #PF. */
bool paging_walk(const struct paging *paging, const struct physical_memory *memory, uint64_t linear,
                 unsigned access, gpa_t *physical, uint32_t *error);

/* One way down the tables: the entries that were met, the last of which may be absent, and the
 * rights that they leave. In PAE paging the first is the one behind the PDPTE. */
struct paging_way {
    uint64_t entry[5], rights; /* of PTE_RW, PTE_US and PTE_XD, which stands for its opposite */
    gpa_t at[5];
    unsigned levels, count, entry_bytes, page_shift;
    gpa_t physical; /* with PAGING_PAGE */
};

enum paging_outcome {
    PAGING_PAGE,
    PAGING_ABSENT,   /* the last entry is not present */
    PAGING_RESERVED, /* it has reserved bits set */
    PAGING_NOWHERE,  /* it lies where there is no memory, or the PDPTE is not present */
};

/* With CR0.PG = 1. Nothing is changed. */
enum paging_outcome paging_look(const struct paging *paging, const struct physical_memory *memory,
                                uint64_t linear, struct paging_way *way);

/* How many bits a linear address has in 64-bit mode. */
static inline unsigned paging_linear_bits(uint64_t cr4) { return cr4 & CR4_LA57 ? 57 : 48; }

/* Whether a linear address is one at all: canonical in IA-32e mode, of 32 bits else. */
bool paging_is_linear(const struct paging *paging, uint64_t linear);
