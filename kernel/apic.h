/* The local APIC, which belongs to the guest. It is read for this CPU's id, and written only to
 * send an interprocessor interrupt: IA32_APIC_BASE is looked at on each use, since the guest may
 * have moved the page or changed to x2APIC mode, and what it may have half written (the upper half
 * of the ICR) is put back. Source: SDM vol. 3A, chapter 11, "Advanced Programmable Interrupt
 * Controller". */
#pragma once

#include "base/types.h"
#include "kernel/percpu.h"

enum apic_ipi { APIC_IPI_FIXED, APIC_IPI_NMI, APIC_IPI_INIT, APIC_IPI_STARTUP };

/* Send to one CPU; `vector` is a SIPI's start-up page. False, and nothing sent, where this CPU's
 * local APIC is off, cannot address that id, or stays busy. This CPU, its slot entered. */
bool apic_send(uint32_t apic_id, enum apic_ipi what, uint8_t vector);

/* A register of this CPU's local APIC, by its offset in the xAPIC page, in either mode. Where the
 * APIC is off, or has no such register, reads give 0 and writes do nothing. */
uint32_t apic_read(uint32_t offset);
void apic_write(uint32_t offset, uint32_t value);

/* What INIT does to the local APIC, as far as writes can: interrupts that it has accepted stay (SDM
 * vol. 3A, 11.4.7.3 "Local APIC State After an INIT Reset ("Wait-for-SIPI" State)"). */
void apic_reset(void);

/* This CPU's APIC id as CPUID tells it: 32 bits where leaf 0BH exists, else 8. */
uint32_t apic_id_of_this_cpu(void);
