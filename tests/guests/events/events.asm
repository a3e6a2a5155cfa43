; Events around instructions that exit, and exits during the delivery of events. Each instruction of a list
; runs in each of the situations of another: under TF, behind STI and MOV SS with an interrupt pending, on and
; before breakpoints, with a breakpoint's trap held back by MOV SS; and so that an event's stack,
; IDT, TSS or page table lies in memory that is touched for the first time, in which case it must still
; come once. Then NMIs: what comes in a handler waits for its IRET, also for one that faults. A line tells
; the events in their order: vector, error code, place behind the instruction's start, DR6, flags. A run above
; Orlop prints the lines of the bare run.
%define NAME "events"
%include "guest.inc"
%include "faults.inc"
%include "apic.inc"

DR6_CLEAR   equ 0xFFFF0FF0
IRQ_VECTOR  equ 0x40
INT_VECTOR  equ 0x41
VECTORS     equ 0x42
MAX_EVENTS  equ 6
CODE        equ 0x20000
LOW_STACK   equ 0x21000                 ; the RAM page below a stack that begins in absent memory
IDT_COPY    equ 0x22000                 ; vectors 8 and up, where the first eight are absent
CODE_STACK  equ 0x6000

; Linear addresses at 5 GiB: WINDOW's first page is absent memory, as is the fourth.
WINDOW_HIGH equ 1                       ; upper half of the address
WINDOW_LOW  equ 0x40000000
WINDOW      equ WINDOW_HIGH << 32 | WINDOW_LOW
DIRECTORY   equ SCRATCH
TABLE       equ SCRATCH + 0x1000
TABLE_2     equ SCRATCH + 0x2000
ABSENT_GIB  equ 512
ABSENT_END  equ 1023                    ; of 40 bits of address
EMPTY       equ WINDOW + 0x800000       ; a linear address that is not mapped

CR4_DE      equ 1 << 3

struc event
    .vector: resd 1
    .error:  resd 1
    .place:  resd 1
    .dr6:    resd 1
    .flags:  resd 1
endstruc

struc instruction
    .name:  resd 1
    .eax:   resd 1
    .ecx:   resd 1
    .edx:   resd 1
    .event: resb 1
    .count: resb 1
    .bytes:
endstruc
EVENT_NMI equ 1
EVENT_IRQ equ 2

struc situation
    .name:   resd 1
    .setup:  resd 1                     ; or 0
    .undo:   resd 1                     ; or 0
    .flags:  resd 1
    .traps:  resb 1                     ; so many #DBs leave TF on
    .event:  resb 1
    .ends:   resb 1                     ; the first event ends it: there is no way back
    .count:  resb 1
    .bytes:                             ; before the instruction
endstruc

section .text
bits 16
main:
    mov al, 0xFF
    out 0x21, al
    out 0xA1, al
    enter_long
    call prepare
    mov ebx, situations
.situation:
    mov [situation_now], ebx
    mov esi, [rbx + situation.name]
    say "events: "
    call print_string64
    say nl
    mov esi, instructions
.instruction:
    mov [instruction_now], esi
    call run
    call show
    mov esi, [instruction_now]
    mov ebx, [situation_now]
    movzx eax, byte [rsi + instruction.count]
    lea esi, [rsi + rax + instruction.bytes]
    cmp esi, instructions_end
    jb .instruction
    movzx eax, byte [rbx + situation.count]
    lea ebx, [rbx + rax + situation.bytes]
    cmp ebx, situations_end
    jb .situation
    call nmis
    pass
    leave_long
    jmp power_off16

bits 64
prepare:
    mov edi, SCRATCH
    mov ecx, 0x3000 / 4
    xor eax, eax
    rep stosd
    mov dword [PDPT + 5 * 8], DIRECTORY + 7
    mov dword [DIRECTORY], TABLE + 7
    mov dword [DIRECTORY + 2 * 8], TABLE_2 + 7
    mov dword [TABLE + 1 * 8], IDT_COPY + 7
    mov dword [TABLE + 2 * 8], LOW_STACK + 7
    mov dword [TABLE_2], IDT_COPY + 7
    call gates
    lidt [idt_pointer]
    call apic_init
    mov eax, [apic_base]
    or dword [rax + APIC_SVR], 0x1FF
    mov dword [rax + APIC_TPR], 0
    mov rax, cr4
    or eax, CR4_DE | CR4_OSXSAVE
    mov cr4, rax
    btc eax, 18
    mov [other_cr4], eax
    mov rax, cr0
    and eax, ~(3 << 29)
    mov cr0, rax
    btc eax, 30
    mov [other_cr0], eax
    call load_task
    ret

gates:
    xor eax, eax
    mov edx, stubs
.next:
    call idt_set_gate
    add edx, STUB_SIZE
    inc eax
    cmp eax, VECTORS
    jb .next
    mov esi, IDT + 8 * 16
    mov edi, IDT_COPY
    mov ecx, (VECTORS - 8) * 16 / 4
    rep movsd
    ret

; The TSS in the window's first page.
load_task:
    mov dword [gdt_task], WINDOW_LOW << 16 & 0xFFFF0000 | 103
    mov dword [gdt_task + 4], 0x8900 | WINDOW_LOW & 0xFF000000 | WINDOW_LOW >> 16 & 0xFF
    mov dword [gdt_task + 8], WINDOW_HIGH
    mov eax, TASK
    ltr ax
    ret

; The table's entry at RDI leads to absent memory in a GiB that no one has touched yet.
fresh:
    mov eax, [touched]
    inc dword [touched]
    cmp eax, ABSENT_END
    jae .out
    shl rax, 30
    or rax, 7
    mov [rdi], rax
    mov rax, cr3
    mov cr3, rax
    ret
.out:
    error "no memory left to touch"
    jmp power_off64

; ---- one instruction in one situation ------------------------------------------------------------
; ESI = instruction, EBX = situation.
run:
    mov dword [events], 0
    call place
    movzx eax, byte [rbx + situation.traps]
    mov [traps_wanted], eax
    mov al, [rbx + situation.ends]
    mov [ends], al
    mov dword [in_rsp], CODE_STACK
    mov dword [in_rsp + 4], 0
    mov dword [operand], DATA32
    xor eax, eax
    mov dr0, rax
    mov dr1, rax
    mov dr2, rax
    mov dr3, rax
    mov eax, [rbx + situation.setup]
    test eax, eax
    jz .set_up
    call rax
.set_up:
    mov [driver_rsp], rsp
    mov al, [rsi + instruction.event]
    or al, [rbx + situation.event]
    mov [pending], al
    call pend
    mov eax, [rbx + situation.flags]
    cmp byte [rsi + instruction.event], EVENT_IRQ
    jne .flags
    or eax, RFLAGS_IF
.flags:
    mov eax, eax
    push DATA32
    push qword [in_rsp]
    push rax
    push CODE64
    push CODE
    mov eax, DR6_CLEAR
    mov dr6, rax
    mov eax, [rsi + instruction.eax]
    mov ecx, [rsi + instruction.ecx]
    mov edx, [rsi + instruction.edx]
    mov r8d, [other_cr4]
    mov r9d, [other_cr0]
    mov edi, operand
    mov ebp, EMPTY & 0xFFFFFFFF
    bts rbp, 32
    mov ebx, DATA32
    iretq
finish:
    mov rsp, [driver_rsp]
    mov eax, DATA32
    mov ss, eax
    xor eax, eax
    mov dr7, rax
    btc dword [other_cr4], 18
    mov eax, [other_cr4]
    mov cr4, rax
    btc dword [other_cr4], 18
    btc dword [other_cr0], 30
    mov eax, [other_cr0]
    mov cr0, rax
    btc dword [other_cr0], 30
    mov ebx, [situation_now]
    mov eax, [rbx + situation.undo]
    test eax, eax
    jz .undone
    call rax
.undone:
    mov eax, [apic_base]
    mov dword [rax + APIC_EOI], 0
    call open_nmis
    jmp drain

; The situation's bytes, the instruction, three NOPs, INT3. Gives [origin] and [behind].
place:
    push rsi
    mov edi, CODE
    mov edx, esi
    movzx ecx, byte [rbx + situation.count]
    lea esi, [rbx + situation.bytes]
    rep movsb
    mov [origin], edi
    movzx ecx, byte [rdx + instruction.count]
    lea esi, [rdx + instruction.bytes]
    rep movsb
    mov [behind], edi
    mov eax, 0xCC909090
    stosd
    mov eax, 0xCCCCCCCC
    stosd
    pop rsi
    ret

; Makes [pending] pend: an NMI while they are blocked, an interrupt while IF is 0.
pend:
    push rsi
    test byte [pending], EVENT_NMI
    jz .no_nmi
    mov dword [at_nmi], .blocked
    mov edi, [own_apic_id]
    mov esi, ICR_NMI
    call apic_send
    call pause_a_while
    say "events: no NMI came", nl
    jmp .no_nmi
.blocked:
    mov rsp, [driver_rsp]
    sub rsp, 16                         ; the return address and RSI
    mov dword [at_nmi], 0
    mov dword [events], 0
    mov edi, [own_apic_id]
    mov esi, ICR_NMI
    call apic_send
    call pause_a_while
.no_nmi:
    test byte [pending], EVENT_IRQ
    jz .done
    mov edi, [own_apic_id]
    mov esi, 0x4000 | IRQ_VECTOR
    call apic_send
    call pause_a_while
.done:
    pop rsi
    ret

pause_a_while:
    mov ecx, 200
    loop $
    ret

open_nmis:
    mov eax, esp
    push DATA32
    push rax
    push 2
    push CODE64
    push .open
    iretq
.open:
    ret

; An interrupt that is still pending is taken, and not told.
drain:
    push qword [events]
    mov dword [events], MAX_EVENTS
    mov byte [ends], 0
    sti
    nop
    nop
    cli
    pop qword [events]
    ret

; ---- what comes ----------------------------------------------------------------------------------
STUB_SIZE equ 16
align STUB_SIZE
stubs:
%assign vector 0
%rep VECTORS
    %if vector >= 32 || (FAULTS_WITH_ERROR >> (vector & 31)) & 1 == 0
        push byte 0
    %endif
    push byte vector
    jmp near note_event
    align STUB_SIZE
    %assign vector vector + 1
%endrep

; Stack: vector, error, RIP, CS, RFLAGS, RSP, SS; above RFLAGS it may be absent memory.
note_event:
    push rax
    push rcx
    push rdx
    mov ecx, [rsp + 24]
    cmp ecx, 2
    jne .note
    mov eax, [at_nmi]
    test eax, eax
    jz .note
    jmp rax
.note:
    cmp ecx, 3
    jne .noted
    mov eax, [behind]
    add eax, 4
    cmp [rsp + 40], eax
    je finish                           ; the INT3 that ends all
.noted:
    mov edx, [events]
    cmp edx, MAX_EVENTS
    jae .full
    inc dword [events]
    imul edx, edx, event_size
    add edx, event_list
    mov [rdx + event.vector], ecx
    mov eax, [rsp + 32]
    mov [rdx + event.error], eax
    mov eax, [rsp + 40]
    sub eax, [origin]
    mov [rdx + event.place], eax
    mov rax, dr6
    mov [rdx + event.dr6], eax
    mov eax, [rsp + 56]
    mov [rdx + event.flags], eax
.full:
    cmp ecx, IRQ_VECTOR
    jne .no_interrupt
    mov eax, [apic_base]
    mov dword [rax + APIC_EOI], 0
.no_interrupt:
    cmp byte [ends], 0
    jne finish
    cmp ecx, 1
    je .debug
    cmp ecx, 2
    je .back
    cmp ecx, 3
    je .back
    cmp ecx, 32
    jae .back
    mov eax, [behind]                   ; a fault: over the instruction
    mov [rsp + 40], rax
    jmp .back
.debug:
    mov eax, DR6_CLEAR
    mov dr6, rax
    dec dword [traps_wanted]
    jg .keep
    and dword [rsp + 56], ~RFLAGS_TF
.keep:
    or dword [rsp + 56], RFLAGS_RF
.back:
    pop rdx
    pop rcx
    pop rax
    add rsp, 16
    iretq

; Where an exit comes in the delivery, RF as it was pushed has a line of its own.
show:
    mov esi, [instruction_now]
    mov esi, [rsi + instruction.name]
    mov ebx, [situation_now]
    cmp byte [rbx + situation.ends], 0
    je .name
    cmp dword [events], 0
    je .name
    mov eax, [event_list + event.flags]
    and dword [event_list + event.flags], ~RFLAGS_RF
    shr eax, 16
    and eax, 1
    say "events:   "
    call print_string64
    say ": RF ", dec, eax, nl
.name:
    say "events:   "
    call print_string64
    say ":"
show_events:
    xor ebp, ebp
    mov ebx, event_list
.next:
    cmp ebp, [events]
    jae .done
    say " ", dec, [rbx + event.vector], ".", x16, [rbx + event.error]
    mov eax, [rbx + event.place]
    say "+", x8, eax, " "
    mov eax, [rbx + event.dr6]
    say x16, eax, " ", x32, [rbx + event.flags], ";"
    add ebx, event_size
    inc ebp
    jmp .next
.done:
    say nl
    ret

; ---- situations ----------------------------------------------------------------------------------
; %1 = number, %2 = address, %3 = R/W and LEN
%macro breakpoint 3
    mov eax, %2
    mov dr%1, rax
    mov rax, dr7
    or eax, 0x300 | 2 << (%1 * 2) | %3 << (16 + %1 * 4)
    mov dr7, rax
%endmacro
EXECUTION equ 0
PORT      equ 2
ACCESS    equ 0xF                       ; 4 bytes, read or written

breakpoints_on_and_behind:
    breakpoint 1, [origin], EXECUTION
breakpoint_behind:
    breakpoint 2, [behind], EXECUTION
    ret
breakpoint_of_operand:
    breakpoint 0, operand, ACCESS
    ret
breakpoints_of_ports:
    breakpoint 0, 0x71, PORT
    breakpoint 3, 0x70, PORT
    ret
breakpoint_of_apic:
    mov eax, [apic_base]
    add eax, APIC_TPR
    breakpoint 0, eax, ACCESS
    ret

stack_in_absent:
    mov edi, TABLE + 3 * 8
    call fresh
    mov rax, WINDOW + 0x3000 + 16
    mov [in_rsp], rax
    ret

idt_in_absent:
    mov edi, TABLE
    call fresh
    lidt [absent_idt]
    ret
idt_behind_absent_table:
    mov edi, DIRECTORY + 8
    call fresh
    lidt [unwalked_idt]
    ret
usual_idt:
    lidt [idt_pointer]
    ret

; By the IST, whose pointer is read there: all but INT3, #DF and #PF.
stack_by_absent_task:
    mov edi, TABLE
    call fresh
    mov eax, 1
    call set_ist
    ret
no_ist:
    xor eax, eax
set_ist:
    xor ecx, ecx
.next:
    cmp ecx, 3
    je .step
    cmp ecx, 8
    je .step
    cmp ecx, 14
    je .step
    mov edx, ecx
    shl edx, 4
    mov [rdx + IDT + 4], al
.step:
    inc ecx
    cmp ecx, VECTORS
    jb .next
    ret

; No gate for #GP: #NP in its delivery, and so #DF.
no_gate:
    and byte [IDT + 13 * 16 + 5], 0x7F
    ret
gate_again:
    or byte [IDT + 13 * 16 + 5], 0x80
    ret

; ---- NMIs ----------------------------------------------------------------------------------------
; In a handler another one is sent; exits do not open the way for it, IRET does.
nmis:
    mov dword [situation_now], no_situation
    mov dword [behind], .never
    call in_handler
    mov dword [origin], .after_iret
    say "events: NMI in the handler of an NMI, then IRET:"
    mov eax, esp
    push DATA32
    push rax
    push 2
    push CODE64
    push .after_iret
    iretq
.after_iret:
    nop
    nop
    call show_events
    call in_handler
    mov dword [origin], stubs + 13 * STUB_SIZE
    say "events: NMI in the handler of an NMI, then an IRET that faults:"
    mov dword [behind], .faulted
    mov eax, esp
    push DATA32
    push rax
    push 2
    push 0xFFF8                         ; no segment
    push .faulted
    iretq
.faulted:
    mov rsp, [driver_rsp]
    call show_events
    call in_handler
    say "events: the same, and its frame lies in absent memory:"
    mov dword [behind], .unread
    mov edi, TABLE + 3 * 8
    call fresh
    mov rsp, WINDOW + 0x3000
    iretq
.unread:
    mov rsp, [driver_rsp]
    jmp show_events
.never:
    fail "a fault where there is none"
    jmp power_off64

; Comes back from inside the handler of an NMI, with another one pending, and ten exits later.
in_handler:
    mov dword [events], 0
    mov byte [ends], 0
    pop qword [handler_return]
    mov [driver_rsp], rsp
    mov dword [at_nmi], .inside
    mov edi, [own_apic_id]
    mov esi, ICR_NMI
    call apic_send
    call pause_a_while
    fail "no NMI came"
    jmp power_off64
.inside:
    mov dword [at_nmi], 0
    mov rsp, [driver_rsp]
    mov edi, [own_apic_id]
    mov esi, ICR_NMI
    call apic_send
    call pause_a_while
    mov esi, 10
.exit:
    xor eax, eax
    cpuid
    dec esi
    jnz .exit
    jmp [handler_return]

section .data align=8
touched: dd ABSENT_GIB
absent_idt:
    dw VECTORS * 16 - 1
    dq WINDOW + 0x1000 - 8 * 16
unwalked_idt:
    dw VECTORS * 16 - 1
    dq WINDOW + 0x400000 - 8 * 16

; name, set-up, undoing, flags, traps, event, ends; then the bytes before the instruction
%macro a_situation 7-*
    [section .rodata]
%%name: db %1, 0
    __?SECT?__
    dd %%name, %2, %3, %4 | 2
    db %5, %6, %7, %0 - 7
    %rotate 7
    %rep %0 - 7
        db %1
        %rotate 1
    %endrep
%endmacro
%define MOV_SS 0x8E, 0xD3               ; from EBX
%define MOV_SS_MEMORY 0x8E, 0x17
%define STI 0xFB
situations:
no_situation:
    a_situation "nothing", 0, 0, 0, 0, 0, 0
    a_situation "TF", 0, 0, RFLAGS_TF, 2, 0, 0
    a_situation "TF, MOV SS", 0, 0, RFLAGS_TF, 2, 0, 0, MOV_SS
    a_situation "interrupt pending, STI", 0, 0, 0, 0, EVENT_IRQ, 0, STI
    a_situation "interrupt pending, STI, MOV SS", 0, 0, 0, 0, EVENT_IRQ, 0, STI, MOV_SS
    a_situation "interrupt pending, TF, STI", 0, 0, RFLAGS_TF, 3, EVENT_IRQ, 0, STI
    a_situation "interrupt pending, TF, STI, MOV SS", 0, 0, RFLAGS_TF, 3, EVENT_IRQ, 0, STI, MOV_SS
    a_situation "breakpoints on it and behind", breakpoints_on_and_behind, 0, 0, 0, 0, 0
    a_situation "breakpoints on it and behind, TF", breakpoints_on_and_behind, 0, RFLAGS_TF, 4, 0, 0
    a_situation "breakpoints on it and behind, MOV SS", breakpoints_on_and_behind, 0, 0, 0, 0, 0, MOV_SS
    a_situation "breakpoint behind, RF", breakpoints_on_and_behind, 0, RFLAGS_RF, 0, 0, 0
    a_situation "MOV SS through a data breakpoint", breakpoint_of_operand, 0, 0, 0, 0, 0, MOV_SS_MEMORY
    a_situation "MOV SS through a data breakpoint, TF", breakpoint_of_operand, 0, RFLAGS_TF, 2, 0, 0, MOV_SS_MEMORY
    a_situation "MOV SS through a data breakpoint, interrupt pending", breakpoint_of_operand, 0, 0, 0, EVENT_IRQ, 0, STI, MOV_SS_MEMORY
    a_situation "breakpoints of ports", breakpoints_of_ports, 0, 0, 0, 0, 0
    a_situation "breakpoints of ports, TF", breakpoints_of_ports, 0, RFLAGS_TF, 2, 0, 0
    a_situation "breakpoints of ports, MOV SS", breakpoints_of_ports, 0, 0, 0, 0, 0, MOV_SS
    a_situation "breakpoint of the APIC's TPR", breakpoint_of_apic, 0, 0, 0, 0, 0
    a_situation "stack in absent memory", stack_in_absent, 0, 0, 0, 0, 1
    a_situation "stack in absent memory, TF", stack_in_absent, 0, RFLAGS_TF, 0, 0, 1
    a_situation "IDT in absent memory", idt_in_absent, usual_idt, 0, 0, 0, 1
    a_situation "IDT in absent memory, TF", idt_in_absent, usual_idt, RFLAGS_TF, 0, 0, 1
    a_situation "IDT behind an absent page table", idt_behind_absent_table, usual_idt, 0, 0, 0, 1
    a_situation "TSS in absent memory", stack_by_absent_task, no_ist, 0, 0, 0, 1
    a_situation "no gate for #GP", no_gate, gate_again, 0, 0, 0, 1
situations_end:

; name, EAX, ECX, EDX, event; then the bytes
%macro an_instruction 5-*
    [section .rodata]
%%name: db %1, 0
    __?SECT?__
    dd %%name, %2, %3, %4
    db %5, %0 - 5
    %rotate 5
    %rep %0 - 5
        db %1
        %rotate 1
    %endrep
%endmacro
instructions:
    an_instruction "NOP", 0, 0, 0, 0, 0x90
    an_instruction "CPUID", 0, 0, 0, 0, 0x0F, 0xA2
    an_instruction "RDMSR", 0, MSR_APIC_BASE, 0, 0, 0x0F, 0x32
    an_instruction "WRMSR", 0xFEE00900, MSR_APIC_BASE, 0, 0, 0x0F, 0x30
    an_instruction "RDMSR of none", 0, 0x12345678, 0, 0, 0x0F, 0x32
    an_instruction "WRMSR of reserved bits", -1, MSR_APIC_BASE, -1, 0, 0x0F, 0x30
    an_instruction "MOV to CR4", 0, 0, 0, 0, 0x41, 0x0F, 0x22, 0xE0
    an_instruction "MOV to CR0", 0, 0, 0, 0, 0x41, 0x0F, 0x22, 0xC1
    an_instruction "MOV to CR4 of reserved bits", -1, 0, 0, 0, 0x0F, 0x22, 0xE0
    an_instruction "XSETBV", 3, 0, 0, 0, 0x0F, 0x01, 0xD1
    an_instruction "XSETBV of 2", 2, 0, 0, 0, 0x0F, 0x01, 0xD1
    an_instruction "INVD", 0, 0, 0, 0, 0x0F, 0x08
    an_instruction "VMCALL", 0, 0, 0, 0, 0x0F, 0x01, 0xC1
    an_instruction "VMXON", 0, 0, 0, 0, 0xF3, 0x0F, 0xC7, 0x37
    an_instruction "GETSEC", 0, 0, 0, 0, 0x0F, 0x37
    an_instruction "OUT 70h", 0x0D, 0, 0, 0, 0xE6, 0x70
    an_instruction "IN 71h", 0x0D, 0, 0, 0, 0xE4, 0x71
    an_instruction "IN 70h, 16 bits", 0x0D, 0, 0, 0, 0x66, 0xE5, 0x70
    an_instruction "MOV to TPR", 0, 0, 0, 0, 0x67, 0x89, 0x04, 0x25, 0x80, 0, 0xE0, 0xFE
    an_instruction "UD2", 0, 0, 0, 0, 0x0F, 0x0B
    an_instruction "INT3", 0, 0, 0, 0, 0xCC
    an_instruction "INT1", 0, 0, 0, 0, 0xF1
    an_instruction "INT 41h", 0, 0, 0, 0, 0xCD, INT_VECTOR
    an_instruction "DIV by 0", 0, 0, 0, 0, 0xF7, 0xF1
    an_instruction "MOV DS of no segment", 0xFFF8, 0, 0, 0, 0x8E, 0xD8
    an_instruction "MOV to an empty page", 0, 0, 0, 0, 0x89, 0x45, 0
    an_instruction "NMI", 0, 0, 0, EVENT_NMI, 0x0F, 0xA2
    an_instruction "interrupt", 0, 0, 0, EVENT_IRQ, 0x0F, 0xA2
instructions_end:

section .bss
alignb 8
in_rsp:          resq 1
driver_rsp:      resq 1
handler_return:  resq 1
event_list:      resb MAX_EVENTS * event_size
events:          resd 2
operand:         resd 2
situation_now:   resd 1
instruction_now: resd 1
origin:          resd 1
behind:          resd 1
traps_wanted:    resd 1
at_nmi:          resd 1
other_cr4:       resd 1
other_cr0:       resd 1
ends:            resb 1
pending:         resb 1
end_guest
