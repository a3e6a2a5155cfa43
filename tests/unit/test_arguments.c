/* with: debug/arguments.c lib/format.c lib/string.c */
/* A command's words, and sums of numbers and registers. */
#include "debug/arguments.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct arguments arguments;
static char line[256];

static bool a_register(const char *name, uint64_t *value)
{
    *value = strcmp(name, "rip") == 0 ? 0xFFFFFFFF81000000ull : 0x1000;
    return strcmp(name, "rip") == 0 || strcmp(name, "fs_base") == 0 || name[0] == 'x';
}

static bool split(const char *text)
{
    snprintf(line, sizeof(line), "%s", text);
    memset(&arguments, 0x5A, sizeof(arguments));
    arguments.read_register = a_register;
    return arguments_split(&arguments, line);
}

static void words_are_parted_by_blanks(void **state)
{
    (void)state;
    assert_true(split("  walk\t 0x1000   2 "));
    assert_string_equal(arguments.name, "walk");
    assert_string_equal(arguments.suffix, "");
    assert_int_equal(arguments.count, 2);
    assert_string_equal(arguments.words[0], "0x1000");
    assert_string_equal(arguments.words[1], "2");

    assert_true(split("x/16b a/b"));
    assert_string_equal(arguments.name, "x");
    assert_string_equal(arguments.suffix, "16b");
    assert_string_equal(arguments.words[0], "a/b");

    assert_true(split(" \t "));
    assert_string_equal(arguments.name, "");
    assert_int_equal(arguments.count, 0);
}

static void a_word_too_many_is_named(void **state)
{
    (void)state;
    assert_true(split("c 1 2 3 4 5 6 7 8 "));
    assert_int_equal(arguments.count, ARGUMENTS_MAX);
    assert_string_equal(arguments.words[7], "8");
    assert_false(split("c 1 2 3 4 5 6 7 8 9"));
    assert_non_null(strstr(arguments.error, "\"9\""));
}

static void good_sums_are_added(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint64_t value;
    } sums[] = {
        {"0", 0},
        {"10", 10},
        {"0x10", 16},
        {"0XfF", 255},
        {"-1", UINT64_MAX},
        {"18446744073709551615", UINT64_MAX},
        {"0xffffffffffffffff+2", 1},
        {"$rip", 0xFFFFFFFF81000000ull},
        {"$rip+0x10-1", 0xFFFFFFFF8100000Full},
        {"-$fs_base+1", -0xFFFull},
        {"4-$fs_base-4", -0x1000ull},
    };
    split("");
    for (size_t i = 0; i < sizeof(sums) / sizeof(sums[0]); i++) {
        uint64_t value = 0x5A5A;
        if (!arguments_sum(&arguments, sums[i].text, &value) || value != sums[i].value)
            fail_msg("%s is 0x%llx", sums[i].text, (unsigned long long)value);
    }
}

static void bad_sums_are_named_with_their_term(void **state)
{
    (void)state;
    static const struct {
        const char *text, *named;
    } sums[] = {
        {"", "\"\" is no number"},
        {"ffff", "\"ffff\" is no number"},
        {"0x", "\"0x\" is no number"},
        {"1+", "\"\" is no number"},
        {"1++2", "\"\" is no number"},
        {"--1", "\"\" is no number"},
        {"1+0x1g+2", "\"0x1g\" is no number"},
        {"18446744073709551616", "\"18446744073709551616\" is no number of 64 bits"},
        {"1-$rop", "\"$rop\" is no register"},
        {"$", "\"$\" is no register"},
        {"$xip1234567890123456789012345678901234567890", "\"$xip123456789012345678901234567\" is"},
        {"1*2", "\"1*2\" is no number"},
    };
    split("");
    for (size_t i = 0; i < sizeof(sums) / sizeof(sums[0]); i++) {
        uint64_t value = 0x5A5A;
        arguments.error[0] = '\0';
        if (arguments_sum(&arguments, sums[i].text, &value) || value != 0x5A5A ||
            !strstr(arguments.error, sums[i].named))
            fail_msg("%s: %s", sums[i].text, arguments.error);
    }
    uint64_t value;
    arguments.read_register = NULL;
    assert_false(arguments_sum(&arguments, "$rip", &value));
}

static void a_missing_number_is_named(void **state)
{
    (void)state;
    uint64_t value = 0;
    split("walk 5");
    assert_true(arguments_number(&arguments, 0, "an address", &value));
    assert_int_equal(value, 5);
    assert_false(arguments_number(&arguments, 1, "an address", &value));
    assert_string_equal(arguments.error, "an address is missing: see `help walk`");
}

static void a_suffix_is_a_count_and_a_letter(void **state)
{
    (void)state;
    static const struct {
        const char *line;
        uint64_t count;
        char letter;
    } good[] = {
        {"x", 7, 'z'},  {"x/16b", 16, 'b'},  {"x/b", 7, 'b'},
        {"x/", 7, 'z'}, {"x/0x10", 16, 'z'}, {"x/100d", 100, 'd'},
    };
    static const char *const bad[] = {"x/0", "x/101", "x/16z", "x/bb", "x/-1", "x/0xg"};
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        uint64_t count = 7;
        char letter = 'z';
        split(good[i].line);
        if (!arguments_suffix(&arguments, "bd", 100, &count, &letter) || count != good[i].count ||
            letter != good[i].letter)
            fail_msg("%s: %llu%c", good[i].line, (unsigned long long)count, letter);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        uint64_t count = 7;
        char letter = 'z';
        split(bad[i]);
        if (arguments_suffix(&arguments, "bd", 100, &count, &letter) || count != 7 || letter != 'z')
            fail_msg("%s is taken", bad[i]);
    }
    uint64_t count = 0;
    char letter = 0;
    split("exits/500");
    assert_false(arguments_suffix(&arguments, "", 256, &count, &letter));
    assert_string_equal(arguments.error, "\"/500\" is no count from 1 to 256");
}

static void a_word_is_cut_at_its_first_equals_sign(void **state)
{
    (void)state;
    char word[] = "GUEST_RIP=1=2", plain[] = "rip";
    assert_string_equal(arguments_cut(word), "1=2");
    assert_string_equal(word, "GUEST_RIP");
    assert_null(arguments_cut(plain));
}

static void names_are_matched_whatever_their_blanks_and_letters(void **state)
{
    (void)state;
    static const struct {
        const char *word;
        enum match match;
    } rows[] = {
        {"guest_rip", MATCH_WHOLE},
        {"GUEST-RIP", MATCH_WHOLE},
        {"guest_ri", MATCH_PART},
        {"rip", MATCH_PART},
        {"", MATCH_PART},
        {"guest_rip_", MATCH_NONE},
        {"guest_rip_more", MATCH_NONE},
        {"guestrip", MATCH_NONE},
        {"t r", MATCH_PART},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        if (arguments_match(rows[i].word, "guest RIP") != rows[i].match)
            fail_msg("\"%s\"", rows[i].word);
    assert_int_equal(arguments_match("vm_exit", "primary VM-exit controls"), MATCH_PART);
    assert_int_equal(arguments_match("a", ""), MATCH_NONE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_are_parted_by_blanks),
        cmocka_unit_test(a_word_too_many_is_named),
        cmocka_unit_test(good_sums_are_added),
        cmocka_unit_test(bad_sums_are_named_with_their_term),
        cmocka_unit_test(a_missing_number_is_named),
        cmocka_unit_test(a_suffix_is_a_count_and_a_letter),
        cmocka_unit_test(a_word_is_cut_at_its_first_equals_sign),
        cmocka_unit_test(names_are_matched_whatever_their_blanks_and_letters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
