#include "vcpu/debug_registers.h"

#include "base/bits.h"
#include "base/x86/cr.h"

#define DR6_BREAKPOINTS (DR6_B0 | DR6_B1 | DR6_B2 | DR6_B3)
#define DR6_ACTIVE_LOW  (DR6_BLD | DR6_RTM) /* 1 in what a #DB met */
#define DR7_FIELDS      0xFull              /* R/W and length of one */

static bool is_enabled(uint64_t dr7, unsigned i) { return dr7 & DR7_ENABLED(i); }

/* R/W, and the length, whose codes are 0, 1, 3 and 2 for 1, 2, 4 and 8 bytes. */
static uint64_t fields_of(const struct debug_breakpoint *wanted)
{
    static const uint8_t lengths[9] = {[2] = 1, [4] = 3, [8] = 2};
    unsigned length = wanted->type && wanted->bytes < sizeof(lengths) ? lengths[wanted->bytes] : 0;
    return (length << 2) | (wanted->type & 3u);
}

static void take(struct breakpoints *real, unsigned i, const struct debug_breakpoint *wanted)
{
    real->address[i] = wanted->linear;
    real->dr7 &= ~(DR7_FIELDS << DR7_FIELDS_SHIFT(i));
    real->dr7 |= fields_of(wanted) << DR7_FIELDS_SHIFT(i) | DR7_ENABLED(i);
}

/* Guests begin with DR0, so the debugger does with DR3, and seldom has to move. DR7.GD is looked at
 * when MOV DR exits. */
bool debug_registers_compose(const struct breakpoints *guest,
                             const struct debug_breakpoint wanted[DEBUG_BREAKPOINTS],
                             struct breakpoints *real, struct debug_owners *owners)
{
    unsigned left = DEBUG_BREAKPOINTS;
    bool all = true;
    *real = *guest;
    real->dr7 &= ~(uint64_t)DR7_GD;
    *owners = (struct debug_owners){{0}};
    for (unsigned i = 0; i < DEBUG_BREAKPOINTS; i++) {
        if (!wanted[i].on)
            continue;
        while (left && is_enabled(guest->dr7, left - 1))
            left--;
        if (!left) {
            all = false;
            break;
        }
        left--;
        take(real, left, &wanted[i]);
        owners->of[left] = (uint8_t)(i + 1);
    }
    return all;
}

/* The processor may also tell breakpoints that are not enabled, beside those that are (SDM vol. 3B,
 * 18.2.3 "Debug Status Register (DR6)"). */
uint64_t debug_registers_split(const struct debug_owners *owners, uint64_t guest_dr7, uint64_t met,
                               unsigned *debuggers)
{
    bool any = met & (DR6_BD | DR6_BS | DR6_BT | DR6_ACTIVE_LOW);
    *debuggers = 0;
    for (unsigned i = 0; i < DEBUG_BREAKPOINTS; i++) {
        uint64_t bit = met & DR6_B0 << i;
        if (bit && owners->of[i]) {
            *debuggers |= 1u << (owners->of[i] - 1);
            met &= ~bit;
        }
        any |= bit && !owners->of[i] && is_enabled(guest_dr7, i);
    }
    return any ? met : 0;
}

/* Bits 3:0 are those of this #DB alone, RTM is 1 but in a transaction, all others stay until the
 * guest clears them. */
uint64_t debug_registers_dr6(uint64_t dr6, uint64_t met)
{
    dr6 = (dr6 & ~DR6_BREAKPOINTS) | DR6_RTM;
    dr6 |= met & (DR6_BREAKPOINTS | DR6_BD | DR6_BS | DR6_BT);
    return dr6 & ~(met & DR6_ACTIVE_LOW);
}

enum debug_move_verdict debug_move_judge(struct debug_move *move)
{
    if (move->number > 7 || (move->de && (move->number & ~1u) == 4))
        return DEBUG_MOVE_UD;
    if (move->cpl)
        return DEBUG_MOVE_GP;
    if (move->dr7 & DR7_GD)
        return DEBUG_MOVE_DETECT;
    if (move->number >= 4)
        move->number |= 2;
    return move->to_dr && move->number >= 4 && move->value >> 32 ? DEBUG_MOVE_GP : DEBUG_MOVE_DONE;
}
