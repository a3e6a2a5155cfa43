#include "guest/memory_calls.h"

#include "base/bits.h"
#include "lib/string.h"

#define SMAP            0x534D4150
#define AX              0xFFFFu
#define AH              0xFF00u
#define AH_UNSUPPORTED  0x8600
#define ENTRY_BYTES_MIN 20
#define ENTRY_PRESENT   1 /* the extended attribute of a 24-byte entry: do not ignore it */
#define KIB_TO_63_MIB   (63 * 1024)

static void set_ax(uint32_t *eax, uint64_t value) { *eax = (*eax & ~AX) | ((uint32_t)value & AX); }

static void refuse_call(struct memory_call *call)
{
    call->eax = (call->eax & ~AH) | AH_UNSUPPORTED;
    call->carry = true;
}

/* ACPI 6.5, section 15.1: the continuation value is for us to choose, 0 begins and ends. */
static void answer_entry(const struct memory_map *map, struct memory_call *call)
{
    uint32_t index = call->ebx;
    if (call->ecx < ENTRY_BYTES_MIN || index >= map->count) {
        refuse_call(call);
        return;
    }
    const struct memory_range *range = &map->ranges[index];
    const uint64_t length = range->end - range->base;
    const uint32_t attributes = ENTRY_PRESENT;
    memcpy(call->entry, &range->base, 8);
    memcpy(call->entry + 8, &length, 8);
    memcpy(call->entry + 16, &range->type, 4);
    memcpy(call->entry + 20, &attributes, 4);
    call->bytes = call->ecx < MEMORY_CALL_ENTRY_BYTES ? ENTRY_BYTES_MIN : MEMORY_CALL_ENTRY_BYTES;
    call->eax = SMAP;
    call->ecx = call->bytes;
    call->ebx = index + 1 < map->count ? index + 1 : 0;
}

/* KiB between 1 MiB and 16 MiB, and units of 64 KiB above 16 MiB. */
static void answer_sizes(const struct memory_map *map, struct memory_call *call, bool wide)
{
    uint64_t low = memory_map_run(map, MIB(1), MIB(16)) / KIB(1);
    uint64_t high = memory_map_run(map, MIB(16), GIB(4)) / KIB(64);
    if (wide) {
        call->eax = call->ecx = (uint32_t)low;
        call->ebx = call->edx = (uint32_t)high;
        return;
    }
    set_ax(&call->eax, low);
    set_ax(&call->ecx, low);
    set_ax(&call->ebx, high);
    set_ax(&call->edx, high);
}

bool memory_call_answer(const struct memory_map *map, struct memory_call *call)
{
    uint32_t ax = call->eax & AX;
    call->carry = false;
    call->bytes = 0;
    if (ax == 0xE820 && call->edx == SMAP)
        answer_entry(map, call);
    else if (ax == 0xE801 || ax == 0xE881)
        answer_sizes(map, call, ax == 0xE881);
    else if ((ax & AH) == 0x8800)
        set_ax(&call->eax, min_u64(memory_map_run(map, MIB(1), GIB(4)) / KIB(1), KIB_TO_63_MIB));
    else
        return false;
    return true;
}

/* The lower byte's place, where the memory begins, its unit. The memory below 640 KiB is at 15h,
 * and that above 4 GiB at 5Bh: Orlop is in neither. */
static const struct {
    uint8_t low;
    uint64_t from, unit;
} sizes[] = {
    {0x17, MIB(1), KIB(1)}, /* as the setup left it */
    {0x30, MIB(1), KIB(1)}, /* as it was found */
    {0x34, MIB(16), KIB(64)},
};

bool memory_size_is_at(uint8_t index, uint8_t *low)
{
    for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
        *low = sizes[i].low;
        if (index == *low || index == *low + 1)
            return true;
    }
    return false;
}

uint16_t memory_size(const struct memory_map *map, uint8_t low, uint16_t size)
{
    for (size_t i = 0; i < ARRAY_SIZE(sizes); i++)
        if (sizes[i].low == low)
            return (uint16_t)min_u64(size,
                                     memory_map_run(map, sizes[i].from, GIB(4)) / sizes[i].unit);
    return size;
}
