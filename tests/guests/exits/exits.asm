; What an exit costs: TSC ticks for N runs of an instruction, less those of the same loop without it,
; per run. In Bochs with one CPU a tick is one instruction, so the digits are the same in every run;
; elsewhere they are only times. On the bare machine nothing exits and the figures are the
; instruction's own (1 in Bochs). Lines: `bench NAME per_exit=NN.N`. `exits PASS` says that all ran.
%define NAME "exits"
%ifndef RUNS
    %define RUNS 1000
%endif
%include "guest.inc"
%include "faults.inc"
%include "hyper.inc"

MSR_FEATURE_CONTROL  equ 0x3A
MSR_MTRR_FIX64K      equ 0x250
MSR_MTRR_DEF_TYPE    equ 0x2FF

; name, set-up of the registers (run in every loop), instruction. The loop keeps its count in EBP.
%macro bench 3
    [section .data]
%%name: db %1, 0
    __?SECT?__
    mov [operand], eax
    mov [operand + 4], edx
    %2                                  ; a first run, so that first touches are over
    %3
    mov ebp, RUNS
    call ticks_start
%%empty:
    %2
    dec ebp
    jnz %%empty
    call ticks_stop
    mov [ticks_empty], eax
    mov ebp, RUNS
    call ticks_start
%%full:
    %2
    %3
    dec ebp
    jnz %%full
    call ticks_stop
    mov esi, %%name
    call report
%endmacro

%macro routines 1
bits %1
; Leaves EDX:EAX as bench found them: WRMSR and XSETBV write them.
ticks_start%1:
    rdtsc
    mov [ticks_from], eax
    mov eax, [operand]
    mov edx, [operand + 4]
    ret
ticks_stop%1:
    rdtsc
    sub eax, [ticks_from]
    ret
; ESI = name, EAX = ticks of the full loop. One decimal.
report%1:
    sub eax, [ticks_empty]
    jae .positive
    xor eax, eax                        ; only where a tick is not an instruction
.positive:
    xor edx, edx
    mov ecx, RUNS / 10
    add eax, RUNS / 20
    div ecx
    xor edx, edx
    mov ecx, 10
    div ecx
    say "bench "
    call print_string%1
    say " per_exit=", dec, eax, ".", dec, edx, nl
    ret
%endmacro
section .text
routines 16
routines 32
routines 64
%define ticks_start ticks_start %+ CODE_BITS
%define ticks_stop ticks_stop %+ CODE_BITS
%define report report %+ CODE_BITS

; name, MSR: the value that is there is written again.
%macro bench_wrmsr 2
    mov ecx, %2
    rdmsr
    bench %1, {mov ecx, %2}, wrmsr
%endmacro

; The four exits of which there is a figure in each mode; their names begin with the mode's.
%macro bench_mode 1
    %strcat %%cpuid %1, "-cpuid-0"
    %strcat %%rdmsr %1, "-rdmsr-feature-control"
    %strcat %%wrmsr %1, "-wrmsr-mtrr-def-type"
    %strcat %%vmcall %1, "-vmcall-version"
    bench %%cpuid, {xor eax, eax}, cpuid
    bench_wrmsr %%wrmsr, MSR_MTRR_DEF_TYPE
    cmp byte [has_feature_control], 0
    je %%no_feature_control
    bench %%rdmsr, {mov ecx, MSR_FEATURE_CONTROL}, rdmsr
%%no_feature_control:
    cmp byte [under_orlop], 0
    je %%no_orlop
    mov ebx, ORLOP_CALL_SIGNATURE_32
    bench %%vmcall, {mov eax, ORLOP_CALL_VERSION}, vmcall
%%no_orlop:
%endmacro

bits 16
main:
    enter_long
    call idt_build
    call orlop_detect
    bench "cpuid-0", {xor eax, eax}, cpuid
    bench "cpuid-1", {mov eax, 1}, cpuid
    bench "cpuid-40000000", {mov eax, ORLOP_CPUID_BASE}, cpuid
    call msrs
    call control_registers
    call extended_control
    call calls
    call uarts
    call first_touches
    leave_long
    bench_mode "real"
    bench "real-cpuid-1", {mov eax, 1}, cpuid
    call other_modes
    pass "runs=", dec, [runs]
    jmp power_off16

; ---- the other modes of the processor ------------------------------------------------------------
PAGE_DIRECTORY  equ SCRATCH             ; 32-bit paging: 4 MiB pages, one to one, the user's
CR4_PSE         equ 1 << 4
V86_FLAGS       equ 0x23002             ; VM, IOPL 3
V86_STACK       equ 0x6000
TASK_BITMAP     equ 104                 ; behind the TSS: all ports are allowed

%macro paging 2                         ; CR3, bits of CR4 (0, 0: off)
    %if %1 == 0
        mov eax, cr0
        and eax, ~CR0_PG
        mov cr0, eax
        xor eax, eax
        mov cr4, eax
    %else
        mov eax, %2
        mov cr4, eax
        mov eax, %1
        mov cr3, eax
        mov eax, cr0
        or eax, CR0_PG
        mov cr0, eax
    %endif
%endmacro

; Clobbers all but the stack.
other_modes:
    enter_protected
    call build_directory
    bench_mode "unpaged"
    jmp CODE16:.half
bits 16
.half:
    bench_mode "pm16"
    jmp dword CODE32:.whole
bits 32
.whole:
    paging PAGE_DIRECTORY, CR4_PSE
    bench_mode "pm32"
    call virtual_8086
    call task_switches
    bench "pm32-task-switch-twice", nop, {call SPARE:0}
    paging 0, 0
    bench "unpaged-task-switch-twice", nop, {call SPARE:0}
    clts
    paging PAE_PDPT, CR4_PAE
    bench_mode "pae"
    paging 0, 0
    mov ebx, .long
    jmp protected_to_long
bits 64
.long:
    jmp far dword [compatibility]
bits 32
.compatibility:
    bench_mode "compat"
    mov ebx, .protected
    jmp long_to_protected.narrow
.protected:
    mov ebx, .real
    jmp protected_to_real
bits 16
.real:
    ret

bits 32
build_directory:
    mov eax, 0x87                       ; present, writable, user, 4 MiB
    xor ecx, ecx
.next:
    mov [PAGE_DIRECTORY + ecx * 4], eax
    add eax, 0x400000
    inc ecx
    cmp ecx, 1024
    jb .next
    ret

; A task in SPARE that gives back by IRET what CALL gives it. TR holds TASK already.
task_switches:
    mov eax, other_task
    mov word [gdt_spare], 103
    mov [gdt_spare + 2], eax
    mov word [gdt_spare + 5], 0x89
    mov ecx, PAGE_DIRECTORY
    mov [task_state + 28], ecx
    mov [other_task + 28], ecx
    mov dword [other_task + 32], .other
    mov dword [other_task + 36], 2
    mov dword [other_task + 72], DATA32 ; ES, CS, SS, DS
    mov dword [other_task + 76], CODE32
    mov dword [other_task + 80], DATA32
    mov dword [other_task + 84], DATA32
    ret
.other:
    iret
    jmp .other

; By IRET, and back by INT3. There RDMSR and WRMSR are faults and VMCALL no call.
virtual_8086:
    mov eax, task_state
    mov [gdt_task + 2], eax
    mov word [gdt_task], TASK_BITMAP + 0x2000
    mov word [gdt_task + 5], 0x89       ; available 32-bit TSS, below 16 MiB
    mov [task_state + 4], esp
    mov dword [task_state + 8], DATA32
    mov word [task_state + 102], TASK_BITMAP
    mov eax, TASK
    ltr ax
    mov dword [IDT + 3 * 8], (CODE32 << 16) + .back
    mov dword [IDT + 3 * 8 + 4], 0xEE00
    lidt [idt_of_v86]
%rep 4
    push dword 0                        ; GS, FS, DS, ES
%endrep
    push dword 0                        ; SS
    push dword V86_STACK
    push dword V86_FLAGS
    push dword 0
    push dword .v86
    iretd
bits 16
.v86:
    bench "v86-cpuid-0", {xor eax, eax}, cpuid
    int3
bits 32
.back:
    mov eax, DATA32
    mov ds, eax
    mov es, eax
    mov esp, [task_state + 4]
    ret

bits 64
msrs:
    mov ecx, MSR_FEATURE_CONTROL
    attempt rdmsr
    cmp dword [fault_vector], NO_FAULT
    jne .none
    mov byte [has_feature_control], 1
    bench "rdmsr-feature-control", {mov ecx, MSR_FEATURE_CONTROL}, rdmsr
.write:
    bench_wrmsr "wrmsr-mtrr-def-type", MSR_MTRR_DEF_TYPE
    bench_wrmsr "wrmsr-mtrr-fix64k", MSR_MTRR_FIX64K
    bench_wrmsr "wrmsr-apic-base", MSR_APIC_BASE
    bench_wrmsr "wrmsr-efer", MSR_EFER
    ret
.none:
    skip "IA32_FEATURE_CONTROL is not there"
    jmp .write

; Toggles are two writes a run.
%macro toggle_cr0 0
    mov cr0, r9
    mov cr0, r8
%endmacro
%macro toggle_cr4 0
    mov cr4, r9
    mov cr4, r8
%endmacro
control_registers:
    mov r8, cr4
    bench "mov-cr4-same", nop, {mov cr4, r8}
    mov r9, r8
    btc r9, 7
    bench "mov-cr4-toggle-pge-twice", nop, toggle_cr4
    mov r8, cr0
    btr r8, 29                          ; NW only with CD
    btr r8, 30
    bench "mov-cr0-same", nop, {mov cr0, r8}
    mov r9, r8
    bts r9, 30
    bench "mov-cr0-toggle-cd-twice", nop, toggle_cr0
    mov r9, r8
    btc r9, 5
    bench "mov-cr0-toggle-ne-twice", nop, toggle_cr0
    bench "clts", nop, clts
    ret

extended_control:
    mov eax, 1
    cpuid
    bt ecx, 26
    jc .has
    skip "XSETBV: no XSAVE"
    ret
.has:
    mov r8, cr4
    mov r9, r8
    bts r9, 18
    bench "mov-cr4-toggle-osxsave-twice", nop, toggle_cr4
    mov cr4, r9
    xor ecx, ecx
    xgetbv
    bench "xsetbv-same", nop, xsetbv
    mov cr4, r8
    ret

; An empty receiver's byte; the latter is a port of Orlop's own with debug=com2.
uarts:
    bench "uart-data", {mov edx, 0x3F8}, {in al, dx}
    bench "uart-status", {mov edx, 0x3FD}, {in al, dx}
    bench "uart-hidden", {mov edx, 0x2F8}, {in al, dx}
    ret

calls:
    cmp byte [under_orlop], 0
    jne .orlop
    skip "VMCALL: no Orlop below"
    ret
.orlop:
    mov rbx, ORLOP_CALL_SIGNATURE
    bench "vmcall-version", {mov eax, ORLOP_CALL_VERSION}, vmcall
    ret

; Reads of as many GiB of nothing, one each, above what any of these machines has; the same again is the
; loop that exits no more. With pages of 1 GiB, which the guest needs to reach them.
TOUCH_FIRST equ 64
TOUCH_END   equ TOUCH_FIRST + 100
first_touches:
    mov eax, 0x80000001
    cpuid
    bt edx, 26
    jc .has
    skip "first touches: no pages of 1 GiB"
    ret
.has:
    mov edi, SCRATCH
    mov rax, TOUCH_FIRST << 30 | 0x87
    mov edx, 1 << 30
.entry:
    mov [rdi], rax
    add rdi, 8
    add rax, rdx
    cmp edi, SCRATCH + (TOUCH_END - TOUCH_FIRST) * 8
    jb .entry
    mov qword [PML4 + 8], SCRATCH + 7
    call touch_all
    mov r10d, eax
    call touch_all
    mov [ticks_empty], eax
    mov eax, r10d
    imul eax, eax, RUNS / (TOUCH_END - TOUCH_FIRST)
    imul ecx, [ticks_empty], RUNS / (TOUCH_END - TOUCH_FIRST)
    mov [ticks_empty], ecx
    mov esi, .name
    jmp report
[section .data]
.name: db "ept-first-touch", 0
__?SECT?__

; EAX = the ticks.
touch_all:
    mov rdi, 1 << 39
    mov ebp, TOUCH_END - TOUCH_FIRST
    mov ebx, 1 << 30
    call ticks_start
.next:
    mov cl, [rdi]
    add rdi, rbx
    dec ebp
    jnz .next
    jmp ticks_stop

section .data
runs: dd RUNS
compatibility:
    dd other_modes.compatibility
    dw CODE32
idt_of_v86:
    dw 32 * 8 - 1
    dd IDT
section .bss
alignb 4
other_task: resb 104
task_state:  resb TASK_BITMAP + 0x2000 + 1
operand:     resd 2
ticks_from:  resd 1
ticks_empty: resd 1
has_feature_control: resb 1
end_guest
