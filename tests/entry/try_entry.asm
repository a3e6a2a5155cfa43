; unsigned try_entry(void): VMLAUNCH with the current VMCS, whose HOST_RIP is try_exit. 0: the guest
; was entered, or its state was refused, and a VM exit came back; 1: VMfailInvalid; 2: VMfailValid.
; HOST_RSP is not relied on.
bits 64
section .bss
stack:  resq 1

section .text
global try_entry
try_entry:
        push rbx
        push rbp
        push r12
        push r13
        push r14
        push r15
        mov [stack], rsp
        vmlaunch
        mov eax, 1                      ; the moves leave the flags alone
        jc try_out
        mov eax, 2
try_out:
        pop r15
        pop r14
        pop r13
        pop r12
        pop rbp
        pop rbx
        ret

global try_exit
try_exit:
        mov rsp, [stack]
        xor eax, eax
        jmp try_out
