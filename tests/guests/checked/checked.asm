; Looks at itself in 64-bit, compatibility, 32-bit and real mode, turn by turn: at the sum of its code, its debug
; registers, its flags. Of a debugger below it may see nothing, but that an INT3 in its code is in the sum. ESI
; is where a turn begins, EDX what the sum is more than at first; the next mode's turns come when the debugger
; has put 'next' into EBX. In 64-bit mode each second turn is made at another linear address of the same code.
%define NAME "checked"
%include "guest.inc"

DR_VALUE equ 0x1230                     ; and the register's number
DR6_NONE equ 0xFFFF0FF0
DR7_NONE equ 0x400
ALIAS    equ 1 << 32                  ; the first GiB once more

%macro dr_to_eax 1
  %if CODE_BITS == 64
    mov rax, dr%1
  %else
    mov eax, dr%1
  %endif
%endmacro

; eax_is VALUE
%macro eax_is 1
    cmp eax, %1
    je %%same
    say "checked: ", x32, eax, " is not ", x32, %1, nl
    inc dword [wrong]
%%same:
%endmacro

; The turns of one mode: its bits. Clobbers EAX, ECX, EDX, EDI.
%macro mode_of 1
bits %1
turns%1:
    call turn%1
  %if %1 == 64
    mov rax, ALIAS + turn64
    call rax
  %endif
    cmp ebx, 'next'
    jne turns%1
    ret
turn%1:
    nop                                 ; where a debugger puts its INT3
    inc dword [turns]
    call sum%1
    sub edx, [first_sum]
    dr_to_eax 0
    eax_is DR_VALUE
    dr_to_eax 1
    eax_is DR_VALUE + 1
    dr_to_eax 2
    eax_is DR_VALUE + 2
    dr_to_eax 3
    eax_is DR_VALUE + 3
    dr_to_eax 6
    eax_is DR6_NONE
    dr_to_eax 7
    eax_is DR7_NONE
  %if %1 == 64
    pushfq
    pop rax
  %else
    pushfd
    pop eax
  %endif
    and eax, RFLAGS_TF | RFLAGS_RF | RFLAGS_IF
    eax_is 0
    ret
sum%1:
    mov edi, IMAGE
    mov ecx, text_size
    xor edx, edx
.next:
    movzx eax, byte [edi]
    add edx, eax
    inc edi
    dec ecx
    jnz .next
    ret
%endmacro

section .text
bits 16
main:
    mov eax, DR_VALUE
    mov dr0, eax
    inc eax
    mov dr1, eax
    inc eax
    mov dr2, eax
    inc eax
    mov dr3, eax
    mov eax, DR6_NONE
    mov dr6, eax
    call sum16
    mov [first_sum], edx
    enter_long
    mov dword [PDPT + 4 * 8], DIRECTORIES + 7
    mov esi, turn64
    xor ebx, ebx
    say "checked: 64-bit mode", nl
    call turns64
    jmp far dword [.compatibility]
.compatibility:
    dd compatibility_mode
    dw CODE32

bits 32
compatibility_mode:
    mov eax, DATA32
    mov ds, eax
    mov es, eax
    mov ss, eax
    mov esi, turn32
    xor ebx, ebx
    say "checked: compatibility mode", nl
    call turns32
    mov eax, cr0
    and eax, ~CR0_PG
    mov cr0, eax
    mov ecx, MSR_EFER
    rdmsr
    and eax, ~EFER_LME
    wrmsr
    xor ebx, ebx
    say "checked: 32-bit mode", nl
    call turns32
    mov ebx, real_mode
    jmp protected_to_real

bits 16
real_mode:
    mov esi, turn16
    xor ebx, ebx
    say "checked: real mode", nl
    call turns16
    cmp dword [wrong], 0
    jne .wrong
    pass dec, [turns], " turns"
    jmp power_off16
.wrong:
    fail dec, [wrong], " values in ", dec, [turns], " turns"
    jmp power_off16

mode_of 64
mode_of 32
mode_of 16

section .bss
first_sum: resd 1
turns: resd 1
wrong: resd 1

end_guest
