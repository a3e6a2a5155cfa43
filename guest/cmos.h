/* The sizes of memory that the BIOS left in the CMOS (ports 70h and 71h), for a guest that has the
 * BIOS: they tell the story of guest/memory_calls.h. All other bytes, the index and the NMI mask
 * are the machine's own, and nothing is written to the CMOS but what the guest writes. No program
 * has a use for INS and OUTS here; what uses them has the ports to itself from then on. */
#pragma once

#include "mm/memmap.h"

/* Have the ports lead here; `map` is what the guest is to see, and stays where it is. Before the
 * CPUs' VMCSs are written; BSP. */
void cmos_intercept(const struct memory_map *map);
