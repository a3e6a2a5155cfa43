/* with: loader/multiboot_place.c loader/moves.c mm/memmap.c mm/memmap_find.c */
/* Any kernel, memory map and modules: a plan keeps to usable memory, its pieces do not meet, and no
 * move reads what an earlier one has overwritten. */
#include "loader/multiboot_place.h"

#include "tests/fuzz/check_moves.h"
#include "tests/fuzz/take.h"

static struct memory_map map;
static struct multiboot_image image;
static struct memory_range sources[BOOTINFO_MAX_MODULES];
static struct multiboot_plan plan;

/* As multiboot_image_parse promises it. Returns the bytes of the file. */
static uint64_t take_image(struct input *input)
{
    uint64_t at = PAGE_SIZE + take(input, 4) % MIB(64), file = 1;
    memset(&image, 0, sizeof(image));
    image.entry = (uint32_t)at;
    image.segment_count = 1 + take(input, 1) % ELF_SEGMENTS_MAX;
    for (unsigned i = 0; i < image.segment_count; i++) {
        struct elf_segment *segment = &image.segments[i];
        segment->base = at;
        segment->memory_bytes = 1 + take(input, 3);
        segment->file_bytes = take(input, 3) % (segment->memory_bytes + 1);
        segment->offset = take(input, 2);
        if (file < segment->offset + segment->file_bytes)
            file = segment->offset + segment->file_bytes;
        at += segment->memory_bytes + take(input, 2);
    }
    image.sections.start = take(input, 2) % file;
    image.sections.end = image.sections.start + take(input, 2);
    if (file < image.sections.end)
        file = image.sections.end;
    image.relocatable = take(input, 1) % 2;
    image.lowest = PAGE_SIZE + take(input, 3);
    image.highest = take(input, 4);
    image.align = 1ull << take(input, 1) % 32;
    image.prefers_low = take(input, 1) % 2;
    image.prefers_high = !image.prefers_low && take(input, 1) % 2;
    return file;
}

static unsigned take_sources(struct input *input, uint64_t file)
{
    unsigned count = take(input, 1) % (BOOTINFO_MAX_MODULES + 1);
    uint64_t at = 0;
    for (unsigned i = 0; i < count; i++) {
        at = take_start(input, at);
        uint64_t bytes = i == 0 ? file : take(input, 3);
        sources[i] = (struct memory_range){at, at + bytes, 0};
        at += bytes;
    }
    return count;
}

static void check_place(uint64_t base, uint64_t end, struct memory_range *placed, unsigned *count)
{
    CHECK(base >= PAGE_SIZE && base < end && end <= GIB(4));
    CHECK(memory_map_type_of(&map, base, end) == MEMORY_USABLE);
    for (unsigned i = 0; i < *count; i++)
        CHECK(end <= placed[i].base || placed[i].end <= base);
    placed[(*count)++] = (struct memory_range){base, end, 0};
}

static void check_places(unsigned count)
{
    struct memory_range placed[ELF_SEGMENTS_MAX + BOOTINFO_MAX_MODULES + 2];
    unsigned placed_count = 0;
    uint64_t shift = plan.load_base - image.segments[0].base; /* the lowest one here */
    CHECK(image.relocatable || shift == 0);
    CHECK(!image.relocatable || plan.load_base % image.align == 0);
    for (unsigned i = 0; i < image.segment_count; i++) {
        uint64_t base = image.segments[i].base + shift;
        check_place(base, base + image.segments[i].memory_bytes, placed, &placed_count);
        CHECK(!image.relocatable || (base >= image.lowest && placed[i].end <= image.highest + 1));
    }
    for (unsigned i = 1; i < count; i++) {
        CHECK(plan.modules[i - 1].base % PAGE_SIZE == 0);
        CHECK(plan.modules[i - 1].end - plan.modules[i - 1].base ==
              sources[i].end - sources[i].base);
        check_place(plan.modules[i - 1].base, plan.modules[i - 1].end, placed, &placed_count);
    }
    uint64_t symbols = image.sections.end - image.sections.start;
    if (symbols != 0)
        check_place(plan.symbols_at, plan.symbols_at + symbols, placed, &placed_count);
    CHECK(symbols == 0 || (plan.symbols_at - image.sections.start) % PAGE_SIZE == 0);
    check_place(plan.info_at, plan.info_at + MULTIBOOT_INFO_BYTES, placed, &placed_count);
    CHECK(plan.entry - plan.load_base == image.entry - image.segments[0].base);
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t bytes)
{
    struct input input = {data, bytes};
    const char *why = "";
    uint64_t file = take_image(&input);
    take_map(&input, &map);
    unsigned count = take_sources(&input, file);
    enum error error = multiboot_place(&image, &map, sources, count, &plan, &why);
    CHECK((error == ERROR_NONE) == (why == NULL));
    CHECK(error == ERROR_NONE || error == ERROR_NO_SPACE || error == ERROR_MALFORMED);
    if (error)
        return 0;
    check_places(count);
    check_moves(&map, plan.moves, plan.move_count);
    return 0;
}
