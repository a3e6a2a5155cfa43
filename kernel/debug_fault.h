/* A fault of Orlop's own on demand (`debug_fault=`), so that the panic's report can be tested: a
 * divide error or a page fault, on the BSP or an AP, before or after the launch. In the same way a
 * check of Orlop's own page tables is asked for (kernel/host_check.h), after which the boot or the
 * guest goes on. */
#pragma once

#include "boot/options.h"
#include "kernel/percpu.h"

/* Which fault, where and when. BSP, boot only. */
void debug_fault_set(const struct options *options);

/* Called at the two moments; returns unless the fault is due on this CPU now. */
void debug_fault_before_launch(const struct cpu *cpu);
void debug_fault_after_launch(const struct cpu *cpu);

/* Whether this CPU is to see a machine check; and that it has. */
bool debug_machine_check(const struct cpu *cpu);
void debug_fault_done(void);
