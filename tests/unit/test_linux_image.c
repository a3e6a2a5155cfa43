/* with: loader/linux_image.c */
#include "base/bits.h"
#include "loader/linux_image.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/random.h"

#define HEAD         LINUX_HEADER_LIMIT
#define SECTS        3u
#define SETUP_BYTES  2048u /* 1 + SECTS sectors */
#define KERNEL_BYTES 0x8000u
#define FILE_BYTES   (SETUP_BYTES + KERNEL_BYTES)

static struct linux_image image;
static const char *why;
static enum linux_entry entry;

/* A block of its own, no longer than what the parser may read: its end is watched. */
static enum error parse(const uint8_t *head, uint64_t bytes)
{
    size_t kept = bytes < HEAD ? bytes : HEAD;
    uint8_t *exact = malloc(kept ? kept : 1);
    memcpy(exact, head, kept);
    enum error error = linux_image_parse(exact, bytes, entry, &image, &why);
    free(exact);
    assert_int_equal(image.entry, entry);
    assert_true((error == ERROR_NONE) == (why == NULL));
    return error;
}

static void put16(uint8_t *head, unsigned offset, uint16_t value)
{
    memcpy(head + offset, &value, 2);
}
static void put32(uint8_t *head, unsigned offset, uint32_t value)
{
    memcpy(head + offset, &value, 4);
}
static void put64(uint8_t *head, unsigned offset, uint64_t value)
{
    memcpy(head + offset, &value, 8);
}

/* A good header of protocol 2.15, by the offsets of boot.rst. */
static void make(uint8_t *head)
{
    memset(head, 0x5A, HEAD);
    head[0x1F1] = SECTS;
    put32(head, 0x1F4, KERNEL_BYTES / 16);
    put16(head, 0x1FE, 0xAA55);
    head[0x200] = 0xEB;
    head[0x201] = 0x6A;
    memcpy(head + 0x202, "HdrS", 4);
    put16(head, 0x206, 0x20F);
    head[0x211] = 1;
    put32(head, 0x22C, 0x7FFFFFFF);
    put32(head, 0x230, 0x200000);
    head[0x234] = 1;
    head[0x235] = 21;
    put32(head, 0x238, 2047);
    put32(head, 0x248, 0x100);
    put32(head, 0x24C, KERNEL_BYTES - 0x100);
    put64(head, 0x258, 0x1000000);
    put32(head, 0x260, 0x300000);
}

static void assert_refused(const uint8_t *head, uint64_t bytes, enum error error, const char *text)
{
    assert_int_equal(parse(head, bytes), error);
    assert_string_equal(why, text);
}

static void stock_kernels_are_read(void **state)
{
    (void)state;
    static const struct {
        const char *path;
        uint64_t bytes, init_size;
    } stock[] = {
        {"tests/data/linux/debian-6.1.176-1-cloud-amd64.bin", 14149568, 0x3378000},
        {"tests/data/linux/debian-6.12.117-1~deb12u1-cloud-amd64.bin", 11655104, 0x37DC000},
    };
    for (size_t i = 0; i < ARRAY_SIZE(stock); i++) {
        uint8_t head[HEAD];
        FILE *file = fopen(stock[i].path, "rb");
        assert_non_null(file);
        assert_int_equal(fread(head, 1, HEAD, file), HEAD);
        fclose(file);
        assert_int_equal(parse(head, stock[i].bytes), ERROR_NONE);
        assert_int_equal(image.version, 0x20F);
        assert_true(image.relocatable);
        assert_int_equal(image.setup_bytes + image.payload_bytes, stock[i].bytes);
        assert_int_equal(image.pref_address, MIB(16));
        assert_int_equal(image.init_size, stock[i].init_size);
        assert_int_equal(image.alignment, MIB(2));
        assert_int_equal(image.min_alignment, MIB(2));
        assert_int_equal(image.initrd_max, GIB(2));
        assert_int_equal(image.command_line_max, 2047);
        assert_int_equal(image.header_bytes, 0x26C - 0x1F1);
        assert_memory_equal(image.header, head + 0x1F1, image.header_bytes);
        /* a signature of 1472 bytes follows what the header says */
        assert_int_equal(parse(head, stock[i].bytes - 1472 - 15), ERROR_NONE);
        assert_refused(head, stock[i].bytes - 1472 - 16, ERROR_MALFORMED, "is truncated");
    }
}

static void a_file_is_refused_at_every_length_that_is_too_short(void **state)
{
    (void)state;
    uint8_t head[HEAD];
    make(head);
    for (uint64_t bytes = 0; bytes < FILE_BYTES - 15; bytes++) {
        /* "HdrS" ends at 0x206 */
        const char *text = bytes < 0x206 ? "is no bzImage" : "is truncated";
        assert_refused(head, bytes, ERROR_MALFORMED, text);
    }
    assert_int_equal(parse(head, FILE_BYTES - 15), ERROR_NONE); /* syssize is in 16 bytes */
    assert_int_equal(image.payload_bytes, KERNEL_BYTES - 15);
    assert_int_equal(parse(head, FILE_BYTES), ERROR_NONE);
    assert_int_equal(image.setup_bytes, SETUP_BYTES);
    assert_int_equal(image.payload_bytes, KERNEL_BYTES);
    assert_int_equal(parse(head, FILE_BYTES + 5), ERROR_NONE);
    assert_int_equal(image.payload_bytes, KERNEL_BYTES + 5);
    assert_int_equal(parse(head, GIB(4)), ERROR_NONE);
    assert_refused(head, GIB(4) + 1, ERROR_MALFORMED, "is larger than 4 GiB");
    assert_refused(head, UINT64_MAX, ERROR_MALFORMED, "is larger than 4 GiB");
}

static void no_setup_sectors_means_four(void **state)
{
    (void)state;
    uint8_t head[HEAD];
    make(head);
    head[0x1F1] = 0;
    assert_int_equal(parse(head, 5 * 512 + KERNEL_BYTES), ERROR_NONE);
    assert_int_equal(image.setup_bytes, 5 * 512);
    head[0x1F1] = 255;
    assert_int_equal(parse(head, 256 * 512 + KERNEL_BYTES), ERROR_NONE);
    assert_int_equal(image.setup_bytes, 256 * 512);
    assert_refused(head, 256 * 512 + KERNEL_BYTES - 16, ERROR_MALFORMED, "is truncated");
}

static void each_thing_that_cannot_be_is_refused_by_name(void **state)
{
    (void)state;
    static const struct {
        unsigned offset, bytes;
        uint64_t value;
        enum error error;
        const char *text;
    } wrong[] = {
        {0x1FE, 2, 0xAA54, ERROR_MALFORMED, "is no bzImage"},
        {0x202, 4, 0x53726449, ERROR_MALFORMED, "is no bzImage"},
        {0x206, 2, 0x205, ERROR_UNSUPPORTED, "is too old: it needs boot protocol 2.06"},
        {0x206, 2, 0, ERROR_UNSUPPORTED, "is too old: it needs boot protocol 2.06"},
        {0x211, 1, 0xFE, ERROR_UNSUPPORTED, "is a zImage; make a bzImage"},
        {0x1F4, 4, 0, ERROR_MALFORMED, "has a damaged header"},
        {0x1F4, 4, KERNEL_BYTES / 16 + 1, ERROR_MALFORMED, "is truncated"},
        {0x1F4, 4, 0xFFFFFFFF, ERROR_MALFORMED, "is truncated"},
        {0x201, 1, 0x61, ERROR_MALFORMED, "has a damaged header"},
        {0x24C, 4, KERNEL_BYTES - 0xFF, ERROR_MALFORMED, "has a payload that ends outside of it"},
        {0x24C, 4, 0xFFFFFFFF, ERROR_MALFORMED, "has a payload that ends outside of it"},
        {0x248, 4, 0xFFFFFFFF, ERROR_MALFORMED, "has a payload that ends outside of it"},
        {0x230, 4, 0, ERROR_MALFORMED, "has an impossible kernel_alignment"},
        {0x230, 4, 0x300000, ERROR_MALFORMED, "has an impossible kernel_alignment"},
        {0x235, 1, 32, ERROR_MALFORMED, "has an impossible min_alignment"},
        {0x258, 8, 0, ERROR_MALFORMED, "has an impossible pref_address"},
        {0x258, 8, 0xFF000, ERROR_MALFORMED, "has an impossible pref_address"},
        {0x258, 8, 0x1000800, ERROR_MALFORMED, "has an impossible pref_address"},
        {0x258, 8, 0x100000000, ERROR_MALFORMED, "has an impossible pref_address"},
        {0x258, 8, UINT64_MAX, ERROR_MALFORMED, "has an impossible pref_address"},
        {0x260, 4, 0, ERROR_MALFORMED, "has an init_size less than itself"},
        {0x260, 4, KERNEL_BYTES - 1, ERROR_MALFORMED, "has an init_size less than itself"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
        uint8_t head[HEAD];
        make(head);
        memcpy(head + wrong[i].offset, &wrong[i].value, wrong[i].bytes);
        assert_refused(head, FILE_BYTES, wrong[i].error, wrong[i].text);
    }
}

static void what_is_just_possible_is_taken(void **state)
{
    (void)state;
    static const struct {
        unsigned offset, bytes;
        uint64_t value;
    } right[] = {
        {0x201, 1, 0x62},
        {0x24C, 4, 0},
        {0x248, 4, KERNEL_BYTES - 0x8000 + 0x100},
        {0x230, 4, 1},
        {0x235, 1, 31},
        {0x258, 8, 0x100000},
        {0x258, 8, 0xFFFFF000ul},
        {0x260, 4, 0x8000},
        {0x211, 1, 0xFF},
    };
    for (size_t i = 0; i < ARRAY_SIZE(right); i++) {
        uint8_t head[HEAD];
        make(head);
        memcpy(head + right[i].offset, &right[i].value, right[i].bytes);
        assert_int_equal(parse(head, FILE_BYTES), ERROR_NONE);
    }
}

static void the_lesser_alignment_is_never_more_than_the_other(void **state)
{
    (void)state;
    static const struct {
        uint32_t alignment;
        uint8_t relocatable, exponent;
        uint32_t most, least;
    } cases[] = {
        {0x200000, 1, 21, 0x200000, 0x200000},
        {0x1000000, 1, 13, 0x1000000, 0x2000},
        {0x1000, 1, 31, 0x1000, 0x1000},
        {0x200000, 1, 0, 0x200000, 0x200000},
        {0x80000000, 1, 1, 0x80000000, 2},
        {0x200000, 0, 13, 1, 1},
        {0x300000, 0, 13, 1, 1},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        uint8_t head[HEAD];
        make(head);
        put32(head, 0x230, cases[i].alignment);
        head[0x234] = cases[i].relocatable;
        head[0x235] = cases[i].exponent;
        assert_int_equal(parse(head, FILE_BYTES), ERROR_NONE);
        assert_int_equal(image.relocatable, cases[i].relocatable);
        assert_int_equal(image.alignment, cases[i].most);
        assert_int_equal(image.min_alignment, cases[i].least);
    }
}

/* Before 2.10 the fields of 2.10 are something else, and before 2.08 the payload's too. */
static void an_old_kernel_loads_at_one_mib_with_room_to_unpack(void **state)
{
    (void)state;
    for (uint16_t version = 0x206; version < 0x20A; version++) {
        uint8_t head[HEAD];
        make(head);
        put16(head, 0x206, version);
        head[0x201] = version < 0x208 ? 0x3A : 0x4E;
        head[0x235] = 0xFF;
        memset(head + (version < 0x208 ? 0x23C : 0x250), 0xFF, 0x40);
        assert_int_equal(parse(head, FILE_BYTES + 100), ERROR_NONE);
        assert_int_equal(image.pref_address, MIB(1));
        assert_int_equal(image.init_size, 4 * (KERNEL_BYTES + 100));
        assert_int_equal(image.min_alignment, 0x200000);
        assert_int_equal(image.header_bytes, (version < 0x208 ? 0x23C : 0x250) - 0x1F1);
        head[0x201] = 0x39;
        assert_refused(head, FILE_BYTES, ERROR_MALFORMED, "has a damaged header");
    }
}

static void a_longer_header_of_a_later_protocol_is_cut_to_its_place(void **state)
{
    (void)state;
    uint8_t head[HEAD];
    make(head);
    put16(head, 0x206, 0x300);
    head[0x201] = 0x90;
    assert_int_equal(parse(head, FILE_BYTES), ERROR_NONE);
    assert_int_equal(image.header_bytes, 0x290 - 0x1F1);
    assert_memory_equal(image.header, head + 0x1F1, sizeof(image.header));
}

static void assert_sane(const uint8_t *head, uint64_t bytes)
{
    uint32_t paragraphs;
    memcpy(&paragraphs, head + 0x1F4, 4);
    assert_int_equal(image.setup_bytes + image.payload_bytes, bytes);
    if (image.version >= 0x204)
        assert_true(image.payload_bytes + 15 >= 16ull * paragraphs && paragraphs != 0);
    if (image.version >= 0x20A)
        assert_true(image.init_size >= 16ull * paragraphs);
    assert_true(image.init_size && image.payload_bytes);
    assert_in_range(image.pref_address, MIB(1), GIB(4) - 1);
    assert_true(image.min_alignment && image.min_alignment <= image.alignment);
    assert_int_equal(image.alignment & (image.alignment - 1), 0);
    assert_int_equal(image.min_alignment & (image.min_alignment - 1), 0);
    assert_in_range(image.initrd_max, 1, GIB(4));
    uint32_t least = entry == LINUX_ENTRY_16 ? 0x224 : 0x23C;
    assert_in_range(image.header_bytes, least - 0x1F1, sizeof(image.header));
}

/* Debian's memtest86+ and ipxe, whose last paragraphs are cut. */
static void stock_programs_are_read_for_both_entries(void **state)
{
    (void)state;
    static const struct {
        uint64_t bytes, setup_bytes;
        uint16_t version;
        uint32_t syssize, jump, line_max;
    } stock[] = {
        {144312, 1536, 0x20C, 0x22DC, 0x66, 255},
        {306521, 3072, 0x207, 0x4A16, 0x65, 2047},
    };
    for (size_t i = 0; i < ARRAY_SIZE(stock); i++)
        for (entry = LINUX_ENTRY_32; entry <= LINUX_ENTRY_16; entry++) {
            uint8_t head[HEAD];
            make(head);
            head[0x1F1] = (uint8_t)(stock[i].setup_bytes / 512 - 1);
            put32(head, 0x1F4, stock[i].syssize);
            head[0x201] = (uint8_t)stock[i].jump;
            put16(head, 0x206, stock[i].version);
            put32(head, 0x22C, UINT32_MAX);
            put32(head, 0x230, 0x1000);
            head[0x234] = 0;
            put32(head, 0x238, stock[i].line_max);
            put32(head, 0x24C, 0);
            put64(head, 0x258, 0x100000);
            assert_int_equal(parse(head, stock[i].bytes), ERROR_NONE);
            assert_true(image.high && !image.relocatable);
            assert_int_equal(image.setup_bytes, stock[i].setup_bytes);
            assert_int_equal(image.payload_bytes, stock[i].bytes - stock[i].setup_bytes);
            assert_int_equal(image.pref_address, MIB(1));
            assert_int_equal(image.initrd_max, GIB(4));
            assert_int_equal(image.command_line_max, stock[i].line_max);
        }
    entry = LINUX_ENTRY_32;
}

/* Each with the shortest header of its version; what comes behind it means nothing. */
static void old_protocols_are_read_for_the_16_bit_entry(void **state)
{
    (void)state;
    static const struct {
        uint16_t version, end;
        uint64_t initrd_max;
        uint32_t line_max;
    } old[] = {
        {0x200, 0x224, 0x38000000, 255},        {0x201, 0x226, 0x38000000, 255},
        {0x202, 0x22C, 0x38000000, 255},        {0x203, 0x230, 0x80000000, 255},
        {0x204, 0x230, 0x80000000, 255},        {0x205, 0x235, 0x80000000, 255},
        {0x206, 0x23C, 0x80000000, UINT32_MAX},
    };
    entry = LINUX_ENTRY_16;
    for (size_t i = 0; i < ARRAY_SIZE(old); i++)
        for (unsigned high = 0; high < 2; high++) {
            uint8_t head[HEAD];
            make(head);
            put16(head, 0x206, old[i].version);
            head[0x201] = (uint8_t)(old[i].end - 0x202);
            head[0x211] = (uint8_t)high;
            memset(head + old[i].end, 0xFF, HEAD - old[i].end);
            if (old[i].version < 0x204)
                put32(head, 0x1F4, 0xFFFF0000); /* once other fields, and cut at 1 MiB */
            if (old[i].version == 0x206)
                put32(head, 0x238, UINT32_MAX);
            assert_int_equal(parse(head, FILE_BYTES), ERROR_NONE);
            assert_int_equal(image.version, old[i].version);
            assert_int_equal(image.high, high);
            assert_int_equal(image.relocatable, old[i].version >= 0x205);
            assert_int_equal(image.initrd_max, old[i].initrd_max);
            assert_int_equal(image.command_line_max, old[i].line_max);
            assert_int_equal(image.pref_address, MIB(1));
            assert_int_equal(image.init_size, 4 * KERNEL_BYTES);
            assert_int_equal(image.header_bytes, old[i].end - 0x1F1);
            head[0x201]--;
            assert_refused(head, FILE_BYTES, ERROR_MALFORMED, "has a damaged header");
            head[0x201]++;
            assert_refused(head, SETUP_BYTES, ERROR_MALFORMED, "is truncated");
        }
    entry = LINUX_ENTRY_32;
}

static void what_has_no_16_bit_entry_is_refused(void **state)
{
    (void)state;
    uint8_t head[HEAD];
    entry = LINUX_ENTRY_16;
    make(head);
    put16(head, 0x206, 0x1FF);
    assert_refused(head, FILE_BYTES, ERROR_UNSUPPORTED, "is too old: it needs boot protocol 2.00");
    make(head);
    head[0x1F1] = 64;
    assert_int_equal(parse(head, 65 * 512 + KERNEL_BYTES), ERROR_NONE);
    head[0x1F1] = 65;
    assert_refused(head, 66 * 512 + KERNEL_BYTES, ERROR_UNSUPPORTED, "has too large a setup part");
    make(head);
    put32(head, 0x202, 0);
    assert_refused(head, FILE_BYTES, ERROR_MALFORMED, "is no bzImage");
    make(head);
    put16(head, 0x206, 0x204);
    put32(head, 0x1F4, 0);
    assert_refused(head, FILE_BYTES, ERROR_MALFORMED, "has a damaged header");
    entry = LINUX_ENTRY_32;
}

static void any_bytes_give_a_reason_or_an_image_that_holds_together(void **state)
{
    (void)state;
    unsigned taken = 0;
    random_seed(0xB2);
    for (unsigned round = 0; round < 300000; round++) {
        uint8_t head[HEAD];
        entry = round % 2 ? LINUX_ENTRY_16 : LINUX_ENTRY_32;
        make(head);
        for (unsigned i = 1 + random_below(3); i-- > 0;)
            head[0x1F1 + random_below(HEAD - 0x1F1)] = (uint8_t)random_u64();
        uint64_t bytes = random_below(4) ? FILE_BYTES + random_below(64) : random_u64();
        if (parse(head, bytes) != ERROR_NONE)
            continue;
        taken++;
        assert_sane(head, bytes);
    }
    assert_in_range(taken, 50000, 250000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stock_kernels_are_read),
        cmocka_unit_test(a_file_is_refused_at_every_length_that_is_too_short),
        cmocka_unit_test(no_setup_sectors_means_four),
        cmocka_unit_test(each_thing_that_cannot_be_is_refused_by_name),
        cmocka_unit_test(what_is_just_possible_is_taken),
        cmocka_unit_test(the_lesser_alignment_is_never_more_than_the_other),
        cmocka_unit_test(an_old_kernel_loads_at_one_mib_with_room_to_unpack),
        cmocka_unit_test(a_longer_header_of_a_later_protocol_is_cut_to_its_place),
        cmocka_unit_test(stock_programs_are_read_for_both_entries),
        cmocka_unit_test(old_protocols_are_read_for_the_16_bit_entry),
        cmocka_unit_test(what_has_no_16_bit_entry_is_refused),
        cmocka_unit_test(any_bytes_give_a_reason_or_an_image_that_holds_together),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
