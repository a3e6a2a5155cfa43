/* What a multiboot kernel's file says of itself: the multiboot1 or multiboot2 header (of both,
 * multiboot2's counts), and what is to be loaded, by the header's own addresses or by an ELF file's
 * program headers. Pure; no byte of the file is believed. */
#pragma once

#include "loader/elf.h"

struct multiboot_image {
    uint32_t version; /* 1 or 2 */
    uint32_t entry;   /* physical, in a segment; as linked, like the segments */
    unsigned segment_count;
    struct elf_segment segments[ELF_SEGMENTS_MAX]; /* disjoint, from page 1 to 4 GiB */
    bool is_elf;                                   /* then `sections` are the file's */
    struct elf_sections sections;
    bool relocatable; /* as one piece, to a multiple of `align` in [lowest, highest] */
    bool prefers_high, prefers_low; /* else where it was linked */
    uint64_t lowest, highest, align;
    uint32_t asked; /* after a refusal whose reason ends in 0x: that number */
};

/* ERROR_MALFORMED or ERROR_UNSUPPORTED, and `*why` is the end of a sentence that begins with the
 * file's name: "is truncated". */
MUST_CHECK enum error multiboot_image_parse(const uint8_t *file, uint64_t bytes,
                                            struct multiboot_image *out, const char **why);
