; A guest that dies of a triple fault: it says so, takes an empty IDT and executes INT3. It never
; prints a verdict: who runs it looks at what happens next. Ten CPUIDs come before it, for the report
; of exits to show.
%define NAME "triple"
%include "guest.inc"

section .text
bits 16
main:
    enter_protected
    mov esi, 10
.exit:
    xor eax, eax
    cpuid
    dec esi
    jnz .exit
    say "triple: loading an empty IDT, then INT3", nl
    lidt [no_idt]
    int3
    fail "still alive after INT3 through an empty IDT"
    mov ebx, .real
    jmp protected_to_real
bits 16
.real:
    jmp power_off16

section .data
no_idt: dw 0
        dd 0
end_guest
