; CR3 names a page above the boot's map, where nothing is: each walk meets ones, whose reserved bits are a
; page fault, so is the delivery of the fault, and that of the double fault. On the bare CPU that is a
; shutdown; Orlop maps what is touched, stops the guest, and does not spin.
%define NAME "lostcr3"
%include "guest.inc"
%include "faults.inc"

NOWHERE equ 64 << 30

section .text
bits 16
main:
    enter_long
    call idt_build
    say "lostcr3: the tables go where nothing is", nl
    mov rax, NOWHERE
    mov cr3, rax
    fail "the next instruction ran"
    jmp power_off64
end_guest
