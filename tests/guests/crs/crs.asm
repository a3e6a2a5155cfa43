; CR0, CR4 and XCR0 in 64-bit mode take the values, and give the faults, that they do on the bare
; processor: each bit is changed by itself, and 100,000 random values are written, each one read back. A
; line tells what the register held, the bits that could be changed, and a sum over all that was seen. A
; run above Orlop prints the lines of the bare run.
%define NAME "crs"
%include "guest.inc"
%include "faults.inc"
%include "random.inc"

GP equ 13
VALUES equ 100000
CR4_VMXE equ 1 << 13
CR4_SMXE equ 1 << 14
CR4_OSXSAVE equ 1 << 18
CR4_SMEP equ 1 << 20
CR4_SMAP equ 1 << 21

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
    ; The bare processor has VMXE and SMXE; with SMEP and SMAP the guest's own pages, which are the
    ; user's, could not be used.
    try_register "CR4", read_cr4, write_cr4, CR4_VMXE | CR4_SMXE | CR4_SMEP | CR4_SMAP
    mov eax, 1
    cpuid
    test ecx, 1 << 26               ; XSAVE
    jz .no_xsave
    mov rax, cr4
    or eax, CR4_OSXSAVE
    mov cr4, rax
    try_register "XCR0", read_xcr0, write_xcr0, 0
    call other_xcrs
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
    mov rax, r15
    not rax
    and r10, rax
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
put:
    call rbp
    mov r9d, [fault_vector]
    cmp r9d, NO_FAULT
    je .read
    cmp r9d, GP
    jne .wrong
    cmp qword [fault_error], 0
    jne .wrong
.read:
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
