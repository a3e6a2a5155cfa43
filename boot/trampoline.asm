; Where an AP begins: a page below 1 MiB that a SIPI names. The code is copied there, its parameters
; are filled in by kernel/smp.c, and after bring-up the page is given back byte for byte. All APs run
; it at once, so it writes nothing.
;
;   1. SIPI:        real mode, CS = page / 16, IP = 0; CR0.CD and NW are as INIT
;                   found them, and EBP keeps CR0
;   2. tp_long:     straight into long mode, on the host's tables (SDM vol. 3A, 9.8.5 "Initializing
;                   IA-32e Mode"; paging and protection may be switched on by one write)
;   3. ap_entry64:  at its own address in the image; RDI = this CPU's number, RSP = its stack,
;                   RSI = the CR0 that it came with
%include "asm_constants.inc"

section .rodata.trampoline progbits alloc noexec nowrite align=16
bits 16
global trampoline_start
global trampoline_end
global trampoline_parameters
trampoline_start:
        cli
        cld
        mov ebp, cr0
        mov ax, cs
        mov ds, ax
        o32 lgdt [tp_gdt_pointer - trampoline_start]
        mov eax, [tp_cr4 - trampoline_start]
        mov cr4, eax
        mov eax, [tp_cr3 - trampoline_start]
        mov cr3, eax
        mov ecx, X86_MSR_EFER
        mov eax, [tp_efer - trampoline_start]
        xor edx, edx
        wrmsr
        mov eax, [tp_cr0 - trampoline_start]
        mov cr0, eax
        jmp far dword [tp_long_pointer - trampoline_start]
bits 64
tp_long:  mov eax, X86_HOST_DS
        mov ds, eax
        mov es, eax
        mov ss, eax
        mov rax, [rel tp_entry]
        jmp rax

        align 8
tp_gdt:   dq 0, X86_GDT_CODE64, X86_GDT_DATA
tp_gdt_end:
        align 8
trampoline_parameters:                  ; struct trampoline_parameters of kernel/smp.c
tp_cr0:   dd 0
tp_cr3:   dd 0
tp_cr4:   dd 0
tp_efer:  dd 0
tp_entry: dq ap_entry64
tp_long_pointer:
        dd tp_long - trampoline_start     ; the page's address is added
        dw X86_HOST_CS
tp_gdt_pointer:
        dw tp_gdt_end - tp_gdt - 1
        dd tp_gdt - trampoline_start      ; the page's address is added
        align 8
trampoline_end:

; Find our number by our APIC id, take our stack, and go on in C. An id that is not in the list was
; not started by us: such a CPU halts for good.
extern smp_apic_ids
extern smp_cpu_count
extern smp_ap_main
section .text
ap_entry64:
        xor edi, edi
        mov eax, 0
        cpuid
        cmp eax, 0xB
        jb .leaf1
        mov eax, 0xB
        xor ecx, ecx
        cpuid
        test bx, bx
        jnz .search
.leaf1: mov eax, 1
        cpuid
        mov edx, ebx
        shr edx, 24
.search:
        mov r8, smp_apic_ids
        mov r9, smp_cpu_count
        mov ecx, [r9]
.next:  cmp edi, ecx
        jae .stranger
        cmp [r8 + rdi * 4], edx
        je .found
        inc edi
        jmp .next
.found: mov eax, edi
        imul rax, rax, X86_SLOT_BYTES
        mov rsp, X86_CPU_BASE + X86_SLOT_STACK_TOP
        add rsp, rax
        mov esi, ebp
        xor ebp, ebp
        call smp_ap_main
.stranger:
        cli
        hlt
        jmp .stranger
