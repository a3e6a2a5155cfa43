; CPUID: every leaf, the first sub-leaves of each and all of leaf 0DH, with XCR0 as it is at start and with
; all that the processor has switched on, and leaves beyond the ends. A line a sub-leaf that is not zero;
; a run above Orlop prints the lines of the bare run, but for those that the row excepts.
%define NAME "cpuids"
%include "guest.inc"
%include "faults.inc"

SUBLEAVES   equ 8
STATE_LEAF  equ 0xD
STATES      equ 64
CR4_OSXSAVE equ 1 << 18

section .text
bits 16
main:
    enter_long
    call idt_build
    xor eax, eax
    cpuid
    mov r13d, eax
    xor r12d, r12d
    call show_leaves
    mov eax, 0x80000000
    cpuid
    mov r13d, eax
    mov r12d, 0x80000000
    call show_leaves
    call show_states
    call show_beyond
    pass
    leave_long
    jmp power_off16

bits 64
; R12D to R13D, both included.
show_leaves:
    mov ebx, SUBLEAVES
    call show_leaf
    inc r12d
    cmp r12d, r13d
    jbe show_leaves
    ret

; R12D = leaf, EBX = how many of its sub-leaves.
show_leaf:
    mov ebp, ebx
    xor r14d, r14d
.sub:
    mov eax, r12d
    mov ecx, r14d
    cpuid
    mov esi, eax
    or esi, ebx
    or esi, ecx
    or esi, edx
    jz .next
    mov edi, ebx
    say NAME, ": ", x32, r12d, " ", x32, r14d, ": ", x32, eax, " ", x32, edi, " ", x32, ecx, " ", x32, edx, nl
.next:
    inc r14d
    cmp r14d, ebp
    jb .sub
    ret

; Sizes in leaf 0DH follow XCR0.
show_states:
    mov eax, 1
    cpuid
    test ecx, 1 << 26
    jz .none
    mov rax, cr4
    or eax, CR4_OSXSAVE
    mov cr4, rax
    say NAME, ": with OSXSAVE", nl
    mov r12d, 1
    mov ebx, 1
    call show_leaf
    mov r12d, STATE_LEAF
    mov ebx, STATES
    call show_leaf
    mov eax, STATE_LEAF
    xor ecx, ecx
    cpuid
    xor ecx, ecx
    attempt xsetbv                  ; EDX:EAX is all that there is
    say NAME, ": with XCR0 as leaf 0DH has it, vector ", x32, [fault_vector], nl
    mov r12d, STATE_LEAF
    mov ebx, 2
    call show_leaf
.none:
    ret

; What lies outside of both ranges answers as the highest basic leaf does.
show_beyond:
    mov r15d, beyond
.next:
    mov r12d, [r15]
    mov ebx, 2
    call show_leaf
    add r15d, 4
    cmp r15d, beyond_end
    jb .next
    ret

section .data align=4
beyond:
    dd 0x40, 0x3FFFFFFF, 0x40000000, 0x40000001, 0x40000002, 0x400000FF, 0x40000100, 0x7FFFFFFF, 0x80000020
    dd 0x8FFFFFFF, 0xC0000000, 0xFFFFFFFF
beyond_end:
section .bss
end_guest
