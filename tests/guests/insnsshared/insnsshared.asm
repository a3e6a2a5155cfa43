; 20,000 random instructions in IA-32e mode, as insns.asm; of DR6 the bits of breakpoints that are not enabled
; do not count. The processor may set them or not (SDM vol. 3B, 18.2.3 "Debug Status Register (DR6)"), and
; does not where a debugger has the register. Nor does BT: Bochs clears it at each #DB, a processor does not.
%define NAME "insnsshared"
SEED   equ 0x5EED0001
BLOCKS equ 80
BLOCK  equ 250
%define DEBUGGED
%define MACHINE "insns_long.inc"
%include "insns.inc"
