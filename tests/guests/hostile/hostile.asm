; What a hostile guest tries on Orlop itself, beyond touching its range (attack does that): each of these
; once ended in a fault or a panic of Orlop. The guest lives, and sees what absent memory gives.
%define NAME "hostile"
%include "guest.inc"
%include "faults.inc"

RANGE      equ 0x0FC00000               ; where Orlop is with 256 MiB of memory
RANGE_END  equ RANGE + 0x200000
APIC       equ 0xFEE00000
MSR_APIC_BASE equ 0x1B

section .text
bits 16
main:
    enter_long
    call idt_build
    call last_element
    call moving_apic
    call many_pages
    cmp dword [failures], 0
    jne power_off64
    pass
    jmp power_off64

; REP STOSD whose last element lies half behind the range: that half is memory, and is written.
last_element:
    mov qword [RANGE_END], 0
    mov edi, RANGE_END - 7
    mov eax, 0xAAAAAAAA
    mov ecx, 2
    rep stosd
    cmp byte [RANGE_END], 0xAA
    je .good
    fail "REP STOSD across the end of the range"
    inc dword [failures]
.good:
    say "hostile: REP STOSD across the end of the range: seen", nl
    ret

; With the ICR intercepted the local APIC's page stays where it is; else it moves, and comes back.
moving_apic:
    mov ecx, MSR_APIC_BASE
    rdmsr
    mov r8d, eax
    mov r9d, edx
    mov r11d, 40
    mov r10d, 0xC0000000
.again:
    mov eax, r8d
    and eax, 0xFFF
    or eax, r10d
    mov edx, r9d
    mov ecx, MSR_APIC_BASE
    attempt wrmsr
    add r10d, 0x200000
    dec r11d
    jnz .again
    mov eax, r8d
    mov edx, r9d
    mov ecx, MSR_APIC_BASE
    wrmsr
    mov ebx, APIC
    mov dword [rbx + 0x80], 0
    say "hostile: the local APIC moved forty times: the guest lives", nl
    ret

; One instruction that stores to four pages of the range and to the APIC's: AVX-512 scatters.
many_pages:
    mov eax, 7
    xor ecx, ecx
    cpuid
    bt ebx, 16
    jc .scatter
    skip "no AVX-512, so no instruction touches five pages"
    ret
.scatter:
    mov rax, cr4
    or eax, 1 << 18 | 1 << 9
    mov cr4, rax
    xor ecx, ecx
    mov eax, 0xE7
    xor edx, edx
    xsetbv
    mov eax, 0xFF
    kmovw k1, eax
    vmovdqu64 zmm1, [addresses]
    vpxorq zmm2, zmm2, zmm2
    xor eax, eax
    vpscatterqd [rax + zmm1 * 1]{k1}, ymm2
    movups [RANGE + 0x180010], xmm2
    mov rax, [RANGE + 0x110010]
    inc rax
    jz .good
    fail "what was scattered over the range stayed there"
    inc dword [failures]
.good:
    say "hostile: a scatter over five pages: nothing written", nl
    ret

section .data
align 64
addresses:
    dq RANGE + 0x110010, RANGE + 0x120010, RANGE + 0x130010, RANGE + 0x140010
    dq APIC + 0x70, APIC + 0x70, APIC + 0x70, APIC + 0x70
section .bss
alignb 4
failures: resd 1
end_guest
