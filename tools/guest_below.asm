; `below`, a program of our initramfs: says what runs below this Linux, by the CPUID leaves that a
; hypervisor answers (docs/abi.md); "no hypervisor shows itself" where there is none.
;
; Linux, 64 bit, no library: nasm -f elf64, ld.
; The numbers are those of include/orlop_abi.h.
ORLOP_CPUID_BASE    equ 0x40000000
ORLOP_CPUID_VERSION equ 0x40000001

SYS_WRITE equ 1
SYS_EXIT  equ 60

section .data
text:     db "above "
name:     times 12 db 0                 ; the signature; Orlop's own version goes after it
          times 16 db 0
none:     db "no hypervisor shows itself"
none_end:

section .text
global _start
_start:
        mov eax, 1
        cpuid
        mov esi, none
        mov edi, none_end
        bt ecx, 31                      ; SDM vol. 2A, CPUID, reserved for this by all makers
        jnc say
        mov eax, ORLOP_CPUID_BASE
        cpuid
        mov [name], ebx
        mov [name + 4], ecx
        mov [name + 8], edx
        mov esi, text
        mov edi, name
.next:  cmp byte [rdi], 0               ; a signature ends with its first zero byte, or is whole
        je .ends
        inc edi
        cmp edi, name + 12
        jb .next
.ends:  cmp ebx, 'Orlo'
        jne say
        cmp ecx, 'pOrl'
        jne say
        cmp edx, 'op'
        jne say
        mov eax, ORLOP_CPUID_VERSION
        cpuid
        mov edi, name + 5               ; "Orlop" is said once
        mov cl, ' '
        mov ebx, eax
        shr eax, 16
        call number
        mov cl, '.'
        movzx eax, bh
        call number
        movzx eax, bl
        call number
say:                                    ; the text from RSI to RDI
        mov edx, edi
        sub edx, esi
        mov edi, 1
        mov eax, SYS_WRITE
        syscall
        xor edi, edi
        mov eax, SYS_EXIT
        syscall

; CL, then EAX in decimal, to RDI. Changes RAX, RDX, R8, R9.
number:
        mov [rdi], cl
        inc edi
        mov r8d, 10
        xor r9d, r9d
.digit: xor edx, edx
        div r8d
        push rdx
        inc r9d
        test eax, eax
        jnz .digit
.put:   pop rax
        add al, '0'
        mov [rdi], al
        inc edi
        dec r9d
        jnz .put
        ret
