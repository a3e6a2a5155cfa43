#include "acpi/spcr.h"

#include "acpi/tables.h"
#include "base/bits.h"
#include "base/log.h"
#include "lib/string.h"

#define AREA "acpi"

struct spcr_layout {
    struct acpi_header header;
    uint8_t interface_type;
    uint8_t reserved0[3];
    struct acpi_gas base;
    uint8_t interrupt_type;
    uint8_t irq;
    uint32_t global_interrupt;
    uint8_t baud_code;
    uint8_t parity;
    uint8_t stop_bits;
    uint8_t flow_control;
    uint8_t terminal_type;
    uint8_t reserved1;
} __attribute__((packed));
_Static_assert(sizeof(struct spcr_layout) == 64, "SPCR up to the PCI fields");

/* By the table's code; 0 is "as the firmware set it". */
static const uint32_t bauds[] = {[3] = 9600, [4] = 19200, [6] = 57600, [7] = 115200};

enum error spcr_parse(const void *table, size_t bytes, struct spcr *out)
{
    struct spcr_layout layout;
    memset(out, 0, sizeof(*out));
    if (bytes < sizeof(layout)) {
        log_error(AREA, "SPCR of %lu bytes is too short", (unsigned long)bytes);
        return ERROR_MALFORMED;
    }
    memcpy(&layout, table, sizeof(layout));
    out->interface_type = layout.interface_type;
    out->base = layout.base;
    out->baud_code = layout.baud_code;
    out->baud = layout.baud_code < ARRAY_SIZE(bauds) ? bauds[layout.baud_code] : 0;
    return ERROR_NONE;
}
