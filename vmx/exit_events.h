/* INIT and SIPI, however they came. */
#pragma once

#include "vmx/vmx_cpu.h"

/* `event` reaches this CPU's guest; `vector` counts for a SIPI. Root mode, on the CPU itself. */
void event_take(struct vmx_cpu *vcpu, enum cpu_event event, uint8_t vector);
