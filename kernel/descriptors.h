/* Selectors of the host, and the gates' stacks. The GDT is part of struct cpu, since each CPU needs
 * a TSS descriptor of its own; the IDT is one for all. */
#pragma once

#define HOST_CS  0x08
#define HOST_DS  0x10
#define HOST_TSS 0x18

/* Interrupt stack table numbers (SDM vol. 3A, 6.14.5 "Interrupt Stack Table"). */
#define IST_NMI 1
#define IST_DF  2
#define IST_MC  3

/* Flat 64-bit code and data, present, DPL 0, accessed (SDM vol. 3A, 3.4.5 "Segment Descriptors").
 */
#define GDT_CODE64 0x00AF9B000000FFFF
#define GDT_DATA   0x00CF93000000FFFF

#include "base/types.h"

/* Build the shared IDT. BSP, boot only. */
void descriptors_build_idt(void);

/* Load it on this CPU. */
void descriptors_load_idt(void);

/* Base and limit of the IDT, for the VMCS's host area. */
uint64_t descriptors_idt_base(void);
