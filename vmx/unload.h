/* Out of VMX, for good: the hypercall by which all of the guest's CPUs go on natively. */
#pragma once

#include "vmx/vmx_cpu.h"

/* What vmx/leave.asm puts into the processor; it lies in the second half of the guest's page. */
struct leave_state {
    uint64_t cr0, cr3, cr4, efer, dr7;
    uint64_t cs, ss, ds, es, fs, gs, ldtr, tr; /* selectors */
    uint64_t fs_base, gs_base, rip, rsp, rflags;
    struct guest_registers registers;
    uint8_t gdtr[16], idtr[16]; /* limit, base: ten bytes */
};
#define LEAVE_STATE_AT (PAGE_SIZE / 2)

/* `page` is a linear address of the guest's, as the hypercall gives it. Waits for the other CPUs'
 * calls. Returns an error of include/orlop_abi.h, with nothing changed; or never. */
int64_t unload(struct vmx_cpu *vcpu, uint64_t page);
