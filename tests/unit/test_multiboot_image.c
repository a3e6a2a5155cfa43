/* with: loader/multiboot_image.c loader/elf.c */
#include "base/bits.h"
#include "boot/multiboot1.h"
#include "boot/multiboot2.h"
#include "loader/multiboot_image.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/random.h"

/* A file is made here, and parsed in a block of just its size, so that what reads behind it is
 * seen. */
static uint8_t file[KIB(64)];
static uint64_t bytes;
static struct multiboot_image image;
static const char *why;

static void put(uint64_t at, uint64_t value, unsigned width) { memcpy(file + at, &value, width); }

static enum error parse(void)
{
    uint8_t *copy = malloc(bytes ? bytes : 1);
    memcpy(copy, file, bytes);
    memset(&image, 0xA5, sizeof(image));
    enum error error = multiboot_image_parse(copy, bytes, &image, &why);
    assert_true((error == ERROR_NONE) == (why == NULL));
    free(copy);
    return error;
}

static void refused(const char *reason)
{
    assert_int_not_equal(parse(), ERROR_NONE);
    assert_string_equal(why, reason);
}

/* --- files --- */

#define HEADER_AT 0x800
#define SEGMENT   0x1000 /* of the file: the first segment, then the second one */
#define VIRTUAL   0xC0000000

static void start_file(void)
{
    memset(file, 0, sizeof(file));
    bytes = 0x3000;
}

static void put_header1(uint32_t flags)
{
    put(HEADER_AT, MULTIBOOT1_HEADER_MAGIC, 4);
    put(HEADER_AT + 4, flags, 4);
    put(HEADER_AT + 8, 0u - MULTIBOOT1_HEADER_MAGIC - flags, 4);
}

static uint64_t tags_end;

static void close_header2(void)
{
    uint32_t length = (uint32_t)(tags_end + 8 - HEADER_AT);
    put(HEADER_AT, MULTIBOOT2_HEADER_MAGIC, 4);
    put(HEADER_AT + 4, 0, 4);
    put(HEADER_AT + 8, length, 4);
    put(HEADER_AT + 12, 0u - MULTIBOOT2_HEADER_MAGIC - length, 4);
    put(tags_end, 0, 4);
    put(tags_end + 4, 8, 4);
}

static void put_header2(void)
{
    tags_end = HEADER_AT + 16;
    close_header2();
}

static void add_tag(unsigned type, unsigned flags, const uint32_t *words, unsigned count)
{
    put(tags_end, type, 2);
    put(tags_end + 2, flags, 2);
    put(tags_end + 4, 8 + 4 * count, 4);
    memcpy(file + tags_end + 8, words, 4 * count);
    tags_end = ALIGN_UP(tags_end + 8 + 4 * count, 8);
    close_header2();
}
#define ADD_TAG(type, flags, ...)                                                                  \
    add_tag(type, flags, (const uint32_t[]){__VA_ARGS__},                                          \
            sizeof((const uint32_t[]){__VA_ARGS__}) / 4)

static unsigned elf_width; /* 4 or 8 */

static uint64_t program_header(unsigned index) { return 0x100 + index * 8 * elf_width; }

static void put_segment(unsigned index, uint64_t offset, uint64_t file_bytes, uint64_t base,
                        uint64_t memory_bytes)
{
    uint64_t at = program_header(index), w = elf_width;
    put(at, 1, 4);
    put(at + w, offset, elf_width);
    put(at + 2 * w, base + VIRTUAL, elf_width);
    put(at + 3 * w, base, elf_width);
    put(at + 4 * w, file_bytes, elf_width);
    put(at + 5 * w, memory_bytes, elf_width);
}

static void put_elf(unsigned width, unsigned count)
{
    elf_width = width;
    put(0, 0x464C457F, 4);
    put(4, width / 4, 1);
    put(5, 1, 1);
    put(16, 2, 2);
    put(18, width == 4 ? 3 : 62, 2);
    put(24, VIRTUAL + MIB(1) + 0x10, width);
    put(24 + width, 0x100, width);
    put(30 + 3 * width, 8 * width, 2);
    put(32 + 3 * width, count, 2);
    put_segment(0, SEGMENT, 0x800, MIB(1), 0x5000);
}

/* A multiboot2 kernel in an ELF file with two segments. */
static void good_elf(unsigned width)
{
    start_file();
    put_header2();
    put_elf(width, 3);
    put(program_header(1), 4, 4); /* a note */
    put(program_header(1) + 5 * width, 8, width);
    put_segment(2, SEGMENT + 0x800, 0x1800, MIB(2), 0x1800);
}

static void good_kludge1(void)
{
    static const uint32_t fields[] = {MIB(1) + HEADER_AT - 0x400, MIB(1), MIB(1) + 0x2000,
                                      MIB(1) + 0x4000, MIB(1) + 0x20};
    start_file();
    put_header1(MULTIBOOT1_HAS_ADDRESSES | 7);
    memcpy(file + HEADER_AT + 12, fields, sizeof(fields));
}

static void good_kludge2(void)
{
    start_file();
    put_header2();
    ADD_TAG(2, 0, MIB(1) + HEADER_AT - 0x400, MIB(1), MIB(1) + 0x2000, MIB(1) + 0x4000);
    ADD_TAG(3, 0, MIB(1) + 0x20);
}

/* --- good ones --- */

static void both_widths_of_elf_are_read(void **state)
{
    (void)state;
    for (unsigned width = 4; width <= 8; width += 4) {
        good_elf(width);
        assert_int_equal(parse(), ERROR_NONE);
        assert_int_equal(image.version, 2);
        assert_int_equal(image.entry, MIB(1) + 0x10);
        assert_int_equal(image.segment_count, 2);
        assert_int_equal(image.segments[0].offset, SEGMENT);
        assert_int_equal(image.segments[0].file_bytes, 0x800);
        assert_int_equal(image.segments[0].base, MIB(1));
        assert_int_equal(image.segments[0].memory_bytes, 0x5000);
        assert_int_equal(image.segments[1].base, MIB(2));
        assert_false(image.relocatable);
        start_file();
        put_header1(3);
        put_elf(width, 1);
        assert_int_equal(parse(), ERROR_NONE);
        assert_int_equal(image.version, 1);
        assert_int_equal(image.segment_count, 1);
    }
}

/* Section headers behind the segments' file part, of a type, at an address, from a part of it. */
#define SECTIONS_AT 0x2C00
enum { SYMTAB = 2, STRTAB = 3, NOBITS = 8 };

static void put_section(unsigned index, unsigned type, uint64_t address, uint64_t offset,
                        uint64_t size)
{
    uint64_t w = elf_width, at = SECTIONS_AT + index * (16 + 6 * w);
    put(at + 4, type, 4);
    put(at + 8 + w, address, elf_width);
    put(at + 8 + 2 * w, offset, elf_width);
    put(at + 8 + 3 * w, size, elf_width);
}

static void put_sections(unsigned width, unsigned count)
{
    good_elf(width);
    put(24 + 2 * width, SECTIONS_AT, width);
    put(34 + 3 * width, 16 + 6 * width, 2);
    put(36 + 3 * width, count, 2);
    put(38 + 3 * width, 3, 2);
    put_section(1, 1, VIRTUAL + MIB(1), SEGMENT, 0x800);
    put_section(2, SYMTAB, 0, 0x2904, 0x60);
    put_section(3, STRTAB, 0, 0x2880, 0x11);
    put_section(4, NOBITS, 0, 0x10000, 0x1000);
    put_section(5, STRTAB, 0, 0x10000, 0);
}

static uint64_t placed_at(unsigned index)
{
    uint64_t address = 0;
    memcpy(&address, image.sections.headers + index * (16 + 6 * elf_width) + 8 + elf_width,
           elf_width);
    return address;
}

static void sections_that_no_segment_loads_are_one_part_of_the_file(void **state)
{
    (void)state;
    for (unsigned width = 4; width <= 8; width += 4) {
        put_sections(width, 6);
        assert_int_equal(parse(), ERROR_NONE);
        assert_true(image.is_elf);
        assert_int_equal(image.sections.count, 6);
        assert_int_equal(image.sections.header_bytes, 16 + 6 * width);
        assert_int_equal(image.sections.names, 3);
        assert_int_equal(image.sections.start, 0x2880);
        assert_int_equal(image.sections.end, 0x2964);
        assert_memory_equal(image.sections.headers, file + SECTIONS_AT, 6 * (16 + 6 * width));
        elf_place_sections(&image.sections, 0x555880);
        assert_int_equal(placed_at(1), VIRTUAL + MIB(1));
        assert_int_equal(placed_at(2), 0x555904);
        assert_int_equal(placed_at(3), 0x555880);
        assert_int_equal(placed_at(4), 0);
        assert_int_equal(placed_at(5), 0);
        good_elf(width);
        assert_int_equal(parse(), ERROR_NONE);
        assert_int_equal(image.sections.count, 0);
    }
    good_kludge2();
    assert_int_equal(parse(), ERROR_NONE);
    assert_false(image.is_elf);
}

static void no_sections(void)
{
    assert_int_equal(parse(), ERROR_NONE);
    assert_int_equal(image.sections.count, 0);
    assert_true(image.sections.start == image.sections.end);
}

static void sections_that_cannot_be_read_are_left_out(void **state)
{
    (void)state;
    for (unsigned width = 4; width <= 8; width += 4) {
        put_sections(width, ELF_SECTIONS_MAX + 1);
        no_sections();
        put_sections(width, 6);
        put(34 + 3 * width, 8, 2); /* headers of another size */
        no_sections();
        put_sections(width, 6);
        put(24 + 2 * width, bytes - 6 * (16 + 6 * width) + 1, width); /* cut */
        no_sections();
        put_sections(width, 6);
        put(24 + 2 * width, UINT64_MAX, width);
        no_sections();
        put_sections(width, 6);
        put_section(2, SYMTAB, 0, bytes - 0x5F, 0x60);
        no_sections();
        put_sections(width, 6);
        put_section(2, SYMTAB, 0, 0x2800, UINT64_MAX);
        no_sections();
    }
}

static void check_kludge(uint32_t version)
{
    assert_int_equal(parse(), ERROR_NONE);
    assert_int_equal(image.version, version);
    assert_int_equal(image.entry, MIB(1) + 0x20);
    assert_int_equal(image.segment_count, 1);
    assert_int_equal(image.segments[0].offset, 0x400);
    assert_int_equal(image.segments[0].file_bytes, 0x2000);
    assert_int_equal(image.segments[0].base, MIB(1));
    assert_int_equal(image.segments[0].memory_bytes, 0x4000);
}

static void the_headers_addresses_come_before_elf(void **state)
{
    (void)state;
    good_kludge1();
    check_kludge(1);
    put_elf(4, 1);
    check_kludge(1);
    good_kludge2();
    check_kludge(2);
    put_elf(8, 1);
    check_kludge(2);
}

static void no_end_means_all_of_the_file(void **state)
{
    (void)state;
    good_kludge1();
    put(HEADER_AT + 20, 0, 4); /* load_end */
    put(HEADER_AT + 24, 0, 4); /* bss_end */
    assert_int_equal(parse(), ERROR_NONE);
    assert_int_equal(image.segments[0].file_bytes, bytes - 0x400);
    assert_int_equal(image.segments[0].memory_bytes, bytes - 0x400);
    start_file();
    put_header2();
    ADD_TAG(2, 0, MIB(1) + HEADER_AT, UINT32_MAX, 0, 0);
    ADD_TAG(3, 0, MIB(1));
    assert_int_equal(parse(), ERROR_NONE);
    assert_int_equal(image.segments[0].offset, 0);
    assert_int_equal(image.segments[0].base, MIB(1));
    assert_int_equal(image.segments[0].memory_bytes, bytes);
}

static void multiboot2_wins(void **state)
{
    (void)state;
    good_elf(4);
    memmove(file + 0x400, file + HEADER_AT, 0x100);
    put_header1(0);
    assert_int_equal(parse(), ERROR_NONE);
    assert_int_equal(image.version, 2);
}

/* At the last place that the specifications allow, and one step behind it. */
static void a_header_is_looked_for_as_far_as_the_specifications_say(void **state)
{
    (void)state;
    uint8_t header[16];
    good_elf(4);
    bytes = sizeof(file);
    memcpy(header, file + HEADER_AT, 16);
    memset(file + HEADER_AT, 0, 64);
    put(32768 - 16, 0, 8);
    memcpy(file + 32768 - 16, header, 16);
    put(32768 - 16 + 8, 24, 4);
    put(32768 - 16 + 12, 0u - MULTIBOOT2_HEADER_MAGIC - 24, 4);
    put(32768 + 4, 8, 4);
    assert_int_equal(parse(), ERROR_NONE);
    memmove(file + 32768 - 8, file + 32768 - 16, 24);
    refused("has no multiboot header");
    start_file();
    put_elf(4, 1);
    put_header1(0);
    bytes = sizeof(file);
    memcpy(file + 8192 - 12, file + HEADER_AT, 12);
    memset(file + HEADER_AT, 0, 12);
    assert_int_equal(parse(), ERROR_NONE);
    memmove(file + 8192 - 8, file + 8192 - 12, 12);
    put(8192 - 12, 0, 4);
    refused("has no multiboot header");
}

static void tags_are_taken_or_passed_over(void **state)
{
    (void)state;
    good_elf(8);
    ADD_TAG(1, 0, 1, 2, 3, 4, 5, 6, 7, 8, 10, 11, 12, 14, 15, 16, 17, 18, 19, 20, 21);
    ADD_TAG(1, 1, 9, 22, 0xFFFFFFFF);
    ADD_TAG(4, 0, 3);
    ADD_TAG(5, 1, 1024, 768, 32);
    ADD_TAG(6, 0);
    ADD_TAG(7, 1);
    ADD_TAG(8, 0, 0x12345678);
    ADD_TAG(9, 0, 0x12345678);
    ADD_TAG(77, 1, 1);
    ADD_TAG(3, 0, MIB(2) + 4);
    ADD_TAG(10, 0, 0, 0xFFFFFFF0, 0x200000, 2);
    assert_int_equal(parse(), ERROR_NONE);
    assert_int_equal(image.entry, MIB(2) + 4);
    assert_true(image.relocatable && image.prefers_high && !image.prefers_low);
    assert_int_equal(image.lowest, PAGE_SIZE);
    assert_int_equal(image.highest, 0xFFFFFFF0);
    assert_int_equal(image.align, MIB(2));
    good_elf(8);
    ADD_TAG(10, 0, MIB(3), MIB(9), 1, 1);
    assert_int_equal(parse(), ERROR_NONE);
    assert_true(image.prefers_low && !image.prefers_high);
    assert_int_equal(image.lowest, MIB(3));
}

/* --- broken ones --- */

static void what_is_no_kernel_is_named(void **state)
{
    (void)state;
    start_file();
    refused("has no multiboot header");
    bytes = 0;
    refused("has no multiboot header");
    bytes = 15;
    refused("has no multiboot header");
    start_file();
    put_header1(0);
    put(HEADER_AT + 8, 1, 4);
    refused("has no multiboot header");
    put_header1(0);
    refused("is no ELF file, and its header has no addresses");
    put_header2();
    refused("is no ELF file, and its header has no addresses");
    put(HEADER_AT + 4, 4, 4); /* MIPS */
    put(HEADER_AT + 12, 0u - MULTIBOOT2_HEADER_MAGIC - 4 - 24, 4);
    refused("is for another processor");
}

static void what_cannot_be_given_is_named(void **state)
{
    (void)state;
    good_elf(4);
    memset(file + HEADER_AT, 0, 64);
    put_header1(8 | 1 | 0x8000);
    refused("has unknown header flags: 0x");
    assert_int_equal(image.asked, 0x8008);
    static const uint32_t not_given[] = {0, 22, 64 + 1, 0x10001, 0xFFFFFFFF};
    for (unsigned i = 0; i < ARRAY_SIZE(not_given); i++) {
        good_elf(4);
        ADD_TAG(1, 0, 6, not_given[i]);
        refused("needs information that Orlop does not give: type 0x");
        assert_int_equal(image.asked, not_given[i]);
    }
    good_elf(4);
    ADD_TAG(11, 0, 1);
    refused("has an unknown header tag: type 0x");
    assert_int_equal(image.asked, 11);
}

static void damaged_headers_are_refused(void **state)
{
    (void)state;
    static const struct {
        unsigned type, words;
    } too_short[] = {{2, 3}, {3, 0}, {10, 3}};
    for (unsigned i = 0; i < ARRAY_SIZE(too_short); i++) {
        good_elf(8);
        add_tag(too_short[i].type, 0, (const uint32_t[4]){1, 1, 1, 1}, too_short[i].words);
        refused("has a damaged header");
    }
    for (uint32_t size = 0; size < 8; size++) {
        good_elf(8);
        ADD_TAG(6, 0);
        put(HEADER_AT + 16 + 4, size, 4);
        refused("has a damaged header");
    }
    good_elf(8);
    put(HEADER_AT + 16 + 4, 9, 4); /* the end tag, past the header's end */
    refused("has a damaged header");
    good_elf(8);
    put(HEADER_AT + 16, 6, 4); /* no end tag */
    refused("has a damaged header");
    good_elf(8);
    ADD_TAG(10, 0, 0, 0xFFFFFFFF, 0x3000, 0);
    refused("has a damaged header");
    good_elf(8);
    ADD_TAG(10, 0, 0, 0xFFFFFFFF, 0, 0);
    refused("has a damaged header");
    good_elf(8);
    bytes = HEADER_AT + 23;
    refused("is truncated");
    good_kludge1();
    bytes = HEADER_AT + 31;
    refused("is truncated");
}

static void addresses_that_cannot_be_are_refused(void **state)
{
    (void)state;
    static const struct {
        unsigned field;
        uint32_t value;
        const char *why;
    } rows[] = {
        {0, MIB(1) - 1, "has addresses that contradict each other"},      /* header below load */
        {0, MIB(2), "has addresses that contradict each other"},          /* before the file */
        {1, 0xFFFFFFFF, "has addresses that contradict each other"},      /* load, version 1 */
        {2, MIB(1) - 1, "has addresses that contradict each other"},      /* load_end */
        {3, MIB(1) + 0x1FFF, "has addresses that contradict each other"}, /* bss_end */
        {2, MIB(1) + 0x2C01, "is truncated"},
        {4, MIB(1) - 1, "has an entry point outside of its segments"},
        {4, MIB(1) + 0x4000, "has an entry point outside of its segments"},
        {2, MIB(1), NULL}, /* only bss */
    };
    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
        good_kludge1();
        put(HEADER_AT + 12 + 4 * rows[i].field, rows[i].value, 4);
        if (rows[i].why)
            refused(rows[i].why);
        else
            assert_int_equal(parse(), ERROR_NONE);
    }
    good_kludge1();
    put(HEADER_AT + 20, MIB(1), 4);
    put(HEADER_AT + 24, MIB(1), 4);
    refused("has nothing to load");
    start_file();
    put_header2();
    ADD_TAG(2, 0, HEADER_AT - 1, UINT32_MAX, 0, 0);
    ADD_TAG(3, 0, MIB(1));
    refused("has addresses that contradict each other");
    good_kludge2();
    tags_end -= 16; /* without an entry */
    close_header2();
    refused("has an entry point outside of its segments");
}

static void broken_elf_files_are_refused(void **state)
{
    (void)state;
    for (unsigned width = 4; width <= 8; width += 4) {
        uint64_t w = width;
        const struct {
            uint64_t at;
            unsigned width;
            uint64_t value;
            const char *why;
        } rows[] = {
            {4, 1, 3, "is for another processor"},
            {4, 1, 0, "is for another processor"},
            {5, 1, 2, "is for another processor"},
            {18, 2, 183, "is for another processor"},
            {16, 2, 1, "is no program"},
            {24 + w, width, UINT64_MAX, "is truncated"}, /* e_phoff */
            {24 + w, width, 0x3000 - 3 * 8 * w + 1, "is truncated"},
            {30 + 3 * w, 2, 6 * w, "is truncated"}, /* e_phentsize */
            {32 + 3 * w, 2, 0, "has nothing to load"},
            {32 + 3 * w, 2, 0xFFFF, "is truncated"},
            {24, width, 0, "has an entry point outside of its segments"},
            {24, width, VIRTUAL + MIB(1) + 0x5000, "has an entry point outside of its segments"},
            {0x100 + w, width, UINT64_MAX, "is truncated"}, /* p_offset */
            {0x100 + w, width, 0x2801, "is truncated"},
            {0x100 + 4 * w, width, UINT64_MAX, "is truncated"}, /* p_filesz */
            {0x100 + 4 * w, width, 0x1801, NULL},
            {0x100 + 5 * w, width, 0x7FF, "has a segment larger than its memory"},
            {0x100 + 3 * w, width, 0xFFF, "has a segment in the BIOS's own data, below 0x1000"},
            {0x100 + 3 * w, width, 0xFFFFB001, "has a segment that ends above 4 GiB"},
            {0x100 + 3 * w, width, MIB(2) + 0x17FF, "has segments that overlap"},
            {0x100 + 3 * w, width, MIB(2) - 0x4FFF, "has segments that overlap"},
        };
        for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
            good_elf(width);
            put(rows[i].at, rows[i].value, rows[i].width);
            if (rows[i].why)
                refused(rows[i].why);
            else
                assert_int_equal(parse(), ERROR_NONE);
        }
    }
    good_elf(8); /* addresses that wrap */
    put(0x100 + 3 * 8, UINT64_MAX - 0x1000, 8);
    refused("has a segment that ends above 4 GiB");
    good_elf(8);
    put(0x100 + 5 * 8, UINT64_MAX, 8);
    refused("has a segment that ends above 4 GiB");
}

static void more_segments_than_there_is_room_for_are_refused(void **state)
{
    (void)state;
    start_file();
    put_header2();
    put_elf(8, 9);
    for (unsigned i = 1; i < 8; i++)
        put_segment(i, SEGMENT, 0x10, MIB(1 + i), 0x10);
    put_segment(8, SEGMENT, 0, MIB(20), 0); /* empty: not loaded */
    assert_int_equal(parse(), ERROR_NONE);
    assert_int_equal(image.segment_count, ELF_SEGMENTS_MAX);
    put_segment(8, SEGMENT, 0, MIB(20), 1);
    refused("has more segments than 8");
}

/* --- anything --- */

/* What the next steps take for granted. */
static void check_image(void)
{
    bool entered = false;
    assert_in_range(image.segment_count, 1, ELF_SEGMENTS_MAX);
    assert_in_range(image.version, 1, 2);
    for (unsigned i = 0; i < image.segment_count; i++) {
        const struct elf_segment *a = &image.segments[i];
        assert_true(a->memory_bytes > 0 && a->file_bytes <= a->memory_bytes);
        assert_true(a->offset <= bytes && a->file_bytes <= bytes - a->offset);
        assert_true(a->base >= PAGE_SIZE && a->base < GIB(4) &&
                    a->memory_bytes <= GIB(4) - a->base);
        entered |= image.entry >= a->base && image.entry < a->base + a->memory_bytes;
        for (unsigned j = 0; j < i; j++)
            assert_true(a->base >= image.segments[j].base + image.segments[j].memory_bytes ||
                        image.segments[j].base >= a->base + a->memory_bytes);
    }
    assert_true(entered);
    if (image.relocatable)
        assert_true(image.align && !(image.align & (image.align - 1)) &&
                    image.lowest >= PAGE_SIZE && !(image.prefers_high && image.prefers_low));
}

static void any_damage_is_refused_or_leaves_a_sound_image(void **state)
{
    (void)state;
    static const uint64_t corners[] = {0,      1,      7,        8,          0x1000,    0xFFFF,
                                       MIB(1), MIB(2), 1u << 31, UINT32_MAX, UINT64_MAX};
    unsigned good = 0, rounds = 60000;
    random_seed(0x3B007);
    for (unsigned round = 0; round < rounds; round++) {
        unsigned kind = (unsigned)random_below(4);
        if (kind < 2)
            good_elf(4 + 4 * kind);
        else if (kind == 2)
            good_kludge1();
        else
            good_kludge2();
        if (kind != 2 && random_below(2))
            ADD_TAG(10, 0, MIB(1), MIB(64), 0x1000, (uint32_t)random_below(4));
        for (uint64_t hits = random_below(4); hits-- > 0;) {
            static const uint64_t areas[] = {0, 0x100, HEADER_AT};
            uint64_t at = areas[random_below(3)] + random_below(random_below(2) ? 64 : 200);
            uint64_t value =
                random_below(2) ? corners[random_below(ARRAY_SIZE(corners))] : random_u64();
            put(at, value, 1u << random_below(4));
        }
        if (random_below(8) == 0)
            bytes = random_below(bytes);
        if (parse() != ERROR_NONE)
            continue;
        good++;
        check_image();
    }
    printf("%u of %u sound\n", good, rounds);
    assert_true(good > rounds / 4 && good < rounds * 9 / 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_widths_of_elf_are_read),
        cmocka_unit_test(sections_that_no_segment_loads_are_one_part_of_the_file),
        cmocka_unit_test(sections_that_cannot_be_read_are_left_out),
        cmocka_unit_test(the_headers_addresses_come_before_elf),
        cmocka_unit_test(no_end_means_all_of_the_file),
        cmocka_unit_test(multiboot2_wins),
        cmocka_unit_test(a_header_is_looked_for_as_far_as_the_specifications_say),
        cmocka_unit_test(tags_are_taken_or_passed_over),
        cmocka_unit_test(what_is_no_kernel_is_named),
        cmocka_unit_test(what_cannot_be_given_is_named),
        cmocka_unit_test(damaged_headers_are_refused),
        cmocka_unit_test(addresses_that_cannot_be_are_refused),
        cmocka_unit_test(broken_elf_files_are_refused),
        cmocka_unit_test(more_segments_than_there_is_room_for_are_refused),
        cmocka_unit_test(any_damage_is_refused_or_leaves_a_sound_image),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
