; Privileged instructions behave as on a bare CPU without VMX: guarded MSRs, XSETBV, CR0 and CR4 give
; the values and the faults of the manual, with error code 0 and RIP at the instruction; every VMX
; instruction and GETSEC is #UD; VMCALL without the signature or from ring 3 is #UD. Each check is a
; line, so that a run above Orlop can be laid beside a bare one. What only Orlop promises (or a bare
; CPU has by right, such as VMX) is not judged on the bare machine.
; Bochs must not run with ignore_bad_msrs=1; QEMU's TCG, which knows no bad MSR, is not for this guest.
%define NAME "msr"
%include "guest.inc"
%include "faults.inc"
%include "ring3.inc"
%include "hyper.inc"
%include "apic.inc"

UD equ 6
GP equ 13
EVERYWHERE equ 0
ORLOP_ONLY equ 1
NOTED      equ 2                        ; shown, never judged
MSR_FEATURE_CONTROL equ 0x3A

; name, EVERYWHERE or ORLOP_ONLY, expected vector or NO_FAULT, instruction
%macro check 4+
    attempt %4
    judge_now %1, %2, %3
%endmacro
%macro check_user 4+
    attempt_user %4
    judge_now %1, %2, %3
%endmacro
%macro judge_now 3
    [section .data]
%%name: db %1, 0
    __?SECT?__
    mov esi, %%name
    mov r8d, %2
    mov r9d, %3
    call judge
%endmacro
; name, scope: passes if ZF is set
%macro check_equal 2
    [section .data]
%%name: db %1, 0
    __?SECT?__
    sete r9b
    mov esi, %%name
    mov r8d, %2
    call judge_equal
%endmacro
%macro set64 1                          ; EDX:EAX = constant, upper halves dirty
    mov rdx, 0xFFFFFFFF00000000 | ((%1) >> 32)
    mov rax, 0xFFFFFFFF00000000 | ((%1) & 0xFFFFFFFF)
%endmacro
%macro check_read 4                     ; name, scope, vector, MSR
    mov rcx, 0xFFFFFFFF00000000 | %4
    mov rax, -1
    mov rdx, -1
    check %1, %2, %3, rdmsr
%endmacro
%macro check_write 5                    ; name, scope, vector, MSR, value
    mov rcx, 0xFFFFFFFF00000000 | %4
    set64 %5
    check %1, %2, %3, wrmsr
%endmacro
%macro check_rewrite 2                  ; name, MSR: what it reads may be written
    mov ecx, %2
    rdmsr
    check %1, EVERYWHERE, NO_FAULT, wrmsr
%endmacro

section .text
bits 16
main:
    enter_long
    call idt_build
    call ring3_init
    call orlop_detect
    mov rax, cr0
    mov [saved_cr0], rax
    mov rax, cr4
    mov [saved_cr4], rax
    cmp byte [under_orlop], 0
    jne .above
    skip "no Orlop below: what only Orlop promises is shown, not judged"
.above:
    call check_cpuid
    call check_msr_values
    call check_msr_faults
    call check_xsetbv
    call check_vmx_instructions
    call check_vmcall
    call check_cr4
    call check_cr0
    call check_invd
    cmp dword [failures], 0
    jne power_off64
    pass "checks=", dec, [checks]
    jmp power_off64

; ESI = name, R8D = scope, R9D = expected vector; the outcome as `attempt` left it. Keeps all.
judge:
    push rax
    push rbx
    inc dword [checks]
    say "msr: "
    call print_string64
    mov eax, [fault_vector]
    cmp eax, NO_FAULT
    jne .fault
    say ": no fault", nl
    jmp .compare
.fault:
    say ": vector ", dec, eax, " error ", dec, [fault_error]
    mov ebx, [fault_rip]
    sub ebx, [fault_expected_rip]
    say " rip +", dec, ebx, nl
    or ebx, [fault_error]
    jnz .wrong
.compare:
    cmp eax, r9d
    je .done
.wrong:
    call judge_wrong
.done:
    pop rbx
    pop rax
    ret

; ESI = name, R8D = scope, R9B = 1 if it holds.
judge_equal:
    inc dword [checks]
    say "msr: "
    call print_string64
    test r9b, r9b
    jz .wrong
    say ": yes", nl
    ret
.wrong:
    say ": no", nl
judge_wrong:
    cmp r8d, NOTED
    je .bare
    cmp r8d, ORLOP_ONLY
    jne .count
    cmp byte [under_orlop], 0
    je .bare
.count:
    fail "the line above"
    inc dword [failures]
.bare:
    ret

; Keeps RAX and RDX; ZF set if both upper halves are zero.
upper_halves_zero:
    push rax
    push rdx
    or rax, rdx
    shr rax, 32
    pop rdx
    pop rax
    ret

check_cpuid:
    mov eax, 1
    cpuid
    mov ebp, ecx
    bt ebp, 5
    setc al
    test al, al
    check_equal "CPUID hides VMX", ORLOP_ONLY
    bt ebp, 6
    setc al
    test al, al
    check_equal "CPUID hides SMX", ORLOP_ONLY
    mov eax, ebp
    shr eax, 31
    cmp eax, 1
    check_equal "CPUID shows a hypervisor", ORLOP_ONLY
    bt ebp, 26
    jnc .done
    mov rax, cr4
    or eax, CR4_OSXSAVE
    mov cr4, rax
    mov eax, 1
    cpuid
    shr ecx, 27
    and ecx, 1
    cmp ecx, 1
    check_equal "OSXSAVE follows CR4, set", EVERYWHERE
    mov rax, cr4
    and eax, ~CR4_OSXSAVE
    mov cr4, rax
    mov eax, 1
    cpuid
    bt ecx, 27
    setc al
    test al, al
    check_equal "OSXSAVE follows CR4, clear", EVERYWHERE
.done:
    mov rax, [saved_cr4]
    mov cr4, rax
    call apic_init
    jc .no_apic
    mov eax, 1
    cpuid
    shr ebx, 24
    cmp ebx, [own_apic_id]
    check_equal "CPUID tells the APIC id", EVERYWHERE
.no_apic:
    ret

check_msr_values:
    check_read "RDMSR IA32_FEATURE_CONTROL", ORLOP_ONLY, NO_FAULT, MSR_FEATURE_CONTROL
    mov ebp, eax
    call upper_halves_zero
    check_equal "RDMSR zero-extends EDX:EAX", EVERYWHERE
    cmp ebp, 1
    check_equal "IA32_FEATURE_CONTROL is 1", ORLOP_ONLY
    check_read "RDMSR IA32_APIC_BASE", EVERYWHERE, NO_FAULT, MSR_APIC_BASE
    check_read "RDMSR IA32_MISC_ENABLE", NOTED, NO_FAULT, 0x1A0
    check_read "RDMSR IA32_PAT", EVERYWHERE, NO_FAULT, 0x277
    check_rewrite "WRMSR IA32_APIC_BASE, same value", MSR_APIC_BASE
    check_rewrite "WRMSR IA32_MTRR_DEF_TYPE, same value", 0x2FF
    check_rewrite "WRMSR IA32_MTRR_FIX64K_00000, same value", 0x250
    check_rewrite "WRMSR IA32_EFER, same value", MSR_EFER
    check_rewrite "WRMSR IA32_PAT, same value", 0x277
    ret

check_msr_faults:
    check_write "WRMSR IA32_FEATURE_CONTROL", ORLOP_ONLY, GP, MSR_FEATURE_CONTROL, 5
%assign msr 0x480
%rep 0x12
    %assign tens 8 + (msr - 0x480) / 16
    %substr digit "0123456789abcdef" msr % 16 + 1
    %defstr tens_text tens
    %strcat vmx_name "RDMSR VMX capability 4", tens_text, digit, "h"
    check_read vmx_name, ORLOP_ONLY, GP, msr
    %assign msr msr + 1
%endrep
    check_write "WRMSR IA32_VMX_BASIC", EVERYWHERE, GP, 0x480, 0
    check_read "RDMSR 1fffh", EVERYWHERE, GP, 0x1FFF
    check_read "RDMSR 2000h", EVERYWHERE, GP, 0x2000
    check_write "WRMSR 2000h", EVERYWHERE, GP, 0x2000, 0
    check_read "RDMSR c0001fffh", EVERYWHERE, GP, 0xC0001FFF
    check_read "RDMSR c0002000h", EVERYWHERE, GP, 0xC0002000
    check_read "RDMSR 40000000h", EVERYWHERE, GP, 0x40000000
    check_read "RDMSR deadbeefh", EVERYWHERE, GP, 0xDEADBEEF
    check_write "WRMSR deadbeefh", EVERYWHERE, GP, 0xDEADBEEF, 0x123456789
    check_write "WRMSR IA32_EFER, bit 2", EVERYWHERE, GP, MSR_EFER, 0x504
    check_write "WRMSR IA32_EFER, bit 63", EVERYWHERE, GP, MSR_EFER, 0x8000000000000500
    check_write "WRMSR IA32_EFER, LME off while paging", EVERYWHERE, GP, MSR_EFER, 0x400
    mov ecx, MSR_EFER
    rdmsr
    cmp eax, 0x500
    check_equal "IA32_EFER is unchanged", EVERYWHERE
    mov ecx, MSR_APIC_BASE
    rdmsr
    or eax, 1
    check "WRMSR IA32_APIC_BASE, bit 0", EVERYWHERE, GP, wrmsr
    check_write "WRMSR IA32_PAT, type 2", EVERYWHERE, GP, 0x277, 0x0007040600070402
    check_write "WRMSR IA32_MTRR_DEF_TYPE, type 2", EVERYWHERE, GP, 0x2FF, 0xC02
    check_write "WRMSR IA32_MTRR_DEF_TYPE, bit 63", EVERYWHERE, GP, 0x2FF, 0x8000000000000C06
    check_write "WRMSR IA32_LSTAR, not canonical", EVERYWHERE, GP, 0xC0000082, 0x123456789ABCDEF0
    check_write "WRMSR IA32_KERNEL_GS_BASE, not canonical", EVERYWHERE, GP, 0xC0000102, \
                0x123456789ABCDEF0
    check_write "WRMSR IA32_SYSENTER_EIP, not canonical", EVERYWHERE, GP, 0x176, 0x123456789ABCDEF0
    mov ecx, MSR_FEATURE_CONTROL
    check_user "RDMSR in ring 3", EVERYWHERE, GP, rdmsr
    ret

check_xsetbv:
    mov eax, 1
    cpuid
    bt ecx, 26
    jc .has
    skip "XSETBV: no XSAVE"
    ret
.has:
    xor ecx, ecx
    xor edx, edx
    mov eax, 1
    check "XSETBV, CR4.OSXSAVE clear", EVERYWHERE, UD, xsetbv
    mov rax, cr4
    or eax, CR4_OSXSAVE
    mov cr4, rax
%macro check_xcr0 3                     ; name, vector, value
    set64 %3
    mov rcx, 0xFFFFFFFF00000000
    check %1, EVERYWHERE, %2, xsetbv
%endmacro
    check_xcr0 "XSETBV x87", NO_FAULT, 1
    check_xcr0 "XSETBV x87, SSE", NO_FAULT, 3
    check_xcr0 "XSETBV without x87", GP, 2
    check_xcr0 "XSETBV AVX without SSE", GP, 5
    check_xcr0 "XSETBV opmask without ZMM", GP, 0x27
    check_xcr0 "XSETBV bit 8, which is of IA32_XSS", GP, 0x103
    check_xcr0 "XSETBV bit 63", GP, 0x8000000000000003
    set64 3
    mov ecx, 1
    check "XSETBV register 1", EVERYWHERE, GP, xsetbv
    xor ecx, ecx
    xgetbv
    cmp eax, 3
    check_equal "XCR0 is unchanged by the faults", EVERYWHERE
    set64 1
    xor ecx, ecx
    check_user "XSETBV in ring 3", EVERYWHERE, GP, xsetbv
    mov rax, [saved_cr4]
    mov cr4, rax
    ret

check_vmx_instructions:
    mov ebx, operand
    mov eax, 1
    check "VMXON", EVERYWHERE, UD, vmxon [rbx]
    check "VMXOFF", EVERYWHERE, UD, vmxoff
    check "VMCLEAR", EVERYWHERE, UD, vmclear [rbx]
    check "VMPTRLD", EVERYWHERE, UD, vmptrld [rbx]
    check "VMPTRST", EVERYWHERE, UD, vmptrst [rbx]
    check "VMREAD", EVERYWHERE, UD, vmread rcx, rax
    check "VMREAD to memory", EVERYWHERE, UD, vmread [rbx], rax
    check "VMWRITE", EVERYWHERE, UD, vmwrite rax, rcx
    check "VMLAUNCH", EVERYWHERE, UD, vmlaunch
    check "VMRESUME", EVERYWHERE, UD, vmresume
    check "INVEPT", EVERYWHERE, UD, invept rax, [rbx]
    check "INVVPID", EVERYWHERE, UD, invvpid rax, [rbx]
    xor eax, eax
    xor ecx, ecx
    check "VMFUNC", EVERYWHERE, UD, vmfunc
    xor eax, eax
    check "GETSEC", EVERYWHERE, UD, getsec
    check_user "VMXOFF in ring 3", EVERYWHERE, UD, vmxoff
    check_user "VMLAUNCH in ring 3", EVERYWHERE, UD, vmlaunch
    ret

check_vmcall:
    mov eax, ORLOP_CALL_VERSION
    xor ebx, ebx
    check "VMCALL without the signature", EVERYWHERE, UD, vmcall
    mov eax, ORLOP_CALL_VERSION
    mov rbx, ORLOP_CALL_SIGNATURE + 1
    check "VMCALL with a wrong signature", EVERYWHERE, UD, vmcall
    mov eax, ORLOP_CALL_VERSION
    mov ebx, ORLOP_CALL_SIGNATURE & 0xFFFFFFFF
    check "VMCALL with the lower half of the signature", EVERYWHERE, UD, vmcall
    mov eax, ORLOP_CALL_VERSION
    mov rbx, ORLOP_CALL_SIGNATURE
    check_user "VMCALL in ring 3", EVERYWHERE, UD, vmcall
    mov eax, ORLOP_CALL_VERSION
    mov rbx, ORLOP_CALL_SIGNATURE
    check "VMCALL version", ORLOP_ONLY, NO_FAULT, vmcall
    mov ebp, eax
    mov eax, ORLOP_CPUID_BASE + 1
    cpuid
    cmp eax, ebp
    check_equal "VMCALL and CPUID agree on the version", ORLOP_ONLY
    mov eax, 0x7FFFFFFF
    mov rbx, ORLOP_CALL_SIGNATURE
    check "VMCALL of an unknown number", ORLOP_ONLY, NO_FAULT, vmcall
    cmp rax, -1
    check_equal "VMCALL of an unknown number gives -1", ORLOP_ONLY
    ret

; %1 = name, %2 = scope, %3 = vector, %4 = CR0 or CR4, %5 = bits set, %6 = bits cleared
%macro check_cr 6
    mov rax, %5
    or rax, [saved_%4]
    mov rcx, %6
    not rcx
    and rax, rcx
    mov [written], rax
    check %1, %2, %3, mov %4, rax
    mov rbp, %4
    mov rax, [saved_%4]
    mov %4, rax
%endmacro

check_cr4:
    check_cr "CR4.VMXE set", ORLOP_ONLY, GP, cr4, CR4_VMXE, 0
    cmp rbp, [saved_cr4]
    check_equal "CR4 is unchanged by it", ORLOP_ONLY
    check_cr "CR4.SMXE set", ORLOP_ONLY, GP, cr4, CR4_SMXE, 0
    check_cr "CR4.PAE cleared in long mode", EVERYWHERE, GP, cr4, 0, CR4_PAE
    check_cr "CR4 bit 31", EVERYWHERE, GP, cr4, 1 << 31, 0
    check_cr "CR4 bit 63", EVERYWHERE, GP, cr4, 1 << 63, 0
    check_cr "CR4.PGE and DE", EVERYWHERE, NO_FAULT, cr4, 0x88, 0
    cmp rbp, [written]
    check_equal "CR4 reads as written", EVERYWHERE
    ret

check_cr0:
    check_cr "CR0.PG without PE", EVERYWHERE, GP, cr0, 0, 1
    check_cr "CR0.PG cleared in 64-bit mode", EVERYWHERE, GP, cr0, 0, 1 << 31
    check_cr "CR0.NW without CD", EVERYWHERE, GP, cr0, 1 << 29, 1 << 30
    check_cr "CR0 bit 32", EVERYWHERE, GP, cr0, 1 << 32, 0
    check_cr "CR0.CD and NW set", EVERYWHERE, NO_FAULT, cr0, 3 << 29, 0
    cmp rbp, [written]
    check_equal "CR0 reads as written", EVERYWHERE
    check_cr "CR0.CD set, NW clear", EVERYWHERE, NO_FAULT, cr0, 1 << 30, 1 << 29
    cmp rbp, [written]
    check_equal "CR0 reads as written, CD alone", EVERYWHERE
    check_cr "CR0.CD and NW clear", EVERYWHERE, NO_FAULT, cr0, 0, 3 << 29
    cmp rbp, [written]
    check_equal "CR0 reads as written, both clear", EVERYWHERE
    check_cr "CR0.NE set", EVERYWHERE, NO_FAULT, cr0, 1 << 5, 0
    cmp rbp, [written]
    check_equal "CR0 reads as written, NE set", EVERYWHERE
    check_cr "CR0.NE clear", EVERYWHERE, NO_FAULT, cr0, 0, 1 << 5
    cmp rbp, [written]
    check_equal "CR0 reads as written, NE clear", EVERYWHERE
    check_cr "CR0.WP, AM, TS set", EVERYWHERE, NO_FAULT, cr0, 1 << 16 | 1 << 18 | 8, 0
    cmp rbp, [written]
    check_equal "CR0 reads as written, WP, AM, TS", EVERYWHERE
    check_user "MOV CR0 in ring 3", EVERYWHERE, GP, mov cr0, rax
    ret

; On a bare machine INVD throws away what the caches hold: only Orlop is asked.
check_invd:
    check_user "INVD in ring 3", EVERYWHERE, GP, invd
    cmp byte [under_orlop], 0
    je .skip
    mov rax, 0x1122334455667788
    mov [operand], rax
    check "INVD", ORLOP_ONLY, NO_FAULT, invd
    mov rax, 0x1122334455667788
    cmp [operand], rax
    check_equal "INVD loses nothing", ORLOP_ONLY
    ret
.skip:
    skip "INVD on the bare machine"
    ret

section .bss
alignb 8
operand:   resq 2
saved_cr0: resq 1
saved_cr4: resq 1
written:   resq 1
checks:    resd 1
failures:  resd 1
end_guest
