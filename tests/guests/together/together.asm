; For a debugger: all CPUs go through the same few instructions without end, so that a breakpoint there is met
; by several of them at once, and one NMI to all but the boot CPU reaches the others at once, as that of a
; button that is wired to each. Two NMIs are sent, with time between them, and those that the handler sees are
; counted. If it sees any, the guest goes round until a debugger, which finds the place in RSI, has put 'goon'
; into RBX of the boot CPU.
%define NAME "together"
%include "guest.inc"
%include "faults.inc"
%include "smp.inc"
%include "smp_work.inc"

NMI_VECTOR      equ 2
ICR_ALL_BUT_ONE equ 0xC0000            ; by shorthand: SDM vol. 3A, 11.6.1 "Interrupt Command Register (ICR)"
NMIS            equ 2
BOX_ROUNDS      equ BOX_OWN             ; a quadword

section .text
bits 16
main:
    enter_long
    call idt_build
    mov eax, NMI_VECTOR
    mov edx, on_nmi
    call idt_set_gate
    call smp_init
    mov dword [ap_work], work
    mov ebx, smp_start_work
    call smp_for_each_ap
    mov r13d, NMIS
.send:
    mov edx, [apic_base]
    mov dword [rdx + APIC_ICR_LOW], ICR_ALL_BUT_ONE | ICR_NMI
    mov edi, 20000
    call delay_us
    dec r13d
    jnz .send
    say "together: handled ", dec, [handled], nl
    mov esi, meet
    xor ebx, ebx
.again:
    cmp dword [handled], 0
    je .end
    call meet
    cmp ebx, 'goon'
    jne .again
.end:
    mov dword [ended], 1
    mov ebx, check_one
    call smp_for_each_ap
    cmp dword [left], 0
    jne power_off64
    pass "cpus=", dec, [cpu_count]
    jmp power_off64

; What all CPUs do. Single instructions, for a debugger that steps.
meet:
    nop
    inc r14
    lea r14, [r14 + 1]
    dec r14
    nop
    ret

; EDI = APIC id. Each round is one, whatever has stopped it.
check_one:
    push rdi
    mov esi, MS_TO_START
    call smp_wait_finished
    pop rdi
    jz .finished
    fail "cpu ", dec, edi, " does not end"
    inc dword [left]
.finished:
    ret

; R15 = mailbox.
work:
    xor r14d, r14d
    xor ebx, ebx
.again:
    call meet
    inc rbx
    mov [r15 + BOX_ROUNDS], rbx
    cmp dword [ended], 1
    jne .again
    cmp r14, rbx
    je .right
    inc dword [left]
.right:
    ret

on_nmi:
    lock inc dword [handled]
    iretq

section .bss
alignb 4
ended:   resd 1
handled: resd 1
left:    resd 1
end_guest
