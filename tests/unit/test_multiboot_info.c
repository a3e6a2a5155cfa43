/* with: loader/multiboot_info.c boot/bootinfo.c boot/bootinfo_map.c mm/memmap.c mm/memmap_find.c */
/* What is told, read again: version 2 by the parser that reads GRUB's, version 1 by hand. */
#include "base/bits.h"
#include "boot/multiboot1.h"
#include "boot/multiboot2.h"
#include "loader/multiboot_info.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static uint8_t made[MULTIBOOT_INFO_BYTES + 64] __attribute__((aligned(8)));
static struct multiboot_image image;
static struct multiboot_plan plan;
static struct multiboot_told told;
static struct bootinfo info, again;
static struct memory_map map;
static const uint32_t modules[] = {3, 1};

static void add_range(uint64_t base, uint64_t end, uint32_t type)
{
    assert_int_equal(memory_map_add(&map, base, end - base, type), ERROR_NONE);
}

static void add_machine_tag(uint32_t type, const void *body, uint32_t bytes)
{
    const struct multiboot2_tag tag = {type, 8 + bytes};
    memcpy(info.machine + info.machine_bytes, &tag, 8);
    memcpy(info.machine + info.machine_bytes + 8, body, bytes);
    info.machine_bytes += (uint32_t)ALIGN_UP(8 + bytes, 8);
}

static const uint8_t device[12] = {0x81, 0, 0, 0, 1, 0, 0, 0, 0xFF, 0xFF, 0xFF, 0xFF};
static const uint8_t screen[30] = {0, 0, 0, 0xE0, 0, 0,  0, 0, 0, 16, 0, 0, 0, 4, 0,
                                   0, 0, 3, 0,    0, 32, 1, 0, 0, 16, 8, 8, 8, 0, 8};
static const char rsdp[36] = "RSD PTR xBOCHS \002";

static void make_world(uint32_t version)
{
    memset(made, 0, sizeof(made));
    memset(made + MULTIBOOT_INFO_BYTES, 0xEE, 64);
    memset(&info, 0, sizeof(info));
    memset(&map, 0, sizeof(map));
    image = (struct multiboot_image){.version = version};
    plan = (struct multiboot_plan){.load_base = 0x123000,
                                   .info_at = 0x200000,
                                   .modules = {{0x300000, 0x300400, 0}, {0x400000, 0x400001, 0}}};
    add_range(0, 0x9F000, MEMORY_USABLE);
    add_range(0x9F000, 0xA0000, MEMORY_RESERVED);
    add_range(MIB(1), MIB(64), MEMORY_USABLE);
    add_range(MIB(64), MIB(66), MEMORY_RESERVED);
    add_range(GIB(4), GIB(6), MEMORY_USABLE);
    info.modules[1].string = "second";
    info.modules[3].string = "first a=b";
    info.framebuffer = (struct bootinfo_framebuffer){.present = true, .type = 1};
    add_machine_tag(MULTIBOOT2_TAG_BOOT_DEVICE, device, sizeof(device));
    add_machine_tag(MULTIBOOT2_TAG_FRAMEBUFFER, screen, sizeof(screen));
    add_machine_tag(MULTIBOOT2_TAG_RSDP_V1, rsdp, 20);
    add_machine_tag(MULTIBOOT2_TAG_RSDP_V2, rsdp, 36);
    told = (struct multiboot_told){&info, &map, "one two", "Orlop", 2, modules};
}

static void build(void)
{
    multiboot_info_build(&image, &plan, &told, made);
    for (unsigned i = 0; i < 64; i++)
        assert_int_equal(made[MULTIBOOT_INFO_BYTES + i], 0xEE);
}

static void read_again(void)
{
    uint32_t total;
    build();
    memcpy(&total, made, 4);
    assert_true(total % 8 == 0 && total <= MULTIBOOT_INFO_BYTES);
    assert_int_equal(bootinfo_parse(made, total, &again), ERROR_NONE);
}

static void version_2_is_what_our_own_parser_reads(void **state)
{
    (void)state;
    make_world(2);
    read_again();
    assert_string_equal(again.command_line, "one two");
    assert_string_equal(again.loader_name, "Orlop");
    assert_int_equal(again.load_base, 0x123000);
    assert_int_equal(again.lower_kib, 0x9F000 / 1024);
    assert_int_equal(again.upper_kib, 63 * 1024);
    assert_int_equal(again.module_count, 2);
    assert_string_equal(again.modules[0].string, "first a=b");
    assert_int_equal(again.modules[0].start, 0x300000);
    assert_int_equal(again.modules[0].end, 0x300400);
    assert_string_equal(again.modules[1].string, "second");
    assert_int_equal(again.modules[1].end, 0x400001);
    assert_int_equal(again.memory_count, map.count);
    for (unsigned i = 0; i < map.count; i++) {
        assert_int_equal(again.memory[i].base, map.ranges[i].base);
        assert_int_equal(again.memory[i].length_bytes, map.ranges[i].end - map.ranges[i].base);
        assert_int_equal(again.memory[i].type, map.ranges[i].type);
    }
    assert_int_equal(again.machine_bytes, info.machine_bytes);
    assert_memory_equal(again.machine, info.machine, info.machine_bytes);
    assert_int_equal(again.rsdp_bytes, 36);
    assert_int_equal(again.framebuffer.width, 1024);
    assert_int_equal(again.framebuffer.green.position, 8);
}

static const void *at(uint32_t address)
{
    assert_in_range(address, plan.info_at, plan.info_at + MULTIBOOT_INFO_BYTES - 1);
    return made + (address - plan.info_at);
}

static void version_1_is_as_its_specification_says(void **state)
{
    (void)state;
    struct multiboot1_information head;
    make_world(1);
    build();
    memcpy(&head, made, sizeof(head));
    assert_int_equal(head.flags, 0x1 | 0x2 | 0x4 | 0x8 | 0x40 | 0x200 | 0x1000);
    assert_int_equal(head.lower_kib, 0x9F000 / 1024);
    assert_int_equal(head.upper_kib, 63 * 1024);
    assert_int_equal(head.boot_device, 0x8101FFFF);
    assert_string_equal(at(head.command_line), "one two");
    assert_string_equal(at(head.loader_name), "Orlop");
    assert_int_equal(head.module_count, 2);
    const struct multiboot1_module *module = at(head.modules);
    assert_int_equal(head.modules % 4, 0);
    assert_int_equal(module[0].start, 0x300000);
    assert_int_equal(module[0].end, 0x300400);
    assert_string_equal(at(module[0].string), "first a=b");
    assert_string_equal(at(module[1].string), "second");
    assert_int_equal(head.memory_map_bytes, 24 * map.count);
    const struct multiboot1_memory_entry *entry = at(head.memory_map);
    for (unsigned i = 0; i < map.count; i++) {
        assert_int_equal(entry[i].bytes, 20);
        assert_int_equal(entry[i].base, map.ranges[i].base);
        assert_int_equal(entry[i].length_bytes, map.ranges[i].end - map.ranges[i].base);
        assert_int_equal(entry[i].type, map.ranges[i].type);
    }
    assert_memory_equal(head.framebuffer, screen, 22);
    assert_memory_equal(head.framebuffer + 22, screen + 24, 6);
}

static void what_is_not_there_is_not_told(void **state)
{
    (void)state;
    struct multiboot1_information head;
    make_world(1);
    info.framebuffer.type = 0; /* with a palette */
    build();
    memcpy(&head, made, sizeof(head));
    assert_int_equal(head.flags & MULTIBOOT1_FRAMEBUFFER, 0);
    make_world(1);
    info.machine_bytes = 0;
    told.module_count = 0;
    build();
    memcpy(&head, made, sizeof(head));
    assert_int_equal(head.flags & (MULTIBOOT1_FRAMEBUFFER | MULTIBOOT1_BOOT_DEVICE), 0);
    assert_int_equal(head.module_count, 0);
    make_world(2);
    info.machine_bytes = 0;
    told.module_count = 0;
    read_again();
    assert_int_equal(again.module_count, 0);
    assert_int_equal(again.rsdp_bytes, 0);
    assert_false(again.framebuffer.present);
}

static void put_sections(void)
{
    image.is_elf = true;
    image.sections = (struct elf_sections){.count = 3, .header_bytes = 40, .names = 2};
    for (unsigned i = 0; i < 120; i++)
        image.sections.headers[i] = (uint8_t)(i + 1);
}

static void an_elf_files_sections_are_told(void **state)
{
    (void)state;
    struct multiboot1_information head;
    uint32_t tag[5];
    make_world(1);
    put_sections();
    build();
    memcpy(&head, made, sizeof(head));
    assert_int_equal(head.flags & MULTIBOOT1_ELF_SECTIONS, MULTIBOOT1_ELF_SECTIONS);
    assert_int_equal(head.symbols[0], 3);
    assert_int_equal(head.symbols[1], 40);
    assert_int_equal(head.symbols[2] % 8, 0);
    assert_memory_equal(at(head.symbols[2]), image.sections.headers, 120);
    assert_int_equal(head.symbols[3], 2);
    make_world(2);
    put_sections();
    read_again();
    unsigned where = 8;
    do {
        memcpy(tag, made + where, sizeof(tag));
        where += (unsigned)ALIGN_UP(tag[1], 8);
    } while (tag[0] != MULTIBOOT2_TAG_ELF_SECTIONS && tag[0] != MULTIBOOT2_TAG_END);
    where -= (unsigned)ALIGN_UP(tag[1], 8);
    assert_int_equal(tag[0], MULTIBOOT2_TAG_ELF_SECTIONS);
    assert_int_equal(tag[1], 20 + 120);
    assert_int_equal(tag[2], 3);
    assert_int_equal(tag[3], 40);
    assert_int_equal(tag[4], 2);
    assert_memory_equal(made + where + 20, image.sections.headers, 120);
    assert_int_equal(again.memory_count, map.count);
    assert_int_equal(again.rsdp_bytes, 36);
}

/* The longest strings, modules, map and tags that there can be. */
static void all_that_can_be_told_fits(void **state)
{
    (void)state;
    static char line[BOOTINFO_STRINGS_BYTES], name[MULTIBOOT_LOADER_NAME_BYTES];
    static const uint32_t seven[] = {1, 2, 3, 4, 5, 6, 7};
    for (uint32_t version = 1; version <= 2; version++) {
        make_world(version);
        memset(&map, 0, sizeof(map));
        for (unsigned i = 0; i < MEMORY_MAP_MAX; i++)
            map.ranges[map.count++] = (struct memory_range){MIB(2 * i), MIB(2 * i + 1), 1};
        memset(line, 'x', sizeof(line) - 8);
        memset(name, 'n', sizeof(name) - 1);
        for (unsigned i = 1; i < BOOTINFO_MAX_MODULES; i++)
            info.modules[i].string = "";
        info.machine_bytes = 0;
        add_machine_tag(MULTIBOOT2_TAG_VBE, line, BOOTINFO_MACHINE_BYTES - 8);
        told = (struct multiboot_told){&info, &map, line, name, 7, seven};
        put_sections();
        image.sections.count = ELF_SECTIONS_MAX;
        image.sections.header_bytes = ELF_SECTION_BYTES_MAX;
        if (version == 1)
            build();
        else
            read_again();
    }
    assert_int_equal(again.memory_count, MEMORY_MAP_MAX);
    assert_int_equal(again.machine_bytes, BOOTINFO_MACHINE_BYTES);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(version_2_is_what_our_own_parser_reads),
        cmocka_unit_test(version_1_is_as_its_specification_says),
        cmocka_unit_test(what_is_not_there_is_not_told),
        cmocka_unit_test(an_elf_files_sections_are_told),
        cmocka_unit_test(all_that_can_be_told_fits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
