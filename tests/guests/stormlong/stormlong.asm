; The same (include/storm.inc), a thousand times.
%define NAME "storm"
CYCLES     equ 1000
INIT_WAIT  equ 0
SIPIS      equ 2
SIPI_WAIT  equ 10
BURST_WAIT equ 100
%define END jmp power_off64
%include "storm.inc"
