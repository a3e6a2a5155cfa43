; With ICR interception what writes to the local APIC's page is carried out as written, and no message that
; resets a CPU or is an NMI leaves unseen, whatever instruction writes it: XCHG, OR, AND, ADD, STOS with REP; an
; instruction of many stores (PUSHAD down across the ICR) writes nothing.
%define NAME "apicpage"
%include "guest.inc"
%include "faults.inc"
%include "apic.inc"

section .text
bits 16
main:
    mov al, 0xFF
    out 0x21, al
    out 0xA1, al
    enter_long
    call idt_build
    call apic_init
    mov ebx, [apic_base]
    mov dword [rbx + APIC_TPR], 0x10
    mov ecx, 0x20
    xchg [rbx + APIC_TPR], ecx
    mov esi, 1
    cmp ecx, 0x10
    jne wrong
    mov esi, 2
    cmp dword [rbx + APIC_TPR], 0x20
    jne wrong
    mov esi, 3
    mov ecx, 0x40
    or [rbx + APIC_TPR], ecx
    jz wrong
    cmp dword [rbx + APIC_TPR], 0x60
    jne wrong
    mov esi, 4
    and dword [rbx + APIC_TPR], 0x1F
    jnz wrong
    add dword [rbx + APIC_TPR], 0x70
    cmp dword [rbx + APIC_TPR], 0x70
    jne wrong
    mov esi, 5
    lea rdi, [rbx + APIC_TPR]
    mov eax, 0x30
    mov ecx, 1                          ; what lies between two registers makes Bochs give up
    rep stosd
    sub rdi, rbx
    cmp edi, APIC_TPR + 4
    jne wrong
    test ecx, ecx
    jnz wrong
    cmp dword [rbx + APIC_TPR], 0x30
    jne wrong
    mov esi, 6                          ; an NMI to oneself, seen on its way
    mov eax, [own_apic_id]
    shl eax, 24
    mov [rbx + APIC_ICR_HIGH], eax
    mov ecx, ICR_NMI
    attempt xchg [rbx + APIC_ICR_LOW], ecx
    cmp dword [fault_vector], 2
    jne wrong
    say "apicpage: changed in place: seen", nl
    mov esi, 7
    mov dword [fault_vector], NO_FAULT
    mov rbp, rsp
    push CODE32
    push .compatibility
    retfq
bits 32
.compatibility:
    lea esp, [ebx + APIC_ICR_LOW + 0x20] ; EDI goes to the ICR's low half, EBX to its high one
    mov edi, ICR_NMI
    mov ecx, ebx
    mov ebx, [own_apic_id]
    shl ebx, 24
    mov eax, ecx
    pushad
    mov esp, ebp
    jmp CODE64:.back
bits 64
.back:
    cmp dword [fault_vector], NO_FAULT
    jne wrong
    say "apicpage: PUSHAD across the ICR: nothing sent", nl
    pass
    jmp power_off64
wrong:
    mov [check], esi
    mov ecx, [rbx + APIC_TPR]
    mov [check_tpr], ecx
    fail "check ", dec, [check], " TPR ", x32, [check_tpr]
    jmp power_off64
section .bss
alignb 4
check:     resd 1
check_tpr: resd 1
end_guest
