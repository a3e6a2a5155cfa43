/* A Linux guest is put into its memory, so that boot.entry leads to it: to the kernel's 32-bit
 * entry or to its 16-bit one. */
#pragma once

void guest_load_linux(void);
void guest_load_linux16(void);
