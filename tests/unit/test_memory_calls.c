/* with: guest/memory_calls.c mm/memmap.c mm/memmap_find.c */
#include "guest/memory_calls.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "base/bits.h"
#include "tests/unit/random.h"

#define SMAP 0x534D4150u

static struct memory_map map;

static void add(uint64_t base, uint64_t end, uint32_t type)
{
    assert_int_equal(memory_map_add(&map, base, end - base, type), ERROR_NONE);
}

/* A PC of 256 MiB with Orlop's range near the top. */
static void usual_map(void)
{
    memset(&map, 0, sizeof(map));
    add(0, 0x9F000, MEMORY_USABLE);
    add(0x9F000, 0xA0000, MEMORY_RESERVED);
    add(0xE8000, MIB(1), MEMORY_RESERVED);
    add(MIB(1), 0xFFF0000, MEMORY_USABLE);
    add(0xFFF0000, MIB(256), MEMORY_ACPI_RECLAIMABLE);
    assert_int_equal(memory_map_set(&map, 0xFC00000, 0xFE00000, MEMORY_RESERVED), ERROR_NONE);
}

static struct memory_call call_of(uint32_t eax, uint32_t ebx, uint32_t ecx, uint32_t edx)
{
    struct memory_call call = {.eax = eax, .ebx = ebx, .ecx = ecx, .edx = edx};
    memset(call.entry, 0xAA, sizeof(call.entry));
    return call;
}

static struct memory_call answered(uint32_t eax, uint32_t ebx, uint32_t ecx, uint32_t edx)
{
    struct memory_call call = call_of(eax, ebx, ecx, edx);
    assert_true(memory_call_answer(&map, &call));
    return call;
}

static void walk_equals_map(uint32_t asked)
{
    uint32_t next = 0;
    for (uint32_t i = 0; i < map.count; i++) {
        struct memory_call call = answered(0xE820, next, asked, SMAP);
        uint64_t base, length;
        uint32_t type, attributes;
        memcpy(&base, call.entry, 8);
        memcpy(&length, call.entry + 8, 8);
        memcpy(&type, call.entry + 16, 4);
        memcpy(&attributes, call.entry + 20, 4);
        assert_false(call.carry);
        assert_int_equal(call.eax, SMAP);
        assert_int_equal(call.edx, SMAP);
        assert_int_equal(call.ecx, asked < 24 ? 20 : 24);
        assert_int_equal(call.bytes, call.ecx);
        assert_int_equal(base, map.ranges[i].base);
        assert_int_equal(length, map.ranges[i].end - map.ranges[i].base);
        assert_int_equal(type, map.ranges[i].type);
        assert_int_equal(attributes & 1, 1);
        assert_int_equal(call.ebx == 0, i + 1 == map.count);
        next = call.ebx;
    }
}

static void an_e820_walk_gives_the_map(void **state)
{
    (void)state;
    usual_map();
    for (uint32_t asked = 20; asked < 40; asked++)
        walk_equals_map(asked);
}

static void any_map_is_walked_whole(void **state)
{
    (void)state;
    random_seed(20261121);
    for (unsigned round = 0; round < 2000; round++) {
        memset(&map, 0, sizeof(map));
        for (unsigned i = random_below(20) + 1; i > 0; i--)
            if (memory_map_add(&map, random_u64() >> random_below(60), random_below(MIB(64)) + 1,
                               (uint32_t)random_below(7)) != ERROR_NONE)
                break;
        walk_equals_map(20 + (uint32_t)random_below(8));
    }
}

static void refused(struct memory_call call)
{
    assert_true(call.carry);
    assert_int_equal(call.eax, 0x11118620);
    assert_int_equal(call.bytes, 0);
}

static void a_short_buffer_or_an_unknown_entry_is_refused(void **state)
{
    (void)state;
    usual_map();
    for (uint32_t asked = 0; asked < 20; asked++)
        refused(answered(0x1111E820, 0, asked, SMAP));
    refused(answered(0x1111E820, map.count, 20, SMAP));
    refused(answered(0x1111E820, UINT32_MAX, 20, SMAP));
    memset(&map, 0, sizeof(map));
    refused(answered(0x1111E820, 0, 20, SMAP));
}

static void sizes_end_at_the_hidden_range(void **state)
{
    (void)state;
    usual_map();
    struct memory_call call = answered(0x1111E801, 0x22222222, 0x33333333, 0x44444444);
    assert_int_equal(call.eax, 0x11113C00);
    assert_int_equal(call.ecx, 0x33333C00);
    assert_int_equal(call.ebx, 0x22220000 + (0xFC00000 - MIB(16)) / KIB(64));
    assert_int_equal(call.edx, 0x44440000 + (0xFC00000 - MIB(16)) / KIB(64));
    call = answered(0x1111E881, 0x22222222, 0x33333333, 0x44444444);
    assert_int_equal(call.eax, 0x3C00);
    assert_int_equal(call.ecx, 0x3C00);
    assert_int_equal(call.ebx, (0xFC00000 - MIB(16)) / KIB(64));
    assert_int_equal(call.edx, (0xFC00000 - MIB(16)) / KIB(64));
    call = answered(0x11118899, 1, 2, 3);
    assert_int_equal(call.eax, 0x1111FC00);
    assert_int_equal(call.ebx, 1);
    assert_false(call.carry);
}

static void small_memories_have_small_sizes(void **state)
{
    (void)state;
    memset(&map, 0, sizeof(map));
    add(MIB(1), MIB(8), MEMORY_USABLE);
    assert_int_equal(answered(0xE801, 0, 0, 0).eax, 7 * 1024);
    assert_int_equal(answered(0xE801, 0, 0, 0).ebx, 0);
    assert_int_equal(answered(0x8800, 0, 0, 0).eax, 7 * 1024);
    memset(&map, 0, sizeof(map));
    assert_int_equal(answered(0xE801, 0, 0, 0).eax, 0);
    assert_int_equal(answered(0x8800, 0, 0, 0).eax, 0);
}

static void a_hole_at_15_mib_ends_the_lower_size_alone(void **state)
{
    (void)state;
    memset(&map, 0, sizeof(map));
    add(MIB(1), MIB(15), MEMORY_USABLE);
    add(MIB(16), GIB(8), MEMORY_USABLE);
    struct memory_call call = answered(0xE881, 0, 0, 0);
    assert_int_equal(call.eax, 14 * 1024);
    assert_int_equal(call.ebx, (GIB(4) - MIB(16)) / KIB(64));
}

static void other_calls_are_left_alone(void **state)
{
    (void)state;
    static const uint32_t others[] = {0x0000, 0x2400, 0x5300, 0x8600, 0x8700, 0x8900,
                                      0xC000, 0xE800, 0xE802, 0xE821, 0xE880, 0xFFFF};
    usual_map();
    for (unsigned i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        struct memory_call call = call_of(others[i], 0, 20, SMAP), before = call;
        assert_false(memory_call_answer(&map, &call));
        assert_int_equal(call.eax, before.eax);
        assert_int_equal(call.bytes, 0);
    }
    struct memory_call unsigned_call = call_of(0xE820, 0, 20, 0);
    assert_false(memory_call_answer(&map, &unsigned_call));
}

/* Each size is a word in two bytes; a byte that is none is not taken for one. */
static void cmos_bytes_are_told_apart(void **state)
{
    static const uint8_t lows[] = {0x17, 0x17, 0x30, 0x30, 0x34, 0x34};
    static const uint8_t indices[] = {0x17, 0x18, 0x30, 0x31, 0x34, 0x35};
    (void)state;
    unsigned next = 0;
    for (unsigned index = 0; index < 256; index++) {
        uint8_t low;
        bool is_size = next < ARRAY_SIZE(indices) && index == indices[next];
        assert_int_equal(memory_size_is_at((uint8_t)index, &low), is_size);
        if (is_size)
            assert_int_equal(low, lows[next++]);
    }
    assert_int_equal(next, ARRAY_SIZE(indices));
}

static void cmos_sizes_end_at_the_hidden_range(void **state)
{
    (void)state;
    usual_map();
    assert_int_equal(memory_size(&map, 0x34, 0x0F00), (0xFC00000 - MIB(16)) / KIB(64));
    assert_int_equal(memory_size(&map, 0x34, 0x0EC0), 0x0EC0);
    assert_int_equal(memory_size(&map, 0x34, 0x0100),
                     0x0100); /* never more than the firmware says */
    assert_int_equal(memory_size(&map, 0x17, 0xFC00), 0xFC00); /* the range begins above 64 MiB */
    assert_int_equal(memory_size(&map, 0x30, 0xFFFF), 0xFFFF);
    assert_int_equal(memory_size(&map, 0x15, 640), 640);
    memset(&map, 0, sizeof(map));
    add(MIB(1), MIB(30), MEMORY_USABLE);
    assert_int_equal(memory_size(&map, 0x17, 31 * 1024), 29 * 1024);
    assert_int_equal(memory_size(&map, 0x30, 31 * 1024), 29 * 1024);
    assert_int_equal(memory_size(&map, 0x34, 256), 14 * 16);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cmos_bytes_are_told_apart),
        cmocka_unit_test(cmos_sizes_end_at_the_hidden_range),
        cmocka_unit_test(an_e820_walk_gives_the_map),
        cmocka_unit_test(any_map_is_walked_whole),
        cmocka_unit_test(a_short_buffer_or_an_unknown_entry_is_refused),
        cmocka_unit_test(sizes_end_at_the_hidden_range),
        cmocka_unit_test(small_memories_have_small_sizes),
        cmocka_unit_test(a_hole_at_15_mib_ends_the_lower_size_alone),
        cmocka_unit_test(other_calls_are_left_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
