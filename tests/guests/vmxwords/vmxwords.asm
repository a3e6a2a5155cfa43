; What the processor can do in VMX, as tests/data/vmx keeps it: `cpuid LEAF SUBLEAF EAX EBX ECX EDX` and
; `msr INDEX VALUE`, in hexadecimal; an MSR that is #GP has no line. In real mode, so that processors
; without long mode tell too. tests/data/vmx/record.py runs it without Orlop; above Orlop there is no
; VMX, and so but one MSR.
%define NAME "vmxwords"
%include "guest.inc"

section .text
bits 16
main:
    mov dword [13 * 4], general_protection ; segment 0
    mov esi, leaves
.leaf:
    mov edi, [esi]
    mov eax, edi
    and eax, 0xF0000000                 ; the range's first leaf tells the last one
    cpuid
    cmp edi, eax
    ja .next                            ; a hypervisor's range is not there: what else answers is lower
    mov eax, edi
    mov ecx, [esi + 4]
    cpuid
    mov ebp, [esi + 4]
    say NAME, ": cpuid ", x32, edi, " ", x32, ebp, " ", x32, eax, " ", x32, ebx, " ", x32, ecx, " ", x32, edx, nl
.next:
    add esi, 8
    cmp esi, leaves_end
    jb .leaf
    mov eax, 1
    cpuid
    test ecx, 1 << 5
    jz .none
    mov esi, msrs
.msr:
    movzx ecx, word [esi]
    mov byte [faulted], 0
    rdmsr
    cmp byte [faulted], 0
    jne .absent
    movzx ecx, word [esi]
    say NAME, ": msr ", x32, ecx, " ", x32, edx, x32, eax, nl
.absent:
    add esi, 2
    cmp esi, msrs_end
    jb .msr
.none:
    pass
    jmp power_off16

general_protection:
    mov byte [faulted], 1
    push bp
    mov bp, sp
    add word [bp + 2], 2                ; over RDMSR
    pop bp
    iret

section .data align=4
leaves: dd 0, 0, 1, 0, 7, 0, 0xD, 1, 0x40000000, 0, 0x80000000, 0, 0x80000001, 0, 0x80000008, 0
leaves_end:
msrs:
    dw 0x3A
%assign msr 0x480
%rep 0x14
    dw msr
    %assign msr msr + 1
%endrep
msrs_end:
section .bss
faulted: resb 1
end_guest
