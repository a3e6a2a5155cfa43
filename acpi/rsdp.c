#include "acpi/rsdp.h"

#include "acpi/tables.h"
#include "base/bits.h"
#include "base/log.h"
#include "lib/string.h"

#define AREA "acpi"

#define RSDP_ALIGN        16u
#define RSDP_MAX_BYTES    4096u
#define BDA_EBDA_SEGMENT  0x40Eu /* BIOS data area: the EBDA's segment */
#define EBDA_LOWEST       0x500u
#define EBDA_SEARCH_BYTES 1024u
#define BIOS_START        0xE0000u
#define BIOS_END          0x100000u

struct rsdp_layout {
    char signature[8];
    uint8_t checksum;
    char oem_id[6];
    uint8_t revision;
    uint32_t rsdt;
    uint32_t length_bytes; /* from here on: revision 2 */
    uint64_t xsdt;
    uint8_t extended_checksum;
    uint8_t reserved[3];
} __attribute__((packed));
_Static_assert(sizeof(struct rsdp_layout) == ACPI_RSDP_V2_BYTES, "RSDP structure");
_Static_assert(offsetof(struct rsdp_layout, length_bytes) == ACPI_RSDP_V1_BYTES, "RSDP, ACPI 1");

enum error acpi_rsdp_parse(const void *bytes, size_t limit_bytes, struct acpi_rsdp *out)
{
    struct rsdp_layout rsdp = {0};
    memset(out, 0, sizeof(*out));
    if (limit_bytes < ACPI_RSDP_V1_BYTES || memcmp(bytes, "RSD PTR ", 8) != 0)
        return ERROR_NOT_FOUND;
    memcpy(&rsdp, bytes, min_u64(limit_bytes, sizeof(rsdp)));
    if (acpi_sum_bytes(bytes, ACPI_RSDP_V1_BYTES) != 0)
        return ERROR_MALFORMED;
    out->revision = rsdp.revision;
    out->rsdt = rsdp.rsdt;
    memcpy(out->oem_id, rsdp.oem_id, sizeof(rsdp.oem_id));
    /* A loader's ACPI 1 copy of a newer RSDP ends before the XSDT; its RSDT is still good. */
    if (rsdp.revision < 2 || limit_bytes == ACPI_RSDP_V1_BYTES)
        return ERROR_NONE;
    if (rsdp.length_bytes < sizeof(rsdp) || rsdp.length_bytes > limit_bytes ||
        rsdp.length_bytes > RSDP_MAX_BYTES || acpi_sum_bytes(bytes, rsdp.length_bytes) != 0)
        return ERROR_MALFORMED;
    out->xsdt = rsdp.xsdt;
    return ERROR_NONE;
}

static enum error scan(const struct acpi_memory *memory, uint64_t start, uint64_t end,
                       struct acpi_rsdp *out)
{
    const uint8_t *bytes = acpi_memory_at(memory, start, end - start);
    if (!bytes)
        return ERROR_NOT_FOUND;
    for (uint64_t offset = 0; offset < end - start; offset += RSDP_ALIGN) {
        if (acpi_rsdp_parse(bytes + offset, end - start - offset, out) == ERROR_NONE) {
            out->address = start + offset;
            return ERROR_NONE;
        }
    }
    return ERROR_NOT_FOUND;
}

static enum error scan_ebda(const struct acpi_memory *memory, struct acpi_rsdp *out)
{
    uint16_t segment;
    const void *bytes = acpi_memory_at(memory, BDA_EBDA_SEGMENT, sizeof(segment));
    if (!bytes)
        return ERROR_NOT_FOUND;
    memcpy(&segment, bytes, sizeof(segment));
    uint64_t start = (uint64_t)segment << 4;
    if (start < EBDA_LOWEST || start >= BIOS_START)
        return ERROR_NOT_FOUND;
    return scan(memory, start, start + EBDA_SEARCH_BYTES, out);
}

enum error acpi_rsdp_find(const struct acpi_memory *memory, const void *copy, size_t copy_bytes,
                          struct acpi_rsdp *out)
{
    if (copy_bytes != 0) {
        if (acpi_rsdp_parse(copy, copy_bytes, out) == ERROR_NONE)
            return ERROR_NONE;
        log_warn(AREA, "the boot loader's RSDP is not sound; looking in the BIOS areas");
    }
    if (scan_ebda(memory, out) == ERROR_NONE ||
        scan(memory, BIOS_START, BIOS_END, out) == ERROR_NONE)
        return ERROR_NONE;
    log_error(AREA, "no RSDP in the boot information, the EBDA or 0x%x-0x%x", BIOS_START,
              BIOS_END - 1);
    return ERROR_NOT_FOUND;
}
