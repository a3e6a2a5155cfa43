/* with: debug/rsp.c lib/format.c tests/fuzz/fuzz_rsp.c */
/* The framing of gdb's remote protocol: what comes byte by byte, what is sent, numbers and bytes.
 */
#include "debug/rsp.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "tests/fuzz/check.h"
#include "tests/unit/random.h"

#define BUFFER_BYTES 16

static char buffer[BUFFER_BYTES];
static struct rsp_receiver receiver;
static char line[4096];
static size_t line_bytes;

static int set_up(void **state)
{
    (void)state;
    memset(buffer, 0x5A, sizeof(buffer));
    rsp_receiver_init(&receiver, buffer, sizeof(buffer));
    line_bytes = 0;
    return 0;
}

static void put(void *context, uint8_t byte)
{
    assert_ptr_equal(context, line);
    assert_true(line_bytes < sizeof(line));
    line[line_bytes++] = (char)byte;
}

/* The event of the last byte; all before it are RSP_NONE. */
static enum rsp_event feed(const char *bytes, size_t count)
{
    for (size_t i = 0; i + 1 < count; i++)
        assert_int_equal(rsp_receive(&receiver, (uint8_t)bytes[i]), RSP_NONE);
    return rsp_receive(&receiver, (uint8_t)bytes[count - 1]);
}

#define FEED(text) feed(text, sizeof(text) - 1)

static void a_packet_comes_whole(void **state)
{
    (void)state;
    assert_int_equal(FEED("$g#67"), RSP_PACKET);
    assert_int_equal(receiver.length, 1);
    assert_string_equal(buffer, "g");
    assert_int_equal(FEED("$#00"), RSP_PACKET);
    assert_int_equal(receiver.length, 0);
    assert_string_equal(buffer, "");
    assert_int_equal(FEED("$m1234,ab#26"), RSP_PACKET);
    assert_string_equal(buffer, "m1234,ab");
    assert_int_equal(FEED("$zz#F4"), RSP_PACKET); /* a sum in capitals */
    assert_string_equal(buffer, "zz");
}

static void what_is_escaped_comes_plain(void **state)
{
    (void)state;
    assert_int_equal(FEED("$X}\x03}\x04}]}\x0a#ba"), RSP_PACKET);
    assert_int_equal(receiver.length, 5);
    assert_memory_equal(buffer, "X#$}*", 6);
    assert_int_equal(FEED("$X}}#52"), RSP_PACKET);
    assert_string_equal(buffer, "X]");
    assert_int_equal(FEED("$X\x00\x03+-#bb"), RSP_BAD); /* in a packet these are data */
    assert_int_equal(FEED("$X\x00\x03+-#b3"), RSP_PACKET);
    assert_memory_equal(buffer, "X\x00\x03+-", 6);
}

static void a_wrong_sum_is_told(void **state)
{
    (void)state;
    assert_int_equal(FEED("$g#66"), RSP_BAD);
    assert_int_equal(FEED("$p#6g"), RSP_BAD);
    assert_int_equal(FEED("$g#x7"), RSP_BAD);
    assert_int_equal(FEED("$g#67"), RSP_PACKET);
}

static void a_packet_that_was_cut_costs_only_itself(void **state)
{
    (void)state;
    static const char *const cut[] = {"$", "$m12", "$m}", "$g#", "$g#6"};
    for (size_t i = 0; i < sizeof(cut) / sizeof(cut[0]); i++) {
        assert_int_equal(feed(cut[i], strlen(cut[i])), RSP_NONE);
        assert_int_equal(FEED("$g#67"), RSP_PACKET);
        assert_string_equal(buffer, "g");
    }
}

static void a_long_packet_stays_in_the_buffer(void **state)
{
    (void)state;
    assert_int_equal(FEED("$0123456789abcde#ff"), RSP_BAD);
    assert_int_equal(FEED("$0123456789abcde#fc"), RSP_PACKET);
    assert_int_equal(receiver.length, BUFFER_BYTES - 1);
    assert_int_equal(FEED("$0123456789abcdef#62"), RSP_LONG);
    assert_int_equal(FEED("$0123456789abcdef0#92"), RSP_LONG);
    assert_int_equal(FEED("$g#67"), RSP_PACKET);
}

static void bytes_between_packets_are_told_apart(void **state)
{
    (void)state;
    assert_int_equal(FEED("+"), RSP_ACK);
    assert_int_equal(FEED("-"), RSP_NAK);
    assert_int_equal(FEED("\x03"), RSP_INTERRUPT);
    for (unsigned byte = 0; byte < 256; byte++) {
        if (byte != '+' && byte != '-' && byte != 3 && byte != '$')
            assert_int_equal(rsp_receive(&receiver, (uint8_t)byte), RSP_STRAY);
    }
}

static void a_reply_is_composed_and_framed(void **state)
{
    (void)state;
    char space[64];
    struct rsp_reply reply = {.buffer = space, .size = sizeof(space)};
    rsp_reply_text(&reply, "T05:");
    rsp_reply_hex(&reply, "\x00\x9f", 2);
    rsp_reply_byte(&reply, ';');
    static const uint64_t numbers[] = {0, 0xA, 0x10, 0xFEDCBA9876543210, 0x8000000000000000};
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        rsp_reply_number(&reply, numbers[i]);
        rsp_reply_byte(&reply, '/');
    }
    assert_false(reply.cut);
    rsp_send(&reply, put, line);
    static const char expected[] = "$T05:009f;0/a/10/fedcba9876543210/8000000000000000/#74";
    assert_int_equal(line_bytes, sizeof(expected) - 1);
    assert_memory_equal(line, expected, line_bytes);
}

static void what_a_packet_may_not_hold_is_escaped(void **state)
{
    (void)state;
    char space[8];
    struct rsp_reply reply = {.buffer = space, .size = sizeof(space)};
    rsp_reply_bytes(&reply, "l#$}*+\0", 7);
    rsp_send(&reply, put, line);
    assert_int_equal(line_bytes, sizeof("$l}\x03}\x04}]}\x0a+\0#f9") - 1);
    assert_memory_equal(line, "$l}\x03}\x04}]}\x0a+\0#f9", line_bytes);
}

static void a_reply_that_does_not_fit_is_cut(void **state)
{
    (void)state;
    char space[5] = "....!";
    struct rsp_reply reply = {.buffer = space, .size = 4};
    rsp_reply_text(&reply, "abcd");
    assert_false(reply.cut);
    rsp_reply_byte(&reply, 'e');
    assert_true(reply.cut);
    assert_int_equal(reply.length, 4);
    assert_memory_equal(space, "abcd!", 5);
}

/* What was sent comes as it was, with any byte in it. */
static void what_is_sent_is_received(void **state)
{
    (void)state;
    random_seed(0x5250);
    for (unsigned round = 0; round < 20000; round++) {
        char sent[BUFFER_BYTES];
        struct rsp_reply reply = {.buffer = sent, .size = sizeof(sent)};
        size_t count = random_below(BUFFER_BYTES);
        for (size_t i = 0; i < count; i++)
            rsp_reply_byte(&reply, random_below(2) ? "#$}*"[random_below(4)] : (char)random_u64());
        line_bytes = 0;
        rsp_send(&reply, put, line);
        assert_int_equal(feed(line, line_bytes), RSP_PACKET);
        assert_int_equal(receiver.length, count);
        assert_memory_equal(buffer, sent, count);
    }
}

static struct rsp_reader reader_of(const char *text)
{
    return (struct rsp_reader){text, text + strlen(text)};
}

static void numbers_are_taken_to_64_bits(void **state)
{
    (void)state;
    uint64_t number = 77;
    struct rsp_reader reader = reader_of("ffFFffffffffffff,12g");
    assert_true(rsp_take_number(&reader, &number));
    assert_int_equal(number, ~0ull);
    assert_false(rsp_take_number(&reader, &number));
    assert_true(rsp_take(&reader, ','));
    assert_true(rsp_take_number(&reader, &number));
    assert_int_equal(number, 0x12);
    assert_int_equal(rsp_left(&reader), 1);
    reader = reader_of("10000000000000000");
    assert_false(rsp_take_number(&reader, &number));
    assert_int_equal(number, 0x12);
    assert_int_equal(rsp_left(&reader), 17);
    reader = reader_of("");
    assert_false(rsp_take_number(&reader, &number));
}

static void texts_are_taken_whole(void **state)
{
    (void)state;
    struct rsp_reader reader = reader_of("vCont;c");
    assert_false(rsp_take_text(&reader, "vContx"));
    assert_false(rsp_take_text(&reader, "vCont;cs"));
    assert_int_equal(rsp_left(&reader), 7);
    assert_true(rsp_take_text(&reader, "vCont"));
    assert_true(rsp_take(&reader, ';'));
    assert_false(rsp_take(&reader, 's'));
    assert_true(rsp_take(&reader, 'c'));
    assert_false(rsp_take(&reader, 0));
}

static void bytes_are_taken_to_the_first_that_is_none(void **state)
{
    (void)state;
    uint8_t bytes[4] = {9, 9, 9, 9};
    struct rsp_reader reader = reader_of("00fF1x");
    assert_int_equal(rsp_take_hex(&reader, bytes, 4), 2);
    assert_memory_equal(bytes, "\x00\xff\x09", 3);
    assert_int_equal(rsp_left(&reader), 2);
    reader = reader_of("0102030");
    assert_int_equal(rsp_take_hex(&reader, bytes, 2), 2);
    assert_int_equal(rsp_take_hex(&reader, bytes, 4), 1);
    assert_int_equal(bytes[0], 3);
    assert_int_equal(rsp_left(&reader), 1);
}

static void any_bytes_do_no_harm(void **state)
{
    (void)state;
    random_seed(0x4755);
    for (unsigned round = 0; round < 20000; round++) {
        unsigned char bytes[64];
        size_t count = random_below(sizeof(bytes));
        for (size_t i = 0; i < count; i++)
            bytes[i] = random_below(2) ? "$#}*+-0a"[random_below(8)] : (unsigned char)random_u64();
        LLVMFuzzerTestOneInput(bytes, count);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_packet_comes_whole, set_up),
        cmocka_unit_test_setup(what_is_escaped_comes_plain, set_up),
        cmocka_unit_test_setup(a_wrong_sum_is_told, set_up),
        cmocka_unit_test_setup(a_packet_that_was_cut_costs_only_itself, set_up),
        cmocka_unit_test_setup(a_long_packet_stays_in_the_buffer, set_up),
        cmocka_unit_test_setup(bytes_between_packets_are_told_apart, set_up),
        cmocka_unit_test_setup(a_reply_is_composed_and_framed, set_up),
        cmocka_unit_test_setup(what_a_packet_may_not_hold_is_escaped, set_up),
        cmocka_unit_test_setup(a_reply_that_does_not_fit_is_cut, set_up),
        cmocka_unit_test_setup(what_is_sent_is_received, set_up),
        cmocka_unit_test_setup(numbers_are_taken_to_64_bits, set_up),
        cmocka_unit_test_setup(texts_are_taken_whole, set_up),
        cmocka_unit_test_setup(bytes_are_taken_to_the_first_that_is_none, set_up),
        cmocka_unit_test_setup(any_bytes_do_no_harm, set_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
