/* with: loader/linux_image.c */
/* Any bytes as a bzImage: no more is read than the file holds, and an image that is taken holds
 * together. */
#include "loader/linux_image.h"

#include <string.h>

#include "tests/fuzz/check.h"

static bool is_power_of_two(uint64_t value) { return value != 0 && (value & (value - 1)) == 0; }

static void check_image(const struct linux_image *image, uint64_t bytes)
{
    bool is_16 = image->entry == LINUX_ENTRY_16;
    CHECK(image->version >= (is_16 ? 0x200 : 0x206));
    CHECK(is_16 || image->high);
    CHECK(!is_16 || image->setup_bytes <= 65 * 512);
    CHECK(image->setup_bytes + image->payload_bytes == bytes && image->setup_bytes < bytes);
    CHECK(image->setup_bytes % LINUX_SECTOR_BYTES == 0 && image->setup_bytes > LINUX_HEADER_LIMIT);
    CHECK(image->payload_bytes >= 1 && image->init_size >= 1);
    CHECK(image->pref_address >= LINUX_LOWEST_LOAD && image->pref_address < GIB(4));
    CHECK(image->pref_address % PAGE_SIZE == 0);
    CHECK(is_power_of_two(image->alignment) && is_power_of_two(image->min_alignment));
    CHECK(image->min_alignment <= image->alignment);
    CHECK(image->initrd_max >= 1 && image->initrd_max <= GIB(4));
    CHECK(image->header_bytes <= sizeof(image->header));
}

/* A good header, of which the input changes what it likes: few inputs find "HdrS" by themselves. */
static void make_head(uint8_t *head, const unsigned char *changes, size_t bytes)
{
    struct linux_header header = {.syssize = 0x100,
                                  .boot_flag = 0xAA55,
                                  .jump_offset = 0x6A,
                                  .magic = 0x53726448,
                                  .version = 0x20F,
                                  .loadflags = LINUX_LOAD_HIGH,
                                  .kernel_alignment = 0x200000,
                                  .relocatable_kernel = 1,
                                  .min_alignment = 21,
                                  .pref_address = MIB(16),
                                  .init_size = MIB(48)};
    memcpy(head + LINUX_HEADER_OFFSET, &header, sizeof(header));
    for (size_t i = 0; i < bytes && LINUX_HEADER_OFFSET + i < LINUX_HEADER_LIMIT; i++)
        head[LINUX_HEADER_OFFSET + i] ^= changes[i];
}

/* The first eight bytes: the file's size. With an odd one the rest is the file, and its end is
 * watched, in a block of its own; else the rest changes a good header. The size's second bit
 * chooses the entry. */
int LLVMFuzzerTestOneInput(const unsigned char *data, size_t bytes)
{
    static struct linux_image image;
    uint64_t file_bytes = 0;
    const char *why = "";
    if (bytes < sizeof(file_bytes))
        return 0;
    memcpy(&file_bytes, data, sizeof(file_bytes));
    data += sizeof(file_bytes);
    bytes -= sizeof(file_bytes);
    uint64_t wish = file_bytes;
    bool raw = wish & 1;
    if (raw && bytes < LINUX_HEADER_LIMIT)
        file_bytes = bytes;
    unsigned char *head = calloc(1, raw && bytes ? bytes : LINUX_HEADER_LIMIT);
    if (raw)
        memcpy(head, data, bytes);
    else
        make_head(head, data, bytes);
    enum linux_entry entry = wish & 2 ? LINUX_ENTRY_16 : LINUX_ENTRY_32;
    enum error error = linux_image_parse(head, file_bytes, entry, &image, &why);
    CHECK((error == ERROR_NONE) == (why == NULL));
    CHECK(error == ERROR_NONE || error == ERROR_MALFORMED || error == ERROR_UNSUPPORTED);
    if (error == ERROR_NONE)
        check_image(&image, file_bytes);
    free(head);
    return 0;
}
