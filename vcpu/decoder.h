/* Decodes the instruction behind a guest access to memory that Orlop answers for itself: plain
 * moves and string instructions. Everything else is DECODER_OTHER, and the caller lets the CPU
 * execute it against a sink page. Where the access goes (address, page) the exit has told already;
 * the decoder says what it moves, so it needs no register and touches no memory but the bytes it is
 * given. Pure; bounded by the 15 bytes that an instruction may have. Source: Intel SDM vol. 2A,
 * chapter 2 "Instruction Format", and vol. 2D, appendix A "Opcode Map". */
#pragma once

#include "base/types.h"

#define DECODER_MAX_BYTES 15

/* Code-segment mode: CS.L, else CS.D. The value is the default address size in bytes. */
enum decoder_mode { DECODER_MODE_16 = 2, DECODER_MODE_32 = 4, DECODER_MODE_64 = 8 };

enum decoder_kind {
    DECODER_OTHER,           /* no plain move of memory; nothing else is valid */
    DECODER_TRUNCATED,       /* the instruction goes on past the bytes given */
    DECODER_LOAD,            /* MOV reg, mem */
    DECODER_LOAD_ZERO,       /* MOVZX */
    DECODER_LOAD_SIGN,       /* MOVSX, MOVSXD */
    DECODER_STORE,           /* MOV mem, reg */
    DECODER_STORE_IMMEDIATE, /* MOV mem, imm */
    DECODER_MODIFY,          /* ADD, OR, ..., XOR, XCHG: memory is read and written */
    DECODER_MOVS,            /* reads DS:rSI (or the override), writes ES:rDI */
    DECODER_CMPS,            /* reads DS:rSI (or the override) and ES:rDI */
    DECODER_STOS,            /* writes ES:rDI from the accumulator */
    DECODER_LODS,            /* reads DS:rSI (or the override) into the accumulator */
    DECODER_SCAS,            /* reads ES:rDI, compares with the accumulator */
};

/* Of DECODER_MODIFY: bits 5:3 of the opcode, or of the ModRM byte behind 81h and 83h; 7 is CMP
 * there, which writes nothing. */
enum decoder_operation {
    DECODER_ADD,
    DECODER_OR,
    DECODER_ADC,
    DECODER_SBB,
    DECODER_AND,
    DECODER_SUB,
    DECODER_XOR,
    DECODER_XCHG,
};

enum decoder_repeat { DECODER_REPEAT_NONE, DECODER_REPEAT_REP, DECODER_REPEAT_REPNE };

enum decoder_segment {
    DECODER_SEGMENT_DEFAULT,
    DECODER_SEGMENT_ES,
    DECODER_SEGMENT_CS,
    DECODER_SEGMENT_SS,
    DECODER_SEGMENT_DS,
    DECODER_SEGMENT_FS,
    DECODER_SEGMENT_GS
};

struct decoded {
    enum decoder_kind kind;
    enum decoder_repeat repeat;   /* string instructions only */
    enum decoder_segment segment; /* override; in 64-bit mode FS and GS alone count */
    uint8_t length;               /* bytes of the instruction */
    uint8_t memory_bytes;         /* 1, 2, 4 or 8: size of the memory operand */
    uint8_t register_bytes;       /* 1, 2, 4 or 8: size of the register operand; 4 zero-extends */
    uint8_t address_bytes;        /* 2, 4 or 8: size of rSI, rDI and rCX in string instructions */
    uint8_t number;               /* register, 0 = RAX ... 15 = R15; for high_byte 0 ... 3 */
    bool high_byte;               /* AH, CH, DH, BH: bits 15:8 of that register */
    bool reads, writes;           /* what is done to memory */
    uint64_t immediate;           /* sign-extended to 64 bits */
    bool by_immediate;            /* DECODER_MODIFY: the other operand is no register */
    uint8_t operation;            /* DECODER_MODIFY: enum decoder_operation */
};

/* Decodes the first instruction in bytes[0 .. count). More than 15 bytes are not looked at. */
struct decoded decoder_decode(const uint8_t *bytes, size_t count, enum decoder_mode mode);

/* What the register holds after a load brought `memory` (memory_bytes of it count): merges for 1
 * and 2 bytes, zero-extends for 4, as the processor does. `before` is the whole register. */
uint64_t decoder_loaded_value(const struct decoded *decoded, uint64_t before, uint64_t memory);

/* The value a store writes, from the whole register; memory_bytes of it count. */
uint64_t decoder_stored_value(const struct decoded *decoded, uint64_t whole);

/* What DECODER_MODIFY writes, of 32-bit operands: `memory` was read, `other` is the register or the
 * immediate; the flags are those behind it, AF clear where the SDM has it undefined. */
uint32_t decoder_modified_value(enum decoder_operation operation, uint32_t memory, uint32_t other,
                                uint64_t *rflags);
