/* with: guest/disk_boot.c lib/string.c */
/* A BIOS that does what each call asks for, over a drive that the test makes: what is started, from
 * where, and why not. */
#include "guest/disk_boot.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "base/bits.h"
#include "tests/unit/random.h"

#define MEMORY_BYTES 0xA0000u
#define CATALOG_AT   20u
#define IMAGE_AT     30u
#define CD_SECTORS   64u
#define CALLS_MAX    2000u

static uint8_t memory[MEMORY_BYTES];
static uint8_t drive[CD_SECTORS * 2048];
static struct disk_boot disk;

/* The drive's ways. */
static bool is_cd, has_packets;
static unsigned failures; /* so many calls fail that read */
static unsigned calls, resets;

static uint32_t le(const uint8_t *at, unsigned bytes)
{
    uint32_t value = 0;
    for (unsigned i = 0; i < bytes; i++)
        value |= (uint32_t)at[i] << 8 * i;
    return value;
}

static void put(uint8_t *at, uint32_t value, unsigned bytes)
{
    for (unsigned i = 0; i < bytes; i++)
        at[i] = (uint8_t)(value >> 8 * i);
}

static struct disk_answer failed(uint8_t status)
{
    return (struct disk_answer){.ax = (uint16_t)(status << 8), .carry = true};
}

static bool transfer(uint32_t to, uint64_t from, uint32_t bytes)
{
    if (from + bytes > sizeof(drive) || to + bytes > MEMORY_BYTES)
        return false;
    assert_true(to >= DISK_WORK_AT + DISK_WORK_BYTES); /* never over the calls' own page */
    memcpy(memory + to, drive + from, bytes);
    return true;
}

static struct disk_answer read_packet(const uint8_t *packet)
{
    uint32_t to = le(packet + 6, 2) * 16 + le(packet + 4, 2), count = le(packet + 2, 2);
    assert_int_equal(packet[0], 16);
    assert_in_range(count, 1, 127);
    if (failures && failures--)
        return failed(0x20);
    return transfer(to, le(packet + 8, 4) * 2048ull, count * 2048) ? (struct disk_answer){0}
                                                                   : failed(0x04);
}

static struct disk_answer bios(const struct disk_call *call)
{
    uint8_t *packet = memory + call->ds * 16u + call->si;
    assert_int_equal(call->dx & 0xFF, disk.drive);
    switch (call->ax >> 8) {
    case 0x00:
        resets++;
        return (struct disk_answer){0};
    case 0x02:
        assert_int_equal(call->ax & 0xFF, 1);
        assert_int_equal(call->cx, 1);
        assert_int_equal(call->dx >> 8, 0);
        if (failures && failures--)
            return failed(0x80);
        return transfer(call->es * 16u + call->bx, 0, 512) ? (struct disk_answer){0} : failed(4);
    case 0x41:
        assert_int_equal(call->bx, 0x55AA);
        return has_packets ? (struct disk_answer){.bx = 0xAA55, .cx = 7} : failed(1);
    case 0x42:
        return read_packet(packet);
    case 0x48:
        assert_int_equal(le(packet, 2), 0x1A);
        put(packet + 0x18, is_cd ? 2048 : 512, 2);
        return (struct disk_answer){0};
    default:
        fail_msg("INT 13h with AX = %04x", call->ax);
        return failed(1);
    }
}

static enum disk_next boot(void)
{
    uint8_t look[DISK_LOOK_BYTES];
    enum disk_next next = disk_boot_begin(&disk, 0x81, MEMORY_BYTES - 1024);
    for (calls = 0; next == DISK_CALL; calls++) {
        assert_true(calls < CALLS_MAX);
        memcpy(memory + DISK_WORK_AT + DISK_WORK_PACKET, disk.packet, sizeof(disk.packet));
        struct disk_answer answer = bios(&disk.call);
        if (disk.look_at)
            memcpy(look, memory + disk.look_at, sizeof(look));
        next = disk_boot_next(&disk, &answer, look);
    }
    return next;
}

static int new_drive(void **state)
{
    (void)state;
    memset(memory, 0xCC, sizeof(memory));
    for (size_t i = 0; i < sizeof(drive); i++)
        drive[i] = (uint8_t)random_u64();
    put(drive + 510, 0xAA55, 2);
    is_cd = false;
    has_packets = true;
    failures = resets = 0;
    return 0;
}

static void assert_failed(const char *why, uint8_t status)
{
    assert_int_equal(boot(), DISK_FAIL);
    assert_non_null(strstr(disk.why, why));
    assert_int_equal(disk.status, status);
}

static void assert_started(uint16_t cs, uint16_t ip, const uint8_t *bytes, size_t count)
{
    assert_int_equal(boot(), DISK_START);
    assert_int_equal(disk.entry_cs, cs);
    assert_int_equal(disk.entry_ip, ip);
    assert_memory_equal(memory + cs * 16 + ip, bytes, count);
}

static void a_boot_sector_is_started_at_7c00(void **state)
{
    (void)state;
    assert_started(0, 0x7C00, drive, 512);
    assert_int_equal(memory[0x7E00], 0xCC);
    has_packets = false;
    assert_started(0, 0x7C00, drive, 512);
}

static void a_drive_is_asked_three_times(void **state)
{
    (void)state;
    failures = 2;
    assert_started(0, 0x7C00, drive, 512);
    assert_int_equal(resets, 2);
    failures = 3;
    assert_failed("cannot be read", 0x80);
    assert_int_equal(resets, 4);
}

static void a_sector_without_signature_is_not_started(void **state)
{
    (void)state;
    drive[510] = 0xAA;
    assert_failed("55h AAh", 0);
    put(drive + 510, 0x55AA, 2);
    assert_failed("55h AAh", 0);
}

static void sum_up(uint8_t *entry)
{
    uint32_t sum = 0;
    put(entry + 28, 0, 2);
    for (unsigned i = 0; i < 32; i += 2)
        sum += le(entry + i, 2);
    put(entry + 28, 0x10000 - (sum & 0xFFFF), 2);
}

/* With `count` virtual sectors to `segment`. Returns the default entry. */
static uint8_t *new_cd(uint16_t segment, uint16_t count)
{
    uint8_t *record = drive + 17 * 2048, *catalog = drive + CATALOG_AT * 2048;
    is_cd = true;
    memcpy(record, "\0CD001\1EL TORITO SPECIFICATION", 30);
    put(record + 0x47, CATALOG_AT, 4);
    memset(catalog, 0, 64);
    catalog[0] = 1;
    put(catalog + 30, 0xAA55, 2);
    sum_up(catalog);
    catalog[32] = 0x88;
    put(catalog + 34, segment, 2);
    put(catalog + 38, count, 2);
    put(catalog + 40, IMAGE_AT, 4);
    return catalog + 32;
}

static void a_cd_image_is_started_where_it_asks(void **state)
{
    static const struct {
        uint16_t segment, count, cs, ip;
    } rows[] = {{0, 4, 0, 0x7C00},     {0x7C0, 1, 0, 0x7C00},        {0, 100, 0, 0x7C00},
                {0x200, 4, 0, 0x2000}, {0x1000, 68, 0x1000, 0x0000}, {0x8000, 136, 0x8000, 0}};
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        new_cd(rows[i].segment, rows[i].count);
        failures = (unsigned)random_below(3);
        assert_started(rows[i].cs, rows[i].ip, drive + IMAGE_AT * 2048, rows[i].count * 512u);
    }
}

static void a_cd_that_cannot_be_booted_is_named(void **state)
{
    (void)state;
    uint8_t *entry = new_cd(0, 4);
    drive[17 * 2048 + 7] = 'X';
    assert_failed("does not boot", 0);
    entry = new_cd(0, 4);
    entry[-32 + 28]++;
    assert_failed("catalogue", 0);
    entry = new_cd(0, 4);
    entry[-32 + 1] = 0xEF; /* for UEFI */
    sum_up(entry - 32);
    assert_failed("catalogue", 0);
    entry = new_cd(0, 4);
    entry[0] = 0;
    assert_failed("catalogue", 0);
    entry = new_cd(0, 4);
    entry[1] = 2;
    assert_failed("emulation", 0);
    new_cd(0, 0);
    assert_failed("boot image", 0);
    new_cd(0x1FF, 4);
    assert_failed("boot image", 0);
    new_cd(0xFFFF, 4);
    assert_failed("boot image", 0);
    new_cd(0x7C0, 0xFFFF);
    assert_failed("boot image", 0);
    entry = new_cd(0, 4);
    put(entry + 8, CD_SECTORS, 4);
    assert_failed("cannot be read", 0x04);
    new_cd(0, 4);
    failures = 3;
    assert_failed("cannot be read", 0x20);
}

/* Any bytes on a drive end in a start or a reason, after a bounded number of calls. */
static void any_drive_comes_to_an_end(void **state)
{
    (void)state;
    random_seed(20261121);
    for (unsigned round = 0; round < 3000; round++) {
        new_cd((uint16_t)random_u64(), (uint16_t)random_below(200));
        is_cd = random_below(4);
        has_packets = random_below(4);
        failures = (unsigned)random_below(4);
        for (unsigned i = (unsigned)random_below(4); i > 0; i--)
            drive[CATALOG_AT * 2048 + random_below(64)] = (uint8_t)random_u64();
        enum disk_next end = boot();
        assert_true(end == DISK_START || (end == DISK_FAIL && disk.why));
        if (end == DISK_START)
            assert_in_range(disk.entry_cs * 16 + disk.entry_ip, 0x2000, MEMORY_BYTES - 1024);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_boot_sector_is_started_at_7c00, new_drive),
        cmocka_unit_test_setup(a_drive_is_asked_three_times, new_drive),
        cmocka_unit_test_setup(a_sector_without_signature_is_not_started, new_drive),
        cmocka_unit_test_setup(a_cd_image_is_started_where_it_asks, new_drive),
        cmocka_unit_test_setup(a_cd_that_cannot_be_booted_is_named, new_drive),
        cmocka_unit_test_setup(any_drive_comes_to_an_end, new_drive),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
