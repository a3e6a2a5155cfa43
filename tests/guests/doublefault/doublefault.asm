; Page tables where no memory is: the fetch faults, so does the delivery of the fault, and so does that of
; the double fault. On the bare CPU that is a shutdown; Orlop stops the guest, and does not spin.
%define NAME "doublefault"
%include "guest.inc"
%include "faults.inc"

RANGE equ 0x0FC00000                    ; where Orlop is with 256 MiB of memory

section .text
bits 16
main:
    enter_long
    call idt_build
    say "doublefault: the tables go where no memory is", nl
    mov eax, RANGE
    mov cr3, rax
    fail "the next instruction was fetched"
    jmp power_off64
end_guest
