; No SIPI, no NMI and no wake-up is lost under EPT changes from another CPU: include/storm.inc, with CPUs
; that go offline and back as Linux has them do it.
%define NAME "storm"
CYCLES     equ 40
INIT_WAIT  equ 0
SIPIS      equ 2
SIPI_WAIT  equ 10
BURST_WAIT equ 100
%define END jmp power_off64
%include "storm.inc"
