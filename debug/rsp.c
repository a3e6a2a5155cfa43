#include "debug/rsp.h"

#include "lib/format.h"

#define ESCAPE     '}'
#define ESCAPE_BIT 0x20

static const char digits[] = "0123456789abcdef";

/* 16 for what is none. */
static unsigned digit_value(char digit)
{
    unsigned decimal = (unsigned char)digit - '0', letter = ((unsigned char)digit | 0x20) - 'a';
    return decimal < 10 ? decimal : letter < 6 ? letter + 10 : 16;
}

void rsp_receiver_init(struct rsp_receiver *receiver, char *buffer, size_t size)
{
    *receiver = (struct rsp_receiver){.buffer = buffer, .size = size, .state = RSP_BETWEEN};
}

static enum rsp_event receive_between(uint8_t byte)
{
    switch (byte) {
    case '+':
        return RSP_ACK;
    case '-':
        return RSP_NAK;
    case RSP_INTERRUPT_BYTE:
        return RSP_INTERRUPT;
    default:
        return RSP_STRAY;
    }
}

static void receive_payload(struct rsp_receiver *receiver, uint8_t byte)
{
    if (byte == '#') {
        receiver->state = RSP_SUM_HIGH;
        return;
    }
    receiver->sum += byte;
    if (byte == ESCAPE && receiver->state == RSP_PAYLOAD) {
        receiver->state = RSP_ESCAPED;
        return;
    }
    if (receiver->length < receiver->size)
        receiver->buffer[receiver->length++] =
            (char)(receiver->state == RSP_ESCAPED ? byte ^ ESCAPE_BIT : byte);
    receiver->state = RSP_PAYLOAD;
}

static enum rsp_event receive_end(struct rsp_receiver *receiver, uint8_t byte)
{
    unsigned high = digit_value((char)receiver->told), low = digit_value((char)byte);
    receiver->state = RSP_BETWEEN;
    if (high > 15 || low > 15 || (high << 4 | low) != receiver->sum)
        return RSP_BAD;
    if (receiver->length >= receiver->size)
        return RSP_LONG;
    receiver->buffer[receiver->length] = 0;
    return RSP_PACKET;
}

enum rsp_event rsp_receive(struct rsp_receiver *receiver, uint8_t byte)
{
    if (byte == '$') {
        receiver->length = 0;
        receiver->sum = 0;
        receiver->state = RSP_PAYLOAD;
        return RSP_NONE;
    }
    switch (receiver->state) {
    case RSP_BETWEEN:
        return receive_between(byte);
    case RSP_SUM_HIGH:
        receiver->told = byte;
        receiver->state = RSP_SUM_LOW;
        return RSP_NONE;
    case RSP_SUM_LOW:
        return receive_end(receiver, byte);
    default:
        receive_payload(receiver, byte);
        return RSP_NONE;
    }
}

void rsp_reply_byte(struct rsp_reply *reply, char byte)
{
    if (reply->length < reply->size)
        reply->buffer[reply->length++] = byte;
    else
        reply->cut = true;
}

void rsp_reply_text(struct rsp_reply *reply, const char *text)
{
    for (; *text; text++)
        rsp_reply_byte(reply, *text);
}

void rsp_reply_bytes(struct rsp_reply *reply, const void *bytes, size_t count)
{
    for (const char *at = bytes; count > 0; at++, count--)
        rsp_reply_byte(reply, *at);
}

void rsp_reply_hex(struct rsp_reply *reply, const void *bytes, size_t count)
{
    for (const uint8_t *at = bytes; count > 0; at++, count--) {
        rsp_reply_byte(reply, digits[*at >> 4]);
        rsp_reply_byte(reply, digits[*at & 15]);
    }
}

void rsp_reply_number(struct rsp_reply *reply, uint64_t number)
{
    unsigned shift = 60;
    while (shift > 0 && number >> shift == 0)
        shift -= 4;
    rsp_reply_byte(reply, digits[number >> shift & 15]);
    while (shift > 0) {
        shift -= 4;
        rsp_reply_byte(reply, digits[number >> shift & 15]);
    }
}

/* What would end the packet, or mean a repetition (E.1, "binary data"). */
static bool is_escaped(char byte)
{
    return byte == '$' || byte == '#' || byte == ESCAPE || byte == '*';
}

void rsp_send(const struct rsp_reply *reply, void (*put)(void *context, uint8_t byte),
              void *context)
{
    uint8_t sum = 0;
    put(context, '$');
    for (size_t i = 0; i < reply->length; i++) {
        uint8_t byte = (uint8_t)reply->buffer[i];
        if (is_escaped(reply->buffer[i])) {
            put(context, ESCAPE);
            sum += ESCAPE;
            byte ^= ESCAPE_BIT;
        }
        put(context, byte);
        sum += byte;
    }
    put(context, '#');
    put(context, (uint8_t)digits[sum >> 4]);
    put(context, (uint8_t)digits[sum & 15]);
}

void rsp_part_text(struct rsp_part *part, const char *text)
{
    for (; *text; text++) {
        if (part->skip) {
            part->skip--;
        } else if (part->room) {
            part->room--;
            rsp_reply_byte(part->reply, *text);
        } else {
            part->more = true;
        }
    }
}

void rsp_part_number(struct rsp_part *part, unsigned number)
{
    char text[12];
    format(text, sizeof(text), "%u", number);
    rsp_part_text(part, text);
}

bool rsp_take(struct rsp_reader *reader, char byte)
{
    if (reader->at == reader->end || *reader->at != byte)
        return false;
    reader->at++;
    return true;
}

bool rsp_take_text(struct rsp_reader *reader, const char *text)
{
    struct rsp_reader rest = *reader;
    for (; *text; text++) {
        if (!rsp_take(&rest, *text))
            return false;
    }
    *reader = rest;
    return true;
}

bool rsp_take_number(struct rsp_reader *reader, uint64_t *number)
{
    const char *at = reader->at;
    uint64_t value = 0;
    for (; at != reader->end && digit_value(*at) < 16; at++) {
        if (value >> 60 != 0)
            return false;
        value = value << 4 | digit_value(*at);
    }
    if (at == reader->at)
        return false;
    reader->at = at;
    *number = value;
    return true;
}

size_t rsp_take_hex(struct rsp_reader *reader, void *to, size_t most)
{
    size_t count = 0;
    for (uint8_t *byte = to; count < most && rsp_left(reader) >= 2; count++, reader->at += 2) {
        unsigned high = digit_value(reader->at[0]), low = digit_value(reader->at[1]);
        if (high > 15 || low > 15)
            break;
        byte[count] = (uint8_t)(high << 4 | low);
    }
    return count;
}
