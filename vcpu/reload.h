/* Whether a segment register's selector, loaded anew in 64-bit mode, would give what the register
 * holds: the descriptor in memory may have changed since, or be there no more. Pure: memory is
 * reached through functions. */
#pragma once

#include "vcpu/paging.h"

struct reload_segment {
    uint16_t selector;
    uint32_t limit, rights; /* base/x86/segment.h */
    uint64_t base;
};

struct reload_tables {
    struct paging paging;
    struct physical_memory memory;
    struct reload_segment gdt, ldt; /* base and limit; the LDT's rights as well */
};

/* A null selector does; its segment is what a null one is. The load then meets no fault, and writes
 * nothing but TR's busy flag. Base: a code or data segment's is not compared, for it does not count
 * or comes from an MSR. */
bool reload_gives(const struct reload_tables *tables, const struct reload_segment *segment);
