/* with: lib/symbols.c */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The table is the test's here, and changes. */
#define symbol_table    declared_table
#define symbol_count    declared_count
#define symbol_pairs    declared_pairs
#define symbol_debugger declared_debugger
#include "lib/symbols.h"
#undef symbol_table
#undef symbol_count
#undef symbol_pairs
#undef symbol_debugger

#define SEED      20260406u
#define CAPACITY  64
#define NAME_SIZE 8

uint32_t symbol_count;
uint64_t symbol_debugger = UINT64_MAX;
const uint8_t symbol_pairs[][2] = {
    {'m', 'e'}, /* 128 */
    {128, 'm'}, /* 129: "mem" */
    {129, 129}, /* 130: "memmem" */
    {'_', 130}, /* 131: "_memmem" */
    {132, 132}, /* 132: no end */
    {130, 130}, /* 133: 12 bytes */
    {133, 133}, /* 134: 24 bytes */
    {134, 134}, /* 135: 48 bytes */
};
uint8_t symbol_table[CAPACITY * (NAME_SIZE + 5)];
static uint32_t offsets[CAPACITY], used;
static const char *names[CAPACITY];

static unsigned below(unsigned limit) { return (unsigned)rand() % limit; }

static void start_table(void) { symbol_count = used = 0; }

static void add_symbol(uint32_t offset, const char *name)
{
    uint32_t gap = offset - (symbol_count ? offsets[symbol_count - 1] : 0);
    for (; gap >= 0x80; gap >>= 7)
        symbol_table[used++] = (uint8_t)(gap | 0x80);
    symbol_table[used++] = (uint8_t)gap;
    offsets[symbol_count] = offset;
    names[symbol_count++] = (const char *)symbol_table + used;
    strcpy((char *)symbol_table + used, name);
    used += (uint32_t)strlen(name) + 1;
}

/* The slow way: the last symbol that does not begin behind the address. */
static const char *model_lookup(uint64_t address, uint64_t *offset)
{
    const char *name = NULL;
    for (uint32_t i = 0; i < symbol_count; i++) {
        if (0xFFFFFFFF80000000 + offsets[i] > address)
            break;
        name = names[i];
        *offset = address - 0xFFFFFFFF80000000 - offsets[i];
    }
    return name != NULL && *name != '\0' ? name : NULL;
}

static void check_lookup(uint64_t address)
{
    uint64_t offset = 0, expected_offset = 0;
    const char *expected = model_lookup(address, &expected_offset);
    char name[SYMBOL_NAME_BYTES];
    const char *found = symbol_lookup(address, &offset, name);
    assert_int_equal(found != NULL, expected != NULL);
    if (expected == NULL)
        return;
    assert_string_equal(found, expected);
    assert_int_equal(offset, expected_offset);
}

static void every_address_has_the_name_that_a_linear_search_finds(void **state)
{
    (void)state;
    for (int round = 0; round < 1000; round++) {
        uint32_t at = below(20), stride = below(2) ? 20 : 0x3000000;
        start_table();
        for (unsigned count = below(CAPACITY + 1); count != 0; count--, at += 1 + below(stride)) {
            char name[NAME_SIZE];
            snprintf(name, sizeof(name), "f%u", symbol_count);
            add_symbol(at, below(8) ? name : "");
        }
        for (int i = 0; i < 100; i++)
            check_lookup(SYMBOL_BASE + (uint64_t)rand() % ((uint64_t)at + 40));
        for (uint32_t i = 0; i < symbol_count; i++)
            for (int delta = -1; delta <= 1; delta++)
                check_lookup(SYMBOL_BASE + offsets[i] + (uint64_t)delta);
    }
}

static void addresses_outside_the_image_have_no_name(void **state)
{
    (void)state;
    uint64_t offset;
    char name[SYMBOL_NAME_BYTES];
    start_table();
    assert_null(symbol_lookup(SYMBOL_BASE, &offset, name));
    add_symbol(0x1000, "first");
    add_symbol(0x2000, "");
    assert_null(symbol_lookup(0, &offset, name));
    assert_null(symbol_lookup(0x1000, &offset, name));
    assert_null(symbol_lookup(SYMBOL_BASE - 1, &offset, name));
    assert_null(symbol_lookup(SYMBOL_BASE + 0xFFF, &offset, name));
    assert_string_equal(symbol_lookup(SYMBOL_BASE + 0x1FFF, &offset, name), "first");
    assert_int_equal(offset, 0xFFF);
    assert_null(symbol_lookup(SYMBOL_BASE + 0x2000, &offset, name));
    assert_null(symbol_lookup(UINT64_MAX, &offset, name));
}

static void the_debugger_is_found_wherever_it_begins(void **state)
{
    (void)state;
    uint64_t offset;
    char name[SYMBOL_NAME_BYTES];
    start_table();
    add_symbol(0x1000, "core");
    add_symbol(0x2000, "");
    add_symbol(0x200010, "later");
    add_symbol(0x200030, "");
    for (symbol_debugger = SYMBOL_BASE + 0x3000; symbol_debugger < SYMBOL_BASE + 0x200000;
         symbol_debugger += 0x1000) {
        assert_string_equal(symbol_lookup(SYMBOL_BASE + 0x1001, &offset, name), "core");
        assert_null(symbol_lookup(symbol_debugger - 1, &offset, name));
        assert_null(symbol_lookup(symbol_debugger + 0xF, &offset, name));
        assert_string_equal(symbol_lookup(symbol_debugger + 0x2F, &offset, name), "later");
        assert_int_equal(offset, 0x1F);
        assert_null(symbol_lookup(symbol_debugger + 0x30, &offset, name));
    }
    symbol_debugger = UINT64_MAX;
}

static void a_byte_of_the_upper_half_is_a_pair(void **state)
{
    (void)state;
    uint64_t offset;
    char name[SYMBOL_NAME_BYTES];
    start_table();
    add_symbol(0, "\x80");
    add_symbol(1, "x\x81y");
    add_symbol(2, "\x83_\x82");
    assert_string_equal(symbol_lookup(SYMBOL_BASE, &offset, name), "me");
    assert_string_equal(symbol_lookup(SYMBOL_BASE + 1, &offset, name), "xmemy");
    assert_string_equal(symbol_lookup(SYMBOL_BASE + 2, &offset, name), "_memmem_memmem");
}

/* A table that breaks the generator's limits. */
static void a_name_is_cut_where_the_buffer_ends(void **state)
{
    (void)state;
    uint64_t offset;
    char name[SYMBOL_NAME_BYTES];
    start_table();
    add_symbol(0, "\x84\x84");
    add_symbol(1, "\x87\x87");
    assert_true(strlen(symbol_lookup(SYMBOL_BASE, &offset, name)) < SYMBOL_NAME_BYTES);
    assert_int_equal(strlen(symbol_lookup(SYMBOL_BASE + 1, &offset, name)), SYMBOL_NAME_BYTES - 1);
}

/* The generator: what it writes is compiled without a warning, and is as expected. */
static void run(const char *command, char *output, size_t size)
{
    FILE *pipe = popen(command, "r");
    assert_non_null(pipe);
    output[fread(output, 1, size - 1, pipe)] = '\0';
    if (pclose(pipe) != 0)
        fail_msg("%s: %s", command, output);
}

#define GENERATE "python3 tools/gen_symbols.py"
#define COMPILE                                                                                    \
    "gcc -std=gnu11 -ffreestanding -Wall -Wextra -Wpedantic -Werror -Wundef -Wmissing-prototypes " \
    "-I. -x c "                                                                                    \
    "-fsyntax-only - 2>&1"

static const char nm_output[] = "                 U undefined\n"
                                "0000000000000010 a constant\n"
                                "0000000000001000 T below_the_base\n"
                                "ffffffff80001000 t a_local\n"
                                "ffffffff80001000 T a_start\n"
                                "ffffffff80001000 R not_code\n"
                                "ffffffff80001040 t helper.constprop.0\n"
                                "ffffffff80001080 T z_alias\n"
                                "ffffffff80001080 T last\n"
                                "ffffffff80001200 A absolute\n"
                                "ffffffff80002000 R rodata\n"
                                "ffffffff80003000 D data\n"
                                "ffffffff80004000 R an_object\n"
                                "ffffffff80004000 t late\n"
                                "ffffffff80005000 B bss\n"
                                "ffffffff80006000 B debugger_start\n"
                                "ffffffff80006010 t of_it\n"
                                "ffffffff80007000 d its_data\n";

static void the_generator_keeps_one_function_an_address_and_closes_each_run(void **state)
{
    (void)state;
    static char command[2048], output[8192];
    snprintf(command, sizeof(command), "printf '%s' | " GENERATE, nm_output);
    run(command, output, sizeof(output));
    assert_non_null(
        strstr(output, "symbol_count __attribute__((section(\".rodata.symbols\"))) = 8;"));
    assert_non_null(strstr(output,
                           "symbol_table[] __attribute__((section(\".rodata.symbols\"))) = {\n"
                           "    128, 32, 97, 95, 115, 116, 97, 114, 116, 0, /* a_start */\n"
                           "    64, 104, 101, 108, 112, 101, 114, 0, /* helper */\n"
                           "    64, 108, 97, 115, 116, 0, /* last */\n"
                           "    128, 31, 0, /*  */\n"
                           "    128, 64, 108, 97, 116, 101, 0, /* late */\n"
                           "    128, 32, 0, /*  */\n"
                           "    144, 224, 126, 111, 102, 95, 105, 116, 0, /* of_it */\n"
                           "    240, 31, 0, /*  */\n};"));
    snprintf(command, sizeof(command), "printf '%s' | " GENERATE " | " COMPILE, nm_output);
    run(command, output, sizeof(output));
    assert_string_equal(output, "");
}

static void the_generator_makes_an_empty_table_of_nothing(void **state)
{
    (void)state;
    static char with_option[4096], without_input[4096], compiled[4096];
    run("printf '%s' 'ffffffff80001000 T f' | " GENERATE " --empty", with_option,
        sizeof(with_option));
    run(GENERATE " < /dev/null", without_input, sizeof(without_input));
    assert_non_null(strstr(with_option, "= 0;"));
    assert_string_equal(with_option, without_input);
    run(GENERATE " --empty | " COMPILE, compiled, sizeof(compiled));
    assert_string_equal(compiled, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_address_has_the_name_that_a_linear_search_finds),
        cmocka_unit_test(addresses_outside_the_image_have_no_name),
        cmocka_unit_test(the_debugger_is_found_wherever_it_begins),
        cmocka_unit_test(a_byte_of_the_upper_half_is_a_pair),
        cmocka_unit_test(a_name_is_cut_where_the_buffer_ends),
        cmocka_unit_test(the_generator_keeps_one_function_an_address_and_closes_each_run),
        cmocka_unit_test(the_generator_makes_an_empty_table_of_nothing),
    };
    printf("seed %u\n", SEED);
    srand(SEED);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
