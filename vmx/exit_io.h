/* I/O instructions at the ports of struct machine_ports (vmx/machine.h). */
#pragma once

/* Make the I/O bitmaps, where there are such ports. BSP, before the VMCSs are written. */
void ports_prepare(void);
