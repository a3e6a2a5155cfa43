#include "acpi/dmar.h"

#include "acpi/tables.h"
#include "base/bits.h"
#include "base/log.h"
#include "lib/string.h"

#define AREA "acpi"

#define DMAR_FLAG_INTR_REMAP     BIT(0)
#define DMAR_FLAG_X2APIC_OPT_OUT BIT(1)
#define DMAR_TYPE_DRHD           0u
#define DMAR_TYPE_RMRR           1u
#define DRHD_FLAG_INCLUDE_ALL    BIT(0)

struct dmar_layout {
    struct acpi_header header;
    uint8_t host_address_width; /* minus one */
    uint8_t flags;
    uint8_t reserved[10];
} __attribute__((packed));
_Static_assert(sizeof(struct dmar_layout) == 48, "DMAR before its structures");

struct dmar_structure {
    uint16_t type;
    uint16_t bytes; /* this head included */
};

struct dmar_drhd {
    struct dmar_structure head;
    uint8_t flags;
    uint8_t size;
    uint16_t segment;
    uint64_t register_base;
} __attribute__((packed));
_Static_assert(sizeof(struct dmar_drhd) == 16, "DMA Remapping Hardware Unit Definition");

static void take_unit(const uint8_t *bytes, struct dmar *out)
{
    struct dmar_drhd drhd;
    memcpy(&drhd, bytes, sizeof(drhd));
    if (out->unit_count == DMAR_MAX_UNITS) {
        out->units_dropped++;
        return;
    }
    out->unit[out->unit_count++] = (struct dmar_unit){
        .register_base = drhd.register_base,
        .segment = drhd.segment,
        .all_devices = drhd.flags & DRHD_FLAG_INCLUDE_ALL,
    };
}

static enum error malformed(size_t offset)
{
    log_error(AREA, "DMAR: structure at offset %lu cannot be that long", (unsigned long)offset);
    return ERROR_MALFORMED;
}

enum error dmar_parse(const void *table, size_t bytes, struct dmar *out)
{
    struct dmar_layout layout;
    struct dmar_structure head;
    const uint8_t *at = table;
    memset(out, 0, sizeof(*out));
    if (bytes < sizeof(layout))
        return malformed(0);
    memcpy(&layout, table, sizeof(layout));
    out->host_address_bits = (uint8_t)(layout.host_address_width + 1);
    out->interrupt_remapping = layout.flags & DMAR_FLAG_INTR_REMAP;
    out->x2apic_opt_out = layout.flags & DMAR_FLAG_X2APIC_OPT_OUT;
    for (size_t offset = sizeof(layout); offset < bytes; offset += head.bytes) {
        if (bytes - offset < sizeof(head))
            return malformed(offset);
        memcpy(&head, at + offset, sizeof(head));
        if (head.bytes < sizeof(head) || head.bytes > bytes - offset ||
            (head.type == DMAR_TYPE_DRHD && head.bytes < sizeof(struct dmar_drhd)))
            return malformed(offset);
        if (head.type == DMAR_TYPE_DRHD)
            take_unit(at + offset, out);
        out->reserved_region_count += head.type == DMAR_TYPE_RMRR;
    }
    return ERROR_NONE;
}
