/* The names of our own functions, for backtraces. The table is made from the linked image by
 * tools/gen_symbols.py and joined by the linker; it may be empty. Pure; any CPU, any context. */
#pragma once

#include "base/types.h"

/* Where the image begins in the host's address space; addresses in the table count from here. */
#define SYMBOL_BASE 0xFFFFFFFF80000000ull

/* Ascending. The name of symbol i begins at symbol_names[symbol_name_offsets[i]] and ends with NUL.
 * An empty name marks the end of the code before it. */
extern const uint32_t symbol_offsets[];
extern const uint32_t symbol_name_offsets[];
extern const char symbol_names[];
extern const uint32_t symbol_count;

/* The name of the function that `address` lies in, and how far in; NULL where it lies in none. */
const char *symbol_lookup(uint64_t address, uint64_t *offset);
