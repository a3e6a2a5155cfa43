/* Exceptions inside Orlop. All are bugs but three kinds: NMIs (kicks and the guest's own), machine
 * checks, and faults of the fault-safe primitives, which resume at their fix-up. */
#pragma once

#include "base/types.h"

/* As kernel/trap_entry.asm stores it; the last five words are the processor's
 * (SDM vol. 3A, 6.14.2 "64-Bit Mode Stack Frame"). */
struct trap_frame {
    uint64_t r15, r14, r13, r12, r11, r10, r9, r8, rdi, rsi, rbp, rdx, rcx, rbx, rax;
    uint64_t vector, error_code;
    uint64_t rip, cs, rflags, rsp, ss;
};

/* Called by the entry stubs, on any CPU, on the vector's own stack. */
void trap_dispatch(struct trap_frame *frame);

/* The stretches of vmx/entry.asm between the last look at `attention` and the VM entry: an NMI that
 * lands in one, at [start, end), is sent back to look again at `restart` (docs/design.md, NMI
 * windows). Set once by vmx/, before the first entry. */
struct entry_window {
    uint64_t start, end, restart;
};
#define TRAP_ENTRY_WINDOWS 3 /* the third: the look before HLT of a CPU that waits */
void trap_set_entry_window(unsigned index, struct entry_window window);

/* The exception's mnemonic, as the SDM writes it. */
const char *trap_name(uint64_t vector);

/* End the blocking of NMIs that an NMI, or a VM exit for one, began (kernel/trap_entry.asm). */
void trap_unblock_nmi(void);
