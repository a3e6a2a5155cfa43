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
#define E_SHOFF(width)     (24 + 2 * (width))
#define E_SHENTSIZE(width) (34 + 3 * (width))
#define E_SHNUM(width)     (36 + 3 * (width))
#define E_SHSTRNDX(width)  (38 + 3 * (width))
enum { P_TYPE, P_OFFSET, P_VADDR, P_PADDR, P_FILESZ, P_MEMSZ, P_ALIGN, P_WORDS };

#define S_TYPE          4
#define S_ADDR(width)   (8 + (width))
#define S_OFFSET(width) (8 + 2 * (width))
#define S_SIZE(width)   (8 + 3 * (width))
#define S_BYTES(width)  (16 + 6 * (width))
#define TYPE_NULL       0
#define TYPE_NOBITS     8

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

/* Whether the section is in the file and in no segment, which gives it no address. */
static bool is_unloaded(const uint8_t *header, unsigned width)
{
    uint64_t type = number(header + S_TYPE, 4);
    return type != TYPE_NULL && type != TYPE_NOBITS && !number(header + S_ADDR(width), width) &&
           number(header + S_SIZE(width), width);
}

static bool find_part(const uint8_t *header, uint64_t bytes, struct elf_sections *out)
{
    unsigned width = out->header_bytes == S_BYTES(8) ? 8 : 4;
    for (uint32_t i = 0; i < out->count; i++, header += out->header_bytes) {
        uint64_t start = number(header + S_OFFSET(width), width);
        uint64_t size = number(header + S_SIZE(width), width);
        if (!is_unloaded(header, width))
            continue;
        if (size > bytes || start > bytes - size)
            return false;
        out->start = out->end ? min_u64(out->start, start) : start;
        out->end = max_u64(out->end, start + size);
    }
    return true;
}

void elf_read_sections(const uint8_t *file, uint64_t bytes, struct elf_sections *out)
{
    unsigned width = 4u * file[IDENT_CLASS];
    uint64_t table = number(file + E_SHOFF(width), width), count = number(file + E_SHNUM(width), 2);
    memset(out, 0, sizeof(*out));
    out->header_bytes = S_BYTES(width);
    if (number(file + E_SHENTSIZE(width), 2) != out->header_bytes || count > ELF_SECTIONS_MAX ||
        table > bytes || bytes - table < count * out->header_bytes)
        return;
    out->count = (uint32_t)count;
    out->names = (uint32_t)number(file + E_SHSTRNDX(width), 2);
    if (!find_part(file + table, bytes, out)) {
        out->count = 0;
        out->start = out->end = 0;
        return;
    }
    memcpy(out->headers, file + table, count * out->header_bytes);
}

void elf_place_sections(struct elf_sections *sections, uint64_t at)
{
    unsigned width = sections->header_bytes == S_BYTES(8) ? 8 : 4;
    uint8_t *header = sections->headers;
    for (uint32_t i = 0; i < sections->count; i++, header += sections->header_bytes) {
        uint64_t address = at + number(header + S_OFFSET(width), width) - sections->start;
        if (is_unloaded(header, width))
            memcpy(header + S_ADDR(width), &address, width);
    }
}
