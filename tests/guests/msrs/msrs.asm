; Every MSR that the bitmaps know, those of the ranges that hypervisors use, and 10,000 indexes beyond:
; each is read, and what it gave is written back; then each of its bits is changed, and 100 random
; values are written. A line tells the value, the bits that could be changed, and a sum over all that
; was read back. Indexes that are no MSR are one line, from the first to the last; 0 and a random value
; are written to them, and are faults too. A run above Orlop prints the lines of the bare run, but for those that the row excepts.
%define NAME "msrs"
%include "guest.inc"
%include "faults.inc"
%include "random.inc"

GP equ 13
RANDOM_INDEXES equ 10000
RANDOM_VALUES  equ 100
; How an index answered.
NOTHING equ 0                           ; #GP both ways
TAKEN   equ 1                           ; read, and taken back
FIXED   equ 2                           ; read, #GP when written
KEPT    equ 3                           ; read, and not written here

section .text
bits 16
main:
    enter_long
    call idt_build
    call sweep
    call sweep_random
    pass
    leave_long
    jmp power_off16

bits 64
sweep:
    mov ebx, ranges
.range:
    mov r12d, [rbx]
    mov r13d, [rbx + 4]
    call sweep_range
    add ebx, 8
    cmp ebx, ranges_end
    jb .range
    ret

; R12D to R13D, both included. Lines of indexes that are nothing are joined.
sweep_range:
    mov r14d, r12d                  ; where the run of nothing began
.next:
    call try
    cmp r15d, NOTHING
    je .step
    call show_nothing
    lea r14d, [r12 + 1]
    call show_one
.step:
    cmp r12d, r13d
    je .end
    inc r12d
    jmp .next
.end:
    inc r12d
    ; falls through

; [R14D, R12D) are nothing.
show_nothing:
    cmp r14d, r12d
    je .none
    lea eax, [r12 - 1]
    say NAME, ": ", x32, r14d, "-", x32, eax, " #GP", nl
.none:
    ret

show_one:
    cmp r15d, FIXED
    je .fixed
    say NAME, ": ", x32, r12d, " = ", x64, [value]
    cmp r15d, KEPT
    je .said
    call change
    say ", changed ", x64, [changed], " sum ", x64, [sum]
.said:
    say nl
    ret
.fixed:
    say NAME, ": ", x32, r12d, " = ", x64, [value], ", #GP when written", nl
    ret

; R12D = index. Gives R15D and [value]. Fails where a read or a write ends otherwise.
try:
    mov ecx, r12d
    attempt rdmsr
    cmp dword [fault_vector], NO_FAULT
    jne .unreadable
    mov [value], eax
    mov [value + 4], edx
    mov r15d, KEPT
    call is_kept
    je .done
    mov r15d, TAKEN
    mov ecx, r12d
    attempt wrmsr
    cmp dword [fault_vector], NO_FAULT
    je .done
    mov r15d, FIXED
    jmp .judge
.unreadable:
    mov r15d, NOTHING
    call is_kept
    je .done
    call judge
    mov ecx, r12d
    xor eax, eax
    xor edx, edx
    attempt wrmsr
    call judge
    mov [random], r12d                  ; of this index, never 0
    or dword [random], 1 << 31
    call next_random
    mov edx, eax
    call next_random
    mov ecx, r12d
    attempt wrmsr
    jmp judge
.judge:
    call judge
.done:
    ret

judge:
    cmp dword [fault_vector], GP
    jne .wrong
    cmp qword [fault_error], 0
    je .done
.wrong:
    fail "index ", x32, r12d, " vector ", dec, [fault_vector], " error ", x32, [fault_error]
.done:
    ret

; R12D = index, [value] = what it holds, and does again afterwards. Gives [changed] and [sum].
change:
    mov qword [changed], 0
    mov qword [sum], 0
    mov dword [random], 0x2545F491
    xor r11d, r11d
.bit:
    mov r10, [value]
    btc r10, r11
    call put
    jne .next_bit
    bts [changed], r11
.next_bit:
    inc r11d
    cmp r11d, 64
    jb .bit
    mov r11d, RANDOM_VALUES
.value:
    call next_random
    mov r10, rax
    call next_random
    shl rax, 32
    xor r10, rax
    call put
    dec r11d
    jnz .value
    ret

; Writes R10, adds to the sum what is read back or that it faulted, and writes [value] again. ZF: it was
; taken.
put:
    mov ecx, r12d
    mov eax, r10d
    mov rdx, r10
    shr rdx, 32
    attempt wrmsr
    mov r9d, [fault_vector]
    mov ecx, r12d
    rdmsr
    shl rdx, 32
    or rax, rdx
    rol qword [sum], 5
    xor [sum], rax
    mov eax, r9d
    add [sum], rax
    mov ecx, r12d
    mov eax, [value]
    mov edx, [value + 4]
    attempt wrmsr
    cmp r9d, NO_FAULT
    ret

; ZF: the index is one whose writing would change what the run stands on.
is_kept:
    mov esi, kept
.next:
    cmp r12d, [rsi]
    je .found
    add esi, 4
    cmp esi, kept_end
    jb .next
    test esi, esi
.found:
    ret

; Indexes outside all ranges: whatever answers is a line of its own.
sweep_random:
    mov ebx, RANDOM_INDEXES
    mov dword [indexes], 0x9E3779B9
    xor ebp, ebp
.next:
    mov eax, [indexes]
    mov [random], eax
    call next_random
    mov [indexes], eax
    mov r12d, eax
    call in_ranges
    je .step
    call try
    cmp r15d, NOTHING
    jne .answers
    inc ebp
    jmp .step
.answers:
    call show_one
.step:
    dec ebx
    jnz .next
    say NAME, ": #GP at ", dec, ebp, " of ", dec, RANDOM_INDEXES, " indexes anywhere", nl
    ret

; ZF: R12D is in a range.
in_ranges:
    mov esi, ranges
.next:
    cmp r12d, [rsi]
    jb .step
    cmp r12d, [rsi + 4]
    ja .step
    cmp eax, eax
    ret
.step:
    add esi, 8
    cmp esi, ranges_end
    jb .next
    test esi, esi
    ret

section .data align=4
ranges:
    dd 0, 0x1FFF
    dd 0x40000000, 0x400000FF
    dd 0xC0000000, 0xC0001FFF
    dd 0xC0010000, 0xC0011FFF
ranges_end:
kept:
    dd 0x10                         ; the TSC, which APs and waits stand on
    dd 0x1B                         ; the APIC; once off, some stay off
    dd 0x79                         ; starts a microcode update
kept_end:
section .bss
alignb 8
value:   resq 1
changed: resq 1
sum:     resq 1
indexes: resd 1
end_guest
