/* What of an ELF file is to be loaded: its program headers, 32 or 64 bits wide, for an x86
 * processor; and its sections, of which some are for who reads symbols. Pure; no byte of the file
 * is believed. Source: System V ABI, edition 4.1, chapters 4 "Object Files" and 5 "Program Loading
 * and Dynamic Linking". */
#pragma once

#include "base/error.h"
#include "base/types.h"

#define ELF_SEGMENTS_MAX      8u
#define ELF_SECTIONS_MAX      64u
#define ELF_SECTION_BYTES_MAX 64u

/* All in bytes; what is not in the file is zeroes. The addresses are physical and below 4 GiB. */
struct elf_segment {
    uint64_t offset, file_bytes;
    uint64_t base, memory_bytes;
};

/* The section headers as they are in the file, and the part of the file that holds every section
 * which no segment loads: symbols, names, what debuggers read. */
struct elf_sections {
    uint32_t count, header_bytes;
    uint32_t names;      /* which section names the others */
    uint64_t start, end; /* that part: offsets in bytes; empty where there is no such section */
    uint8_t headers[ELF_SECTIONS_MAX * ELF_SECTION_BYTES_MAX];
};

/* Does the file begin as an ELF file does? */
bool elf_is(const uint8_t *file, uint64_t bytes);

/* Fills `segments` with at most ELF_SEGMENTS_MAX, none of them empty, none reaching out of the
 * file; where they are in memory is for the caller to judge. `*entry` is the physical address of
 * the entry point. Returns NULL, or what is wrong: the end of a sentence that begins with the
 * file's name. */
const char *elf_read(const uint8_t *file, uint64_t bytes, struct elf_segment *segments,
                     unsigned *count, uint64_t *entry);

/* Fills `out` for a file that elf_read() took. No section (count 0) where there are none, more than
 * ELF_SECTIONS_MAX, or where headers or a section reach out of the file. */
void elf_read_sections(const uint8_t *file, uint64_t bytes, struct elf_sections *out);

/* Writes down in the headers that the part of the file lies at physical address `at`. */
void elf_place_sections(struct elf_sections *sections, uint64_t at);
