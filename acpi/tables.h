/* The list of all ACPI tables: where each lies, how long it is, whether it is sound. Serves the
 * search for one table, the probe report, and the ranges that Orlop must not overwrite. Pure and
 * bounded: a table that lies is listed and marked, not followed. Source: ACPI Specification 6.5,
 * sections 5.2.6 "System Description Table Header", 5.2.7 "Root System Description Table (RSDT)",
 * 5.2.8 "Extended System Description Table (XSDT)", 5.2.10 "Firmware ACPI Control Structure". */
#pragma once

#include "acpi/memory.h"
#include "acpi/rsdp.h"
#include "base/error.h"

#define ACPI_MAX_TABLES      128u
#define ACPI_MAX_TABLE_BYTES (16u << 20) /* longer ones are taken for a lie */

struct acpi_header {
    char signature[4];
    uint32_t length_bytes; /* of the whole table, this header included */
    uint8_t revision;
    uint8_t checksum; /* makes the sum of all bytes 0 */
    char oem_id[6];
    char oem_table_id[8];
    uint32_t oem_revision;
    uint32_t creator_id;
    uint32_t creator_revision;
} __attribute__((packed));
_Static_assert(sizeof(struct acpi_header) == 36, "System Description Table Header");

struct acpi_table {
    uint64_t address;      /* physical */
    uint32_t length_bytes; /* as the table says; the least it can be when that is a lie */
    char signature[5];     /* closed by a NUL; `?` for what is not printable */
    uint8_t revision;
    bool ok; /* readable, of a possible length, and the bytes sum up to 0 (FACS has no sum) */
};

struct acpi_tables {
    uint32_t count;
    uint32_t dropped; /* beyond the list */
    bool from_xsdt;
    struct acpi_table table[ACPI_MAX_TABLES]; /* first the root table itself */
};

/* The sum of all bytes, modulo 256: 0 for a sound table. */
uint8_t acpi_sum_bytes(const void *bytes, size_t count);

/* Lists the root table (the XSDT where it is sound, else the RSDT), what it points to, and what the
 * FADT points to (FACS and DSDT). Each address is listed once. ERROR_NOT_FOUND, logged, when no
 * root table is sound. */
MUST_CHECK enum error acpi_tables_list(const struct acpi_memory *memory,
                                       const struct acpi_rsdp *rsdp, struct acpi_tables *out);

/* The bytes of the `index`-th (from 0) sound table with that signature of four characters, and
 * their count; NULL when there are not so many. */
const void *acpi_tables_find(const struct acpi_memory *memory, const struct acpi_tables *tables,
                             const char *signature, unsigned int index, size_t *bytes);
