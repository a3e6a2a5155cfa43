/* with: lib/string.c */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Ours stand beside the host's under other names. */
#define memcpy  ours_memcpy
#define memmove ours_memmove
#define memset  ours_memset
#define memcmp  ours_memcmp
#define strlen  ours_strlen
#define strnlen ours_strnlen
#define strcmp  ours_strcmp
#define strncmp ours_strncmp
#include "lib/libc.c"
#undef memcpy
#undef memmove
#undef memset
#undef memcmp
#undef strlen
#undef strnlen
#undef strcmp
#undef strncmp

#define SEED 20260401u

static unsigned below(unsigned limit) { return (unsigned)rand() % limit; }

static int sign(int x) { return (x > 0) - (x < 0); }

static void fill_random(uint8_t *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++)
        bytes[i] = (uint8_t)rand();
}

static void memcpy_copies_exactly_the_given_bytes(void **state)
{
    (void)state;
    uint8_t from[160], to[160], expected[160];
    for (int round = 0; round < 50000; round++) {
        size_t size = below(100), at = below(30), source = below(30);
        fill_random(from, sizeof(from));
        fill_random(to, sizeof(to));
        memcpy(expected, to, sizeof(to));
        for (size_t i = 0; i < size; i++)
            expected[at + i] = from[source + i];
        assert_ptr_equal(ours_memcpy(to + at, from + source, size), to + at);
        assert_memory_equal(to, expected, sizeof(to));
    }
}

static void memmove_is_right_for_every_overlap(void **state)
{
    (void)state;
    uint8_t bytes[96], expected[96], copy[96];
    for (size_t size = 0; size <= 40; size++) {
        for (size_t to = 0; to < 50; to++) {
            for (size_t from = 0; from < 50; from++) {
                fill_random(bytes, sizeof(bytes));
                memcpy(copy, bytes, sizeof(bytes));
                memcpy(expected, bytes, sizeof(bytes));
                for (size_t i = 0; i < size; i++)
                    expected[to + i] = copy[from + i];
                assert_ptr_equal(ours_memmove(bytes + to, bytes + from, size), bytes + to);
                assert_memory_equal(bytes, expected, sizeof(bytes));
            }
        }
    }
}

static void memset_sets_exactly_the_given_bytes(void **state)
{
    (void)state;
    uint8_t bytes[128], expected[128];
    for (int round = 0; round < 20000; round++) {
        size_t size = below(90), at = below(30);
        int value = rand(); /* only its low byte counts */
        fill_random(bytes, sizeof(bytes));
        memcpy(expected, bytes, sizeof(bytes));
        for (size_t i = 0; i < size; i++)
            expected[at + i] = (uint8_t)value;
        assert_ptr_equal(ours_memset(bytes + at, value, size), bytes + at);
        assert_memory_equal(bytes, expected, sizeof(bytes));
    }
}

/* The buffers are as long as what may be read, so that ASan sees a byte too many. */
static void memcmp_orders_as_libc_does_and_reads_no_further(void **state)
{
    (void)state;
    for (int round = 0; round < 20000; round++) {
        size_t size = below(40);
        uint8_t *a = malloc(size), *b = malloc(size);
        fill_random(a, size);
        for (size_t i = 0; i < size; i++)
            b[i] = a[i];
        if (size != 0 && below(4) != 0)
            b[below((unsigned)size)] ^= (uint8_t)(1u << below(8));
        assert_int_equal(sign(ours_memcmp(a, b, size)), size == 0 ? 0 : sign(memcmp(a, b, size)));
        free(a);
        free(b);
    }
}

/* A text of few different characters, so that prefixes are often equal; Latin-1 ones among them. */
static char *random_text(unsigned longest)
{
    size_t length = below(longest + 1);
    char *text = malloc(length + 1);
    for (size_t i = 0; i < length; i++)
        text[i] = "ab\xe9"[below(3)];
    text[length] = '\0';
    return text;
}

static void text_functions_agree_with_libc(void **state)
{
    (void)state;
    for (int round = 0; round < 50000; round++) {
        char *a = random_text(5), *b = random_text(5);
        size_t limit = below(8);
        assert_int_equal(ours_strlen(a), strlen(a));
        assert_int_equal(ours_strnlen(a, limit), strnlen(a, limit));
        assert_int_equal(sign(ours_strcmp(a, b)), sign(strcmp(a, b)));
        assert_int_equal(sign(ours_strncmp(a, b, limit)), sign(strncmp(a, b, limit)));
        assert_int_equal(string_starts_with(a, b), strstr(a, b) == a);
        free(a);
        free(b);
    }
}

static void limited_functions_need_no_terminator(void **state)
{
    (void)state;
    char *a = malloc(3), *b = malloc(3);
    memcpy(a, "xyz", 3);
    memcpy(b, "xyz", 3);
    assert_int_equal(ours_strnlen(a, 3), 3);
    assert_int_equal(ours_strncmp(a, b, 3), 0);
    free(a);
    free(b);
}

static void string_copy_terminates_and_tells_a_cut(void **state)
{
    (void)state;
    for (size_t size = 0; size < 8; size++) {
        for (size_t length = 0; length < 8; length++) {
            char source[] = "abcdefgh";
            source[length] = '\0';
            char *to = malloc(size);
            assert_int_equal(string_copy(to, size, source), length >= size);
            if (size != 0) {
                size_t kept = length < size ? length : size - 1;
                assert_int_equal(strlen(to), kept);
                assert_memory_equal(to, source, kept);
            }
            free(to);
        }
    }
}

static void string_copy_reads_no_more_than_it_has_room_for(void **state)
{
    (void)state;
    char *source = malloc(4), to[4];
    memcpy(source, "abcd", 4);
    assert_true(string_copy(to, sizeof(to), source));
    assert_string_equal(to, "abc");
    free(source);
}

static bool parse(const char *text, uint64_t *value)
{
    size_t length = strlen(text);
    char *bytes = malloc(length);
    memcpy(bytes, text, length);
    bool good = string_parse_u64(bytes, length, value);
    free(bytes);
    return good;
}

static void parse_reads_back_every_printed_number(void **state)
{
    (void)state;
    static const char *const formats[] = {"%llu", "0x%llx", "0X%llX", "000%llu", "0x00%llx"};
    for (int round = 0; round < 50000; round++) {
        uint64_t number = (((uint64_t)rand() << 33) ^ ((uint64_t)rand() << 11) ^ (uint64_t)rand());
        number >>= below(64);
        if (round < 3)
            number = round == 0 ? 0 : round == 1 ? UINT64_MAX : (uint64_t)INT64_MAX + 1;
        for (size_t i = 0; i < 5; i++) {
            char text[40];
            uint64_t value = ~number;
            snprintf(text, sizeof(text), formats[i], (unsigned long long)number);
            assert_true(parse(text, &value));
            assert_true(value == number);
        }
    }
}

static void parse_refuses_what_is_no_number_or_too_large(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "0x",
        "x",
        "0xg",
        "1a",
        "12 ",
        " 12",
        "+1",
        "-1",
        "1.0",
        "0x1 ",
        "0x-1",
        "0x0x",
        "a",
        "1/",
        "1:",
        "0x@1",
        "0x`",
        "1\x10",
        "18446744073709551616",
        "18446744073709551620",
        "99999999999999999999",
        "0x10000000000000000",
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        uint64_t value = 77;
        if (parse(bad[i], &value))
            fail_msg("accepted \"%s\"", bad[i]);
        assert_int_equal(value, 77);
    }
}

static void parse_looks_at_no_byte_behind_the_length(void **state)
{
    (void)state;
    uint64_t value = 0;
    assert_true(string_parse_u64("123456", 3, &value));
    assert_int_equal(value, 123);
    assert_true(string_parse_u64("0x12", 1, &value));
    assert_int_equal(value, 0);
    assert_false(string_parse_u64("0x12", 2, &value));
}

static void a_number_s_text_is_found_behind_the_others(void **state)
{
    (void)state;
    static const uint8_t numbers[] = {0, 7, 3};
    static const char texts[] = "none\0\0three\0";
    assert_string_equal(string_numbered(numbers, 3, texts, 0), "none");
    assert_string_equal(string_numbered(numbers, 3, texts, 7), "");
    assert_string_equal(string_numbered(numbers, 3, texts, 3), "three");
    assert_null(string_numbered(numbers, 3, texts, 1));
    assert_null(string_numbered(numbers, 3, texts, 256)); /* no 0 */
    assert_null(string_numbered(numbers, 0, texts, 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memcpy_copies_exactly_the_given_bytes),
        cmocka_unit_test(memmove_is_right_for_every_overlap),
        cmocka_unit_test(memset_sets_exactly_the_given_bytes),
        cmocka_unit_test(memcmp_orders_as_libc_does_and_reads_no_further),
        cmocka_unit_test(text_functions_agree_with_libc),
        cmocka_unit_test(limited_functions_need_no_terminator),
        cmocka_unit_test(string_copy_terminates_and_tells_a_cut),
        cmocka_unit_test(string_copy_reads_no_more_than_it_has_room_for),
        cmocka_unit_test(parse_reads_back_every_printed_number),
        cmocka_unit_test(parse_refuses_what_is_no_number_or_too_large),
        cmocka_unit_test(parse_looks_at_no_byte_behind_the_length),
        cmocka_unit_test(a_number_s_text_is_found_behind_the_others),
    };
    printf("seed %u\n", SEED);
    srand(SEED);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
