/* The debug registers of a guest's processor while a debugger sets breakpoints of its own in them:
 * who has which register, what the real ones hold, whose a #DB is, and what MOV DR does. The
 * guest's come first: a register that its DR7 enables is never taken from it. Pure.
 * Source: Intel SDM vol. 3B, 18.2 "Debug Registers"; vol. 2B, "MOV—Move to/from Debug Registers".
 */
#pragma once

#include "vcpu/breakpoints.h"

#define DEBUG_BREAKPOINTS 4

/* One of the debugger's, at a linear address of the guest's. `type` and `bytes` are DR7's R/W and
 * length: 0 an instruction, 1 writes, 2 ports, 3 reads and writes; 1, 2, 4 or 8 bytes. */
struct debug_breakpoint {
    uint64_t linear;
    uint8_t type, bytes;
    bool on;
};

/* For each register the breakpoint of the debugger's that lies in it, plus one; 0: the guest's. */
struct debug_owners {
    uint8_t of[DEBUG_BREAKPOINTS];
};

/* What the processor's registers shall hold. False: the guest uses so many that some of the
 * debugger's breakpoints have no place. */
bool debug_registers_compose(const struct breakpoints *guest,
                             const struct debug_breakpoint wanted[DEBUG_BREAKPOINTS],
                             struct breakpoints *real, struct debug_owners *owners);

/* Whose is what a #DB met? `met` has the layout of an exit qualification or of the pending debug
 * exceptions. Returns the guest's part, 0 where the guest would have no #DB; `*debuggers` gets the
 * debugger's breakpoints, a bit each. */
uint64_t debug_registers_split(const struct debug_owners *owners, uint64_t guest_dr7, uint64_t met,
                               unsigned *debuggers);

/* DR6 behind the delivery of a #DB that met this. */
uint64_t debug_registers_dr6(uint64_t dr6, uint64_t met);

enum debug_move_verdict { DEBUG_MOVE_DONE, DEBUG_MOVE_UD, DEBUG_MOVE_GP, DEBUG_MOVE_DETECT };

struct debug_move {
    unsigned number; /* of the debug register, as encoded */
    bool to_dr;
    uint64_t value; /* to be written */
    bool de;        /* CR4.DE */
    unsigned cpl;
    uint64_t dr7; /* the guest's */
};

/* May MOV DR be done? DR4 and DR5 become what they stand for. DEBUG_MOVE_DETECT: #DB with DR6.BD.
 */
enum debug_move_verdict debug_move_judge(struct debug_move *move);
