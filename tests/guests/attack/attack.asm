; Orlop's own memory is to the guest what absent memory is: loads of any kind give ones, stores go
; nowhere, a fetch is #UD, a page walk finds an entry that is not present; and the guest lives. The
; range is the one that the BIOS's map calls reserved behind usable memory. Each attack is a line.
; Read-modify-write forms use a page and an offset of their own, because without the monitor trap flag
; Orlop leaves them a page that keeps what is written; that is shown as a SKIP. Without Orlop there is nothing to attack: SKIP. With -DHOLE=ADDRESS
; the range is any place where the bare machine has nothing (its page walks and fetches differ).
%define NAME "attack"
%include "guest.inc"
%include "faults.inc"
%include "hyper.inc"
%include "range.inc"

UD equ 6
GP equ 13
PF equ 14
ONES equ 0xFFFFFFFFFFFFFFFF
OWN  equ SCRATCH                        ; 4 KiB of the guest's own
OWN2 equ SCRATCH + 0x1000
TABLES equ SCRATCH + 0x2000             ; three pages for page walks

; Runs an instruction on the range; a fault is a FAIL. Keeps all but the instruction's results; the
; flags behind it are in [flags_seen].
%macro strike 2+
    attempt %2
    pushfq
    pop qword [flags_seen]
    push rsi
    [section .data]
%%name: db %1, 0
    __?SECT?__
    mov esi, %%name
    call judge_strike
    pop rsi
%endmacro
; name, register, what it must hold
%macro want 3
    push rax
    push rdx
    mov rax, %2
    mov rdx, %3
    push rsi
    [section .data]
%%name: db %1, 0
    __?SECT?__
    mov esi, %%name
    call judge_value
    pop rsi
    pop rdx
    pop rax
%endmacro
; name, flags that must be set, flags that must be clear
%macro want_flags 3
    push rcx
    mov ecx, [flags_seen]
    and ecx, (%2) | (%3)
    want {%1}, rcx, %2
    pop rcx
%endmacro
%define CF 1
%define ZF 0x40
%define SF 0x80
; name, vector, error, instruction: must fault
%macro want_fault 4+
    attempt %4
    mov eax, [fault_vector]
    want {%1, ", vector"}, rax, %2
    mov eax, [fault_error]
    want {%1, ", error code"}, rax, %3
%endmacro
; RBX = the next target: another page, another 64 bytes in it.
%macro fresh 0
    call next_target
%endmacro
; name: the quadword at RBX is still ones; what has changed stayed in a sink
%macro want_untouched 1
    [section .data]
%%name: db %1, 0
    __?SECT?__
    mov esi, %%name
    call judge_untouched
%endmacro

section .text
bits 16
main:
    call range_find
    enter_long
    call idt_build
    call orlop_detect
%ifndef HOLE
    cmp byte [under_orlop], 0
    jne .attack
    skip "no Orlop below"
    jmp power_off64
.attack:
    cmp dword [orlop_range], 0
    jne .shown
    error "E820 does not show Orlop's range"
    jmp power_off64
.shown:
%endif
    say "attack: on ", x32, [orlop_range], " to ", x32, [orlop_range_end], nl
    call scan
    call loads
    call stores
    call extensions
    call breakpoints_there
    call strings_in
    call strings_out
    call strings_compare
    call across_the_edge
    call port_strings
    call read_modify_write
    call locked
    call stack_there
    call vectors
    call tables
    call pointers
    call state_images
    call walks
    call fetches
    leave_long
    call from_protected_mode
    enter_long
    call fxsave_there
    call scan
    cmp dword [failures], 0
    jne power_off64
    pass "checks=", dec, [checks], " kept=", dec, [kept]
    jmp power_off64

; Where to attack. Without Orlop, and without a place named, there is nothing. Clobbers all.
bits 16
range_find:
%ifdef HOLE
    mov dword [orlop_range], HOLE
    mov dword [orlop_range_end], HOLE + RANGE_UNIT
    ret
%else
    jmp orlop_range_find
%endif

bits 64
; ESI = name; the outcome of `attempt`. Keeps all.
judge_strike:
    cmp dword [fault_vector], NO_FAULT
    je .done
    say NAME, " FAIL "
    call print_string64
    say ": vector ", dec, [fault_vector], " error ", x32, [fault_error], " rip ", \
        x64, [fault_rip], " cr2 ", x64, [fault_cr2], nl
    inc dword [failures]
.done:
    ret

; ESI = name, RAX = value, RDX = wanted. Keeps all.
judge_value:
    inc dword [checks]
    cmp rax, rdx
    jne .wrong
    say "attack: "
    call print_string64
    say ": ok", nl
    ret
.wrong:
    say NAME, " FAIL "
    call print_string64
    say ": got ", x64, rax, " want ", x64, rdx, nl
    inc dword [failures]
    ret

; ESI = name, RBX = target. Clobbers RAX.
judge_untouched:
    mov rax, [rbx]
    cmp rax, ONES
    je .good
    say NAME, " SKIP "
    call print_string64
    say ": what was written stays, reads ", x64, rax, nl
    inc dword [kept]
    ret
.good:
    inc dword [checks]
    say "attack: "
    call print_string64
    say ": nothing written", nl
    ret

; Keeps all but RBX.
next_target:
    push rax
    mov ebx, [target]
    inc dword [target]
    mov eax, ebx
    shl ebx, 12
    shl eax, 6
    and eax, 0xFC0
    add ebx, eax
    add ebx, [orlop_range]
    pop rax
    ret

; A load from every page.
scan:
    mov ebx, [orlop_range]
    mov r12, ONES
.page:
    strike "scan", mov rax, [rbx + 0xAB0]
    and r12, rax
    add ebx, 0x1000
    cmp ebx, [orlop_range_end]
    jb .page
    want "scan: ones in every page", r12, ONES
    ret

; ---- plain moves -------------------------------------------------------------------------------
loads:
    fresh
    xor eax, eax
    strike "load 1", mov al, [rbx]
    want "load 1 into AL", rax, 0xFF
    xor eax, eax
    strike "load 1", mov ah, [rbx + 1]
    want "load 1 into AH", rax, 0xFF00
    mov r9, 0x1122334455667700
    strike "load 1", mov r9b, [rbx + 3]
    want "load 1 into R9B", r9, 0x11223344556677FF
    mov rsi, 0x1122334455667700
    strike "load 1", mov sil, [rbx + 3]
    want "load 1 into SIL", rsi, 0x11223344556677FF
    mov rcx, 0x1122334455660000
    strike "load 2", mov cx, [rbx + 5]
    want "load 2 into CX", rcx, 0x112233445566FFFF
    xor edx, edx
    mov r11d, 3
    strike "load 4", mov edx, [rbx + r11 * 8 + 5]
    want "load 4 into EDX zero-extends", rdx, 0xFFFFFFFF
    xor r10, r10
    strike "load 8", mov r10, [rbx + 0x777]
    want "load 8 into R10", r10, ONES
    xor eax, eax
    strike "load 8", a32 mov rax, [ebx]
    want "load 8, 32-bit address", rax, ONES
    mov ecx, 0xC0000100
    mov eax, [orlop_range]
    xor edx, edx
    wrmsr
    xor eax, eax
    strike "load 8", mov rax, [fs:0x340]
    want "load 8 through FS", rax, ONES
    mov ecx, 0xC0000100
    xor eax, eax
    wrmsr
    ret

stores:
    fresh
    xor eax, eax
    strike "store 1", mov [rbx], al
    strike "store 1", mov [rbx + 1], ah
    strike "store 2", mov [rbx + 2], ax
    strike "store 4", mov [rbx + 4], eax
    mov r8, [rbx]
    want "store 1, 2, 4", r8, ONES
    strike "store 8", mov [rbx + 8], rax
    strike "store 8, unaligned", mov [rbx + 0x11], rax
    strike "store immediate 1", mov byte [rbx + 0x20], 0
    strike "store immediate 2", mov word [rbx + 0x22], 0
    strike "store immediate 4", mov dword [rbx + 0x24], 0
    strike "store immediate 8", mov qword [rbx + 0x28], 0
    mov r8, [rbx + 8]
    and r8, [rbx + 0x10]
    and r8, [rbx + 0x18]
    and r8, [rbx + 0x20]
    and r8, [rbx + 0x28]
    want "store 8, unaligned, immediate", r8, ONES
    strike "MOVNTI", movnti [rbx + 0x30], rax
    mov r8, [rbx + 0x30]
    cmp r8, ONES
    je .nontemporal
    lea rbx, [rbx + 0x30]
    want_untouched "MOVNTI"
.nontemporal:
    ret

extensions:
    fresh
    mov rax, 0x1111111111111111
    strike "MOVZX", movzx eax, byte [rbx]
    want "MOVZX 1 to 4", rax, 0xFF
    mov r12, 0x1111111111111111
    strike "MOVZX", movzx r12, word [rbx]
    want "MOVZX 2 to 8", r12, 0xFFFF
    xor ecx, ecx
    strike "MOVSX", movsx rcx, byte [rbx]
    want "MOVSX 1 to 8", rcx, ONES
    xor edx, edx
    strike "MOVSX", movsx edx, word [rbx]
    want "MOVSX 2 to 4", rdx, 0xFFFFFFFF
    xor r13, r13
    strike "MOVSXD", movsxd r13, dword [rbx]
    want "MOVSXD 4 to 8", r13, ONES
    ret

; name, DR6's low bits (0: no trap), instruction: with a breakpoint on the four bytes at RBX + 8
%macro want_trap 3+
    mov rax, 0xFFFF0FF0
    mov dr6, rax
    attempt %3
    mov rax, dr6
    and eax, 0xF
    want {%1, ", DR6"}, rax, %2
    mov eax, [fault_vector]
    %if %2
        want {%1, ", vector"}, rax, 1
    %else
        want {%1, ", vector"}, rax, NO_FAULT
    %endif
%endmacro
breakpoints_there:
    fresh
    lea rax, [rbx + 8]
    mov dr1, rax
    mov eax, 0x00F00308                 ; DR1: four bytes, read or written
    mov dr7, rax
    want_trap "load at a breakpoint", 2, mov eax, [rbx + 8]
    want_trap "load over a breakpoint's end", 2, mov rax, [rbx + 11]
    want_trap "load beside a breakpoint", 0, mov eax, [rbx + 12]
    want_trap "store at a breakpoint", 2, mov [rbx + 9], al
    want_trap "store beside a breakpoint", 0, mov [rbx], rax
    mov rdi, rbx
    mov ecx, 4
    want_trap "REP STOSD over a breakpoint", 2, rep stosd
    want "REP STOSD over a breakpoint, RCX", rcx, 1
    sub rdi, rbx
    want "REP STOSD over a breakpoint, RDI", rdi, 12
    want_trap "read-modify-write at a breakpoint", 2, inc dword [rbx + 8]
    xor eax, eax
    mov dr7, rax
    ret

; ---- string instructions -----------------------------------------------------------------------
; EDI = 64 bytes of the guest's own: zeros.
own_zero:
    push rcx
    push rax
    mov edi, OWN
    mov ecx, 512
    xor eax, eax
    rep stosq
    mov edi, OWN
    pop rax
    pop rcx
    ret

%macro string_in 3                      ; name, instruction, bytes a step
    call own_zero
    mov rsi, rbx
    mov ecx, 7
    strike %1, rep %2
    want {%1, ", RCX"}, rcx, 0
    sub rsi, rbx
    want {%1, ", RSI"}, rsi, 7 * %3
    sub edi, OWN
    want {%1, ", RDI"}, rdi, 7 * %3
    mov rax, [OWN + 7 * %3 - 8 * (%3 > 1) - (%3 == 1)]
    %if %3 == 1
        movzx eax, al
        want {%1, ", last byte"}, rax, 0xFF
    %else
        want {%1, ", last bytes"}, rax, ONES
    %endif
    movzx eax, byte [OWN + 7 * %3]
    want {%1, ", no byte more"}, rax, 0
%endmacro
strings_in:
    fresh
    string_in "REP MOVSB in", movsb, 1
    string_in "REP MOVSW in", movsw, 2
    string_in "REP MOVSD in", movsd, 4
    string_in "REP MOVSQ in", movsq, 8
    call own_zero
    mov edi, OWN + 0x20
    lea rsi, [rbx + 0x20]
    mov ecx, 2
    std
    strike "REP MOVSQ in, backwards", rep movsq
    cld
    mov rax, [OWN + 0x18]
    and rax, [OWN + 0x20]
    want "REP MOVSQ in, backwards", rax, ONES
    mov rax, [OWN + 0x10]
    want "REP MOVSQ in, backwards, no more", rax, 0
    mov rsi, rbx
    xor eax, eax
    strike "LODSQ", lodsq
    want "LODSQ", rax, ONES
    mov ecx, 5
    xor eax, eax
    strike "REP LODSB", rep lodsb
    want "REP LODSB", rax, 0xFF
    mov ecx, 0
    mov rsi, rbx
    strike "REP MOVSB of nothing", rep movsb
    mov esi, [orlop_range]
    mov edi, OWN
    mov ecx, 4096
    strike "REP MOVSB of a page", rep movsb
    want "REP MOVSB of a page, RCX", rcx, 0
    mov edi, OWN
    mov ecx, 512
    mov rax, ONES
    repe scasq
    want "REP MOVSB of a page, all ones", rcx, 0
    ret

%macro string_out 3
    call own_zero
    mov esi, OWN
    mov rdi, rbx
    mov ecx, 7
    xor eax, eax
    strike %1, rep %2
    want {%1, ", RCX"}, rcx, 0
    sub rdi, rbx
    want {%1, ", RDI"}, rdi, 7 * %3
    mov rax, [rbx]
    and rax, [rbx + 7 * %3 - 1]
    want {%1, ", nothing written"}, rax, ONES
%endmacro
strings_out:
    fresh
    string_out "REP MOVSB out", movsb, 1
    string_out "REP MOVSW out", movsw, 2
    string_out "REP MOVSD out", movsd, 4
    string_out "REP MOVSQ out", movsq, 8
    string_out "REP STOSB", stosb, 1
    string_out "REP STOSW", stosw, 2
    string_out "REP STOSD", stosd, 4
    string_out "REP STOSQ", stosq, 8
    mov rsi, rbx
    lea rdi, [rbx + 0x1000]
    mov ecx, 3
    strike "REP MOVSD inside", rep movsd
    want "REP MOVSD inside, RCX", rcx, 0
    mov edi, [orlop_range]
    mov ecx, 512
    xor eax, eax
    strike "REP STOSQ of a page", rep stosq
    want "REP STOSQ of a page, RCX", rcx, 0
    mov ebx, [orlop_range]
    mov rax, [rbx + 0xFF8]
    want "REP STOSQ of a page, nothing written", rax, ONES
    ret

strings_compare:
    fresh
    mov rdi, rbx
    mov ecx, 8
    mov rax, ONES
    strike "REPE SCASB", repe scasb
    want "REPE SCASB, RCX", rcx, 0
    want_flags "REPE SCASB, equal", ZF, CF
    fresh
    mov rdi, rbx
    mov ecx, 8
    xor eax, eax
    strike "REPE SCASD", repe scasd
    want "REPE SCASD stops at once", rcx, 7
    fresh
    mov edi, OWN
    mov ecx, 8
    mov rax, ONES
    rep stosq
    mov rsi, rbx
    mov edi, OWN
    mov ecx, 8
    strike "REPE CMPSQ", repe cmpsq
    want "REPE CMPSQ, RCX", rcx, 0
    want_flags "REPE CMPSQ, equal", ZF, CF
    fresh
    mov rdi, rbx
    mov esi, OWN
    mov byte [OWN + 2], 7
    mov ecx, 8
    strike "REPE CMPSB", repe cmpsb
    want "REPE CMPSB stops at the difference", rcx, 5
    want_flags "REPE CMPSB, 7 below ffh", CF, ZF
    ret

; The first byte of the range has guest memory before it, if Orlop has not more than these 2 MiB.
across_the_edge:
    mov ebx, [orlop_range]
    mov r12, [rbx - 8]
    mov rax, 0x1122334455667788
    mov [rbx - 8], rax
    cmp [rbx - 8], rax
    je .memory
    skip "loads across the edge: no guest memory before the range"
    ret
.memory:
    xor eax, eax
    strike "load 8 across the edge", mov rax, [rbx - 4]
    want "load 8 across the edge", rax, 0xFFFFFFFF11223344
    mov rax, 0x99AABBCCDDEEFF00
    strike "store 8 across the edge", mov [rbx - 4], rax
    mov rax, [rbx - 8]
    want "store 8 across the edge, below it", rax, 0xDDEEFF0055667788
    mov rax, [rbx]
    want "store 8 across the edge, above it", rax, ONES
    call own_zero
    lea rsi, [rbx - 8]
    mov ecx, 16
    strike "REP MOVSB across the edge", rep movsb
    mov rax, [OWN]
    want "REP MOVSB across the edge, below it", rax, 0xDDEEFF0055667788
    mov rax, [OWN + 8]
    want "REP MOVSB across the edge, above it", rax, ONES
    mov [rbx - 8], r12
    ret

; Port 80h takes anything and gives anything.
port_strings:
    fresh
    mov rsi, rbx
    mov edx, 0x80
    mov ecx, 3
    strike "REP OUTSB", rep outsb
    want "REP OUTSB, RCX", rcx, 0
    fresh
    mov rdi, rbx
    mov edx, UART_LSR
    mov ecx, 1
    strike "REP INSB", rep insb
    want "REP INSB, RCX", rcx, 0
    want_untouched "REP INSB"
    ret

; ---- read, modify, write -----------------------------------------------------------------------
; name, instruction, flags that must be set, flags that must be clear
%macro modify 4
    fresh
    mov eax, 1
    mov ecx, 3
    strike %1, %2
    want_flags {%1, ", flags"}, %3, %4
    want_untouched %1
%endmacro
read_modify_write:
    fresh
    mov rax, 0x1234
    strike "XCHG", xchg [rbx], rax
    want "XCHG gives ones", rax, ONES
    want_untouched "XCHG"
    modify "ADD", {add qword [rbx], rax}, ZF | CF, SF
    modify "ADD immediate", {add byte [rbx], 2}, CF, ZF | SF
    modify "SUB", {sub dword [rbx], eax}, SF, ZF | CF
    modify "INC", {inc dword [rbx]}, ZF, SF
    modify "DEC", {dec word [rbx]}, SF, ZF
    modify "NOT", {not qword [rbx]}, 0, 0
    modify "NEG", {neg byte [rbx]}, CF, ZF | SF
    modify "AND", {and dword [rbx], 1}, 0, ZF | SF | CF
    modify "OR", {or dword [rbx], 1}, SF, ZF | CF
    modify "XOR", {xor [rbx], rax}, SF, ZF | CF
    modify "SHL", {shl dword [rbx], cl}, SF | CF, ZF
    modify "BTS", {bts dword [rbx], eax}, CF, 0
    modify "BTR", {btr qword [rbx], 63}, CF, 0
    fresh
    strike "TEST", test dword [rbx], 0x80
    want_flags "TEST", 0, ZF | CF
    fresh
    strike "CMP", cmp qword [rbx], -1
    want_flags "CMP", ZF, CF
    fresh
    mov rax, 5
    strike "ADD from it", add rax, [rbx]
    want "ADD from it", rax, 4
    fresh
    mov eax, 3
    xor edx, edx
    strike "MUL by it", mul dword [rbx]
    want "MUL by it, low", rax, 0xFFFFFFFD
    want "MUL by it, high", rdx, 2
    fresh
    mov ecx, 1
    strike "SETcc", sete byte [rbx]
    want_untouched "SETcc"
    ret

locked:
    fresh
    mov rax, ONES
    xor ecx, ecx
    strike "LOCK CMPXCHG, equal", lock cmpxchg [rbx], rcx
    want_flags "LOCK CMPXCHG, equal", ZF, 0
    want_untouched "LOCK CMPXCHG, equal"
    fresh
    xor eax, eax
    strike "LOCK CMPXCHG, unequal", lock cmpxchg [rbx], ecx
    want "LOCK CMPXCHG, unequal", rax, 0xFFFFFFFF
    want_flags "LOCK CMPXCHG, unequal", 0, ZF
    fresh
    mov eax, 2
    strike "LOCK XADD", lock xadd [rbx], rax
    want "LOCK XADD", rax, ONES
    want_untouched "LOCK XADD"
    modify "LOCK INC", {lock inc qword [rbx]}, ZF, SF
    modify "LOCK BTS", {lock bts qword [rbx], rax}, CF, 0
    fresh
    mov rax, ONES
    mov rdx, ONES
    mov rbp, rbx
    xor ebx, ebx
    xor ecx, ecx
    strike "LOCK CMPXCHG16B", lock cmpxchg16b [rbp]
    mov rbx, rbp
    want_flags "LOCK CMPXCHG16B, equal", ZF, 0
    want_untouched "LOCK CMPXCHG16B"
    ret

stack_there:
    fresh
    mov [saved_rsp], rsp
    mov rax, 0x1234
    lea rsp, [rbx + 8]
    attempt push rax
    mov rcx, rsp
    attempt pop rdx
    mov rbp, rsp
    mov rsp, [saved_rsp]
    sub rcx, rbx
    want "PUSH there, RSP", rcx, 0
    sub rbp, rbx
    want "POP there, RSP", rbp, 8
    cmp rdx, 0x1234
    je .kept
    want "POP there", rdx, ONES
    ret
.kept:
    want_untouched "PUSH there"
    ret

; ---- SSE, AVX ----------------------------------------------------------------------------------
; The two quadwords of OWN after a store of the register.
%macro want_vector 1
    mov rax, [OWN]
    and rax, [OWN + 8]
    want %1, rax, ONES
%endmacro
vectors:
    mov rax, cr0
    and eax, ~(CR0_TS | 4)
    mov cr0, rax
    mov rax, cr4
    or eax, CR4_OSFXSR
    mov cr4, rax
%macro vector_load 2
    fresh
    call own_zero
    pxor xmm1, xmm1
    strike %1, %2 xmm1, [rbx]
    movups [OWN], xmm1
%endmacro
%macro vector_store 2
    fresh
    pxor xmm1, xmm1
    strike %1, %2 [rbx], xmm1
    want_untouched %1
%endmacro
    vector_load "MOVAPS load", movaps
    want_vector "MOVAPS load"
    vector_load "MOVUPS load", movups
    want_vector "MOVUPS load"
    vector_load "MOVDQA load", movdqa
    want_vector "MOVDQA load"
    vector_load "MOVQ load", movq
    mov rax, [OWN]
    want "MOVQ load", rax, ONES
    vector_load "PXOR with it", pxor
    want_vector "PXOR with it"
    vector_store "MOVAPS store", movaps
    vector_store "MOVDQU store", movdqu
    vector_store "MOVNTDQ store", movntdq
    fninit
    fresh
    fldz
    strike "FSTP there", fstp qword [rbx]
    want_untouched "FSTP there"
    mov eax, 1
    cpuid
    and ecx, 1 << 28 | 1 << 26
    cmp ecx, 1 << 28 | 1 << 26
    je .avx
    skip "AVX: not on this CPU"
    ret
.avx:
    mov rax, cr4
    or eax, CR4_OSXSAVE
    mov cr4, rax
    xor ecx, ecx
    xor edx, edx
    mov eax, 7
    xsetbv
    fresh
    call own_zero
    strike "VMOVUPS load, 32 bytes", vmovups ymm2, [rbx]
    vmovups [OWN], ymm2
    mov rax, [OWN]
    and rax, [OWN + 24]
    want "VMOVUPS load, 32 bytes", rax, ONES
    fresh
    vxorps ymm2, ymm2, ymm2
    strike "VMOVUPS store, 32 bytes", vmovups [rbx], ymm2
    want_untouched "VMOVUPS store, 32 bytes"
    ret

; ---- what the CPU reads and writes of itself ---------------------------------------------------
tables:
    fresh
    call own_zero
    strike "LGDT from there", lgdt [rbx]
    sgdt [OWN]
    lgdt [gdt_pointer_64]
    mov rax, [OWN + 2]
    want "LGDT from there, base", rax, ONES
    movzx eax, word [OWN]
    want "LGDT from there, limit", rax, 0xFFFF
    fresh
    strike "SGDT to there", sgdt [rbx]
    want_untouched "SGDT to there"
    fresh
    strike "SIDT to there", sidt [rbx]
    want_untouched "SIDT to there"
    fresh
    strike "CLFLUSH", clflush [rbx]
    strike "PREFETCHT0", prefetcht0 [rbx]
    strike "INVLPG", invlpg [rbx]
    ret

pointers:
    fresh
    want_fault "far call through a pointer there", GP, 0xFFFC, call far [rbx]
    fresh
    want_fault "MOV DS from there", GP, 0xFFFC, mov ds, [rbx]
    ret

state_images:
    fresh
    want_fault "FXRSTOR from there (reserved bits of MXCSR)", GP, 0, fxrstor64 [rbx]
    fresh
    want_fault "LDMXCSR from there", GP, 0, ldmxcsr [rbx]
    ret

; Last of all, because it writes 512 bytes, which a sink page keeps.
fxsave_there:
    fresh
    and ebx, ~0xFFF
    add ebx, 0xC00
    strike "FXSAVE to there", fxsave64 [rbx]
    want_untouched "FXSAVE to there"
    ret

; Linear 512 GiB and more through tables in the range, at each level; everything above the level is
; good. Error code 0: a load by the kernel, page not present.
walks:
    mov edi, TABLES
    mov ecx, 0x3000 / 8
    xor eax, eax
    rep stosq
    mov eax, [orlop_range]
    or eax, 7
    mov [PML4 + 8], rax                 ; 512 GiB: the PDPT is there
    mov qword [PML4 + 16], TABLES + 7   ; 1 TiB: the page directory is there
    mov [TABLES], rax
    mov qword [TABLES + 8], TABLES + 0x1000 + 7 ; 1 TiB + 1 GiB: the page table is there
    mov [TABLES + 0x1000], rax
    mov rax, cr3
    mov cr3, rax
    mov rbx, 0x8000000000
    want_fault "walk, PDPT there", PF, 0, mov rax, [rbx]
    mov rbx, 0x10000000000
    want_fault "walk, page directory there", PF, 0, mov rax, [rbx]
    mov rbx, 0x10040000000
    want_fault "walk, page table there", PF, 0, mov rax, [rbx]
    mov rbx, 0x10040000000
    want_fault "walk for a store, page table there", PF, 2, mov [rbx], rax
    mov rax, [fault_cr2]
    want "walk, CR2", rax, rbx
    mov qword [PML4 + 8], 0
    mov qword [PML4 + 16], 0
    mov rax, cr3
    mov cr3, rax
    mov eax, [orlop_range]
    mov rax, [rax]
    want "walk, no accessed bit was written", rax, ONES
    ret

fetches:
%ifndef HOLE
    fresh
    want_fault "jump there", UD, 0, jmp rbx
    mov rax, [fault_rip]
    want "jump there, RIP", rax, rbx
    fresh
    mov [fault_own_rsp], rsp
    want_fault "call there", UD, 0, call rbx
    mov rax, [fault_rip]
    want "call there, RIP", rax, rbx
    mov qword [fault_own_rsp], 0
%endif
    ret

; ---- 32-bit code, no paging --------------------------------------------------------------------
bits 16
from_protected_mode:
    mov [saved_sp], sp
    enter_protected
    mov ebx, [orlop_range]
    xor edx, edx
    mov eax, [ebx + 0x123]
    mov [ebx + 0x124], edx
    and eax, [ebx + 0x123]
    not eax
    or edx, eax
    mov ax, [ebx + 0x321]
    not ax
    or dx, ax
    movsx eax, byte [ebx + 0x1FFFFF]
    not eax
    or edx, eax
    mov esi, ebx
    mov edi, OWN
    mov ecx, 5
    rep movsd
    lea eax, [edi - OWN - 20]
    or edx, eax
    mov eax, [OWN + 16]
    not eax
    or edx, eax
    mov [result_32], edx
    mov word [gdt_spare], 0xFFFF        ; a segment with the range as its base, 16-bit offsets
    mov [gdt_spare + 2], bx
    mov eax, ebx
    shr eax, 16
    mov [gdt_spare + 4], al
    mov word [gdt_spare + 5], 0x93
    mov [gdt_spare + 7], ah
    mov eax, SPARE
    mov fs, eax
    a16 mov ecx, [fs:0x2345]
    not ecx
    or [result_32], ecx
    mov ebx, .real
    jmp protected_to_real
bits 16
.real:
    mov sp, [saved_sp]
    cmp dword [result_32], 0
    je .good
    fail "32-bit moves and string moves: ", x32, [result_32]
    inc dword [failures]
    ret
.good:
    inc dword [checks]
    say "attack: 32-bit moves and string moves: ok", nl
    ret

section .data align=8
gdt_pointer_64:
    dw gdt_end - gdt - 1
    dq gdt

section .bss
alignb 8
flags_seen: resq 1
saved_rsp:  resq 1
target:     resd 1
result_32:  resd 1
checks:     resd 1
failures:   resd 1
kept:       resd 1
saved_sp:   resw 1
end_guest
