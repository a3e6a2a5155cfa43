#include "vcpu/msr_table.h"

#include "vcpu/msr_list.h"

#define ROW(first, last, name, read, write, rule, gate, memory, why)                               \
    {first, last, #name, MSR_##read, MSR_##write, MSR_MEMORY_##memory, why},
const struct msr_row msr_rows[] = {MSR_TABLE(ROW)};
const unsigned msr_row_count = ARRAY_SIZE(msr_rows);

#define BITMAP_LOW_READ   0
#define BITMAP_HIGH_READ  1024
#define BITMAP_LOW_WRITE  2048
#define BITMAP_HIGH_WRITE 3072
_Static_assert(BITMAP_HIGH_WRITE - BITMAP_HIGH_READ == BITMAP_LOW_WRITE, "writes follow reads");

static void bitmap_set(uint8_t *bitmap, uint32_t index, bool read, bool write)
{
    unsigned base = index >= MSR_HIGH_FIRST ? BITMAP_HIGH_READ : BITMAP_LOW_READ;
    unsigned byte = base + (index & MSR_LOW_LAST) / 8;
    uint8_t bit = (uint8_t)(1u << (index & 7));
    if (read)
        bitmap[byte] |= bit;
    if (write)
        bitmap[byte + BITMAP_LOW_WRITE] |= bit;
}

void msr_bitmap_build(uint8_t bitmap[MSR_BITMAP_BYTES], const struct msr_policy *policy)
{
    const bool open[] = {
#define OPEN(first, last, name, read, write, rule, gate, memory, why) GATE_##gate(policy),
        MSR_TABLE(OPEN)};
    for (unsigned i = 0; i < MSR_BITMAP_BYTES; i++)
        bitmap[i] = 0;
    for (unsigned i = 0; i < msr_row_count; i++) {
        if (open[i])
            continue;
        for (uint32_t index = msr_rows[i].first; index <= msr_rows[i].last; index++)
            bitmap_set(bitmap, index, msr_rows[i].read != MSR_PASS, msr_rows[i].write != MSR_PASS);
    }
}
