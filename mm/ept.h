/* The extended page tables: guest-physical to host-physical, an identity map with the memory types
 * of the MTRRs. A pure function of memory map, MTRR state, capabilities and hidden ranges into a
 * pool of frames that is fixed at boot; nothing else is ever allocated.
 *
 * What is mapped at boot: every GiB below 4 GiB, and every GiB above that holds a byte of RAM; the
 * rest on the guest's first touch. A hidden range is not present, but down to its 4 KiB entries it
 * has tables, so that one page of it can be set at any time. Pages are as large as capabilities,
 * types and hidden ranges let them be, all rights, IPAT 0. Each store is a single aligned one, each
 * table is complete before it is linked: processors may walk the tables all the time. IPAT stays 0,
 * access and dirty flags off. Source: Intel SDM (December 2023) vol. 3, section 29.3 "The Extended
 * Page Table Mechanism (EPT)".
 *
 * Locks: everything that changes a struct ept is called with the caller's one lock held.
 * Frames behind a dropped table are used again only after ept_reclaim(), because other processors
 * may still have the table in their paging-structure caches, and would take one kind of table for
 * another kind (SDM vol. 3, section 29.4 "Caching Translation Information"). */
#pragma once

#include "base/error.h"
#include "mm/memmap.h"
#include "mm/mtrr.h"
#include "mm/pte.h"
#include "mm/walk.h"

#define EPT_HIDDEN_MAX  4
#define EPT_RESERVE_MAX 64
/* A page of 4 KiB in a GiB far from all others needs three tables. */
#define EPT_RESERVE_MIN 3

/* From IA32_VMX_EPT_VPID_CAP and CPUID; 2 MiB pages are required, and phys_bits from 32 to 52. */
struct ept_caps {
    bool page_1g, page_2m, execute_only;
    unsigned phys_bits;
};

/* Memory that the guest never reaches: half-open, whole pages. The types are not looked at. */
struct ept_hidden {
    unsigned count;
    struct memory_range ranges[EPT_HIDDEN_MAX];
};

/* What decides an entry (mm/ept_plan.h). Whoever changes what `types` says empties `run`. */
struct ept_plan {
    const struct mtrr_sets *types;
    const struct ept_hidden *hidden;
    uint64_t limit; /* the first address that cannot be mapped */
    bool page_1g;
    struct mtrr_run run; /* the last one asked for, or empty */
    uint32_t looks;      /* runs that may still be looked up; behind them all is uncached */
};

enum ept_table_state {
    EPT_TABLE_FREE,
    EPT_TABLE_TOUCHED, /* made on touch: may be dropped */
    EPT_TABLE_SPLIT,   /* made by ept_retype() */
    EPT_TABLE_PINNED,  /* holds, or leads to, a page that was set */
    EPT_TABLE_DROPPED, /* unlinked, perhaps still cached by some processor */
};

/* One frame of the reserve. */
struct ept_reserve {
    enum ept_table_state state;
    unsigned level;
    uint64_t base;  /* the first address that the table spans */
    uint64_t stamp; /* order of making */
};

struct ept_counters {
    uint64_t touched; /* violations that ended in a new page */
    uint64_t dropped; /* tables dropped */
    uint64_t split;   /* large pages split */
    unsigned reserve_low_water;
};

struct ept {
    hpa_t root;
    const struct table_memory *memory;
    struct ept_caps caps;
    struct ept_hidden hidden;
    struct ept_plan plan;
    hpa_t pool;
    unsigned pool_tables;
    unsigned boot_tables;   /* the first of the pool; never given back */
    unsigned reserve_count; /* those behind */
    uint64_t stamp;
    struct ept_reserve reserve[EPT_RESERVE_MAX];
    struct ept_counters counters;
};

enum ept_fill {
    EPT_FILL_MAPPED,  /* a page is mapped now: resume the guest */
    EPT_FILL_ALREADY, /* there was one (another CPU was faster, or rights are the reason) */
    EPT_FILL_HIDDEN,  /* inside a hidden range; nothing done */
    EPT_FILL_BEYOND,  /* no such address on this processor; nothing done */
    EPT_FILL_DROPPED, /* the reserve was empty, its oldest tables are unlinked, nothing is mapped:
                         invalidate on every CPU, ept_reclaim(), and call again */
};

/* The exact number of tables that ept_build() makes for these arguments, UINT32_MAX for bad ones.
 * Without ranges to hide (their place may not be known yet), add ept_tables_to_hide(). */
unsigned ept_tables_needed(const struct memory_map *map, const struct mtrr_sets *types,
                           const struct ept_caps *caps, const struct memory_range *hidden,
                           unsigned hidden_count);

/* How many tables hiding one range of `bytes` adds at most, wherever below 4 GiB it lies. */
static inline unsigned ept_tables_to_hide(uint64_t bytes)
{
    return (bytes >> 21) + 2 + (bytes >> 30) + 2;
}

/* Names the frames: `count` contiguous pages at `pool`, reached through `memory` (which must stay),
 * holding anything. Those that the boot map leaves are the reserve, up to EPT_RESERVE_MAX. */
void ept_set_pool(struct ept *ept, const struct table_memory *memory, hpa_t pool, unsigned count);

/* Builds the boot map after ept_set_pool(); `types` must stay, the others may go.
 * ERROR_UNSUPPORTED: no 2 MiB pages. ERROR_RANGE: phys_bits, or too many, empty or unaligned hidden
 * ranges. ERROR_NO_SPACE: the pool is smaller than ept_tables_needed() + EPT_RESERVE_MIN.
 * On an error no table was touched. */
MUST_CHECK enum error ept_build(struct ept *ept, const struct memory_map *map,
                                const struct mtrr_sets *types, const struct ept_caps *caps,
                                const struct memory_range *hidden, unsigned hidden_count);

/* An address that was not mapped at boot: maps the largest page there, with its neighbours of the
 * same size where that takes a new table. Any CPU, in an EPT violation. Bounded, never fails. */
enum ept_fill ept_map_on_touch(struct ept *ept, gpa_t address);

/* Gives dropped tables back, after every CPU invalidated. */
void ept_reclaim(struct ept *ept);

/* Maps one page of 4 KiB: `rights` of EPT_R, EPT_W, EPT_X, `type` one of MEMORY_TYPE_*. Larger
 * pages are split first, the rest keeping address, rights and type; in hidden ranges this never
 * takes from the reserve. The caller invalidates. ERROR_RANGE: addresses, rights or type that no
 * entry can have. ERROR_NO_SPACE: too few free tables (ept_drop_touched() may help); nothing
 * changed. */
MUST_CHECK enum error ept_set_page(struct ept *ept, gpa_t page, hpa_t frame, uint64_t rights,
                                   uint8_t type);

/* Makes one page of 4 KiB not present. Errors and duties as above. Outside hidden ranges the next
 * touch would map it again. */
MUST_CHECK enum error ept_clear_page(struct ept *ept, gpa_t page);

/* What ept_retype() has done, and how many KiB of each memory type are mapped now. */
struct ept_retyped {
    unsigned changed; /* entries */
    unsigned split;   /* pages that became tables */
    unsigned strict;  /* pages that are too large for their types, and have the strictest of them */
    uint64_t kib[MEMORY_TYPE_WB + 1];
};

/* `types` of ept_build() says something else now: gives every page its new type, but for those that
 * were set or are hidden. Pages are split while the reserve has tables for it, and joined again.
 * What was mapped on touch is dropped. No processor runs the guest meanwhile, and each invalidates
 * before it does. Its time depends on the number of tables alone. */
struct ept_retyped ept_retype(struct ept *ept);

/* Unlinks tables made on touch, the oldest first, until `tables` frames are free or dropped, and
 * says whether they are. If it unlinked any: invalidate, then ept_reclaim(). */
bool ept_drop_touched(struct ept *ept, unsigned tables);

/* The walker on these tables: level, entry and host address for dumps and handlers. */
static inline struct walk ept_lookup(const struct ept *ept, gpa_t address)
{
    return walk_lookup(&table_format_ept, ept->memory, ept->root, address.v);
}

/* The EPTP: write-back, four levels, no access and dirty flags. */
uint64_t ept_pointer(const struct ept *ept);

/* What an entry of a page says. */
static inline uint64_t ept_entry_rights(uint64_t entry) { return entry & EPT_RIGHTS; }
static inline uint8_t ept_entry_type(uint64_t entry)
{
    return (entry & EPT_TYPE) >> EPT_TYPE_SHIFT;
}
