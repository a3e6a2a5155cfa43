; Entry points of the exception vectors.
;
;   1. the processor saved SS, RSP, RFLAGS, CS, RIP and, for some vectors, an error code
;   2. the vector's stub adds a zero where there is no error code, and the vector's number
;   3. trap_common saves the fifteen other registers: struct trap_frame (kernel/traps.h)
;   4. trap_dispatch may change the frame; everything is put back from it
;
; GS stays as it is: host code always runs with the host's GS base (the VMCS loads it at each exit).

extern trap_dispatch

section .text
bits 64

%macro PUSH_ALL 0
        push rax
        push rbx
        push rcx
        push rdx
        push rbp
        push rsi
        push rdi
        push r8
        push r9
        push r10
        push r11
        push r12
        push r13
        push r14
        push r15
%endmacro

%macro POP_ALL 0
        pop r15
        pop r14
        pop r13
        pop r12
        pop r11
        pop r10
        pop r9
        pop r8
        pop rdi
        pop rsi
        pop rbp
        pop rdx
        pop rcx
        pop rbx
        pop rax
%endmacro

; Vectors whose frame holds an error code: SDM vol. 3A, table 6-1.
%define HAS_ERROR_CODE(v) ((v) == 8 || ((v) >= 10 && (v) <= 14) || (v) == 17 || (v) == 21)

        align 16
global trap_entries
trap_entries:
%assign vector 0
%rep 32
        align 16
    %if !HAS_ERROR_CODE(vector)
        push 0
    %endif
        push vector
        jmp near trap_common
    %assign vector vector + 1
%endrep

        align 16
trap_common:
        PUSH_ALL
        cld
        mov rdi, rsp
        mov rbp, rsp
        and rsp, -16
        call trap_dispatch
        mov rsp, rbp
        POP_ALL
        add rsp, 16                     ; vector and error code
        iretq

; void trap_unblock_nmi(void): NMIs stay blocked after an NMI until an IRET (SDM vol. 3A, 6.7.1
; "Handling Multiple NMIs"), and a VM exit for an NMI leaves them blocked too. Host code that runs on
; for long after one calls this.
global trap_unblock_nmi
trap_unblock_nmi:
        mov rax, rsp
        mov ecx, ss
        push rcx
        push rax
        pushfq
        mov ecx, cs
        push rcx
        lea rcx, [rel .done]
        push rcx
        iretq
.done:  ret
