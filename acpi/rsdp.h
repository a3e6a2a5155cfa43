/* The root system description pointer: where ACPI's tables begin. Taken from the boot loader's copy
 * or looked for in the BIOS areas. Pure. Source: ACPI Specification 6.5, sections 5.2.5.1 "Finding
 * the RSDP on IA-PC Systems" and 5.2.5.3 "Root System Description Pointer (RSDP) Structure". */
#pragma once

#include "acpi/memory.h"
#include "base/error.h"

#define ACPI_RSDP_V1_BYTES 20u
#define ACPI_RSDP_V2_BYTES 36u

struct acpi_rsdp {
    uint64_t address; /* physical, where it was found; 0 for the boot loader's copy */
    uint64_t xsdt;    /* physical, 0 when there is none */
    uint32_t rsdt;    /* physical, 0 when there is none */
    uint8_t revision;
    char oem_id[7];
};

/* Reads an RSDP of at most `limit_bytes`: signature, the checksum of the first 20 bytes, and from
 * revision 2 the length and the checksum of the whole. ERROR_NOT_FOUND without the signature,
 * ERROR_MALFORMED otherwise. Logs nothing: the search meets many that are none. */
MUST_CHECK enum error acpi_rsdp_parse(const void *bytes, size_t limit_bytes, struct acpi_rsdp *out);

/* Finds the RSDP: the copy of `copy_bytes` (0 for none) when it is sound, else the first sound one
 * in the first KiB of the EBDA or in 0xE0000-0xFFFFF. ERROR_NOT_FOUND is logged. */
MUST_CHECK enum error acpi_rsdp_find(const struct acpi_memory *memory, const void *copy,
                                     size_t copy_bytes, struct acpi_rsdp *out);
