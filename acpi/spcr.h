/* The SPCR's facts for the probe report: where the firmware's serial console is. Pure, on the bytes
 * of a table. Source: Microsoft, Serial Port Console Redirection Table, revision 4. */
#pragma once

#include "acpi/fadt.h"
#include "base/error.h"
#include "base/types.h"

#define SPCR_TYPE_16550     0u /* full 16550 */
#define SPCR_TYPE_16450     1u /* 16550 subset, as DBGP's revision 1 has it */
#define SPCR_TYPE_16550_GAS 0x12u

struct spcr {
    uint8_t interface_type;
    uint8_t baud_code;
    uint32_t baud; /* 0 when the firmware leaves it as it is */
    struct acpi_gas base;
};

/* Reads the SPCR of `bytes`. ERROR_MALFORMED, logged, when it is too short. */
MUST_CHECK enum error spcr_parse(const void *table, size_t bytes, struct spcr *out);
