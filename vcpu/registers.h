/* The guest's general registers as the exit stub stores them. The stub's stack pointer starts just
 * past the struct, so the fifteen pushes go from r15 down to rax and leave the registers in
 * ascending order of their encoding. RSP is not among them: VM entry and exit switch it. */
#pragma once

#include "base/types.h"

struct guest_registers {
    uint64_t rax, rcx, rdx, rbx, rbp, rsi, rdi;
    uint64_t r8, r9, r10, r11, r12, r13, r14, r15;
};

#define GUEST_REGISTER_RSP 4 /* the encoding that has no place in the struct */

_Static_assert(sizeof(struct guest_registers) == 120, "fifteen pushes");
_Static_assert(offsetof(struct guest_registers, rax) == 0, "pushed last");
_Static_assert(offsetof(struct guest_registers, rcx) == 8, "encoding 1");
_Static_assert(offsetof(struct guest_registers, rdx) == 16, "encoding 2");
_Static_assert(offsetof(struct guest_registers, rbx) == 24, "encoding 3");
_Static_assert(offsetof(struct guest_registers, rbp) == 32, "encoding 5; there is no RSP");
_Static_assert(offsetof(struct guest_registers, rsi) == 40, "encoding 6");
_Static_assert(offsetof(struct guest_registers, rdi) == 48, "encoding 7");
_Static_assert(offsetof(struct guest_registers, r8) == 56, "encoding 8");
_Static_assert(offsetof(struct guest_registers, r15) == 112, "pushed first");

/* The place of the register with the given encoding (0 = RAX ... 15 = R15), as exit qualifications
 * and ModRM bytes name it. Bits above the low four are ignored. NULL for GUEST_REGISTER_RSP, which
 * the caller takes from where the mechanism keeps it. */
static inline uint64_t *guest_register(struct guest_registers *registers, unsigned number)
{
    number &= 15;
    if (number == GUEST_REGISTER_RSP)
        return NULL;
    return &registers->rax + number - (number > GUEST_REGISTER_RSP);
}
