#include "loader/linux_image.h"

#include "base/bits.h"
#include "lib/string.h"

#define MAGIC_HDRS    0x53726448u /* "HdrS" at 0x202 */
#define BOOT_FLAG     0xAA55u
#define SECTS_DEFAULT 4u
#define PARAGRAPH     16u
#define GROWTH        4u         /* before 2.10: what the kernel needs, in sizes of its file */
#define MAGNITUDES    32u        /* an alignment is a number of 32 bits */
#define INITRD_MAX    0x38000000 /* before 2.03 */
#define LINE_MAX      255u       /* before 2.06 */

/* What the header says of the protected-mode part; before 2.04 it holds but the lower bits. */
static uint64_t image_bytes(const struct linux_header *header)
{
    return header->version < LINUX_VERSION_2_04 ? 0 : (uint64_t)header->syssize * PARAGRAPH;
}

/* Where the header ends in the file and in the zero page, by its own word. */
static uint32_t header_end(const struct linux_header *header)
{
    return offsetof(struct linux_header, magic) + LINUX_HEADER_OFFSET + header->jump_offset;
}

static const char *check_file(const struct linux_header *header, uint64_t bytes,
                              struct linux_image *out)
{
    uint32_t sects = header->setup_sects ? header->setup_sects : SECTS_DEFAULT;
    if (header->boot_flag != BOOT_FLAG || header->magic != MAGIC_HDRS)
        return "is no bzImage";
    if (bytes > GIB(4))
        return "is larger than 4 GiB";
    out->setup_bytes = (uint64_t)(1 + sects) * LINUX_SECTOR_BYTES;
    out->payload_bytes = bytes - out->setup_bytes;
    if (bytes <= out->setup_bytes || ALIGN_UP(out->payload_bytes, PARAGRAPH) < image_bytes(header))
        return "is truncated";
    return NULL;
}

static const char *check_support(const struct linux_header *header, enum linux_entry entry)
{
    if (entry == LINUX_ENTRY_16) {
        if (header->version < LINUX_VERSION_2_00)
            return "is too old: it needs boot protocol 2.00";
        return header->setup_sects > LINUX_SETUP_SECTS_MAX ? "has too large a setup part" : NULL;
    }
    if (header->version < LINUX_VERSION_2_06)
        return "is too old: it needs boot protocol 2.06";
    if (!(header->loadflags & LINUX_LOAD_HIGH))
        return "is a zImage; make a bzImage";
    return NULL;
}

/* The first field behind those that each version has, and that are believed to be there. */
static const struct {
    uint16_t version, end;
} known_fields[] = {
    {LINUX_VERSION_2_10, offsetof(struct linux_header, handover_offset)},
    {LINUX_VERSION_2_06, offsetof(struct linux_header, hardware_subarch)},
    {LINUX_VERSION_2_05, offsetof(struct linux_header, min_alignment)},
    {LINUX_VERSION_2_03, offsetof(struct linux_header, kernel_alignment)},
    {LINUX_VERSION_2_02, offsetof(struct linux_header, initrd_addr_max)},
    {LINUX_VERSION_2_01, offsetof(struct linux_header, ext_loader_ver)},
    {0, offsetof(struct linux_header, heap_end_ptr)},
};

static uint32_t end_least(uint16_t version)
{
    unsigned i = 0;
    while (version < known_fields[i].version)
        i++;
    return LINUX_HEADER_OFFSET + known_fields[i].end;
}

static bool is_relocatable(const struct linux_header *header)
{
    return header->version >= LINUX_VERSION_2_05 && header->relocatable_kernel;
}

/* What later steps take for granted. */
static const char *check_sense(const struct linux_header *header)
{
    uint32_t align = header->kernel_alignment;
    if (header_end(header) < end_least(header->version) ||
        (header->version >= LINUX_VERSION_2_04 && header->syssize == 0))
        return "has a damaged header";
    if (header->version >= LINUX_VERSION_2_08 &&
        (uint64_t)header->payload_offset + header->payload_length > image_bytes(header))
        return "has a payload that ends outside of it";
    if (is_relocatable(header) && (align == 0 || (align & (align - 1))))
        return "has an impossible kernel_alignment";
    if (header->version < LINUX_VERSION_2_10)
        return NULL;
    if (header->min_alignment >= MAGNITUDES)
        return "has an impossible min_alignment";
    if (header->pref_address < LINUX_LOWEST_LOAD || header->pref_address >= GIB(4) ||
        !IS_ALIGNED(header->pref_address, PAGE_SIZE))
        return "has an impossible pref_address";
    if (header->init_size < image_bytes(header))
        return "has an init_size less than itself";
    return NULL;
}

static void take_alignment(const struct linux_header *header, struct linux_image *out)
{
    uint32_t least = 0;
    out->relocatable = is_relocatable(header);
    out->alignment = out->relocatable ? header->kernel_alignment : 1;
    if (header->version >= LINUX_VERSION_2_10 && header->min_alignment)
        least = (uint32_t)BIT(header->min_alignment);
    out->min_alignment = least && least < out->alignment ? least : out->alignment;
}

static void take_limits(const struct linux_header *header, struct linux_image *out)
{
    bool sized = header->version >= LINUX_VERSION_2_10;
    out->version = header->version;
    out->high = header->loadflags & LINUX_LOAD_HIGH;
    out->pref_address = sized ? header->pref_address : LINUX_LOWEST_LOAD;
    out->init_size = sized ? header->init_size : GROWTH * out->payload_bytes;
    out->initrd_max =
        header->version >= LINUX_VERSION_2_03 ? (uint64_t)header->initrd_addr_max + 1 : INITRD_MAX;
    out->command_line_max = header->version >= LINUX_VERSION_2_06 ? header->cmdline_size : LINE_MAX;
    out->header_bytes =
        (uint32_t)min_u64(header_end(header), LINUX_HEADER_LIMIT) - LINUX_HEADER_OFFSET;
}

enum error linux_image_parse(const uint8_t *file, uint64_t bytes, enum linux_entry entry,
                             struct linux_image *out, const char **why)
{
    struct linux_header header;
    memset(out, 0, sizeof(*out));
    out->entry = entry;
    if (bytes > LINUX_HEADER_OFFSET)
        memcpy(out->header, file + LINUX_HEADER_OFFSET,
               min_u64(bytes - LINUX_HEADER_OFFSET, sizeof(out->header)));
    memcpy(&header, out->header, sizeof(header));
    *why = check_file(&header, bytes, out);
    if (*why)
        return ERROR_MALFORMED;
    *why = check_support(&header, entry);
    if (*why)
        return ERROR_UNSUPPORTED;
    *why = check_sense(&header);
    if (*why)
        return ERROR_MALFORMED;
    take_limits(&header, out);
    take_alignment(&header, out);
    return ERROR_NONE;
}
