/* with: debug/kernel_finder.c lib/string.c */
/* Finding a running Linux in its memory. The ranges and texts are those of
 * Debian's 6.1.0-56-cloud-amd64 with KASLR. */
#include "debug/kernel_finder.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define VERSION                                                                                    \
    "Linux version 6.1.0-56-cloud-amd64 (debian-kernel@lists.debian.org) (gcc-12 (Debian "         \
    "12.2.0-14+deb12u1) 12.2.0, GNU ld (GNU Binutils for Debian) 2.40) "
#define BANNER VERSION "#1 SMP PREEMPT_DYNAMIC Debian 6.1.192-2 (2026-11-16)"
#define TEXT   0xFFFFFFFF8E200000ull
#define MOST   32

struct range {
    uint64_t from, to;
};

struct text {
    uint64_t at;
    const char *text;
};

static struct range mapped[MOST];
static struct text texts[MOST];
static unsigned ranges, strings, reads;
static struct found_kernel image;

static bool is_mapped(uint64_t address)
{
    for (unsigned i = 0; i < ranges; i++)
        if (address >= mapped[i].from && address < mapped[i].to)
            return true;
    return false;
}

static uint8_t byte_at(uint64_t address)
{
    for (unsigned i = 0; i < strings; i++)
        if (address >= texts[i].at && address - texts[i].at <= strlen(texts[i].text))
            return (uint8_t)texts[i].text[address - texts[i].at];
    return 0xCC;
}

static size_t read_here(void *context, uint64_t address, void *to, size_t bytes)
{
    assert_ptr_equal(context, texts);
    reads++;
    for (size_t i = 0; i < bytes; i++) {
        if (!is_mapped(address + i))
            return i;
        ((uint8_t *)to)[i] = byte_at(address + i);
    }
    return bytes;
}

static int set_up(void **state)
{
    (void)state;
    ranges = strings = reads = 0;
    memset(&image, 0x5A, sizeof(image));
    return 0;
}

static void map(uint64_t from, uint64_t to) { mapped[ranges++] = (struct range){from, to}; }
static void put(uint64_t at, const char *text) { texts[strings++] = (struct text){at, text}; }

static bool find(void) { return kernel_find(&(struct kernel_memory){read_here, texts}, &image); }

static void map_debian(uint64_t offset)
{
    map(0xFFFFFFFF81000000ull + offset, 0xFFFFFFFF81E02000ull + offset);
    map(0xFFFFFFFF82000000ull + offset, 0xFFFFFFFF82827000ull + offset);
    put(0xFFFFFFFF82000280ull + offset, "Linux version %s (debian-kernel@lists.debian.org) #%s\n");
    put(0xFFFFFFFF820001A0ull + offset, VERSION "# SMP PREEMPT_DYNAMIC\n");
}

static void the_kernel_is_found_where_kaslr_has_put_it(void **state)
{
    (void)state;
    map_debian(0xD200000);
    put(0xFFFFFFFF8211FFE0ull + 0xD200000, BANNER "\n"); /* over the end of a page */
    assert_true(find());
    assert_int_equal(image.text, TEXT);
    assert_int_equal(image.offset, 0xD200000);
    assert_string_equal(image.banner, BANNER);
}

static void the_kernel_is_found_without_kaslr_and_at_both_ends(void **state)
{
    const uint64_t starts[] = {0xFFFFFFFF81000000ull, 0xFFFFFFFF80000000ull, 0xFFFFFFFFBFE00000ull};
    for (unsigned i = 0; i < 3; i++) {
        set_up(state);
        map(starts[i], starts[i] + 0x1000);
        put(starts[i] + 0x40, BANNER "\n");
        assert_true(find());
        assert_int_equal(image.offset, starts[i] - 0xFFFFFFFF81000000ull);
    }
}

static void nothing_is_found_where_no_kernel_is(void **state)
{
    (void)state;
    assert_false(find());
    assert_true(reads <= 512);
    map(0xFFFFFFFF7FE00000ull, 0xFFFFFFFF80000000ull);
    map(0xFFFFFFFFC0000000ull, 0xFFFFFFFFC0200000ull);
    put(0xFFFFFFFFC0000000ull, BANNER "\n");
    assert_false(find());
}

/* What a program's tables show under page-table isolation, and a kernel of another kind. */
static void an_image_that_does_not_say_linux_is_none(void **state)
{
    (void)state;
    map(0xFFFFFFFF8EE00000ull, 0xFFFFFFFF8F002000ull);
    assert_false(find());
    map_debian(0xD200000); /* two texts that begin as the banner does, but have no number */
    assert_false(find());
    assert_true(reads <= 2 * (512 + 16384 + 4));
}

static void a_banner_at_an_odd_place_is_none(void **state)
{
    (void)state;
    map(TEXT, TEXT + 0x1000);
    put(TEXT + 0x48, BANNER "\n");
    assert_false(find());
}

static void a_long_banner_is_cut(void **state)
{
    static char text[1024] = VERSION "#1 ";
    (void)state;
    memset(text + strlen(text), 'x', 900 - strlen(text));
    map(TEXT, TEXT + 0x1000);
    put(TEXT, text);
    assert_true(find());
    assert_int_equal(strlen(image.banner), KERNEL_BANNER_BYTES - 1);
    assert_memory_equal(image.banner, text, KERNEL_BANNER_BYTES - 1);
}

static void a_banner_that_memory_ends_in_is_read_to_there(void **state)
{
    (void)state;
    map(TEXT, TEXT + 0x1000);
    put(TEXT + 0xFE0, "Linux version 5.10.0 #12 SMP PREEMPT");
    assert_true(find());
    assert_string_equal(image.banner, "Linux version 5.10.0 #12 SMP PRE");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(the_kernel_is_found_where_kaslr_has_put_it, set_up),
        cmocka_unit_test_setup(the_kernel_is_found_without_kaslr_and_at_both_ends, set_up),
        cmocka_unit_test_setup(nothing_is_found_where_no_kernel_is, set_up),
        cmocka_unit_test_setup(an_image_that_does_not_say_linux_is_none, set_up),
        cmocka_unit_test_setup(a_banner_at_an_odd_place_is_none, set_up),
        cmocka_unit_test_setup(a_long_banner_is_cut, set_up),
        cmocka_unit_test_setup(a_banner_that_memory_ends_in_is_read_to_there, set_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
