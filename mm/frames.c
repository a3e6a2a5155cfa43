#include "mm/frames.h"

#include "base/panic.h"
#include "lib/string.h"

struct frames frames;

hpa_t frames_take_many(uint64_t count)
{
    ASSERT(count <= (frames.end - frames.next) / PAGE_SIZE);
    hpa_t first = HPA(frames.next);
    frames.next += count * PAGE_SIZE;
    memset(frames_pointer(first), 0, count * PAGE_SIZE);
    return first;
}

hpa_t frames_take(void) { return frames_take_many(1); }
