; A guest that makes Orlop log as fast as it can costs nobody anything: all CPUs do it at the same
; time, and all come to their end. What Orlop tells of is told once, or once a second, a CPU: the BSP
; does it COUNT times in plain. The APs first set their time-stamp counter on by some seconds, each
; time, so that each of theirs becomes a line: the ring of lines runs over many times before the BSP
; has printed it. Who runs it sees that the lines are whole and that the loss is told.
%define NAME "flood"
%ifndef COUNT
    %define COUNT 2000
%endif
%include "guest.inc"
%include "faults.inc"
%include "hyper.inc"
%include "range.inc"
%include "smp.inc"

MSR_TSC        equ 0x10
SOME_SECONDS   equ 1 << 34              ; ticks: 3 s of the fastest TSC
BOX_DONE       equ BOX_OWN
BOX_READY      equ BOX_OWN + 4
LINGER_MS      equ 1500                 ; some lines more

section .text
bits 16
main:
    call orlop_range_find
    enter_long
    call idt_build
    call orlop_detect
    call smp_init
    cmp byte [under_orlop], 0
    jne .above
    skip "no Orlop below"
    jmp power_off64
.above:
    mov dword [ap_work], work_ap
    mov ebx, start_one
    call smp_for_each_ap
    mov dword [go], 1
    mov ebp, COUNT
.next:
    call make_lines
    dec ebp
    jnz .next
    say "flood: the BSP has done its part", nl
    mov ebx, wait_one
    call smp_for_each_ap
    mov ebp, LINGER_MS
.linger:
    mov edi, 1000
    call delay_us
    dec ebp
    jnz .linger
    cmp dword [failures], 0
    jne power_off64
    pass "cpus=", dec, [cpu_count]
    jmp power_off64

; Reads, writes and a step of Orlop's range. Keeps EBP.
make_lines:
    mov ebx, [orlop_range]
    mov eax, [rbx]
    mov [rbx + 64], eax
    lock inc dword [rbx + 128]          ; not decoded: run on a page of its own
    ret

work_ap:
    mov dword [r15 + BOX_READY], 1
.wait:
    pause
    cmp dword [go], 0
    je .wait
    mov ebp, COUNT
.next:
    rdtsc
    shl rdx, 32
    or rax, rdx
    mov rdx, SOME_SECONDS
    add rax, rdx
    mov rdx, rax
    shr rdx, 32
    mov ecx, MSR_TSC
    wrmsr
    call make_lines
    inc dword [r15 + BOX_DONE]
    dec ebp
    jnz .next
    ret

start_one:
    mov r13d, edi
    mov ebp, edi
    shl ebp, 6
    add ebp, MAILBOX
    mov esi, 10000
    mov edx, 200
    call smp_start_cpu
    mov ebx, 2000
.wait:
    cmp dword [rbp + BOX_READY], 1
    je .done
    mov edi, 1000
    call delay_us
    dec ebx
    jnz .wait
    fail "APIC id ", dec, r13d, " did not start"
    inc dword [failures]
.done:
    ret

; EDI = APIC id. As long as it gets on, there is time.
wait_one:
    mov r13d, edi
    mov ebp, edi
    shl ebp, 6
    add ebp, MAILBOX
.again:
    mov ebx, [rbp + BOX_DONE]
    mov edi, r13d
    mov esi, 2000
    call smp_wait_finished
    jz .done
    cmp ebx, [rbp + BOX_DONE]
    jne .again
    fail "APIC id ", dec, r13d, " hangs; done: ", dec, ebx
    inc dword [failures]
.done:
    ret

section .bss
alignb 4
go:       resd 1
failures: resd 1
end_guest
