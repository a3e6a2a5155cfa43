/* A UART that is Orlop's alone while the guest runs: the guest finds nothing at its ports. */
#pragma once

#include "kernel/percpu.h"

/* Hide the eight ports from `port` on. `bios`: the guest has the BIOS, whose data area forgets it.
 * Before the CPUs' VMCSs are written; BSP. */
void hidden_uart_install(struct cpu *cpu, uint16_t port, bool bios);
