#include "vcpu/type_watch.h"

#include "base/bits.h"

/* What is left of `span_us` from `*from_us` on; all of it, where the clock was set back. */
static uint64_t left_of(uint64_t *from_us, uint64_t span_us, uint64_t now_us)
{
    *from_us = min_u64(*from_us, now_us);
    return span_us - min_u64(span_us, now_us - *from_us);
}

uint64_t type_watch_look(struct type_watch *watch, struct type_view view, uint64_t now_us)
{
    bool differed = watch->differs;
    watch->differs = !view.in_force && !view.settled;
    if (view.in_force)
        return UINT64_MAX;
    if (watch->differs && !differed)
        watch->since_us = now_us;
    uint64_t wait = watch->differs ? left_of(&watch->since_us, TYPE_LASTS_US, now_us) : 0;
    return max_u64(wait, left_of(&watch->ended_us, watch->rest_us, now_us));
}

void type_watch_built(struct type_watch *watch, bool done, uint64_t began_us, uint64_t now_us)
{
    watch->differs = watch->differs && !done;
    watch->ended_us = now_us;
    watch->rest_us = max_u64(done ? TYPE_REST_US : TYPE_LASTS_US, 9 * (now_us - began_us));
}
