#include "loader/multiboot_image.h"

#include "base/bits.h"
#include "boot/multiboot1.h"
#include "boot/multiboot2.h"
#include "lib/string.h"

#define TOP GIB(4)

/* In a header's address fields. */
#define FROM_FILE_START UINT32_MAX /* multiboot2: load_addr is to follow from header_addr */

struct addresses {
    uint32_t header, load, load_end, bss_end;
};

struct parse {
    const uint8_t *file;
    uint64_t bytes;
    struct multiboot_image *out;
    uint64_t header_at;
    bool has_addresses, has_entry;
    struct addresses addresses;
    uint64_t entry; /* of the header */
};

static uint32_t word_at(const struct parse *parse, uint64_t offset)
{
    uint32_t value;
    memcpy(&value, parse->file + offset, sizeof(value));
    return value;
}

/* The first `magic` on a multiple of `align` from which on so many words sum to 0. */
static bool find_header(struct parse *parse, uint32_t magic, uint64_t within, unsigned align,
                        unsigned words)
{
    uint64_t end = min_u64(within, parse->bytes);
    for (uint64_t at = 0; at + 4 * words <= end; at += align) {
        uint32_t sum = 0;
        for (unsigned i = 0; i < words; i++)
            sum += word_at(parse, at + 4 * i);
        parse->header_at = at;
        if (word_at(parse, at) == magic && sum == 0)
            return true;
    }
    return false;
}

/* Multiboot1's fields behind the first three. */
static const char *read_flags(struct parse *parse)
{
    uint64_t fields = parse->header_at + sizeof(struct multiboot1_header);
    uint32_t flags = word_at(parse, parse->header_at + 4);
    parse->out->version = 1;
    parse->out->asked = flags & MULTIBOOT1_NEEDS_MASK & ~MULTIBOOT1_NEEDS_KNOWN;
    if (parse->out->asked)
        return "has unknown header flags: 0x";
    if (!(flags & MULTIBOOT1_HAS_ADDRESSES))
        return NULL;
    if (parse->bytes - fields < sizeof(parse->addresses) + 4)
        return "is truncated";
    memcpy(&parse->addresses, parse->file + fields, sizeof(parse->addresses));
    parse->entry = word_at(parse, fields + sizeof(parse->addresses));
    parse->has_addresses = parse->has_entry = true;
    return NULL;
}

/* What the information structure has where the machine has it. */
#define GIVEN BITS(MULTIBOOT2_TAG_LOAD_BASE, 1)

static const char *refuse_asked(struct parse *parse, uint32_t asked, const char *why)
{
    parse->out->asked = asked;
    return why;
}

static const char *check_requests(struct parse *parse, uint64_t at, uint64_t end)
{
    for (; at + 4 <= end; at += 4) {
        uint32_t type = word_at(parse, at);
        if (type > MULTIBOOT2_TAG_LOAD_BASE || !(GIVEN & BIT(type)))
            return refuse_asked(parse, type, "needs information that Orlop does not give: type 0x");
    }
    return NULL;
}

static const char *take_relocatable(struct multiboot_image *out,
                                    const struct multiboot2_relocatable *tag)
{
    if (tag->align == 0 || (tag->align & (tag->align - 1)))
        return "has a damaged header";
    out->relocatable = true;
    out->lowest = max_u64(tag->lowest, PAGE_SIZE);
    out->highest = tag->highest;
    out->align = tag->align;
    out->prefers_low = tag->preference == MULTIBOOT2_PREFERS_LOW;
    out->prefers_high = tag->preference == MULTIBOOT2_PREFERS_HIGH;
    return NULL;
}

/* Those that are not here ask for what every kernel gets, or are for EFI's loader. */
static const char *take_tag(struct parse *parse, struct multiboot2_header_tag tag, uint64_t at)
{
    static const uint8_t least[] = {[MULTIBOOT2_HEADER_TAG_ADDRESS] = 24,
                                    [MULTIBOOT2_HEADER_TAG_ENTRY] = 12,
                                    [MULTIBOOT2_HEADER_TAG_RELOCATABLE] = 24};
    bool optional = tag.flags & MULTIBOOT2_HEADER_TAG_OPTIONAL;
    const uint8_t *body = parse->file + at + sizeof(tag);
    struct multiboot2_relocatable relocatable;
    if (tag.type > MULTIBOOT2_HEADER_TAG_RELOCATABLE)
        return optional ? NULL
                        : refuse_asked(parse, tag.type, "has an unknown header tag: type 0x");
    if (tag.bytes < least[tag.type])
        return "has a damaged header";
    switch (tag.type) {
    case MULTIBOOT2_HEADER_TAG_INFORMATION:
        return optional ? NULL : check_requests(parse, at + sizeof(tag), at + tag.bytes);
    case MULTIBOOT2_HEADER_TAG_ADDRESS:
        memcpy(&parse->addresses, body, sizeof(parse->addresses));
        parse->has_addresses = true;
        return NULL;
    case MULTIBOOT2_HEADER_TAG_ENTRY:
        parse->entry = word_at(parse, at + sizeof(tag));
        parse->has_entry = true;
        return NULL;
    case MULTIBOOT2_HEADER_TAG_RELOCATABLE:
        memcpy(&relocatable, body, sizeof(relocatable));
        return take_relocatable(parse->out, &relocatable);
    default:
        return NULL;
    }
}

static const char *read_tags(struct parse *parse)
{
    struct multiboot2_header_tag tag;
    uint64_t at = parse->header_at + sizeof(struct multiboot2_header);
    uint64_t end = parse->header_at + word_at(parse, parse->header_at + 8);
    parse->out->version = 2;
    if (word_at(parse, parse->header_at + 4) != MULTIBOOT2_ARCHITECTURE_I386)
        return "is for another processor";
    if (end > parse->bytes)
        return "is truncated";
    for (; at + sizeof(tag) <= end; at = ALIGN_UP(at + tag.bytes, MULTIBOOT2_TAG_ALIGN_BYTES)) {
        memcpy(&tag, parse->file + at, sizeof(tag));
        if (tag.bytes < sizeof(tag) || tag.bytes > end - at)
            break;
        if (tag.type == MULTIBOOT2_HEADER_TAG_END)
            return NULL;
        const char *why = take_tag(parse, tag, at);
        if (why)
            return why;
    }
    return "has a damaged header";
}

/* One segment, by the addresses in the header. */
static const char *use_addresses(struct parse *parse)
{
    const struct addresses *from = &parse->addresses;
    bool all = parse->out->version == 2 && from->load == FROM_FILE_START;
    uint64_t load = all ? from->header - parse->header_at : from->load;
    uint64_t offset = parse->header_at - (from->header - load);
    if (load > from->header || offset > parse->header_at)
        return "has addresses that contradict each other";
    uint64_t bytes = from->load_end ? from->load_end - load : parse->bytes - offset;
    uint64_t memory = from->bss_end ? from->bss_end - load : bytes;
    if (memory > TOP || bytes > memory)
        return "has addresses that contradict each other";
    if (bytes > parse->bytes - offset)
        return "is truncated";
    parse->out->segments[0] = (struct elf_segment){offset, bytes, load, memory};
    parse->out->segment_count = memory != 0;
    return NULL;
}

static const char *read_segments(struct parse *parse)
{
    struct multiboot_image *out = parse->out;
    uint64_t entry = UINT64_MAX;
    const char *why;
    if (parse->has_addresses)
        why = use_addresses(parse);
    else if (elf_is(parse->file, parse->bytes))
        why = elf_read(parse->file, parse->bytes, out->segments, &out->segment_count, &entry);
    else
        why = "is no ELF file, and its header has no addresses";
    if (!parse->has_entry)
        parse->entry = entry;
    return why;
}

static const char *check_segments(struct parse *parse)
{
    const struct multiboot_image *out = parse->out;
    bool entered = false;
    for (unsigned i = 0; i < out->segment_count; i++) {
        const struct elf_segment *segment = &out->segments[i];
        if (segment->memory_bytes > TOP || segment->base > TOP - segment->memory_bytes)
            return "has a segment that ends above 4 GiB";
        if (segment->base < PAGE_SIZE)
            return "has a segment in the BIOS's own data, below 0x1000";
        for (unsigned j = 0; j < i; j++)
            if (segment->base < out->segments[j].base + out->segments[j].memory_bytes &&
                out->segments[j].base < segment->base + segment->memory_bytes)
                return "has segments that overlap";
        entered |= parse->entry - segment->base < segment->memory_bytes;
    }
    return out->segment_count == 0 ? "has nothing to load"
           : entered               ? NULL
                                   : "has an entry point outside of its segments";
}

enum error multiboot_image_parse(const uint8_t *file, uint64_t bytes, struct multiboot_image *out,
                                 const char **why)
{
    struct parse parse = {.file = file, .bytes = bytes, .out = out};
    memset(out, 0, sizeof(*out));
    if (find_header(&parse, MULTIBOOT2_HEADER_MAGIC, MULTIBOOT2_HEADER_WITHIN,
                    MULTIBOOT2_HEADER_ALIGN_BYTES, 4))
        *why = read_tags(&parse);
    else if (find_header(&parse, MULTIBOOT1_HEADER_MAGIC, MULTIBOOT1_HEADER_WITHIN, 4, 3))
        *why = read_flags(&parse);
    else
        *why = "has no multiboot header";
    if (!*why)
        *why = read_segments(&parse);
    if (!*why)
        *why = check_segments(&parse);
    out->is_elf = !*why && !parse.has_addresses;
    if (out->is_elf)
        elf_read_sections(file, bytes, &out->sections);
    out->entry = (uint32_t)parse.entry;
    return *why ? ERROR_MALFORMED : ERROR_NONE;
}
