; As insnslegacy, with 200,000 of them from another seed: include/insns.inc.
%define NAME "insnslegacylong"
SEED   equ 0x5EED0004
BLOCKS equ 100
BLOCK  equ 2000
%define MACHINE "insns_legacy.inc"
%include "insns.inc"
