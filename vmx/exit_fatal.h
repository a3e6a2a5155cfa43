/* What the panic report says about a guest CPU, and the exits that end in one. */
#pragma once

#include "vmx/vmx_cpu.h"

/* Print a CPU's part of a report: its last exits and counters, and, where its VMCS is current,
 * every field by name. For panic_set_dump(). */
void vmx_dump(struct cpu *cpu, bool is_self);
