/* with: loader/multiboot_place.c loader/moves.c mm/memmap.c mm/memmap_find.c */
#include "base/bits.h"
#include "loader/multiboot_place.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/random.h"

/* A machine of 2 MiB, as bytes. What may be used is drawn in pages. */
#define BYTES MIB(2)
#define PAGES (BYTES / PAGE_SIZE)

static uint8_t pattern[2 * BYTES], memory[BYTES];
static const uint8_t *before; /* in `pattern`, elsewhere in each round */
static bool usable[PAGES], taken[PAGES];
static struct memory_map map;
static struct multiboot_image image;
static struct memory_range sources[BOOTINFO_MAX_MODULES];
static unsigned count;
static struct multiboot_plan plan;
static const char *why;

static enum error place(void)
{
    memset(&plan, 0xA5, sizeof(plan));
    enum error error = multiboot_place(&image, &map, sources, count, &plan, &why);
    assert_true((error == ERROR_NONE) == (why == NULL));
    return error;
}

/* --- worlds --- */

static void set_usable(uint64_t base, uint64_t end, bool is)
{
    for (uint64_t page = base / PAGE_SIZE; page < end / PAGE_SIZE; page++)
        usable[page] = is;
}

static void make_map(void)
{
    memset(&map, 0, sizeof(map));
    for (unsigned i = 0; i < PAGES; i++)
        assert_int_equal(
            memory_map_add(&map, i * PAGE_SIZE, PAGE_SIZE, usable[i] ? MEMORY_USABLE : 2),
            ERROR_NONE);
}

static void random_map(void)
{
    set_usable(0, BYTES, true);
    set_usable(0x9F000, MIB(1), false);
    for (unsigned holes = (unsigned)random_below(3); holes-- > 0;) {
        uint64_t base = random_below(PAGES) * PAGE_SIZE;
        set_usable(base, min_u64(BYTES, base + random_below(40) * PAGE_SIZE), false);
    }
    if (random_below(4) == 0)
        set_usable(MIB(1) + random_below(PAGES / 2) * PAGE_SIZE, BYTES, false);
}

/* As the parser promises it: disjoint, in any order, and inside the kernel's file. */
static void random_image(void)
{
    uint64_t at = random_below(3) ? MIB(1) + random_below(KIB(300)) : PAGE_SIZE;
    memset(&image, 0, sizeof(image));
    image.segment_count = 1 + (unsigned)random_below(4);
    image.entry = (uint32_t)at;
    for (unsigned i = 0; i < image.segment_count; i++) {
        struct elf_segment *segment = &image.segments[i];
        segment->base = at;
        segment->memory_bytes = 1 + random_below(random_below(3) ? KIB(40) : KIB(300));
        segment->file_bytes = random_below(3) ? random_below(segment->memory_bytes + 1)
                                              : min_u64(segment->memory_bytes, KIB(40));
        segment->offset = random_below(KIB(16));
        at += segment->memory_bytes + (random_below(2) ? 0 : random_below(KIB(60)));
    }
    image.sections.start = random_below(KIB(16));
    image.sections.end = image.sections.start + (random_below(2) ? random_below(KIB(24)) : 0);
    struct elf_segment *other = &image.segments[random_below(image.segment_count)];
    struct elf_segment first = image.segments[0];
    image.segments[0] = *other;
    *other = first;
    image.relocatable = random_below(3) == 0;
    image.lowest = max_u64(PAGE_SIZE, random_below(MIB(1)));
    image.highest = random_below(2) ? UINT32_MAX : MIB(1) + random_below(MIB(1));
    image.align = 1u << random_below(18);
    image.prefers_low = random_below(3) == 0;
    image.prefers_high = !image.prefers_low && random_below(2);
}

/* One behind the other as GRUB does it, some with space between, some unaligned. */
static bool random_sources(void)
{
    uint64_t at = random_below(4) ? MIB(1) + random_below(KIB(300)) : random_below(KIB(300));
    bool aligned = random_below(4) != 0;
    uint64_t file = max_u64(1, image.sections.end);
    for (unsigned i = 0; i < image.segment_count; i++)
        file = max_u64(file, image.segments[i].offset + image.segments[i].file_bytes);
    count = 1 + (unsigned)random_below(BOOTINFO_MAX_MODULES);
    unsigned first = (unsigned)random_below(count);
    for (unsigned n = 0; n < count; n++) {
        unsigned i = (first + n) % count;
        uint64_t bytes = i ? 1 + random_below(random_below(4) ? KIB(40) : KIB(300)) : file;
        at += random_below(6) ? 0 : random_below(KIB(64));
        at = aligned ? ALIGN_UP(at, PAGE_SIZE) : at;
        sources[i] = (struct memory_range){at, at + bytes, 0};
        at += bytes;
    }
    return at <= BYTES;
}

static void random_world(void)
{
    before = pattern + random_below(BYTES);
    random_map();
    do
        random_image();
    while (!random_sources());
    make_map();
}

/* --- what must hold, page by page --- */

static bool is_free(uint64_t base, uint64_t end)
{
    for (uint64_t page = base / PAGE_SIZE; page * PAGE_SIZE < end; page++)
        if (page >= PAGES || !usable[page] || taken[page])
            return false;
    return true;
}

static void take(uint64_t base, uint64_t end)
{
    for (uint64_t page = base / PAGE_SIZE; page * PAGE_SIZE < end && page < PAGES; page++)
        taken[page] = true;
}

static uint64_t lowest(uint64_t bytes, uint64_t align, uint64_t low, uint64_t high)
{
    for (uint64_t at = ALIGN_UP(low, max_u64(align, PAGE_SIZE)); at + bytes <= min_u64(high, BYTES);
         at += max_u64(align, PAGE_SIZE))
        if (is_free(at, at + bytes))
            return at;
    return 0;
}

static uint64_t highest(uint64_t bytes, uint64_t align, uint64_t low, uint64_t high)
{
    uint64_t found = 0;
    for (uint64_t at = ALIGN_UP(low, max_u64(align, PAGE_SIZE)); at + bytes <= min_u64(high, BYTES);
         at += max_u64(align, PAGE_SIZE))
        if (is_free(at, at + bytes))
            found = at;
    return found;
}

static struct memory_range kernel_span(void)
{
    struct memory_range span = {BYTES, 0, 0};
    for (unsigned i = 0; i < image.segment_count; i++) {
        const struct elf_segment *segment = &image.segments[i];
        span.base = min_u64(span.base, segment->base);
        span.end = max_u64(span.end, segment->base + segment->memory_bytes);
    }
    return span;
}

/* Where a relocatable kernel goes: 0 where it cannot. */
static uint64_t model_base(void)
{
    struct memory_range span = kernel_span();
    uint64_t bytes = span.end - span.base, high = min_u64(image.highest + 1, BYTES);
    memset(taken, 0, sizeof(taken));
    taken[0] = true;
    if (image.prefers_high) /* in whole alignments, so that the search may miss the last part */
        return highest(ALIGN_UP(bytes, max_u64(image.align, PAGE_SIZE)), image.align, image.lowest,
                       high);
    uint64_t at =
        image.prefers_low ? 0 : lowest(bytes, image.align, max_u64(span.base, image.lowest), high);
    return at ? at : lowest(bytes, image.align, image.lowest, high);
}

static void check_kernel(void)
{
    struct memory_range span = kernel_span();
    uint64_t shift = plan.load_base - span.base;
    assert_int_equal(plan.load_base, image.relocatable ? model_base() : span.base);
    assert_int_equal(plan.entry, (uint32_t)(image.entry + shift));
    memset(taken, 0, sizeof(taken));
    taken[0] = true;
    for (unsigned i = 0; i < image.segment_count; i++) {
        const struct elf_segment *segment = &image.segments[i];
        uint64_t to = segment->base + shift;
        assert_true(is_free(to, to + segment->memory_bytes));
        assert_memory_equal(memory + to, before + sources[0].base + segment->offset,
                            segment->file_bytes);
        for (uint64_t at = segment->file_bytes; at < segment->memory_bytes; at++)
            assert_int_equal(memory[to + at], 0);
    }
    for (unsigned i = 0; i < image.segment_count; i++)
        take(image.segments[i].base + shift,
             image.segments[i].base + shift + image.segments[i].memory_bytes);
}

/* Whether nothing of the kernel is in [base, end), to the byte: segments may share a page. */
static bool apart(uint64_t base, uint64_t end)
{
    uint64_t shift = plan.load_base - kernel_span().base;
    for (unsigned i = 0; i < image.segment_count; i++)
        if (image.segments[i].base + shift < end &&
            base < image.segments[i].base + shift + image.segments[i].memory_bytes)
            return false;
    return true;
}

static unsigned check_modules(void)
{
    unsigned stayed = 0;
    for (unsigned i = 1; i < count; i++) {
        uint64_t base = plan.modules[i - 1].base, end = plan.modules[i - 1].end;
        const struct memory_range *from = &sources[i];
        bool may_stay = IS_ALIGNED(from->base, PAGE_SIZE) && from->base >= PAGE_SIZE &&
                        apart(from->base, from->end) && end <= BYTES;
        for (uint64_t page = from->base / PAGE_SIZE; page * PAGE_SIZE < from->end; page++)
            may_stay = may_stay && usable[page];
        stayed += base == from->base;
        assert_int_equal(end - base, from->end - from->base);
        assert_true(IS_ALIGNED(base, PAGE_SIZE) && apart(base, end));
        assert_true(!may_stay || base == from->base);
        assert_memory_equal(memory + base, before + from->base, end - base);
        for (uint64_t page = base / PAGE_SIZE; page * PAGE_SIZE < end; page++)
            assert_true(page && page < PAGES && usable[page]);
        for (unsigned j = 1; j < i; j++)
            assert_true(end <= plan.modules[j - 1].base || plan.modules[j - 1].end <= base);
    }
    for (unsigned i = 1; i < count; i++)
        take(plan.modules[i - 1].base, plan.modules[i - 1].end);
    return stayed;
}

/* Pages of the symbols, with what is before them in the first one; [0, 0) without any. */
static struct memory_range symbols(void)
{
    uint64_t bytes = image.sections.end - image.sections.start;
    if (bytes == 0)
        return (struct memory_range){0, 0, 0};
    return (struct memory_range){plan.symbols_at & ~PAGE_MASK, plan.symbols_at + bytes, 0};
}

static void check_symbols(void)
{
    struct memory_range at = symbols();
    if (!at.end)
        return;
    uint64_t bytes = image.sections.end - image.sections.start;
    assert_int_equal(plan.symbols_at & PAGE_MASK, image.sections.start & PAGE_MASK);
    assert_memory_equal(memory + plan.symbols_at, before + sources[0].base + image.sections.start,
                        bytes);
    uint64_t low = lowest(at.end - at.base, PAGE_SIZE, MIB(1), BYTES);
    assert_int_equal(at.base, low ? low : lowest(at.end - at.base, PAGE_SIZE, 0, BYTES));
    take(at.base, at.end);
}

static void carry_out(void)
{
    memcpy(memory, before, BYTES);
    for (unsigned i = 0; i < plan.move_count; i++)
        memmove(memory + plan.moves[i].to, memory + plan.moves[i].from, plan.moves[i].bytes);
    for (unsigned i = 0; i < plan.zero_count; i++)
        memset(memory + plan.zeroes[i].base, 0, plan.zeroes[i].end - plan.zeroes[i].base);
}

/* Whether it was right to refuse: what was missing is not there. */
static void check_refusal(void)
{
    struct memory_range span = kernel_span();
    if (strstr(why, "where it can run")) {
        assert_true(image.relocatable);
        assert_int_equal(model_base(), 0);
        return;
    }
    memset(taken, 0, sizeof(taken));
    taken[0] = true;
    if (strstr(why, "would not lie")) {
        assert_int_equal(image.relocatable, false);
        assert_true(plan.missing.base >= span.base && plan.missing.end <= span.end);
        assert_false(is_free(plan.missing.base, plan.missing.end));
        return;
    }
    uint64_t shift = plan.load_base - span.base;
    for (unsigned i = 0; i < image.segment_count; i++)
        take(image.segments[i].base + shift,
             image.segments[i].base + shift + image.segments[i].memory_bytes);
    for (unsigned i = 1; i < count; i++)
        take(plan.modules[i - 1].base, plan.modules[i - 1].end);
    if (plan.symbols_at)
        take(symbols().base, symbols().end);
    if (strstr(why, "swap"))
        for (unsigned i = 0; i < count; i++)
            take(sources[i].base, sources[i].end);
    assert_int_equal(lowest(plan.missing.end, PAGE_SIZE, 0, BYTES), 0);
}

static void each_file_arrives_whole(void **state)
{
    (void)state;
    unsigned good = 0, parked = 0, stayed = 0, refused = 0, with_symbols = 0;
    random_seed(0x3B);
    for (unsigned i = 0; i < sizeof(pattern); i++)
        pattern[i] = (uint8_t)random_u64();
    for (unsigned round = 0; round < 2000; round++) {
        random_world();
        if (place() != ERROR_NONE) {
            refused++;
            check_refusal();
            continue;
        }
        good++;
        parked += plan.move_count > image.segment_count + count - (symbols().end == 0);
        carry_out();
        check_kernel();
        stayed += check_modules();
        with_symbols += symbols().end != 0;
        check_symbols();
        assert_true(is_free(plan.info_at, plan.info_at + MULTIBOOT_INFO_BYTES));
        uint64_t at = lowest(MULTIBOOT_INFO_BYTES, PAGE_SIZE, MIB(1), BYTES);
        assert_int_equal(plan.info_at, at ? at : lowest(MULTIBOOT_INFO_BYTES, PAGE_SIZE, 0, BYTES));
    }
    printf("%u planned (%u with parking, %u modules stayed), %u refused\n", good, parked, stayed,
           refused);
    assert_true(good > 600 && parked > 5 && stayed > 300 && refused > 200 && with_symbols > 200);
}

/* --- by hand --- */

static void make_world(void)
{
    before = pattern;
    set_usable(0, BYTES, true);
    set_usable(0x9F000, MIB(1), false);
    make_map();
    image = (struct multiboot_image){.version = 2,
                                     .entry = MIB(1) + 16,
                                     .segment_count = 1,
                                     .segments = {{0x1000, KIB(8), MIB(1), KIB(64)}}};
    count = 2;
    sources[0] = (struct memory_range){MIB(1) + KIB(128), MIB(1) + KIB(140), 0};
    sources[1] = (struct memory_range){MIB(1) + KIB(140), MIB(1) + KIB(141), 0};
}

static void the_usual_case_is_planned(void **state)
{
    (void)state;
    make_world();
    assert_int_equal(place(), ERROR_NONE);
    assert_int_equal(plan.entry, MIB(1) + 16);
    assert_int_equal(plan.load_base, MIB(1));
    assert_int_equal(plan.info_at, MIB(1) + KIB(64));
    assert_int_equal(plan.modules[0].base, sources[1].base);
    assert_int_equal(plan.move_count, 1);
    assert_int_equal(plan.zero_count, 1);
    assert_int_equal(plan.zeroes[0].end - plan.zeroes[0].base, KIB(56));
}

static void sources_that_cannot_be_are_refused(void **state)
{
    (void)state;
    make_world();
    count = 0;
    assert_int_equal(place(), ERROR_MALFORMED);
    count = BOOTINFO_MAX_MODULES + 1;
    assert_int_equal(place(), ERROR_MALFORMED);
    make_world();
    sources[1].end = sources[1].base;
    assert_int_equal(place(), ERROR_MALFORMED);
    make_world();
    sources[1] = (struct memory_range){GIB(4) - 1, GIB(4) + 1, 0};
    assert_int_equal(place(), ERROR_MALFORMED);
    assert_string_equal(why, "a module is empty or ends above 4 GiB");
}

static void a_kernel_on_what_is_not_usable_is_refused_by_address(void **state)
{
    (void)state;
    make_world();
    image.segments[0].base = 0x98000;
    assert_int_equal(place(), ERROR_NO_SPACE);
    assert_string_equal(why, "what it loads would not lie in usable memory");
    assert_int_equal(plan.missing.base, 0x98000);
    assert_int_equal(plan.missing.end, 0xA8000);
}

static void all_segments_and_modules_there_may_be_are_moved(void **state)
{
    (void)state;
    make_world();
    image.segment_count = ELF_SEGMENTS_MAX;
    for (unsigned i = 0; i < ELF_SEGMENTS_MAX; i++)
        image.segments[i] = (struct elf_segment){i * 512, 512, MIB(1) + KIB(64) * i, KIB(32)};
    count = BOOTINFO_MAX_MODULES;
    for (unsigned i = 1; i < count; i++) /* each where a segment goes */
        sources[i] = (struct memory_range){MIB(1) + KIB(64) * (i - 1), MIB(1) + KIB(64) * i, 0};
    sources[0] = (struct memory_range){MIB(1) + KIB(64) * 7, MIB(1) + KIB(64) * 7 + 4096, 0};
    assert_int_equal(place(), ERROR_NONE);
    carry_out();
    check_kernel();
    assert_int_equal(check_modules(), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_file_arrives_whole),
        cmocka_unit_test(the_usual_case_is_planned),
        cmocka_unit_test(sources_that_cannot_be_are_refused),
        cmocka_unit_test(a_kernel_on_what_is_not_usable_is_refused_by_address),
        cmocka_unit_test(all_segments_and_modules_there_may_be_are_moved),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
