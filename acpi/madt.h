/* The CPUs as the MADT names them, and the one change that the guest's copy of it gets. Pure, on
 * the bytes of a table. Source: ACPI Specification 6.5, sections 5.2.12 "Multiple APIC Description
 * Table (MADT)", 5.2.12.2 "Processor Local APIC Structure", 5.2.12.12 "Processor Local x2APIC
 * Structure", 5.2.12.8 "Local APIC Address Override Structure". */
#pragma once

#include "base/error.h"
#include "base/types.h"

#define ACPI_MAX_CPUS 256u

struct madt_cpu {
    uint32_t apic_id;
    uint32_t uid;          /* ACPI's processor UID */
    uint32_t flags_offset; /* of the 32-bit flags, from the table's start */
    bool enabled;
    bool online_capable; /* not enabled, but may become so */
};

struct madt_cpus {
    uint64_t local_apic_address; /* physical */
    uint32_t count;
    uint32_t dropped;    /* beyond the list */
    uint32_t duplicates; /* further entries with an APIC id that is listed; an enabled one wins */
    struct madt_cpu cpu[ACPI_MAX_CPUS];
};

/* Reads all CPUs of the MADT of `bytes`, in the table's order; ids that mean "none" (0xFF of a
 * local APIC, 0xFFFFFFFF of an x2APIC) are left out. ERROR_MALFORMED, logged, at an entry whose
 * length cannot be: `out` then holds the CPUs before it. */
MUST_CHECK enum error madt_read_cpus(const void *madt, size_t bytes, struct madt_cpus *out);

/* Makes CPU `apic_id` neither enabled nor online capable in every entry that names it, and puts the
 * table's checksum right. ERROR_NOT_FOUND when no entry does, ERROR_MALFORMED as above; the table
 * is then unchanged. */
MUST_CHECK enum error madt_disable_cpu(void *madt, size_t bytes, uint32_t apic_id);
