#include "vcpu/decoder_prefixes.h"

uint8_t decoder_cursor_next(struct decoder_cursor *cursor)
{
    if (cursor->at >= cursor->count) {
        cursor->truncated = true;
        return 0;
    }
    return cursor->bytes[cursor->at++];
}

void decoder_cursor_skip(struct decoder_cursor *cursor, unsigned count)
{
    while (count--)
        decoder_cursor_next(cursor);
}

static enum decoder_segment segment_of_prefix(uint8_t byte)
{
    switch (byte) {
    case 0x26:
        return DECODER_SEGMENT_ES;
    case 0x2e:
        return DECODER_SEGMENT_CS;
    case 0x36:
        return DECODER_SEGMENT_SS;
    case 0x3e:
        return DECODER_SEGMENT_DS;
    case 0x64:
        return DECODER_SEGMENT_FS;
    case 0x65:
        return DECODER_SEGMENT_GS;
    default:
        return DECODER_SEGMENT_DEFAULT;
    }
}

/* Takes one legacy prefix in; false for any other byte. In 64-bit mode the overrides of segments
 * without a base are no overrides. */
static bool prefix_take(struct decoder_prefixes *prefixes, uint8_t byte, enum decoder_mode mode)
{
    enum decoder_segment segment = segment_of_prefix(byte);
    if (segment != DECODER_SEGMENT_DEFAULT) {
        if (mode != DECODER_MODE_64 || segment >= DECODER_SEGMENT_FS)
            prefixes->segment = segment;
        return true;
    }
    switch (byte) {
    case 0x66:
        prefixes->operand = true;
        return true;
    case 0x67:
        prefixes->address = true;
        return true;
    case 0xf2:
        prefixes->repeat = DECODER_REPEAT_REPNE;
        return true;
    case 0xf3:
        prefixes->repeat = DECODER_REPEAT_REP;
        return true;
    default:
        return false;
    }
}

/* Takes all prefixes in and returns the byte after them. A REX prefix counts only where the opcode
 * follows at once (vol. 2A, 2.2.1 "REX Prefixes"). */
uint8_t decoder_prefixes_read(struct decoder_cursor *cursor, struct decoder_prefixes *prefixes,
                              enum decoder_mode mode)
{
    for (;;) {
        uint8_t byte = decoder_cursor_next(cursor);
        if (cursor->truncated)
            return 0;
        if (mode == DECODER_MODE_64 && (byte & 0xf0) == 0x40)
            prefixes->rex = byte;
        else if (prefix_take(prefixes, byte, mode))
            prefixes->rex = 0;
        else
            return byte;
    }
}

unsigned decoder_operand_size(const struct decoder_prefixes *prefixes, enum decoder_mode mode)
{
    if (prefixes->rex & REX_W)
        return 8;
    return (mode == DECODER_MODE_16) != prefixes->operand ? 2 : 4;
}

unsigned decoder_address_size(const struct decoder_prefixes *prefixes, enum decoder_mode mode)
{
    if (!prefixes->address)
        return mode;
    return mode == DECODER_MODE_32 ? 2 : 4;
}
