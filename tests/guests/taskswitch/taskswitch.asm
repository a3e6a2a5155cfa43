; A far jump to a TSS is a hardware task switch, which exits whatever the controls say. Orlop does not
; carry it out: it names it, shows the guest, and stops; it does not panic, for the fault is not its own.
; Ten CPUIDs come before it, for the report of exits to show.
%define NAME "taskswitch"
%include "guest.inc"

OLD_TASK equ 0x28
NEW_TASK equ 0x30

section .text
bits 16
main:
    enter_protected
    lgdt [own_gdt_pointer]
    mov ax, OLD_TASK
    ltr ax
    mov esi, 10
.exit:
    xor eax, eax
    cpuid
    dec esi
    jnz .exit
    say "taskswitch: jumping to a TSS", nl
    jmp NEW_TASK:0
    fail "the jump went on behind itself"
    hlt

section .data
align 8
own_gdt:
    dq 0, 0x00CF9B000000FFFF, 0x00CF93000000FFFF, 0x00AF9B000000FFFF, 0
    dw 103, 0x9000
    db 0, 0x89, 0, 0
    dw 103, 0x9100
    db 0, 0x89, 0, 0
own_gdt_pointer:
    dw own_gdt_pointer - own_gdt - 1
    dd own_gdt
end_guest
