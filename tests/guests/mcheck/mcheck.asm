; A machine check that comes while Orlop's own code runs is the guest's: it gets #MC once, between two of its
; instructions, and goes on behind. Bochs has none, so Orlop enters the vector itself (the option
; debug_fault=machine-check), at the first NMI after the guest has set CR4.MCE.
%define NAME "mcheck"
%include "guest.inc"
%include "faults.inc"
%include "apic.inc"

CR4_MCE equ 1 << 6
MC      equ 18

section .text
bits 16
main:
    enter_long
    call idt_build
    mov eax, 2
    mov edx, on_nmi
    call idt_set_gate
    mov eax, MC
    mov edx, on_machine_check
    call idt_set_gate
    call apic_init
    call nmi_to_self
    cmp dword [checks], 0
    jne .early
    mov rax, cr4
    or eax, CR4_MCE
    mov cr4, rax
    call nmi_to_self
    call nmi_to_self
    say "mcheck: ", dec, [nmis], " NMIs, ", dec, [checks], " machine checks", nl
    cmp dword [nmis], 3
    jne .wrong
    cmp dword [checks], 1
    jne .wrong
    pass
.end:
    leave_long
    jmp power_off16
bits 64
.early:
    fail "a machine check before CR4.MCE was set"
    jmp .end
.wrong:
    fail "the line above"
    jmp .end

nmi_to_self:
    mov edi, [own_apic_id]
    mov esi, ICR_NMI
    call apic_send
    mov ecx, 1000
    loop $
    ret

on_nmi:
    inc dword [nmis]
    iretq
on_machine_check:
    inc dword [checks]
    iretq

section .bss
alignb 4
nmis:   resd 1
checks: resd 1
end_guest
