/* The host's address space, one table (docs/design.md). Everything lies in the top 2 GiB, so
 * that code compiled for the kernel model reaches it with 32-bit displacements, and below one page
 * directory, so that the whole space is described by a handful of tables.
 *
 *   0xFFFFFFFF80000000   image: text RX, rodata R, data RW                 at most 2 MiB
 *   0xFFFFFFFF81000000   per-CPU slots of 64 KiB, guard pages between      256 slots
 *   0xFFFFFFFF82000000   device pages: VGA text memory                     2 MiB
 *   0xFFFFFFFF84000000   pool: Orlop's own range less the image, RW       at most 192 MiB
 *
 * There is no map of guest memory; a CPU touches it through the windows in its slot. */
#pragma once

#define LAYOUT_IMAGE_BASE  0xFFFFFFFF80000000
#define LAYOUT_IMAGE_BYTES 0x200000
#define LAYOUT_CPU_BASE    0xFFFFFFFF81000000
#define LAYOUT_DEVICE_BASE 0xFFFFFFFF82000000
#define LAYOUT_POOL_BASE   0xFFFFFFFF84000000
#define LAYOUT_POOL_END    0xFFFFFFFF90000000

/* Pages of the device area. */
#define LAYOUT_DEVICE_VGA       0 /* 0xB8000 to 0xBFFFF */
#define LAYOUT_DEVICE_VGA_PAGES 8

/* Pages of a CPU's slot; those not named are guard pages, never mapped. A stack grows down into the
 * guard page below it. The host's stack ends where struct vmx_cpu begins, so that the exit stub,
 * which stores the guest's registers at the start of that struct, is on its stack already. */
#define LAYOUT_SLOT_PAGES       16
#define LAYOUT_SLOT_BYTES       (LAYOUT_SLOT_PAGES * 4096)
#define LAYOUT_SLOT_STACK       1 /* two pages */
#define LAYOUT_SLOT_STACK_PAGES 2
#define LAYOUT_SLOT_VCPU        3 /* struct vmx_cpu, two pages */
#define LAYOUT_SLOT_VCPU_PAGES  2
#define LAYOUT_SLOT_CPU         5 /* struct cpu */
#define LAYOUT_SLOT_NMI_STACK   7
#define LAYOUT_SLOT_DF_STACK    9
#define LAYOUT_SLOT_MC_STACK    11
#define LAYOUT_SLOT_WINDOW      13 /* two windows onto guest memory */
#define LAYOUT_SLOT_WINDOWS     2
#define LAYOUT_SLOT_APIC        15 /* the local APIC's page, wherever the guest has it */

#define LAYOUT_MAX_CPUS 256
