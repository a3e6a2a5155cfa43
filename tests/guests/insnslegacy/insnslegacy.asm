; 20,000 random instructions outside IA-32e mode: include/insns.inc and include/insns_legacy.inc.
%define NAME "insnslegacy"
SEED   equ 0x5EED0003
BLOCKS equ 20
BLOCK  equ 1000
%define MACHINE "insns_legacy.inc"
%include "insns.inc"
