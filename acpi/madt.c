#include "acpi/madt.h"

#include "acpi/tables.h"
#include "base/bits.h"
#include "base/log.h"
#include "lib/string.h"

#define AREA "acpi"

#define MADT_TYPE_LOCAL_APIC          0u
#define MADT_TYPE_LOCAL_APIC_OVERRIDE 5u
#define MADT_TYPE_LOCAL_X2APIC        9u

#define MADT_CPU_ENABLED        BIT(0)
#define MADT_CPU_ONLINE_CAPABLE BIT(1)

#define APIC_ID_NONE   0xFFu
#define X2APIC_ID_NONE 0xFFFFFFFFu

struct madt_layout {
    struct acpi_header header;
    uint32_t local_apic_address;
    uint32_t flags;
} __attribute__((packed));
_Static_assert(sizeof(struct madt_layout) == 44, "MADT before its entries");

struct madt_entry {
    uint8_t type;
    uint8_t bytes; /* this head included */
};

struct madt_local_apic {
    struct madt_entry head;
    uint8_t uid;
    uint8_t apic_id;
    uint32_t flags;
} __attribute__((packed));
_Static_assert(sizeof(struct madt_local_apic) == 8, "Processor Local APIC Structure");

struct madt_local_x2apic {
    struct madt_entry head;
    uint16_t reserved;
    uint32_t apic_id;
    uint32_t flags;
    uint32_t uid;
} __attribute__((packed));
_Static_assert(sizeof(struct madt_local_x2apic) == 16, "Processor Local x2APIC Structure");

struct madt_override {
    struct madt_entry head;
    uint16_t reserved;
    uint64_t local_apic_address;
} __attribute__((packed));
_Static_assert(sizeof(struct madt_override) == 12, "Local APIC Address Override Structure");

/* Where the walk over a table stands. */
struct cursor {
    const uint8_t *table;
    size_t bytes;
    size_t next;
};

/* Takes the next entry; ERROR_NOT_FOUND at the end. */
static enum error next_entry(struct cursor *cursor, struct madt_entry *head, size_t *offset)
{
    size_t left = cursor->bytes - cursor->next;
    if (left == 0)
        return ERROR_NOT_FOUND;
    *offset = cursor->next;
    if (left >= sizeof(*head)) {
        memcpy(head, cursor->table + cursor->next, sizeof(*head));
        cursor->next += head->bytes;
        if (head->bytes >= sizeof(*head) && head->bytes <= left)
            return ERROR_NONE;
    }
    log_error(AREA, "MADT: entry at offset %lu cannot be that long", (unsigned long)*offset);
    return ERROR_MALFORMED;
}

/* Reads the CPU that an entry names; false when it names none. */
static bool read_cpu(const uint8_t *table, struct madt_entry head, size_t offset,
                     struct madt_cpu *out)
{
    struct madt_local_apic apic;
    struct madt_local_x2apic x2apic;
    uint32_t flags;
    if (head.type == MADT_TYPE_LOCAL_APIC && head.bytes >= sizeof(apic)) {
        memcpy(&apic, table + offset, sizeof(apic));
        flags = apic.flags;
        *out = (struct madt_cpu){.apic_id = apic.apic_id, .uid = apic.uid};
        out->flags_offset = (uint32_t)(offset + offsetof(struct madt_local_apic, flags));
        if (apic.apic_id == APIC_ID_NONE)
            return false;
    } else if (head.type == MADT_TYPE_LOCAL_X2APIC && head.bytes >= sizeof(x2apic)) {
        memcpy(&x2apic, table + offset, sizeof(x2apic));
        flags = x2apic.flags;
        *out = (struct madt_cpu){.apic_id = x2apic.apic_id, .uid = x2apic.uid};
        out->flags_offset = (uint32_t)(offset + offsetof(struct madt_local_x2apic, flags));
        if (x2apic.apic_id == X2APIC_ID_NONE)
            return false;
    } else {
        return false;
    }
    out->enabled = flags & MADT_CPU_ENABLED;
    out->online_capable = !out->enabled && (flags & MADT_CPU_ONLINE_CAPABLE);
    return true;
}

static struct madt_cpu *find_cpu(struct madt_cpus *cpus, uint32_t apic_id)
{
    for (uint32_t i = 0; i < cpus->count; i++)
        if (cpus->cpu[i].apic_id == apic_id)
            return &cpus->cpu[i];
    return NULL;
}

/* Firmware fills its table with disabled entries that repeat an id, so an enabled one wins. */
static void add_cpu(struct madt_cpus *out, struct madt_cpu cpu)
{
    struct madt_cpu *listed = find_cpu(out, cpu.apic_id);
    if (listed) {
        out->duplicates++;
        if (cpu.enabled && !listed->enabled)
            *listed = cpu;
    } else if (out->count < ACPI_MAX_CPUS) {
        out->cpu[out->count++] = cpu;
    } else {
        out->dropped++;
    }
}

static void read_override(const uint8_t *table, struct madt_entry head, size_t offset,
                          struct madt_cpus *out)
{
    struct madt_override override;
    if (head.type != MADT_TYPE_LOCAL_APIC_OVERRIDE || head.bytes < sizeof(override))
        return;
    memcpy(&override, table + offset, sizeof(override));
    out->local_apic_address = override.local_apic_address;
}

static enum error start(const void *madt, size_t bytes, struct cursor *cursor)
{
    *cursor = (struct cursor){madt, bytes, sizeof(struct madt_layout)};
    if (bytes >= sizeof(struct madt_layout))
        return ERROR_NONE;
    log_error(AREA, "MADT of %lu bytes is too short", (unsigned long)bytes);
    return ERROR_MALFORMED;
}

enum error madt_read_cpus(const void *madt, size_t bytes, struct madt_cpus *out)
{
    struct madt_layout layout;
    struct cursor cursor;
    struct madt_entry head;
    struct madt_cpu cpu;
    size_t offset;
    memset(out, 0, sizeof(*out));
    enum error error = start(madt, bytes, &cursor);
    if (error)
        return error;
    memcpy(&layout, madt, sizeof(layout));
    out->local_apic_address = layout.local_apic_address;
    while ((error = next_entry(&cursor, &head, &offset)) == ERROR_NONE) {
        read_override(madt, head, offset, out);
        if (read_cpu(madt, head, offset, &cpu))
            add_cpu(out, cpu);
    }
    if (out->dropped)
        log_warn(AREA, "MADT: %u CPUs more than the %u that are kept", out->dropped, ACPI_MAX_CPUS);
    return error == ERROR_NOT_FOUND ? ERROR_NONE : error;
}

static void disable(uint8_t *table, uint32_t flags_offset)
{
    uint32_t flags;
    memcpy(&flags, table + flags_offset, sizeof(flags));
    flags &= ~(uint32_t)(MADT_CPU_ENABLED | MADT_CPU_ONLINE_CAPABLE);
    memcpy(table + flags_offset, &flags, sizeof(flags));
}

/* Walks all entries; changes those of `apic_id` when `change` is set. Counts them. */
static enum error visit(void *madt, size_t bytes, uint32_t apic_id, bool change, uint32_t *count)
{
    struct cursor cursor;
    struct madt_entry head;
    struct madt_cpu cpu;
    size_t offset;
    *count = 0;
    enum error error = start(madt, bytes, &cursor);
    if (error)
        return error;
    while ((error = next_entry(&cursor, &head, &offset)) == ERROR_NONE) {
        if (!read_cpu(madt, head, offset, &cpu) || cpu.apic_id != apic_id)
            continue;
        (*count)++;
        if (change)
            disable(madt, cpu.flags_offset);
    }
    return error == ERROR_NOT_FOUND ? ERROR_NONE : error;
}

enum error madt_disable_cpu(void *madt, size_t bytes, uint32_t apic_id)
{
    uint32_t count;
    enum error error = visit(madt, bytes, apic_id, false, &count);
    if (error)
        return error;
    if (count == 0)
        return ERROR_NOT_FOUND;
    error = visit(madt, bytes, apic_id, true, &count);
    uint8_t *checksum = (uint8_t *)madt + offsetof(struct acpi_header, checksum);
    *checksum = (uint8_t)(*checksum - acpi_sum_bytes(madt, bytes));
    return error;
}
