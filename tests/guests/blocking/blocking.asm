; Where an instruction that exits ends, everything is as behind any other instruction: TF's trap, the
; ends of STI and MOV SS blocking, breakpoints, RF, and the wrap of EIP and IP. Each line shows what
; was seen: the sequence of events, each with its place (bytes behind the label `cpuid_at`; the
; instruction CPUID has 2) and DR6. A run above Orlop prints the lines of the bare run. What the
; manual fixes is judged here as well.
%define NAME "blocking"
%include "guest.inc"
%include "faults.inc"
%include "acpi.inc"
%include "apic.inc"
%include "delay.inc"

DR6_CLEAR   equ 0xFFFF0FF0
IRQ_VECTOR  equ 0x40
MAX_EVENTS  equ 8

section .text
bits 16
main:
    call real_mode_trap
    call real_mode_wrap
    enter_long
    call idt_build
    mov eax, 1
    mov edx, on_debug
    call idt_set_gate
    call acpi_read
    call trap_after_cpuid
    call trap_after_two
    call trap_after_msr
    call breakpoint_behind
    call breakpoint_on_and_behind
    call resume_flag_by_iret
    call mov_ss_and_trap
    call mov_ss_and_data_breakpoint
    call mov_ss_and_breakpoint
    call sti_and_interrupt
    call sti_and_trap
    call cli_and_pending
    call faults_push_rf
    leave_long
    mov si, wrap_32
    call protected_wrap
    mov si, wrap_16
    call protected_wrap
    cmp byte [failures], 0
    jne .failed
    pass
.failed:
    jmp power_off16

; ---- recording ---------------------------------------------------------------------------------
; Event: letter (D = #DB, I = interrupt, G = #GP ...), place, DR6, RFLAGS as pushed.
struc event
    .kind:  resd 1
    .place: resd 1
    .dr6:   resd 1
    .flags: resd 1
endstruc

bits 64
; Stack: RIP, CS, RFLAGS. Notes the event and clears TF once [traps_wanted] have come; a fault on a
; breakpoint is passed by RF.
on_debug:
    push rax
    push rcx
    push rdx
    mov ecx, [events]
    cmp ecx, MAX_EVENTS
    jae .full
    inc dword [events]
    shl ecx, 4
    add ecx, event_list
    mov dword [rcx + event.kind], 'D'
    mov eax, [rsp + 24]
    sub eax, [origin]
    mov [rcx + event.place], eax
    mov rax, dr6
    mov [rcx + event.dr6], eax
    mov eax, [rsp + 40]
    mov [rcx + event.flags], eax
    mov eax, DR6_CLEAR
    mov dr6, rax
.full:
    dec dword [traps_wanted]
    jg .keep
    and dword [rsp + 40], ~RFLAGS_TF
.keep:
    or dword [rsp + 40], RFLAGS_RF
    pop rdx
    pop rcx
    pop rax
    iretq

on_interrupt:
    push rax
    push rcx
    mov ecx, [events]
    cmp ecx, MAX_EVENTS
    jae .full
    inc dword [events]
    shl ecx, 4
    add ecx, event_list
    mov dword [rcx + event.kind], 'I'
    mov eax, [rsp + 16]
    sub eax, [origin]
    mov [rcx + event.place], eax
    mov dword [rcx + event.dr6], 0
    mov eax, [rsp + 32]
    mov [rcx + event.flags], eax
.full:
    mov eax, [apic_base]
    mov dword [rax + APIC_EOI], 0
    pop rcx
    pop rax
    iretq

; EAX = address of cpuid_at, ECX = traps wanted. Keeps nothing but RSP.
record:
    mov [origin], eax
    mov [traps_wanted], ecx
    mov dword [events], 0
    mov eax, DR6_CLEAR
    mov dr6, rax
    ret

; %1 = name; prints the events. After it EBX = the list, ECX = the number.
%macro show 1
    xor eax, eax
    mov dr7, rax
    say "blocking: ", %1
    call show_events
%endmacro
show_events:
    xor ebp, ebp
    mov ebx, event_list
.next:
    cmp ebp, [events]
    jae .done
    mov al, [rbx + event.kind]
    say " "
    call print_char64
    say " +", dec, [rbx + event.place]
    cmp dword [rbx + event.kind], 'D'
    jne .flags
    say " dr6=", x32, [rbx + event.dr6]
.flags:
    mov eax, [rbx + event.flags]
    and eax, RFLAGS_TF | RFLAGS_IF | RFLAGS_RF
    say " flags=", x32, eax, ";"
    add ebx, event_size
    inc ebp
    jmp .next
.done:
    say " events=", dec, [events], nl
    mov ebx, event_list
    mov ecx, [events]
    ret

; %1 = number of events, then pairs of place and DR6's low 16 bits (0 for an interrupt)
%macro must_be 1-*
    cmp dword [events], %1
    jne %%wrong
    %assign %%i 0
    %rotate 1
    %rep (%0 - 1) / 2
        cmp dword [event_list + %%i * event_size + event.place], %1
        jne %%wrong
        cmp word [event_list + %%i * event_size + event.dr6], %2
        jne %%wrong
        %rotate 2
        %assign %%i %%i + 1
    %endrep
    jmp %%right
%%wrong:
    call judge_failed
%%right:
%endmacro
judge_failed:
    fail "the line above"
    inc byte [failures]
    ret

%macro set_trap_flag 0
    pushfq
    or dword [rsp], RFLAGS_TF
    popfq
%endmacro
; DRn = address, R/W and LEN of breakpoint n in DR7's upper half
%macro breakpoint 3                     ; n, address, type (0 = execution, 0Fh = 4 bytes read or written)
    mov eax, %2
    mov dr%1, rax
    mov rax, dr7
    or eax, 0x300 | 2 << (%1 * 2) | %3 << (16 + %1 * 4)
    mov dr7, rax
%endmacro

; ---- traps and breakpoints ---------------------------------------------------------------------
trap_after_cpuid:
    mov eax, .cpuid_at
    mov ecx, 1
    call record
    xor eax, eax
    set_trap_flag
.cpuid_at:
    cpuid
    nop
    nop
    show "TF, CPUID"
    must_be 1, 2, 0x4FF0
    ret

trap_after_two:
    mov eax, .cpuid_at
    mov ecx, 3
    call record
    xor eax, eax
    set_trap_flag
.cpuid_at:
    cpuid
    cpuid
    nop
    nop
    show "TF, CPUID, CPUID, NOP"
    must_be 3, 2, 0x4FF0, 4, 0x4FF0, 5, 0x4FF0
    ret

; TF over RDMSR and WRMSR of a guarded MSR, which exit by other ways.
trap_after_msr:
    mov eax, .cpuid_at
    mov ecx, 2
    call record
    mov ecx, MSR_APIC_BASE
    set_trap_flag
.cpuid_at:
    rdmsr
    wrmsr
    nop
    show "TF, RDMSR, WRMSR of APIC_BASE"
    must_be 2, 2, 0x4FF0, 4, 0x4FF0
    ret

breakpoint_behind:
    mov eax, .cpuid_at
    xor ecx, ecx
    call record
    breakpoint 0, .cpuid_at + 2, 0
    xor eax, eax
.cpuid_at:
    cpuid
    nop
    show "CPUID, breakpoint behind it"
    must_be 1, 2, 0x0FF1
    ret

; The first fault is passed by RF, which CPUID must clear: else the second one is lost.
breakpoint_on_and_behind:
    mov eax, .cpuid_at
    xor ecx, ecx
    call record
    breakpoint 1, .cpuid_at, 0
    breakpoint 2, .cpuid_at + 2, 0
    xor eax, eax
.cpuid_at:
    cpuid
    nop
    show "breakpoints on CPUID and behind it"
    must_be 2, 0, 0x0FF2, 2, 0x0FF4
    ret

; RF set by IRET alone, without a fault before.
resume_flag_by_iret:
    mov eax, .cpuid_at
    xor ecx, ecx
    call record
    breakpoint 0, .cpuid_at, 0
    breakpoint 3, .cpuid_at + 2, 0
    mov rdx, rsp
    push DATA32
    push rdx
    push RFLAGS_RF | 2
    push CODE64
    push .cpuid_at
    xor eax, eax
    iretq
.cpuid_at:
    cpuid
    nop
    show "IRET with RF to CPUID, breakpoints on and behind it"
    must_be 1, 2, 0x0FF8
    ret

; ---- MOV SS ------------------------------------------------------------------------------------
mov_ss_and_trap:
    mov eax, .cpuid_at
    mov ecx, 1
    call record
    xor eax, eax
    mov ecx, DATA32
    set_trap_flag
    mov ss, ecx
.cpuid_at:
    cpuid
    nop
    nop
    show "TF, MOV SS, CPUID"
    must_be 1, 2, 0x4FF0
    ret

mov_ss_and_data_breakpoint:
    mov dword [selector], DATA32
    mov eax, .cpuid_at
    xor ecx, ecx
    call record
    breakpoint 0, selector, 0xF
    xor eax, eax
    mov ss, [selector]
.cpuid_at:
    cpuid
    nop
    nop
    show "MOV SS through a data breakpoint, CPUID"
    ret

mov_ss_and_breakpoint:
    mov eax, .cpuid_at
    xor ecx, ecx
    call record
    breakpoint 0, .cpuid_at + 2, 0
    xor eax, eax
    mov ecx, DATA32
    mov ss, ecx
.cpuid_at:
    cpuid
    nop
    show "MOV SS, CPUID, breakpoint behind it"
    must_be 1, 2, 0x0FF1
    ret

; ---- STI ---------------------------------------------------------------------------------------
; A fixed interrupt to this CPU is pending in its APIC, the PICs are masked.
interrupt_pend:
    in al, 0x21
    mov [pic_masks], al
    in al, 0xA1
    mov [pic_masks + 1], al
    mov al, 0xFF
    out 0x21, al
    out 0xA1, al
    mov eax, IRQ_VECTOR
    mov edx, on_interrupt
    call idt_set_gate
    mov eax, [apic_base]
    mov ecx, [rax + APIC_SVR]
    mov [saved_svr], ecx
    or ecx, 0x1FF
    mov [rax + APIC_SVR], ecx
    mov ecx, [rax + APIC_TPR]
    mov [saved_tpr], ecx
    mov dword [rax + APIC_TPR], 0
    mov edi, [own_apic_id]
    mov esi, 0x4000 | IRQ_VECTOR
    call apic_send
    mov edi, 100
    jmp delay_us

interrupt_end:
    cli
    mov eax, [apic_base]
    mov ecx, [saved_svr]
    mov [rax + APIC_SVR], ecx
    mov ecx, [saved_tpr]
    mov [rax + APIC_TPR], ecx
    mov al, [pic_masks]
    out 0x21, al
    mov al, [pic_masks + 1]
    out 0xA1, al
    ret

sti_and_interrupt:
    call apic_init
    jnc .usable
    skip "STI: the local APIC is off"
    ret
.usable:
    call interrupt_pend
    mov eax, .cpuid_at
    xor ecx, ecx
    call record
    xor eax, eax
    sti
.cpuid_at:
    cpuid
    nop
    nop
    nop
    cli
    show "STI, CPUID, interrupt pending"
    must_be 1, 2, 0
    jmp interrupt_end

; STI with TF: the trap comes after STI itself (STI does not block it), then the interrupt.
sti_and_trap:
    call apic_init
    jc .done
    call interrupt_pend
    mov eax, .cpuid_at
    mov ecx, 2
    call record
    xor eax, eax
    set_trap_flag
    sti
.cpuid_at:
    cpuid
    nop
    nop
    cli
    show "TF, STI, CPUID, interrupt pending"
    jmp interrupt_end
.done:
    ret

; With IF clear CPUID lets nothing in.
cli_and_pending:
    call apic_init
    jc .done
    call interrupt_pend
    mov eax, .cpuid_at
    xor ecx, ecx
    call record
    xor eax, eax
.cpuid_at:
    cpuid
    nop
    sti
    nop
    nop
    cli
    show "CPUID, NOP, STI, NOP, interrupt pending"
    must_be 1, 5, 0
    jmp interrupt_end
.done:
    ret

; ---- faults ------------------------------------------------------------------------------------
; %1 = its text, then the instruction. A fault pushes RFLAGS with RF set, so that the instruction may be
; tried again with a breakpoint on it.
%macro must_push_rf 2+
    attempt %2
    mov eax, [fault_flags]
    shr eax, 16
    and eax, 1
    say NAME, ": fault of ", %1, ": vector ", dec, [fault_vector], ", RF ", dec, eax, nl
    test eax, eax
    jnz %%right
    call judge_failed
%%right:
%endmacro
faults_push_rf:
    must_push_rf "VMXON", vmxon [rsp]
    must_push_rf "UD2", ud2
    mov ecx, 0x12345678             ; no MSR
    must_push_rf "RDMSR", rdmsr
    must_push_rf "WRMSR", wrmsr
    mov ecx, MSR_APIC_BASE
    mov eax, 0xFFFFFFFF
    mov edx, eax
    must_push_rf "WRMSR of reserved bits", wrmsr
    mov rax, cr4
    bts rax, 63
    must_push_rf "MOV to CR4", mov cr4, rax
    ret

; ---- real mode ---------------------------------------------------------------------------------
bits 16
; TF over CPUID through the IVT's vector 1.
real_mode_trap:
    push dword [1 * 4]
    mov dword [1 * 4], .handler
    mov dword [origin], .cpuid_at
    mov dword [events], 0
    mov eax, DR6_CLEAR
    mov dr6, eax
    xor eax, eax
    pushf
    pop dx
    or dx, RFLAGS_TF
    push dx
    popf
.cpuid_at:
    cpuid
    nop
    nop
    pop dword [1 * 4]
    say "blocking: real mode, TF, CPUID: place +", dec, [event_list + event.place], " dr6=", \
        x32, [event_list + event.dr6], " events=", dec, [events], nl
    cmp dword [events], 1
    jne .wrong
    cmp dword [event_list + event.place], 2
    jne .wrong
    cmp word [event_list + event.dr6], 0x4FF0
    je .done
.wrong:
    fail "the line above"
    inc byte [failures]
.done:
    ret
.handler:
    push bp
    mov bp, sp
    push eax
    inc dword [events]
    movzx eax, word [bp + 2]
    sub eax, [origin]
    mov [event_list + event.place], eax
    mov eax, dr6
    mov [event_list + event.dr6], eax
    and word [bp + 6], ~RFLAGS_TF
    pop eax
    pop bp
    iret

; CPUID in the last two bytes of a 64 KiB segment: IP goes on at 0, or there is a fault.
WRAP_SEGMENT equ 0x2000
real_mode_wrap:
    push dword [13 * 4]
    mov dword [13 * 4], .fault
    mov [saved_sp], sp
    mov ax, WRAP_SEGMENT
    mov es, ax
    mov word [es:0xFFFE], 0xA20F        ; cpuid
    mov byte [es:0], 0xEA               ; jmp 0:.wrapped
    mov dword [es:1], .wrapped
    xor ax, ax
    mov es, ax
    xor eax, eax
    jmp WRAP_SEGMENT:0xFFFE
.wrapped:
    say "blocking: real mode, CPUID at fffe: IP goes on at 0", nl
    jmp .end
.fault:
    mov bp, sp
    movzx eax, word [bp]
    movzx ecx, word [bp + 2]
    say "blocking: real mode, CPUID at fffe: fault at ", x16, ecx, ":", x16, eax, nl
.end:
    cli
    mov sp, [saved_sp]
    pop dword [13 * 4]
    ret

; ---- protected mode ----------------------------------------------------------------------------
; CPUID where the instruction pointer ends, and at the linear address behind that end a far jump back.
WRAP equ 0x28000
struc wrap
    .text:       resd 1
    .offset:     resd 1                 ; of CPUID in the segment
    .cpuid:      resd 1                 ; its linear address
    .next:       resd 1                 ; the linear address where it goes on at offset 0
    .code:       resd 1                 ; the jump back, 8 bytes
    .descriptor: resd 2
endstruc

bits 16
protected_wrap:
    mov [saved_sp], sp
    mov [wrap_now], si
    enter_protected
    call idt32_build
    mov ebp, [wrap_now]
    mov eax, [ebp + wrap.descriptor]
    mov [gdt_spare], eax
    mov eax, [ebp + wrap.descriptor + 4]
    mov [gdt_spare + 4], eax
    mov eax, [ebp + wrap.cpuid]
    mov word [eax], 0xA20F
    mov edi, [ebp + wrap.next]
    mov esi, [ebp + wrap.code]
    mov ecx, 8
    rep movsb
    mov eax, [ebp + wrap.offset]
    mov [wrap_target], eax
    mov word [wrap_target + 4], SPARE
    mov dword [wrap_vector], 0xFF
    xor eax, eax
    jmp far [wrap_target]
wrapped:
    mov ebp, [wrap_now]
    mov esi, [ebp + wrap.text]
    say "blocking: "
    call print_string32
    cmp dword [wrap_vector], 0xFF
    jne .fault
    say "goes on at 0", nl
    jmp .end
.fault:
    say "vector ", dec, [wrap_vector], " error ", dec, [wrap_error], " at ", x32, [wrap_eip], nl
.end:
    mov ebx, .real
    jmp protected_to_real
bits 16
.real:
    mov sp, [saved_sp]
    ret

bits 32
; Thirty-two gates to stubs that tell their vector.
idt32_build:
    xor ecx, ecx
.next:
    imul eax, ecx, IDT32_STUB_SIZE
    add eax, idt32_stubs
    or eax, CODE32 << 16
    mov [SCRATCH + ecx * 8], eax
    mov dword [SCRATCH + ecx * 8 + 4], 0x8E00
    inc ecx
    cmp ecx, 32
    jb .next
    lidt [idt32_pointer]
    ret

IDT32_STUB_SIZE equ 16
align 16
idt32_stubs:
%assign vector 0
%rep 32
    %if (FAULTS_WITH_ERROR >> vector) & 1 == 0
        push dword 0
    %endif
    push dword vector
    jmp near idt32_common
    align IDT32_STUB_SIZE
    %assign vector vector + 1
%endrep
idt32_common:
    pop dword [wrap_vector]
    pop dword [wrap_error]
    pop dword [wrap_eip]
    add esp, 8
    jmp wrapped

section .data align=8
; 32 bits: the segment's base makes fffffffeh the linear address WRAP. 16 bits: limit FFFFh.
%macro code_segment 2                   ; base, flags and upper limit
    dd 0xFFFF | ((%1) & 0xFFFF) << 16
    dd 0x9B00 | ((%1) >> 16) | %2
%endmacro
wrap_32:
    dd wrap_text_32, 0xFFFFFFFE, WRAP, WRAP + 2, back_from_32
    code_segment WRAP + 2, 0xCF0000
wrap_16:
    dd wrap_text_16, 0xFFFE, WRAP + 0xFFFE, WRAP, back_from_16
    code_segment WRAP, 0
back_from_32:
    db 0xEA
    dd wrapped
    dw CODE32
    db 0x90
back_from_16:
    db 0x66, 0xEA
    dd wrapped
    dw CODE32
idt32_pointer:
    dw 32 * 8 - 1
    dd SCRATCH
wrap_text_32: db "protected mode, CPUID at fffffffe: ", 0
wrap_text_16: db "16-bit protected mode, CPUID at fffe: ", 0

section .bss
alignb 16
event_list:   resb MAX_EVENTS * event_size
origin:       resd 1
events:       resd 1
traps_wanted: resd 1
selector:     resd 1
saved_svr:    resd 1
saved_tpr:    resd 1
wrap_vector:  resd 1
wrap_error:   resd 1
wrap_eip:     resd 1
wrap_target:  resd 1
              resw 1
wrap_now:     resd 1
saved_sp:     resw 1
pic_masks:    resb 2
failures:     resb 1
end_guest
