; The last steps of a CPU out of VMX (vmx/unload.c): code that runs on a page of the guest's, at the
; linear address that the guest gave, which Orlop's tables and the guest's map alike. VMX is off already.
;
;   1. Orlop's tables with that page: the guest's CR4, its CR0 without WP, its GDTR and IDTR
;   2. CR3: from here on the guest's tables, and nothing of Orlop's in the TLB; NMIs are blocked since vmx/unload.c, until the IRET
;   3. EFER, which NX of Orlop's tables forbade; TR, whose descriptor is busy; the other segments
;   4. CR0, debug registers, the general registers, and IRET to behind the VMCALL
%include "asm_constants.inc"

%define AT(field) [rel vmx_leave_page + LEAVE_STATE + LEAVE_ %+ field]
%macro WRITE_MSR 2
        mov ecx, %1
        mov eax, AT(%2)
        mov edx, [rel vmx_leave_page + LEAVE_STATE + LEAVE_ %+ %2 + 4]
        wrmsr
%endmacro

section .text
bits 64

; void vmx_leave(uint64_t cr3: RDI, uint64_t page: RSI): never returns.
global vmx_leave
vmx_leave:
        mov cr3, rdi
        jmp rsi

global vmx_leave_page
vmx_leave_page:
        lea rsp, [rel vmx_leave_page + LEAVE_PAGE]
        mov rax, AT(CR4)
        mov cr4, rax
        mov rax, AT(CR0)
        btr rax, 16                     ; WP
        mov cr0, rax
        lgdt AT(GDTR)
        lidt AT(IDTR)
        mov rax, AT(CR3)
        mov cr3, rax
        mov rax, AT(CR4)                ; all PCIDs and global pages: SDM vol. 3A, 4.10.4.1
        btc rax, 7                      ; PGE
        mov cr4, rax
        mov rax, AT(CR4)
        mov cr4, rax

        WRITE_MSR X86_MSR_EFER, EFER
        movzx eax, word AT(TR)
        test eax, eax
        jz .no_task
        mov rdx, [rel vmx_leave_page + LEAVE_STATE + LEAVE_GDTR + 2]
        mov ecx, eax
        and ecx, ~7
        and byte [rdx + rcx + 5], ~2    ; available again
        ltr ax
.no_task:
        lldt AT(LDTR)
%macro LOAD_SEGMENT 2
        mov eax, AT(%2)
        mov %1, eax
%endmacro
        LOAD_SEGMENT ds, DS
        LOAD_SEGMENT es, ES
        LOAD_SEGMENT fs, FS
        LOAD_SEGMENT gs, GS
        WRITE_MSR X86_MSR_FS_BASE, FS_BASE
        WRITE_MSR X86_MSR_GS_BASE, GS_BASE

        mov rax, AT(CR0)
        mov cr0, rax
        mov rax, AT(DR7)
        mov dr7, rax
        push qword AT(SS)
        push qword AT(RSP)
        push qword AT(RFLAGS)
        push qword AT(CS)
        push qword AT(RIP)
%macro LOAD 2
        mov %1, [rel vmx_leave_page + LEAVE_STATE + LEAVE_REGISTERS + 8 * %2]
%endmacro
        LOAD rcx, 1                     ; the order of vcpu/registers.h
        LOAD rdx, 2
        LOAD rbx, 3
        LOAD rsi, 4
        LOAD rdi, 5
        LOAD r8, 6
        LOAD r9, 7
        LOAD r10, 8
        LOAD r11, 9
        LOAD rbp, 10
        LOAD r12, 11
        LOAD r13, 12
        LOAD r14, 13
        LOAD r15, 14
        xor eax, eax                    ; the call's result
        iretq
global vmx_leave_page_end
vmx_leave_page_end:
