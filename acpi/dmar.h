/* The DMAR's facts for the probe report: how many DMA remapping units there are, where, and how
 * many reserved regions. Pure, on the bytes of a table. Source: Intel Virtualization Technology for
 * Directed I/O, Architecture Specification 4.1, section 8 "BIOS Considerations". */
#pragma once

#include "base/error.h"
#include "base/types.h"

#define DMAR_MAX_UNITS 16u

struct dmar_unit {
    uint64_t register_base; /* physical */
    uint16_t segment;
    bool all_devices; /* of its segment, but those that other units name */
};

struct dmar {
    uint8_t host_address_bits;
    bool interrupt_remapping;
    bool x2apic_opt_out;
    uint32_t unit_count;
    uint32_t units_dropped;
    uint32_t reserved_region_count;
    struct dmar_unit unit[DMAR_MAX_UNITS];
};

/* Reads the DMAR of `bytes`. ERROR_MALFORMED, logged, when it is too short or a structure's length
 * cannot be; `out` then holds what came before. */
MUST_CHECK enum error dmar_parse(const void *table, size_t bytes, struct dmar *out);
