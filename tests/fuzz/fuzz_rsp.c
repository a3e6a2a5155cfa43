/* with: debug/rsp.c lib/format.c */
/* Any bytes on the line of gdb's remote protocol: nothing is written behind the buffer, and a
 * packet that came is sent again as one that comes the same. */
#include "debug/rsp.h"

#include <string.h>

#include "tests/fuzz/check.h"

struct echo {
    struct rsp_receiver receiver;
    enum rsp_event event;
};

static void put(void *context, uint8_t byte)
{
    struct echo *echo = context;
    CHECK(echo->event == RSP_NONE);
    echo->event = rsp_receive(&echo->receiver, byte);
}

static void check_packet(const struct rsp_receiver *receiver)
{
    struct rsp_reply reply = {receiver->buffer, receiver->size, receiver->length, false};
    struct echo echo = {.event = RSP_NONE};
    char *again = malloc(receiver->size);
    CHECK(receiver->length < receiver->size && receiver->buffer[receiver->length] == 0);
    rsp_receiver_init(&echo.receiver, again, receiver->size);
    rsp_send(&reply, put, &echo);
    CHECK(echo.event == RSP_PACKET && echo.receiver.length == receiver->length);
    CHECK(memcmp(again, receiver->buffer, receiver->length) == 0);
    free(again);
}

static void check_reader(const struct rsp_receiver *receiver)
{
    struct rsp_reader reader = {receiver->buffer, receiver->buffer + receiver->length};
    uint64_t number;
    uint8_t bytes[3];
    while (rsp_left(&reader)) {
        size_t before = rsp_left(&reader);
        bool took = rsp_take_number(&reader, &number);
        CHECK(took == (rsp_left(&reader) != before));
        if (!took && !rsp_take_text(&reader, "}#"))
            CHECK(rsp_take(&reader, *reader.at));
        (void)!rsp_take_hex(&reader, bytes, sizeof(bytes));
        CHECK(rsp_left(&reader) < before);
    }
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t bytes)
{
    size_t size = bytes ? 1 + data[0] % 32 : 1;
    char *buffer = malloc(size);
    struct rsp_receiver receiver;
    rsp_receiver_init(&receiver, buffer, size);
    for (size_t i = 1; i < bytes; i++) {
        enum rsp_event event = rsp_receive(&receiver, data[i]);
        CHECK(receiver.length <= size);
        if (event == RSP_PACKET) {
            check_packet(&receiver);
            check_reader(&receiver);
        }
    }
    free(buffer);
    return 0;
}
