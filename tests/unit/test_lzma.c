/* with: lib/lzma.c */
/* A stream that Python packed, whole, cut and spoilt. Each buffer is as large as it is said to be,
 * and an allocation of its own, so that one byte beside it is found. More streams: test_lzma.py. */
#include "lib/lzma.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define PLAIN_BYTES 20000u

static const uint8_t stream[] = {
#include "tests/data/lzma/stream.inc"
};
static uint8_t plain[PLAIN_BYTES];
static struct lzma lzma;

static uint32_t drawn = 1;
static uint32_t draw(uint32_t limit)
{
    drawn = drawn * 1103515245 + 12345;
    return (drawn >> 16) % limit;
}

/* Single bytes, and copies of what came before: short, long, from near and from far. */
static int make_plain(void **state)
{
    static const uint32_t distances[] = {4, 200, 60000}, lengths[] = {12, 40, 400};
    (void)state;
    for (uint32_t at = 0; at < PLAIN_BYTES;) {
        uint32_t kind = draw(4);
        if (kind == 0 || at < 8) {
            plain[at++] = (uint8_t)draw(256);
            continue;
        }
        uint32_t most = distances[kind - 1], distance = 1 + draw(at < most ? at : most);
        for (uint32_t left = 1 + draw(lengths[kind - 1]); left && at < PLAIN_BYTES; left--, at++)
            plain[at] = plain[at - distance];
    }
    return 0;
}

static enum error unpack(const uint8_t *bytes, size_t in_bytes, uint8_t **out, size_t out_bytes)
{
    uint8_t *in = malloc(in_bytes + !in_bytes);
    memcpy(in, bytes, in_bytes);
    *out = malloc(out_bytes + !out_bytes);
    memset(&lzma, 0x5A, sizeof(lzma)); /* nothing of it need be set */
    enum error error = lzma_unpack(&lzma, in, in_bytes, *out, out_bytes);
    free(in);
    return error;
}

static void a_stream_is_unpacked(void **state)
{
    uint8_t *out;
    (void)state;
    assert_int_equal(unpack(stream, sizeof(stream), &out, PLAIN_BYTES), ERROR_NONE);
    assert_memory_equal(out, plain, PLAIN_BYTES);
    free(out);
}

/* A match would go on: that is an error, and not a byte is written behind the end. */
static void no_more_is_unpacked_than_there_is_room_for(void **state)
{
    (void)state;
    for (size_t bytes = 0; bytes < 2000; bytes++) {
        uint8_t *out;
        enum error error = unpack(stream, sizeof(stream), &out, bytes);
        assert_true(error == ERROR_NONE || error == ERROR_MALFORMED);
        if (error == ERROR_NONE)
            assert_memory_equal(out, plain, bytes);
        free(out);
    }
}

/* The packer ends with five bytes that are not looked at. */
static void a_stream_that_was_cut_is_refused(void **state)
{
    (void)state;
    for (size_t bytes = 0; bytes < sizeof(stream) - 5; bytes++) {
        uint8_t *out;
        assert_int_equal(unpack(stream, bytes, &out, PLAIN_BYTES), ERROR_MALFORMED);
        free(out);
    }
}

static void a_bit_that_is_wrong_is_no_way_out_of_the_buffers(void **state)
{
    static uint8_t spoilt[sizeof(stream)];
    unsigned refused = 0;
    (void)state;
    for (size_t at = 0; at < sizeof(stream); at++) {
        uint8_t *out;
        memcpy(spoilt, stream, sizeof(stream));
        spoilt[at] ^= (uint8_t)(1 << at % 8);
        refused += unpack(spoilt, sizeof(spoilt), &out, PLAIN_BYTES) == ERROR_MALFORMED;
        free(out);
    }
    assert_true(refused > sizeof(stream) / 4);
}

/* A distance before the first byte. */
static void nothing_is_copied_from_before_the_start(void **state)
{
    static const uint8_t ones[16] = {0, 0xFF, 0xFF, 0xFF, 0xFE, 0xFF, 0xFF, 0xFF, 0xFF};
    uint8_t *out;
    (void)state;
    assert_int_equal(unpack(ones, sizeof(ones), &out, 100), ERROR_MALFORMED);
    free(out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_stream_is_unpacked),
        cmocka_unit_test(no_more_is_unpacked_than_there_is_room_for),
        cmocka_unit_test(a_stream_that_was_cut_is_refused),
        cmocka_unit_test(a_bit_that_is_wrong_is_no_way_out_of_the_buffers),
        cmocka_unit_test(nothing_is_copied_from_before_the_start),
    };
    return cmocka_run_group_tests(tests, make_plain, NULL);
}
