; The time stamp counter, IA32_TSC_ADJUST and the TSC deadline are one clock: RDMSR, RDTSC and RDTSCP agree;
; what is written to the counter is the difference that the adjustment shows, and the other way round; a
; deadline reads back, fires once and not before its time, at once where it has passed,
; and not at all after 0 was written. Prints what held; a run above Orlop prints the lines of the bare
; run. The deadline comes first: Bochs forgets the counter's adjustment there.
%define NAME "tsc"
%include "guest.inc"
%include "faults.inc"
%include "apic.inc"

MSR_TSC      equ 0x10
MSR_ADJUST   equ 0x3B
MSR_DEADLINE equ 0x6E0
APIC_LVT_TIMER equ 0x320
TIMER_DEADLINE equ 2 << 17
TIMER_VECTOR equ 0x40
SLACK         equ 1 << 24                ; ticks that a few instructions may take, exits and log lines too
JUMP         equ 1 << 40
DELAY         equ 200000

; name: prints whether CF is set
%macro holds 1
    [section .data]
%%name: db %1, 0
    __?SECT?__
    setc [held]
    mov esi, %%name
    call told
%endmacro

section .text
bits 16
main:
    enter_long
    call idt_build
    mov eax, 1
    cpuid
    bt ecx, 24
    jnc .no_deadline
    call deadline
    jmp .counter
.no_deadline:
    skip "no TSC deadline"
.counter:
    call counter
    mov eax, 7
    xor ecx, ecx
    cpuid
    bt ebx, 1
    jnc .no_adjust
    call adjust
    jmp .end
.no_adjust:
    skip "no IA32_TSC_ADJUST"
.end:
    cmp dword [wrong], 0
    jne .off
    pass
.off:
    jmp power_off64

; RAX = the counter
now:
    rdtsc
    shl rdx, 32
    or rax, rdx
    ret

; ECX = MSR: RAX
get:
    rdmsr
    shl rdx, 32
    or rax, rdx
    ret

; ECX = MSR, RAX = value
put:
    mov rdx, rax
    shr rdx, 32
    wrmsr
    ret

; RAX less RBX: CF if it is neither negative nor SLACK
near_after:
    sub rax, rbx
    cmp rax, SLACK
    ret

told:
    say NAME, ": "
    call print_string64
    cmp byte [held], 1
    je .yes
    say ": FAIL", nl
    inc dword [wrong]
    ret
.yes:
    say ": yes", nl
    ret

counter:
    call now
    mov rbx, rax
    mov ecx, MSR_TSC
    call get
    mov rbp, rax
    call near_after
    holds "RDMSR follows RDTSC"
    mov rbx, rbp
    call now
    call near_after
    holds "RDTSC follows RDMSR"
    mov eax, 0x80000001
    cpuid
    bt edx, 27
    jnc .done
    call now
    mov rbx, rax
    rdtscp
    shl rdx, 32
    or rax, rdx
    call near_after
    holds "RDTSCP follows RDTSC"
.done:
    mov ebp, 3
.write:
    mov rbx, [written - 8 + rbp * 8]
    mov rax, rbx
    mov ecx, MSR_TSC
    call put
    call now
    call near_after
    holds "the counter goes on from what was written"
    dec ebp
    jnz .write
    ret

adjust:
    mov ecx, MSR_ADJUST
    call get
    mov r12, rax
    call now
    mov r13, rax
    mov rbx, JUMP
    add rax, rbx
    mov rbx, rax
    mov ecx, MSR_TSC
    call put
    mov ecx, MSR_ADJUST
    call get
    sub rax, r12                        ; the counter had gone on a little: at most JUMP
    mov rbx, JUMP - SLACK
    call near_after
    holds "a write to the counter is seen in the adjustment"
    mov ecx, MSR_ADJUST
    call get
    mov r12, rax
    call now
    mov rbx, rax
    mov rcx, JUMP
    add rbx, rcx
    lea rax, [r12 + rcx]
    mov ecx, MSR_ADJUST
    call put
    call now
    call near_after
    holds "a write to the adjustment moves the counter"
    mov ecx, MSR_ADJUST
    call get
    mov rbx, JUMP
    add rbx, r12
    cmp rax, rbx
    sete al
    bt eax, 0
    holds "the adjustment reads as it was written"
    mov rax, r12
    mov ecx, MSR_ADJUST
    call put
    mov ecx, MSR_ADJUST
    call get
    cmp rax, r12
    sete al
    bt eax, 0
    holds "and goes back"
    ret

deadline:
    call apic_init
    jc .none
    mov eax, TIMER_VECTOR
    mov edx, fired
    call idt_set_gate
    in al, 0x21                         ; the PIC's interrupts stay out
    mov al, 0xFF
    out 0x21, al
    out 0xA1, al
    mov ebx, [apic_base]
    mov dword [rbx + APIC_SVR], 0x1FF
    mov dword [rbx + APIC_TPR], 0
    mov dword [rbx + APIC_LVT_TIMER], TIMER_VECTOR ; one-shot
    mov rax, -1
    mov ecx, MSR_DEADLINE
    call put
    mov ecx, MSR_DEADLINE
    call get
    cmp rax, 1
    holds "without the mode a deadline is not kept"
    mov dword [rbx + APIC_LVT_TIMER], TIMER_DEADLINE | TIMER_VECTOR
    mfence
    call now
    add rax, DELAY
    mov r12, rax
    mov ecx, MSR_DEADLINE
    call put
    mov ecx, MSR_DEADLINE
    call get
    cmp rax, r12
    sete al
    bt eax, 0
    holds "a deadline reads back"
    call wait_fired
    holds "it fires"
    mov rax, [fired_at]
    mov rbx, r12
    call near_after
    holds "and not before its time"
    call wait_long
    cmp dword [fired_count], 1
    sete al
    bt eax, 0
    holds "it fires once"
    mov dword [fired_count], 0
    call now                            ; one that has passed
    sub rax, 1
    mov ecx, MSR_DEADLINE
    call put
    call wait_fired
    holds "one that has passed fires at once"
    call now
    add rax, DELAY
    mov ecx, MSR_DEADLINE
    call put
    xor eax, eax
    mov ecx, MSR_DEADLINE
    call put
    mov dword [fired_count], 0
    call wait_long
    cmp dword [fired_count], 1
    holds "0 takes it back"
    mov ecx, MSR_DEADLINE
    xor eax, eax
    call put
    mov ebx, [apic_base]
    mov dword [rbx + APIC_LVT_TIMER], 1 << 16
.none:
    ret

; CF: the timer has fired. Bounded.
wait_fired:
    mov ecx, 1000000
    sti
.look:
    cmp dword [fired_count], 0
    jne .yes
    pause
    loop .look
    cli
    clc
    ret
.yes:
    cli
    stc
    ret

wait_long:
    mov ecx, 3 * DELAY
    sti
.pause:
    pause
    loop .pause
    cli
    ret

fired:
    push rax
    push rdx
    rdtsc
    shl rdx, 32
    or rax, rdx
    mov [fired_at], rax
    inc dword [fired_count]
    mov edx, [apic_base]
    mov dword [rdx + APIC_EOI], 0
    pop rdx
    pop rax
    iretq

section .data align=8
written: dq 0x123456789ABCD, 0, 0x7FFFFFFF00000000
section .bss
alignb 8
fired_at:    resq 1
fired_count: resd 1
wrong:       resd 1
held:        resb 1
end_guest
