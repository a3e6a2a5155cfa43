/* The local APIC, which belongs to the guest. It is read for this CPU's id, and written only to
 * send an interprocessor interrupt: IA32_APIC_BASE is looked at on each use, since the guest may
 * have moved the page or changed to x2APIC mode, and what it may have half written (the upper half
 * of the ICR) is put back. Source: SDM vol. 3A, chapter 11, "Advanced Programmable Interrupt
 * Controller". */
#pragma once

#include "base/types.h"
#include "kernel/percpu.h"

enum apic_ipi { APIC_IPI_NMI, APIC_IPI_INIT, APIC_IPI_STARTUP };

/* Send to one CPU; `page` is the start-up page of a SIPI. False, and nothing sent, where this CPU's
 * local APIC is off, cannot address that id, or stays busy. This CPU, its slot entered. */
bool apic_send(uint32_t apic_id, enum apic_ipi what, uint8_t page);

/* This CPU's APIC id as CPUID tells it: 32 bits where leaf 0BH exists, else 8. */
uint32_t apic_id_of_this_cpu(void);
