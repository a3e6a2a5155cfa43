#include "acpi/tables.h"

#include "acpi/fadt.h"
#include "base/bits.h"
#include "base/log.h"
#include "lib/string.h"

#define AREA "acpi"

#define FACS_MIN_BYTES 64u
#define ADDRESS_LIMIT  (1ull << 52) /* no processor has longer physical addresses */

uint8_t acpi_sum_bytes(const void *bytes, size_t count)
{
    const uint8_t *byte = bytes;
    uint8_t sum = 0;
    for (size_t i = 0; i < count; i++)
        sum = (uint8_t)(sum + byte[i]);
    return sum;
}

static bool has_signature(const char *signature, const char *wanted)
{
    return memcmp(signature, wanted, 4) == 0;
}

static void describe(struct acpi_table *table, const struct acpi_header *header)
{
    for (size_t i = 0; i < sizeof(header->signature); i++) {
        char c = header->signature[i];
        table->signature[i] = c >= ' ' && c < 0x7F ? c : '?';
    }
    table->length_bytes = header->length_bytes;
    table->revision = header->revision;
}

/* FACS has no common header beyond signature and length, and no checksum. */
static bool is_sound(const struct acpi_table *table, const void *bytes)
{
    if (has_signature(table->signature, "FACS"))
        return table->length_bytes >= FACS_MIN_BYTES;
    return acpi_sum_bytes(bytes, table->length_bytes) == 0;
}

/* Looks at the table at `address`; what cannot be read or be true leaves `ok` false. */
static void inspect(const struct acpi_memory *memory, uint64_t address, struct acpi_table *table)
{
    struct acpi_header header = {0};
    memset(table, 0, sizeof(*table));
    table->address = address;
    const void *bytes =
        address < ADDRESS_LIMIT ? acpi_memory_at(memory, address, sizeof(header)) : NULL;
    if (!bytes) {
        memcpy(table->signature, "????", 4);
        return;
    }
    memcpy(&header, bytes, sizeof(header));
    describe(table, &header);
    if (header.length_bytes >= sizeof(header) && header.length_bytes <= ACPI_MAX_TABLE_BYTES)
        bytes = acpi_memory_at(memory, address, header.length_bytes);
    else
        bytes = NULL;
    if (bytes)
        table->ok = is_sound(table, bytes);
    else
        table->length_bytes = sizeof(header);
}

static bool is_listed(const struct acpi_tables *tables, uint64_t address)
{
    for (uint32_t i = 0; i < tables->count; i++)
        if (tables->table[i].address == address)
            return true;
    return false;
}

/* Adds the table at `address` and gives it back; NULL when it is 0, listed already, or too many. */
static const struct acpi_table *add(const struct acpi_memory *memory, uint64_t address,
                                    struct acpi_tables *out)
{
    if (address == 0 || is_listed(out, address))
        return NULL;
    if (out->count == ACPI_MAX_TABLES) {
        out->dropped++;
        return NULL;
    }
    struct acpi_table *table = &out->table[out->count];
    inspect(memory, address, table);
    out->count++;
    if (!table->ok)
        log_warn(AREA, "table %s at 0x%lx is not sound and not used", table->signature, address);
    return table;
}

static void add_fadt_children(const struct acpi_memory *memory, const struct acpi_table *table,
                              struct acpi_tables *out)
{
    struct fadt fadt;
    const void *bytes = acpi_memory_at(memory, table->address, table->length_bytes);
    if (!bytes || fadt_parse(bytes, table->length_bytes, &fadt) != ERROR_NONE)
        return;
    add(memory, fadt.facs, out);
    add(memory, fadt.dsdt, out);
}

/* The root table's entries: 4 bytes each in the RSDT, 8 in the XSDT. */
static void add_entries(const struct acpi_memory *memory, const uint8_t *root, size_t bytes,
                        size_t entry_bytes, struct acpi_tables *out)
{
    for (size_t offset = sizeof(struct acpi_header); bytes - offset >= entry_bytes;
         offset += entry_bytes) {
        uint64_t address = 0;
        memcpy(&address, root + offset, entry_bytes);
        const struct acpi_table *table = add(memory, address, out);
        if (table && table->ok && has_signature(table->signature, "FACP"))
            add_fadt_children(memory, table, out);
    }
}

static bool list_root(const struct acpi_memory *memory, uint64_t address, const char *signature,
                      size_t entry_bytes, struct acpi_tables *out)
{
    memset(out, 0, sizeof(*out));
    const struct acpi_table *root = add(memory, address, out);
    if (!root || !root->ok || !has_signature(root->signature, signature))
        return false;
    const void *bytes = acpi_memory_at(memory, address, root->length_bytes);
    if (!bytes)
        return false;
    add_entries(memory, bytes, root->length_bytes, entry_bytes, out);
    if (out->dropped)
        log_warn(AREA, "%u tables more than the %u that are kept", out->dropped, ACPI_MAX_TABLES);
    return true;
}

enum error acpi_tables_list(const struct acpi_memory *memory, const struct acpi_rsdp *rsdp,
                            struct acpi_tables *out)
{
    if (list_root(memory, rsdp->xsdt, "XSDT", 8, out)) {
        out->from_xsdt = true;
        return ERROR_NONE;
    }
    if (list_root(memory, rsdp->rsdt, "RSDT", 4, out))
        return ERROR_NONE;
    memset(out, 0, sizeof(*out));
    log_error(AREA, "neither XSDT (0x%lx) nor RSDT (0x%x) is sound", rsdp->xsdt, rsdp->rsdt);
    return ERROR_NOT_FOUND;
}

const void *acpi_tables_find(const struct acpi_memory *memory, const struct acpi_tables *tables,
                             const char *signature, unsigned int index, size_t *bytes)
{
    for (uint32_t i = 0; i < tables->count; i++) {
        const struct acpi_table *table = &tables->table[i];
        if (!table->ok || !has_signature(table->signature, signature) || index-- != 0)
            continue;
        *bytes = table->length_bytes;
        return acpi_memory_at(memory, table->address, table->length_bytes);
    }
    *bytes = 0;
    return NULL;
}
