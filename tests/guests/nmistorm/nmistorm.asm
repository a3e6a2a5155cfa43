; NMIs reach the guest and only it: the BSP sends COUNT of them to each AP, which spins over CPUID in
; long mode, as fast as the APIC takes them, then COUNT to itself, one after the other. Each AP's
; handler counts at least one and no more than were sent (NMIs that meet a blocked one merge); of
; those that the BSP sends itself, waiting for each, none is lost or doubled. Nothing hangs.
%define NAME "nmistorm"
%ifndef COUNT
    %define COUNT 10000
%endif
%include "guest.inc"
%include "faults.inc"
%include "smp.inc"

NMI_VECTOR  equ 2
BOX_NMIS    equ BOX_OWN
BOX_SPINS   equ BOX_OWN + 4
BOX_STOP    equ BOX_OWN + 8
BOX_READY   equ BOX_OWN + 12
BOX_WRONG   equ BOX_OWN + 16            ; CPUID answered differently, or a register changed

section .text
bits 16
main:
    enter_long
    call idt_build
    mov eax, NMI_VECTOR
    mov edx, on_nmi
    call idt_set_gate
    call smp_init
    xor eax, eax
    cpuid
    mov [vendor], ebx
    mov dword [ap_work], spin
    mov ebx, start_one
    call smp_for_each_ap
    mov ebx, storm
    call smp_for_each_ap
    mov ebx, stop_one
    call smp_for_each_ap
    call storm_self
    cmp dword [failures], 0
    jne power_off64
    pass "cpus=", dec, [cpu_count], " sent=", dec, [count], " each"
    jmp power_off64

; Counts in the mailbox of the CPU that the APIC says this is.
on_nmi:
    push rax
    mov eax, [apic_base]
    mov eax, [rax + APIC_ID]
    shr eax, 24
    and eax, MAX_APIC_ID
    shl eax, 6
    inc dword [MAILBOX + rax + BOX_NMIS]
    pop rax
    iretq

; On an AP, R15 = mailbox.
spin:
    mov dword [r15 + BOX_READY], 1
    mov r14, 0x5A5A1234A5A5CDEF
.again:
    xor eax, eax
    cpuid
    cmp ebx, [vendor]
    je .same
    inc dword [r15 + BOX_WRONG]
.same:
    rol r14, 1
    ror r14, 1
    inc dword [r15 + BOX_SPINS]
    cmp dword [r15 + BOX_STOP], 0
    je .again
    mov rax, 0x5A5A1234A5A5CDEF
    cmp rax, r14
    je .done
    inc dword [r15 + BOX_WRONG]
.done:
    ret

start_one:
    mov esi, 10000
    mov edx, 200
    jmp smp_start_cpu

; EDI = APIC id.
storm:
    mov r13d, edi
    mov ebx, edi
    shl ebx, 6
    add ebx, MAILBOX
    mov ebp, 2000
.wait:
    cmp dword [rbx + BOX_READY], 1
    je .ready
    mov edi, 1000
    call delay_us
    dec ebp
    jnz .wait
    fail "APIC id ", dec, r13d, " did not start"
    inc dword [failures]
    ret
.ready:
    mov ebp, [count]
.send:
    mov edi, r13d
    mov esi, ICR_NMI
    call apic_send
    dec ebp
    jnz .send
    mov edi, 10000
    jmp delay_us

stop_one:
    mov r13d, edi
    mov ebx, edi
    shl ebx, 6
    add ebx, MAILBOX
    mov dword [rbx + BOX_STOP], 1
    mov esi, 5000
    call smp_wait_finished
    jz .finished
    fail "APIC id ", dec, r13d, " hangs"
    inc dword [failures]
    ret
.finished:
    say "nmistorm: APIC id ", dec, r13d, ": sent ", dec, [count], ", counted ", \
        dec, [rbx + BOX_NMIS], ", CPUID loops ", dec, [rbx + BOX_SPINS], nl
    cmp dword [rbx + BOX_NMIS], 0
    je .wrong
    mov eax, [count]
    cmp [rbx + BOX_NMIS], eax
    ja .wrong
    cmp dword [rbx + BOX_WRONG], 0
    jne .wrong
    ret
.wrong:
    fail "APIC id ", dec, r13d, ": between 1 and the number sent are right; wrong answers ", \
         dec, [rbx + BOX_WRONG]
    inc dword [failures]
    ret

; Each NMI is waited for, over CPUID, before the next one goes out.
storm_self:
    mov ebp, [count]
    mov r12d, [own_apic_id]
    shl r12d, 6
    add r12d, MAILBOX
    mov dword [r12 + BOX_NMIS], 0
    xor r13d, r13d
.send:
    mov edi, [own_apic_id]
    mov esi, ICR_NMI
    call apic_send
    inc r13d
    mov r14d, 1000
.wait:
    cmp [r12 + BOX_NMIS], r13d
    je .next
    xor eax, eax
    cpuid
    dec r14d
    jnz .wait
    jmp .report
.next:
    dec ebp
    jnz .send
    mov edi, 1000
    call delay_us
.report:
    say "nmistorm: APIC id ", dec, [own_apic_id], " to itself: sent ", dec, r13d, ", counted ", \
        dec, [r12 + BOX_NMIS], nl
    cmp [r12 + BOX_NMIS], r13d
    jne .wrong
    cmp r13d, [count]
    je .done
.wrong:
    fail "an NMI to itself was lost or doubled"
    inc dword [failures]
.done:
    ret

section .data
count: dd COUNT
section .bss
alignb 4
vendor:   resd 1
failures: resd 1
end_guest
