/* The guest that the machine's BIOS would have booted: the boot sector of one of its drives is read
 * by the BIOS's own INT 13h, which Orlop calls in the guest, and started as the BIOS starts it
 * (guest/disk_boot.h). No code of Orlop's is put into the guest's memory: a call returns to the
 * hook of guest/bios_hook.h. What it used of conventional memory is put back. */
#pragma once

#include "kernel/percpu.h"
#include "vcpu/entry_state.h"

/* The state from which the boot CPU reads and starts the boot sector of `drive`; later it refuses
 * to go on, by name of the reason, where there is none. `cr0` is as the boot loader left it.
 * ERROR_NOT_FOUND: this machine has no BIOS. After bios_hook_install(); BSP. */
MUST_CHECK enum error disk_prepare(struct cpu *cpu, uint8_t drive, uint64_t cr0,
                                   struct entry_state *entry);
