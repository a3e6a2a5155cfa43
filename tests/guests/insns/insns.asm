; 100,000 random instructions, each by itself: include/insns.inc.
%define NAME "insns"
SEED   equ 0x5EED0001
BLOCKS equ 100
BLOCK  equ 1000
%include "insns.inc"
