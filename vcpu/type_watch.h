/* When the EPT's memory types follow the guest's MTRRs: once, when all CPUs that run are of one
 * mind again, and never for a state in between.
 *
 * Systems change MTRRs CPU by CPU, each with CR0.CD = 1 and IA32_MTRR_DEF_TYPE.E = 0 meanwhile (SDM
 * vol. 3A, 12.11.8 "MTRR Considerations in MP Systems"), so that for some milliseconds the CPUs
 * differ, or have no MTRRs. What lasts is no state in between: it is carried out as it stands. Two
 * bounds hold whatever a guest does: a rebuild is not begun sooner than TYPE_REST_US after the last
 * one, nor before nine times as long as that one took. Pure; under the caller's lock. Times are
 * microseconds of the TSC, which the guest may set: back, and a wait begins again. */
#pragma once

#include "base/types.h"

#define TYPE_LASTS_US 2000000
#define TYPE_REST_US  10000

/* How long a rebuild waits for all CPUs to have written their caches back (WBINVD), which no event
 * interrupts. The largest last-level caches have 1.2 GiB: 300 ms at 4 GiB/s, for the first CPU of a
 * package. Its others find that one clean, and walk it in turn: 20 million lines, at 1 ns each 20
 * ms. So 0.6 s for 4 CPUs and 5.6 s for 256. */
static inline uint64_t type_stop_bound_us(uint32_t cpus) { return 500000 + 20000ull * cpus; }

struct type_watch {
    bool differs; /* since `since_us` the CPUs are not of one mind */
    uint64_t since_us;
    uint64_t ended_us, rest_us; /* the last rebuild, and for how long there is to be none */
};

/* What a look at all CPUs that run finds. */
struct type_view {
    bool in_force; /* they have what the EPT was built of */
    bool settled;  /* they have the same, with the MTRRs on and the caches too */
};

/* 0: rebuild now, of what they have. Else microseconds until the next look, UINT64_MAX for none. */
uint64_t type_watch_look(struct type_watch *watch, struct type_view view, uint64_t now_us);

/* A rebuild was begun at `began_us` and is done; or was given up, and is tried again as late as if
 * the CPUs differed. Nine times what it took is the least rest for either. */
void type_watch_built(struct type_watch *watch, bool done, uint64_t began_us, uint64_t now_us);
