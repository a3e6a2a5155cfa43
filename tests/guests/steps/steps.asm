; Stepped from below, instruction by instruction, the guest sees nothing of it: no TF in pushed flags or DR6,
; no interrupt or NMI lost, early or twice, and NMIs blocked where they were. Each VMCALL asks the test build's
; debugger (tests/entry/debug_always.c) to step so many instructions, and the log tells where each of them
; left RIP, counted from behind the VMCALL.
%define NAME "steps"
%include "guest.inc"
%include "faults.inc"
%include "apic.inc"
%include "hyper.inc"

ORLOP_CALL_DEBUGGER equ 4
IPI_VECTOR   equ 0x41
INT_VECTOR   equ 0x42
TIMER_VECTOR equ 0x43
APIC_LVT_TIMER equ 0x320
APIC_INITIAL equ 0x380
APIC_DIVIDE  equ 0x3E0
ICR_SELF     equ 0x44000
TF           equ 0x100
DR6_CLEAR    equ 0xFFFF0FF0
DR6_BS       equ 0x4000
TIMER_TICKS  equ 400000

%macro steps 1
    mov eax, ORLOP_CALL_DEBUGGER
    mov rbx, ORLOP_CALL_SIGNATURE
    mov ecx, %1
    vmcall
%endmacro

%macro gate 2
    mov eax, %1
    mov edx, %2
    call idt_set_gate
%endmacro

; claim "text", condition under which it holds
%macro claim 2
    j%2 %%holds
    call log_out
    fail %1, ": ", x32, [taken], " ", dec, [count]
    jmp power_off64
%%holds:
%endmacro

section .text
bits 16
main:
    mov al, 0xFF
    out 0x21, al
    out 0xA1, al
    enter_long
    call idt_build
    call apic_init
    mov eax, [apic_base]
    or dword [rax + APIC_SVR], 0x1FF
    mov dword [rax + APIC_TPR], 0
    call plain
    call string
    call interrupts
    call shadow
    call events
    call trap
    call nmis
    call halt
    call log_out
    pass
    leave_long
    jmp power_off16

bits 64
; Orlop's lines come first.
log_out:
    mov ecx, 70000000
.wait:
    pause
    loop .wait
    ret

plain:
    cli
    steps 6
    nop
    pushfq
    pop r8
    cpuid
    xor eax, eax
    jmp .on
    nop
.on:
    test r8d, TF | 0x200
    claim "flags pushed by a stepped PUSHF", z
    ret

string:
    mov edi, SCRATCH
    mov eax, ORLOP_CALL_DEBUGGER
    mov rbx, ORLOP_CALL_SIGNATURE
    mov ecx, 4
    vmcall
    rep stosb
    ret

; One that waits behind STI, and one that comes while it is not wanted.
interrupts:
    gate IPI_VECTOR, .taken
    mov dword [taken], 0
    mov edi, [apic_base]
    mov dword [rdi + APIC_ICR_LOW], ICR_SELF | IPI_VECTOR
    steps 3
    sti
    nop
    nop
.behind:
    nop
    nop
    cmp dword [taken], .behind
    claim "an interrupt comes when the step behind STI is over", e
    mov dword [taken], 0
    steps 3
    mov dword [rdi + APIC_ICR_LOW], ICR_SELF | IPI_VECTOR
    nop
    nop
.behind_2:
    nop
    nop
    cmp dword [taken], .behind_2
    claim "an interrupt comes when the last step is over", e
    cli
    ret
.taken:
    push rax
    mov eax, [rsp + 8]
    mov [taken], eax
    mov eax, [apic_base]
    mov dword [rax + APIC_EOI], 0
    pop rax
    iretq

; Without the monitor trap flag MOV SS takes the next one along.
shadow:
    mov edx, DATA32
    steps 2
    mov ss, edx
    nop
    nop
    ret

; INT, a fault, a fault of what exits; and the way back.
events:
    gate INT_VECTOR, .handler
    gate 6, .over
    gate 13, .over_error
    steps 8
    int INT_VECTOR
    ud2
    xor ecx, ecx                    ; RDMSR of an MSR that exits and faults
    mov ecx, 0x4FF
    rdmsr
    ret
.handler:
    iretq
.over_error:
    add rsp, 8
.over:
    add qword [rsp], 2
    iretq

; The guest's own single step.
trap:
    gate 1, .trapped
    mov eax, DR6_CLEAR
    mov dr6, rax
    pushfq
    or dword [rsp], TF
    steps 5
    popfq
    pushfq
.behind:
    pop r8
    test r8d, TF
    claim "TF in the flags that a stepped PUSHF under TF pushes", nz
    cmp dword [taken], .behind
    claim "the trap by TF behind it", e
    test dword [taken_flags], TF
    claim "TF in the flags that the trap pushes", nz
    cmp dword [taken_dr6], DR6_CLEAR | DR6_BS
    claim "DR6 of the trap by TF", e
    cmp dword [traps], 1
    claim "one trap", e
    ret
.trapped:
    inc dword [traps]
    mov eax, [rsp]
    mov [taken], eax
    mov eax, [rsp + 16]
    mov [taken_flags], eax
    mov rax, dr6
    mov [taken_dr6], eax
    and dword [rsp + 16], ~TF
    iretq

; It waits for the end of the steps; another one waits in its handler, stepped or not, for its IRET.
nmis:
    gate 2, .nmi
    mov edi, [apic_base]
    mov eax, [own_apic_id]
    shl eax, 24
    mov [rdi + APIC_ICR_HIGH], eax
    steps 3
    mov dword [rdi + APIC_ICR_LOW], ICR_NMI
    nop
    nop
.behind:
    nop
    nop
    cmp dword [taken], .behind
    claim "an NMI comes when the last step is over", e
    cmp dword [count], 2
    claim "the second NMI comes behind the IRET of the first", e
    mov dword [rdi + APIC_ICR_LOW], ICR_NMI
    mov ecx, 1000
.wait:
    pause
    loop .wait
    cmp dword [count], 3
    claim "a third NMI comes", e
    ret
.nmi:
    inc dword [count]
    cmp dword [count], 1
    jne .out
    mov eax, [rsp]
    mov [taken], eax
    mov dword [rdi + APIC_ICR_LOW], ICR_NMI
    steps 2
    nop
    nop
    mov ecx, 1000
.wait_inside:
    pause
    loop .wait_inside
    cmp dword [count], 1
    claim "NMIs are blocked in the handler of one behind a step", e
    steps 2
    iretq
.out:
    iretq

; The step in HLT is the interrupt that ends it. Without the monitor trap flag there is none.
halt:
    gate TIMER_VECTOR, .ticked
    mov edi, [apic_base]
    mov dword [rdi + APIC_DIVIDE], 0xB
    mov dword [rdi + APIC_LVT_TIMER], TIMER_VECTOR
    mov dword [rdi + APIC_INITIAL], TIMER_TICKS
    mov dword [taken], 0
    sti
    nop
    steps 1 << 31 | 3               ; when it is in HLT
.idle:
    hlt
    cmp dword [taken], 0
    je .idle
    cli
    ret
.ticked:
    mov dword [rdi + APIC_EOI], 0
    inc dword [taken]
    iretq

section .bss
alignb 4
taken:       resd 1
taken_flags: resd 1
taken_dr6:   resd 1
traps:       resd 1
count:       resd 1
end_guest
