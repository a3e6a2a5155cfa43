#include "loader/elf.h"

#include "base/bits.h"
#include "lib/string.h"

#define MAGIC       0x464C457Fu /* 7F "ELF" */
#define IDENT_CLASS 4           /* 1: 32 bits, 2: 64 bits */
#define IDENT_DATA  5           /* 1: the lowest byte first */
#define TYPE_EXEC   2
#define TYPE_DYN    3
#define MACHINE_386 3
#define MACHINE_X64 62
#define TYPE_LOAD   1

/* Fields behind e_version and p_flags are words of the class's width: 4 or 8 bytes. */
#define E_TYPE             16
#define E_MACHINE          18
#define E_ENTRY            24
#define E_PHOFF(width)     (24 + (width))
#define E_PHENTSIZE(width) (30 + 3 * (width))
#define E_PHNUM(width)     (32 + 3 * (width))
#define E_BYTES(width)     (40 + 3 * (width))
enum { P_TYPE, P_OFFSET, P_VADDR, P_PADDR, P_FILESZ, P_MEMSZ, P_ALIGN, P_WORDS };

static uint64_t number(const uint8_t *at, unsigned bytes)
{
    uint64_t value = 0;
    memcpy(&value, at, bytes);
    return value;
}

bool elf_is(const uint8_t *file, uint64_t bytes)
{
    return bytes > E_BYTES(8) && number(file, 4) == MAGIC;
}

static const char *check_kind(const uint8_t *file)
{
    uint64_t type = number(file + E_TYPE, 2), machine = number(file + E_MACHINE, 2);
    if (file[IDENT_CLASS] - 1u > 1 || file[IDENT_DATA] != 1 ||
        (machine != MACHINE_386 && machine != MACHINE_X64))
        return "is for another processor";
    return type == TYPE_EXEC || type == TYPE_DYN ? NULL : "is no program";
}

/* One program header. An entry point that lies in it is translated, once. */
static const char *take_segment(const uint8_t *header, unsigned width, uint64_t bytes,
                                uint64_t virtual_entry, struct elf_segment *out, uint64_t *entry)
{
    uint64_t word[P_WORDS];
    for (unsigned i = P_OFFSET; i < P_WORDS; i++)
        word[i] = number(header + i * width, width);
    if (word[P_FILESZ] > bytes || word[P_OFFSET] > bytes - word[P_FILESZ])
        return "is truncated";
    if (word[P_FILESZ] > word[P_MEMSZ])
        return "has a segment larger than its memory";
    *out = (struct elf_segment){word[P_OFFSET], word[P_FILESZ], word[P_PADDR], word[P_MEMSZ]};
    if (*entry == UINT64_MAX && virtual_entry - word[P_VADDR] < word[P_MEMSZ])
        *entry = word[P_PADDR] + (virtual_entry - word[P_VADDR]);
    return NULL;
}

const char *elf_read(const uint8_t *file, uint64_t bytes, struct elf_segment *segments,
                     unsigned *count, uint64_t *entry)
{
    const char *why = check_kind(file);
    if (why)
        return why;
    unsigned width = 4u * file[IDENT_CLASS];
    uint64_t table = number(file + E_PHOFF(width), width);
    uint64_t step = number(file + E_PHENTSIZE(width), 2), left = number(file + E_PHNUM(width), 2);
    if (step < P_WORDS * width || table > bytes || bytes - table < left * step)
        return "is truncated";
    *count = 0;
    *entry = UINT64_MAX;
    for (const uint8_t *header = file + table; left-- && !why; header += step) {
        if (number(header + P_TYPE, 4) != TYPE_LOAD || !number(header + P_MEMSZ * width, width))
            continue;
        if (*count == ELF_SEGMENTS_MAX)
            return "has more segments than 8";
        why = take_segment(header, width, bytes, number(file + E_ENTRY, width),
                           &segments[(*count)++], entry);
    }
    return why;
}
