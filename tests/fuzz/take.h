/* A fuzzer's input as a row of numbers: worlds are drawn from it, a memory map first of all. */
#pragma once

#include <string.h>

#include "mm/memmap.h"

struct input {
    const unsigned char *data;
    size_t bytes;
};

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

/* Where a file begins: right behind the one that ends at `at`, as GRUB puts them, or anywhere. */
static uint64_t take_start(struct input *input, uint64_t at)
{
    bool follows = take(input, 1) % 2;
    return follows ? (at + PAGE_SIZE - 1) & ~PAGE_MASK : take_address(input);
}

static void take_map(struct input *input, struct memory_map *map)
{
    memset(map, 0, sizeof(*map));
    for (unsigned i = take(input, 1) % 16; i-- > 0;) {
        uint64_t base = take_address(input), bytes = take_address(input);
        if (memory_map_add(map, base, bytes, take(input, 1) % 4 ? MEMORY_USABLE : 2))
            return;
    }
}
