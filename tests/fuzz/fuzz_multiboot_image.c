/* with: loader/multiboot_image.c loader/elf.c */
/* Any file: it is refused with a reason, or all that is loaded lies in the file and below 4 GiB. */
#include "loader/multiboot_image.h"

#include "tests/fuzz/check.h"

static struct multiboot_image image;

static void check_segment(unsigned index, size_t bytes)
{
    const struct elf_segment *segment = &image.segments[index];
    CHECK(segment->memory_bytes != 0 && segment->file_bytes <= segment->memory_bytes);
    CHECK(segment->offset <= bytes && segment->file_bytes <= bytes - segment->offset);
    CHECK(segment->base >= PAGE_SIZE && segment->base < GIB(4));
    CHECK(segment->memory_bytes <= GIB(4) - segment->base);
    for (unsigned i = 0; i < index; i++)
        CHECK(segment->base >= image.segments[i].base + image.segments[i].memory_bytes ||
              image.segments[i].base >= segment->base + segment->memory_bytes);
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t bytes)
{
    const char *why = "";
    bool entered = false;
    enum error error = multiboot_image_parse(data, bytes, &image, &why);
    CHECK((error == ERROR_NONE) == (why == NULL));
    if (error)
        return 0;
    CHECK(image.version == 1 || image.version == 2);
    CHECK(image.segment_count >= 1 && image.segment_count <= ELF_SEGMENTS_MAX);
    for (unsigned i = 0; i < image.segment_count; i++) {
        check_segment(i, bytes);
        entered |= image.entry - image.segments[i].base < image.segments[i].memory_bytes;
    }
    CHECK(entered);
    CHECK(image.sections.count <= ELF_SECTIONS_MAX && (image.is_elf || image.sections.count == 0));
    CHECK(image.sections.start <= image.sections.end && image.sections.end <= bytes);
    elf_place_sections(&image.sections, MIB(1));
    if (image.relocatable)
        CHECK(image.align && !(image.align & (image.align - 1)) && image.lowest >= PAGE_SIZE);
    return 0;
}
