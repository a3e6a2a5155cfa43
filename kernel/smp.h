/* Bringing up the other CPUs: INIT-SIPI-SIPI to each CPU that the MADT calls enabled, all at the
 * same time. Each comes up on its own slot and runs the function that main.c names. */
#pragma once

#include "acpi/madt.h"
#include "base/error.h"
#include "base/types.h"
#include "kernel/percpu.h"

/* CPU number = place in this list; 0 is the BSP. */
struct smp_cpus {
    uint32_t count;
    uint32_t apic_id[LAYOUT_MAX_CPUS];
    uint32_t dropped; /* enabled in the MADT, but beyond LAYOUT_MAX_CPUS */
};

/* The enabled CPUs of the MADT, the one that runs this first. `madt` may be NULL: one CPU. */
void smp_list_cpus(const struct madt_cpus *madt, struct smp_cpus *cpus);

/* Start all CPUs but this one through the page at `trampoline`, and wait until each has run `main`
 * up to smp_report_ready(), at most `bound_us`. Returns how many did not (their state stays
 * CPU_ABSENT). BSP, boot only; the page's bytes are as before when it returns. */
uint32_t smp_start(const struct smp_cpus *cpus, gpa_t trampoline, void (*main)(struct cpu *cpu),
                   uint64_t bound_us);

/* An AP says that its bring-up is over. */
void smp_report_ready(struct cpu *cpu);
