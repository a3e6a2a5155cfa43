; What a debugger looks at: page tables of every mode, text, numbers, frames, handlers that count. CPU 1 spins
; in 64-bit mode; others wait for a SIPI. In 64-bit mode, PAE paging, 32-bit paging and real mode the boot CPU
; asks for the debugger by its hypercall; in 64-bit mode it then spins until the debugger has put 'next' into
; RBX.
%define NAME "examined"
%include "guest.inc"
%include "faults.inc"
%include "smp.inc"
%include "hyper.inc"
%include "pages.inc"

CALL_DEBUGGER equ 4
CR4_PSE   equ 1 << 4
TEXT      equ SCRATCH                   ; a string
NUMBERS   equ SCRATCH + 0x40
FRAMES    equ SCRATCH + 0x100           ; 64-bit, 32-bit, 16-bit
FRAMES32  equ SCRATCH + 0x180
FRAMES16  equ SCRATCH + 0x1C0
COUNTS    equ SCRATCH + 0x200           ; #UD, NMI, interrupt 31h
TABLE32   equ SCRATCH + 0x5000          ; 32-bit paging: a directory and a table
INTERRUPT equ 0x31
APIC      equ 0xFEE00000

section .text
bits 16
main:
    enter_long
    call idt_build
    mov eax, 2
    mov edx, on_nmi
    call idt_set_gate
    mov eax, 6
    mov edx, on_ud
    call idt_set_gate
    mov eax, INTERRUPT
    mov edx, on_interrupt
    call idt_set_gate
    call orlop_detect
    call smp_init
    mov dword [ap_work], spin
    mov edi, 1
    mov esi, 10000
    mov edx, 200
    call smp_start_cpu
.wait:
    cmp dword [spinning], 0
    je .wait
    call fill
    call pages_init
    page 0, FRAME + 3
    page 1, FRAME + 0x1000 + 5          ; the user's, read-only
    page 3, FRAME + 0x1000 + 7
    mov dword [TABLES + 0x1000 + 8], 0x40000083 ; and one of 2 MiB
    call pages_on
    mov al, 0xFF                        ; no interrupt of a device's
    out 0x21, al
    out 0xA1, al
    mov edi, APIC
    mov dword [rdi + 0xF0], 0x1FF       ; enabled by software
    mov ebp, FRAMES
    mov r12, 0x123456789ABCDEF0
    call ask64
    sti
    xor ebx, ebx
.spin:
    cmp ebx, 'next'
    jne .spin
    cli
    jmp far dword [.compatibility]
.compatibility:
    dd compatibility_mode
    dw CODE32

bits 32
compatibility_mode:
    mov eax, DATA32
    mov ds, eax
    mov es, eax
    mov ss, eax
    mov esp, STACK_TOP
    mov eax, cr0
    and eax, ~CR0_PG
    mov cr0, eax
    mov ecx, MSR_EFER
    rdmsr
    and eax, ~EFER_LME
    wrmsr
    mov eax, PAE_PDPT                   ; CR4.PAE is still set
    mov cr3, eax
    mov eax, cr0
    or eax, CR0_PG
    mov cr0, eax
    mov ebp, FRAMES32
    call ask32
    mov eax, cr0
    and eax, ~CR0_PG
    mov cr0, eax
    mov eax, cr4
    and eax, ~CR4_PAE
    or eax, CR4_PSE
    mov cr4, eax
    mov edi, TABLE32
    mov ecx, 0x2000 / 4
    xor eax, eax
    rep stosd
    mov dword [TABLE32], 0x83           ; 4 MiB
    mov dword [TABLE32 + 4], TABLE32 + 0x1007
    mov dword [TABLE32 + 0x1008], FRAME + 5
    mov eax, TABLE32
    mov cr3, eax
    mov eax, cr0
    or eax, CR0_PG
    mov cr0, eax
    call ask32
    mov eax, cr0
    and eax, ~CR0_PG
    mov cr0, eax
    mov ebx, real_mode
    jmp protected_to_real

bits 16
real_mode:
    mov bp, FRAMES16 & 0xFFFF
    mov ax, FRAMES16 >> 4 & 0xF000
    mov ss, ax
    mov ebx, ORLOP_CALL_SIGNATURE_32
    mov eax, CALL_DEBUGGER
    vmcall
    xor ax, ax
    mov ss, ax
    mov sp, STACK_TOP
    pass
    jmp power_off16

bits 32
ask32:
    mov ebx, ORLOP_CALL_SIGNATURE_32
    mov eax, CALL_DEBUGGER
    vmcall
    ret

bits 64
ask64:
    mov rbx, ORLOP_CALL_SIGNATURE
    mov eax, CALL_DEBUGGER
    vmcall
    ret

fill:
    mov edi, SCRATCH
    mov ecx, 0x400 / 4
    xor eax, eax
    rep stosd
    mov esi, text
    mov edi, TEXT
    mov ecx, text_end - text
    rep movsb
    mov rax, 0x1122334455667788
    mov [NUMBERS], rax
    mov qword [FRAMES], FRAMES + 0x20
    mov qword [FRAMES + 8], 0x11111111
    mov qword [FRAMES + 0x20], FRAMES + 0x40
    mov rax, 0xFFFFFFFF81234567
    mov [FRAMES + 0x28], rax
    mov qword [FRAMES + 0x40], FRAMES   ; downwards: the end
    mov qword [FRAMES + 0x48], 0x22222222
    mov dword [FRAMES32], FRAMES32 + 0x10
    mov dword [FRAMES32 + 4], 0x33333333
    mov dword [FRAMES32 + 0x14], 0x44444444
    mov dword [FRAMES16], (FRAMES16 & 0xFFFF) + 4 | 0x5555 << 16
    mov dword [FRAMES16 + 4], 0x6666 << 16
    ret

spin:
    inc dword [spinning]
    jmp spin

on_ud:
    inc dword [COUNTS]
    iretq
on_nmi:
    inc dword [COUNTS + 4]
    iretq
on_interrupt:
    inc dword [COUNTS + 8]
    push rdi
    mov edi, APIC
    mov dword [rdi + 0xB0], 0
    pop rdi
    iretq

section .data
text: db "the quick brown fox", 0, "jumps", 9, "over", 0
text_end:
section .bss
failures: resd 1
spinning: resd 1

end_guest
