#include "lib/symbols.h"

/* How many symbols begin at or below `offset`. */
static uint32_t count_up_to(uint64_t offset)
{
    uint32_t low = 0, high = symbol_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (symbol_offsets[middle] <= offset)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

const char *symbol_lookup(uint64_t address, uint64_t *offset)
{
    if (address < SYMBOL_BASE)
        return NULL;
    uint32_t count = count_up_to(address - SYMBOL_BASE);
    if (count == 0)
        return NULL;
    const char *name = &symbol_names[symbol_name_offsets[count - 1]];
    if (name[0] == '\0')
        return NULL;
    *offset = address - SYMBOL_BASE - symbol_offsets[count - 1];
    return name;
}
