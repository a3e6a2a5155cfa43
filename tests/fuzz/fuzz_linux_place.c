/* with: loader/linux_place.c loader/moves.c mm/memmap.c mm/memmap_find.c */
/* Any image, memory map and modules: a plan keeps to usable memory, its pieces do not meet, and no
 * move reads what an earlier one has overwritten. */
#include "loader/linux_place.h"

#include "tests/fuzz/check_moves.h"
#include "tests/fuzz/take.h"

static struct memory_map map;
static struct linux_image image;
static struct linux_source sources[BOOTINFO_MAX_MODULES];
static struct linux_plan plan;
static uint64_t low_end;

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

static unsigned take_sources(struct input *input)
{
    unsigned count = take(input, 1) % (BOOTINFO_MAX_MODULES + 1);
    uint64_t at = 0;
    for (unsigned i = 0; i < count; i++) {
        at = take_start(input, at);
        uint64_t bytes = i == 0 ? image.setup_bytes + image.payload_bytes : take(input, 4);
        sources[i] = (struct linux_source){at, at + bytes};
        at += bytes;
    }
    return count;
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

/* The setup part alone goes to the low block. */
static void check_targets(void)
{
    for (unsigned i = 0; i < plan.move_count; i++) {
        const struct move *move = &plan.moves[i];
        bool setup = image.entry == LINUX_ENTRY_16 && move->to == plan.low_at;
        CHECK(setup || !meet(move->to, move->bytes, plan.low_at, low_bytes()));
        CHECK(!setup || move->bytes == image.setup_bytes);
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
    take_map(&input, &map);
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
    check_moves(&map, plan.moves, plan.move_count);
    check_targets();
    check_zeroes();
    return 0;
}
