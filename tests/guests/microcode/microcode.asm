; A microcode update through IA32_BIOS_UPDT_TRIG is taken and changes nothing, whatever its address, and the
; revision in IA32_BIOS_SIGN_ID goes on telling the truth: CPUID puts the processor's own there, as often
; as it is cleared. At CPL 3 both are #GP; in real mode all is the same. The update is no update (there is
; none for the emulator's processors), so that the bare machine does nothing with it either.
%define NAME "microcode"
%include "guest.inc"
%include "faults.inc"
%include "ring3.inc"

MSR_UPDT_TRIG    equ 0x79
MSR_BIOS_SIGN_ID equ 0x8B

; address
%macro update 1
    mov rdx, %1
    mov eax, edx
    shr rdx, 32
    mov ecx, MSR_UPDT_TRIG
    attempt wrmsr
    say NAME, ": update at ", x64, {%1}, " vector ", x32, [fault_vector]
    call revision64
    say " revision ", x32, [revision], " ", x32, [revision + 4], nl
%endmacro

section .text
bits 64
; [revision] = IA32_BIOS_SIGN_ID after CPUID, having been cleared; as it was where there is no such MSR.
revision64:
    mov ecx, MSR_BIOS_SIGN_ID
    xor eax, eax
    xor edx, edx
    attempt wrmsr
    cmp dword [fault_vector], NO_FAULT
    jne .none
    mov eax, 1
    cpuid
    mov ecx, MSR_BIOS_SIGN_ID
    rdmsr
    mov [revision], eax
    mov [revision + 4], edx
    ret
.none:
    mov byte [absent], 1
    ret

bits 16
main:
    enter_long
    call idt_build
    call ring3_init
    call revision64
    cmp byte [absent], 0
    je .there
    skip "no IA32_BIOS_SIGN_ID"
.there:
    say NAME, ": revision ", x32, [revision], " ", x32, [revision + 4], nl
    mov eax, [revision]
    mov [first], eax
    mov eax, [revision + 4]
    mov [first + 4], eax
    update header
    update header + 8
    update header + 1
    update 0
    update 0xFEE00000
    update 0xFFFFFFF0
    update 0x100000000                  ; not mapped
    mov ecx, MSR_UPDT_TRIG
    attempt_user wrmsr
    say NAME, ": CPL 3, update: vector ", x32, [fault_vector], nl
    mov ecx, MSR_BIOS_SIGN_ID
    attempt_user rdmsr
    say NAME, ": CPL 3, revision: vector ", x32, [fault_vector], nl
    mov eax, DATA32                     ; the ways to CPL 3 have emptied it
    mov ds, eax
    leave_long
    mov dword [13 * 4], real_fault      ; segment 0
    mov ecx, MSR_UPDT_TRIG
    mov eax, header
    xor edx, edx
    mov ebp, NO_FAULT
    wrmsr
    say NAME, ": real mode: vector ", x32, ebp, nl
    enter_long
    lidt [idt_pointer]
    call revision64
    mov eax, [revision]
    cmp eax, [first]
    jne .changed
    mov eax, [revision + 4]
    cmp eax, [first + 4]
    jne .changed
    pass
    jmp power_off64
.changed:
    fail "the revision has changed"
    jmp power_off64

bits 16
real_fault:
    mov ebp, 13
    push bp
    mov bp, sp
    add word [bp + 2], 2                ; over WRMSR
    pop bp
    iret

section .data align=16
header: dd 1, 0x7FFFFFFF, 0x01012026, 0x50654, 0, 1, 1, 0, 0, 0, 0, 0
    times 2000 / 4 dd 0
section .bss
alignb 4
revision: resd 2
first:    resd 2
absent:   resb 1
end_guest
