/* A multiboot kernel: read while the boot map lasts, which refuses what cannot be one; then put
 * into its memory, so that boot.entry leads to it. */
#pragma once

void guest_read_multiboot(void);
void guest_load_multiboot(void);
