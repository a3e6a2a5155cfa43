; VM exit and VM entry: the one path that every exit takes.
;
;   1. VM exit      loads RIP, RSP, CR0, CR3, CR4, segments, GS base, EFER, PAT, DR7 = 400h and
;                   DEBUGCTL = 0 from the VMCS (SDM vol. 3C, 28.5 "Loading Host State")
;   2. vmx_exit     pushes the fifteen other registers; RSP then points at struct vmx_cpu, below which
;                   the host's stack lies
;   3. C            handles the exit; it keeps rbp and r12 to r15, as every C function does
;   4. the way out  reloads what C may have changed, or, when `attention` says so, everything
;   5. VM entry     loads the guest's RIP, RSP, RFLAGS, control registers, segments from the VMCS
;
; FPU, XCR0, CR2, DR0-DR3, DR6, CR8 and the MSRs that the VMCS does not hold are never touched by the
; host: they stay the guest's all the time.
;
; The last look at `attention` comes before the registers are reloaded. An NMI between it and the VM
; entry would be noticed one exit late, so its handler moves RIP to the restart of that stretch
; (kernel/traps.c); pops leave the stored registers as they were, so all can be done again.
%include "asm_constants.inc"
%include "race_window.inc"

extern vmx_handle_exit
extern vmx_attend
extern vmx_entry_failed
extern vmx_count_ticks

section .text.hot
bits 64

%macro PUSH_GUEST 0                     ; struct guest_registers, from its end
        push r15
        push r14
        push r13
        push r12
        push rbp
        push r11
        push r10
        push r9
        push r8
        push rdi
        push rsi
        push rbx
        push rdx
        push rcx
        push rax
%endmacro

%macro POP_GUEST_CHANGED 0
        pop rax
        pop rcx
        pop rdx
        pop rbx
        pop rsi
        pop rdi
        pop r8
        pop r9
        pop r10
        pop r11
%endmacro

%macro POP_GUEST_KEPT 0
        pop rbp
        pop r12
        pop r13
        pop r14
        pop r15
%endmacro

        align 64
global vmx_exit
vmx_exit:
        PUSH_GUEST
        mov rdi, rsp
        call vmx_handle_exit
        cmp dword [gs:CPU_ATTENTION], 0
global vmx_fast_window
vmx_fast_window:                        ; an NMI from here on goes to vmx_restart_after_exit
        jne vmx_look_after_exit
        RACE_WINDOW 1
        POP_GUEST_CHANGED
        vmresume
global vmx_fast_window_end
vmx_fast_window_end:
        jmp vmx_failed

global vmx_restart_after_exit
vmx_restart_after_exit:
        mov rsp, [gs:CPU_VCPU]
vmx_look_after_exit:
        mov byte [rsp + VMX_LAUNCHED], 1
vmx_look:
        mov rdi, rsp
        call vmx_attend
        cmp dword [gs:CPU_ATTENTION], 0
global vmx_slow_window
vmx_slow_window:                        ; an NMI from here on goes to vmx_restart
        jne vmx_look
        cmp byte [rsp + VMX_LAUNCHED], 0 ; the pops leave the flags alone
        RACE_WINDOW 2
        POP_GUEST_CHANGED
        POP_GUEST_KEPT
        je .launch
        vmresume
        jmp vmx_failed
.launch:
        vmlaunch
global vmx_slow_window_end
vmx_slow_window_end:

; VMLAUNCH or VMRESUME went on here: it failed before any guest state was loaded (VMfailInvalid: CF,
; VMfailValid: ZF). The stored registers are still whole.
vmx_failed:
        mov rsp, [gs:CPU_VCPU]
        mov rdi, rsp
        setc sil
        movzx esi, sil
        call vmx_entry_failed
        ud2

global vmx_restart
vmx_restart:
        mov rsp, [gs:CPU_VCPU]
        jmp vmx_look

; void vmx_enter_guest(struct vmx_cpu *vcpu: RDI): the first entry. Never returns; all that lies on
; the stack is given up.
global vmx_enter_guest
vmx_enter_guest:
        mov rsp, rdi
        jmp vmx_look

; void vmx_idle(void): sleep until an NMI, unless there is something to look at. An NMI that comes
; between the look and the HLT would be slept over, so its handler goes on at vmx_idle_over.
global vmx_idle
vmx_idle:
        cmp dword [gs:CPU_ATTENTION], 0
global vmx_idle_window
vmx_idle_window:
        jne vmx_idle_over
        RACE_WINDOW 3
        hlt
global vmx_idle_over
vmx_idle_over:
        ret

; The exit stub under `exitcost`: the same, with the TSC read first and last. HOST_RIP points here
; instead, so the usual stub has not one instruction for it. The registers are stored before the TSC
; can be read, and reloaded after; the report that ends a run shows the mean of each reason (vmx/exit_fatal.c).
        align 64
global vmx_exit_measured
vmx_exit_measured:
        PUSH_GUEST
        rdtsc
        shl rdx, 32
        or rax, rdx
        mov [rsp + VMX_EXIT_STARTED], rax
        mov rdi, rsp
        call vmx_handle_exit
        rdtsc
        shl rdx, 32
        or rax, rdx
        mov rdi, rsp
        mov rsi, rax
        call vmx_count_ticks
        jmp vmx_restart_after_exit
