; 80,000 random instructions in IA-32e mode, each by itself: include/insns.inc.
%define NAME "insns"
SEED   equ 0x5EED0001
BLOCKS equ 80
BLOCK  equ 1000
%define MACHINE "insns_long.inc"
%include "insns.inc"
