/* How a guest's first instruction is reached on the boot CPU: the processor as after INIT, and what
 * the contract of each kind of guest changes in it. Pure. */
#pragma once

#include "vcpu/init_sipi.h"

/* General registers that are not here or in `processor` are 0. */
struct entry_state {
    struct reset_state processor;
    uint64_t rsp, rsi, rax, rbx;
};

/* As a BIOS starts a boot sector: real mode at cs:ip, data segments at 0, a stack below 7C00h, the
 * drive in DL, the BIOS's interrupt table, interrupts off. `cr0` is as the boot loader left it. */
struct entry_state entry_state_boot_sector(uint64_t cr0, uint16_t cs, uint16_t ip, uint8_t drive);

/* As the Linux boot protocol asks for at the 32-bit entry: protected mode without paging, flat
 * segments by the GDT at `gdt`, ESI = `params`, interrupts off. */
struct entry_state entry_state_linux(uint64_t cr0, uint32_t entry, uint32_t params, uint32_t gdt);

/* As the Linux boot protocol asks for at the 16-bit entry: real mode behind the first sector at
 * `segment`, which all other segments are too, the stack below `stack` in it, the BIOS's interrupt
 * table, interrupts off. */
struct entry_state entry_state_linux16(uint64_t cr0, uint16_t segment, uint16_t stack);

/* As the multiboot specifications ask for: protected mode without paging, flat segments by no GDT
 * that the kernel could use, EAX = `magic`, EBX = `info`, interrupts off. */
struct entry_state entry_state_multiboot(uint64_t cr0, uint32_t magic, uint32_t entry,
                                         uint32_t info);

/* The selectors that the Linux boot protocol names (__BOOT_CS, __BOOT_DS); the GDT ends behind. */
#define ENTRY_LINUX_CODE      0x10
#define ENTRY_LINUX_DATA      0x18
#define ENTRY_LINUX_GDT_BYTES 0x20
