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

const char *symbol_lookup(uint64_t address, uint64_t *offset)
{
    const uint8_t *at = symbol_table;
    const char *name = NULL;
    uint64_t start = SYMBOL_BASE;
    for (uint32_t i = 0; i < symbol_count; i++) {
        uint64_t next = start + read_gap(&at);
        if (next > address)
            break;
        start = next;
        name = (const char *)at;
        at += strlen(name) + 1;
    }
    if (!name || !*name)
        return NULL;
    *offset = address - start;
    return name;
}
