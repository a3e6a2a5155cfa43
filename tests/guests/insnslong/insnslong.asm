; As insns, with a million of them from another seed: include/insns.inc.
%define NAME "insnslong"
SEED   equ 0x5EED0002
BLOCKS equ 250
BLOCK  equ 4000
%define MACHINE "insns_long.inc"
%include "insns.inc"
