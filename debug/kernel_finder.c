#include "debug/kernel_finder.h"

#include "lib/string.h"

/* Linux, Documentation/arch/x86/x86_64/mm.rst: the image is mapped from a 2 MiB boundary of this
 * range on, and below it there nothing is mapped. */
#define IMAGES_START  0xFFFFFFFF80000000ull
#define IMAGES_END    0xFFFFFFFFC0000000ull
#define IMAGE_STEP    0x200000u
#define LINKED_AT     0xFFFFFFFF81000000ull /* the default of CONFIG_PHYSICAL_START */
#define LARGEST_IMAGE (64u << 20)
#define PAGE          4096u
#define BANNER_ALIGN  16u /* the ABI's, of a large array */

static const char banner_start[] = "Linux version ";
#define BANNER_START (sizeof(banner_start) - 1)

static size_t read_memory(const struct kernel_memory *memory, uint64_t address, void *to,
                          size_t bytes)
{
    return memory->read(memory->context, address, to, bytes);
}

static uint64_t first_mapped(const struct kernel_memory *memory)
{
    uint8_t byte;
    for (uint64_t at = IMAGES_START; at < IMAGES_END; at += IMAGE_STEP)
        if (read_memory(memory, at, &byte, 1))
            return at;
    return 0;
}

/* A line that has the build's number, `#1`. The image holds other lines like it: a format string,
 * and the same text without a number, which the build replaces. */
static bool take_banner(const struct kernel_memory *memory, uint64_t at, char *banner)
{
    bool numbered = false;
    size_t length = read_memory(memory, at, banner, KERNEL_BANNER_BYTES - 1);
    for (size_t i = 0; i < length; i++) {
        if (banner[i] < ' ' || banner[i] > '~')
            length = i;
        else
            numbered |= i && banner[i - 1] == '#' && banner[i] >= '0' && banner[i] <= '9';
    }
    banner[length] = '\0';
    return numbered;
}

static bool find_banner(const struct kernel_memory *memory, uint64_t page, size_t bytes,
                        const uint8_t *data, char *banner)
{
    for (size_t i = 0; i + BANNER_START <= bytes; i += BANNER_ALIGN)
        if (!memcmp(data + i, banner_start, BANNER_START) && take_banner(memory, page + i, banner))
            return true;
    return false;
}

bool kernel_find(const struct kernel_memory *memory, struct found_kernel *image)
{
    static uint8_t data[PAGE];
    uint64_t start = first_mapped(memory);
    if (!start)
        return false;
    image->text = start;
    image->offset = start - LINKED_AT;
    /* There are holes, of what Linux freed after its start. */
    for (uint64_t page = start; page < start + LARGEST_IMAGE; page += PAGE) {
        size_t bytes = read_memory(memory, page, data, PAGE);
        if (find_banner(memory, page, bytes, data, image->banner))
            return true;
    }
    return false;
}
