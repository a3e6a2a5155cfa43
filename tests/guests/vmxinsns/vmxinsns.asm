; The instructions of VMX, SMX, SGX, TDX, SVM and their neighbours answer as on a processor with VMX off, in
; every mode, at every privilege level, with each prefix, and with operands that a fault would meet: those
; that the processor then lacks are #UD, at their own RIP, with RF set, before all else. That is judged
; here; what the others give is printed, and a run above Orlop prints the lines of the bare run.
; One case is one instruction in a buffer, with INT3 behind it. Each outcome is shown as VV+O: vector, and
; how far from the instruction's start it came (03 is INT3: it was executed), with an error code if not 0.
%define NAME "vmxinsns"
%include "guest.inc"
%include "faults.inc"

UD equ 6
CODE_BYTES   equ 32
STACK_RING0  equ STACK_TOP - 0x800      ; of handlers that come from rings 1 to 3
STACK_CASE   equ STACK_TOP - 0x1000     ; of the case itself
BAD_ADDRESS  equ 0x20000                ; beyond the limit of 64 KiB; 64-bit mode: not canonical

; Selectors of the table below, one of each kind a ring.
RINGS        equ 0x58
RING_SIZE    equ 0x20
RING_CODE16  equ 0
RING_CODE32  equ 8
RING_CODE64  equ 0x10
RING_DATA    equ 0x18
LIMITED      equ RINGS + 4 * RING_SIZE  ; 64 KiB of data, for all rings
TASK32       equ LIMITED + 8

; How a case is begun.
BEGIN_LONG      equ 0
BEGIN_PROTECTED equ 1
BEGIN_V86       equ 2
BEGIN_REAL      equ 3
MODE_CODE       equ 0                   ; of the table of modes
MODE_BEGIN      equ 1
MODE_RINGS      equ 2
MODE_BITS       equ 3
MODE_NAME       equ 4
MODE_SIZE       equ 24

section .text
bits 16
main:
    enter_long
    call tables_build
    call idt_build
    mov byte [IDT + 3 * 16 + 5], 0xEE   ; INT3 is for all rings
    mov ebx, modes
.mode:
    mov dword [ring], 0
    test byte [rbx + MODE_RINGS], 1             ; rings 0 to 3, or the one that the mode has
    jz .one
.ring:
    call try_mode
    inc dword [ring]
    cmp dword [ring], 4
    jb .ring
    jmp .next
.one:
    call try_mode
.next:
    add ebx, MODE_SIZE
    cmp ebx, modes_end
    jb .mode
    cmp dword [failures], 0
    jne power_off64
    pass "cases=", dec, [all_cases]
    jmp power_off64

; Descriptors, both task states, both tables of vectors.
bits 64
tables_build:
    mov esi, gdt
    mov edi, wide_gdt
    mov ecx, RINGS / 8
    rep movsq
    xor ecx, ecx
.ring:
    mov eax, ecx
    shl eax, 45 - 32
    shl rax, 32
    mov rdx, 0x00009B000000FFFF         ; CODE16
    or rdx, rax
    mov [rdi], rdx
    mov rdx, 0x00CF9B000000FFFF
    or rdx, rax
    mov [rdi + 8], rdx
    mov rdx, 0x00AF9B000000FFFF
    or rdx, rax
    mov [rdi + 16], rdx
    mov rdx, 0x00CF93000000FFFF
    or rdx, rax
    mov [rdi + 24], rdx
    add edi, RING_SIZE
    inc ecx
    cmp ecx, 4
    jb .ring
    mov rdx, 0x0040F3000000FFFF         ; LIMITED
    mov [rdi], rdx
    mov dword [task64 + 4], STACK_RING0
    mov dword [task32 + 4], STACK_RING0
    mov word [task32 + 8], DATA32
    mov word [task32 + 102], 104        ; no I/O bitmap
    mov ecx, 32
    mov eax, stubs32
    mov edi, idt32
.gate:
    mov [rdi], ax
    mov word [rdi + 2], CODE32
    mov word [rdi + 4], 0xEE00
    mov word [rdi + 6], 0
    add eax, FAULT_STUB_SIZE
    add edi, 8
    dec ecx
    jnz .gate
    mov ecx, 32
    mov eax, stubs16
    xor edi, edi
.vector:
    mov [rdi], eax                      ; segment 0
    add eax, FAULT_STUB_SIZE
    add edi, 4
    dec ecx
    jnz .vector
    ret

; RBX = mode, [ring]. All instructions with all prefixes.
try_mode:
    mov dword [cases], 0
    mov dword [undefined], 0
    mov qword [sum], 0
    mov ebp, instructions
.instruction:
    mov byte [shown], 0
    mov dword [outcome_count], 0
    mov dword [address_kind], 0
.address:
    xor r12d, r12d
.prefix:
    movzx eax, byte [prefixes + r12]
    cmp al, 0x48
    jne .take
    cmp byte [rbx + MODE_BITS], 64              ; REX only there
    jne .skip
.take:
    call emit
    call run_case
    call judge
.skip:
    inc r12d
    cmp r12d, PREFIXES
    jb .prefix
    test byte [rbp + 1], HAS_MEMORY
    jz .described
    inc dword [address_kind]
    cmp dword [address_kind], 2
    jb .address
.described:
    call show_instruction
    movzx eax, byte [rbp]               ; the bytes, and the name behind them
    lea ebp, [rbp + rax + 2]
.name:
    inc ebp
    cmp byte [rbp - 1], 0
    jne .name
    cmp ebp, instructions_end
    jb .instruction
    call say_mode
    say dec, [undefined], " of ", dec, [cases], " are #UD, sum ", x64, [sum], nl
    mov eax, [cases]
    add [all_cases], eax
    ret

say_mode:
    say NAME, ": "
    lea esi, [rbx + MODE_NAME]
    call print_string64
    test byte [rbx + MODE_RINGS], 1
    jz .plain
    say " ring ", dec, [ring]
.plain:
    say ": "
    ret

; RBX = mode, RBP = instruction, AL = prefix or 0: the code of a case.
emit:
    mov edi, code
    test byte [rbp + 1], HAS_MEMORY
    jz .prefixed
    cmp byte [rbx + MODE_BITS], 16
    jne .prefixed
    mov byte [rdi], 0x67
    inc edi
.prefixed:
    test al, al
    jz .bytes
    stosb
.bytes:
    lea esi, [rbp + 2]
    movzx ecx, byte [rbp]
    rep movsb
    mov eax, edi
    sub eax, code
    mov [code_length], eax
    mov al, 0xCC
    mov ecx, 4
    rep stosb
    mov qword [operand], 0              ; and what was monitored is written
    mov qword [operand + 8], 0
    ret

; The registers of every case; [address] is chosen before.
%macro case_registers 1
    mov %{1}ax, [address]
    xor ebx, ebx
    xor ecx, ecx
    xor edx, edx
    xor esi, esi
    xor edi, edi
%endmacro

; Runs [code] in the mode RBX, ring [ring]. Gives the fault_ variables.
run_case:
    push rbx
    push rbp
    push r12
    mov [case_stack], rsp
    mov qword [address], operand
    cmp dword [address_kind], 0
    je .addressed
    mov qword [address], BAD_ADDRESS
    cmp byte [rbx + MODE_BITS], 64
    jne .addressed
    mov rax, 0x8000000000000000
    mov [address], rax
.addressed:
    mov dword [fault_vector], NO_FAULT
    mov eax, [ring]
    shl eax, 5
    add eax, RINGS
    add eax, [ring]
    lea ecx, [rax + RING_DATA]
    mov [case_ss], ecx
    movzx ecx, byte [rbx + MODE_CODE]
    add eax, ecx
    mov [case_cs], eax
    lgdt [wide_pointer]
    mov edx, task64
    movzx ecx, byte [rbx + MODE_BEGIN]
    mov [case_begin], ecx
    cmp ecx, BEGIN_LONG
    je .long
    mov edx, task32
.long:
    mov edi, wide_gdt + TASK32
    mov word [rdi], 103
    mov [rdi + 2], dx
    mov word [rdi + 4], 0x8900
    mov dword [rdi + 6], 0
    mov qword [rdi + 8], 0
    cmp ecx, BEGIN_LONG
    jne .legacy
    mov eax, TASK32
    ltr ax
    mov dword [fault_resume], case_ended
    mov [fault_own_rsp], rsp
    mov eax, LIMITED | 3
    mov ds, eax
    mov es, eax
    mov eax, [case_ss]
    push rax
    push STACK_CASE
    push 2
    mov eax, [case_cs]
    push rax
    push code
    case_registers r
    iretq
.legacy:
    mov ebx, legacy
    jmp long_to_protected

bits 32
legacy:
    lidt [idt32_pointer]
    mov eax, TASK32
    ltr ax
    mov ecx, [case_begin]
    cmp ecx, BEGIN_REAL
    je .real
    mov esp, STACK_RING0
    cmp ecx, BEGIN_V86
    je .v86
    mov eax, LIMITED | 3
    mov ds, eax
    mov es, eax
    test dword [ring], 3
    jz .same_ring
    push dword [case_ss]
    push STACK_CASE
.same_ring:
    push 2
    push dword [case_cs]
    push code
    case_registers e
    iretd
.v86:
    xor eax, eax
    push eax                            ; GS, FS, DS, ES, SS
    push eax
    push eax
    push eax
    push eax
    push STACK_CASE
    push 0x23002                        ; VM, IOPL 3
    push eax
    push code
    case_registers e
    iretd
.real:
    mov ebx, .in_real
    jmp protected_to_real
bits 16
.in_real:
    mov sp, STACK_CASE
    case_registers e
    jmp 0:code

; A fault in real mode. Stack: vector, IP, CS, FLAGS.
align FAULT_STUB_SIZE
stubs16:
%assign vector 0
%rep 32
    push vector
    jmp near fault16
    align FAULT_STUB_SIZE
    %assign vector vector + 1
%endrep
fault16:
    pop ax
    mov [cs:fault_vector], ax
    mov word [cs:fault_vector + 2], 0
    pop ax
    movzx eax, ax
    mov [cs:fault_rip], eax
    mov dword [cs:fault_flags], RFLAGS_RF ; 16-bit flags do not tell
    mov dword [cs:fault_error], 0
    mov ebx, fault32.back
    jmp real_to_protected

; A fault in protected or virtual-8086 mode. Stack: vector, error, EIP, CS, EFLAGS.
bits 32
align FAULT_STUB_SIZE
stubs32:
%assign vector 0
%rep 32
    %if (FAULTS_WITH_ERROR >> vector) & 1 == 0
        push 0
    %endif
    push vector
    jmp near fault32
    align FAULT_STUB_SIZE
    %assign vector vector + 1
%endrep
fault32:
    mov eax, DATA32
    mov ds, eax
    mov es, eax
    pop dword [fault_vector]
    pop dword [fault_error]
    pop dword [fault_rip]
    pop eax
    pop dword [fault_flags]
.back:
    mov ebx, legacy_ended
    jmp protected_to_long
bits 64
legacy_ended:
    mov rsp, [case_stack]
    lidt [idt_pointer]
case_ended:
    mov qword [fault_own_rsp], 0
    mov eax, DATA32
    mov ds, eax
    mov es, eax
    pop r12
    pop rbp
    pop rbx
    ret

; RBX = mode, RBP = instruction, R12 = prefix: the outcome is added, kept, and judged if it can be.
judge:
    inc dword [cases]
    mov eax, [fault_rip]
    sub eax, code
    movzx eax, al
    shl eax, 8
    or eax, [fault_vector]
    mov edx, [fault_error]
    shl edx, 16
    or eax, edx
    mov edx, [fault_flags]
    and edx, RFLAGS_RF
    cmp dword [fault_vector], 3         ; a trap: no RF
    je .flags
    xor edx, RFLAGS_RF
.flags:
    rol qword [sum], 5
    xor [sum], rax
    add [sum], rdx
    mov ecx, [outcome_count]
    mov [outcomes + rcx * 4], eax
    inc dword [outcome_count]
    cmp eax, UD
    jne .other
    test edx, edx
    jnz .other
    inc dword [undefined]
    ret
.other:
    mov byte [shown], 1
    test byte [rbp + 1], ALWAYS_UD
    jz .done
    inc dword [failures]
    movzx ecx, byte [prefixes + r12]
    lea esi, [rbp + 2]
    movzx edx, byte [rbp]
    add esi, edx
    say NAME, " FAIL "
    call print_string64
    say " prefix ", x8, ecx, " outcome ", x32, eax, " RF wrong ", x32, [fault_flags], " in "
    call say_mode
    say nl
.done:
    ret

; All that the instruction gave in this mode, where it is not #UD throughout.
show_instruction:
    cmp byte [shown], 0
    je .done
    call say_mode
    movzx esi, byte [rbp]
    lea esi, [rbp + rsi + 2]
    call print_string64
    xor ecx, ecx
.next:
    mov eax, [outcomes + rcx * 4]
    movzx edx, al
    say " ", x8, edx
    movzx edx, ah
    say "+", dec, edx
    shr eax, 16
    jz .step
    say "(", x16, eax, ")"
.step:
    inc ecx
    cmp ecx, [outcome_count]
    jb .next
    say nl
.done:
    ret

section .data align=8
; Offset of the code's selector in its ring, way in, whether it has rings, bits, name.
%macro mode 5
%%begin:
    db %1, %2, %3, %4, %5
    times MODE_SIZE - ($ - %%begin) db 0
%endmacro
modes:
    mode RING_CODE64, BEGIN_LONG, 1, 64, "64-bit"
    mode RING_CODE32, BEGIN_LONG, 1, 32, "compatibility 32"
    mode RING_CODE16, BEGIN_LONG, 1, 16, "compatibility 16"
    mode RING_CODE32, BEGIN_PROTECTED, 1, 32, "protected 32"
    mode RING_CODE16, BEGIN_PROTECTED, 1, 16, "protected 16"
    mode 0, BEGIN_V86, 0, 16, "virtual-8086"
    mode 0, BEGIN_REAL, 0, 16, "real"
modes_end:

prefixes: db 0, 0xF0, 0x66, 0xF2, 0xF3, 0x67, 0x2E, 0x48
PREFIXES equ $ - prefixes

; Number of bytes, flags, bytes, name. A memory operand is [EAX], or [RAX].
ALWAYS_UD  equ 1
HAS_MEMORY equ 2
%macro instruction 3+
    db %%end - %%begin, %2
%%begin:
    db %3
%%end:
    db %1, 0
%endmacro
instructions:
    instruction "VMCALL", ALWAYS_UD, 0x0F, 0x01, 0xC1
    instruction "VMLAUNCH", ALWAYS_UD, 0x0F, 0x01, 0xC2
    instruction "VMRESUME", ALWAYS_UD, 0x0F, 0x01, 0xC3
    instruction "VMXOFF", ALWAYS_UD, 0x0F, 0x01, 0xC4
    instruction "VMFUNC", ALWAYS_UD, 0x0F, 0x01, 0xD4
    instruction "VMPTRLD", ALWAYS_UD | HAS_MEMORY, 0x0F, 0xC7, 0x30
    instruction "VMPTRST", ALWAYS_UD | HAS_MEMORY, 0x0F, 0xC7, 0x38
    instruction "VMCLEAR", ALWAYS_UD | HAS_MEMORY, 0x66, 0x0F, 0xC7, 0x30
    instruction "VMXON", ALWAYS_UD | HAS_MEMORY, 0xF3, 0x0F, 0xC7, 0x30
    instruction "VMREAD", ALWAYS_UD | HAS_MEMORY, 0x0F, 0x78, 0x08
    instruction "VMREAD to a register", ALWAYS_UD, 0x0F, 0x78, 0xC8
    instruction "VMWRITE", ALWAYS_UD | HAS_MEMORY, 0x0F, 0x79, 0x08
    instruction "VMWRITE of a register", ALWAYS_UD, 0x0F, 0x79, 0xC8
    instruction "INVEPT", ALWAYS_UD | HAS_MEMORY, 0x66, 0x0F, 0x38, 0x80, 0x08
    instruction "INVVPID", ALWAYS_UD | HAS_MEMORY, 0x66, 0x0F, 0x38, 0x81, 0x08
    instruction "GETSEC", ALWAYS_UD, 0x0F, 0x37
    instruction "RSM", ALWAYS_UD, 0x0F, 0xAA
    instruction "ENCLS", ALWAYS_UD, 0x0F, 0x01, 0xCF
    instruction "ENCLU", ALWAYS_UD, 0x0F, 0x01, 0xD7
    instruction "ENCLV", ALWAYS_UD, 0x0F, 0x01, 0xC0
    instruction "PCONFIG", ALWAYS_UD, 0x0F, 0x01, 0xC5
    instruction "TDCALL", ALWAYS_UD, 0x66, 0x0F, 0x01, 0xCC
    instruction "SEAMRET", ALWAYS_UD, 0x66, 0x0F, 0x01, 0xCD
    instruction "SEAMOPS", ALWAYS_UD, 0x66, 0x0F, 0x01, 0xCE
    instruction "SEAMCALL", ALWAYS_UD, 0x66, 0x0F, 0x01, 0xCF
    instruction "VMRUN", ALWAYS_UD, 0x0F, 0x01, 0xD8
    instruction "VMMCALL", ALWAYS_UD, 0x0F, 0x01, 0xD9
    instruction "VMLOAD", ALWAYS_UD, 0x0F, 0x01, 0xDA
    instruction "VMSAVE", ALWAYS_UD, 0x0F, 0x01, 0xDB
    instruction "STGI", ALWAYS_UD, 0x0F, 0x01, 0xDC
    instruction "CLGI", ALWAYS_UD, 0x0F, 0x01, 0xDD
    instruction "SKINIT", ALWAYS_UD, 0x0F, 0x01, 0xDE
    instruction "INVLPGA", ALWAYS_UD, 0x0F, 0x01, 0xDF
    instruction "XSETBV with OSXSAVE 0", ALWAYS_UD, 0x0F, 0x01, 0xD1
    instruction "INVD", 0, 0x0F, 0x08
    instruction "WBINVD", 0, 0x0F, 0x09
    instruction "MWAIT", 0, 0x0F, 0x01, 0xC9
    instruction "MONITOR", 0, 0x0F, 0x01, 0xC8
    instruction "CLAC", 0, 0x0F, 0x01, 0xCA
    instruction "INVPCID", HAS_MEMORY, 0x66, 0x0F, 0x38, 0x82, 0x08
    instruction "MFENCE, UMONITOR, UMWAIT, TPAUSE", 0, 0x0F, 0xAE, 0xF0
    instruction "LOADIWKEY", 0, 0xF3, 0x0F, 0x38, 0xDC, 0xC1
    instruction "ENQCMD", HAS_MEMORY, 0xF2, 0x0F, 0x38, 0xF8, 0x08
    instruction "ENQCMDS", HAS_MEMORY, 0xF3, 0x0F, 0x38, 0xF8, 0x08
    instruction "RDPID", 0, 0xF3, 0x0F, 0xC7, 0xF8
    instruction "HRESET", 0, 0xF3, 0x0F, 0x3A, 0xF0, 0xC0, 0x00
    instruction "UIRET", 0, 0xF3, 0x0F, 0x01, 0xEC
instructions_end:

align 8
wide_pointer:
    dw WIDE_SIZE - 1
    dq wide_gdt
idt32_pointer:
    dw 32 * 8 - 1
    dd idt32
section .bss
alignb 16
wide_gdt:      resb TASK32 + 16
WIDE_SIZE equ $ - wide_gdt
alignb 16
operand:       resq 2
idt32:         resq 32
task64:        resb 104
alignb 8
task32:        resb 104
code:          resb CODE_BYTES
case_stack:    resq 1
address:       resq 1
sum:           resq 1
case_cs:       resd 1
case_ss:       resd 1
case_begin:    resd 1
code_length:   resd 1
ring:          resd 1
address_kind:  resd 1
cases:         resd 1
all_cases:     resd 1
undefined:     resd 1
failures:      resd 1
outcome_count: resd 1
outcomes:      resd 2 * PREFIXES
shown:         resb 1
end_guest
