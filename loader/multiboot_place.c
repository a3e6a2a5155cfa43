#include "loader/multiboot_place.h"

#include "base/bits.h"
#include "lib/string.h"

#define TOP       GIB(4)
#define PLACE_LOW MIB(1) /* of what the kernel does not say a place for; below it where need be */

/* What has a place: page 0 with the BIOS's data, segments, symbols, modules. */
#define PLACED_MAX (2 + ELF_SEGMENTS_MAX + BOOTINFO_MAX_MODULES)

struct place_work {
    const struct multiboot_image *image;
    const struct memory_map *map;
    const struct memory_range *sources;
    unsigned count;
    struct multiboot_plan *plan;
    unsigned placed_count, wanted_count;
    struct memory_range placed[PLACED_MAX];
    struct move wanted[MOVES_WANTED_MAX];
};

static void add_placed(struct place_work *work, uint64_t base, uint64_t end)
{
    work->placed[work->placed_count++] = (struct memory_range){base, end, 0};
}

static bool is_free(const struct place_work *work, uint64_t base, uint64_t end)
{
    for (unsigned i = 0; i < work->placed_count; i++)
        if (work->placed[i].base < end && base < work->placed[i].end)
            return false;
    return memory_map_type_of(work->map, base, end) == MEMORY_USABLE;
}

static bool sources_make_sense(const struct place_work *work)
{
    if (work->count == 0 || work->count > BOOTINFO_MAX_MODULES)
        return false;
    for (unsigned i = 0; i < work->count; i++)
        if (work->sources[i].base >= work->sources[i].end || work->sources[i].end > TOP)
            return false;
    return true;
}

static bool find(struct place_work *work, uint64_t bytes, uint64_t align, uint64_t low,
                 uint64_t high, uint64_t *at)
{
    work->plan->missing = (struct memory_range){0, bytes, 0};
    return memory_map_find_bottom(work->map, bytes, align, low, high, work->placed,
                                  work->placed_count, at) == ERROR_NONE;
}

static bool find_any(struct place_work *work, uint64_t bytes, uint64_t *at)
{
    return find(work, bytes, PAGE_SIZE, PLACE_LOW, TOP, at) ||
           find(work, bytes, PAGE_SIZE, 0, TOP, at);
}

/* How far the kernel goes from where it was linked; its segments stay beside each other. */
static const char *find_kernel(struct place_work *work, uint64_t *shift)
{
    const struct multiboot_image *image = work->image;
    uint64_t base = TOP, end = 0, at;
    for (unsigned i = 0; i < image->segment_count; i++) {
        const struct elf_segment *segment = &image->segments[i];
        base = min_u64(base, segment->base);
        end = max_u64(end, segment->base + segment->memory_bytes);
    }
    *shift = 0;
    work->plan->load_base = (uint32_t)base;
    if (!image->relocatable)
        return NULL;
    uint64_t low = image->lowest, high = min_u64(image->highest + 1, TOP), bytes = end - base;
    uint64_t align = max_u64(image->align, PAGE_SIZE);
    if (image->prefers_high) {
        if (memory_map_find_top(work->map, ALIGN_UP(bytes, align), align, high, work->placed, 1,
                                &at) != ERROR_NONE)
            at = 0;
    } else if (!find(work, bytes, align, image->prefers_low ? low : max_u64(low, base), high,
                     &at) &&
               !find(work, bytes, align, low, high, &at)) {
        at = 0;
    }
    if (at < low)
        return "no usable memory for the kernel where it can run";
    *shift = at - base;
    work->plan->load_base = (uint32_t)at;
    return NULL;
}

static const char *place_kernel(struct place_work *work)
{
    struct multiboot_plan *plan = work->plan;
    uint64_t shift;
    const char *why = find_kernel(work, &shift);
    for (unsigned i = 0; i < work->image->segment_count && !why; i++) {
        const struct elf_segment *segment = &work->image->segments[i];
        uint64_t to = segment->base + shift, middle = to + segment->file_bytes;
        uint64_t end = to + segment->memory_bytes;
        plan->missing = (struct memory_range){to, end, 0};
        if (!is_free(work, to, end))
            return "what it loads would not lie in usable memory";
        add_placed(work, to, end);
        if (middle != to)
            work->wanted[work->wanted_count++] =
                (struct move){to, work->sources->base + segment->offset, segment->file_bytes};
        if (middle != end)
            plan->zeroes[plan->zero_count++] = (struct memory_range){middle, end, 0};
    }
    plan->entry = (uint32_t)(work->image->entry + shift);
    return why;
}

/* First those that may stay, so that no other one is put there. */
static const char *place_modules(struct place_work *work)
{
    for (unsigned moving = 0; moving < 2; moving++)
        for (unsigned i = 1; i < work->count; i++) {
            const struct memory_range *source = &work->sources[i];
            struct memory_range *to = &work->plan->modules[i - 1];
            uint64_t bytes = source->end - source->base, at = source->base;
            if (to->end)
                continue;
            if (!moving && !(IS_ALIGNED(at, PAGE_SIZE) && is_free(work, at, source->end)))
                continue;
            if (moving && !find_any(work, bytes, &at))
                return "no usable memory for its modules";
            *to = (struct memory_range){at, at + bytes, 0};
            add_placed(work, at, at + bytes);
            work->wanted[work->wanted_count++] = (struct move){at, source->base, bytes};
        }
    return NULL;
}

/* As far from a page's start as in the file, so that they are aligned as they are there. */
static const char *place_symbols(struct place_work *work)
{
    const struct elf_sections *sections = &work->image->sections;
    uint64_t bytes = sections->end - sections->start, before = sections->start & PAGE_MASK, at;
    if (bytes == 0)
        return NULL;
    if (!find_any(work, before + bytes, &at))
        return "no usable memory for its symbols";
    add_placed(work, at, at + before + bytes);
    work->plan->symbols_at = at + before;
    work->wanted[work->wanted_count++] =
        (struct move){at + before, work->sources->base + sections->start, bytes};
    return NULL;
}

static const char *order_moves(struct place_work *work)
{
    struct multiboot_plan *plan = work->plan;
    plan->missing = (struct memory_range){0, 0, 0};
    if (moves_order(work->map, work->wanted, work->wanted_count, work->placed, 1, plan->moves,
                    &plan->move_count, &plan->missing.end) == ERROR_NONE)
        return NULL;
    return "no usable memory to swap the modules";
}

enum error multiboot_place(const struct multiboot_image *image, const struct memory_map *map,
                           const struct memory_range *sources, unsigned count,
                           struct multiboot_plan *out, const char **why)
{
    struct place_work work = {image, map, sources, count, out, 0, 0, {{0}}, {{0}}};
    memset(out, 0, sizeof(*out));
    *why = "a module is empty or ends above 4 GiB";
    if (!sources_make_sense(&work))
        return ERROR_MALFORMED;
    add_placed(&work, 0, PAGE_SIZE);
    *why = place_kernel(&work);
    if (!*why)
        *why = place_modules(&work);
    if (!*why)
        *why = place_symbols(&work);
    if (!*why)
        *why = find_any(&work, MULTIBOOT_INFO_BYTES, &out->info_at)
                   ? NULL
                   : "no usable memory for the boot information";
    if (!*why)
        *why = order_moves(&work);
    return *why ? ERROR_NO_SPACE : ERROR_NONE;
}
