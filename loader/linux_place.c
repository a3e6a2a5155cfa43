#include "loader/linux_place.h"

#include "base/bits.h"
#include "lib/string.h"

#define TOP        GIB(4)  /* the 32-bit entry reaches no further */
#define LOW_TOP    0x90000 /* above it kernels borrow pages for a trampoline while they unpack */
#define PART_ALIGN 4u      /* an archive's place in the joined initrd */

/* Ranges that others must not meet: the BIOS's data, the low block, the kernel, where it unpacks
 * itself (if elsewhere), then all sources, the kernel's first. Later ones are left out where room
 * is short. */
enum { AVOID_PAGE_0, AVOID_LOW, AVOID_KERNEL, AVOID_UNPACKED, AVOID_SOURCES };
#define KEPT                                                                                       \
    AVOID_KERNEL /* so many are kept from parking too: it may cover what is not yet used           \
                  */

struct place_work {
    const struct memory_map *map;
    const struct linux_image *image;
    const struct linux_source *sources;
    unsigned count;
    struct linux_plan *plan;
    struct move wanted[MOVES_WANTED_MAX];
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

static bool is_usable(const struct memory_map *map, const struct memory_range *range)
{
    return range->end <= TOP && memory_map_type_of(map, range->base, range->end) == MEMORY_USABLE;
}

/* Where the protocol has it. It unpacks itself at pref_address, or an old one behind 1 MiB, with
 * what is but an estimate. */
static const char *place_kernel_16(struct place_work *work)
{
    const struct linux_image *image = work->image;
    struct linux_plan *plan = work->plan;
    struct memory_range *kernel = &work->avoid[AVOID_KERNEL];
    struct memory_range *unpacked = &work->avoid[AVOID_UNPACKED];
    plan->kernel_at = image->high ? LINUX_LOWEST_LOAD : LINUX16_KERNEL_LOW;
    plan->kernel_bytes = ALIGN_UP(image->payload_bytes, PAGE_SIZE);
    plan->missing_bytes = plan->kernel_bytes;
    *kernel = (struct memory_range){plan->kernel_at, plan->kernel_at + plan->kernel_bytes, 0};
    *unpacked =
        (struct memory_range){image->pref_address, image->pref_address + image->init_size, 0};
    work->wanted[0] = (struct move){plan->kernel_at, work->sources->start + image->setup_bytes,
                                    image->payload_bytes};
    if (!is_usable(work->map, kernel))
        return "no usable memory for the kernel";
    plan->missing_bytes = image->init_size;
    if (image->version >= LINUX_VERSION_2_10 && !is_usable(work->map, unpacked))
        return "no usable memory for the kernel";
    return NULL;
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

/* Before 2.02 the setup part goes back to LINUX16_BASE by itself, but for what it does not know. */
static const char *place_low_16(struct place_work *work, uint64_t low_end)
{
    struct linux_plan *plan = work->plan;
    uint64_t at, bytes = LINUX16_LOW_BYTES, top = min_u64(low_end, LINUX16_BASE + bytes);
    plan->missing_bytes = bytes;
    if (memory_map_find_top(work->map, bytes, 1, top, work->avoid, AVOID_SOURCES, &at) ||
        at < LINUX16_KERNEL_LOW ||
        (at != LINUX16_BASE && work->image->version < LINUX_VERSION_2_02))
        return "no usable memory below 640 KiB for the kernel's setup part";
    work->avoid[AVOID_LOW] = (struct memory_range){at, at + bytes, 0};
    work->wanted[work->count] = (struct move){at, work->sources->start, work->image->setup_bytes};
    plan->low_at = at;
    plan->command_line_at = at + LINUX16_STACK;
    return NULL;
}

static const char *place_low(struct place_work *work)
{
    struct linux_plan *plan = work->plan;
    uint64_t at;
    unsigned avoids = AVOID_SOURCES + work->count;
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
    uint64_t end = ALIGN_UP(last->end, PAGE_SIZE);
    for (unsigned i = AVOID_LOW; i < AVOID_SOURCES; i++)
        if (work->avoid[i].base < end && first->start < work->avoid[i].end)
            return false;
    for (const struct linux_source *source = first; source < last; source++)
        if (source[1].start != ALIGN_UP(source->end, PAGE_SIZE))
            return false;
    return first->start && IS_ALIGNED(first->start, PAGE_SIZE) && last->end <= limit &&
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

static const char *place_all(struct place_work *work, uint64_t low_end, uint32_t line_bytes)
{
    bool is_16 = work->image->entry == LINUX_ENTRY_16;
    uint32_t room = is_16 ? LINUX16_COMMAND_LINE_ROOM : LINUX_COMMAND_LINE_ROOM;
    if (line_bytes > min_u64(work->image->command_line_max, room - 1))
        return "the kernel's command line is too long";
    const char *why = is_16 ? place_kernel_16(work) : place_kernel(work);
    if (!why)
        why = is_16 ? place_low_16(work, low_end) : place_low(work);
    return why ? why : place_initrd(work);
}

enum error linux_place(const struct linux_image *image, const struct memory_map *map,
                       uint64_t low_end, const struct linux_source *sources, unsigned count,
                       uint32_t command_line_bytes, struct linux_plan *out, const char **why)
{
    memset(out, 0, sizeof(*out));
    struct place_work work = {map, image, sources, count, out, {{0}}, {{0, PAGE_SIZE, 0}}};
    *why = "a module is empty or ends above 4 GiB";
    if (!sources_make_sense(image, sources, count))
        return ERROR_MALFORMED;
    for (unsigned i = 0; i < count; i++)
        work.avoid[AVOID_SOURCES + i] = (struct memory_range){sources[i].start, sources[i].end, 0};
    *why = place_all(&work, low_end, command_line_bytes);
    if (*why)
        return ERROR_NO_SPACE;
    *why = "no usable memory to swap the modules";
    enum error error =
        moves_order(map, work.wanted, count + (image->entry == LINUX_ENTRY_16), work.avoid, KEPT,
                    out->moves, &out->move_count, &out->missing_bytes);
    if (error == ERROR_NONE)
        *why = NULL;
    return error;
}
