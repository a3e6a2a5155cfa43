/* The names of our own functions, for backtraces. The table is made from the linked image by
 * tools/gen_symbols.py and joined by the linker; it may be empty. Pure; any CPU, any context. */
#pragma once

#include "base/types.h"

/* Where the image begins in the host's address space; the first gap counts from here. */
#define SYMBOL_BASE 0xFFFFFFFF80000000ull

/* Where the debugger's code begins; in the table it follows SYMBOL_FAR bytes behind the image's
 * beginning, so that the table tells the same wherever its own size moves that code to. */
#define SYMBOL_FAR 0x200000u
extern const uint64_t symbol_debugger;

/* For each symbol, ascending: the gap from the one before, seven bits a byte, and the name with its
 * NUL. Gaps take less room than addresses, and who reads a backtrace does not mind the time. An
 * empty name marks the end of the code before it. In a name a byte of 128 and more stands for the
 * pair of bytes, or of such bytes again, in its row of symbol_pairs. */
extern const uint8_t symbol_table[];
extern const uint32_t symbol_count;
extern const uint8_t symbol_pairs[][2];

#define SYMBOL_NAME_BYTES 64u /* of the longest name, its NUL included */
#define SYMBOL_DEPTH      16u /* pairs inside of pairs */

/* The name of the function that `address` lies in, put into `name`, and how far in; NULL where it
 * lies in none. */
const char *symbol_lookup(uint64_t address, uint64_t *offset, char name[SYMBOL_NAME_BYTES]);
