/* with: boot/bootinfo.c boot/bootinfo_map.c tests/fuzz/fuzz_bootinfo.c */
/* The multiboot2 information: structures made by hand, random ones against what they were made
 * from, recorded ones, and any bytes. */
#include "boot/bootinfo.h"
#include "boot/multiboot2.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "tests/fuzz/check.h"
#include "tests/unit/capture.h"
#include "tests/unit/random.h"

static struct bootinfo info;

/* A structure under construction. */
static unsigned char made[65536];
static size_t made_bytes;

static void put(const void *bytes, size_t count)
{
    assert_true(made_bytes + count + 8 <= sizeof(made));
    memcpy(made + made_bytes, bytes, count);
    made_bytes += count;
}

static void put32(uint32_t value) { put(&value, sizeof(value)); }
static void put64(uint64_t value) { put(&value, sizeof(value)); }

static void begin(void)
{
    memset(made, 0xEE, sizeof(made)); /* padding is not zero for anybody */
    made_bytes = 8;
}

/* Opens a tag of `bytes` after its head. */
static void open_tag(uint32_t type, size_t bytes)
{
    made_bytes = (made_bytes + 7) & ~(size_t)7;
    put32(type);
    put32((uint32_t)bytes + 8);
}

static void tag_text(uint32_t type, const char *text)
{
    open_tag(type, strlen(text) + 1);
    put(text, strlen(text) + 1);
}

static void tag_module(uint32_t start, uint32_t end, const char *text)
{
    open_tag(MULTIBOOT2_TAG_MODULE, 8 + strlen(text) + 1);
    put32(start);
    put32(end);
    put(text, strlen(text) + 1);
}

static void tag_map(size_t entries, uint32_t entry_bytes)
{
    open_tag(MULTIBOOT2_TAG_MEMORY_MAP, 8 + entries * entry_bytes);
    put32(entry_bytes);
    put32(0);
}

static void map_entry(uint64_t base, uint64_t length, uint32_t type, size_t more)
{
    put64(base);
    put64(length);
    put32(type);
    for (size_t i = 0; i < more; i++)
        put("\xEE", 1);
}

static void tag_efi_map(size_t entries, uint32_t descriptor_bytes)
{
    open_tag(MULTIBOOT2_TAG_EFI_MEMORY, 8 + entries * descriptor_bytes);
    put32(descriptor_bytes);
    put32(1);
}

static void efi_entry(uint32_t type, uint64_t start, uint64_t pages, uint64_t attributes,
                      size_t more)
{
    put32(type);
    put32(0);
    put64(start);
    put64(0);
    put64(pages);
    put64(attributes);
    for (size_t i = 0; i < more; i++)
        put("\xEE", 1);
}

/* Parses what was made from a block of its own, so that a byte too many is seen. */
static enum error parse_bytes(size_t total, size_t limit)
{
    uint32_t total32 = (uint32_t)total;
    memcpy(made, &total32, sizeof(total32));
    unsigned char *copy = malloc(limit ? limit : 1);
    memcpy(copy, made, limit);
    enum error error = bootinfo_parse(copy, limit, &info);
    free(copy);
    return error;
}

static enum error finish(void)
{
    open_tag(MULTIBOOT2_TAG_END, 0);
    return parse_bytes(made_bytes, made_bytes);
}

static void assert_refused_with(const char *line)
{
    capture_start();
    enum error error = finish();
    const char *log = capture_end();
    assert_int_equal(error, ERROR_MALFORMED);
    if (!strstr(log, line))
        fail_msg("expected \"%s\" in the log:\n%s", line, log);
}

static void every_field_is_copied(void **state)
{
    (void)state;
    begin();
    tag_text(MULTIBOOT2_TAG_COMMAND_LINE, "cpus=2 probe");
    tag_text(MULTIBOOT2_TAG_LOADER_NAME, "GRUB 2.06");
    tag_module(0x105000, 0x105200, "realmode addr=0x7c00");
    tag_module(0x106000, 0x106000, "");
    open_tag(MULTIBOOT2_TAG_BASIC_MEMORY, 8);
    put32(639);
    put32(64512);
    tag_map(2, 24);
    map_entry(0, 0x9FC00, 1, 4);
    map_entry(0xFFFC0000, 0x40000, 77, 4);
    open_tag(MULTIBOOT2_TAG_FRAMEBUFFER, 24);
    put64(0xB8000);
    put32(160);
    put32(80);
    put32(25);
    put("\x10\x02\x00\x00", 4);
    open_tag(MULTIBOOT2_TAG_LOAD_BASE, 4);
    put32(0x1F800000);
    open_tag(MULTIBOOT2_TAG_EFI64_TABLE, 8);
    put64(0x1234);
    open_tag(MULTIBOOT2_TAG_EFI32_TABLE, 4);
    put32(0x1234);
    open_tag(MULTIBOOT2_TAG_EFI_SERVICES, 0);
    assert_int_equal(finish(), ERROR_NONE);

    assert_string_equal(info.command_line, "cpus=2 probe");
    assert_string_equal(info.loader_name, "GRUB 2.06");
    assert_false(info.command_line_truncated || info.loader_name_truncated);
    assert_int_equal(info.module_count, 2);
    assert_int_equal(info.modules[0].start, 0x105000);
    assert_int_equal(info.modules[0].end, 0x105200);
    assert_string_equal(info.modules[0].string, "realmode addr=0x7c00");
    assert_string_equal(info.modules[1].string, "");
    assert_true(info.basic_memory_present);
    assert_int_equal(info.lower_kib, 639);
    assert_int_equal(info.upper_kib, 64512);
    assert_true(info.memory_map_present);
    assert_int_equal(info.memory_map_source, BOOTINFO_MAP_MULTIBOOT);
    assert_int_equal(info.memory_count, 2);
    assert_int_equal(info.memory[0].length_bytes, 0x9FC00);
    assert_int_equal(info.memory[1].base, 0xFFFC0000);
    assert_int_equal(info.memory[1].type, 77);
    assert_true(info.framebuffer.present);
    assert_int_equal(info.framebuffer.address, 0xB8000);
    assert_int_equal(info.framebuffer.pitch_bytes, 160);
    assert_int_equal(info.framebuffer.width, 80);
    assert_int_equal(info.framebuffer.height, 25);
    assert_int_equal(info.framebuffer.bits_per_pixel, 16);
    assert_int_equal(info.framebuffer.type, MULTIBOOT2_FRAMEBUFFER_TEXT);
    assert_true(info.load_base_present);
    assert_int_equal(info.load_base, 0x1F800000);
    assert_true(info.efi64_table_present);
    assert_true(info.efi32_table_present);
    assert_true(info.efi_services_running);
    assert_int_equal(info.information_end - info.information_start, made_bytes);
}

/* A framebuffer of 800 by 600 with `rest` behind the common part. */
static void read_framebuffer(uint8_t type, const char *rest, size_t bytes)
{
    begin();
    open_tag(MULTIBOOT2_TAG_FRAMEBUFFER, 22 + bytes);
    put64(0x1FD000000);
    put32(3200);
    put32(800);
    put32(600);
    put((const uint8_t[]){32, type}, 2);
    put(rest, bytes);
    assert_int_equal(finish(), ERROR_NONE);
    assert_true(info.framebuffer.present);
    assert_int_equal(info.framebuffer.address, 0x1FD000000);
}

static void the_colours_of_a_framebuffer_are_read_where_there_are_some(void **state)
{
    (void)state;
    static const char rest[] = "\x99\x99\x10\x08\x0A\x06\x03\x05"; /* reserved, then pairs */
    read_framebuffer(MULTIBOOT2_FRAMEBUFFER_RGB, rest, 8);
    assert_int_equal(info.framebuffer.red.position, 16);
    assert_int_equal(info.framebuffer.red.bits, 8);
    assert_int_equal(info.framebuffer.green.position, 10);
    assert_int_equal(info.framebuffer.green.bits, 6);
    assert_int_equal(info.framebuffer.blue.position, 3);
    assert_int_equal(info.framebuffer.blue.bits, 5);
    read_framebuffer(MULTIBOOT2_FRAMEBUFFER_RGB, rest, 7);
    assert_int_equal(info.framebuffer.red.bits | info.framebuffer.blue.bits, 0);
    read_framebuffer(MULTIBOOT2_FRAMEBUFFER_INDEXED, rest, 8);
    assert_int_equal(info.framebuffer.red.bits | info.framebuffer.blue.bits, 0);
}

static void nothing_there_is_said_to_be_nothing(void **state)
{
    (void)state;
    begin();
    assert_int_equal(finish(), ERROR_NONE);
    uint64_t bytes = info.information_end - info.information_start;
    info.information_start = info.information_end = 0;
    assert_int_equal(bytes, 16);
    for (size_t i = 0; i < sizeof(info); i++)
        assert_int_equal(((unsigned char *)&info)[i], 0);
}

static void unknown_tags_are_skipped(void **state)
{
    (void)state;
    begin();
    tag_text(9, "sections of some ELF file");
    tag_text(4711, "x");
    tag_text(MULTIBOOT2_TAG_COMMAND_LINE, "probe");
    assert_int_equal(finish(), ERROR_NONE);
    assert_string_equal(info.command_line, "probe");
}

static void long_texts_are_cut_after_a_whole_word_and_flagged(void **state)
{
    (void)state;
    static char text[BOOTINFO_STRINGS_BYTES + 16];
    memset(text, 'a', sizeof(text) - 1);
    memcpy(text + BOOTINFO_COMMAND_LINE_BYTES - 7, " cpus=12", 8);
    memcpy(text + BOOTINFO_STRINGS_BYTES - BOOTINFO_MAX_MODULES - 4, " xyzuvw", 7);
    begin();
    tag_text(MULTIBOOT2_TAG_COMMAND_LINE, text);
    tag_module(1, 2, text);
    tag_text(MULTIBOOT2_TAG_LOADER_NAME, text);
    capture_start();
    enum error error = finish();
    const char *log = capture_end();
    assert_int_equal(error, ERROR_NONE);
    assert_true(info.command_line_truncated && info.modules[0].truncated);
    assert_int_equal(strlen(info.command_line), BOOTINFO_COMMAND_LINE_BYTES - 7);
    assert_int_equal(strlen(info.modules[0].string),
                     BOOTINFO_STRINGS_BYTES - BOOTINFO_MAX_MODULES - 4);
    assert_true(info.loader_name_truncated);
    assert_int_equal(strlen(info.loader_name), BOOTINFO_LOADER_NAME_BYTES - 1);
    assert_non_null(strstr(log, "command line longer than 511 bytes"));
    assert_non_null(strstr(log, "module 1 longer than the 2808 bytes"));
}

/* A module after one that took nearly all the room has what is left, if only its NUL. */
static void strings_share_their_room(void **state)
{
    (void)state;
    static char text[BOOTINFO_STRINGS_BYTES];
    memset(text, 'a', sizeof(text) - BOOTINFO_MAX_MODULES);
    begin();
    tag_module(1, 2, text);
    for (unsigned i = 1; i < BOOTINFO_MAX_MODULES; i++)
        tag_module(1, 2, i == 3 ? "xy" : "");
    assert_int_equal(finish(), ERROR_NONE);
    assert_int_equal(strlen(info.modules[0].string), BOOTINFO_STRINGS_BYTES - BOOTINFO_MAX_MODULES);
    assert_false(info.modules[0].truncated);
    for (unsigned i = 1; i < BOOTINFO_MAX_MODULES; i++) {
        assert_string_equal(info.modules[i].string, "");
        assert_int_equal(info.modules[i].truncated, i == 3);
    }
}

static void a_text_that_just_fits_is_whole_and_one_byte_more_is_cut(void **state)
{
    (void)state;
    char text[BOOTINFO_COMMAND_LINE_BYTES + 1];
    memset(text, 'a', sizeof(text));
    text[10] = ' ';
    text[sizeof(text) - 2] = 0;
    begin();
    tag_text(MULTIBOOT2_TAG_COMMAND_LINE, text);
    assert_int_equal(finish(), ERROR_NONE);
    assert_false(info.command_line_truncated);
    assert_string_equal(info.command_line, text);
    text[sizeof(text) - 2] = 'a';
    text[sizeof(text) - 1] = 0;
    begin();
    tag_text(MULTIBOOT2_TAG_COMMAND_LINE, text);
    quiet_start();
    enum error error = finish();
    quiet_end();
    assert_int_equal(error, ERROR_NONE);
    assert_true(info.command_line_truncated);
    assert_string_equal(info.command_line, "aaaaaaaaaa");
}

static void modules_beyond_the_list_are_counted(void **state)
{
    (void)state;
    begin();
    for (uint32_t i = 0; i < BOOTINFO_MAX_MODULES + 3; i++)
        tag_module(0x1000 * i, 0x1000 * i + 1, "realmode");
    capture_start();
    enum error error = finish();
    const char *log = capture_end();
    assert_int_equal(error, ERROR_NONE);
    assert_int_equal(info.module_count, BOOTINFO_MAX_MODULES);
    assert_int_equal(info.modules_dropped, 3);
    assert_non_null(strstr(log, "more than 8 modules: the one at 0x8000"));
}

static void map_entries_beyond_the_list_are_counted(void **state)
{
    (void)state;
    begin();
    tag_map(BOOTINFO_MAX_MEMORY_ENTRIES + 5, 20);
    for (uint32_t i = 0; i < BOOTINFO_MAX_MEMORY_ENTRIES + 5; i++)
        map_entry(i * PAGE_SIZE, PAGE_SIZE, 1, 0);
    capture_start();
    enum error error = finish();
    const char *log = capture_end();
    assert_int_equal(error, ERROR_NONE);
    assert_int_equal(info.memory_count, BOOTINFO_MAX_MEMORY_ENTRIES);
    assert_int_equal(info.memory_dropped, 5);
    assert_non_null(strstr(log, "5 entries more"));
}

static void the_entry_size_of_the_map_is_honoured(void **state)
{
    (void)state;
    for (uint32_t entry_bytes = 20; entry_bytes < 45; entry_bytes++) {
        begin();
        tag_map(3, entry_bytes);
        for (uint32_t i = 0; i < 3; i++)
            map_entry(0x100000 * i, 0x1000 + i, i + 1, entry_bytes - 20);
        assert_int_equal(finish(), ERROR_NONE);
        assert_int_equal(info.memory_count, 3);
        assert_int_equal(info.memory[2].base, 0x200000);
        assert_int_equal(info.memory[2].length_bytes, 0x1002);
        assert_int_equal(info.memory[2].type, 3);
    }
}

static void the_efi_map_serves_when_there_is_no_other(void **state)
{
    (void)state;
    static const uint32_t expected[] = {2, 1, 1, 1, 1, 2, 2, 1, 5, 3, 4, 2, 2, 2, 2, 2};
    begin();
    tag_efi_map(18, 48);
    for (uint32_t type = 0; type < 16; type++)
        efi_entry(type, type * 0x10000, 3, 0xF, 8);
    efi_entry(7, 0x100000, 1, 1 << 18, 8);
    efi_entry(7, 0x200000, ~0ull, 0xF, 8);
    assert_int_equal(finish(), ERROR_NONE);
    assert_true(info.memory_map_present);
    assert_int_equal(info.memory_map_source, BOOTINFO_MAP_EFI);
    assert_int_equal(info.memory_count, 18);
    for (uint32_t type = 0; type < 16; type++) {
        assert_int_equal(info.memory[type].base, type * 0x10000);
        assert_int_equal(info.memory[type].length_bytes, 0x3000);
        assert_int_equal(info.memory[type].type, expected[type]);
    }
    assert_int_equal(info.memory[16].type, MULTIBOOT2_MEMORY_RESERVED);
    assert_true(info.memory[17].length_bytes == ~0ull); /* and not 0 */
}

static void tag_6_is_preferred_whichever_comes_first(void **state)
{
    (void)state;
    for (int efi_first = 0; efi_first < 2; efi_first++) {
        begin();
        for (int i = 0; i < 2; i++) {
            if (i == (efi_first ? 0 : 1)) {
                tag_efi_map(2, 40);
                efi_entry(0, 0, 1, 0, 0);
                efi_entry(0, 0, 1, 0, 0);
            } else {
                tag_map(1, 24);
                map_entry(0x100000, 0x200000, 1, 4);
            }
        }
        assert_int_equal(finish(), ERROR_NONE);
        assert_int_equal(info.memory_map_source, BOOTINFO_MAP_MULTIBOOT);
        assert_int_equal(info.memory_count, 1);
        assert_int_equal(info.memory[0].base, 0x100000);
    }
}

static void the_newer_rsdp_is_preferred_whichever_comes_first(void **state)
{
    (void)state;
    for (int new_first = 0; new_first < 2; new_first++) {
        begin();
        for (int i = 0; i < 2; i++) {
            bool newer = i == (new_first ? 0 : 1);
            open_tag(newer ? MULTIBOOT2_TAG_RSDP_V2 : MULTIBOOT2_TAG_RSDP_V1, newer ? 36 : 20);
            for (int byte = 0; byte < (newer ? 36 : 20); byte++)
                put(newer ? "2" : "1", 1);
        }
        assert_int_equal(finish(), ERROR_NONE);
        assert_int_equal(info.rsdp_bytes, 36);
        assert_memory_equal(info.rsdp, "222222222222222222222222222222222222", 36);
    }
}

static void of_a_doubled_tag_the_first_counts_and_the_log_says_so(void **state)
{
    (void)state;
    begin();
    tag_text(MULTIBOOT2_TAG_COMMAND_LINE, "cpus=1");
    tag_text(MULTIBOOT2_TAG_COMMAND_LINE, "cpus=2");
    capture_start();
    enum error error = finish();
    const char *log = capture_end();
    assert_int_equal(error, ERROR_NONE);
    assert_string_equal(info.command_line, "cpus=1");
    assert_non_null(strstr(log, "second tag 1 (command line) at offset 24"));
}

static void a_total_size_that_cannot_be_is_refused(void **state)
{
    (void)state;
    begin();
    open_tag(MULTIBOOT2_TAG_END, 0);
    capture_start();
    enum error longer = parse_bytes(made_bytes + 1, made_bytes);
    enum error shorter = parse_bytes(7, made_bytes);
    enum error none = parse_bytes(made_bytes, 7);
    enum error without_end = parse_bytes(8, made_bytes);
    enum error half_end = parse_bytes(15, made_bytes);
    enum error whole = parse_bytes(made_bytes, made_bytes);
    const char *log = capture_end();
    assert_int_equal(longer, ERROR_MALFORMED);
    assert_int_equal(shorter, ERROR_MALFORMED);
    assert_int_equal(none, ERROR_MALFORMED);
    assert_int_equal(without_end, ERROR_MALFORMED);
    assert_int_equal(half_end, ERROR_MALFORMED);
    assert_int_equal(whole, ERROR_NONE);
    assert_non_null(strstr(log, "impossible size 17"));
    assert_non_null(strstr(log, "of 15 bytes has no end tag"));
}

static void malformed_tags_are_named_with_type_and_offset(void **state)
{
    (void)state;
    static const struct {
        uint32_t type;
        size_t bytes; /* one less than it takes */
        const char *line;
    } shorts[] = {
        {MULTIBOOT2_TAG_COMMAND_LINE, 0, "tag 1 (command line) at offset 8"},
        {MULTIBOOT2_TAG_MODULE, 8, "tag 3 (module) at offset 8"},
        {MULTIBOOT2_TAG_BASIC_MEMORY, 7, "tag 4 (basic memory) at offset 8"},
        {MULTIBOOT2_TAG_MEMORY_MAP, 7, "tag 6 (memory map) at offset 8"},
        {MULTIBOOT2_TAG_FRAMEBUFFER, 21, "tag 8 (framebuffer) at offset 8"},
        {MULTIBOOT2_TAG_EFI64_TABLE, 7, "tag 12 (EFI 64-bit system table) at offset 8"},
        {MULTIBOOT2_TAG_RSDP_V1, 19, "tag 14 (ACPI 1 RSDP) at offset 8"},
        {MULTIBOOT2_TAG_RSDP_V2, 35, "tag 15 (ACPI 2 RSDP) at offset 8"},
        {MULTIBOOT2_TAG_EFI_MEMORY, 7, "tag 17 (EFI memory map) at offset 8"},
        {MULTIBOOT2_TAG_LOAD_BASE, 3, "tag 21 (load base) at offset 8"},
    };
    static const char zeros[64];
    for (size_t i = 0; i < sizeof(shorts) / sizeof(shorts[0]); i++) {
        begin();
        open_tag(shorts[i].type, shorts[i].bytes);
        put(zeros, shorts[i].bytes);
        assert_refused_with(shorts[i].line);
    }
}

static void a_tag_longer_than_what_is_left_is_refused(void **state)
{
    (void)state;
    begin();
    open_tag(4711, 4096);
    assert_refused_with("tag 4711 at offset 8: impossible size 4104");
    begin();
    open_tag(4711, (size_t)0xFFFFFFFF - 8); /* rounding it up to 8 wraps */
    assert_refused_with("impossible size 4294967295");
    begin();
    open_tag(4711, (size_t)-1); /* a size of 7 */
    assert_refused_with("impossible size 7");
}

static void a_text_without_end_is_refused(void **state)
{
    (void)state;
    begin();
    open_tag(MULTIBOOT2_TAG_COMMAND_LINE, 8);
    put("cpus=222", 8);
    assert_refused_with("tag 1 (command line) at offset 8 is malformed");
    begin();
    open_tag(MULTIBOOT2_TAG_MODULE, 16);
    put32(0);
    put32(1);
    put("realmode", 8);
    assert_refused_with("tag 3 (module) at offset 8 is malformed");
    assert_int_equal(info.module_count, 0);
}

static void a_module_that_ends_before_it_starts_is_refused(void **state)
{
    (void)state;
    begin();
    tag_module(0x2000, 0x1FFF, "realmode");
    assert_refused_with("tag 3 (module) at offset 8 is malformed");
}

static void map_entries_of_an_impossible_size_are_refused(void **state)
{
    (void)state;
    begin();
    tag_map(0, 0);
    assert_refused_with("tag 6 (memory map) at offset 8 is malformed");
    begin();
    tag_map(2, 19);
    put(made + 100, 38);
    assert_refused_with("tag 6 (memory map) at offset 8 is malformed");
    begin();
    open_tag(MULTIBOOT2_TAG_MEMORY_MAP, 8 + 25);
    put32(24);
    put32(0);
    put(made + 100, 25);
    assert_refused_with("tag 6 (memory map) at offset 8 is malformed");
    begin();
    tag_efi_map(0, 39);
    assert_refused_with("tag 17 (EFI memory map) at offset 8 is malformed");
    begin();
    open_tag(MULTIBOOT2_TAG_EFI_MEMORY, 8 + 41);
    put32(40);
    put32(1);
    put(made + 100, 41);
    assert_refused_with("tag 17 (EFI memory map) at offset 8 is malformed");
}

/* Random structures, kept beside in the plainest form. */
static void random_structures_come_out_as_they_were_made(void **state)
{
    (void)state;
    random_seed(0x0B007);
    for (int round = 0; round < 3000; round++) {
        struct bootinfo_memory map[32];
        struct bootinfo_module modules[BOOTINFO_MAX_MODULES];
        char strings[BOOTINFO_MAX_MODULES][300];
        size_t map_count = random_below(32), module_count = random_below(BOOTINFO_MAX_MODULES + 1);
        begin();
        for (size_t i = 0; i < module_count; i++) {
            modules[i].start = (uint32_t)random_u64() / 2;
            modules[i].end = modules[i].start + random_below(0x7FFFFFFF);
            size_t length = random_below(sizeof(strings[i]));
            for (size_t c = 0; c < length; c++)
                strings[i][c] = (char)(1 + random_below(255));
            strings[i][length] = 0;
            modules[i].string = strings[i];
            tag_module((uint32_t)modules[i].start, (uint32_t)modules[i].end, modules[i].string);
            if (random_below(3) == 0)
                tag_text(100 + (uint32_t)random_below(1000), "something newer");
        }
        uint32_t more = (uint32_t)random_below(20);
        tag_map(map_count, 20 + more);
        for (size_t i = 0; i < map_count; i++) {
            map[i].base = random_u64();
            map[i].length_bytes = random_u64();
            map[i].type = (uint32_t)random_u64();
            map_entry(map[i].base, map[i].length_bytes, map[i].type, more);
        }
        assert_int_equal(finish(), ERROR_NONE);
        assert_int_equal(info.module_count, module_count);
        for (size_t i = 0; i < module_count; i++) {
            assert_int_equal(info.modules[i].start, modules[i].start);
            assert_int_equal(info.modules[i].end, modules[i].end);
            assert_string_equal(info.modules[i].string, modules[i].string);
        }
        assert_int_equal(info.memory_count, map_count);
        for (size_t i = 0; i < map_count; i++) {
            assert_int_equal(info.memory[i].base, map[i].base);
            assert_int_equal(info.memory[i].length_bytes, map[i].length_bytes);
            assert_int_equal(info.memory[i].type, map[i].type);
        }
    }
}

static void read_recorded(const char *path)
{
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    made_bytes = fread(made, 1, sizeof(made), file);
    fclose(file);
}

static void grub_on_a_bios_is_read(void **state)
{
    (void)state;
    uint32_t total;
    read_recorded("tests/data/multiboot2/grub-2.06-bios-qemu-7.2.22.bin");
    memcpy(&total, made, sizeof(total));
    assert_int_equal(total, made_bytes);
    assert_int_equal(parse_bytes(made_bytes, made_bytes), ERROR_NONE);
    assert_string_equal(info.command_line, "cpus=2 log=debug");
    assert_memory_equal(info.loader_name, "GRUB 2.06", 9);
    assert_int_equal(info.module_count, 2);
    assert_string_equal(info.modules[0].string, "realmode addr=0x7c00");
    assert_int_equal(info.modules[0].end - info.modules[0].start, 512);
    assert_string_equal(info.modules[1].string, "");
    assert_int_equal(info.memory_map_source, BOOTINFO_MAP_MULTIBOOT);
    assert_int_equal(info.memory[0].base, 0);
    assert_int_equal(info.memory[0].length_bytes, 0x9FC00);
    assert_int_equal(info.memory[0].type, MULTIBOOT2_MEMORY_AVAILABLE);
    assert_int_equal(info.lower_kib, 639);
    assert_int_equal(info.rsdp_bytes, 20);
    assert_memory_equal(info.rsdp, "RSD PTR ", 8);
    assert_int_equal(info.framebuffer.type, MULTIBOOT2_FRAMEBUFFER_TEXT);
    assert_true(info.load_base_present);
    assert_false(info.efi64_table_present || info.efi_services_running);
}

/* Those tags of the record, each padded, in its order; nothing else. */
static void what_describes_the_machine_is_kept_as_it_came(void **state)
{
    (void)state;
    uint32_t at = 0, kept = 0;
    read_recorded("tests/data/multiboot2/grub-2.06-bios-qemu-7.2.22.bin");
    assert_int_equal(parse_bytes(made_bytes, made_bytes), ERROR_NONE);
    for (size_t from = 8; from + 8 <= made_bytes;) {
        uint32_t tag[2];
        memcpy(tag, made + from, sizeof(tag));
        if (tag[0] == 5 || tag[0] == 8 || tag[0] == 10 || tag[0] == 14) {
            assert_memory_equal(info.machine + at, made + from, tag[1]);
            at += (tag[1] + 7) & ~7u;
            kept++;
        }
        from += (tag[1] + 7) & ~7u;
    }
    assert_int_equal(info.machine_bytes, at);
    assert_true(kept >= 3);
}

static void a_tag_that_finds_no_room_is_left_out(void **state)
{
    (void)state;
    begin();
    open_tag(16, 700);
    made_bytes += 700;
    open_tag(7, 836 - 8);
    made_bytes += 836 - 8;
    open_tag(5, 12);
    made_bytes += 12;
    assert_int_equal(finish(), ERROR_NONE);
    assert_int_equal(info.machine_bytes, 712 + 24);
    assert_int_equal(info.machine[712], 5);
    begin();
    open_tag(16, BOOTINFO_MACHINE_BYTES - 8);
    made_bytes += BOOTINFO_MACHINE_BYTES - 8;
    assert_int_equal(finish(), ERROR_NONE);
    assert_int_equal(info.machine_bytes, BOOTINFO_MACHINE_BYTES);
}

static void grub_on_uefi_is_read(void **state)
{
    (void)state;
    read_recorded("tests/data/multiboot2/grub-2.06-uefi-qemu-7.2.22.bin");
    assert_int_equal(parse_bytes(made_bytes, made_bytes), ERROR_NONE);
    assert_string_equal(info.command_line, "cpus=2 log=debug");
    assert_int_equal(info.module_count, 2);
    assert_true(info.efi64_table_present);
    assert_false(info.efi_services_running);
    assert_int_equal(info.memory_map_source, BOOTINFO_MAP_MULTIBOOT);
    assert_int_equal(info.rsdp_bytes, 36);
}

static uint64_t sum_available(const struct bootinfo *from)
{
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < from->memory_count; i++)
        if (from->memory[i].type == MULTIBOOT2_MEMORY_AVAILABLE)
            bytes += from->memory[i].length_bytes;
    return bytes;
}

/* GRUB makes its tag 6 from the EFI map that it hands over as tag 17: two witnesses of one map. */
static void grub_s_two_maps_on_uefi_name_the_same_memory(void **state)
{
    (void)state;
    read_recorded("tests/data/multiboot2/grub-2.06-uefi-qemu-7.2.22.bin");
    assert_int_equal(parse_bytes(made_bytes, made_bytes), ERROR_NONE);
    uint64_t multiboot_bytes = sum_available(&info);
    for (size_t at = 8; at + 8 <= made_bytes;) {
        uint32_t head[2];
        memcpy(head, made + at, sizeof(head));
        if (head[0] == MULTIBOOT2_TAG_MEMORY_MAP)
            made[at] = 200; /* a type that nobody knows */
        at += (head[1] + 7) & ~7u;
    }
    assert_int_equal(parse_bytes(made_bytes, made_bytes), ERROR_NONE);
    assert_int_equal(info.memory_map_source, BOOTINFO_MAP_EFI);
    assert_int_equal(sum_available(&info), multiboot_bytes);
}

static void flipped_bits_and_any_bytes_never_crash_it(void **state)
{
    (void)state;
    static unsigned char changed[sizeof(made)];
    read_recorded("tests/data/multiboot2/grub-2.06-uefi-qemu-7.2.22.bin");
    random_seed(0xF11B5);
    quiet_start();
    for (int round = 0; round < 4000; round++) {
        memcpy(changed, made, made_bytes);
        for (uint64_t flips = 1 + random_below(8); flips; flips--)
            changed[random_below(made_bytes)] ^= (unsigned char)(1 << random_below(8));
        LLVMFuzzerTestOneInput(changed, random_below(16) ? made_bytes : random_below(made_bytes));
    }
    for (int round = 0; round < 4000; round++) {
        size_t bytes = random_below(512);
        for (size_t i = 0; i < bytes; i++) /* small numbers make more tags that hold */
            changed[i] = (unsigned char)(i % 4 ? 0 : random_below(24));
        uint32_t total = (uint32_t)bytes;
        memcpy(changed, &total, sizeof(total));
        LLVMFuzzerTestOneInput(changed, bytes);
    }
    quiet_end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_field_is_copied),
        cmocka_unit_test(the_colours_of_a_framebuffer_are_read_where_there_are_some),
        cmocka_unit_test(nothing_there_is_said_to_be_nothing),
        cmocka_unit_test(unknown_tags_are_skipped),
        cmocka_unit_test(long_texts_are_cut_after_a_whole_word_and_flagged),
        cmocka_unit_test(strings_share_their_room),
        cmocka_unit_test(a_text_that_just_fits_is_whole_and_one_byte_more_is_cut),
        cmocka_unit_test(modules_beyond_the_list_are_counted),
        cmocka_unit_test(map_entries_beyond_the_list_are_counted),
        cmocka_unit_test(the_entry_size_of_the_map_is_honoured),
        cmocka_unit_test(the_efi_map_serves_when_there_is_no_other),
        cmocka_unit_test(tag_6_is_preferred_whichever_comes_first),
        cmocka_unit_test(the_newer_rsdp_is_preferred_whichever_comes_first),
        cmocka_unit_test(of_a_doubled_tag_the_first_counts_and_the_log_says_so),
        cmocka_unit_test(a_total_size_that_cannot_be_is_refused),
        cmocka_unit_test(malformed_tags_are_named_with_type_and_offset),
        cmocka_unit_test(a_tag_longer_than_what_is_left_is_refused),
        cmocka_unit_test(a_text_without_end_is_refused),
        cmocka_unit_test(a_module_that_ends_before_it_starts_is_refused),
        cmocka_unit_test(map_entries_of_an_impossible_size_are_refused),
        cmocka_unit_test(random_structures_come_out_as_they_were_made),
        cmocka_unit_test(grub_on_a_bios_is_read),
        cmocka_unit_test(what_describes_the_machine_is_kept_as_it_came),
        cmocka_unit_test(a_tag_that_finds_no_room_is_left_out),
        cmocka_unit_test(grub_on_uefi_is_read),
        cmocka_unit_test(grub_s_two_maps_on_uefi_name_the_same_memory),
        cmocka_unit_test(flipped_bits_and_any_bytes_never_crash_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
