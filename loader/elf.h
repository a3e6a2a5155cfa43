/* What of an ELF file is to be loaded: its program headers, 32 or 64 bits wide, for an x86
 * processor. Pure; no byte of the file is believed. Source: System V ABI, edition 4.1, chapters 4
 * "Object Files" and 5 "Program Loading and Dynamic Linking". */
#pragma once

#include "base/error.h"
#include "base/types.h"

#define ELF_SEGMENTS_MAX 8u

/* All in bytes; what is not in the file is zeroes. The addresses are physical and below 4 GiB. */
struct elf_segment {
    uint64_t offset, file_bytes;
    uint64_t base, memory_bytes;
};

/* Does the file begin as an ELF file does? */
bool elf_is(const uint8_t *file, uint64_t bytes);

/* Fills `segments` with at most ELF_SEGMENTS_MAX, none of them empty, none reaching out of the
 * file; where they are in memory is for the caller to judge. `*entry` is the physical address of
 * the entry point. Returns NULL, or what is wrong: the end of a sentence that begins with the
 * file's name. */
const char *elf_read(const uint8_t *file, uint64_t bytes, struct elf_segment *segments,
                     unsigned *count, uint64_t *entry);
