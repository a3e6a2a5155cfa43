; Primitives that survive a fault (declared in base/hw.h). Each has exactly one instruction that may
; fault, and a line in the table below that says where to go on; kernel/traps.c looks it up.

section .text
bits 64

; bool hw_rdmsr_safe(uint32_t index: EDI, uint64_t *value: RSI)
global hw_rdmsr_safe
hw_rdmsr_safe:
        mov ecx, edi
rdmsr_at:
        rdmsr
        shl rdx, 32
        or rax, rdx
        mov [rsi], rax
        mov eax, 1
        ret

; bool hw_wrmsr_safe(uint32_t index: EDI, uint64_t value: RSI)
global hw_wrmsr_safe
hw_wrmsr_safe:
        mov ecx, edi
        mov eax, esi
        mov rdx, rsi
        shr rdx, 32
wrmsr_at:
        wrmsr
        mov eax, 1
        ret

; bool hw_xsetbv_safe(uint32_t index: EDI, uint64_t value: RSI)
global hw_xsetbv_safe
hw_xsetbv_safe:
        mov ecx, edi
        mov eax, esi
        mov rdx, rsi
        shr rdx, 32
xsetbv_at:
        xsetbv
        mov eax, 1
        ret

fault_fixup:
        xor eax, eax
        ret

section .rodata
align 8
global fault_fixups
global fault_fixup_count
fault_fixups:                           ; struct fault_fixup of kernel/traps.c
        dq rdmsr_at, fault_fixup
        dq wrmsr_at, fault_fixup
        dq xsetbv_at, fault_fixup
fault_fixup_count: dq ($ - fault_fixups) / 16
