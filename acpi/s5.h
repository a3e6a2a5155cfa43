/* The two numbers that switch the machine off: SLP_TYPa and SLP_TYPb of the sleeping state S5. They
 * are the start of the package \_S5 in AML; it is a constant on all machines met so far, so a
 * bounded scan for its declaration does, and no AML is run. Pure. Source: ACPI Specification 6.5,
 * sections 7.4.2 "\_Sx (System States)" and 20.2 "AML Grammar Definition". */
#pragma once

#include "acpi/memory.h"
#include "acpi/tables.h"
#include "base/error.h"

struct s5_types {
    uint8_t pm1a; /* 0 to 7: bits 12:10 of PM1a_CNT */
    uint8_t pm1b;
};

/* Scans one definition block (DSDT or SSDT, `bytes` with its header). ERROR_NOT_FOUND when it has
 * no declaration of \_S5 that can be read. */
MUST_CHECK enum error s5_scan(const void *table, size_t bytes, struct s5_types *out);

/* Scans the DSDT, then the SSDTs, of the list. */
MUST_CHECK enum error s5_find(const struct acpi_memory *memory, const struct acpi_tables *tables,
                              struct s5_types *out);
