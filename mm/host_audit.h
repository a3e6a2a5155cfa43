/* Proof that the host's page tables are what base/layout.h says: every entry that maps something is
 * looked at, and held against one rule for each area. The rules leave no page both writable and
 * executable, none to user mode, no second name for a byte of the image, no guard page mapped.
 * Pure; reads only. */
#pragma once

#include "mm/host_tables.h"
#include "mm/walk.h"

/* What the tables are to map. */
struct host_picture {
    struct host_image parts;
    hpa_t range, range_end; /* Orlop's; the image lies at its bottom */
    uint32_t cpus;          /* slots with tables */
    bool nx;                /* EFER.NXE is on */
};

enum host_area {
    HOST_NOTHING, /* guard pages, and all that no other area covers */
    HOST_TEXT,
    HOST_RODATA,
    HOST_DATA,
    HOST_POOL,
    HOST_SCREEN,
    HOST_SLOTS,   /* stacks and structs of the CPUs */
    HOST_WINDOWS, /* onto guest memory: mapped while they are used */
    HOST_APIC,    /* a slot's page for the local APIC: the same */
    HOST_AREAS,
};

enum host_wrong {
    HOST_WRONG_PLACE,  /* nothing may be mapped there, or not by so large a page */
    HOST_WRONG_RIGHTS, /* rights, memory type or another bit differ from the area's */
    HOST_WRONG_FRAME,  /* not the memory that belongs there */
    HOST_WRONG_TABLE,  /* a table that lies outside Orlop's range */
    HOST_WRONGS,
};

struct host_violation {
    uint64_t address, entry;
    unsigned level; /* of the table that the entry lies in; 5: it is the root itself */
    enum host_wrong wrong;
};

#define HOST_AUDIT_MAX 8

struct host_audit {
    uint32_t pages[HOST_AREAS]; /* present entries that map, of any size, right or wrong */
    uint32_t violations;        /* the audit ends at HOST_AUDIT_MAX */
    void (*found)(const struct host_violation *violation); /* called for each */
};

/* Walks the whole address space from `root`, which is CR3 or its address bits. `audit` holds
 * `found`, and else zeros. */
void host_audit(const struct table_memory *memory, hpa_t root, const struct host_picture *picture,
                struct host_audit *audit);

/* Is `table` a page of Orlop's range behind the image, where every table lies and the pool shows
 * it? For the map function of `memory`. */
bool host_audit_has_table(const struct host_picture *picture, hpa_t table);
