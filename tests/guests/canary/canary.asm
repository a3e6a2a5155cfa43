; A CPU's state survives CPUID exits unchanged: on every CPU at once, in long mode, ITERATIONS times
; CPUID with patterns in all general registers and flags, all of the extended state that the CPU has
; (x87, SSE, AVX, AVX-512, through XSAVE, else FXSAVE), DR0-3, DR6, DR7 with breakpoints that never
; match, CR2, CR8, and the MSRs of SYSCALL, SYSENTER, FS, GS, PAT, DEBUGCTL and TSC_AUX. All of it is
; compared after each CPUID. What a CPU does not have, or does not take, is a SKIP line.
%define NAME "canary"
%ifndef ITERATIONS
    %define ITERATIONS 1000000
%endif
%include "guest.inc"
%include "faults.inc"
%include "smp.inc"

; Each CPU's area: 8 KiB from 60000h on.
AREAS           equ 0x60000
AREA_SIZE       equ 0x2000
AREA_CPUS       equ 16
GOT_STATE       equ 0                   ; what XSAVE stored, 64-byte aligned
WANT_STATE      equ 0xC00
STATE_MAX       equ 0xB00
GPRS            equ 0x1800              ; sixteen registers as they were after CPUID, then RFLAGS
WANT_GPRS       equ 0x1880 + 16
EXTRA           equ 0x1920              ; what is expected in each of the listed registers
EXTRA_USED      equ 0x1A40              ; bit per listed register: this CPU takes the pattern
DONE_COUNT      equ 0x1A48
BAD_KIND        equ 0x1A50              ; 0 nothing, 1 general register, 2 extended state, 3 listed
BAD_INDEX       equ 0x1A54
BAD_GOT         equ 0x1A58
BAD_WANT        equ 0x1A60
SAVED_EXTRA     equ 0x1A80

KIND_GPR        equ 1
KIND_STATE      equ 2
KIND_EXTRA      equ 3
FLAGS_PATTERN   equ 0x240CD7            ; ID, AC, OF, DF, SF, ZF, AF, PF, CF; IF and TF stay 0

section .text
bits 16
main:
    enter_long
    call idt_build
    call smp_init
    call features_read
    say "canary: ", dec, [cpu_count], " CPUs, ", dec, [iterations], " exits each, XCR0=", \
        x32, [xcr0_mask], ", state ", dec, [state_size], " bytes", nl
    mov dword [ap_work], canary_on_ap
    mov ebx, start_one
    call smp_for_each_ap
    mov edi, [own_apic_id]
    call canary_run
    mov edi, [own_apic_id]
    call report_skips
    mov edi, [own_apic_id]
    call report_one
    mov ebx, report_ap
    call smp_for_each_ap
    cmp dword [failures], 0
    jne power_off64
    pass "cpus=", dec, [cpu_count], " exits=", dec, [iterations], " each"
    jmp power_off64

start_one:
    cmp edi, AREA_CPUS
    jae .done
    mov esi, 10000
    mov edx, 200
    jmp smp_start_cpu
.done:
    ret

; EDI = APIC id on entry.
canary_on_ap:
    cmp edi, AREA_CPUS
    jae .done
    jmp canary_run
.done:
    ret

; What XSAVE covers here: everything of x87, SSE, AVX and AVX-512 that the CPU lists in leaf Dh.
features_read:
    mov dword [state_size], 512
    mov eax, 1
    cpuid
    bt ecx, 26
    jnc .done
    mov byte [has_xsave], 1
    mov eax, 0xD
    xor ecx, ecx
    cpuid
    and eax, 0xE7
    mov [xcr0_mask], eax
    call xcr0_load
    mov eax, 0xD
    xor ecx, ecx
    cpuid                               ; EBX = size of what XCR0 enables
    cmp ebx, STATE_MAX
    jbe .fits
    and dword [xcr0_mask], 7            ; more than there is room for: AVX only
    call xcr0_load
    mov ebx, 832
.fits:
    mov [state_size], ebx
.done:
    ret

xcr0_load:
    mov rax, cr4
    or eax, CR4_OSXSAVE | CR4_OSFXSR
    mov cr4, rax
    xor ecx, ecx
    xor edx, edx
    mov eax, [xcr0_mask]
    xsetbv
    ret

; EDI = APIC id. The whole run of one CPU; R15 = its area.
canary_run:
    mov r15d, edi
    imul r15d, r15d, AREA_SIZE
    add r15d, AREAS
    push rdi
    mov edi, r15d
    mov ecx, AREA_SIZE / 8
    xor eax, eax
    rep stosq
    pop rdi
    mov rax, cr4
    or eax, CR4_OSFXSR
    mov cr4, rax
    mov rax, cr0
    and eax, ~(CR0_TS | 4)              ; no EM, no TS
    mov cr0, rax
    cmp byte [has_xsave], 0
    je .state
    call xcr0_load
.state:
    call state_fill
    call extra_set
    call gprs_prepare
    mov ebp, [iterations]
.next:
    mov [r15 + DONE_COUNT], ebp
    call one_exit
    call gprs_check
    jc .done
    call state_check
    jc .done
    call extra_check
    jc .done
    mov ebp, [r15 + DONE_COUNT]
    dec ebp
    jnz .next
    mov [r15 + DONE_COUNT], ebp
.done:
    jmp extra_restore

; Patterns into the image of the extended state, then into the registers; the image that XSAVE then
; stores is what is expected from now on.
state_fill:
    lea rdi, [r15 + WANT_STATE]
    mov ecx, [state_size]
    mov eax, r15d
    shr eax, 13
.byte:                                  ; another pattern on each CPU
    imul eax, eax, 29
    add eax, 71
    mov [rdi], al
    inc rdi
    dec ecx
    jnz .byte
    lea rdi, [r15 + WANT_STATE]
    mov word [rdi], 0x027F              ; FCW: double precision, all masked
    mov word [rdi + 2], 0x3800          ; FSW: top of stack 7
    mov dword [rdi + 4], 0x00F0         ; half of the tags in use, no opcode
    xor eax, eax
    mov [rdi + 8], rax                  ; no instruction and data pointers
    mov [rdi + 16], rax
    mov dword [rdi + 24], 0x7F80        ; MXCSR: all masked, rounding to zero
    mov dword [rdi + 28], 0
    mov ecx, 8
    lea rbx, [rdi + 32 + 10]
.x87:
    mov word [rbx], ax                  ; six bytes after each register are reserved
    mov dword [rbx + 2], eax
    add rbx, 16
    loop .x87
    lea rbx, [rdi + 416]
    mov ecx, 96 / 8
.reserved:
    mov [rbx], rax
    add rbx, 8
    loop .reserved
    cmp byte [has_xsave], 0
    je .legacy
    mov ecx, 64 / 8
    lea rbx, [rdi + 512]
.header:
    mov [rbx], rax
    add rbx, 8
    loop .header
    mov eax, [xcr0_mask]
    mov [rdi + 512], eax
    xor edx, edx
    xrstor64 [rdi]
    push rdi
    mov ecx, [state_size]
    xor eax, eax
    rep stosb                           ; gaps between components stay 0 in both images
    pop rdi
    mov eax, [xcr0_mask]
    xsave64 [rdi]
    ret
.legacy:
    fxrstor64 [rdi]
    mov ecx, 512 / 8
    rep stosq
    fxsave64 [r15 + WANT_STATE]
    ret

state_check:
    cmp byte [has_xsave], 0
    je .legacy
    mov eax, [xcr0_mask]
    xor edx, edx
    xsave64 [r15 + GOT_STATE]
    jmp .compare
.legacy:
    fxsave64 [r15 + GOT_STATE]
.compare:
    lea rsi, [r15 + GOT_STATE]
    lea rdi, [r15 + WANT_STATE]
    mov ecx, [state_size]
    shr ecx, 3
    repe cmpsq
    jne .bad
    clc
    ret
.bad:
    mov rax, [rsi - 8]
    mov rdx, [rdi - 8]
    lea ecx, [rsi - 8 - GOT_STATE]
    sub ecx, r15d
    mov dword [r15 + BAD_KIND], KIND_STATE
    jmp note_bad

; ECX = index, RAX = got, RDX = wanted. Sets carry.
note_bad:
    mov [r15 + BAD_INDEX], ecx
    mov [r15 + BAD_GOT], rax
    mov [r15 + BAD_WANT], rdx
    stc
    ret

; WANT_GPRS: patterns; those of RAX, RBX, RCX, RDX become CPUID's answer with clear upper halves, and
; RSP is filled in by one_exit.
gprs_prepare:
    mov rax, 0x0123456789ABCDEF
    mov ecx, 16
    lea rdi, [r15 + WANT_GPRS]
.pattern:
    rol rax, 7
    xor rax, r15
    mov [rdi], rax
    add rdi, 8
    loop .pattern
    mov [r15 + WANT_GPRS + 15 * 8], r15
    mov qword [r15 + WANT_GPRS + 16 * 8], FLAGS_PATTERN
    xor eax, eax
    cpuid
    mov [r15 + WANT_GPRS], rax
    mov [r15 + WANT_GPRS + 8], rcx
    mov [r15 + WANT_GPRS + 16], rdx
    mov [r15 + WANT_GPRS + 24], rbx
    ret

%define reg_5 rbp
%define reg_6 rsi
%define reg_7 rdi
%define reg_8 r8
%define reg_9 r9
%define reg_10 r10
%define reg_11 r11
%define reg_12 r12
%define reg_13 r13
%define reg_14 r14
%define reg_15 r15
; CPUID with everything loaded; stores RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI, R8 to R15, RFLAGS.
one_exit:
    mov [r15 + WANT_GPRS + 4 * 8], rsp
%assign i 5
%rep 10
    mov reg_%[i], [r15 + WANT_GPRS + i * 8]
    %assign i i + 1
%endrep
    push FLAGS_PATTERN
    popfq
    mov rbx, 0xFFFFFFFFFFFFFFFF
    mov rcx, 0xFFFFFFFF00000000
    mov rdx, 0xFFFFFFFFFFFFFFFF
    mov rax, 0xFFFFFFFF00000000
    cpuid                               ; leaf 0: only EAX's lower half counts
    mov [r15 + GPRS], rax
    mov [r15 + GPRS + 8], rcx
    mov [r15 + GPRS + 16], rdx
    mov [r15 + GPRS + 24], rbx
    mov [r15 + GPRS + 4 * 8], rsp
%assign i 5
%rep 11
    mov [r15 + GPRS + i * 8], reg_%[i]
    %assign i i + 1
%endrep
    pushfq
    pop qword [r15 + GPRS + 16 * 8]
    cld
    ret

gprs_check:
    lea rsi, [r15 + GPRS]
    lea rdi, [r15 + WANT_GPRS]
    mov ecx, 17
    repe cmpsq
    jne .bad
    clc
    ret
.bad:
    mov rax, [rsi - 8]
    mov rdx, [rdi - 8]
    neg ecx
    add ecx, 16
    mov dword [r15 + BAD_KIND], KIND_GPR
    jmp note_bad

; The listed registers: number of an MSR, or one of the codes below.
CODE_DR         equ 0xFFFF0000          ; + number
CODE_CR         equ 0xFFFF0010          ; + number
%macro extra 3                          ; name, number, pattern
    dq %3
    dd %2
%%name:
    db %1
    times EXTRA_NAME - ($ - %%name) db 0
%endmacro
EXTRA_NUMBER    equ 8
EXTRA_TEXT      equ 12
EXTRA_NAME      equ 20
EXTRA_ROW       equ EXTRA_TEXT + EXTRA_NAME

; R14 = row. RAX = its value; may fault. Clobbers RCX, RDX.
extra_read:
    mov ecx, [r14 + EXTRA_NUMBER]
    cmp ecx, CODE_DR
    jae .code
    rdmsr
    shl rdx, 32
    or rax, rdx
    ret
.code:
    movzx ecx, cl
    jmp [.readers + rcx * 8]
.readers:
    dq .dr0, .dr1, .dr2, .dr3, 0, 0, .dr6, .dr7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, .cr2, 0, 0, 0, 0, 0, .cr8
%macro reader 2
.%1%2:
    mov rax, %1%2
    ret
%endmacro
    reader dr, 0
    reader dr, 1
    reader dr, 2
    reader dr, 3
    reader dr, 6
    reader dr, 7
    reader cr, 2
    reader cr, 8

; R14 = row, RAX = value; may fault. Clobbers RCX, RDX.
extra_write:
    mov ecx, [r14 + EXTRA_NUMBER]
    cmp ecx, CODE_DR
    jae .code
    mov rdx, rax
    shr rdx, 32
    wrmsr
    ret
.code:
    movzx ecx, cl
    jmp [.writers + rcx * 8]
.writers:
    dq .dr0, .dr1, .dr2, .dr3, 0, 0, .dr6, .dr7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, .cr2, 0, 0, 0, 0, 0, .cr8
%macro writer 2
.%1%2:
    mov %1%2, rax
    ret
%endmacro
    writer dr, 0
    writer dr, 1
    writer dr, 2
    writer dr, 3
    writer dr, 6
    writer dr, 7
    writer cr, 2
    writer cr, 8

; Sets ZF if R13 = row number is one that this CPU takes.
%macro extra_used 0
    bt dword [r15 + EXTRA_USED], r13d
%endmacro

; Saves each listed register, writes its pattern, and keeps those that read back as written. One CPU
; at a time, since `attempt` is for one.
extra_set:
.lock:
    lock bts dword [setup_lock], 0
    jnc .locked
    pause
    jmp .lock
.locked:
    xor r13d, r13d
    mov r14d, extra_rows
.row:
    mov [fault_own_rsp], rsp
    attempt call extra_read
    cmp dword [fault_vector], NO_FAULT
    jne .next
    mov [r15 + SAVED_EXTRA + r13 * 8], rax
    mov rax, [r14]
    attempt call extra_write
    cmp dword [fault_vector], NO_FAULT
    jne .next
    call extra_read
    cmp rax, [r14]
    jne .not_taken
    bts dword [r15 + EXTRA_USED], r13d
    jmp .next
.not_taken:
    mov rax, [r15 + SAVED_EXTRA + r13 * 8]
    call extra_write
.next:
    inc r13d
    add r14d, EXTRA_ROW
    cmp r14d, extra_end
    jb .row
    mov qword [fault_own_rsp], 0
    mov dword [setup_lock], 0
    ret

; Carry if a listed register no longer holds its pattern.
extra_check:
    xor r13d, r13d
    mov r14d, extra_rows
.row:
    extra_used
    jnc .next
    call extra_read
    cmp rax, [r14]
    jne .bad
.next:
    inc r13d
    add r14d, EXTRA_ROW
    cmp r14d, extra_end
    jb .row
    clc
    ret
.bad:
    mov rdx, [r14]
    mov ecx, r13d
    mov dword [r15 + BAD_KIND], KIND_EXTRA
    jmp note_bad

; DR7 comes before the addresses here too: no breakpoint may be on when they change.
extra_restore:
    xor eax, eax
    mov dr7, rax
    xor r13d, r13d
    mov r14d, extra_rows
.row:
    extra_used
    jnc .next
    mov rax, [r15 + SAVED_EXTRA + r13 * 8]
    call extra_write
.next:
    inc r13d
    add r14d, EXTRA_ROW
    cmp r14d, extra_end
    jb .row
    ret

; EDI = APIC id: what that CPU does not take.
report_skips:
    mov r15d, edi
    imul r15d, r15d, AREA_SIZE
    add r15d, AREAS
    xor r13d, r13d
    mov r14d, extra_rows
.row:
    extra_used
    jc .next
    lea esi, [r14 + EXTRA_TEXT]
    say "canary SKIP "
    call print_string64
    say " (not there, or it does not keep the pattern)", nl
.next:
    inc r13d
    add r14d, EXTRA_ROW
    cmp r14d, extra_end
    jb .row
    mov eax, [xcr0_mask]
    test eax, 4
    jnz .avx
    skip "AVX"
.avx:
    test eax, 0xE0
    jnz .done
    skip "AVX-512"
.done:
    ret

report_ap:
    cmp edi, AREA_CPUS
    jb .wait
    error "no area for APIC id ", dec, edi
    inc dword [failures]
    ret
.wait:
    mov ebp, edi
    mov esi, 600000
    call smp_wait_finished
    mov edi, ebp
    jz report_one
    fail "APIC id ", dec, edi, " did not finish"
    inc dword [failures]
    ret

; EDI = APIC id.
report_one:
    mov r15d, edi
    imul r15d, r15d, AREA_SIZE
    add r15d, AREAS
    cmp dword [r15 + BAD_KIND], 0
    jne .bad
    cmp dword [r15 + DONE_COUNT], 0
    jne .bad
    say "canary: APIC id ", dec, edi, ": unchanged, listed registers ", \
        x32, [r15 + EXTRA_USED], nl
    ret
.bad:
    inc dword [failures]
    fail "APIC id ", dec, edi, ": kind ", dec, [r15 + BAD_KIND], " index ", dec, [r15 + BAD_INDEX], \
         " got ", x64, [r15 + BAD_GOT], " want ", x64, [r15 + BAD_WANT], ", exits left ", \
         dec, [r15 + DONE_COUNT], " (kinds: 1 general register, 2 byte of the extended state, ", \
         "3 listed register)"
    ret

section .data align=8
; Base addresses are canonical, PAT has valid types only, and DR7 arms DR0 to DR3 (DR1 for 4-byte
; writes, the others for execution) on addresses that nothing touches.
extra_rows:
    extra "FS_BASE", 0xC0000100, 0xFFFF800012345678
    extra "GS_BASE", 0xC0000101, 0x00007F0087654321
    extra "KERNEL_GS_BASE", 0xC0000102, 0xFFFFA5A55A5AC3C3
    extra "STAR", 0xC0000081, 0x0013000812345678
    extra "LSTAR", 0xC0000082, 0xFFFF8000CAFE0000
    extra "CSTAR", 0xC0000083, 0xFFFF8000BABE0000
    extra "FMASK", 0xC0000084, 0x0000000000047700
    extra "TSC_AUX", 0xC0000103, 0x00000000A1B2C3D4
    extra "SYSENTER_CS", 0x174, 0x0000000000000038
    extra "SYSENTER_ESP", 0x175, 0xFFFF800000001230
    extra "SYSENTER_EIP", 0x176, 0xFFFF800000004560
    extra "PAT", 0x277, 0x0405010600070406
    extra "DEBUGCTL", 0x1D9, 0x0000000000000001
    extra "DR0", CODE_DR + 0, 0xFFFF800091234560
    extra "DR1", CODE_DR + 1, 0xFFFF800092345678
    extra "DR2", CODE_DR + 2, 0x0000000093456789
    extra "DR3", CODE_DR + 3, 0x000000009456789A
    extra "DR6", CODE_DR + 6, 0x00000000FFFF4FF5
    extra "DR7", CODE_DR + 7, 0x0000000000D00755
    extra "CR2", CODE_CR + 2, 0xDEADBEEF12345678
    extra "CR8", CODE_CR + 8, 5
extra_end:
iterations: dd ITERATIONS

section .bss
alignb 4
xcr0_mask:  resd 1
state_size: resd 1
setup_lock: resd 1
failures:   resd 1
has_xsave:  resb 1
end_guest
