; Each feature bit of CPUID agrees with what its instruction does: #UD without the bit, and not with it
; (other faults are the operands'). And the sizes in leaf 0DH follow XCR0 and IA32_XSS, for each value that
; they take. A line a feature and a value; a run above Orlop prints the lines of the bare run, but for
; what Orlop hides. Left out are instructions that are another one where the feature is missing.
%define NAME "features"
%include "guest.inc"
%include "faults.inc"

UD          equ 6
IN_EAX      equ 0
IN_EBX      equ 1
IN_ECX      equ 2
IN_EDX      equ 3
MSR_XSS     equ 0xDA0
CR4_OSXMM   equ 1 << 10
CR4_FSGS    equ 1 << 16
CR4_KL      equ 1 << 19
CR4_PKE     equ 1 << 22
CR4_UINTR   equ 1 << 25
AREA        equ SCRATCH                 ; operands, on 64 bytes

; name, leaf, sub-leaf, register, bit, instruction; RAX, RCX, RDX are 0, RBX and RSI point to memory
%macro feature 6+
    [section .data]
%%name: db %1, 0
    __?SECT?__
    mov r12d, %2
    mov r13d, %3
    mov r14d, %4
    mov r15d, %5
    call has_feature
    xor eax, eax
    xor ecx, ecx
    xor edx, edx
    mov ebx, AREA
    mov esi, AREA
    attempt %6
    mov esi, %%name
    call report
%endmacro

section .text
bits 16
main:
    enter_long
    call idt_build
    call switch_on
    feature "SSE3 MONITOR", 1, 0, IN_ECX, 3, monitor
    feature "SMX", 1, 0, IN_ECX, 6, getsec
    feature "SSSE3", 1, 0, IN_ECX, 9, pabsb xmm0, xmm0
    feature "CMPXCHG16B", 1, 0, IN_ECX, 13, cmpxchg16b [rbx]
    feature "SSE4.1", 1, 0, IN_ECX, 19, pminsb xmm0, xmm0
    feature "SSE4.2", 1, 0, IN_ECX, 20, crc32 eax, ecx
    feature "MOVBE", 1, 0, IN_ECX, 22, movbe eax, [rbx]
    feature "AESNI", 1, 0, IN_ECX, 25, aesenc xmm0, xmm0
    feature "PCLMULQDQ", 1, 0, IN_ECX, 1, pclmulqdq xmm0, xmm0, 0
    feature "XSAVE", 1, 0, IN_ECX, 26, xgetbv
    feature "AVX", 1, 0, IN_ECX, 28, vxorps ymm0, ymm0, ymm0
    feature "RDRAND", 1, 0, IN_ECX, 30, rdrand eax
    feature "FSGSBASE", 7, 0, IN_EBX, 0, rdgsbase rax
    feature "SGX", 7, 0, IN_EBX, 2, encls
    feature "BMI1", 7, 0, IN_EBX, 3, andn eax, ecx, edx
    feature "AVX2", 7, 0, IN_EBX, 5, vpxor ymm0, ymm0, ymm0
    feature "BMI2", 7, 0, IN_EBX, 8, pdep eax, ecx, edx
    feature "INVPCID", 7, 0, IN_EBX, 10, {db 0x66, 0x0F, 0x38, 0x82, 0x03} ; RAX, [RBX]
    feature "RTM", 7, 0, IN_EBX, 11, xtest
    feature "AVX512F", 7, 0, IN_EBX, 16, {db 0x62, 0xF1, 0x7D, 0x48, 0xEF, 0xC0} ; VPXORD ZMM0, ZMM0, ZMM0
    feature "RDSEED", 7, 0, IN_EBX, 18, rdseed eax
    feature "ADX", 7, 0, IN_EBX, 19, adcx eax, ecx
    feature "SMAP", 7, 0, IN_EBX, 20, clac
    feature "CLFLUSHOPT", 7, 0, IN_EBX, 23, {db 0x66, 0x0F, 0xAE, 0x3B}
    feature "CLWB", 7, 0, IN_EBX, 24, {db 0x66, 0x0F, 0xAE, 0x33}
    feature "SHA", 7, 0, IN_EBX, 29, sha1nexte xmm0, xmm0
    feature "PKU", 7, 0, IN_ECX, 3, rdpkru
    feature "WAITPKG", 7, 0, IN_ECX, 5, {db 0x66, 0x0F, 0xAE, 0xF1} ; TPAUSE ECX
    feature "GFNI", 7, 0, IN_ECX, 8, {db 0x66, 0x0F, 0x38, 0xCF, 0xC0} ; GF2P8MULB XMM0, XMM0
    feature "RDPID", 7, 0, IN_ECX, 22, {db 0xF3, 0x0F, 0xC7, 0xF8} ; RAX
    feature "KL", 7, 0, IN_ECX, 23, {db 0xF3, 0x0F, 0x38, 0xDC, 0xC0} ; LOADIWKEY XMM0, XMM0
    feature "MOVDIRI", 7, 0, IN_ECX, 27, {db 0x0F, 0x38, 0xF9, 0x03} ; [RBX], EAX
    feature "MOVDIR64B", 7, 0, IN_ECX, 28, {db 0x66, 0x0F, 0x38, 0xF8, 0x1E} ; RBX, [RSI]
    feature "ENQCMD", 7, 0, IN_ECX, 29, {db 0xF2, 0x0F, 0x38, 0xF8, 0x1E} ; RBX, [RSI]
    feature "UINTR", 7, 0, IN_EDX, 5, {db 0xF3, 0x0F, 0x01, 0xEE} ; CLUI
    feature "SERIALIZE", 7, 0, IN_EDX, 14, {db 0x0F, 0x01, 0xE8}
    feature "TSXLDTRK", 7, 0, IN_EDX, 16, {db 0xF2, 0x0F, 0x01, 0xE9} ; XRESLDTRK
    feature "PCONFIG", 7, 0, IN_EDX, 18, {db 0x0F, 0x01, 0xC5}
    feature "HRESET", 7, 1, IN_EAX, 22, {db 0xF3, 0x0F, 0x3A, 0xF0, 0xC0, 0x00}
    feature "MSRLIST", 7, 1, IN_EAX, 27, {db 0xF3, 0x0F, 0x01, 0xC6} ; WRMSRLIST
    feature "WRMSRNS", 7, 1, IN_EAX, 19, {db 0x0F, 0x01, 0xC6}
    feature "USER_MSR", 7, 1, IN_EDX, 15, {db 0xF2, 0x0F, 0x38, 0xF8, 0xC1} ; URDMSR
    feature "PBNDKB", 7, 1, IN_EBX, 1, {db 0x0F, 0x01, 0xC7}
    feature "XSAVEOPT", 0xD, 1, IN_EAX, 0, xsaveopt [rbx]
    feature "XSAVEC", 0xD, 1, IN_EAX, 1, xsavec [rbx]
    feature "XSAVES", 0xD, 1, IN_EAX, 3, xsaves [rbx]
    feature "PTWRITE", 0x14, 0, IN_EBX, 4, {db 0xF3, 0x0F, 0xAE, 0xE0} ; EAX
    feature "LAHF", 0x80000001, 0, IN_ECX, 0, lahf
    feature "LZCNT POPCNT", 1, 0, IN_ECX, 23, popcnt eax, ecx
    feature "RDTSCP", 0x80000001, 0, IN_EDX, 27, rdtscp
    feature "3DNow", 0x80000001, 0, IN_EDX, 31, {db 0x0F, 0x0F, 0xC0, 0x9E} ; PFADD MM0, MM0
    call states
    cmp dword [differ], 0
    jne .end
    pass
.end:
    jmp power_off64

; What the instructions need of CR4 and XCR0.
switch_on:
    mov rax, cr4
    or eax, CR4_OSFXSR | CR4_OSXMM
    mov cr4, rax
%macro cr4_with 6                       ; leaf, sub-leaf, register, bit, CR4's bits, label
    mov r12d, %1
    mov r13d, %2
    mov r14d, %3
    mov r15d, %4
    call has_feature
    jnc %6
    mov rax, cr4
    or eax, %5
    attempt mov cr4, rax
%6:
%endmacro
    cr4_with 7, 0, IN_EBX, 0, CR4_FSGS, .no_fsgsbase
    cr4_with 7, 0, IN_ECX, 3, CR4_PKE, .no_pku
    cr4_with 7, 0, IN_ECX, 23, CR4_KL, .no_kl
    cr4_with 7, 0, IN_EDX, 5, CR4_UINTR, .no_uintr
    cr4_with 1, 0, IN_ECX, 26, CR4_OSXSAVE, .no_xsave
    bt dword [found], 0
    jnc .done
    mov eax, 0xD
    xor ecx, ecx
    cpuid
    mov [xcr0], eax
    xor edx, edx
    xor ecx, ecx
    attempt xsetbv
.done:
    ret

; R12D, R13D, R14D, R15D = leaf, sub-leaf, register, bit: CF and [found]. A leaf that is not there has none.
has_feature:
    mov dword [found], 0
    mov eax, r12d
    and eax, 0x80000000
    cpuid
    cmp r12d, eax
    ja .none
    cmp r12d, 7
    jne .ask
    mov eax, 7
    xor ecx, ecx
    cpuid
    cmp r13d, eax
    ja .none
.ask:
    mov eax, r12d
    mov ecx, r13d
    cpuid
    mov [answer], eax
    mov [answer + 4], ebx
    mov [answer + 8], ecx
    mov [answer + 12], edx
    bt [answer + r14 * 4], r15d
    jnc .none
    mov dword [found], 1
    ret
.none:
    clc
    ret

; ESI = name
report:
    say NAME, ": "
    call print_string64
    say " bit ", dec, [found], " vector ", x32, [fault_vector]
    cmp dword [fault_vector], UD
    setne al
    cmp al, [found]
    je .agrees
    say " FAIL: they differ"
    inc dword [differ]
.agrees:
    say nl
    ret

; Every value below 400h that XCR0 takes, then with each bit of IA32_XSS that is taken.
states:
    cmp dword [xcr0], 0
    je .done
    xor r12d, r12d
.value:
    xor ecx, ecx
    xor edx, edx
    mov eax, r12d
    attempt xsetbv
    cmp dword [fault_vector], NO_FAULT
    jne .next
    call sizes
.next:
    inc r12d
    cmp r12d, 0x400
    jb .value
    mov r12d, 0xD
    mov r13d, 1
    mov r14d, IN_EAX
    mov r15d, 3
    call has_feature
    jnc .done
    mov r15d, [answer + 8]              ; what IA32_XSS has
    mov r12d, [xcr0]
    xor ecx, ecx
    xor edx, edx
    mov eax, r12d
    attempt xsetbv
    xor r14d, r14d
.xss:
    mov ecx, MSR_XSS
    xor edx, edx
    xor eax, eax
    bts eax, r14d
    test eax, r15d
    jz .next_xss
    attempt wrmsr
    cmp dword [fault_vector], NO_FAULT
    jne .next_xss
    say NAME, ": IA32_XSS bit ", dec, r14d, nl
    call sizes
.next_xss:
    inc r14d
    cmp r14d, 32
    jb .xss
    mov ecx, MSR_XSS
    xor eax, eax
    xor edx, edx
    wrmsr
.done:
    ret

sizes:
    mov eax, 0xD
    xor ecx, ecx
    cpuid
    mov [answer], ebx
    mov eax, 0xD
    mov ecx, 1
    cpuid
    say NAME, ": XCR0 ", x32, r12d, " bytes ", x32, [answer], " compacted ", x32, ebx, nl
    ret

section .bss
alignb 8
answer:  resd 4
found:   resd 1
differ:  resd 1
xcr0:    resd 1
end_guest
