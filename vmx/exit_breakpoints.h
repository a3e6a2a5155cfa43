/* The traps of data and I/O breakpoints behind an access that Orlop carries out
 * (vcpu/breakpoints.h). Called before the step over the instruction, and in exits that no usual
 * guest causes often. */
#pragma once

#include "base/types.h"

/* Whether any breakpoint is on. */
bool breakpoints_on(void);

/* Make pending what an access of the guest's at the exit's linear address, or at a port, meets. */
void breakpoints_note_data(uint64_t bytes, bool write);
void breakpoints_note_port(uint16_t port, unsigned bytes);
