#include "kernel/guest_write.h"

#include "base/bits.h"
#include "base/panic.h"
#include "kernel/main_steps.h"
#include "lib/string.h"
#include "mm/frames.h"

void guest_must(enum error error)
{
    if (error != ERROR_NONE)
        panic("the guest would lie in Orlop's range");
}

void guest_put(uint64_t to, const void *from, uint64_t bytes)
{
    guest_must(guest_write(this_cpu()->windows, GPA(to), from, bytes));
}

void guest_carry_out(const struct move *moves, unsigned move_count,
                     const struct memory_range *zeroes, unsigned zero_count)
{
    uint8_t *page = frames_pointer(boot.facts.scratch);
    for (unsigned i = 0; i < move_count; i++)
        guest_must(
            guest_move(this_cpu()->windows, GPA(moves[i].to), GPA(moves[i].from), moves[i].bytes));
    memset(page, 0, PAGE_SIZE);
    for (unsigned i = 0; i < zero_count; i++)
        for (uint64_t at = zeroes[i].base; at < zeroes[i].end; at += PAGE_SIZE)
            guest_put(at, page, min_u64(zeroes[i].end - at, PAGE_SIZE));
}
