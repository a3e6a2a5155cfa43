/* with: lib/format.c lib/string.c */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/format.h"

#define SEED 20260402u

static unsigned below(unsigned limit) { return (unsigned)rand() % limit; }

static uint64_t random_number(void)
{
    uint64_t number = (uint64_t)rand() << 33 ^ (uint64_t)rand() << 11 ^ (uint64_t)rand();
    number >>= below(64);
    return below(2) ? number : -number;
}

/* "%", some of `flags`, perhaps a width and a precision. */
static char *begin_spec(char *at, const char *flags)
{
    *at++ = '%';
    for (const char *flag = flags; *flag != '\0'; flag++)
        if (below(3) == 0)
            *at++ = *flag;
    if (below(2))
        at += sprintf(at, "%u", 1 + below(25));
    if (below(3) == 0)
        at += sprintf(at, below(4) ? ".%u" : ".", below(25));
    return at;
}

static void check(const char *spec, const char *ours, size_t length, const char *theirs,
                  int their_length)
{
    if (strcmp(ours, theirs) != 0 || length != (size_t)their_length)
        fail_msg("\"%s\": \"%s\" (%zu), not \"%s\" (%d)", spec, ours, length, theirs, their_length);
}

/* The arguments are evaluated twice. */
#define COMPARE(spec, ...)                                                                         \
    do {                                                                                           \
        char ours[128], theirs[128];                                                               \
        size_t size = 1 + below(3) * 40;                                                           \
        size_t length = format(ours, size, spec, __VA_ARGS__);                                     \
        int their_length = snprintf(theirs, size, spec, __VA_ARGS__);                              \
        check(spec, ours, length, theirs, their_length);                                           \
    } while (0)

static void numbers_print_as_libc_prints_them(void **state)
{
    (void)state;
    static const char *const sizes[] = {"", "hh", "h", "l", "ll", "z"};
    for (int round = 0; round < 200000; round++) {
        char spec[40];
        static const char *const flags[] = {"-0+ ", "-0+ ", "-0", "-0#", "-0#"};
        unsigned conversion = below(5), size = below(6);
        uint64_t number = random_number();
        sprintf(begin_spec(spec, flags[conversion]), "%s%c", sizes[size], "diuxX"[conversion]);
        if (size < 3)
            COMPARE(spec, (unsigned)number);
        else
            COMPARE(spec, number);
    }
}

static void texts_print_as_libc_prints_them(void **state)
{
    (void)state;
    for (int round = 0; round < 50000; round++) {
        char spec[40];
        size_t length = below(30);
        char *text = malloc(length + 1);
        memset(text, 'a' + (int)below(26), length);
        text[length] = '\0';
        strcpy(begin_spec(spec, "-"), "s|");
        COMPARE(spec, text);
        free(text);
    }
}

static void widths_and_precisions_come_from_arguments_too(void **state)
{
    (void)state;
    for (int round = 0; round < 50000; round++) {
        int width = (int)below(40) - 20, precision = (int)below(20) - 5;
        uint64_t number = random_number();
        COMPARE("%*d|", width, (int)number);
        COMPARE("%0*x|", width, (unsigned)number);
        COMPARE("%.*s|", precision, "some words");
        COMPARE("%-*.*s|", width, precision, "some words");
        COMPARE("%*.*lu|", width, precision, number);
        COMPARE("%*c%-3c|%%|", width, 'x', 'y');
    }
}

static void arguments_are_taken_in_order(void **state)
{
    (void)state;
    for (int round = 0; round < 1000; round++) {
        uint64_t a = random_number(), b = random_number(), c = random_number();
        COMPARE("%s %d: %lx %hhu%% %c %zu %s %llx %i", "area", (int)a, b, (unsigned char)c, 'x', c,
                "end", (unsigned long long)a, (int)b);
    }
}

#define EXPECT(expected, ...)                                                                      \
    do {                                                                                           \
        char text[128];                                                                            \
        assert_int_equal(format(text, sizeof(text), __VA_ARGS__), strlen(expected));               \
        assert_string_equal(text, expected);                                                       \
    } while (0)

static void pointers_print_in_hexadecimal(void **state)
{
    (void)state;
    EXPECT("0xffffffff80001234", "%p", (void *)0xffffffff80001234);
    EXPECT("0x0", "%p", (void *)0);
    const char *volatile narrow = "%02p"; /* gcc warns of the flag */
    EXPECT("0x0", narrow, (void *)0);
    EXPECT("      0x10|0x10  |", "%10p|%-6p|", (void *)16, (void *)16);
}

static void a_null_text_is_shown(void **state)
{
    (void)state;
    const char *volatile none = NULL; /* hidden from the compiler's own check */
    EXPECT("(null)|  (null)|(nu|", "%s|%8s|%.3s|", none, none, none);
}

static void a_limited_text_needs_no_terminator(void **state)
{
    (void)state;
    char *bytes = malloc(3);
    memcpy(bytes, "abc", 3);
    EXPECT("abc ab", "%.*s %.2s", 3, bytes, bytes);
    free(bytes);
}

/* The compiler would refuse these as literals. */
static void what_is_unknown_is_copied_and_takes_no_argument(void **state)
{
    (void)state;
    static const struct {
        const char *format, *expected;
    } cases[] = {
        {"%n", "%n"},         {"%q %d", "%q %d"},
        {"%5", "%5"},         {"%", "%"},
        {"%ls", "%ls"},       {"%hc", "%hc"},
        {"%hs %u", "%hs %u"}, {"%-8.3lld%f %s %u", "011     %f %s %u"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char text[64];
        const char *volatile fmt = cases[i].format;
        assert_int_equal(format(text, sizeof(text), fmt, 11ll), strlen(cases[i].expected));
        assert_string_equal(text, cases[i].expected);
    }
}

static void every_buffer_size_is_kept_to(void **state)
{
    (void)state;
    static const char whole[] = "cpu3 exit:   -42 0x00ff";
    for (size_t size = 0; size < sizeof(whole) + 3; size++) {
        char *buffer = malloc(size);
        size_t length = format(buffer, size, "cpu%u %s: %5d %#06x", 3, "exit", -42, 0xff);
        assert_int_equal(length, sizeof(whole) - 1);
        if (size != 0) {
            size_t kept = size < sizeof(whole) ? size - 1 : sizeof(whole) - 1;
            assert_memory_equal(buffer, whole, kept);
            assert_int_equal(buffer[kept], '\0');
        }
        free(buffer);
    }
}

static void huge_fields_are_limited(void **state)
{
    (void)state;
    static const int huge[] = {INT32_MAX, INT32_MIN, FORMAT_FIELD_MAX + 1, -FORMAT_FIELD_MAX - 1};
    char text[16];
    const char *volatile fmt = "%99999999999999999999d";
    assert_int_equal(format(text, sizeof(text), fmt, 1), FORMAT_FIELD_MAX);
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(format(text, sizeof(text), "%*d", huge[i], 1), FORMAT_FIELD_MAX);
    assert_int_equal(format(text, sizeof(text), "%.*d", huge[0], 1), FORMAT_FIELD_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_print_as_libc_prints_them),
        cmocka_unit_test(texts_print_as_libc_prints_them),
        cmocka_unit_test(widths_and_precisions_come_from_arguments_too),
        cmocka_unit_test(arguments_are_taken_in_order),
        cmocka_unit_test(pointers_print_in_hexadecimal),
        cmocka_unit_test(a_null_text_is_shown),
        cmocka_unit_test(a_limited_text_needs_no_terminator),
        cmocka_unit_test(what_is_unknown_is_copied_and_takes_no_argument),
        cmocka_unit_test(every_buffer_size_is_kept_to),
        cmocka_unit_test(huge_fields_are_limited),
    };
    printf("seed %u\n", SEED);
    srand(SEED);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
