/* Page frames of Orlop's own range. One bump allocator, filled at boot and never afterwards
 * (docs/design.md): what is taken is kept for the whole run, so there is nothing to free.
 */
#pragma once

#include "base/error.h"
#include "base/types.h"

struct frames {
    uint64_t base, next, end; /* host-physical; pages below `next` are taken */
    uint64_t to_virtual;      /* add it to a physical address of the range to get at the bytes */
};

/* The one set of frames; set up once the range is known (kernel/place.c). */
extern struct frames frames;

/* One zeroed page. Panics when the range, which was sized for all of them, is used up. Boot only.
 */
hpa_t frames_take(void);

/* `count` adjoining pages, zeroed. Boot only. */
hpa_t frames_take_many(uint64_t count);

/* The bytes of a page of the range. Any CPU. */
static inline void *frames_pointer(hpa_t address)
{
    return (void *)(address.v + frames.to_virtual);
}
