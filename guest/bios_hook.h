/* What a guest that asks the BIOS is told of the memory: the BIOS's own INT 15h with Orlop's
 * answers (guest/memory_calls.h) for the calls that ask for it. The EPT shows a copy of the ROM
 * page that the call enters, whose first instruction there is VMCALL; all calls that are not ours
 * run on in the real page. Nothing in the guest's RAM is changed, and no other page of the ROM. */
#pragma once

#include "kernel/percpu.h"
#include "mm/memmap.h"
#include "vmx/exit.h"

/* Put the hook in place; `map` is what the guest is to see, and stays where it is. Logged where
 * this machine has no BIOS to hook. After the EPT is built and before any CPU runs the guest; BSP.
 */
void bios_hook_install(struct cpu *cpu, const struct memory_map *map);

/* CS:IP of the hook, for who wants to be called back there; 0:0 where there is none. */
struct bios_entry {
    uint16_t cs, ip;
};
struct bios_entry bios_hook_entry(void);

/* Who comes to the hook with this stack has not called INT 15h, which would have put a frame on it,
 * but is back from where Orlop sent it: `returned` is called. NULL: nobody is expected. The struct
 * stays where it is. */
struct bios_return {
    uint64_t stack_base;
    uint16_t sp;
    enum exit_next (*returned)(struct vmx_cpu *vcpu);
};
void bios_hook_await(const struct bios_return *expected);
