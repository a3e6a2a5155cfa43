; A CPU that the MADT does not show as enabled never runs: INIT-SIPI-SIPI to every APIC id that is
; disabled there, and to all of 1 to 7 that are not enabled, starts nothing. That the trampoline is
; good is shown by the enabled CPUs, which start by it in the end.
%define NAME "leftout"
%include "guest.inc"
%include "faults.inc"
%include "smp.inc"

section .text
bits 16
main:
    enter_long
    call idt_build
    call smp_init
    say "leftout: the MADT shows ", dec, [cpu_count], " enabled CPUs, ", dec, [disabled_count], \
        " disabled", nl
    mov ebx, kick_one
    call for_each_left_out
    mov edi, 300000
    call delay_us
    mov ebx, check_one
    call for_each_left_out

    mov ebx, start_one
    call smp_for_each_ap
    mov ebx, wait_one
    call smp_for_each_ap
    mov ebx, check_one
    call for_each_left_out
    cmp dword [failures], 0
    jne power_off64
    pass "kicked=", dec, [kicked], " started=", dec, [started]
    jmp power_off64

; Calls RBX with EDI = each id that is left out. RBX keeps R13, R14.
for_each_left_out:
    xor r13d, r13d
.disabled:
    cmp r13d, [disabled_count]
    jae .ids
    mov edi, [disabled_ids + r13 * 4]
    inc r13d
    cmp edi, 8
    jb .disabled                        ; comes with the ids below
    cmp edi, MAX_APIC_ID
    ja .disabled
    push rbx
    call rbx
    pop rbx
    jmp .disabled
.ids:
    mov r13d, 1
.id:
    xor eax, eax
.search:
    cmp eax, [cpu_count]
    jae .left_out
    cmp r13d, [cpu_ids + rax * 4]
    je .next
    inc eax
    jmp .search
.left_out:
    cmp r13d, [own_apic_id]
    je .next
    mov edi, r13d
    push rbx
    call rbx
    pop rbx
.next:
    inc r13d
    cmp r13d, 8
    jb .id
    ret

kick_one:
    inc dword [kicked]
    mov esi, 10000
    mov edx, 200
    jmp smp_start_cpu

check_one:
    mov eax, edi
    shl eax, 6
    cmp dword [MAILBOX + rax + BOX_ARRIVED], 0
    je .good
    fail "APIC id ", dec, edi, " is not enabled and ran"
    inc dword [failures]
.good:
    ret

start_one:
    mov esi, 10000
    mov edx, 200
    jmp smp_start_cpu

wait_one:
    mov ebp, edi
    mov esi, 2000
    call smp_wait_finished
    jz .good
    error "APIC id ", dec, ebp, " is enabled and did not start: the trampoline proves nothing"
    inc dword [failures]
    ret
.good:
    inc dword [started]
    ret

section .bss
alignb 4
kicked:   resd 1
started:  resd 1
failures: resd 1
end_guest
