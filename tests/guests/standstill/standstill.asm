; For a debugger that stops all CPUs: each stands where no interrupt reaches it. It asks for the debugger by
; its hypercall first. Then the boot CPU spins with interrupts off, and CPUs 1 to 3, where they are, halt with
; interrupts off, spin, wait by MWAIT; a fourth and more are left in wait-for-SIPI. It goes on when the
; debugger has put 'goon' into RBX of the boot CPU: a stop that was an event too many would have shown as a
; change of its other registers, or as a CPU that has left its place.
%define NAME "standstill"
%include "guest.inc"
%include "faults.inc"
%include "smp.inc"
%include "smp_work.inc"
%include "hyper.inc"

CALL_DEBUGGER equ 4
WORKERS       equ 3
BOX_PLACE     equ BOX_OWN               ; where the CPU is: 'halt', 'spin', 'wait'
BOX_LEFT      equ BOX_OWN + 4           ; it went on though nothing came
BOX_COUNT     equ BOX_OWN + 8
PATTERN       equ 0x5A17E0FF5A17E0FF

section .text
bits 16
main:
    enter_long
    call idt_build
    call smp_init
    call orlop_detect
    mov dword [ap_work], work
    mov ebx, start_one
    call smp_for_each_ap
    call ask
    say "standstill: ready", nl
    mov rax, PATTERN
    mov rcx, rax
    mov rdx, rax
    mov esi, count                      ; for a debugger that watches it
    xor ebx, ebx
.spin:
    inc qword [count]
    cmp ebx, 'goon'
    jne .spin
    mov rbp, PATTERN
    cmp rax, rbp
    jne .changed
    cmp rcx, rbp
    jne .changed
    cmp rdx, rbp
    jne .changed
    mov ebx, check_one
    call smp_for_each_ap
    cmp dword [left], 0
    jne power_off64
    pass "cpus=", dec, [cpu_count]
    jmp power_off64
.changed:
    fail "registers changed: ", x64, rax, " ", x64, rcx, " ", x64, rdx
    jmp power_off64

; By its hypercall; without Orlop there is nobody to ask.
ask:
    cmp byte [under_orlop], 0
    je .done
    mov rbx, ORLOP_CALL_SIGNATURE
    mov eax, CALL_DEBUGGER
    vmcall
    say "standstill: the hypercall gives ", dec, eax, nl
.done:
    ret

; EDI = APIC id. Only the first ones are started.
start_one:
    cmp r12d, WORKERS + 1               ; it counts this one already, and the boot CPU
    jbe smp_start_work
    ret

; EDI = APIC id.
check_one:
    mov ebx, edi
    shl ebx, 6
    cmp dword [MAILBOX + rbx + BOX_LEFT], 0
    je .done
    fail "cpu ", dec, edi, " has left its place"
    inc dword [left]
.done:
    ret

; EDI = APIC id, R15 = mailbox. Any other CPU than the first halts, spins or waits by its APIC id.
work:
    cmp edi, 2
    je .spin
    cmp edi, 3
    je .wait
    mov dword [r15 + BOX_PLACE], 'halt'
    cli
    hlt
    inc dword [r15 + BOX_LEFT]
    ret
.spin:
    mov dword [r15 + BOX_PLACE], 'spin'
.again:
    inc qword [r15 + BOX_COUNT]
    jmp .again
.wait:
    mov dword [r15 + BOX_PLACE], 'wait'
    lea rax, [r15 + BOX_COUNT]
    xor ecx, ecx
    xor edx, edx
    monitor
    xor eax, eax
    mwait                               ; may end for no reason: it is asked for again
    jmp .wait

section .bss
alignb 8
count: resq 1
left:  resd 1
end_guest
