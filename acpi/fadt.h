/* The FADT's facts that Orlop uses: a timer to calibrate with, the ways to reset and to switch off,
 * and where FACS and DSDT lie. Pure, on the bytes of a table; fields that an old, short FADT does
 * not have read as 0. Source: ACPI Specification 6.5, sections 5.2.9 "Fixed ACPI Description Table
 * (FADT)", 5.2.3.2 "Generic Address Structure", 4.8.3 "ACPI Register Model". */
#pragma once

#include "base/error.h"
#include "base/types.h"

/* Address spaces of a generic address. */
#define ACPI_SPACE_MEMORY 0u
#define ACPI_SPACE_IO     1u
#define ACPI_SPACE_PCI    2u

struct acpi_gas {
    uint8_t space; /* ACPI_SPACE_* */
    uint8_t bit_width;
    uint8_t bit_offset;
    uint8_t access_size;
    uint64_t address;
} __attribute__((packed));
_Static_assert(sizeof(struct acpi_gas) == 12, "Generic Address Structure");

struct fadt {
    uint64_t dsdt; /* physical, 0 when there is none */
    uint64_t facs;
    uint16_t pm_timer_port; /* I/O ports; 0 when there is none */
    uint16_t pm1a_control_port;
    uint16_t pm1b_control_port;
    uint16_t smi_command_port; /* 0: the machine is in ACPI mode always */
    uint8_t acpi_enable;       /* the byte for it that takes ACPI mode */
    uint8_t reset_value;
    bool pm_timer_32bit; /* else 24 bits */
    bool reset_supported;
    bool hardware_reduced; /* no PM1 registers, no PM timer */
    struct acpi_gas reset;
};

/* Reads the FADT of `bytes` (its header included). ERROR_MALFORMED, logged, when it is shorter than
 * the first version's. */
MUST_CHECK enum error fadt_parse(const void *table, size_t bytes, struct fadt *out);
