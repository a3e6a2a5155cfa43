/* The one walker of page tables: host tables, EPT and a guest's own tables alike. What an entry
 * means comes from a format, the bytes of a table through a function, so the same code runs in the
 * hypervisor and in unit tests. Pure; reads only, but for table_store(). */
#pragma once

#include "base/types.h"

struct table_format {
    uint64_t present; /* an entry with none of these is not present */
    uint64_t large;   /* at levels 2 to large_level: this bit makes it a page */
    uint64_t address; /* the bits of the entry that are an address */
    unsigned levels, large_level;
};

extern const struct table_format table_format_x86_64; /* 4 levels, pages up to 1 GiB */
extern const struct table_format table_format_ept;    /* 4 levels, pages up to 1 GiB */

/* How tables are reached. `map` gives the 512 entries of the table at `table`, or NULL where it
 * may not be read. `store`, if not NULL, is called in place of each store to an entry. */
struct table_memory {
    uint64_t *(*map)(void *context, hpa_t table);
    void (*store)(void *context, uint64_t *entry, uint64_t value);
    void *context;
};

/* Where a walk ended. With `mapped`, `entry` maps a page of level_bytes(level) bytes and `address`
 * is what the looked-up address translates to. Else `entry` is the first one that is not present;
 * or, with `slot` NULL, it is the one that names a table of `level` which `map` did not give. */
struct walk {
    bool mapped;
    unsigned level;
    uint64_t entry;
    uint64_t *slot;
    uint64_t address;
};

/* Looks `address` up from `root`. Bits of it above the format's levels are ignored, so the caller
 * checks its width. Reads at most `levels` entries, each once. Any CPU. */
struct walk walk_lookup(const struct table_format *format, const struct table_memory *memory,
                        hpa_t root, uint64_t address);

/* Sets an entry with one aligned 64-bit store, after all stores before it: a processor that walks
 * the tables at the same time sees the old entry or the new one, and a complete table behind it. */
static inline void table_store(const struct table_memory *memory, uint64_t *entry, uint64_t value)
{
    if (memory->store)
        memory->store(memory->context, entry, value);
    else
        __atomic_store_n(entry, value, __ATOMIC_RELEASE);
}
