; The same (include/storm.inc) above an Orlop that waits in its race windows: the SIPI, of which there is
; one, so that its loss shows, leaves it time.
%define NAME "storm"
CYCLES     equ 40
INIT_WAIT  equ 10000
SIPIS      equ 1
SIPI_WAIT  equ 0
BURST_WAIT equ 1000
%macro END 0                            ; Orlop's last lines come out meanwhile
    mov edi, 900000
    call delay_us
    jmp power_off64
%endmacro
%include "storm.inc"
