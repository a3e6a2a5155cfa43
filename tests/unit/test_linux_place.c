/* with: loader/linux_place.c loader/moves.c mm/memmap.c mm/memmap_find.c */
#include "base/bits.h"
#include "loader/linux_place.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/random.h"

/* A machine of 2 MiB, as bytes. For the 16-bit entry the second model is below. What may be used is
 * drawn in units of 1 KiB. */
#define BYTES MIB(2)
#define UNIT  KIB(1)
#define UNITS (BYTES / UNIT)
#define PAGES (BYTES / PAGE_SIZE)

static uint8_t pattern[2 * BYTES], memory[BYTES], expected[BYTES];
static const uint8_t *before; /* in `pattern`, elsewhere in each round */
static bool usable[UNITS], taken[PAGES];
static struct memory_map map;
static struct linux_image image;
static struct linux_source sources[BOOTINFO_MAX_MODULES];
static unsigned count;
static uint32_t line_bytes;
static uint64_t low_end = KIB(640);
static struct linux_plan plan;
static const char *why;

static enum error place(void)
{
    memset(&plan, 0xA5, sizeof(plan));
    enum error error = linux_place(&image, &map, low_end, sources, count, line_bytes, &plan, &why);
    assert_true((error == ERROR_NONE) == (why == NULL));
    return error;
}

/* --- worlds --- */

static void set_usable(uint64_t base, uint64_t end, bool is)
{
    for (uint64_t i = base / UNIT; i < end / UNIT; i++)
        usable[i] = is;
}

static void make_map(void)
{
    memset(&map, 0, sizeof(map));
    for (unsigned i = 0; i < UNITS; i++)
        assert_int_equal(memory_map_add(&map, i * UNIT, UNIT, usable[i] ? MEMORY_USABLE : 2),
                         ERROR_NONE);
}

static void random_map(void)
{
    set_usable(0, BYTES, true);
    set_usable(0x9F000 - UNIT * random_below(8), MIB(1), false);
    for (unsigned holes = (unsigned)random_below(4); holes-- > 0;) {
        uint64_t base = random_below(UNITS) * UNIT;
        set_usable(base, min_u64(BYTES, base + UNIT * random_below(120)), false);
    }
}

static void random_image(void)
{
    memset(&image, 0, sizeof(image));
    unsigned exponent = 10 + (unsigned)random_below(9);
    image.relocatable = random_below(4) != 0;
    image.alignment = image.relocatable ? 1u << exponent : 1;
    image.min_alignment = image.relocatable && random_below(2) ? 1u << (exponent - random_below(11))
                                                               : image.alignment;
    image.pref_address = MIB(1) + random_below(64) * PAGE_SIZE;
    image.setup_bytes = 512 * (1 + random_below(10));
    image.payload_bytes = 16 + random_below(random_below(3) ? KIB(100) : KIB(500));
    image.init_size = random_below(KIB(400));
    image.initrd_max = random_below(3) ? GIB(2) : MIB(1) + random_below(MIB(1));
    image.command_line_max = 2047;
    line_bytes = (uint32_t)random_below(2048);
}

/* As GRUB does, one behind the other in a random order; some with space between, some unaligned. */
static bool random_sources(void)
{
    uint64_t at = random_below(2) ? MIB(1) + random_below(KIB(600)) : random_below(KIB(400));
    bool aligned = random_below(4) != 0;
    unsigned first = 0;
    count = 1 + (unsigned)random_below(BOOTINFO_MAX_MODULES);
    first = random_below(2) ? 0 : (unsigned)random_below(count);
    for (unsigned n = 0; n < count; n++) {
        unsigned i = (first + n) % count;
        uint64_t bytes = 1 + random_below(random_below(4) ? KIB(60) : KIB(400));
        if (i == 0)
            bytes = image.setup_bytes + image.payload_bytes;
        if (random_below(6) == 0)
            at += random_below(KIB(64));
        at = aligned ? ALIGN_UP(at, PAGE_SIZE) : at;
        sources[i] = (struct linux_source){at, at + bytes};
        at += bytes;
    }
    if (at <= BYTES && random_below(3) == 0) /* memory ends soon: all is in the way of all */
        set_usable(min_u64(BYTES, ALIGN_UP(at, UNIT) + UNIT * random_below(200)), BYTES, false);
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

static bool page_usable(uint64_t page)
{
    for (unsigned i = 0; i < PAGE_SIZE / UNIT; i++)
        if (!usable[page * (PAGE_SIZE / UNIT) + i])
            return false;
    return true;
}

/* No page of [base, end) is unusable or marked as taken. */
static bool is_free(uint64_t base, uint64_t end)
{
    if (end > BYTES)
        return false;
    for (uint64_t page = base / PAGE_SIZE; page * PAGE_SIZE < end; page++)
        if (!page_usable(page) || taken[page])
            return false;
    return true;
}

static void take(uint64_t base, uint64_t end)
{
    for (uint64_t page = base / PAGE_SIZE; page * PAGE_SIZE < end && page < PAGES; page++)
        taken[page] = true;
}

static void take_sources(void)
{
    for (unsigned i = 0; i < count; i++)
        take(sources[i].start, sources[i].end);
}

/* Fresh: page 0 alone is taken. */
static void take_nothing(void)
{
    memset(taken, 0, sizeof(taken));
    taken[0] = true;
}

/* The highest free place below `limit`; 0 without any. */
static uint64_t highest(uint64_t bytes, uint64_t limit)
{
    for (uint64_t page = PAGES; page-- > 0;) {
        uint64_t end = page * PAGE_SIZE + ALIGN_UP(bytes, PAGE_SIZE);
        if (end <= limit && is_free(page * PAGE_SIZE, end))
            return page * PAGE_SIZE;
    }
    return 0;
}

/* --- the kernel --- */

static uint64_t kernel_needs(void)
{
    return ALIGN_UP(max_u64(image.init_size, image.payload_bytes), PAGE_SIZE);
}

/* Where the kernel must go: 0 where it cannot. */
static uint64_t model_kernel(uint32_t *alignment)
{
    take_nothing();
    for (uint32_t align = image.alignment; align >= image.min_alignment; align /= 2)
        for (uint64_t at = image.pref_address; at < BYTES; at += PAGE_SIZE) {
            *alignment = align;
            if (at % align == 0 && is_free(at, at + kernel_needs()))
                return at;
            if (!image.relocatable)
                return 0;
        }
    return 0;
}

static void check_kernel(void)
{
    uint32_t alignment;
    assert_int_equal(plan.kernel_at, model_kernel(&alignment));
    assert_int_equal(plan.kernel_alignment, alignment);
    assert_int_equal(plan.kernel_bytes, kernel_needs());
    take(plan.kernel_at, plan.kernel_at + plan.kernel_bytes);
}

/* --- the low block; `taken` is page 0 and the kernel --- */

static uint64_t model_low(void)
{
    static bool kept[PAGES];
    memcpy(kept, taken, sizeof(kept));
    take_sources();
    uint64_t at = highest(LINUX_LOW_BYTES, 0x90000);
    if (!at)
        at = highest(LINUX_LOW_BYTES, BYTES);
    memcpy(taken, kept, sizeof(kept));
    return at;
}

static void check_low(void)
{
    assert_int_equal(plan.low_at, model_low());
    assert_int_equal(plan.gdt_at, plan.low_at + PAGE_SIZE);
    assert_int_equal(plan.command_line_at, plan.gdt_at + 32);
    take(plan.low_at, plan.low_at + LINUX_LOW_BYTES);
}

/* --- the initrd; `taken` is page 0, the kernel and the low block --- */

static uint64_t initrd_limit(void) { return min_u64(image.initrd_max, BYTES); }

static bool initrds_stay(void)
{
    bool stay = sources[1].start % PAGE_SIZE == 0 && sources[count - 1].end <= initrd_limit() &&
                is_free(sources[1].start, sources[count - 1].end);
    for (unsigned i = 2; i < count; i++)
        stay = stay && sources[i].start % PAGE_SIZE == 0 &&
               (sources[i].start - 1) / PAGE_SIZE == (sources[i - 1].end - 1) / PAGE_SIZE;
    return stay;
}

/* The joined initrd as bytes; returns how many. `unit`: each part begins at a multiple of it. */
static uint64_t join(uint8_t *out, uint64_t unit)
{
    uint64_t bytes = 0;
    for (unsigned i = 1; i < count; i++) {
        while (bytes % unit)
            out[bytes++] = 0;
        memcpy(out + bytes, before + sources[i].start, sources[i].end - sources[i].start);
        bytes += sources[i].end - sources[i].start;
    }
    return bytes;
}

static uint64_t model_initrd(uint64_t bytes)
{
    static bool kept[PAGES];
    memcpy(kept, taken, sizeof(kept));
    uint64_t at = 0;
    for (unsigned seen = 3; at == 0 && seen-- > 0;) { /* all sources, the kernel's, none */
        memcpy(taken, kept, sizeof(kept));
        if (seen == 2)
            take_sources();
        else if (seen == 1)
            take(sources[0].start, sources[0].end);
        at = highest(bytes, initrd_limit());
    }
    memcpy(taken, kept, sizeof(kept));
    return at;
}

static void check_initrd(void)
{
    static uint8_t joined[BYTES + PAGE_SIZE * BOOTINFO_MAX_MODULES];
    if (count == 1) {
        assert_int_equal(plan.initrd_at, 0);
        assert_int_equal(plan.initrd_bytes, 0);
        return;
    }
    bool stay = initrds_stay();
    uint64_t bytes = join(joined, stay ? PAGE_SIZE : 4);
    assert_int_equal(plan.initrd_bytes, bytes);
    assert_int_equal(plan.initrd_at, stay ? sources[1].start : model_initrd(bytes));
    assert_true(is_free(plan.initrd_at, plan.initrd_at + bytes));
    assert_memory_equal(memory + plan.initrd_at, joined, bytes);
    memcpy(expected + plan.initrd_at, joined, bytes);
    for (unsigned i = 0; stay && i < plan.move_count; i++)
        assert_int_equal(plan.moves[i].bytes, image.payload_bytes);
}

/* --- the moves --- */

static void carry_out(void)
{
    memcpy(memory, before, BYTES);
    for (unsigned i = 0; i < plan.move_count; i++)
        memmove(memory + plan.moves[i].to, memory + plan.moves[i].from, plan.moves[i].bytes);
    for (unsigned i = 0; i < plan.zero_count; i++)
        memset(memory + plan.zeroes[i].base, 0, plan.zeroes[i].end - plan.zeroes[i].base);
}

/* A move that is neither to the kernel's place nor the initrd's parks; the rest of memory stays. */
static unsigned check_memory(void)
{
    unsigned parked = 0;
    take_nothing();
    take(plan.low_at, plan.low_at + LINUX_LOW_BYTES);
    for (unsigned i = 0; i < plan.move_count; i++) {
        const struct move *move = &plan.moves[i];
        bool initrd = move->to >= plan.initrd_at && move->to < plan.initrd_at + plan.initrd_bytes;
        if (move->to == plan.kernel_at || initrd)
            continue;
        parked++;
        assert_true(is_free(move->to, move->to + move->bytes));
        memcpy(expected + move->to, memory + move->to, move->bytes);
    }
    const uint8_t *kernel = before + sources[0].start + image.setup_bytes;
    assert_memory_equal(memory + plan.kernel_at, kernel, image.payload_bytes);
    memcpy(expected + plan.kernel_at, kernel, image.payload_bytes);
    assert_memory_equal(memory, expected, BYTES);
    return parked;
}

static unsigned check_plan(void)
{
    memcpy(expected, before, BYTES);
    carry_out();
    check_kernel();
    check_low();
    check_initrd();
    return check_memory();
}

/* Whether it was right to refuse: what was missing is not there. */
static void check_refusal(void)
{
    uint32_t alignment;
    uint64_t at = model_kernel(&alignment);
    if (strstr(why, "the kernel")) {
        assert_int_equal(at, 0);
        assert_int_equal(plan.missing_bytes, kernel_needs());
        return;
    }
    assert_true(at);
    take(at, at + kernel_needs());
    uint64_t low = model_low();
    if (strstr(why, "boot parameters")) {
        assert_int_equal(low, 0);
        assert_int_equal(plan.missing_bytes, LINUX_LOW_BYTES);
        return;
    }
    take(low, low + LINUX_LOW_BYTES);
    if (strstr(why, "swap")) {
        take_sources();
        take(plan.initrd_at, plan.initrd_at + plan.initrd_bytes);
        assert_int_equal(highest(plan.missing_bytes, BYTES), 0);
        return;
    }
    assert_string_equal(why, "no usable memory for the initrd");
    assert_false(initrds_stay());
    assert_int_equal(model_initrd(plan.missing_bytes), 0);
}

static void each_file_arrives_whole_where_the_model_says(void **state)
{
    (void)state;
    unsigned good = 0, parked = 0, stayed = 0, refused = 0;
    random_seed(0x11A);
    for (unsigned i = 0; i < sizeof(pattern); i++)
        pattern[i] = (uint8_t)random_u64();
    for (unsigned round = 0; round < 1500; round++) {
        random_world();
        if (place() != ERROR_NONE) {
            refused++;
            check_refusal();
            continue;
        }
        good++;
        parked += check_plan() != 0;
        stayed += count > 1 && plan.initrd_at == sources[1].start;
    }
    printf("%u planned (%u with parking, %u stayed), %u refused\n", good, parked, stayed, refused);
    assert_true(good > 300 && parked > 5 && stayed > 50 && refused > 100);
}

/* --- by hand --- */

static void make_world(void)
{
    before = pattern;
    set_usable(0, BYTES, true);
    set_usable(0x9F000, MIB(1), false);
    make_map();
    image = (struct linux_image){.relocatable = true,
                                 .setup_bytes = 1024,
                                 .payload_bytes = KIB(64),
                                 .pref_address = MIB(1),
                                 .init_size = KIB(256),
                                 .initrd_max = GIB(2),
                                 .alignment = KIB(64),
                                 .min_alignment = KIB(16),
                                 .command_line_max = 2047};
    count = 2;
    sources[0] = (struct linux_source){MIB(1), MIB(1) + 1024 + KIB(64)};
    sources[1] = (struct linux_source){MIB(1) + KIB(128), MIB(1) + KIB(200)};
    line_bytes = 10;
}

static void the_usual_case_is_planned(void **state)
{
    (void)state;
    make_world();
    assert_int_equal(place(), ERROR_NONE);
    assert_int_equal(plan.kernel_at, MIB(1));
    assert_int_equal(plan.initrd_at, MIB(2) - KIB(72));
    assert_int_equal(plan.low_at, 0x8E000);
    assert_int_equal(plan.move_count, 2);
    assert_int_equal(plan.zero_count, 0);
}

static void the_lesser_alignment_is_told_to_the_kernel(void **state)
{
    (void)state;
    make_world();
    set_usable(MIB(1), MIB(1) + KIB(10), false);
    set_usable(MIB(1) + KIB(290), MIB(2), false);
    make_map();
    count = 1;
    assert_int_equal(place(), ERROR_NONE);
    assert_int_equal(plan.kernel_at, MIB(1) + KIB(32));
    assert_int_equal(plan.kernel_alignment, KIB(32));
    image.relocatable = false;
    image.alignment = image.min_alignment = 1;
    assert_int_equal(place(), ERROR_NO_SPACE);
    assert_string_equal(why, "no usable memory for the kernel");
    image.pref_address = MIB(1) + KIB(20);
    assert_int_equal(place(), ERROR_NONE);
    assert_int_equal(plan.kernel_at, MIB(1) + KIB(20));
}

/* The initrd is where the kernel goes, and room for it is only where the kernel is. */
static void what_must_be_swapped_is_parked_or_refused(void **state)
{
    (void)state;
    make_world();
    image.init_size = KIB(64);
    sources[1] = (struct linux_source){MIB(1), MIB(1) + KIB(360)};
    sources[0] = (struct linux_source){MIB(1) + KIB(360), MIB(1) + KIB(425)};
    set_usable(MIB(1) + KIB(500), BYTES, false);
    set_usable(0, KIB(500), false);
    make_map();
    assert_int_equal(place(), ERROR_NONE);
    assert_int_equal(plan.move_count, 3);
    assert_int_equal(check_plan(), 1);
    set_usable(0, KIB(560), false);
    make_map();
    assert_int_equal(place(), ERROR_NO_SPACE);
    assert_string_equal(why, "no usable memory to swap the modules");
    assert_int_equal(plan.missing_bytes, KIB(64));
    check_refusal();
}

/* Its address would say that there is none. */
static void an_initrd_never_stays_at_0(void **state)
{
    (void)state;
    make_world();
    sources[1] = (struct linux_source){0, KIB(8)};
    assert_int_equal(place(), ERROR_NONE);
    assert_int_equal(plan.initrd_at, MIB(2) - KIB(8));
    check_plan();
}

static void a_command_line_is_as_long_as_kernel_and_page_allow(void **state)
{
    (void)state;
    make_world();
    line_bytes = 2047;
    assert_int_equal(place(), ERROR_NONE);
    line_bytes = 2048;
    assert_int_equal(place(), ERROR_NO_SPACE);
    assert_string_equal(why, "the kernel's command line is too long");
    assert_int_equal(plan.missing_bytes, 0);
    image.command_line_max = UINT32_MAX;
    line_bytes = 4096 - 32 - 1;
    assert_int_equal(place(), ERROR_NONE);
    line_bytes++;
    assert_int_equal(place(), ERROR_NO_SPACE);
    line_bytes = UINT32_MAX;
    assert_int_equal(place(), ERROR_NO_SPACE);
}

static void sources_that_cannot_be_are_refused(void **state)
{
    (void)state;
    static const struct linux_source wrong[] = {
        {0x1000, 0x1000}, {0x2000, 0x1000}, {GIB(4) - 1, GIB(4) + 1}, {GIB(8), UINT64_MAX}};
    for (unsigned i = 0; i < ARRAY_SIZE(wrong); i++) {
        make_world();
        sources[1] = wrong[i];
        assert_int_equal(place(), ERROR_MALFORMED);
    }
    make_world();
    sources[0].end--; /* not the file that was parsed */
    assert_int_equal(place(), ERROR_MALFORMED);
    make_world();
    count = 0;
    assert_int_equal(place(), ERROR_MALFORMED);
    count = BOOTINFO_MAX_MODULES + 1;
    assert_int_equal(place(), ERROR_MALFORMED);
}

/* Real addresses: nothing is put at or above 4 GiB, whatever the map holds. */
static void nothing_goes_above_four_gib(void **state)
{
    (void)state;
    make_world();
    memset(&map, 0, sizeof(map));
    assert_int_equal(memory_map_add(&map, 0, 0x9F000, MEMORY_USABLE), ERROR_NONE);
    assert_int_equal(memory_map_add(&map, GIB(3), GIB(5), MEMORY_USABLE), ERROR_NONE);
    image.initrd_max = GIB(4);
    assert_int_equal(place(), ERROR_NONE);
    assert_int_equal(plan.kernel_at, GIB(3));
    assert_int_equal(plan.initrd_at, GIB(4) - KIB(72));
    image.pref_address = GIB(4) - KIB(64);
    assert_int_equal(place(), ERROR_NO_SPACE);
    memset(&map, 0, sizeof(map));
    assert_int_equal(memory_map_add(&map, GIB(4), UINT64_MAX, MEMORY_USABLE), ERROR_NONE);
    assert_int_equal(place(), ERROR_NO_SPACE);
    assert_string_equal(why, "no usable memory for the kernel");
    memset(&map, 0, sizeof(map)); /* rounded up, this range begins at 0 */
    assert_int_equal(memory_map_add(&map, UINT64_MAX - 0x100, 0x100, MEMORY_USABLE), ERROR_NONE);
    assert_int_equal(place(), ERROR_NO_SPACE);
    assert_string_equal(why, "no usable memory for the kernel");
    image.init_size = GIB(16);
    assert_int_equal(place(), ERROR_NO_SPACE);
    assert_int_equal(plan.missing_bytes, GIB(16));
}

/* --- the 16-bit entry --- */

/* A bzImage of protocol 2.15 that unpacks itself where it is put. */
static void make_world_16(void)
{
    make_world();
    set_usable(0x9FC00, MIB(1), false);
    set_usable(0, 0x9FC00, true);
    make_map();
    low_end = 0x9FC00;
    image.entry = LINUX_ENTRY_16;
    image.version = 0x20F;
    image.high = true;
}

/* The file's parts are where the protocol has them, and the rest of memory is as it was. */
static void assert_files_arrive(void)
{
    carry_out();
    memcpy(expected, before, BYTES);
    const uint8_t *setup = before + sources[0].start, *initrd = before + sources[1].start;
    memcpy(expected + plan.low_at, setup, image.setup_bytes);
    memcpy(expected + plan.kernel_at, setup + image.setup_bytes, image.payload_bytes);
    assert_memory_equal(expected + plan.low_at, setup, image.setup_bytes);
    memcpy(expected + plan.initrd_at, initrd, plan.initrd_bytes);
    assert_memory_equal(memory, expected, BYTES);
}

static void the_16_bit_entry_is_planned_as_the_protocol_has_it(void **state)
{
    (void)state;
    make_world_16();
    assert_int_equal(place(), ERROR_NONE);
    assert_int_equal(plan.low_at, 0x90000);
    assert_int_equal(plan.command_line_at, 0x99800);
    assert_int_equal(plan.kernel_at, MIB(1));
    assert_int_equal(plan.initrd_at, MIB(2) - KIB(72));
    assert_files_arrive();
    image.high = false; /* a zImage is below its setup part */
    assert_int_equal(place(), ERROR_NONE);
    assert_int_equal(plan.kernel_at, 0x10000);
    assert_int_equal(plan.low_at, 0x90000);
    assert_files_arrive();
    image.version = 0x200;
    assert_int_equal(place(), ERROR_NONE);
    assert_files_arrive();
}

/* A card's firmware, or an EBDA, takes the top of conventional memory. */
static void the_setup_part_stays_below_the_bios(void **state)
{
    (void)state;
    static const struct {
        uint64_t low_end, low_at;
    } ends[] = {{KIB(640), 0x90000},
                {0x9A000, 0x90000},
                {0x99FFF, 0x8F000},
                {0x8C400, 0x82000},
                {0x1A000, 0x10000},
                {0x19FFF, 0},
                {0, 0}};
    for (unsigned i = 0; i < ARRAY_SIZE(ends); i++) {
        make_world_16();
        low_end = ends[i].low_end;
        for (image.version = 0x201; image.version <= 0x202; image.version++) {
            bool fits = image.version >= 0x202 ? ends[i].low_at : ends[i].low_at == 0x90000;
            assert_int_equal(place(), fits ? ERROR_NONE : ERROR_NO_SPACE);
            if (fits)
                assert_int_equal(plan.low_at, ends[i].low_at);
            else
                assert_string_equal(why,
                                    "no usable memory below 640 KiB for the kernel's setup part");
        }
    }
    make_world_16();
    set_usable(0x91000, 0x92000, false); /* the map may say less than the BIOS's data area */
    make_map();
    assert_int_equal(place(), ERROR_NONE);
    assert_int_equal(plan.low_at, 0x87000);
    image.high = false; /* a zImage that reaches into the only place left */
    image.payload_bytes = KIB(480);
    sources[0].end = sources[0].start + image.setup_bytes + image.payload_bytes;
    sources[1] = (struct linux_source){MIB(1) + KIB(600), MIB(1) + KIB(660)};
    image.init_size = KIB(100);
    assert_int_equal(place(), ERROR_NO_SPACE);
}

/* Where the kernel unpacks itself there is memory, and no initrd. */
static void room_to_unpack_is_kept(void **state)
{
    (void)state;
    make_world_16();
    image.pref_address = MIB(1) + KIB(512);
    image.init_size = KIB(512);
    assert_int_equal(place(), ERROR_NONE);
    assert_int_equal(plan.initrd_at, sources[1].start);
    assert_files_arrive();
    sources[1] = (struct linux_source){MIB(1) + KIB(600), MIB(1) + KIB(660)}; /* must not stay */
    assert_int_equal(place(), ERROR_NONE);
    assert_int_equal(plan.initrd_at, MIB(1) + KIB(512 - 60));
    image.init_size = KIB(513);
    assert_int_equal(place(), ERROR_NO_SPACE);
    assert_string_equal(why, "no usable memory for the kernel");
    image.version = 0x209; /* an estimate */
    assert_int_equal(place(), ERROR_NONE);
    set_usable(MIB(1) + KIB(60), MIB(1) + KIB(64), false);
    make_map();
    assert_int_equal(place(), ERROR_NO_SPACE);
    assert_string_equal(why, "no usable memory for the kernel");
}

/* What the boot loader put below 640 KiB is moved out of the setup part's way. */
static void files_may_lie_where_the_setup_part_goes(void **state)
{
    (void)state;
    make_world_16();
    sources[1] = (struct linux_source){0x8F000, 0x9B000};
    assert_int_equal(place(), ERROR_NONE);
    assert_int_equal(plan.low_at, 0x90000);
    assert_files_arrive();
    sources[0] = (struct linux_source){0x88000, 0x88000 + 1024 + KIB(64)};
    sources[1] = (struct linux_source){MIB(1) + KIB(8), MIB(1) + KIB(208)};
    assert_int_equal(place(), ERROR_NONE);
    assert_files_arrive();
    line_bytes = 2047;
    assert_int_equal(place(), ERROR_NONE);
    line_bytes++;
    image.command_line_max = UINT32_MAX;
    assert_int_equal(place(), ERROR_NO_SPACE);
    assert_string_equal(why, "the kernel's command line is too long");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_file_arrives_whole_where_the_model_says),
        cmocka_unit_test(the_usual_case_is_planned),
        cmocka_unit_test(the_lesser_alignment_is_told_to_the_kernel),
        cmocka_unit_test(what_must_be_swapped_is_parked_or_refused),
        cmocka_unit_test(an_initrd_never_stays_at_0),
        cmocka_unit_test(a_command_line_is_as_long_as_kernel_and_page_allow),
        cmocka_unit_test(sources_that_cannot_be_are_refused),
        cmocka_unit_test(nothing_goes_above_four_gib),
        cmocka_unit_test(the_16_bit_entry_is_planned_as_the_protocol_has_it),
        cmocka_unit_test(the_setup_part_stays_below_the_bios),
        cmocka_unit_test(room_to_unpack_is_kept),
        cmocka_unit_test(files_may_lie_where_the_setup_part_goes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
