; CR0, CR3, CR4, CR8, EFER, XCR0, IA32_XSS, IA32_PAT and the debug registers in 64-bit mode take the
; values, and give the faults, that they do on the bare processor: each bit is changed by itself, and
; 100,000 random values are written, each one read back, one in eight behind a CPUID, which exits; a fault
; is #GP(0) at the instruction's RIP. A line tells what the register held, the bits that could be changed, and a sum
; over all that was seen. A run above Orlop prints the lines of the bare run.
%define NAME "crs"
%include "guest.inc"
%include "faults.inc"
%include "random.inc"

GP equ 13
VALUES equ 100000
CR4_VMXE equ 1 << 13
CR4_SMXE equ 1 << 14
CR4_OSXSAVE equ 1 << 18
CR4_DE equ 1 << 3
CR4_PCIDE equ 1 << 17
CR3_BASE equ 0xFFFFFFF000               ; the bits of it that any processor with long mode may have
DR7_GD equ 1 << 13
MSR_PAT equ 0x277
MSR_XSS equ 0xDA0
PAGE_USER equ 4

; %1 = name, %2 and %3 = routines, %4 = bits that are not changed here
%macro try_register 4
    mov rdi, %2
    mov rbp, %3
    mov r15, %4
    call try
    say NAME, ": ", %1, " = ", x64, [value], ", changed ", x64, [changed], " sum ", x64, [sum], nl
%endmacro

section .text
bits 16
main:
    enter_long
    call idt_build
    cli
    try_register "CR0", read_cr0, write_cr0, 0
    ; With SMEP and SMAP the pages must not be the user's. The bare processor has VMXE and SMXE.
    and byte [PML4], ~PAGE_USER
    mov rax, cr3
    mov cr3, rax
    try_register "CR4", read_cr4, write_cr4, CR4_VMXE | CR4_SMXE
    try_register "CR3", read_cr3, write_cr3, CR3_BASE
    call with_pcids
    try_register "CR8", read_cr8, write_cr8, 0
    mov r12d, MSR_EFER
    try_register "EFER", read_msr, write_msr, 0
    mov r12d, MSR_PAT
    try_register "PAT", read_msr, write_msr, 0
    call debug_registers
    mov eax, 1
    cpuid
    test ecx, 1 << 26               ; XSAVE
    jz .no_xsave
    mov rax, cr4
    or eax, CR4_OSXSAVE
    mov cr4, rax
    try_register "XCR0", read_xcr0, write_xcr0, 0
    call other_xcrs
    mov eax, 0xD
    mov ecx, 1
    cpuid
    test al, 1 << 3                     ; XSAVES
    jz .no_xss
    mov r12d, MSR_XSS
    try_register "XSS", read_msr, write_msr, 0
.no_xss:
    pass
.end:
    leave_long
    jmp power_off16
bits 64
.no_xsave:
    say NAME, ": no XSAVE", nl
    pass
    jmp .end

; RAX = the register; the writers take R10. They keep all but RAX, RCX and RDX.
read_cr0:
    mov rax, cr0
    ret
write_cr0:
    attempt mov cr0, r10
    ret
read_cr4:
    mov rax, cr4
    ret
write_cr4:
    attempt mov cr4, r10
    ret
read_xcr0:
    xor ecx, ecx
    xgetbv
    shl rdx, 32
    or rax, rdx
    ret
write_xcr0:
    xor ecx, ecx
write_xcr:
    mov eax, r10d
    mov rdx, r10
    shr rdx, 32
    attempt xsetbv
    ret

; CR3 keeps its base; with process-context identifiers bit 63 says only that nothing is flushed.
read_cr3:
    mov rax, cr3
    ret
write_cr3:
    attempt mov cr3, r10
    ret
with_pcids:
    mov eax, 1
    cpuid
    test ecx, CR4_PCIDE
    jz .done
    mov r14, cr4
    mov r13, cr3
    lea rax, [r13 + 1]                  ; PCIDE may not be set where CR3 has bits of an identifier
    mov cr3, rax
    lea r10, [r14 + CR4_PCIDE]
    attempt mov cr4, r10
    say NAME, ": PCIDE with an identifier in CR3: vector ", dec, [fault_vector], nl
    mov cr3, r13
    mov cr4, r10
    try_register "CR3 with PCIDE", read_cr3, write_cr3, CR3_BASE
    mov cr3, r13
    mov cr4, r14
.done:
    ret
read_cr8:
    mov rax, cr8
    ret
write_cr8:
    attempt mov cr8, r10
    ret

; R12D = index.
read_msr:
    mov ecx, r12d
    rdmsr
    shl rdx, 32
    or rax, rdx
    ret
write_msr:
    mov ecx, r12d
    mov eax, r10d
    mov rdx, r10
    shr rdx, 32
    attempt wrmsr
    ret

%macro debug_register 1
read_dr%1:
    mov rax, dr%1
    ret
write_dr%1:
    attempt mov dr%1, r10
    ret
%endmacro
debug_register 0
debug_register 1
debug_register 2
debug_register 3
debug_register 6
debug_register 7

; One after the other, so that no breakpoint is ever met: DR7 is tried while all addresses are 0.
debug_registers:
    mov rax, cr4
    or eax, CR4_DE                      ; breakpoints of I/O too
    mov cr4, rax
    try_register "DR7", read_dr7, write_dr7, DR7_GD
    try_register "DR6", read_dr6, write_dr6, 0
    try_register "DR0", read_dr0, write_dr0, 0
    try_register "DR1", read_dr1, write_dr1, 0
    try_register "DR2", read_dr2, write_dr2, 0
    try_register "DR3", read_dr3, write_dr3, 0
    call aliases
    mov rax, cr4
    and eax, ~CR4_DE
    mov cr4, rax
    call aliases
    jmp general_detect

%macro outcome_of 1+
    attempt %1
    say " ", dec, [fault_vector]
%endmacro
; DR4 and DR5 are DR6 and DR7, or #UD; there is no DR8 to DR15, nor CR1, CR5 to CR7, CR9 to CR15.
aliases:
    mov rax, cr4
    and eax, CR4_DE
    say NAME, ": CR4.DE ", dec, eax, ": DR4, DR5 and what there is not:"
    mov r10, dr6
    outcome_of {mov dr4, r10}
    mov r10, dr7
    outcome_of {mov dr5, r10}
    outcome_of {db 0x0F, 0x21, 0xE0}    ; MOV RAX, DR4
    outcome_of {db 0x0F, 0x21, 0xE8}
    outcome_of {db 0x44, 0x0F, 0x21, 0xC0} ; DR8
    outcome_of {db 0x0F, 0x20, 0xC8}    ; MOV RAX, CR1
    outcome_of {db 0x0F, 0x22, 0xC8}
    outcome_of {db 0x0F, 0x20, 0xE8}    ; CR5
    outcome_of {db 0x0F, 0x22, 0xF0}
    outcome_of {db 0x0F, 0x20, 0xF8}
    outcome_of {db 0x44, 0x0F, 0x20, 0xC8} ; CR9
    outcome_of {db 0x44, 0x0F, 0x22, 0xF8}
    outcome_of {db 0xF0, 0x0F, 0x20, 0xC0} ; LOCK MOV RAX, CR0
    say nl
    ret

; With DR7.GD each access to a debug register is a #DB at the instruction, with DR6.BD, and clears GD.
general_detect:
    say NAME, ": with GD:"
    mov r14, dr7
%macro detect 1+
    mov r10, DR7_GD | 0x400
    mov dr7, r10
    xor eax, eax
    cpuid                               ; an exit between
    mov r10, r14
    attempt %1
    mov r9d, [fault_vector]
    mov rax, dr6
    mov rcx, dr7
    say " ", dec, r9d, "/", x32, eax, "/", x32, ecx
%endmacro
    detect mov rax, dr0
    detect mov dr3, r10
    detect mov rax, dr6
    detect mov rax, dr7
    detect mov dr7, r10
    say nl
    mov dr7, r14
    mov eax, 0xFFFF0FF0
    mov dr6, rax
    ret

; Gives [value], [changed], [sum].
try:
    call rdi
    mov [value], rax
    mov qword [changed], 0
    mov qword [sum], 0
    mov dword [random], 0x2545F491
    xor r11d, r11d
.bit:
    bt r15, r11
    jc .next_bit
    mov r10, [value]
    btc r10, r11
    call put
    jne .next_bit
    bts [changed], r11
.next_bit:
    inc r11d
    cmp r11d, 64
    jb .bit
    mov r11d, VALUES
.value:
    call next_random
    mov r10d, eax
    call next_random
    test eax, 7                     ; most are refused for their upper half alone
    jnz .low
    shl rax, 32
    or r10, rax
.low:
    xor r10, [value]
    mov rax, r15
    not rax
    and r10, rax
    xor r10, [value]
    test r11d, 1
    jz .whole
    and r10d, 0x00040FFF            ; every second one may pass
    or r10, [value]
.whole:
    call put
    dec r11d
    jnz .value
    ret

; Writes R10, adds what then is there, or the vector, and puts the old value back. ZF: it was taken.
; Clobbers RBX.
put:
    call rbp
    mov r9d, [fault_vector]
    cmp r9d, NO_FAULT
    je .read
    cmp r9d, GP
    jne .wrong
    cmp qword [fault_error], 0
    jne .wrong
    mov eax, [fault_expected_rip]
    cmp [fault_rip], rax
    jne .wrong
.read:
    test r11d, 7
    jnz .here
    xor eax, eax
    cpuid
.here:
    call rdi
    rol qword [sum], 5
    xor [sum], rax
    mov eax, r9d
    add [sum], rax
    mov r10, [value]
    call rbp
    cmp r9d, NO_FAULT
    ret
.wrong:
    fail "value ", x64, r10, " vector ", dec, r9d, " error ", x32, [fault_error]
    jmp power_off64

; Index 1 to 40 are no XCR; with what index 0 holds.
other_xcrs:
    xor r11d, r11d
    mov ebx, 1
.next:
    mov r10, [value]
    mov ecx, ebx
    call write_xcr
    cmp dword [fault_vector], NO_FAULT
    jne .step
    bts r11, rbx
.step:
    inc ebx
    cmp ebx, 40
    jbe .next
    say NAME, ": XSETBV takes indexes ", x64, r11, nl
    ret

section .bss
alignb 8
value:   resq 1
changed: resq 1
sum:     resq 1
end_guest
