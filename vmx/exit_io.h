/* I/O instructions at the ports of machine.ports (vcpu/ports.h). */
#pragma once

#include "base/types.h"

/* Make the I/O bitmaps, where there are such ports. BSP, before the VMCSs are written. */
void ports_prepare(void);

/* Whether the guest's accesses to these ports exit. While a CPU runs the guest, all must stand
 * still for it (SDM vol. 3C, 25.11.4 "Software Access to Related Structures"). */
void ports_set_exits(uint16_t first, uint16_t last, bool on);
