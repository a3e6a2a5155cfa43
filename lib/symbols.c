#include "lib/symbols.h"

#include "lib/string.h"

/* Seven bits a byte, the lowest first; the last byte has its top bit clear. */
static uint64_t read_gap(const uint8_t **at)
{
    uint64_t gap = 0;
    unsigned shift = 0;
    uint8_t byte;
    do {
        byte = *(*at)++;
        gap |= (uint64_t)(byte & 0x7F) << shift;
        shift += 7;
    } while (byte & 0x80);
    return gap;
}

/* The generator keeps to both limits; a table that did not would be cut here. */
static void unpack(const uint8_t *packed, char name[SYMBOL_NAME_BYTES])
{
    uint8_t left[SYMBOL_DEPTH];
    unsigned length = 0, waiting = 0;
    while (length < SYMBOL_NAME_BYTES - 1 && (waiting || *packed)) {
        uint8_t byte = waiting ? left[--waiting] : *packed++;
        while (byte >= 0x80 && waiting < SYMBOL_DEPTH) {
            left[waiting++] = symbol_pairs[byte - 0x80][1];
            byte = symbol_pairs[byte - 0x80][0];
        }
        name[length++] = (char)byte;
    }
    name[length] = 0;
}

const char *symbol_lookup(uint64_t address, uint64_t *offset, char name[SYMBOL_NAME_BYTES])
{
    const uint8_t *at = symbol_table, *packed = NULL;
    uint64_t start = SYMBOL_BASE;
    if (address >= symbol_debugger)
        address = address - symbol_debugger + SYMBOL_BASE + SYMBOL_FAR;
    for (uint32_t i = 0; i < symbol_count; i++) {
        uint64_t next = start + read_gap(&at);
        if (next > address)
            break;
        start = next;
        packed = at;
        at += strlen((const char *)at) + 1;
    }
    if (!packed || !*packed)
        return NULL;
    *offset = address - start;
    unpack(packed, name);
    return name;
}
