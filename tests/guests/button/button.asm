; With stop=nmi an NMI stops the guest for the debugger and is not delivered: the guest sends itself one,
; which stands for the button, as it runs, behind STI, and in the handler of another one. Its handler counts;
; the lines tell how often it ran. Without stop=nmi each is the guest's.
%define NAME "button"
%include "guest.inc"
%include "faults.inc"
%include "apic.inc"

NMI_VECTOR equ 2
WAITS      equ 100000

section .text
bits 16
main:
    mov al, 0xFF                        ; the timer has no handler here
    out 0x21, al
    out 0xA1, al
    enter_long
    call idt_build
    mov eax, NMI_VECTOR
    mov edx, on_nmi
    call idt_set_gate
    call apic_init
    jnc .usable
    error "the APIC is off"
    jmp power_off64
.usable:
    mov edi, [own_apic_id]
    mov esi, ICR_NMI
    call apic_send
    call pass_time
    say "button: running, handled ", dec, [handled], nl
    mov edx, [apic_base]                ; the ICR's upper half is as apic_send left it
    sti
    mov dword [rdx + APIC_ICR_LOW], ICR_NMI
    nop
    cli
    call pass_time
    say "button: behind STI, handled ", dec, [handled], nl
    mov dword [send_in_handler], 1
    mov edi, [own_apic_id]
    mov esi, ICR_NMI
    call apic_send
    call pass_time
    say "button: handler and another one, handled ", dec, [handled], nl
    pass "all were sent"
    jmp power_off64

pass_time:
    mov ecx, WAITS
.next:
    pause
    dec ecx
    jnz .next
    ret

on_nmi:
    push rax
    push rcx
    push rdx
    push rsi
    push rdi
    inc dword [handled]
    cmp dword [send_in_handler], 0
    je .done
    mov dword [send_in_handler], 0
    mov edi, [own_apic_id]
    mov esi, ICR_NMI
    call apic_send
    call pass_time
.done:
    pop rdi
    pop rsi
    pop rdx
    pop rcx
    pop rax
    iretq

section .bss
alignb 4
handled:         resd 1
send_in_handler: resd 1
end_guest
