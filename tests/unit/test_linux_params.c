/* with: loader/linux_params.c mm/memmap.c */
#include "base/bits.h"
#include "boot/multiboot2.h"
#include "loader/linux_params.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

/* Offsets are those of zero-page.rst and boot.rst, typed here once more. */
static uint8_t page[PAGE_SIZE];
static bool looked_at[PAGE_SIZE];
static struct linux_image image;
static struct linux_plan plan;
static struct memory_map map;
static struct linux_screen screen;
static uint64_t rsdp;

static void make(void)
{
    memset(&image, 0, sizeof(image));
    image.version = 0x20F;
    image.relocatable = true;
    image.header_bytes = 0x26C - 0x1F1;
    memset(image.header, 0xC7, sizeof(image.header));
    plan = (struct linux_plan){.kernel_at = 0x3400000,
                               .kernel_alignment = 0x100000,
                               .initrd_at = 0x7E123000,
                               .initrd_bytes = 0x123457,
                               .low_at = 0x8E000,
                               .gdt_at = 0x8F000,
                               .command_line_at = 0x8F020};
    memset(&map, 0, sizeof(map));
    assert_int_equal(memory_map_add(&map, 0, 0x9FC00, MEMORY_USABLE), ERROR_NONE);
    assert_int_equal(memory_map_add(&map, MIB(1), MIB(31), MEMORY_USABLE), ERROR_NONE);
    screen = (struct linux_screen){.cursor_column = 7, .cursor_row = 24};
    rsdp = 0xF5A00;
}

static void build(void)
{
    memset(page, 0xEE, sizeof(page));
    memset(looked_at, 0, sizeof(looked_at));
    linux_params_build(&image, &plan, &map, &screen, rsdp, page);
}

static uint64_t field(unsigned offset, unsigned bytes)
{
    uint64_t value = 0;
    memcpy(&value, page + offset, bytes);
    memset(looked_at + offset, true, bytes);
    return value;
}

static void assert_the_rest_is_zero(void)
{
    for (unsigned i = 0; i < PAGE_SIZE; i++)
        if (!looked_at[i] && page[i] != 0)
            fail_msg("byte 0x%x is 0x%x", i, page[i]);
}

static void look_at_header(void)
{
    assert_int_equal(field(0x1FA, 2), 0xFFFF);     /* vid_mode */
    assert_int_equal(field(0x210, 1), 0xFF);       /* type_of_loader */
    assert_int_equal(field(0x211, 1), 0x47);       /* loadflags without CAN_USE_HEAP */
    assert_int_equal(field(0x214, 4), 0x3400000);  /* code32_start */
    assert_int_equal(field(0x218, 4), 0x7E123000); /* ramdisk_image */
    assert_int_equal(field(0x21C, 4), 0x123457);   /* ramdisk_size */
    assert_int_equal(field(0x228, 4), 0x8F020);    /* cmd_line_ptr */
    assert_int_equal(field(0x23C, 4), 0);          /* hardware_subarch */
    assert_int_equal(field(0x250, 8), 0);          /* setup_data */
    assert_int_equal(field(0x230, 4), image.relocatable ? 0x100000 : 0xC7C7C7C7);
    for (unsigned i = 0x1F1; i < 0x1F1 + image.header_bytes; i++)
        if (!looked_at[i])
            assert_int_equal(field(i, 1), 0xC7);
}

static void look_at_memory(void)
{
    assert_int_equal(field(0x1E8, 1), map.count);
    for (unsigned i = 0; i < map.count; i++) {
        assert_int_equal(field(0x2D0 + 20 * i, 8), map.ranges[i].base);
        assert_int_equal(field(0x2D8 + 20 * i, 8), map.ranges[i].end - map.ranges[i].base);
        assert_int_equal(field(0x2E0 + 20 * i, 4), map.ranges[i].type);
    }
}

static void look_at_text(void)
{
    assert_int_equal(field(0x00, 1), 7);  /* orig_x */
    assert_int_equal(field(0x01, 1), 24); /* orig_y */
    assert_int_equal(field(0x06, 1), 3);  /* mode */
    assert_int_equal(field(0x07, 1), 80); /* columns */
    assert_int_equal(field(0x0A, 2), 3);  /* ega_bx: VGA, neither none nor CGA */
    assert_int_equal(field(0x0E, 1), 25); /* lines */
    assert_int_equal(field(0x0F, 1), 1);  /* isVGA */
    assert_int_equal(field(0x10, 2), 16); /* points */
}

static void each_field_is_where_linux_reads_it_and_all_else_is_zero(void **state)
{
    (void)state;
    make();
    build();
    look_at_header();
    look_at_memory();
    look_at_text();
    assert_int_equal(field(0x02, 2), 31 * 1024);  /* ext_mem_k */
    assert_int_equal(field(0x1E0, 4), 31 * 1024); /* alt_mem_k */
    assert_int_equal(field(0x70, 8), 0xF5A00);    /* acpi_rsdp_addr */
    assert_the_rest_is_zero();
}

static void a_kernel_that_stays_is_told_nothing_of_alignment(void **state)
{
    (void)state;
    make();
    image.relocatable = false;
    build();
    look_at_header();
}

static void a_full_header_keeps_clear_of_what_follows(void **state)
{
    (void)state;
    make();
    image.header_bytes = sizeof(image.header);
    build();
    look_at_header();
    assert_int_equal(page[0x28F], 0xC7);
    assert_int_equal(page[0x290], 0);
    image.header_bytes = 0x23C - 0x1F1;
    build();
    assert_int_equal(page[0x240], 0);
}

static void a_full_map_fits(void **state)
{
    (void)state;
    make();
    memset(&map, 0, sizeof(map));
    for (uint64_t i = 0; i < MEMORY_MAP_MAX; i++)
        assert_int_equal(memory_map_add(&map, GIB(7) * i, GIB(1) + i, 1 + i % 5), ERROR_NONE);
    build();
    assert_int_equal(map.count, 128);
    look_at_memory();
    look_at_header();
    look_at_text();
    assert_int_equal(field(0x02, 2), 0xFC00); /* at most 63 MiB in the old field */
    assert_int_equal(field(0x1E0, 4), MIB(1) - 1024);
    field(0x70, 8);
    assert_the_rest_is_zero();
}

static void memory_above_one_mib_is_what_is_usable_there(void **state)
{
    (void)state;
    static const struct {
        uint64_t base, end;
        uint32_t type;
        uint32_t kib;
    } cases[] = {
        {MIB(1), MIB(2), MEMORY_USABLE, 1024}, {0, MIB(3), MEMORY_USABLE, 2048},
        {MIB(1), MIB(2), MEMORY_RESERVED, 0},  {MIB(2), MIB(4), MEMORY_USABLE, 0},
        {0, MIB(1), MEMORY_USABLE, 0},         {0, GIB(8192), MEMORY_USABLE, UINT32_MAX},
        {0, MIB(1) + 1023, MEMORY_USABLE, 0},  {0, 0x9F000, MEMORY_USABLE, 0},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        make();
        memset(&map, 0, sizeof(map));
        assert_int_equal(
            memory_map_add(&map, cases[i].base, cases[i].end - cases[i].base, cases[i].type),
            ERROR_NONE);
        build();
        assert_int_equal(field(0x1E0, 4), cases[i].kib);
        assert_int_equal(field(0x02, 2), min_u64(cases[i].kib, 0xFC00));
    }
}

static void make_framebuffer(void)
{
    make();
    screen.framebuffer = (struct bootinfo_framebuffer){.address = 0xFD000000,
                                                       .pitch_bytes = 4352,
                                                       .width = 1024,
                                                       .height = 768,
                                                       .bits_per_pixel = 32,
                                                       .type = MULTIBOOT2_FRAMEBUFFER_RGB,
                                                       .red = {8, 16},
                                                       .green = {7, 8},
                                                       .blue = {6, 1},
                                                       .present = true};
}

static void a_framebuffer_is_handed_on(void **state)
{
    (void)state;
    make_framebuffer();
    build();
    look_at_header();
    look_at_memory();
    assert_int_equal(field(0x0F, 1), 0x23); /* isVGA: VIDEO_TYPE_VLFB */
    assert_int_equal(field(0x12, 2), 1024);
    assert_int_equal(field(0x14, 2), 768);
    assert_int_equal(field(0x16, 2), 32);
    assert_int_equal(field(0x18, 4), 0xFD000000);
    assert_int_equal(field(0x1C, 4), 51); /* 4352 * 768 bytes, in 64 KiB: exactly */
    assert_int_equal(field(0x24, 2), 4352);
    assert_int_equal(field(0x26, 6), 0x010608071008); /* red, green, blue: bits, position */
    assert_int_equal(field(0x36, 4), 0);
    field(0x02, 2), field(0x1E0, 4), field(0x70, 8);
    assert_the_rest_is_zero();
    screen.framebuffer.height = 769;
    screen.framebuffer.address = 0x12FD000000;
    build();
    assert_int_equal(field(0x1C, 4), 52);
    assert_int_equal(field(0x18, 4), 0xFD000000);
    assert_int_equal(field(0x36, 4), 2); /* VIDEO_CAPABILITY_64BIT_BASE */
    assert_int_equal(field(0x3A, 4), 0x12);
}

/* isVGA, columns and lines are 0: Linux has no screen, rather than a wrong one. */
static void assert_no_screen(void)
{
    build();
    field(0x02, 2);
    for (unsigned i = 0; i < 0x40; i++)
        if (!looked_at[i])
            assert_int_equal(page[i], 0);
}

static void a_framebuffer_that_cannot_be_told_is_none(void **state)
{
    (void)state;
    make_framebuffer();
    screen.framebuffer.type = MULTIBOOT2_FRAMEBUFFER_INDEXED;
    assert_no_screen();
    make_framebuffer();
    screen.framebuffer.red.bits = 0;
    assert_no_screen();
    make_framebuffer();
    screen.framebuffer.width = 0x10000;
    assert_no_screen();
    make_framebuffer();
    screen.framebuffer.height = UINT32_MAX;
    assert_no_screen();
    make_framebuffer();
    screen.framebuffer.pitch_bytes = 0x10000;
    assert_no_screen();
}

static void a_text_framebuffer_is_a_text_screen(void **state)
{
    (void)state;
    make_framebuffer();
    screen.framebuffer.type = MULTIBOOT2_FRAMEBUFFER_TEXT;
    build();
    look_at_text();
}

/* SDM vol. 3A, figure "Segment Descriptor". */
static void the_gdt_is_flat(void **state)
{
    (void)state;
    static const struct {
        unsigned selector;
        uint8_t type;
    } flat[] = {{0x10, 0xB}, {0x18, 0x3}}; /* execute and read, read and write; accessed */
    assert_int_equal(LINUX_BOOT_CS, 0x10);
    assert_int_equal(LINUX_BOOT_DS, 0x18);
    assert_int_equal(linux_gdt[0] | linux_gdt[1], 0);
    for (size_t i = 0; i < ARRAY_SIZE(flat); i++) {
        uint64_t entry = linux_gdt[flat[i].selector / 8];
        assert_int_equal((entry & 0xFFFF) | (entry >> 32 & 0xF0000), 0xFFFFF); /* limit */
        assert_int_equal((entry >> 16 & 0xFFFFFF) | (entry >> 56), 0);         /* base */
        assert_int_equal(entry >> 40 & 0xFF, 0x90 | flat[i].type); /* present, ring 0, code/data */
        assert_int_equal(entry >> 52 & 0xF, 0xC);                  /* 4 KiB, 32-bit */
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_field_is_where_linux_reads_it_and_all_else_is_zero),
        cmocka_unit_test(a_kernel_that_stays_is_told_nothing_of_alignment),
        cmocka_unit_test(a_full_header_keeps_clear_of_what_follows),
        cmocka_unit_test(a_full_map_fits),
        cmocka_unit_test(memory_above_one_mib_is_what_is_usable_there),
        cmocka_unit_test(a_framebuffer_is_handed_on),
        cmocka_unit_test(a_framebuffer_that_cannot_be_told_is_none),
        cmocka_unit_test(a_text_framebuffer_is_a_text_screen),
        cmocka_unit_test(the_gdt_is_flat),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
