/* The framing of gdb's remote serial protocol (GDB manual, appendix E.1 "Overview"):
 * `$payload#sum`, answered by + or -, and a lone 03 byte that asks to stop. A receiver that is fed
 * byte by byte, a reply that is composed in a buffer and sent from there (again, where gdb asks for
 * it), and a reader of what a packet says. Pure, bounded by the caller's buffers; any CPU. */
#pragma once

#include "base/types.h"

#define RSP_INTERRUPT_BYTE 0x03

enum rsp_event {
    RSP_NONE,      /* in the middle of something */
    RSP_PACKET,    /* a packet is in the buffer */
    RSP_BAD,       /* a packet came that is not what was sent: its sum differs */
    RSP_LONG,      /* a packet came whole that is too long for the buffer */
    RSP_ACK,       /* between packets: what was sent last has come well, */
    RSP_NAK,       /* ... or is to be sent again */
    RSP_INTERRUPT, /* between packets: the byte 03 */
    RSP_STRAY,     /* between packets: another byte */
};

enum rsp_state { RSP_BETWEEN, RSP_PAYLOAD, RSP_ESCAPED, RSP_SUM_HIGH, RSP_SUM_LOW };

struct rsp_receiver {
    char *buffer; /* the payload without its escapes, and a NUL behind it */
    size_t size;
    size_t length; /* of the payload; where it is not below `size`, what is behind that is lost */
    uint8_t state; /* enum rsp_state */
    uint8_t sum, told;
};

/* `size` bytes, one more than a payload may have. */
void rsp_receiver_init(struct rsp_receiver *receiver, char *buffer, size_t size);

/* Takes the next byte of the line. The payload stays until the next byte. A $ always begins a
 * packet: within one it cannot be, so that a packet whose end was lost costs nothing but itself. */
enum rsp_event rsp_receive(struct rsp_receiver *receiver, uint8_t byte);

/* A packet that is composed: escapes and framing are put in when it is sent. */
struct rsp_reply {
    char *buffer;
    size_t size, length;
    bool cut; /* it did not fit */
};

void rsp_reply_byte(struct rsp_reply *reply, char byte);
void rsp_reply_text(struct rsp_reply *reply, const char *text);
void rsp_reply_bytes(struct rsp_reply *reply, const void *bytes, size_t count);

/* Two digits a byte, in the order of memory. */
void rsp_reply_hex(struct rsp_reply *reply, const void *bytes, size_t count);

/* Without zeroes in front. */
void rsp_reply_number(struct rsp_reply *reply, uint64_t number);

/* Puts the reply on the line, framed. */
void rsp_send(const struct rsp_reply *reply, void (*put)(void *context, uint8_t byte),
              void *context);

/* A document of which gdb asks for a part (qXfer): it is written whole, and the part stays. */
struct rsp_part {
    struct rsp_reply *reply;
    uint64_t skip, room; /* bytes before the part, and left in it */
    bool more;           /* there is something behind it */
};

void rsp_part_text(struct rsp_part *part, const char *text);

/* Decimal. */
void rsp_part_number(struct rsp_part *part, unsigned number);

/* What is left of a packet. Each function takes what it names, or nothing and says so. */
struct rsp_reader {
    const char *at, *end;
};

static inline size_t rsp_left(const struct rsp_reader *reader)
{
    return (size_t)(reader->end - reader->at);
}

bool rsp_take(struct rsp_reader *reader, char byte);
bool rsp_take_text(struct rsp_reader *reader, const char *text);

/* A number in hexadecimal digits, of at most 64 bits. */
bool rsp_take_number(struct rsp_reader *reader, uint64_t *number);

/* Bytes of two digits each, at most `most`. Returns how many. */
size_t rsp_take_hex(struct rsp_reader *reader, void *to, size_t most);
