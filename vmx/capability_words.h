/* The capability words as data: where each lies in struct vmx_capabilities, what its bits are
 * called, and how they are to be read. Reports, comparisons and merges walk these tables. */
#pragma once

#include "lib/string.h"
#include "vmx/capabilities.h"

enum vmx_word_kind {
    VMX_WORD_CONTROLS, /* bit N: must be 1; bit 32+N: may be 1 */
    VMX_WORD_FLAGS,    /* each bit is a feature, or a bit that may be 1 */
    VMX_WORD_FIXED0,   /* each bit is one that must be 1 */
    VMX_WORD_FIELDS,   /* named features among numbers */
    VMX_WORD_NUMBER,
    VMX_WORD_STATE, /* set by the firmware, per CPU: printed, never compared */
};

/* The bits of a word that have a name: their numbers, and behind each other the names. */
struct vmx_bits {
    const uint8_t *numbers; /* up to VMX_NO_BIT */
    const char *names;
};
#define VMX_NO_BIT 0xFF

/* Goes through the named bits: *bit.numbers is one's number, bit.names its name. */
#define VMX_FOR_BITS(bit, word)                                                                    \
    for (struct vmx_bits bit = (word)->bits; *bit.numbers != VMX_NO_BIT;                           \
         bit.numbers++, bit.names += strlen(bit.names) + 1)

struct vmx_word {
    const char *name;
    uint16_t offset; /* in struct vmx_capabilities */
    uint16_t gate_offset;
    uint64_t gate_mask; /* 0: the word is always there */
    enum vmx_word_kind kind;
    struct vmx_bits bits;
};

/* A number inside a word. */
struct vmx_word_field {
    uint16_t offset;
    uint64_t mask;
    const char *name;
};

extern const struct vmx_word vmx_word_table[];
extern const size_t vmx_word_count;
extern const struct vmx_word_field vmx_word_field_table[];
extern const size_t vmx_word_field_count;

/* The 64-bit member of `caps` at `offset`. */
uint64_t vmx_capability_at(const struct vmx_capabilities *caps, uint16_t offset);

static inline uint64_t vmx_word_value(const struct vmx_capabilities *caps,
                                      const struct vmx_word *word)
{
    return vmx_capability_at(caps, word->offset);
}

/* Whether this CPU has the word at all. */
bool vmx_word_present(const struct vmx_capabilities *caps, const struct vmx_word *word);

/* The word whose member lies at `offset`; there is one. */
const struct vmx_word *vmx_word_find(uint16_t offset);

/* All bits that have a name; for control words in the lower half. */
uint64_t vmx_word_named_bits(const struct vmx_word *word);

/* The name of a bit, NULL where the tables have none. */
const char *vmx_word_bit_name(const struct vmx_word *word, unsigned bit);
