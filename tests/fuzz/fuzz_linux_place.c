/* with: loader/linux_place.c loader/moves.c mm/memmap.c mm/memmap_find.c */
/* Any image, memory map and modules: a plan keeps to usable memory, its pieces do not meet, and no
 * move reads what an earlier one has overwritten. */
#include "loader/linux_place.h"

#include <string.h>

#include "tests/fuzz/check.h"

struct input {
    const unsigned char *data;
    size_t bytes;
};

static struct memory_map map;
static struct linux_image image;
static struct linux_source sources[BOOTINFO_MAX_MODULES];
static struct linux_plan plan;
static uint64_t low_end;

/* The next `bytes` bytes as a number; zeroes behind the end. */
static uint64_t take(struct input *input, size_t bytes)
{
    uint64_t value = 0;
    size_t got = bytes < input->bytes ? bytes : input->bytes;
    memcpy(&value, input->data, got);
    input->data += got;
    input->bytes -= got;
    return value;
}

/* In pages, or to the byte. */
static uint64_t take_address(struct input *input)
{
    uint64_t page = take(input, 3), offset = take(input, 1);
    return page * PAGE_SIZE + (offset < 128 ? 0 : offset);
}

/* As linux_image_parse promises it. */
static void take_image(struct input *input)
{
    uint8_t exponent = (uint8_t)take(input, 1) % 32, less = (uint8_t)take(input, 1) % 32;
    image.relocatable = take(input, 1) % 4 != 0;
    image.alignment = image.relocatable ? 1u << exponent : 1;
    image.min_alignment = image.alignment >> (less < exponent ? less : 0);
    if (image.min_alignment == 0)
        image.min_alignment = 1;
    image.pref_address = (take(input, 3) % 0xFFF00 + 0x100) * PAGE_SIZE;
    image.setup_bytes = 512 * (1 + take(input, 1) % 65);
    image.entry = take(input, 1) % 2 ? LINUX_ENTRY_16 : LINUX_ENTRY_32;
    image.high = image.entry == LINUX_ENTRY_32 || take(input, 1) % 2;
    image.version = image.entry == LINUX_ENTRY_32 ? 0x20F : 0x200 + (uint16_t)take(input, 1) % 16;
    image.payload_bytes = 1 + take(input, 4) % MIB(64);
    image.init_size = take(input, 4) % (take(input, 1) % 2 ? GIB(4) : MIB(64));
    image.initrd_max = take(input, 4) + 1;
    image.command_line_max = (uint32_t)take(input, 2);
}

static void take_map(struct input *input)
{
    memset(&map, 0, sizeof(map));
    for (unsigned i = take(input, 1) % 16; i-- > 0;) {
        uint64_t base = take_address(input), bytes = take_address(input);
        if (memory_map_add(&map, base, bytes, take(input, 1) % 4 ? MEMORY_USABLE : 2))
            return;
    }
}

static unsigned take_sources(struct input *input)
{
    unsigned count = take(input, 1) % (BOOTINFO_MAX_MODULES + 1);
    uint64_t at = 0;
    for (unsigned i = 0; i < count; i++) {
        bool follows = take(input, 1) % 2;
        at = follows ? (at + PAGE_SIZE - 1) & ~PAGE_MASK : take_address(input);
        uint64_t bytes = i == 0 ? image.setup_bytes + image.payload_bytes : take(input, 4);
        sources[i] = (struct linux_source){at, at + bytes};
        at += bytes;
    }
    return count;
}

static bool meet(uint64_t a, uint64_t a_bytes, uint64_t b, uint64_t b_bytes)
{
    return a_bytes && b_bytes && a < b + b_bytes && b < a + a_bytes;
}

static bool is_usable(uint64_t base, uint64_t bytes)
{
    return memory_map_type_of(&map, base, base + bytes) == MEMORY_USABLE && base + bytes <= GIB(4);
}

static uint64_t low_bytes(void)
{
    return image.entry == LINUX_ENTRY_16 ? LINUX16_LOW_BYTES : LINUX_LOW_BYTES;
}

static void check_kernel_16(void)
{
    CHECK(plan.kernel_at == (image.high ? MIB(1) : 0x10000));
    CHECK(plan.kernel_bytes >= image.payload_bytes);
    CHECK(image.version < 0x20A || is_usable(image.pref_address, image.init_size) ||
          image.init_size == 0);
    CHECK(plan.low_at >= 0x10000 && plan.low_at <= 0x90000);
    CHECK(plan.low_at + LINUX16_LOW_BYTES <= low_end);
    CHECK(image.version >= 0x202 || plan.low_at == 0x90000);
    CHECK(plan.command_line_at == plan.low_at + LINUX16_STACK);
    CHECK(!meet(plan.initrd_at, plan.initrd_bytes, image.pref_address, image.init_size));
}

static void check_kernel_32(unsigned count)
{
    CHECK(plan.kernel_bytes >= image.init_size && plan.kernel_bytes >= image.payload_bytes);
    CHECK(plan.kernel_at >= image.pref_address);
    CHECK(image.relocatable || plan.kernel_at == image.pref_address);
    CHECK(plan.kernel_at % plan.kernel_alignment == 0);
    CHECK(plan.kernel_alignment <= image.alignment && plan.kernel_alignment >= image.min_alignment);
    for (unsigned i = 0; i < count; i++)
        CHECK(!meet(plan.low_at, LINUX_LOW_BYTES, sources[i].start,
                    sources[i].end - sources[i].start));
}

static void check_places(unsigned count)
{
    if (image.entry == LINUX_ENTRY_16)
        check_kernel_16();
    else
        check_kernel_32(count);
    CHECK(is_usable(plan.kernel_at, plan.kernel_bytes));
    CHECK(is_usable(plan.low_at, low_bytes()) && plan.low_at >= PAGE_SIZE);
    CHECK(!meet(plan.low_at, low_bytes(), plan.kernel_at, plan.kernel_bytes));
    CHECK((plan.initrd_bytes != 0) == (count > 1));
    if (count == 1)
        return;
    CHECK(plan.initrd_at >= PAGE_SIZE && plan.initrd_at % PAGE_SIZE == 0);
    CHECK(is_usable(plan.initrd_at, plan.initrd_bytes));
    CHECK(plan.initrd_at + plan.initrd_bytes <= image.initrd_max);
    CHECK(!meet(plan.initrd_at, plan.initrd_bytes, plan.kernel_at, plan.kernel_bytes));
    CHECK(!meet(plan.initrd_at, plan.initrd_bytes, plan.low_at, low_bytes()));
}

/* What a move reads was written by no earlier one, but for a whole piece that was parked there. */
static void check_read(unsigned index)
{
    const struct move *move = &plan.moves[index];
    for (unsigned i = index; i-- > 0;) {
        const struct move *earlier = &plan.moves[i];
        if (!meet(move->from, move->bytes, earlier->to, earlier->bytes))
            continue;
        CHECK(move->from == earlier->to && move->bytes == earlier->bytes);
        return;
    }
}

static void check_moves(void)
{
    CHECK(plan.move_count <= MOVES_MAX);
    for (unsigned i = 0; i < plan.move_count; i++) {
        const struct move *move = &plan.moves[i];
        CHECK(is_usable(move->to, move->bytes) && move->bytes != 0);
        CHECK(move->to != move->from);
        bool setup = image.entry == LINUX_ENTRY_16 && move->to == plan.low_at;
        CHECK(setup || !meet(move->to, move->bytes, plan.low_at, low_bytes()));
        CHECK(!setup || move->bytes == image.setup_bytes);
        check_read(i);
    }
}

static void check_zeroes(void)
{
    uint64_t end = plan.initrd_at + plan.initrd_bytes;
    CHECK(plan.zero_count < BOOTINFO_MAX_MODULES);
    for (unsigned i = 0; i < plan.zero_count; i++) {
        const struct memory_range *zero = &plan.zeroes[i];
        CHECK(zero->base < zero->end && zero->end - zero->base < PAGE_SIZE);
        CHECK(zero->base > plan.initrd_at && zero->end < end);
        for (unsigned j = 0; j < plan.move_count; j++)
            CHECK(plan.moves[j].to < plan.initrd_at || plan.moves[j].to >= end ||
                  !meet(zero->base, zero->end - zero->base, plan.moves[j].to, plan.moves[j].bytes));
    }
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t bytes)
{
    struct input input = {data, bytes};
    const char *why = "";
    take_image(&input);
    take_map(&input);
    uint32_t line_bytes = (uint32_t)take(&input, 2);
    low_end = take(&input, 2) * 16;
    unsigned count = take_sources(&input);
    enum error error = linux_place(&image, &map, low_end, sources, count, line_bytes, &plan, &why);
    CHECK((error == ERROR_NONE) == (why == NULL));
    CHECK(error == ERROR_NONE || error == ERROR_NO_SPACE || error == ERROR_MALFORMED);
    if (error)
        return 0;
    CHECK(line_bytes <= image.command_line_max && line_bytes < LINUX_COMMAND_LINE_ROOM);
    check_places(count);
    check_moves();
    check_zeroes();
    return 0;
}
