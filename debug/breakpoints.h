/* Breakpoints in the guest. Those of software are an INT3 in the guest's memory, at the physical
 * address where the linear one led when it was set: who executes that byte at that linear address
 * stops, and who reads it here sees what was there before. Those of the processor are its debug
 * registers, the same on all CPUs. All but breakpoint_is_at() with all CPUs standing still, on the
 * holder of the stop. */
#pragma once

#include "debug/target.h"
#include "vmx/vmx_cpu.h"

#define BREAKPOINTS_MAX 64

/* By `cpu`'s present tables, or those of target_set_cr3(). ERROR_FAULT: there is no memory that
 * could be written to. */
MUST_CHECK enum error breakpoint_set(struct cpu *cpu, uint64_t linear);

/* ERROR_NOT_FOUND: there is none. What the guest has written over it stays. */
MUST_CHECK enum error breakpoint_clear(struct cpu *cpu, uint64_t linear);

/* Is the guest on this CPU, which is the caller's, at one of them? machine.debug.owns_int3. */
bool breakpoint_is_at(struct vmx_cpu *vcpu);

/* The INT3 that this CPU has met lies there for another linear address, as in a page of a library
 * that several programs have: nobody asked to stop here. Where that is so the guest's byte is put
 * back until breakpoint_pass_end(), and true; all CPUs stand still in between, or are this one. */
bool breakpoint_pass_begin(struct vmx_cpu *vcpu);
void breakpoint_pass_end(struct vmx_cpu *vcpu);

/* target_read() and target_write() as if there were no INT3. */
size_t breakpoint_read(struct cpu *cpu, enum target_space space, uint64_t address, void *to,
                       size_t bytes);
size_t breakpoint_write(struct cpu *cpu, enum target_space space, uint64_t address,
                        const void *from, size_t bytes);

/* The processor's, for `bytes` from `linear` on: as many registers as aligned pieces of 1, 2, 4 or
 * 8 bytes make these up, all or none. `type` is DR7's (vmx/debugging.h); `kind` is the caller's,
 * not 0, and tells what is one breakpoint. */
MUST_CHECK enum error watch_set(uint64_t linear, uint64_t bytes, uint8_t type, uint8_t kind);
MUST_CHECK enum error watch_clear(uint64_t linear, uint64_t bytes, uint8_t kind);

/* The `kind` of that register's; 0: not set here. */
uint8_t watch_kind(uint64_t slot);
uint64_t watch_linear(uint64_t slot);

/* All of both. */
void breakpoints_clear(struct cpu *cpu);
