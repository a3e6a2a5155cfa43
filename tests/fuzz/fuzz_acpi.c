/* with: acpi/rsdp.c acpi/tables.c acpi/madt.c acpi/fadt.c acpi/s5.c acpi/dmar.c acpi/spcr.c */
/* Any bytes as the machine's ACPI memory: the input is the memory from address 0xE0000 on (where
 * the RSDP is looked for) and, once more, each table on its own. Every piece that is read is handed
 * out as a block of its own, so that a byte too many is seen. */
#include <string.h>

#include "acpi/dmar.h"
#include "acpi/fadt.h"
#include "acpi/madt.h"
#include "acpi/rsdp.h"
#include "acpi/s5.h"
#include "acpi/spcr.h"
#include "acpi/tables.h"
#include "tests/fuzz/check.h"

#define BASE       0xE0000u
#define MAX_COPIES 4096

static const unsigned char *memory_bytes;
static size_t memory_size;
static void *copies[MAX_COPIES];
static size_t copy_count;

static void *own_copy(const void *bytes, size_t count)
{
    void *copy = malloc(count ? count : 1);
    memcpy(copy, bytes, count);
    return copy;
}

static const void *copy_at(void *context, uint64_t address, size_t count)
{
    (void)context;
    if (address < BASE || address - BASE > memory_size || copy_count == MAX_COPIES)
        return NULL;
    size_t offset = address - BASE;
    if (address >= 0x100000 && count > memory_size - offset)
        return NULL;
    size_t here = count < memory_size - offset ? count : memory_size - offset;
    unsigned char *copy = calloc(1, count ? count : 1);
    memcpy(copy, memory_bytes + offset, here);
    return copies[copy_count++] = copy;
}

static void try_tables(const struct acpi_memory *memory)
{
    static struct acpi_tables tables;
    struct acpi_rsdp rsdp;
    struct s5_types s5;
    if (acpi_rsdp_find(memory, memory_bytes, memory_size, &rsdp) ||
        acpi_tables_list(memory, &rsdp, &tables))
        return;
    CHECK(tables.count >= 1 && tables.count <= ACPI_MAX_TABLES);
    CHECK(tables.table[0].ok);
    for (unsigned int i = 0; i < tables.count; i++)
        CHECK(!tables.table[i].ok || tables.table[i].length_bytes <= ACPI_MAX_TABLE_BYTES);
    if (s5_find(memory, &tables, &s5) == ERROR_NONE)
        CHECK(s5.pm1a <= 7 && s5.pm1b <= 7);
}

static void try_madt(size_t bytes)
{
    static struct madt_cpus cpus, after;
    unsigned char *table = own_copy(memory_bytes, bytes);
    enum error error = madt_read_cpus(table, bytes, &cpus);
    CHECK(cpus.count <= ACPI_MAX_CPUS);
    for (unsigned int i = 0; i < cpus.count; i++) {
        CHECK(cpus.cpu[i].flags_offset >= 44 && cpus.cpu[i].flags_offset + 4 <= bytes);
        CHECK(!cpus.cpu[i].enabled || !cpus.cpu[i].online_capable);
    }
    if (cpus.count) {
        uint32_t id = cpus.cpu[0].apic_id;
        CHECK(madt_disable_cpu(table, bytes, id) == error);
        CHECK(madt_read_cpus(table, bytes, &after) == error);
        CHECK(after.count == cpus.count && after.cpu[0].apic_id == id);
        CHECK(error || (!after.cpu[0].enabled && acpi_sum_bytes(table, bytes) == 0));
        CHECK(!error || memcmp(table, memory_bytes, bytes) == 0);
    }
    free(table);
}

static void try_single_tables(size_t bytes)
{
    struct fadt fadt;
    struct dmar dmar;
    struct spcr spcr;
    struct s5_types s5;
    void *table = own_copy(memory_bytes, bytes);
    if (fadt_parse(table, bytes, &fadt))
        CHECK(fadt.dsdt == 0 && fadt.pm_timer_port == 0);
    if (dmar_parse(table, bytes, &dmar) == ERROR_NONE)
        CHECK(dmar.unit_count <= DMAR_MAX_UNITS);
    if (spcr_parse(table, bytes, &spcr))
        CHECK(spcr.base.address == 0);
    if (s5_scan(table, bytes, &s5) == ERROR_NONE)
        CHECK(s5.pm1a <= 7 && s5.pm1b <= 7);
    free(table);
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t bytes)
{
    struct acpi_memory reader = {copy_at, NULL};
    memory_bytes = data;
    memory_size = bytes;
    try_tables(&reader);
    try_madt(bytes);
    try_single_tables(bytes);
    while (copy_count)
        free(copies[--copy_count]);
    return 0;
}
