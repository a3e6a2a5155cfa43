; Orlop decodes the instruction that touched its range through the guest's own tables. Here one of their
; entries names memory above the physical address width, while the TLB still holds the good translation.
; The guest's next walk faults, and it has no handlers: it is shut down. Orlop says so, unharmed.
%define NAME "reservedbit"
%include "guest.inc"
%include "faults.inc"

RANGE    equ 0x0FC00000                 ; where Orlop is with 256 MiB of memory
RESERVED equ 50

section .text
bits 16
main:
    enter_long
    say "reservedbit: the entry goes beyond the width", nl
    lidt [no_handlers]
    mov rbx, RANGE + 0x100010
    mov rax, [PML4]
    bts rax, RESERVED
    mov [PML4], rax
    mov rcx, [rbx + 0x2000]
    fail "the guest went on"
    jmp power_off64
section .data
no_handlers: dw 0
    dq 0
end_guest
