/* with: loader/linux16_header.c boot/words.c lib/string.c */
#include "loader/linux16_header.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

/* Offsets are those of boot.rst, typed here once more. */
static struct linux_image image;
static struct linux_plan plan;
static struct linux16_header header;
static bool looked_at[0x290];

static void make(uint16_t version, uint32_t end)
{
    memset(&image, 0, sizeof(image));
    image.version = version;
    image.header_bytes = end - 0x1F1;
    memset(image.header, 0x47, sizeof(image.header));
    plan = (struct linux_plan){.initrd_at = 0x7E123000,
                               .initrd_bytes = 0x123457,
                               .low_at = 0x8F000,
                               .command_line_at = 0x98800};
}

static void build(const char *line)
{
    memset(&header, 0xEE, sizeof(header));
    memset(looked_at, 0, sizeof(looked_at));
    linux16_header_build(&image, &plan, line, &header);
}

static uint64_t field(unsigned offset, unsigned bytes)
{
    uint64_t value = 0;
    memcpy(&value, &header.bytes[offset - 0x1F1], bytes);
    memset(looked_at + offset, true, bytes);
    return value;
}

static void assert_the_rest_is_the_files(void)
{
    for (unsigned i = 0x1F1; i < 0x1F1 + image.header_bytes; i++)
        if (!looked_at[i])
            assert_int_equal(field(i, 1), 0x47);
}

static void assert_common(void)
{
    assert_int_equal(field(0x210, 1), 0xFF);       /* type_of_loader */
    assert_int_equal(field(0x218, 4), 0x7E123000); /* ramdisk_image */
    assert_int_equal(field(0x21C, 4), 0x123457);   /* ramdisk_size */
}

static void a_kernel_is_told_of_heap_line_and_initrd(void **state)
{
    (void)state;
    static const uint16_t ends[] = {0x22C, 0x23C, 0x26C, 0x290};
    for (unsigned i = 0; i < 4; i++) {
        make(i ? 0x20F : 0x202, ends[i]);
        build("quiet");
        assert_common();
        assert_int_equal(field(0x211, 1), 0xC7);    /* CAN_USE_HEAP */
        assert_int_equal(field(0x224, 2), 0x9600);  /* heap_end_ptr: 0x9800 less 0x200 */
        assert_int_equal(field(0x228, 4), 0x98800); /* cmd_line_ptr */
        assert_the_rest_is_the_files();
        assert_false(header.old_line_wanted);
    }
}

static void an_old_kernel_is_told_the_old_way(void **state)
{
    (void)state;
    for (uint16_t version = 0x200; version < 0x202; version++) {
        make(version, version == 0x200 ? 0x224 : 0x226);
        build("");
        assert_common();
        assert_int_equal(field(0x212, 2), 0xA000); /* setup_move_size */
        if (version >= 0x201) {
            assert_int_equal(field(0x211, 1), 0xC7);
            assert_int_equal(field(0x224, 2), 0x9600);
        }
        assert_the_rest_is_the_files();
        assert_true(header.old_line_wanted);
        assert_int_equal(header.old_line.magic, 0xA33F);  /* at 0x20 */
        assert_int_equal(header.old_line.offset, 0x9800); /* at 0x22 */
        assert_int_equal(sizeof(header.old_line), 4);
    }
}

static void the_last_vga_that_makes_sense_is_the_mode(void **state)
{
    (void)state;
    static const struct {
        const char *line;
        uint16_t mode;
    } lines[] = {
        {"", 0x4747},
        {"vga", 0x4747},
        {"vga=", 0x4747},
        {"xvga=3 vgax=3", 0x4747},
        {"vga=normal", 0xFFFF},
        {"a vga=ext b", 0xFFFE},
        {"vga=ask", 0xFFFD},
        {"vga=791 quiet", 791},
        {"vga=0x317", 0x317},
        {"vga=65535", 0xFFFF},
        {"vga=65536", 0x4747},
        {"vga=ext vga=wide", 0xFFFE},
        {"vga=ext vga=0x301", 0x301},
    };
    for (unsigned i = 0; i < sizeof(lines) / sizeof(*lines); i++) {
        make(0x20F, 0x26C);
        build(lines[i].line);
        assert_int_equal(field(0x1FA, 2), lines[i].mode);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_kernel_is_told_of_heap_line_and_initrd),
        cmocka_unit_test(an_old_kernel_is_told_the_old_way),
        cmocka_unit_test(the_last_vga_that_makes_sense_is_the_mode),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
