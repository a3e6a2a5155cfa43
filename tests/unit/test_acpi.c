/* with: acpi/[a-z]*.c tests/fuzz/fuzz_acpi.c */
/* ACPI: tables made by hand, random ones against what they were made from, tables recorded from
 * Bochs and QEMU, and any bytes. Memory is a list of pieces; what lies outside may not be read. */
#include "acpi/dmar.h"
#include "acpi/fadt.h"
#include "acpi/madt.h"
#include "acpi/rsdp.h"
#include "acpi/s5.h"
#include "acpi/spcr.h"
#include "acpi/tables.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "tests/fuzz/check.h"
#include "tests/unit/capture.h"
#include "tests/unit/random.h"

/* ---- memory in pieces, each a block of its own ---- */

#define MAX_PIECES 300

static struct piece {
    uint64_t address;
    size_t bytes;
    unsigned char *data;
} pieces[MAX_PIECES];
static size_t piece_count;

static const void *at(void *context, uint64_t address, size_t bytes)
{
    (void)context;
    for (size_t i = 0; i < piece_count; i++)
        if (address >= pieces[i].address && address - pieces[i].address <= pieces[i].bytes &&
            bytes <= pieces[i].bytes - (address - pieces[i].address))
            return pieces[i].data + (address - pieces[i].address);
    return NULL;
}

static const struct acpi_memory memory = {at, NULL};

static int forget(void **state)
{
    (void)state;
    while (piece_count)
        free(pieces[--piece_count].data);
    return 0;
}

static unsigned char *place(uint64_t address, const void *data, size_t bytes)
{
    assert_true(piece_count < MAX_PIECES);
    struct piece *piece = &pieces[piece_count++];
    *piece = (struct piece){address, bytes, calloc(1, bytes ? bytes : 1)};
    if (data)
        memcpy(piece->data, data, bytes);
    return piece->data;
}

/* ---- tables by hand ---- */

static void seal(unsigned char *table, size_t bytes, size_t checksum_at)
{
    table[checksum_at] = 0;
    table[checksum_at] = (unsigned char)-acpi_sum_bytes(table, bytes);
}

static unsigned char *place_table(uint64_t address, const char *signature, const void *body,
                                  size_t body_bytes)
{
    size_t bytes = sizeof(struct acpi_header) + body_bytes;
    unsigned char *table = place(address, NULL, bytes);
    struct acpi_header header = {.length_bytes = (uint32_t)bytes, .revision = 1};
    memcpy(header.signature, signature, 4);
    memcpy(table, &header, sizeof(header));
    memcpy(table + sizeof(header), body, body_bytes);
    seal(table, bytes, 9);
    return table;
}

static void make_rsdp(unsigned char *rsdp, uint8_t revision, uint32_t rsdt, uint64_t xsdt)
{
    uint32_t length = 36;
    memset(rsdp, 0, revision < 2 ? 20 : 36);
    memcpy(rsdp, "RSD PTR \0ORLOP ", 15);
    rsdp[15] = revision;
    memcpy(rsdp + 16, &rsdt, 4);
    seal(rsdp, 20, 8);
    if (revision < 2)
        return;
    memcpy(rsdp + 20, &length, 4);
    memcpy(rsdp + 24, &xsdt, 8);
    seal(rsdp, 36, 32);
}

static struct acpi_rsdp rsdp_of(uint32_t rsdt, uint64_t xsdt)
{
    return (struct acpi_rsdp){.revision = xsdt ? 2 : 0, .rsdt = rsdt, .xsdt = xsdt};
}

/* A FADT's fields at their offsets in the specification. */
static size_t make_fadt(unsigned char *fadt, size_t bytes, uint32_t facs, uint32_t dsdt)
{
    memset(fadt, 0, bytes);
    memcpy(fadt, "FACP", 4);
    fadt[4] = (unsigned char)bytes;
    fadt[5] = (unsigned char)(bytes >> 8);
    memcpy(fadt + 36, &facs, 4);
    memcpy(fadt + 40, &dsdt, 4);
    seal(fadt, bytes, 9);
    return bytes;
}

static void write16(unsigned char *to, uint16_t value) { memcpy(to, &value, 2); }
static void write32(unsigned char *to, uint32_t value) { memcpy(to, &value, 4); }
static void write64(unsigned char *to, uint64_t value) { memcpy(to, &value, 8); }

static void write_gas(unsigned char *to, uint8_t space, uint64_t address)
{
    to[0] = space;
    to[1] = 32;
    write64(to + 4, address);
}

/* ---- RSDP ---- */

static void an_rsdp_of_either_version_is_read(void **state)
{
    (void)state;
    unsigned char bytes[36];
    struct acpi_rsdp rsdp;
    make_rsdp(bytes, 0, 0x1FF0000, 0);
    assert_int_equal(acpi_rsdp_parse(bytes, 20, &rsdp), ERROR_NONE);
    assert_int_equal(rsdp.rsdt, 0x1FF0000);
    assert_int_equal(rsdp.xsdt, 0);
    assert_string_equal(rsdp.oem_id, "ORLOP ");
    make_rsdp(bytes, 2, 0x1FF0000, 0x123456789000);
    assert_int_equal(acpi_rsdp_parse(bytes, 36, &rsdp), ERROR_NONE);
    assert_int_equal(rsdp.xsdt, 0x123456789000);
    assert_int_equal(rsdp.revision, 2);
    assert_int_equal(acpi_rsdp_parse(bytes, 20, &rsdp), ERROR_NONE); /* a loader's short copy */
    assert_int_equal(rsdp.xsdt, 0);
}

static void an_rsdp_with_any_bit_flipped_is_refused(void **state)
{
    (void)state;
    unsigned char bytes[36];
    struct acpi_rsdp rsdp;
    for (size_t bit = 0; bit < 36 * 8; bit++) {
        make_rsdp(bytes, 2, 0x1FF0000, 0x2000000);
        bytes[bit / 8] ^= (unsigned char)(1 << bit % 8);
        assert_int_not_equal(acpi_rsdp_parse(bytes, 36, &rsdp), ERROR_NONE);
    }
}

static void an_rsdp_whose_length_cannot_be_is_refused(void **state)
{
    (void)state;
    unsigned char bytes[36];
    struct acpi_rsdp rsdp;
    static const uint32_t lengths[] = {0, 20, 35, 37, 0xFFFFFFFF};
    for (size_t i = 0; i < 5; i++) {
        make_rsdp(bytes, 2, 1, 2);
        write32(bytes + 20, lengths[i]);
        seal(bytes, 36, 32);
        assert_int_equal(acpi_rsdp_parse(bytes, 36, &rsdp), ERROR_MALFORMED);
    }
    make_rsdp(bytes, 2, 1, 2);
    assert_int_equal(acpi_rsdp_parse(bytes, 35, &rsdp), ERROR_MALFORMED);
    assert_int_equal(acpi_rsdp_parse(bytes, 19, &rsdp), ERROR_NOT_FOUND);
}

static void the_loader_s_copy_comes_first(void **state)
{
    (void)state;
    unsigned char copy[36];
    struct acpi_rsdp rsdp;
    make_rsdp(place(0xE0000, NULL, 0x20000) + 0x4560, 0, 0x2222, 0);
    make_rsdp(copy, 0, 0x1111, 0);
    assert_int_equal(acpi_rsdp_find(&memory, copy, 20, &rsdp), ERROR_NONE);
    assert_int_equal(rsdp.rsdt, 0x1111);
    assert_int_equal(rsdp.address, 0);
    copy[8]++;
    quiet_start();
    enum error error = acpi_rsdp_find(&memory, copy, 20, &rsdp);
    quiet_end();
    assert_int_equal(error, ERROR_NONE);
    assert_int_equal(rsdp.rsdt, 0x2222);
    assert_int_equal(rsdp.address, 0xE4560);
}

static void the_bios_areas_are_searched_on_16_byte_boundaries(void **state)
{
    (void)state;
    unsigned char *bios = place(0xE0000, NULL, 0x20000);
    struct acpi_rsdp rsdp;
    make_rsdp(bios + 0x108, 0, 0x1111, 0); /* not on a boundary */
    quiet_start();
    enum error none = acpi_rsdp_find(&memory, NULL, 0, &rsdp);
    quiet_end();
    assert_int_equal(none, ERROR_NOT_FOUND);
    memcpy(bios + 0x200, "RSD PTR ", 8); /* not sound */
    bios[0x220] = 1;
    make_rsdp(bios + 0x1FFE0, 0, 0x2222, 0); /* its first 20 bytes end in the last 16 */
    assert_int_equal(acpi_rsdp_find(&memory, NULL, 0, &rsdp), ERROR_NONE);
    assert_int_equal(rsdp.address, 0xFFFE0);
    write16(place(0x40E, NULL, 2), 0x9FC0);
    make_rsdp(place(0x9FC00, NULL, 1024) + 1024 - 48, 0, 0x3333, 0);
    assert_int_equal(acpi_rsdp_find(&memory, NULL, 0, &rsdp), ERROR_NONE);
    assert_int_equal(rsdp.address, 0x9FC00 + 1024 - 48); /* the EBDA comes first */
}

static void an_rsdp_at_the_very_end_is_not_read_past_it(void **state)
{
    (void)state;
    unsigned char *bios = place(0xE0000, NULL, 0x20000);
    struct acpi_rsdp rsdp;
    memcpy(bios + 0x1FFF0, "RSD PTR ", 8); /* 16 bytes are left */
    write16(place(0x40E, NULL, 2), 0xFFFF);
    quiet_start();
    enum error error = acpi_rsdp_find(&memory, NULL, 0, &rsdp);
    quiet_end();
    assert_int_equal(error, ERROR_NOT_FOUND);
}

/* ---- the list of tables ---- */

static struct acpi_tables tables;

static const struct acpi_table *listed(uint64_t address)
{
    for (uint32_t i = 0; i < tables.count; i++)
        if (tables.table[i].address == address)
            return &tables.table[i];
    return NULL;
}

static void place_small_world(void)
{
    unsigned char fadt[116], facs[64] = "FACS\x40";
    uint32_t rsdt[] = {0x3000, 0x4000, 0x3000, 0};
    uint64_t xsdt[] = {0x4000, 0x3000, 0x5000};
    place_table(0x1000, "RSDT", rsdt, sizeof(rsdt));
    place_table(0x2000, "XSDT", xsdt, sizeof(xsdt));
    place_table(0x3000, "APIC", "12345678", 8);
    place(0x4000, fadt, make_fadt(fadt, sizeof(fadt), 0x6000, 0x7000));
    place_table(0x5000, "SSDT", "", 0);
    place(0x6000, facs, 64);
    place_table(0x7000, "DSDT", "aml", 3);
}

static void the_xsdt_is_preferred_and_everything_is_listed_once(void **state)
{
    (void)state;
    struct acpi_rsdp rsdp = rsdp_of(0x1000, 0x2000);
    place_small_world();
    assert_int_equal(acpi_tables_list(&memory, &rsdp, &tables), ERROR_NONE);
    assert_true(tables.from_xsdt);
    assert_int_equal(tables.count, 6);
    assert_int_equal(tables.table[0].address, 0x2000);
    assert_string_equal(listed(0x6000)->signature, "FACS");
    assert_int_equal(listed(0x6000)->length_bytes, 64);
    assert_string_equal(listed(0x7000)->signature, "DSDT");
    assert_int_equal(listed(0x7000)->length_bytes, 39);
    for (uint32_t i = 0; i < tables.count; i++)
        assert_true(tables.table[i].ok);
    rsdp.xsdt = 0;
    assert_int_equal(acpi_tables_list(&memory, &rsdp, &tables), ERROR_NONE);
    assert_false(tables.from_xsdt);
    assert_int_equal(tables.count, 5); /* no SSDT there; a repeated address and 0 are not listed */
}

static enum error list_quietly(struct acpi_rsdp rsdp)
{
    quiet_start();
    enum error error = acpi_tables_list(&memory, &rsdp, &tables);
    quiet_end();
    return error;
}

static void a_root_that_is_not_sound_gives_way_to_the_other(void **state)
{
    (void)state;
    place_small_world();
    ((unsigned char *)at(NULL, 0x2000, 1))[12]++; /* the XSDT's sum */
    assert_int_equal(list_quietly(rsdp_of(0x1000, 0x2000)), ERROR_NONE);
    assert_false(tables.from_xsdt);
    assert_int_equal(list_quietly(rsdp_of(0x1000, 0xDEAD0000)), ERROR_NONE);
    assert_int_equal(list_quietly(rsdp_of(0x1000, 0x3000)), ERROR_NONE); /* a MADT is no XSDT */
    assert_false(tables.from_xsdt);
    ((unsigned char *)at(NULL, 0x1000, 1))[12]++;
    assert_int_equal(list_quietly(rsdp_of(0x1000, 0x2000)), ERROR_NOT_FOUND);
    assert_int_equal(tables.count, 0);
    assert_int_equal(list_quietly(rsdp_of(0, 0)), ERROR_NOT_FOUND);
}

static void a_table_that_lies_is_listed_marked_and_not_found(void **state)
{
    (void)state;
    size_t bytes;
    place_small_world();
    unsigned char *madt = (unsigned char *)at(NULL, 0x3000, 44);
    assert_int_equal(list_quietly(rsdp_of(0, 0x2000)), ERROR_NONE);
    assert_ptr_equal(acpi_tables_find(&memory, &tables, "APIC", 0, &bytes), madt);
    assert_int_equal(bytes, 44);
    assert_null(acpi_tables_find(&memory, &tables, "APIC", 1, &bytes));
    assert_null(acpi_tables_find(&memory, &tables, "HPET", 0, &bytes));
    madt[40]++;
    static const uint32_t lengths[] = {44, 35, 0, 45, 0xFFFFFFFF, ACPI_MAX_TABLE_BYTES + 1};
    for (size_t i = 0; i < 6; i++) {
        write32(madt + 4, lengths[i]);
        assert_int_equal(list_quietly(rsdp_of(0, 0x2000)), ERROR_NONE);
        assert_false(listed(0x3000)->ok);
        assert_true(listed(0x3000)->length_bytes <= 44);
        assert_null(acpi_tables_find(&memory, &tables, "APIC", 0, &bytes));
        assert_int_equal(bytes, 0);
    }
    madt[0] = 0x1B;
    assert_int_equal(list_quietly(rsdp_of(0, 0x2000)), ERROR_NONE);
    assert_string_equal(listed(0x3000)->signature, "?PIC");
}

static void pointers_into_nothing_and_round_about_end(void **state)
{
    (void)state;
    uint64_t xsdt[] = {0x2000, 0xFFFFFFFFFFFFFFFF, 0x10000000000000, 0x4000};
    unsigned char fadt[116];
    place_table(0x2000, "XSDT", xsdt, sizeof(xsdt));
    place(0x4000, fadt, make_fadt(fadt, sizeof(fadt), 0x2000, 0x4000)); /* FACS, DSDT: itself */
    assert_int_equal(list_quietly(rsdp_of(0, 0x2000)), ERROR_NONE);
    assert_int_equal(tables.count, 4);
    assert_string_equal(tables.table[1].signature, "????");
    assert_false(tables.table[1].ok || tables.table[2].ok);
}

static void a_root_that_ends_within_an_entry_is_not_read_past_it(void **state)
{
    (void)state;
    static const unsigned char body[13] = {0, 0x40};
    place_table(0x2000, "XSDT", body, sizeof(body));
    assert_int_equal(list_quietly(rsdp_of(0, 0x2000)), ERROR_NONE);
    assert_int_equal(tables.count, 2);
    assert_int_equal(tables.table[1].address, 0x4000);
}

static void tables_beyond_the_list_are_counted(void **state)
{
    (void)state;
    uint64_t xsdt[ACPI_MAX_TABLES + 10];
    for (uint32_t i = 0; i < ACPI_MAX_TABLES + 10; i++) {
        xsdt[i] = 0x10000 + 0x100 * i;
        place_table(xsdt[i], "SSDT", "", 0);
    }
    place_table(0x2000, "XSDT", xsdt, sizeof(xsdt));
    struct acpi_rsdp rsdp = rsdp_of(0, 0x2000);
    capture_start();
    enum error error = acpi_tables_list(&memory, &rsdp, &tables);
    const char *log = capture_end();
    assert_int_equal(error, ERROR_NONE);
    assert_int_equal(tables.count, ACPI_MAX_TABLES);
    assert_int_equal(tables.dropped, 11);
    assert_non_null(strstr(log, "11 tables more than the 128"));
}

/* ---- MADT ---- */

static unsigned char madt[8192];
static size_t madt_bytes;
static struct madt_cpus cpus;

static void madt_begin(void)
{
    memset(madt, 0, sizeof(madt));
    memcpy(madt, "APIC", 4);
    write32(madt + 36, 0xFEE00000);
    madt_bytes = 44;
}

static void madt_raw(uint8_t type, uint8_t bytes)
{
    madt[madt_bytes] = type;
    madt[madt_bytes + 1] = bytes;
    madt_bytes += bytes;
}

static void madt_apic(uint8_t uid, uint8_t apic_id, uint32_t flags)
{
    madt[madt_bytes + 2] = uid;
    madt[madt_bytes + 3] = apic_id;
    write32(madt + madt_bytes + 4, flags);
    madt_raw(0, 8);
}

static void madt_x2apic(uint32_t uid, uint32_t apic_id, uint32_t flags)
{
    write32(madt + madt_bytes + 4, apic_id);
    write32(madt + madt_bytes + 8, flags);
    write32(madt + madt_bytes + 12, uid);
    madt_raw(9, 16);
}

static void madt_seal(void)
{
    write32(madt + 4, (uint32_t)madt_bytes);
    seal(madt, madt_bytes, 9);
}

/* Reads from a block of its own. */
static enum error madt_read(void)
{
    madt_seal();
    unsigned char *copy = malloc(madt_bytes);
    memcpy(copy, madt, madt_bytes);
    enum error error = madt_read_cpus(copy, madt_bytes, &cpus);
    free(copy);
    return error;
}

static void both_kinds_of_entry_name_cpus(void **state)
{
    (void)state;
    madt_begin();
    madt_apic(1, 0, 1);
    madt_raw(1, 12); /* an I/O APIC */
    madt_apic(2, 4, 2);
    madt_x2apic(300, 0x100, 3);
    madt_apic(3, 0xFF, 1);           /* no CPU */
    madt_x2apic(301, 0xFFFFFFFF, 1); /* no CPU */
    madt_apic(4, 6, 0);
    madt_raw(0x80, 5); /* of some vendor's */
    assert_int_equal(madt_read(), ERROR_NONE);
    assert_int_equal(cpus.count, 4);
    assert_int_equal(cpus.local_apic_address, 0xFEE00000);
    static const struct madt_cpu expected[] = {
        {.apic_id = 0, .uid = 1, .flags_offset = 48, .enabled = true},
        {.apic_id = 4, .uid = 2, .flags_offset = 68, .online_capable = true},
        {.apic_id = 0x100, .uid = 300, .flags_offset = 80, .enabled = true},
        {.apic_id = 6, .uid = 4, .flags_offset = 116},
    };
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(cpus.cpu[i].apic_id, expected[i].apic_id);
        assert_int_equal(cpus.cpu[i].uid, expected[i].uid);
        assert_int_equal(cpus.cpu[i].flags_offset, expected[i].flags_offset);
        assert_int_equal(cpus.cpu[i].enabled, expected[i].enabled);
        assert_int_equal(cpus.cpu[i].online_capable, expected[i].online_capable);
    }
}

static void the_address_override_counts(void **state)
{
    (void)state;
    madt_begin();
    write64(madt + madt_bytes + 4, 0x1FEE00000);
    madt_raw(5, 12);
    assert_int_equal(madt_read(), ERROR_NONE);
    assert_true(cpus.local_apic_address == 0x1FEE00000);
    assert_int_equal(cpus.count, 0);
}

static void of_doubled_ids_the_enabled_one_counts(void **state)
{
    (void)state;
    madt_begin();
    madt_apic(1, 2, 0);
    madt_apic(2, 3, 1);
    madt_x2apic(3, 2, 1);
    madt_x2apic(4, 3, 0);
    assert_int_equal(madt_read(), ERROR_NONE);
    assert_int_equal(cpus.count, 2);
    assert_int_equal(cpus.duplicates, 2);
    assert_int_equal(cpus.cpu[0].uid, 3);
    assert_int_equal(cpus.cpu[1].uid, 2);
    assert_true(cpus.cpu[0].enabled && cpus.cpu[1].enabled);
}

static void cpus_beyond_the_list_are_counted(void **state)
{
    (void)state;
    madt_begin();
    for (uint32_t i = 0; i < ACPI_MAX_CPUS + 7; i++)
        madt_x2apic(i, i, 1);
    capture_start();
    enum error error = madt_read();
    const char *log = capture_end();
    assert_int_equal(error, ERROR_NONE);
    assert_int_equal(cpus.count, ACPI_MAX_CPUS);
    assert_int_equal(cpus.dropped, 7);
    assert_non_null(strstr(log, "7 CPUs more than the 256"));
}

static void an_entry_whose_length_cannot_be_ends_the_walk(void **state)
{
    (void)state;
    static const uint8_t lengths[] = {0, 1, 9, 255};
    for (size_t i = 0; i < sizeof(lengths); i++) {
        madt_begin();
        madt_apic(1, 2, 1);
        madt_apic(2, 3, 1);
        madt[53] = lengths[i]; /* of the second one, which has 8 */
        capture_start();
        enum error error = madt_read();
        const char *log = capture_end();
        assert_int_equal(error, ERROR_MALFORMED);
        assert_int_equal(cpus.count, 1);
        assert_non_null(strstr(log, "MADT: entry at offset 52"));
    }
    madt_begin();
    madt_bytes++; /* half a head */
    capture_start();
    enum error half = madt_read();
    madt_bytes = 43;
    enum error shorter = madt_read();
    const char *log = capture_end();
    assert_int_equal(half, ERROR_MALFORMED);
    assert_int_equal(shorter, ERROR_MALFORMED);
    assert_non_null(strstr(log, "MADT of 43 bytes is too short"));
}

static void a_cpu_entry_that_is_too_short_is_skipped(void **state)
{
    (void)state;
    madt_begin();
    madt_raw(0, 7);
    madt_raw(9, 15);
    madt_raw(5, 11);
    assert_int_equal(madt_read(), ERROR_NONE);
    assert_int_equal(cpus.count, 0);
    assert_int_equal(cpus.local_apic_address, 0xFEE00000);
}

static void a_disabled_cpu_is_neither_enabled_nor_capable(void **state)
{
    (void)state;
    unsigned char before[sizeof(madt)];
    madt_begin();
    madt_apic(1, 0, 5);
    madt_apic(2, 1, 7);
    madt_x2apic(3, 1, 0xFFFFFFFF);
    madt_x2apic(4, 0x200, 1);
    madt_seal();
    memcpy(before, madt, madt_bytes);
    assert_int_equal(madt_disable_cpu(madt, madt_bytes, 2), ERROR_NOT_FOUND);
    assert_memory_equal(madt, before, madt_bytes);
    assert_int_equal(madt_disable_cpu(madt, madt_bytes, 1), ERROR_NONE);
    assert_int_equal(acpi_sum_bytes(madt, madt_bytes), 0);
    assert_int_equal(madt[52 + 4], 4); /* other flags stay */
    assert_int_equal(madt[60 + 8], 0xFC);
    size_t changed = 0;
    for (size_t i = 0; i < madt_bytes; i++)
        changed += madt[i] != before[i];
    assert_int_equal(changed, 3); /* two flags and the sum */
    assert_int_equal(madt_disable_cpu(madt, madt_bytes, 0x200), ERROR_NONE);
    assert_int_equal(madt_read_cpus(madt, madt_bytes, &cpus), ERROR_NONE);
    assert_true(cpus.cpu[0].enabled);
    assert_false(cpus.cpu[1].enabled || cpus.cpu[1].online_capable || cpus.cpu[2].enabled);
}

static void a_madt_that_ends_wrongly_is_not_changed(void **state)
{
    (void)state;
    unsigned char before[sizeof(madt)];
    madt_begin();
    madt_apic(1, 1, 1);
    madt_apic(2, 2, 1);
    madt[53] = 9;
    madt_seal();
    memcpy(before, madt, madt_bytes);
    quiet_start();
    enum error error = madt_disable_cpu(madt, madt_bytes, 1);
    quiet_end();
    assert_int_equal(error, ERROR_MALFORMED);
    assert_memory_equal(madt, before, madt_bytes);
}

/* Random MADTs beside the plainest model: an array by APIC id. */
static void random_madts_come_out_as_they_were_made(void **state)
{
    (void)state;
    random_seed(0x3AD7);
    for (int round = 0; round < 2000; round++) {
        uint8_t present[64] = {0}, enabled[64] = {0};
        uint32_t names = (uint32_t)random_below(60), distinct = 0;
        madt_begin();
        for (uint32_t i = 0; i < names; i++) {
            uint32_t id = (uint32_t)random_below(64), flags = (uint32_t)random_below(4);
            if (random_below(2))
                madt_apic((uint8_t)i, (uint8_t)id, flags);
            else
                madt_x2apic(i, id, flags);
            if (random_below(4) == 0)
                madt_raw((uint8_t)(10 + random_below(200)), (uint8_t)(2 + random_below(20)));
            distinct += !present[id];
            present[id] = 1;
            enabled[id] |= flags & 1;
        }
        assert_int_equal(madt_read(), ERROR_NONE);
        assert_int_equal(cpus.count, distinct);
        assert_int_equal(cpus.count + cpus.duplicates, names);
        for (uint32_t i = 0; i < cpus.count; i++) {
            assert_true(present[cpus.cpu[i].apic_id]);
            assert_int_equal(cpus.cpu[i].enabled, enabled[cpus.cpu[i].apic_id]);
        }
        uint32_t gone = (uint32_t)random_below(64);
        enum error error = madt_disable_cpu(madt, madt_bytes, gone);
        assert_int_equal(error, present[gone] ? ERROR_NONE : ERROR_NOT_FOUND);
        assert_int_equal(acpi_sum_bytes(madt, madt_bytes), 0);
        assert_int_equal(madt_read_cpus(madt, madt_bytes, &cpus), ERROR_NONE);
        for (uint32_t i = 0; i < cpus.count; i++)
            assert_int_equal(cpus.cpu[i].enabled,
                             cpus.cpu[i].apic_id != gone && enabled[cpus.cpu[i].apic_id]);
    }
}

/* ---- FADT ---- */

static void an_old_fadt_gives_its_ports(void **state)
{
    (void)state;
    unsigned char bytes[116];
    struct fadt fadt;
    make_fadt(bytes, sizeof(bytes), 0x6000, 0x7000);
    write32(bytes + 48, 0xB2);
    bytes[52] = 0xF1;
    write32(bytes + 64, 0xB004);
    write32(bytes + 68, 0xB044);
    write32(bytes + 76, 0xB008);
    assert_int_equal(fadt_parse(bytes, sizeof(bytes), &fadt), ERROR_NONE);
    assert_int_equal(fadt.facs, 0x6000);
    assert_int_equal(fadt.dsdt, 0x7000);
    assert_int_equal(fadt.smi_command_port, 0xB2);
    assert_int_equal(fadt.acpi_enable, 0xF1);
    assert_int_equal(fadt.pm1a_control_port, 0xB004);
    assert_int_equal(fadt.pm1b_control_port, 0xB044);
    assert_int_equal(fadt.pm_timer_port, 0xB008);
    assert_false(fadt.pm_timer_32bit || fadt.reset_supported || fadt.hardware_reduced);
    write32(bytes + 76, 0x1B008); /* no I/O port */
    write32(bytes + 112, 1 << 8 | 1 << 10);
    assert_int_equal(fadt_parse(bytes, sizeof(bytes), &fadt), ERROR_NONE);
    assert_int_equal(fadt.pm_timer_port, 0);
    assert_true(fadt.pm_timer_32bit);
    assert_false(fadt.reset_supported); /* too short for the register */
    quiet_start();
    enum error error = fadt_parse(bytes, 115, &fadt);
    quiet_end();
    assert_int_equal(error, ERROR_MALFORMED);
}

static void the_wide_fields_of_a_newer_fadt_are_preferred(void **state)
{
    (void)state;
    unsigned char bytes[244];
    struct fadt fadt;
    make_fadt(bytes, sizeof(bytes), 0x6000, 0x7000);
    write32(bytes + 64, 0xB004);
    write32(bytes + 76, 0xB008);
    write32(bytes + 112, 1 << 10);
    write_gas(bytes + 116, ACPI_SPACE_IO, 0xCF9);
    bytes[128] = 0x0F;
    write64(bytes + 132, 0x123456000);
    write64(bytes + 140, 0x123457000);
    write_gas(bytes + 172, ACPI_SPACE_IO, 0x404);
    write_gas(bytes + 208, ACPI_SPACE_MEMORY, 0x408); /* memory is no port: the old one counts */
    assert_int_equal(fadt_parse(bytes, sizeof(bytes), &fadt), ERROR_NONE);
    assert_true(fadt.facs == 0x123456000 && fadt.dsdt == 0x123457000);
    assert_int_equal(fadt.pm1a_control_port, 0x404);
    assert_int_equal(fadt.pm_timer_port, 0xB008);
    assert_true(fadt.reset_supported);
    assert_int_equal(fadt.reset.space, ACPI_SPACE_IO);
    assert_int_equal(fadt.reset.address, 0xCF9);
    assert_int_equal(fadt.reset_value, 0x0F);
    write32(bytes + 112, 1 << 20);
    assert_int_equal(fadt_parse(bytes, sizeof(bytes), &fadt), ERROR_NONE);
    assert_true(fadt.hardware_reduced);
    assert_int_equal(fadt.pm_timer_port, 0);
    assert_int_equal(fadt.pm1a_control_port, 0);
}

/* ---- \_S5 ---- */

static enum error scan_aml(const char *aml, size_t bytes, struct s5_types *types)
{
    unsigned char *block = calloc(1, 36 + bytes);
    memcpy(block + 36, aml, bytes);
    enum error error = s5_scan(block, 36 + bytes, types);
    free(block);
    return error;
}

#define SCAN(aml, types) scan_aml(aml, sizeof(aml) - 1, types)

static void s5_is_found_in_all_its_spellings(void **state)
{
    (void)state;
    static const struct {
        const char *aml;
        size_t bytes;
        uint8_t pm1a, pm1b;
    } good[] = {
#define AML(text, a, b) {text, sizeof(text) - 1, a, b}
        AML("\x08_S5_\x12\x06\x04\x0A\x05\x0A\x07", 5, 7), /* fewer values than elements */
        AML("\x08_S5_\x12\x06\x02\x0A\x05\x0A\x07", 5, 7),
        AML("\x08\\_S5_\x12\x08\x04\x0A\x07\x0A\x06\x00\x00", 7, 6),
        AML("\x08_S5_\x12\x06\x04\x00\x00\x00\x00", 0, 0),
        AML("\x08_S5_\x12\x06\x04\x01\x00\x00\x00", 1, 0),
        AML("\x08_S5_\x12\x48\x00\x02\x01\x0A\x05..", 1, 5),
        AML("\x08_S5_\x12\x08\x02\x0B\x05\x00\x0B\x04\x00", 5, 4),
        AML("\x08_S5_\x12\x0C\x02\x0C\x05\x00\x00\x00\x0C\x04\x00\x00\x00", 5, 4),
        AML("_S5_x_S5_\x08_S5_\x12\x04\x02\x01\x01", 1, 1), /* mentions before the declaration */
    };
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        struct s5_types types;
        if (scan_aml(good[i].aml, good[i].bytes, &types) != ERROR_NONE)
            fail_msg("spelling %zu is not found", i);
        assert_int_equal(types.pm1a, good[i].pm1a);
        assert_int_equal(types.pm1b, good[i].pm1b);
    }
}

static void what_is_no_s5_is_not_taken_for_one(void **state)
{
    (void)state;
    struct s5_types types;
    assert_int_equal(SCAN("", &types), ERROR_NOT_FOUND);
    assert_int_equal(SCAN("\x08_S5_", &types), ERROR_NOT_FOUND);
    assert_int_equal(SCAN("\x08_S5_\x12", &types), ERROR_NOT_FOUND);
    assert_int_equal(SCAN("\x08_S5_\x12\x06\x04\x0A", &types), ERROR_NOT_FOUND);
    assert_int_equal(SCAN("\x08_S5_\x12\x05\x02\x0A\x05\x0A\x07", &types), ERROR_NOT_FOUND);
    assert_int_equal(SCAN("\x08_S5_\x12\x06\x01\x0A\x05\x0A\x07", &types), ERROR_NOT_FOUND);
    assert_int_equal(SCAN("\x08_S5_\x12\x06\x02\x0A\x08\x0A\x07", &types), ERROR_NOT_FOUND);
    assert_int_equal(SCAN("\x08_S5_\x12\x08\x02\x0B\x05\x01\x0B\x04\x00", &types), ERROR_NOT_FOUND);
    assert_int_equal(SCAN("\x08_S5_\x14\x06\x02\x0A\x05\x0A\x07", &types), ERROR_NOT_FOUND);
    assert_int_equal(SCAN("\x09_S5_\x12\x06\x02\x0A\x05\x0A\x07", &types), ERROR_NOT_FOUND);
    assert_int_equal(SCAN("\x08_S4_\x12\x06\x02\x0A\x05\x0A\x07", &types), ERROR_NOT_FOUND);
    assert_int_equal(SCAN("\x08_S5_\x12\x00\x02\x0A\x05\x0A\x07", &types), ERROR_NOT_FOUND);
    assert_int_equal(SCAN("\x08_S5_\x12\xC0\x01\x00", &types), ERROR_NOT_FOUND);
    assert_int_equal(types.pm1a, 0);
}

static void s5_is_looked_for_in_ssdts_too(void **state)
{
    (void)state;
    static const char aml[] = "\x08_S5_\x12\x06\x02\x0A\x05\x0A\x07";
    struct s5_types types;
    place_small_world();
    assert_int_equal(list_quietly(rsdp_of(0, 0x2000)), ERROR_NONE);
    assert_int_equal(s5_find(&memory, &tables, &types), ERROR_NOT_FOUND);
    uint64_t xsdt[] = {0x4000, 0x8000, 0x8100};
    place_table(0x2100, "XSDT", xsdt, sizeof(xsdt));
    place_table(0x8000, "SSDT", "", 0);
    place_table(0x8100, "SSDT", aml, sizeof(aml) - 1);
    assert_int_equal(list_quietly(rsdp_of(0, 0x2100)), ERROR_NONE);
    assert_int_equal(s5_find(&memory, &tables, &types), ERROR_NONE);
    assert_int_equal(types.pm1a, 5);
    assert_int_equal(types.pm1b, 7);
}

/* ---- DMAR, SPCR ---- */

static void a_dmar_lists_its_units(void **state)
{
    (void)state;
    unsigned char bytes[48 + 16 + 24 + 24 + 8] = "DMAR";
    struct dmar dmar;
    bytes[36] = 38;
    bytes[37] = 3;
    bytes[48 + 2] = 16; /* DRHD */
    write64(bytes + 48 + 8, 0xFED90000);
    bytes[64] = 1; /* RMRR */
    bytes[66] = 24;
    bytes[88 + 2] = 24; /* DRHD with a device scope */
    bytes[88 + 4] = 1;
    write16(bytes + 88 + 6, 2);
    write64(bytes + 88 + 8, 0xFED91000);
    bytes[112] = 9; /* of a kind that nobody knows */
    bytes[114] = 8;
    assert_int_equal(dmar_parse(bytes, sizeof(bytes), &dmar), ERROR_NONE);
    assert_int_equal(dmar.host_address_bits, 39);
    assert_true(dmar.interrupt_remapping && dmar.x2apic_opt_out);
    assert_int_equal(dmar.unit_count, 2);
    assert_int_equal(dmar.reserved_region_count, 1);
    assert_int_equal(dmar.unit[0].register_base, 0xFED90000);
    assert_false(dmar.unit[0].all_devices);
    assert_int_equal(dmar.unit[1].register_base, 0xFED91000);
    assert_int_equal(dmar.unit[1].segment, 2);
    assert_true(dmar.unit[1].all_devices);

    static const struct {
        size_t offset;
        uint8_t value;
    } wrong[] = {{114, 0}, {114, 3}, {114, 9}, {50, 15}};
    for (size_t i = 0; i < 4; i++) {
        uint8_t was = bytes[wrong[i].offset];
        bytes[wrong[i].offset] = wrong[i].value;
        quiet_start();
        enum error error = dmar_parse(bytes, sizeof(bytes), &dmar);
        quiet_end();
        assert_int_equal(error, ERROR_MALFORMED);
        bytes[wrong[i].offset] = was;
    }
    quiet_start();
    enum error half = dmar_parse(bytes, sizeof(bytes) - 5, &dmar);
    enum error shorter = dmar_parse(bytes, 47, &dmar);
    quiet_end();
    assert_int_equal(half, ERROR_MALFORMED);
    assert_int_equal(shorter, ERROR_MALFORMED);
}

static void a_dmar_unit_that_is_too_short_is_refused(void **state)
{
    (void)state;
    unsigned char *bytes = calloc(1, 48 + 8);
    struct dmar dmar;
    bytes[48 + 2] = 8;
    quiet_start();
    enum error error = dmar_parse(bytes, 48 + 8, &dmar);
    quiet_end();
    free(bytes);
    assert_int_equal(error, ERROR_MALFORMED);
}

static void dmar_units_beyond_the_list_are_counted(void **state)
{
    (void)state;
    unsigned char bytes[48 + 16 * (DMAR_MAX_UNITS + 2)] = "DMAR";
    struct dmar dmar;
    for (size_t i = 0; i < DMAR_MAX_UNITS + 2; i++)
        bytes[48 + 16 * i + 2] = 16;
    assert_int_equal(dmar_parse(bytes, sizeof(bytes), &dmar), ERROR_NONE);
    assert_int_equal(dmar.unit_count, DMAR_MAX_UNITS);
    assert_int_equal(dmar.units_dropped, 2);
}

static void an_spcr_names_the_uart(void **state)
{
    (void)state;
    unsigned char bytes[80] = "SPCR";
    struct spcr spcr;
    bytes[36] = SPCR_TYPE_16550;
    write_gas(bytes + 40, ACPI_SPACE_IO, 0x2F8);
    bytes[58] = 7;
    assert_int_equal(spcr_parse(bytes, sizeof(bytes), &spcr), ERROR_NONE);
    assert_int_equal(spcr.interface_type, SPCR_TYPE_16550);
    assert_int_equal(spcr.base.space, ACPI_SPACE_IO);
    assert_int_equal(spcr.base.address, 0x2F8);
    assert_int_equal(spcr.baud, 115200);
    static const struct {
        uint8_t code;
        uint32_t baud;
    } bauds[] = {{0, 0}, {3, 9600}, {4, 19200}, {5, 0}, {6, 57600}, {8, 0}, {255, 0}};
    for (size_t i = 0; i < 7; i++) {
        bytes[58] = bauds[i].code;
        assert_int_equal(spcr_parse(bytes, sizeof(bytes), &spcr), ERROR_NONE);
        assert_int_equal(spcr.baud, bauds[i].baud);
    }
    quiet_start();
    enum error error = spcr_parse(bytes, 63, &spcr);
    quiet_end();
    assert_int_equal(error, ERROR_MALFORMED);
}

/* ---- recorded ---- */

static void load_recorded(const char *path)
{
    FILE *file = fopen(path, "rb");
    unsigned char head[12];
    assert_non_null(file);
    forget(NULL);
    while (fread(head, 1, sizeof(head), file) == sizeof(head)) {
        uint64_t address;
        uint32_t bytes;
        memcpy(&address, head, 8);
        memcpy(&bytes, head + 8, 4);
        assert_true(bytes < 1 << 20);
        unsigned char *data = place(address, NULL, bytes);
        assert_int_equal(fread(data, 1, bytes, file), bytes);
    }
    fclose(file);
}

static const struct recorded {
    const char *path;
    const char *signatures; /* in the order of the list */
    uint32_t cpus;
    uint16_t pm_timer, pm1a_control;
    uint8_t s5;
} recordings[] = {
    {"tests/data/acpi/bochs-2.7-4cpus.bin", "RSDT FACP FACS DSDT APIC SSDT HPET ", 4, 0xB008,
     0xB004, 0},
    {"tests/data/acpi/qemu-7.2.22-pc-4cpus.bin", "RSDT FACP FACS DSDT APIC HPET WAET ", 4, 0x608,
     0x604, 0},
    {"tests/data/acpi/qemu-7.2.22-q35-iommu-2cpus.bin",
     "RSDT FACP FACS DSDT APIC HPET MCFG DMAR WAET ", 2, 0x608, 0x604, 0},
};

static void list_recorded(const struct recorded *recorded)
{
    struct acpi_rsdp rsdp;
    load_recorded(recorded->path);
    for (size_t i = 0; i < piece_count; i++) {
        if (pieces[i].bytes < 20 || memcmp(pieces[i].data, "RSD PTR ", 8) != 0)
            continue;
        assert_int_equal(acpi_rsdp_find(&memory, pieces[i].data, pieces[i].bytes, &rsdp),
                         ERROR_NONE);
        assert_int_equal(acpi_tables_list(&memory, &rsdp, &tables), ERROR_NONE);
        return;
    }
    fail_msg("no RSDP in %s", recorded->path);
}

static void recorded_firmware_is_read(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(recordings) / sizeof(recordings[0]); i++) {
        const struct recorded *recorded = &recordings[i];
        struct fadt fadt;
        struct s5_types s5;
        char signatures[128] = "";
        size_t bytes;
        list_recorded(recorded);
        for (uint32_t j = 0; j < tables.count; j++) {
            assert_true(tables.table[j].ok);
            strcat(strcat(signatures, tables.table[j].signature), " ");
        }
        assert_string_equal(signatures, recorded->signatures);
        const void *table = acpi_tables_find(&memory, &tables, "APIC", 0, &bytes);
        assert_int_equal(madt_read_cpus(table, bytes, &cpus), ERROR_NONE);
        assert_int_equal(cpus.count, recorded->cpus);
        assert_int_equal(cpus.local_apic_address, 0xFEE00000);
        for (uint32_t j = 0; j < cpus.count; j++) {
            assert_int_equal(cpus.cpu[j].apic_id, j);
            assert_true(cpus.cpu[j].enabled);
        }
        table = acpi_tables_find(&memory, &tables, "FACP", 0, &bytes);
        assert_int_equal(fadt_parse(table, bytes, &fadt), ERROR_NONE);
        assert_int_equal(fadt.pm_timer_port, recorded->pm_timer);
        assert_int_equal(fadt.pm1a_control_port, recorded->pm1a_control);
        assert_int_equal(s5_find(&memory, &tables, &s5), ERROR_NONE);
        assert_int_equal(s5.pm1a, recorded->s5);
    }
}

static void the_recorded_dmar_is_read(void **state)
{
    (void)state;
    size_t bytes;
    struct dmar dmar;
    list_recorded(&recordings[2]);
    const void *table = acpi_tables_find(&memory, &tables, "DMAR", 0, &bytes);
    assert_int_equal(dmar_parse(table, bytes, &dmar), ERROR_NONE);
    assert_int_equal(dmar.unit_count, 1);
    assert_int_equal(dmar.unit[0].register_base, 0xFED90000);
    assert_true(dmar.interrupt_remapping);
    assert_int_equal(dmar.reserved_region_count, 0);
}

static void every_cpu_of_a_recorded_madt_can_be_left_out(void **state)
{
    (void)state;
    size_t bytes;
    list_recorded(&recordings[0]);
    void *table = (void *)acpi_tables_find(&memory, &tables, "APIC", 0, &bytes);
    for (uint32_t id = 1; id < 4; id++) {
        assert_int_equal(madt_disable_cpu(table, bytes, id), ERROR_NONE);
        assert_int_equal(acpi_sum_bytes(table, bytes), 0);
        assert_int_equal(madt_read_cpus(table, bytes, &cpus), ERROR_NONE);
        for (uint32_t i = 0; i < 4; i++)
            assert_int_equal(cpus.cpu[i].enabled, i == 0 || i > id);
    }
}

/* ---- any bytes ---- */

/* Recorded tables moved to where the fuzz target looks, with bits flipped. */
static void flipped_bits_and_any_bytes_never_crash_it(void **state)
{
    (void)state;
    static unsigned char world[0x3000];
    random_seed(0xACB1);
    quiet_start();
    for (int round = 0; round < 3000; round++) {
        uint32_t rsdt[8];
        uint32_t offset = 64;
        size_t count = 0;
        list_recorded(&recordings[round % 3]);
        memset(world, 0, sizeof(world));
        for (size_t i = 0; i < piece_count && count < 8; i++) {
            if (pieces[i].bytes < 36 || offset + pieces[i].bytes > sizeof(world) - 128)
                continue;
            rsdt[count++] = 0xE0000 + offset;
            memcpy(world + offset, pieces[i].data, pieces[i].bytes);
            offset += (uint32_t)pieces[i].bytes;
        }
        struct acpi_header header = {.signature = "RSDT", .length_bytes = 36 + 4 * (uint32_t)count};
        memcpy(world + offset, &header, 36);
        memcpy(world + offset + 36, rsdt, 4 * count);
        for (uint64_t flips = random_below(12); flips; flips--)
            world[64 + random_below(offset)] ^= (unsigned char)(1 << random_below(8));
        seal(world + offset, 36 + 4 * count, 9);
        make_rsdp(world, 0, 0xE0000 + offset, 0);
        LLVMFuzzerTestOneInput(world, offset + 36 + 4 * count);
        LLVMFuzzerTestOneInput(world + 64, random_below(300)); /* each table on its own */
        size_t bytes = random_below(400);
        for (size_t i = 44; i < bytes; i++)
            world[i] = (unsigned char)random_below(20);
        LLVMFuzzerTestOneInput(world, bytes);
    }
    quiet_end();
}

#define TEST(name) cmocka_unit_test_teardown(name, forget)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_rsdp_of_either_version_is_read),
        TEST(an_rsdp_with_any_bit_flipped_is_refused),
        TEST(an_rsdp_whose_length_cannot_be_is_refused),
        TEST(the_loader_s_copy_comes_first),
        TEST(the_bios_areas_are_searched_on_16_byte_boundaries),
        TEST(an_rsdp_at_the_very_end_is_not_read_past_it),
        TEST(the_xsdt_is_preferred_and_everything_is_listed_once),
        TEST(a_root_that_is_not_sound_gives_way_to_the_other),
        TEST(a_table_that_lies_is_listed_marked_and_not_found),
        TEST(pointers_into_nothing_and_round_about_end),
        TEST(a_root_that_ends_within_an_entry_is_not_read_past_it),
        TEST(tables_beyond_the_list_are_counted),
        TEST(both_kinds_of_entry_name_cpus),
        TEST(the_address_override_counts),
        TEST(of_doubled_ids_the_enabled_one_counts),
        TEST(cpus_beyond_the_list_are_counted),
        TEST(an_entry_whose_length_cannot_be_ends_the_walk),
        TEST(a_cpu_entry_that_is_too_short_is_skipped),
        TEST(a_disabled_cpu_is_neither_enabled_nor_capable),
        TEST(a_madt_that_ends_wrongly_is_not_changed),
        TEST(random_madts_come_out_as_they_were_made),
        TEST(an_old_fadt_gives_its_ports),
        TEST(the_wide_fields_of_a_newer_fadt_are_preferred),
        TEST(s5_is_found_in_all_its_spellings),
        TEST(what_is_no_s5_is_not_taken_for_one),
        TEST(s5_is_looked_for_in_ssdts_too),
        TEST(a_dmar_lists_its_units),
        TEST(a_dmar_unit_that_is_too_short_is_refused),
        TEST(dmar_units_beyond_the_list_are_counted),
        TEST(an_spcr_names_the_uart),
        TEST(recorded_firmware_is_read),
        TEST(the_recorded_dmar_is_read),
        TEST(every_cpu_of_a_recorded_madt_can_be_left_out),
        TEST(flipped_bits_and_any_bytes_never_crash_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
