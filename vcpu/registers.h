/* The guest's general registers as the exit stub stores them. The stub's stack pointer starts just
 * past the struct, so the fifteen pushes go from r15 down to rax. The last five are those that
 * every C function keeps: the fast way out does not reload them, and a handler that changes one
 * says so (exit_set_register, vmx/exit.h). RSP is not among them: VM entry and exit switch it. */
#pragma once

#include "base/types.h"

struct guest_registers {
    uint64_t rax, rcx, rdx, rbx, rsi, rdi;
    uint64_t r8, r9, r10, r11;
    uint64_t rbp, r12, r13, r14, r15;
};

#define GUEST_REGISTER_RSP 4 /* the encoding that has no place in the struct */

_Static_assert(sizeof(struct guest_registers) == 120, "fifteen pushes");
_Static_assert(offsetof(struct guest_registers, rax) == 0, "pushed last");
_Static_assert(offsetof(struct guest_registers, rbp) == 80, "the first that C keeps");
_Static_assert(offsetof(struct guest_registers, r15) == 112, "pushed first");

/* The place of the register with the given encoding (0 = RAX ... 15 = R15), as exit qualifications
 * and ModRM bytes name it. Bits above the low four are ignored. NULL for GUEST_REGISTER_RSP, which
 * the caller takes from where the mechanism keeps it. */
static inline uint64_t *guest_register(struct guest_registers *registers, unsigned number)
{
    static const uint8_t places[16] = {
        offsetof(struct guest_registers, rax),
        offsetof(struct guest_registers, rcx),
        offsetof(struct guest_registers, rdx),
        offsetof(struct guest_registers, rbx),
        0xFF,
        offsetof(struct guest_registers, rbp),
        offsetof(struct guest_registers, rsi),
        offsetof(struct guest_registers, rdi),
        offsetof(struct guest_registers, r8),
        offsetof(struct guest_registers, r9),
        offsetof(struct guest_registers, r10),
        offsetof(struct guest_registers, r11),
        offsetof(struct guest_registers, r12),
        offsetof(struct guest_registers, r13),
        offsetof(struct guest_registers, r14),
        offsetof(struct guest_registers, r15),
    };
    number &= 15;
    if (number == GUEST_REGISTER_RSP)
        return NULL;
    return (uint64_t *)((uint8_t *)registers + places[number]);
}
