#include "vcpu/decoder.h"

#include "base/bits.h"
#include "vcpu/decoder_prefixes.h"

/* Size of the memory operand. */
enum form_size { SIZE_BYTE, SIZE_WORD, SIZE_OPERAND, SIZE_MOVSXD };

/* What follows the opcode. */
enum form_tail {
    TAIL_NONE,
    TAIL_MODRM,
    TAIL_MODRM_IMMEDIATE,
    TAIL_MODRM_BYTE, /* an immediate of one byte, whatever the operand's size */
    TAIL_OFFSET
};

/* The opcodes that are decoded; the second map is the one after 0Fh. */
static const struct form {
    uint8_t map, opcode;
    enum decoder_kind kind;
    enum form_size size;
    enum form_tail tail;
} forms[] = {
    {1, 0x01, DECODER_MODIFY, SIZE_OPERAND, TAIL_MODRM},
    {1, 0x09, DECODER_MODIFY, SIZE_OPERAND, TAIL_MODRM},
    {1, 0x11, DECODER_MODIFY, SIZE_OPERAND, TAIL_MODRM},
    {1, 0x19, DECODER_MODIFY, SIZE_OPERAND, TAIL_MODRM},
    {1, 0x21, DECODER_MODIFY, SIZE_OPERAND, TAIL_MODRM},
    {1, 0x29, DECODER_MODIFY, SIZE_OPERAND, TAIL_MODRM},
    {1, 0x31, DECODER_MODIFY, SIZE_OPERAND, TAIL_MODRM},
    {1, 0x63, DECODER_LOAD_SIGN, SIZE_MOVSXD, TAIL_MODRM}, /* MOVSXD; 64-bit mode alone */
    {1, 0x81, DECODER_MODIFY, SIZE_OPERAND, TAIL_MODRM_IMMEDIATE},
    {1, 0x83, DECODER_MODIFY, SIZE_OPERAND, TAIL_MODRM_BYTE},
    {1, 0x87, DECODER_MODIFY, SIZE_OPERAND, TAIL_MODRM},
    {1, 0x88, DECODER_STORE, SIZE_BYTE, TAIL_MODRM},
    {1, 0x89, DECODER_STORE, SIZE_OPERAND, TAIL_MODRM},
    {1, 0x8a, DECODER_LOAD, SIZE_BYTE, TAIL_MODRM},
    {1, 0x8b, DECODER_LOAD, SIZE_OPERAND, TAIL_MODRM},
    {1, 0xa0, DECODER_LOAD, SIZE_BYTE, TAIL_OFFSET},
    {1, 0xa1, DECODER_LOAD, SIZE_OPERAND, TAIL_OFFSET},
    {1, 0xa2, DECODER_STORE, SIZE_BYTE, TAIL_OFFSET},
    {1, 0xa3, DECODER_STORE, SIZE_OPERAND, TAIL_OFFSET},
    {1, 0xa4, DECODER_MOVS, SIZE_BYTE, TAIL_NONE},
    {1, 0xa5, DECODER_MOVS, SIZE_OPERAND, TAIL_NONE},
    {1, 0xa6, DECODER_CMPS, SIZE_BYTE, TAIL_NONE},
    {1, 0xa7, DECODER_CMPS, SIZE_OPERAND, TAIL_NONE},
    {1, 0xaa, DECODER_STOS, SIZE_BYTE, TAIL_NONE},
    {1, 0xab, DECODER_STOS, SIZE_OPERAND, TAIL_NONE},
    {1, 0xac, DECODER_LODS, SIZE_BYTE, TAIL_NONE},
    {1, 0xad, DECODER_LODS, SIZE_OPERAND, TAIL_NONE},
    {1, 0xae, DECODER_SCAS, SIZE_BYTE, TAIL_NONE},
    {1, 0xaf, DECODER_SCAS, SIZE_OPERAND, TAIL_NONE},
    {1, 0xc6, DECODER_STORE_IMMEDIATE, SIZE_BYTE, TAIL_MODRM_IMMEDIATE},
    {1, 0xc7, DECODER_STORE_IMMEDIATE, SIZE_OPERAND, TAIL_MODRM_IMMEDIATE},
    {2, 0xb6, DECODER_LOAD_ZERO, SIZE_BYTE, TAIL_MODRM},
    {2, 0xb7, DECODER_LOAD_ZERO, SIZE_WORD, TAIL_MODRM},
    {2, 0xbe, DECODER_LOAD_SIGN, SIZE_BYTE, TAIL_MODRM},
    {2, 0xbf, DECODER_LOAD_SIGN, SIZE_WORD, TAIL_MODRM},
};

/* What each kind does to memory. */
#define READS  1
#define WRITES 2
static const uint8_t accesses[] = {
    [DECODER_LOAD] = READS,
    [DECODER_LOAD_ZERO] = READS,
    [DECODER_LOAD_SIGN] = READS,
    [DECODER_STORE] = WRITES,
    [DECODER_STORE_IMMEDIATE] = WRITES,
    [DECODER_MODIFY] = READS | WRITES,
    [DECODER_MOVS] = READS | WRITES,
    [DECODER_CMPS] = READS,
    [DECODER_STOS] = WRITES,
    [DECODER_LODS] = READS,
    [DECODER_SCAS] = READS,
};

static const struct form *form_find(uint8_t map, uint8_t opcode, enum decoder_mode mode)
{
    for (unsigned i = 0; i < ARRAY_SIZE(forms); i++) {
        if (forms[i].map != map || forms[i].opcode != opcode)
            continue;
        return forms[i].size == SIZE_MOVSXD && mode != DECODER_MODE_64 ? NULL : &forms[i];
    }
    return NULL;
}

/* Bytes of displacement after ModRM (and SIB): vol. 2A, tables 2-1 to 2-3. */
static unsigned displacement_size(uint8_t modrm, uint8_t sib, unsigned address_bytes)
{
    unsigned mod = modrm >> 6, rm = modrm & 7;
    unsigned full = address_bytes == 2 ? 2 : 4;
    if (mod == 1)
        return 1;
    if (mod == 2)
        return full;
    if (address_bytes == 2)
        return rm == 6 ? full : 0;
    return rm == 5 || (rm == 4 && (sib & 7) == 5) ? full : 0;
}

/* Reads ModRM and what belongs to it; false where the operand is a register. */
static bool modrm_read(struct decoder_cursor *cursor, const struct decoder_prefixes *prefixes,
                       struct decoded *decoded, uint8_t *modrm)
{
    uint8_t sib = 0;
    *modrm = decoder_cursor_next(cursor);
    if (*modrm >> 6 == 3)
        return false;
    if (decoded->address_bytes != 2 && (*modrm & 7) == 4)
        sib = decoder_cursor_next(cursor);
    decoder_cursor_skip(cursor, displacement_size(*modrm, sib, decoded->address_bytes));

    decoded->number = (*modrm >> 3 & 7) | (prefixes->rex & REX_R ? 8 : 0);
    if (decoded->register_bytes == 1 && !prefixes->rex && decoded->number >= 4) {
        decoded->high_byte = true;
        decoded->number -= 4;
    }
    return true;
}

/* An immediate has at most four bytes, sign-extended to the operand's size. */
static uint64_t immediate_read(struct decoder_cursor *cursor, unsigned operand_bytes)
{
    unsigned bytes = operand_bytes < 4 ? operand_bytes : 4;
    uint64_t value = 0;
    for (unsigned i = 0; i < bytes; i++)
        value |= (uint64_t)decoder_cursor_next(cursor) << 8 * i;
    return sign_extend(value, 8 * bytes);
}

static void sizes_set(struct decoded *decoded, const struct form *form,
                      const struct decoder_prefixes *prefixes, enum decoder_mode mode)
{
    uint8_t operand = (uint8_t)decoder_operand_size(prefixes, mode);
    const uint8_t memory[] = {[SIZE_BYTE] = 1,
                              [SIZE_WORD] = 2,
                              [SIZE_OPERAND] = operand,
                              [SIZE_MOVSXD] = operand == 2 ? 2 : 4};
    bool extends = form->kind == DECODER_LOAD_ZERO || form->kind == DECODER_LOAD_SIGN;
    decoded->memory_bytes = memory[form->size];
    decoded->register_bytes = extends ? operand : decoded->memory_bytes;
    decoded->address_bytes = (uint8_t)decoder_address_size(prefixes, mode);
}

/* Reads what follows the opcode; false where it is no plain move of memory after all. */
static bool tail_read(struct decoder_cursor *cursor, const struct form *form,
                      const struct decoder_prefixes *prefixes, struct decoded *decoded)
{
    uint8_t modrm;
    if (form->tail == TAIL_OFFSET)
        decoder_cursor_skip(cursor, decoded->address_bytes);
    if (form->tail == TAIL_NONE || form->tail == TAIL_OFFSET)
        return true;
    if (!modrm_read(cursor, prefixes, decoded, &modrm))
        return false;
    decoded->operation = form->opcode >> 3 & 7;
    if (form->opcode == 0x87)
        decoded->operation = DECODER_XCHG;
    if (form->tail == TAIL_MODRM)
        return true;
    decoded->operation = modrm >> 3 & 7;
    decoded->by_immediate = true;
    decoded->immediate =
        immediate_read(cursor, form->tail == TAIL_MODRM_BYTE ? 1 : decoded->memory_bytes);
    decoded->number = 0;
    if (form->kind == DECODER_MODIFY)
        return decoded->operation != 7; /* CMP */
    return decoded->operation == 0;     /* C6 and C7 are MOV with /0 alone */
}

static struct decoded decode_opcode(struct decoder_cursor *cursor,
                                    const struct decoder_prefixes *prefixes, uint8_t opcode,
                                    enum decoder_mode mode)
{
    const struct decoded other = {.kind = DECODER_OTHER};
    uint8_t map = 1;
    if (opcode == 0x0f) {
        map = 2;
        opcode = decoder_cursor_next(cursor);
    }
    const struct form *form = form_find(map, opcode, mode);
    if (!form)
        return other;

    struct decoded decoded = {.kind = form->kind, .segment = prefixes->segment};
    sizes_set(&decoded, form, prefixes, mode);
    if (!tail_read(cursor, form, prefixes, &decoded))
        return other;
    if (form->tail == TAIL_NONE)
        decoded.repeat = prefixes->repeat;
    decoded.reads = accesses[decoded.kind] & READS;
    decoded.writes = accesses[decoded.kind] & WRITES;
    decoded.length = (uint8_t)cursor->at;
    return decoded;
}

struct decoded decoder_decode(const uint8_t *bytes, size_t count, enum decoder_mode mode)
{
    struct decoder_cursor cursor = {.bytes = bytes};
    struct decoder_prefixes prefixes = {0};
    struct decoded decoded = {.kind = DECODER_TRUNCATED};
    cursor.count = count < DECODER_MAX_BYTES ? (unsigned)count : DECODER_MAX_BYTES;
    uint8_t opcode = decoder_prefixes_read(&cursor, &prefixes, mode);
    if (cursor.truncated)
        return decoded;
    struct decoded whole = decode_opcode(&cursor, &prefixes, opcode, mode);
    return cursor.truncated ? decoded : whole;
}
