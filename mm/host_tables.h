/* The host's own page tables (base/layout.h). Built in Orlop's range before it is entered;
 * afterwards only windows, device pages and the trampoline's page change. */
#pragma once

#include "base/types.h"

/* Where the linker put the parts of the image (linker.ld): text, read-only data and data, and the
 * same again of what only a debugger needs. The edges between them are addresses in the image's own
 * space, page-aligned; parts that are not there have no length. */
#define HOST_IMAGE_PARTS 6
struct host_image {
    uint64_t edges[HOST_IMAGE_PARTS + 1];
};

/* How many pages the tables take for `cpus` CPUs and a range of `range_bytes`. */
uint64_t host_tables_pages(uint32_t cpus, uint64_t range_bytes);

/* Build the tables: the image, now at `image`, with text RX, rodata R, data RW; the pool; nothing
 * else. Returns what CR3 shall hold. Boot only. `nx` says whether the CPU has EFER.NXE. */
hpa_t host_tables_build(const struct host_image *parts, hpa_t image, hpa_t range, hpa_t range_end,
                        uint32_t cpus, bool nx);

/* Rights of a mapping. */
enum host_rights { HOST_RW, HOST_DEVICE /* RW, uncached */, HOST_RX };

/* Map one page at a host address whose table exists, or take it away. The caller invalidates other
 * CPUs' TLBs, if they can have seen it. */
void host_tables_map(uint64_t address, hpa_t page, enum host_rights rights);
void host_tables_unmap(uint64_t address);

/* The entry that maps `address`; it stays where it is for the whole run. */
uint64_t *host_tables_entry(uint64_t address);

/* Map one page below 1 MiB at its own address (RX and written from elsewhere), for the trampoline,
 * and take the mapping away again. Boot only. */
void host_tables_map_low(hpa_t page);
void host_tables_unmap_low(void);
