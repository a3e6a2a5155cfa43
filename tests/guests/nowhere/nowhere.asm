; Where no memory is, and where it cannot be written, above the boot's map, in a hole below 4 GiB, and in the
; ROMs: moves of each size, SSE, AVX-512, locked, string and port instructions, images of state, and operands
; that lie half in RAM; then, above the map, what the processor itself touches: the stack, of instructions
; and of events of each kind, by RSP, by an IST entry and from ring 3, the IDT and the GDT; and entries of
; page tables with address bits that the processor lacks; and strings with REP, element by element: under
; TF, behind STI and MOV SS, on breakpoints. Each touch is the first one of its GiB, so above
; Orlop each exits, some in the midst of an event. A run above Orlop prints the lines of the bare run.
%define NAME "nowhere"
%include "guest.inc"
%include "faults.inc"
%include "ring3.inc"
%include "hyper.inc"
%include "range.inc"
%include "apic.inc"

; Three pages that adjoin: nothing, RAM, nothing.
WINDOW   equ 1 << 39
PDPT_W   equ SCRATCH
DIR_W    equ SCRATCH + 0x1000
TABLE_W  equ SCRATCH + 0x2000
OWN      equ SCRATCH + 0x3000           ; the page of RAM
OTHER    equ SCRATCH + 0x4000           ; what strings are copied to and from
PRESENT  equ 7
FIRST_GIB equ 64
BORDER   equ 0x1000                     ; from nothing to RAM
BORDER2  equ 0x2000                     ; and back
STACK    equ 0x800                      ; in the first page
GDT_SIZE equ gdt_end - gdt
STRING_VECTOR equ 0x40
DR6_NONE equ 0xFFFF0FF0
GDT_RAM  equ SPARE                      ; descriptors below are in RAM

section .text
bits 16
main:
    call orlop_range_find
    enter_long
    call orlop_detect
    call idt_build
    call ring3_init
    call window_build
    mov rax, cr4
    or eax, CR4_OSFXSR
    mov cr4, rax
    mov dword [place], 0
.place:
    call say_place
    call moves
    call locked
    call strings
    call images
    inc dword [place]
    cmp dword [place], PLACES
    jb .place
    mov dword [place], 0
    call stacks
    call tables
    mov dword [place], PLACE_ORLOP
    call say_place
    call stacks
    call tables
    call repeats
    call reserved
    pass "touches=", dec, [touches]
    jmp power_off64

bits 64
window_build:
    mov edi, PDPT_W
    mov ecx, 0x5000 / 8
    xor eax, eax
    rep stosq
    mov qword [PML4 + 8], PDPT_W | PRESENT
    mov qword [PDPT_W], DIR_W | PRESENT
    mov qword [DIR_W], TABLE_W | PRESENT
    mov qword [TABLE_W + 8], OWN | PRESENT
    mov dword [gib], FIRST_GIB
    ret

; What is in the first and in the third page: for place 0 another GiB each time.
next_page:
    inc dword [touches]
    mov edx, [place]
    test edx, edx
    jz .fresh
    cmp edx, PLACE_ORLOP
    je .orlop
    mov rax, [places + rdx * 8]
    ret
.orlop:
    cmp byte [under_orlop], 0
    je .fresh
    mov eax, [orlop_next]
    add dword [orlop_next], 0x1000
    add eax, [orlop_range]
    ret
.fresh:
    mov eax, [gib]
    inc dword [gib]
    shl rax, 30
    add rax, 0x345000
    ret

; Before each case. RBX = the window; nothing else is kept but RSP.
prepare:
    call next_page
    or rax, PRESENT
    mov [TABLE_W], rax
    call next_page
    or rax, PRESENT
    mov [TABLE_W + 16], rax
    mov rbx, WINDOW
    invlpg [rbx]
    invlpg [rbx + BORDER]
    invlpg [rbx + BORDER2]
    mov edi, OWN
    mov ecx, 0x2000 / 8
    mov rax, 0x1122334455667788
    rep stosq
    mov edi, OTHER
    mov esi, OTHER
    xor edx, edx
    xor ebp, ebp
    mov rax, 0x0123456789ABCDEF
    ret

; After each: what the registers and the RAM at both borders hold.
show:
    mov [seen_rax], rax
    pushfq
    pop qword [seen_flags]
    mov [seen_rcx], rcx
    mov rax, [OWN]
    xor rax, [OTHER]
    rol rax, 8
    xor rax, [OTHER + 8]
    mov [seen_ram], rax
    mov rax, [OWN + 0xFF8]
    mov [seen_ram + 8], rax
    and dword [seen_flags], 0x8C5
    mov esi, [case_name]
    say NAME, ": "
    call print_string64
    say ": "
    cmp dword [fault_vector], NO_FAULT
    je .fine
    mov rax, [fault_cr2]
    cmp dword [fault_vector], 14
    je .page
    xor eax, eax
.page:
    say "vector ", dec, [fault_vector], " error ", x32, [fault_error], " cr2 ", x64, rax, " "
.fine:
    say x64, [seen_rax], " rcx ", x32, [seen_rcx], " flags ", x32, [seen_flags], " ram ", x64, [seen_ram], \
        " ", x64, [seen_ram + 8], nl
    ret

; name, instructions before (which do not fault), instruction
%macro case 3
    [section .data]
%%name: db %1, 0
    __?SECT?__
    mov dword [case_name], %%name
    call prepare
    mov [fault_own_rsp], rsp
    %2
    attempt %3
    mov rsp, [fault_own_rsp]
    mov qword [fault_own_rsp], 0
    call show
%endmacro

say_place:
    mov eax, [place]
    say NAME, ": place ", dec, eax, " at ", x64, [places + rax * 8], nl
    ret

moves:
    case "load 1", nop, {mov al, [rbx + 5]}
    case "load 2", nop, {mov ax, [rbx + 6]}
    case "load 4", nop, {mov eax, [rbx + 8]}
    case "load 8", nop, {mov rax, [rbx + 0x123]}
    case "load across the border", nop, {mov rax, [rbx + BORDER - 3]}
    case "load across the border back", nop, {mov rax, [rbx + BORDER2 - 3]}
    case "MOVZX", nop, {movzx eax, word [rbx + 2]}
    case "compare", nop, {cmp rax, [rbx]}
    case "add to a register", nop, {add rax, [rbx + 8]}
    case "store 1", nop, {mov [rbx + 5], al}
    case "store 8", nop, {mov [rbx], rax}
    case "store across the border", nop, {mov [rbx + BORDER - 3], rax}
    case "store across the border back", nop, {mov [rbx + BORDER2 - 3], rax}
    case "MOVNTI", nop, {movnti [rbx + 0x40], rax}
    case "add to memory", nop, {add [rbx + 0x10], rax}
    case "add to memory across the border", nop, {add [rbx + BORDER - 3], rax}
    case "MOVUPS load", nop, {movups xmm0, [rbx + 0x17]}
    case "MOVUPS of what was loaded", {movups xmm0, [rbx + 0x20]}, {movq rax, xmm0}
    case "MOVUPS of what crosses", {movups xmm0, [rbx + BORDER - 9]}, {movq rax, xmm0}
    case "MOVUPS store across the border", {movq xmm0, rax}, {movups [rbx + BORDER - 9], xmm0}
    case "MOVUPS store back", {movq xmm0, rax}, {movups [rbx + BORDER2 - 9], xmm0}
    case "MOVNTPS", {movq xmm0, rax}, {movntps [rbx], xmm0}
    case "PUSH of it", nop, {push qword [rbx]}
    case "POP to it", {push rax}, {pop qword [rbx]}
    ret

locked:
    case "XCHG", nop, {xchg [rbx + 8], rax}
    case "LOCK XADD", nop, {lock xadd [rbx + 8], eax}
    case "LOCK CMPXCHG", nop, {lock cmpxchg [rbx], rdx}
    case "LOCK CMPXCHG of ones", {or rax, -1}, {lock cmpxchg [rbx], rdx}
    case "LOCK BTS", nop, {lock bts qword [rbx], 5}
    case "LOCK BTR across the border", nop, {lock btr qword [rbx + BORDER - 4], 5}
    case "LOCK XADD across the border", nop, {lock xadd [rbx + BORDER - 3], rax}
    case "LOCK XADD across the border back", nop, {lock xadd [rbx + BORDER2 - 3], rax}
    case "CMPXCHG16B", nop, {lock cmpxchg16b [rbx]}
    case "LOCK INC", nop, {lock inc byte [rbx + 0x30]}
    ret

strings:
    case "REP MOVSB from it", {lea rsi, [rbx + BORDER - 5]}, {call copy_16}
    case "REP MOVSB from it back", {lea rsi, [rbx + BORDER2 - 5]}, {call copy_16}
    case "REP MOVSB to it", {lea rdi, [rbx + BORDER - 5]}, {call copy_16}
    case "REP MOVSB to it back", {lea rdi, [rbx + BORDER2 - 5]}, {call copy_16}
    case "REP MOVSQ inside", {lea rsi, [rbx + 0x10]}, {call copy_inside}
    case "REP STOSD", {lea rdi, [rbx + BORDER - 6]}, {call fill}
    case "REP STOSD back", {lea rdi, [rbx + BORDER2 - 6]}, {call fill}
    case "STD REP STOSD", {lea rdi, [rbx + BORDER + 6]}, {call fill_down}
    case "REPE CMPSB", {lea rsi, [rbx + BORDER - 5]}, {call compare_bytes}
    case "REPNE SCASB", {lea rdi, [rbx + BORDER - 5]}, {call scan}
    case "LODSQ", {lea rsi, [rbx + BORDER - 5]}, lodsq
    case "REP INSB", {lea rdi, [rbx + BORDER - 5]}, {call port_in}
    case "REP OUTSB", {lea rsi, [rbx + BORDER - 5]}, {call port_out}
    ret
copy_16:
    mov ecx, 16
    rep movsb
    ret
copy_inside:
    lea rdi, [rbx + 0x200]
    mov ecx, 16
    rep movsq
    ret
fill:
    mov ecx, 5
    rep stosd
    ret
fill_down:
    std
    mov ecx, 5
    rep stosd
    cld
    ret
compare_bytes:
    mov ecx, 16
    repe cmpsb
    ret
scan:
    mov ecx, 16
    repne scasb
    ret
port_in:
    mov dx, 0xED                        ; no device
    mov ecx, 16
    rep insb
    ret
port_out:
    mov dx, 0x80
    mov ecx, 16
    rep outsb
    ret

images:
    case "FXSAVE", nop, {fxsave [rbx]}
    case "FXRSTOR", nop, {fxrstor [rbx]}
    case "FXSAVE across the border", nop, {fxsave [rbx + BORDER - 0x10]}
    case "FNSTENV", nop, {fnstenv [rbx]}
    case "STMXCSR", nop, {stmxcsr [rbx]}
    case "LDMXCSR", nop, {ldmxcsr [rbx]}
    case "SGDT", nop, {sgdt [rbx]}
    case "SIDT across the border", nop, {sidt [rbx + BORDER - 3]}
    case "STR", nop, {str [rbx]}
    case "SLDT", nop, {sldt [rbx]}
    case "LLDT", nop, {lldt [rbx]}
    case "LTR", nop, {ltr [rbx]}
    case "LAR", nop, {lar eax, [rbx]}
    case "VERR", nop, {verr [rbx]}
    ret

; ---- stacks ----------------------------------------------------------------------------------------
; RSP is in the window when the instruction begins; `landed` is where an event comes out.
%macro on_stack 3                       ; name, before, instruction
    case %1, {%2}, {call %%do}
    jmp %%over
%%do:
    mov [own_rsp], rsp
    lea rsp, [rbx + STACK]
    %3
    mov rsp, [own_rsp]
    ret
%%over:
%endmacro
%macro landing 1                        ; vector: its event ends in a line of its own
    mov eax, %1
    mov edx, landed
    call idt_set_gate
%endmacro
landed:
    mov rdx, rsp
    mov rsp, [own_rsp]
    sub rdx, rbx                        ; how far the event has pushed
    mov [pushed], edx
    push 2
    popfq
    mov eax, [pushed]
    ret                                 ; of the case's routine

stacks:
    case "CALL through it", nop, {call [rbx]}
    case "far JMP through it", nop, {jmp far dword [rbx]}
    landing 3
    landing 0x40
    landing 6
    landing 12
    landing 13
    landing 14
    landing 1
    on_stack "PUSH", nop, {push rax}
    on_stack "POP", nop, {pop rax}
    on_stack "CALL and RET", nop, {call .empty}
    on_stack "ENTER", nop, {enter 16, 2}
    on_stack "RET", nop, ret
    on_stack "IRETQ", nop, iretq
    on_stack "far RET", nop, retfq
    on_stack "INT3", nop, int3
    on_stack "INT 40h", nop, {int 0x40}
    on_stack "INT1", nop, int1
    on_stack "#UD", nop, ud2
    on_stack "#GP", {mov rdx, 1 << 63}, {mov rax, [rdx]}
    on_stack "#PF", nop, {mov rax, [rbx + 0x5000]}
    on_stack "#DB", nop, {call single_step}
    mov qword [task_state + 0x24], 0    ; IST1, set anew each time
    mov byte [IDT + 3 * 16 + 4], 1
    mov byte [IDT + 14 * 16 + 4], 1
    case "INT3 by IST", {call use_ist}, {call on_ist_3}
    case "#PF by IST", {call use_ist}, {call on_ist_14}
    mov byte [IDT + 14 * 16 + 4], 0
    mov byte [IDT + 3 * 16 + 4], 0
    mov byte [IDT + 3 * 16 + 5], 0xEE
    case "INT3 from ring 3", {call use_rsp0}, {call from_ring3_int3}
    case "#UD from ring 3", {call use_rsp0}, {call from_ring3_ud}
    mov qword [task_state + 4], STACK_TOP - 0x1000
    call idt_build
    ret
.empty:
    ret

; With RSP in nothing, RET would find ones: a jump there, with TF set by IRETQ on the own stack.
single_step:
    mov rsp, [own_rsp]
    mov rdx, DATA32
    push rdx
    lea rdx, [rbx + STACK]
    push rdx
    push 2 | RFLAGS_TF
    push CODE64
    push .stepped
    iretq
.stepped:
    nop
    jmp power_off64
use_ist:
    lea rdx, [rbx + STACK]
    mov [task_state + 0x24], rdx
    ret
on_ist_3:
    mov [own_rsp], rsp
    int3
on_ist_14:
    mov [own_rsp], rsp
    mov rax, [rbx + 0x5000]
use_rsp0:
    lea rdx, [rbx + STACK]
    mov [task_state + 4], rdx
    ret
%macro ring3_event 1
    mov [own_rsp], rsp
    push USER_DATA
    push STACK_TOP - 0x1400
    push 2
    push USER_CODE64
    push %%there
    iretq
%%there:
    %1
%endmacro
from_ring3_int3:
    ring3_event int3
from_ring3_ud:
    ring3_event ud2

; ---- tables ----------------------------------------------------------------------------------------
; The gates below 13 are in nothing, the others in RAM; then the descriptors from SPARE on.
tables:
    case "INT3 by a gate there", {call half_idt}, int3
    lidt [idt_pointer]
    case "#UD by a gate there", {call half_idt}, ud2
    lidt [idt_pointer]
    case "#DB by a gate there", {call half_idt}, int1
    lidt [idt_pointer]
    case "MOV DS of a descriptor there", {call half_gdt}, {mov ds, eax}
    call own_gdt
    case "LAR of a descriptor there", {call half_gdt}, {lar ecx, eax}
    call own_gdt
    case "LSL of a descriptor there", {call half_gdt}, {lsl ecx, eax}
    call own_gdt
    case "LTR of a descriptor there", {call half_gdt}, {ltr ax}
    call own_gdt
    case "LLDT of a descriptor there", {call half_gdt}, {lldt ax}
    call own_gdt
    case "far RET to a descriptor there", {call half_gdt}, {call to_descriptor}
    jmp own_gdt
half_idt:
    mov esi, IDT + 13 * 16
    mov edi, OWN
    mov ecx, 32
    rep movsq
    lea rdx, [rbx + BORDER - 13 * 16]
    mov [table_pointer + 2], rdx
    mov word [table_pointer], 0xFFF
    lidt [table_pointer]
    ret
half_gdt:
    mov esi, gdt
    mov edi, OWN + 0x1000 - GDT_RAM
    mov ecx, GDT_RAM / 8
    rep movsq
    lea rdx, [rbx + BORDER2 - GDT_RAM]
    mov [table_pointer + 2], rdx
    mov word [table_pointer], 0xFF
    lgdt [table_pointer]
    mov eax, SPARE
    ret
own_gdt:
    lgdt [gdt_pointer_64]
    mov eax, DATA32
    mov ds, eax
    ret
to_descriptor:
    push SPARE
    push .never
    retfq
.never:
    ret

; ---- between two elements of a string ---------------------------------------------------------------
; name, pointer, before, instruction of five elements. A line each time that the processor stops at it.
%macro stops_at 4
    [section .data]
%%name: db %1, 0
    __?SECT?__
    mov dword [case_name], %%name
    call prepare
    mov dword [fault_vector], NO_FAULT
    mov dword [step_at], %%here
    mov dword [step_end], %%after
    %2
    mov ecx, 5
    %3
%%here:
    %4
%%after:
    call show_end
%endmacro
%macro repeat 3                         ; name, pointer, instruction
    stops_at {%1, " under TF"}, {%2}, {trace}, {%3}
    stops_at {%1, " under TF behind MOV SS"}, {%2}, {trace_behind_mov_ss}, {%3}
    stops_at {%1, " behind STI"}, {%2}, {behind_sti}, {%3}
    stops_at {%1, " behind STI and MOV SS"}, {%2}, {behind_mov_ss}, {%3}
    stops_at {%1, " on data breakpoints"}, {%2}, {call break_on_data}, {%3}
    stops_at {%1, " on data breakpoints behind MOV SS"}, {%2}, {break_behind_mov_ss}, {%3}
    stops_at {%1, " on its own breakpoint"}, {%2}, {call break_on_code}, {%3}
%endmacro
%macro trace 0
    push 2 | RFLAGS_TF
    popfq
%endmacro
%macro trace_behind_mov_ss 0
    mov eax, ss
    trace
    mov ss, eax
%endmacro
%macro behind_sti 0
    call send
    sti
%endmacro
%macro behind_mov_ss 0
    call send
    mov eax, ss
    sti
    mov ss, eax
%endmacro
%macro break_behind_mov_ss 0
    call break_on_data
    mov eax, ss
    mov ss, eax
%endmacro

; Not where a first touch exits: under TF Bochs 2.7 makes a trap pending with that.
repeats:
    mov al, 0xFF
    out 0x21, al
    out 0xA1, al
    call apic_init
    mov eax, [apic_base]
    or dword [rax + APIC_SVR], 0x1FF
    mov dword [rax + APIC_TPR], 0
    mov eax, 1
    mov edx, stopped
    call idt_set_gate
    mov eax, STRING_VECTOR
    mov edx, stopped_by_interrupt
    call idt_set_gate
    call find_rf
    repeat "REP STOSD", {lea rdi, [rbx + 0x100]}, {rep stosd}
    repeat "REP STOSQ to the border", {lea rdi, [rbx + BORDER - 20]}, {rep stosq}
    repeat "REP LODSB", {lea rsi, [rbx + 0x100]}, {rep lodsb}
    repeat "REP MOVSD", {lea rsi, [rbx + 0x100]}, {rep movsd}
    jmp idt_build

; Bochs 2.7 leaves RF clear between two elements, so that a breakpoint on the instruction is met twice: a
; string in RAM tells.
find_rf:
    mov dword [step_at], .here
    mov dword [step_end], .after
    mov edi, OWN
    mov ecx, 5
    mov byte [silent], 1
    trace
.here:
    rep stosd
.after:
    mov byte [silent], 0
    mov eax, [flags_met]
    and eax, 1 << 16
    mov [rf_kept], eax
    jnz .kept
    skip "the processor leaves RF clear between the elements of a string"
.kept:
    ret

send:
    mov edx, [apic_base]
    mov dword [rdx + APIC_ICR_LOW], 0x44000 | STRING_VECTOR
    ret
break_on_data:                          ; on the second element and the fourth
    lea rdx, [rbx + 0x104]
    mov dr0, rdx
    lea rdx, [rbx + 0x10C]
    mov dr1, rdx
    mov edx, 0x00FF030A
    mov dr7, rdx
    ret
break_on_code:
    cmp dword [rf_kept], 0
    je .not_shown
    mov edx, [step_at]
    mov dr0, rdx
    mov edx, 0x302
    mov dr7, rdx
.not_shown:
    ret

stopped_by_interrupt:
    push rdx
    mov edx, [apic_base]
    mov dword [rdx + APIC_EOI], 0
    pop rdx
stopped:                                ; the frame has RIP, CS, RFLAGS
    push rax
    push rcx
    push rdx
    push rsi
    push rdi
    mov [seen_rcx], rcx
    mov rdx, [rsp + 40]
    mov ecx, [step_at]
    sub rdx, rcx
    mov [seen_rip], rdx
    mov rcx, dr6
    and ecx, 0xE00F
    mov edx, DR6_NONE
    mov dr6, rdx
    mov [seen_dr6], ecx
    mov eax, [rsp + 56]
    mov [seen_flags], eax
    or [flags_met], eax
    test cl, 1
    jz .go_on
    cmp dword [seen_rcx], 5
    jne .go_on
    or dword [rsp + 56], 1 << 16        ; RF: not once more before the instruction
.go_on:
    mov edx, [step_end]
    cmp [rsp + 40], rdx
    jne .traced
    and dword [rsp + 56], ~RFLAGS_TF
.traced:
    cmp byte [silent], 0
    jne .said
    mov eax, [rf_kept]
    or eax, RFLAGS_TF
    and [seen_flags], eax
    mov esi, [case_name]
    say NAME, ": "
    call print_string64
    say ": rcx ", x32, [seen_rcx], " at ", x8, [seen_rip], " flags ", x32, [seen_flags], " dr6 ", x32, [seen_dr6], nl
.said:
    pop rdi
    pop rsi
    pop rdx
    pop rcx
    pop rax
    iretq
show_end:
    cli
    xor edx, edx
    mov dr7, rdx
    jmp show

; Address bits from the processor's width to 51 are reserved at each level.
reserved:
    mov eax, 0x80000008
    cpuid
    movzx r12d, al
.bit:
    xor r13d, r13d
.level:
    mov ebp, [levels + r13 * 4]
    call prepare_entry
    bts [rdi], r12
    invlpg [rbx]
    invlpg [rbx + BORDER]
    attempt mov rax, [rbx + BORDER]
    mov r9d, [fault_error]
    cmp dword [fault_vector], 14
    jne .wrong
    attempt mov [rbx + BORDER], rax
    mov r10d, [fault_error]
    mov edi, [levels + r13 * 4]
    btr [rdi], r12
    mov eax, r9d
    shl eax, 8
    or eax, r10d
    rol dword [reserved_sum], 5
    add [reserved_sum], eax
    inc r13d
    cmp r13d, 4
    jb .level
    inc r12d
    cmp r12d, 52
    jb .bit
    say NAME, ": address bits that there are not: errors ", dec, r9d, " ", dec, r10d, " sum ", \
        x32, [reserved_sum], nl
    ret
.wrong:
    fail "bit ", dec, r12d, " level ", dec, r13d, " vector ", dec, [fault_vector]
    jmp power_off64
prepare_entry:
    mov edi, ebp
    mov rbx, WINDOW
    ret

section .data align=8
; What the first and the third page are: 0 is another GiB above the map each time, 1 another page of Orlop's
; range, which is to be like nothing; on the bare machine it is nothing.
places: dq 0, 1, 0xC0000000, 0xF0000, 0xC0000, 0xFFFFF000
PLACE_ORLOP equ 1
PLACES equ ($ - places) / 8
gdt_pointer_64:
    dw gdt_end - gdt - 1
    dq gdt
levels: dd TABLE_W + 8, DIR_W, PDPT_W, PML4 + 8
section .bss
alignb 8
seen_rip:     resq 1
seen_dr6:     resd 1
step_at:      resd 1
step_end:     resd 1
flags_met:    resd 1
rf_kept:      resd 1
silent:       resd 1
table_pointer: resb 16
seen_rax:     resq 1
seen_rcx:     resq 1
seen_flags:   resq 1
seen_ram:     resq 2
own_rsp:      resq 1
case_name:    resd 1
place:        resd 1
gib:          resd 1
touches:      resd 1
pushed:       resd 1
orlop_next:   resd 1
reserved_sum: resd 1
end_guest
