; A UART that Orlop keeps for itself (debug=com2) is to the guest as if the machine had none: its ports, in
; accesses of one, two and four bytes, of their neighbours too; INS and OUTS there, with and without REP, in
; each address size, up and down, under TF, on breakpoints, on operands that are not there or may not be
; written, from ring 3; the BIOS's data area and INT 14h. Each answer is a line, to be compared with the
; line of a run without Orlop on a machine that has no COM2.
%define NAME "hidden"
%include "guest.inc"
%include "faults.inc"
%include "ring3.inc"
%include "pages.inc"

COM2     equ 0x2F8
BUFFER   equ FRAME                      ; page 0 at PAGES; 1 read-only, 2 and 3 not there, 4 at 5's frame
IOPL3    equ 0x3002
BDA      equ 0x400

; %1 = what, EAX = value of %2 digits
%macro tell 2
    say "hidden: ", %1, " ", %2, eax, nl
%endmacro

section .text
bits 16
main:
    call data_area
    call accesses
    call strings_real
    enter_long
    call idt_build
    call ring3_init
    call pages_init
    page 0, FRAME + 7
    page 1, FRAME + 0x1005
    page 4, FRAME + 0x2003
    call pages_on
    call strings_long
    call strings_user
    call strings_stepped
    pass "all was tried"
    jmp power_off64

bits 16
data_area:
    xor bx, bx
.word:
    movzx ecx, bx
    movzx eax, word [BDA + bx]
    say "hidden: BIOS data ", x8, ecx, " ", x16, eax, nl
    add bx, 2
    cmp bx, 8
    jb .word
    movzx eax, word [BDA + 0x10]
    tell "equipment", x16
    mov eax, [BDA + 0x7C]
    tell "timeouts", x32
    mov ax, 0x0341                      ; status
    mov dx, 1
    int 14h
    movzx eax, ax
    tell "int 14h, status of COM2", x16
    mov ax, 0x0141                      ; send 41h
    mov dx, 1
    int 14h
    movzx eax, ax
    tell "int 14h, sending to COM2", x16
    int 11h
    movzx eax, ax
    tell "int 11h", x16
    ret

accesses:
    mov dx, COM2 - 4
.in:
    movzx ecx, dx
    mov eax, 0x12345678
    in al, dx
    say "hidden: in ", x16, ecx, " ", x32, eax
    mov eax, 0x12345678
    in ax, dx
    say " ", x32, eax
    mov eax, 0x12345678
    in eax, dx
    say " ", x32, eax, nl
    inc dx
    cmp dx, COM2 + 10
    jb .in
    mov dx, COM2 + 7                    ; the scratch register
    mov al, 0x5A
    out dx, al
    in al, dx
    movzx eax, al
    tell "scratch, by a byte", x8
    mov dx, COM2 + 6
    mov ax, 0xA500
    out dx, ax
    in ax, dx
    movzx eax, ax
    tell "scratch, by a word", x16
    mov dx, COM2 + 4
    mov eax, 0x3C000000
    out dx, eax
    in eax, dx
    tell "scratch, by four bytes", x32
    ret

; %1 = name, %2 = instruction: ES:DI, SI, CX in buffers of real mode, with the high halves dirty.
%macro string16 2
    mov edi, SCRATCH_SEGMENT_OFFSET | 0x56780000
    mov esi, SCRATCH_SEGMENT_OFFSET | 0x9ABC0000
    mov ecx, 0xDEF00005
    call clear16
    mov dx, COM2 + 5
    %2
    call say_string16
    say " ", %1, nl
%endmacro
SCRATCH_SEGMENT_OFFSET equ 0x40

strings_real:
    mov ax, SCRATCH / 16
    mov es, ax
    mov fs, ax

    string16 "insb", {insb}
    string16 "insw", {insw}
    string16 "insd", {insd}
    string16 "rep insb", {rep insb}
    string16 "rep insw", {rep insw}
    string16 "rep insd", {rep insd}
    string16 "outsb", {outsb}
    string16 "rep fs outsd", {fs rep outsd}
    string16 "rep insw, down", call insw_down
    call real32
    mov ecx, 0
    mov edi, 0x40
    mov dx, COM2
    rep insb
    call say_string16
    say " rep insb, CX 0", nl
    xor ax, ax
    mov es, ax
    mov fs, ax
    ret

insw_down:
    std
    rep insw
    cld
    ret

; The same by a 32-bit address, where the high halves count.
real32:
    mov edi, 0x40
    mov ecx, 3
    call clear16
    mov dx, COM2
    a32 rep insd
    call say_string16
    say " a32 rep insd", nl
    ret

clear16:
    push edi
    push ecx
    mov di, 0x30
    mov cx, 0x30
    mov al, 0x11
    cld
.byte:
    mov [es:di], al
    inc di
    loop .byte
    pop ecx
    pop edi
    ret

; EDI, ESI, ECX and the bytes around the buffer.
say_string16:
    say "hidden: string ", x32, edi, " ", x32, esi, " ", x32, ecx
    push ebx
    mov bx, 0x34
.word:
    mov eax, [es:bx]
    say " ", x32, eax
    add bx, 4
    cmp bx, 0x58
    jb .word
    pop ebx
    ret

; %1 = name, %2 = RDI and RSI, %3 = RCX, %4 = instruction: long mode.
%macro string64 4
    call clear64
    lea rdi, [%2]
    mov rsi, rdi
    mov rcx, %3
    mov edx, COM2 + 3
    attempt %4
    call say_string64
    say " ", %1, nl
%endmacro

bits 64
strings_long:
    mov rbx, PAGES
    string64 "rep insd", rbx, 4, rep insd
    string64 "rep insd, 32-bit address", BUFFER, 4, a32 rep insd
    string64 "insw into read-only", rbx + 0x1000, 1, insw
    string64 "insd half into read-only", rbx + 0xFFE, 1, insd
    string64 "rep insw up to read-only", rbx + 0xFFA, 5, rep insw
    string64 "outsb from read-only", rbx + 0x1000, 1, outsb
    string64 "insb where nothing is", rbx + 0x2000, 1, insb
    string64 "rep outsd, the last half there", rbx + 0x1FF2, 5, rep outsd
    mov rax, 0x00007FFFFFFFFFFC
    string64 "insd, the last canonical ones are not there", rax, 1, insd
    mov rax, 0x00007FFFFFFFFFFE
    string64 "insd, not canonical at its end", rax, 1, insd
    mov rax, 0x0000800000000000
    string64 "outsb, not canonical", rax, 1, outsb
    string64 "rep outsb, not canonical, no element", rax, 0, rep outsb
    ret

clear64:
    push rdi
    push rcx
    push rax
    mov rdi, PAGES
    mov ecx, 0x1000 / 8
    mov rax, 0x1111111111111111
    rep stosq
    pop rax
    pop rcx
    pop rdi
    ret

say_string64:
    say "hidden: rdi ", x64, rdi, " rsi ", x64, rsi, " rcx ", x64, rcx, " vector ", x8, [fault_vector]
    cmp dword [fault_vector], NO_FAULT
    je .none
    say " error ", x32, [fault_error]
    cmp dword [fault_vector], 14
    jne .none
    say " cr2 ", x64, [fault_cr2]
.none:
    push rax
    mov rax, PAGES
    say " bytes ", x64, [rax], " ", x64, [rax + 8], " ", x64, [rax + 0xFF8]
    pop rax
    ret

; Ring 3 with IOPL 3 and alignment checks.
%macro attempt_port 2+
    mov dword [fault_vector], NO_FAULT
    mov dword [fault_resume], %%after
    mov dword [fault_expected_rip], %%here
    mov [fault_own_rsp], rsp
    push USER_DATA
    push STACK_TOP - 0x1400
    push %1
    push USER_CODE64
    push %%here
    iretq
%%here:
    %2
    int3
%%after:
    mov dword [fault_resume], 0
    mov qword [fault_own_rsp], 0
%endmacro

%macro user 4
    call clear64
    lea rdi, [%2]
    mov rsi, rdi
    mov ecx, 2
    mov edx, COM2
    attempt_port %3, %4
    call say_string64
    say " ring 3: ", %1, nl
%endmacro

AC equ 1 << 18
strings_user:
    mov eax, 3
    call open_breakpoint_gate
    mov rax, cr0
    or eax, 1 << 18                     ; AM
    mov cr0, rax
    mov rbx, PAGES
    user "rep insw", rbx + 2, IOPL3, rep insw
    user "insb where only the kernel may", rbx + 0x4000, IOPL3, insb
    user "outsb where only the kernel may", rbx + 0x4000, IOPL3, outsb
    user "insd, not aligned", rbx + 1, IOPL3 | AC, insd
    user "insd, aligned", rbx + 4, IOPL3 | AC, insd
    user "insb, by the TSS's permission", rbx, 2, insb
    ret

; INT3 from ring 3 ends what went well. EAX = vector.
open_breakpoint_gate:
    shl eax, 4
    or byte [IDT + rax + 5], 0x60
    ret

; Single steps, and a data breakpoint: where each trap comes, and what is done by then.
strings_stepped:
    mov eax, 1
    mov edx, stopped
    call idt_set_gate
    mov rbx, PAGES
    call clear64
    mov rdi, rbx
    mov ecx, 3
    mov edx, COM2
    push RFLAGS_TF | 2
    popfq
    rep insw
    nop
    push 2
    popfq
    say "hidden: breakpoint on the second word, and on the port", nl
    mov rax, cr4
    or eax, 8                           ; DE
    mov cr4, rax
    lea rax, [rbx + 2]
    mov dr0, rax
    mov eax, COM2
    mov dr1, rax
    mov eax, 0x00270305
    mov dr7, rax
    mov rdi, rbx
    mov ecx, 3
    rep insw
    mov dx, COM2
    in al, dx
    nop
    xor eax, eax
    mov dr7, rax
    call idt_build
    ret

stopped:
    push rax
    mov rax, dr6
    say "hidden: trap at ", x8, [rsp + 8], " rcx ", dec, ecx, " dr6 ", x32, eax, nl
    xor eax, eax
    mov dr6, rax
    pop rax
    iretq
section .bss
failures: resd 1                      ; pages.inc counts calls that failed; there are none here
end_guest
