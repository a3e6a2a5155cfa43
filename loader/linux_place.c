#include "loader/linux_place.h"

#include "base/bits.h"
#include "lib/string.h"

#define TOP        GIB(4)  /* the 32-bit entry reaches no further */
#define LOW_TOP    0x90000 /* above it kernels borrow pages for a trampoline while they unpack */
#define PART_ALIGN 4u      /* an archive's place in the joined initrd */

/* Ranges that others must not meet: the BIOS's data, the low block, the kernel, then all sources,
 * the kernel's first. Later ones are left out where room is short. */
enum { AVOID_PAGE_0, AVOID_LOW, AVOID_KERNEL, AVOID_SOURCES };
#define KEPT                                                                                       \
    AVOID_KERNEL /* so many are kept from parking too: it may cover what is not yet used           \
                  */

struct place_work {
    const struct memory_map *map;
    const struct linux_image *image;
    const struct linux_source *sources;
    unsigned count;
    struct linux_plan *plan;
    struct move wanted[BOOTINFO_MAX_MODULES];
    struct memory_range avoid[AVOID_SOURCES + BOOTINFO_MAX_MODULES];
};

static bool sources_make_sense(const struct linux_image *image, const struct linux_source *sources,
                               unsigned count)
{
    if (count == 0 || count > BOOTINFO_MAX_MODULES)
        return false;
    for (unsigned i = 0; i < count; i++)
        if (sources[i].start >= sources[i].end || sources[i].end > TOP)
            return false;
    return sources->end - sources->start == image->setup_bytes + image->payload_bytes;
}

/* The lowest place at or above pref_address. A lower one would not do: the kernel would run at
 * pref_address all the same. */
static bool find_kernel(struct place_work *work, uint32_t align)
{
    const struct memory_map *map = work->map;
    uint64_t preferred = work->image->pref_address, bytes = work->plan->kernel_bytes;
    for (uint32_t i = 0; i < map->count && map->ranges[i].base < TOP; i++) {
        uint64_t at = ALIGN_UP(max_u64(map->ranges[i].base, preferred), max_u64(align, PAGE_SIZE));
        uint64_t end = min_u64(map->ranges[i].end, TOP);
        if (map->ranges[i].type != MEMORY_USABLE || at >= end || end - at < bytes ||
            (at != preferred && !work->image->relocatable))
            continue;
        work->plan->kernel_at = at;
        work->plan->kernel_alignment = align;
        work->avoid[AVOID_KERNEL] = (struct memory_range){at, at + bytes, 0};
        work->wanted[0] = (struct move){at, work->sources->start + work->image->setup_bytes,
                                        work->image->payload_bytes};
        return true;
    }
    return false;
}

static const char *place_kernel(struct place_work *work)
{
    const struct linux_image *image = work->image;
    uint64_t bytes = ALIGN_UP(max_u64(image->init_size, image->payload_bytes), PAGE_SIZE);
    work->plan->kernel_bytes = bytes;
    for (uint32_t align = image->alignment; align >= image->min_alignment; align /= 2)
        if (find_kernel(work, align))
            return NULL;
    work->plan->missing_bytes = bytes;
    return "no usable memory for the kernel";
}

static const char *place_low(struct place_work *work, uint32_t command_line_bytes)
{
    struct linux_plan *plan = work->plan;
    uint64_t at, most = min_u64(work->image->command_line_max, LINUX_COMMAND_LINE_ROOM - 1);
    unsigned avoids = AVOID_SOURCES + work->count;
    if (command_line_bytes > most)
        return "the kernel's command line is too long";
    plan->missing_bytes = LINUX_LOW_BYTES;
    if (memory_map_find_top(work->map, LINUX_LOW_BYTES, 1, LOW_TOP, work->avoid, avoids, &at) &&
        memory_map_find_top(work->map, LINUX_LOW_BYTES, 1, TOP, work->avoid, avoids, &at))
        return "no usable memory for the boot parameters";
    work->avoid[AVOID_LOW] = (struct memory_range){at, at + LINUX_LOW_BYTES, 0};
    plan->low_at = at;
    plan->gdt_at = at + PAGE_SIZE;
    plan->command_line_at = plan->gdt_at + LINUX_GDT_BYTES;
    return NULL;
}

/* Joins the initrds from `at` on, each part at a multiple of `align`; returns the end. */
static uint64_t join_initrds(struct place_work *work, uint64_t at, uint64_t align)
{
    struct linux_plan *plan = work->plan;
    plan->zero_count = 0;
    for (unsigned i = 1; i < work->count; i++) {
        const struct linux_source *source = &work->sources[i];
        uint64_t next = ALIGN_UP(at, align);
        if (next != at)
            plan->zeroes[plan->zero_count++] = (struct memory_range){at, next, 0};
        work->wanted[i] = (struct move){next, source->start, source->end - source->start};
        at = next + work->wanted[i].bytes;
    }
    return at;
}

/* Whether the initrds follow each other, page by page, where they can stay. */
static bool initrds_may_stay(const struct place_work *work, uint64_t limit)
{
    const struct linux_source *first = &work->sources[1], *last = &work->sources[work->count - 1];
    const struct memory_range *kernel = &work->avoid[AVOID_KERNEL];
    uint64_t end = ALIGN_UP(last->end, PAGE_SIZE);
    for (const struct linux_source *source = first; source < last; source++)
        if (source[1].start != ALIGN_UP(source->end, PAGE_SIZE))
            return false;
    return first->start && IS_ALIGNED(first->start, PAGE_SIZE) && last->end <= limit &&
           (end <= kernel->base || kernel->end <= first->start) &&
           memory_map_type_of(work->map, first->start, end) == MEMORY_USABLE;
}

/* The highest place that meets no source, so that nothing waits for anything; else one that does
 * not meet the kernel's, so that at least these two do not; else any. */
static const char *find_initrd(struct place_work *work, uint64_t limit)
{
    const unsigned avoids[] = {AVOID_SOURCES + work->count, AVOID_SOURCES + 1, AVOID_SOURCES};
    uint64_t at, bytes = join_initrds(work, 0, PART_ALIGN);
    for (unsigned i = 0; i < ARRAY_SIZE(avoids); i++)
        if (memory_map_find_top(work->map, bytes, 1, limit, work->avoid, avoids[i], &at) ==
            ERROR_NONE) {
            work->plan->initrd_at = at;
            join_initrds(work, at, PART_ALIGN);
            work->plan->initrd_bytes = bytes;
            return NULL;
        }
    work->plan->missing_bytes = bytes;
    return "no usable memory for the initrd";
}

static const char *place_initrd(struct place_work *work)
{
    uint64_t limit = work->image->initrd_max; /* at most 4 GiB */
    if (work->count == 1)
        return NULL;
    if (!initrds_may_stay(work, limit))
        return find_initrd(work, limit);
    uint64_t at = work->sources[1].start;
    work->plan->initrd_at = at;
    work->plan->initrd_bytes = join_initrds(work, at, PAGE_SIZE) - at;
    return NULL;
}

enum error linux_place(const struct linux_image *image, const struct memory_map *map,
                       const struct linux_source *sources, unsigned count,
                       uint32_t command_line_bytes, struct linux_plan *out, const char **why)
{
    memset(out, 0, sizeof(*out));
    struct place_work work = {map, image, sources, count, out, {{0}}, {{0, PAGE_SIZE, 0}}};
    *why = "a module is empty or ends above 4 GiB";
    if (!sources_make_sense(image, sources, count))
        return ERROR_MALFORMED;
    for (unsigned i = 0; i < count; i++)
        work.avoid[AVOID_SOURCES + i] = (struct memory_range){sources[i].start, sources[i].end, 0};
    *why = place_kernel(&work);
    if (!*why)
        *why = place_low(&work, command_line_bytes);
    if (!*why)
        *why = place_initrd(&work);
    if (*why)
        return ERROR_NO_SPACE;
    *why = "no usable memory to swap the modules";
    enum error error = moves_order(map, work.wanted, count, work.avoid, KEPT, out->moves,
                                   &out->move_count, &out->missing_bytes);
    if (error == ERROR_NONE)
        *why = NULL;
    return error;
}
