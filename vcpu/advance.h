/* What completing an instruction does to the guest, when Orlop has carried the instruction out: the
 * step to the next one, and on the rare path the flags and events that go with it. Pure, and inline
 * where every exit passes. */
#pragma once

#include "base/types.h"
#include "base/x86/cr.h"
#include "base/x86/eflags.h"
#include "base/x86/msr.h"

/* The step to the next instruction: `*next` = rip + length. Whether it needs rip_wrap(): only when
 * it carries out of bit 31, which the addition itself tells, so that a usual exit need not ask for
 * CS.L. */
static inline bool rip_step(uint64_t rip, uint64_t length, uint64_t *next)
{
    uint32_t low;
    *next = rip + length;
    return __builtin_add_overflow((uint32_t)rip, (uint32_t)length, &low);
}

/* The next RIP after such a carry: outside 64-bit mode RIP has 32 bits and goes on at 0, and VM
 * entry insists on it.
 *
 * There is no wrap at 16 bits: the sum is EIP whatever the code's size. At the end of a 64 KiB
 * segment EIP becomes 10000h, beyond the limit, and the fetch there is #GP; only the 8086 goes on
 * at offset 0 (Intel SDM vol. 3B, chapter 23, "Segment Wraparound"). With a larger limit the code
 * at 10000h runs. So the guest gets 10000h, and its CPU raises the fault, if there is one
 * (Bochs 2.7 likewise compares the whole EIP with the limit when it fetches).
 *
 * In 64-bit mode the step may leave the canonical half. VM entry takes such a RIP, because only
 * bits 63:N must be alike and a carry changes bit N - 1 (vol. 3C, 27.3.1.4 "Checks on Guest RIP,
 * RFLAGS, and SSP"); the guest then gets the #GP of the fetch, as on the bare CPU. */
static inline uint64_t rip_wrap(uint64_t next, bool in_64bit_mode)
{
    return in_64bit_mode ? next : (uint32_t)next;
}

/* What else completing an instruction may touch. */
struct advance_state {
    uint64_t rflags;
    uint64_t debugctl;      /* IA32_DEBUGCTL; only BTF matters */
    uint64_t pending_debug; /* pending debug exceptions, in the layout of DR6 */
    bool blocked_by_sti;
    bool blocked_by_mov_ss;
};

/* Whether advance_complete() has anything to do. */
static inline bool advance_is_rare(uint64_t rflags, bool blocked_by_sti_or_mov_ss)
{
    return (rflags & (RFLAGS_TF | RFLAGS_RF)) || blocked_by_sti_or_mov_ss;
}

/* Completes an instruction that is neither a branch nor one that loads SS or sets IF: interrupts
 * that STI or MOV SS held back are open again, RF is clear, and with TF a single-step trap is
 * pending (vol. 3B, 18.3.1.4 "Single-Step Exception Condition"), unless BTF asks for branches
 * alone (18.4.3). */
static inline void advance_complete(struct advance_state *state)
{
    if ((state->rflags & RFLAGS_TF) && !(state->debugctl & DEBUGCTL_BTF))
        state->pending_debug |= DR6_BS;
    state->rflags &= ~RFLAGS_RF;
    state->blocked_by_sti = false;
    state->blocked_by_mov_ss = false;
}

/* Completes an element of a string with REP that is not the last: traps and interrupts come in
 * between as behind an instruction (vol. 1, 7.3.9.2 "Repeated String Operations"), and find RF set,
 * so that a breakpoint on the instruction is not met again (vol. 3B, 18.3.1.1
 * "Instruction-Breakpoint Exception Condition"). */
static inline void advance_complete_element(struct advance_state *state)
{
    advance_complete(state);
    state->rflags |= RFLAGS_RF;
}
