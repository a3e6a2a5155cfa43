; For `make bench`: the stops of include/storm.inc, of which Orlop logs the longest. It ends by a triple fault,
; whose report shows the log's last lines.
%define NAME "storm"
CYCLES     equ 200
INIT_WAIT  equ 0
SIPIS      equ 2
SIPI_WAIT  equ 10
BURST_WAIT equ 100
%macro END 0
    lidt [%%nothing]
    ud2
%%nothing: dq 0, 0
%endmacro
%include "storm.inc"
