/* The decoder's own parts: the bytes of one instruction in order, and its prefixes. Pure. */
#pragma once

#include "vcpu/decoder.h"

/* The bytes, read in order. Past the end it gives zeros and remembers that it did. */
struct decoder_cursor {
    const uint8_t *bytes;
    unsigned count, at;
    bool truncated;
};

uint8_t decoder_cursor_next(struct decoder_cursor *cursor);
void decoder_cursor_skip(struct decoder_cursor *cursor, unsigned count);

/* LOCK is none of them: with every instruction that the decoder knows it is #UD, so it stands for
 * an opcode that is not known. */
struct decoder_prefixes {
    bool operand, address; /* 66h, 67h */
    uint8_t rex;           /* 0: none */
    enum decoder_repeat repeat;
    enum decoder_segment segment;
};
#define REX_W 8
#define REX_R 4

/* Reads all prefixes and returns the byte after them, the opcode. */
uint8_t decoder_prefixes_read(struct decoder_cursor *cursor, struct decoder_prefixes *prefixes,
                              enum decoder_mode mode);

/* Sizes in bytes that mode and prefixes make. */
unsigned decoder_operand_size(const struct decoder_prefixes *prefixes, enum decoder_mode mode);
unsigned decoder_address_size(const struct decoder_prefixes *prefixes, enum decoder_mode mode);
