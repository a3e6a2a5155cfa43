; The guest starts every CPU that the MADT calls enabled, by INIT-SIPI-SIPI from a page below 640 KiB.
; Each answers exactly once, with the APIC id of the MADT, after CPUID in real mode and in long mode.
; It is done twice: with the long waits of the manual (10 ms, 200 us), and on the running CPUs once
; more with no wait after INIT and 10 us between the SIPIs, as Linux does it on recent CPUs.
%define NAME "smp"
%include "guest.inc"
%include "faults.inc"
%include "smp.inc"

ANSWER_MS equ 2000

section .text
bits 16
main:
    enter_long
    call idt_build
    call smp_init
    mov eax, [cpu_count]
    say "smp: the MADT at ", x32, [madt_address], " shows ", dec, eax, " enabled CPUs, ", \
        dec, [disabled_count], " disabled; this is APIC id ", dec, [own_apic_id], nl
    mov dword [init_wait], 10000
    mov dword [sipi_wait], 200
    call one_round
    say "smp: once more, with no wait after INIT and 10 us between the SIPIs", nl
    mov dword [init_wait], 0
    mov dword [sipi_wait], 10
    call one_round
    cmp dword [failures], 0
    jne power_off64
    pass "cpus=", dec, [cpu_count]
    jmp power_off64

one_round:
    call smp_clear_boxes
    mov ebx, start_one
    call smp_for_each_ap
    mov ebx, check_one
    jmp smp_for_each_ap

start_one:
    mov esi, [init_wait]
    mov edx, [sipi_wait]
    jmp smp_start_cpu

check_one:
    mov ebp, edi
    mov esi, ANSWER_MS
    call smp_wait_finished
    mov edi, 1000                       ; time for a second arrival, which would be wrong
    call delay_us
    mov r15d, ebp
    shl r15d, 6
    add r15d, MAILBOX
    xor eax, eax
    cpuid
    say "smp: APIC id ", dec, ebp, ": arrived ", dec, [r15 + BOX_ARRIVED], ", finished ", \
        dec, [r15 + BOX_FINISHED], ", CPUID says id ", dec, [r15 + BOX_ID], nl
    cmp dword [r15 + BOX_ARRIVED], 1
    jne .wrong
    cmp dword [r15 + BOX_FINISHED], 1
    jne .wrong
    cmp [r15 + BOX_ID], ebp
    jne .wrong
    cmp [r15 + BOX_VENDOR], ebx
    jne .wrong
    ret
.wrong:
    fail "APIC id ", dec, ebp, " did not start exactly once as itself"
    inc dword [failures]
    ret

section .bss
alignb 4
init_wait: resd 1
sipi_wait: resd 1
failures:  resd 1
end_guest
