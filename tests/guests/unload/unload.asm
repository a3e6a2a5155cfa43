; The unload hypercall: refused with its error wherever it cannot be carried out; then it returns 0 and the
; guest goes on without Orlop, with all registers, segments, tables, control registers, debug registers
; and MSRs as they were, interrupts and CPL 3 at work, CPUID without a hypervisor and with VMX. With other
; CPUs it is refused until all of them call: while they wait for a SIPI, and while they run but do not
; call, after a second by any TSC. It is refused too while something waits for the CPU, or where a segment
; could not be loaded again; and a CPU that waits in it is started anew by INIT and SIPI where Orlop sees
; them. Then all go on natively, with the ICR as they wrote it, and can be started anew.
%define NAME "unload"
%include "guest.inc"
%include "faults.inc"
%include "ring3.inc"
%include "hyper.inc"
%include "pages.inc"
%include "smp.inc"

UD       equ 6
UNLOAD   equ 5
ARGUMENT equ -2
ADDRESS  equ -3
BUSY     equ -5
UNSUPPORTED equ -6
CR4_SMEP equ 1 << 20
CR4_MCE  equ 1 << 6
MC       equ 18
; PAGES: the page, read-only, absent, CPL 3's, not executable, with code
MSRS     equ 8
AP_PAGES equ PAGES + 0x10000            ; one for each APIC id below 16
AP_FRAMES equ 0x60000
BOX_RESULT equ BOX_OWN                  ; 1: native
ICR_OTHERS equ 3 << 18
DESTINATION equ 0x5A000000              ; in the ICR's upper half
MSR_TSC  equ 0x10
ICR_ENTRY equ APIC_ICR_LOW / 8          ; a page whose entry of the last table lies there
TRAP_ON  equ 0x2 | 7 << 16              ; DR7: reads and writes of 2 bytes at DR0
STATE_ES equ 11                         ; of note_state

%macro refused 3                        ; name, address, result
    [section .data]
%%name: db %1, 0
    __?SECT?__
    mov rcx, %2
    mov r14, %3
    mov r15d, %%name
    call must_refuse
%endmacro

section .text
bits 16
main:
    enter_long
    call idt_build
    call ring3_init
    call orlop_detect
    cmp byte [under_orlop], 0
    jne .above
    skip "no Orlop below"
    jmp power_off64
.above:
    call smp_init
    call build_pages
    cmp dword [cpu_count], 1
    je .alone
    call set_tsc_back
    refused "CPUs that wait for a SIPI", PAGES, BUSY
    call check_time
    mov dword [ap_work], ap_unload
    mov ebx, start_one
    call smp_for_each_ap
    call wait_with_mce
    refused "CPUs that do not call", PAGES, BUSY
    cmp dword [cpu_count], 2
    jne .alone
    mov dword [may_collide], 1
    refused "a CPU that calls with the same page", PAGES, BUSY
    mov dword [may_collide], 0
    cmp dword [collided], 1
    je .apart
    fail "two CPUs took one page"
    inc dword [failures]
.apart:
    mov ebx, start_while_it_waits
    call smp_for_each_ap
.alone:
    refused "not a page", PAGES + 8, ARGUMENT
    refused "read-only", PAGES + 0x1000, ADDRESS
    refused "absent", PAGES + 0x2000, ADDRESS
    refused "not executable", PAGES + 0x4000, ADDRESS
    refused "not canonical", 1 << 47, ADDRESS
    refused "Orlop's half of the address space", -0x1000, ADDRESS
    refused "the APIC", 0xFEE00000, ADDRESS
    refused "the ROM", 0xF0000, ADDRESS
    mov rax, cr4
    mov r13, rax
    mov eax, 7
    xor ecx, ecx
    cpuid
    bt ebx, 7
    jnc .no_smep
    mov rax, PAGES + 0x5000             ; code of CPL 0 runs on a page of its own meanwhile
    call with_smep
.no_smep:
    mov ecx, 0x2FF                      ; IA32_MTRR_DEF_TYPE
    rdmsr
    mov r12d, eax
    xor eax, 1 << 10                    ; the fixed ranges
    wrmsr
    refused "MTRRs that are not the firmware's", PAGES, UNSUPPORTED
    mov ecx, 0x2FF
    mov eax, r12d
    xor edx, edx
    wrmsr
    call refuse_for_traps
    call refuse_for_segments
    cmp dword [failures], 0
    jne .end
    call set_state
    mov rax, [gdt + DATA32]
    mov [gdt_spare], rax
    mov eax, SPARE
    mov es, eax
    btr dword [gdt_spare + 4], 15       ; not present: it becomes null
    call save_state
    mov qword [before + STATE_ES * 8], 0
    mov eax, [apic_base]
    mov dword [rax + APIC_ICR_HIGH], DESTINATION
    mov dword [may_call], 1
    mov eax, UNLOAD
    mov rbx, ORLOP_CALL_SIGNATURE
    mov rcx, PAGES
    mov rdx, 0x1111222233334444
    mov rsi, 0x2222333344445555
    mov rdi, 0x3333444455556666
    mov rbp, 0x4444555566667777
    mov r8, 0x5555666677778888
    mov r9, 0x6666777788889999
    mov r10, 0x777788889999AAAA
    mov r11, 0x88889999AAAABBBB
    mov r12, 0x9999AAAABBBBCCCC
    mov r13, 0xAAAABBBBCCCCDDDD
    mov r14, 0xBBBBCCCCDDDDEEEE
    mov r15, 0xCCCCDDDDEEEEFFFF
    vmcall
    call check_registers
    test rax, rax
    jz .gone
    fail "unload: ", x64, rax
    jmp .end
.gone:
    say NAME, ": 0", nl
    call check_state
    call check_native
    mov ebx, check_ap
    call smp_for_each_ap
    call smp_clear_boxes
    mov dword [ap_work], ap_native      ; INIT and SIPI reach them without Orlop
    mov ebx, start_one
    call smp_for_each_ap
    mov ebx, check_ap
    call smp_for_each_ap
    cmp dword [failures], 0
    jne .end
    pass "cpus=", dec, [cpu_count]
.end:
    jmp power_off64

start_one:
    mov esi, 10000
    mov edx, 200
    jmp smp_start_cpu

; EDI = APIC id, R15 = mailbox.
ap_unload:
    cmp dword [may_call], 0
    je .wait
    mov rbx, ORLOP_CALL_SIGNATURE
    mov rcx, AP_PAGES
    mov edx, edi
    shl edx, 12
    add rcx, rdx
    mov eax, [apic_base]
    mov dword [rax + APIC_ICR_HIGH], DESTINATION
    mov eax, UNLOAD
    vmcall
    test rax, rax
    jnz .result
    mov eax, [apic_base]
    mov eax, [rax + APIC_ICR_HIGH]
    cmp eax, DESTINATION
    je ap_native
.result:
    mov [r15 + BOX_RESULT], eax
    ret
.wait:
    cmp dword [may_wait], 0
    je .no_wait
    mov dword [may_wait], 0
    mov eax, UNLOAD
    mov rbx, ORLOP_CALL_SIGNATURE
    mov rcx, AP_PAGES
    vmcall
    mov [waited], eax
.no_wait:
    cmp dword [may_collide], 0
    je .pause
    mov ecx, 100000
.later:
    pause
    dec ecx
    jnz .later
    mov eax, UNLOAD                     ; with the page of the BSP, which waits for us on it
    mov rbx, ORLOP_CALL_SIGNATURE
    mov rcx, PAGES
    vmcall
    cmp rax, ARGUMENT
    jne .pause
    mov dword [collided], 1
.pause:
    pause
    jmp ap_unload

; EDI = APIC id of the one AP, which calls and waits for us. By the hardware alone, INIT waits until the call
; is over, or (Bochs 3.0) is lost, and so are the SIPIs: the CPU is started once more.
start_while_it_waits:
    mov ebp, edi
    shl ebp, 6
    mov dword [may_wait], 1
.call:
    pause
    cmp dword [may_wait], 0
    jne .call
    mov edi, 20000
    call delay_us
    mov r8d, [apic_base]
    mov dword [r8 + APIC_ICR_HIGH], DESTINATION
    mov dword [r8 + APIC_ICR_LOW], ICR_OTHERS | ICR_INIT
    mov edi, 10000
    call delay_us
    mov dword [r8 + APIC_ICR_LOW], ICR_OTHERS | ICR_STARTUP | TRAMPOLINE >> 12
    mov edi, 200
    call delay_us
    mov dword [r8 + APIC_ICR_LOW], ICR_OTHERS | ICR_STARTUP | TRAMPOLINE >> 12
    cmp dword [r8 + APIC_ICR_HIGH], DESTINATION
    je .written
    fail "ICR's upper half has become ", x32, [r8 + APIC_ICR_HIGH]
    inc dword [failures]
.written:
    mov ebx, 300
.wait:
    cmp dword [MAILBOX + rbp + BOX_ARRIVED], 2
    je .started
    mov edi, 1000
    call delay_us
    dec ebx
    jnz .wait
    say NAME, ": INIT to a CPU that waits in the call: not taken", nl
    mov ebx, 3
.over:
    mov edi, 500000
    call delay_us
    dec ebx
    jnz .over
    mov edi, ebp
    shr edi, 6
    jmp start_one
.started:
    say NAME, ": INIT to a CPU that waits in the call: started", nl
    mov dword [FRAME], DESTINATION      ; a call that is refused leaves nothing: neither there nor
    refused "CPUs that do not call", PAGES + (ICR_ENTRY << 12), BUSY
    xor eax, eax                        ; in the page that is shown instead of the APIC's
    mov edx, [apic_base]
    xchg [rdx + APIC_ICR_LOW], eax
    cmp eax, FRAME + 3
    je .left
    cmp dword [FRAME], DESTINATION
    je .nothing_left
.left:
    fail "a call that was refused has left something: ", x32, eax, " ", x32, [FRAME]
    inc dword [failures]
.nothing_left:
    ret

ap_native:
    mov eax, ORLOP_CPUID_BASE
    cpuid
    cmp ebx, 'Orlo'
    je .done
    mov eax, 1
    cpuid
    test ecx, ecx
    js .done
    mov dword [r15 + BOX_RESULT], 1
.done:
    ret

check_ap:
    mov r13d, edi
    mov esi, 5000
    call smp_wait_finished
    jnz .wrong
    mov eax, r13d
    shl eax, 6
    mov eax, [MAILBOX + rax + BOX_RESULT]
    cmp eax, 1
    jne .wrong
    say NAME, ": APIC id ", dec, r13d, " is native", nl
    ret
.wrong:
    fail "APIC id ", dec, r13d, ": ", x32, eax
    inc dword [failures]
    ret

; With CR4.SMEP the guest's own pages, which are CPL 3's, cannot be run: only the call itself is made, by
; the copy of VMCALL and RET on the page of CPL 0.
with_smep:
    mov r8, rax
    mov rax, r13
    bts rax, 20
    mov r9, rax
    mov rdi, FRAME + 0x1000
    mov rsi, smep_code
    mov ecx, smep_code_end - smep_code
    rep movsb
    mov eax, UNLOAD
    mov rbx, ORLOP_CALL_SIGNATURE
    mov rcx, PAGES + 0x3000
    call r8
    cmp rax, ADDRESS
    je .refused
    fail "a page of CPL 3's, with SMEP: ", x64, rax
    inc dword [failures]
.refused:
    ret
smep_code:
    mov cr4, r9
    vmcall
    mov cr4, r13
    ret
smep_code_end:

; The bound of a wait is a second, whatever the TSC begins with.
set_tsc_back:
    call read_tsc
    mov [tsc_before], rax
    mov edi, 10000
    call delay_us
    call read_tsc
    sub rax, [tsc_before]
    mov [tsc_rate], rax                 ; a hundredth of a second
    xor eax, eax
write_tsc:
    mov rdx, rax
    shr rdx, 32
    mov ecx, MSR_TSC
    wrmsr
    ret
read_tsc:
    rdtsc
    shl rdx, 32
    or rax, rdx
    ret
check_time:
    call read_tsc
    mov rcx, rax
    xor edx, edx
    div qword [tsc_rate]
    cmp eax, 200
    jb .right
    fail "after ", dec, eax, " hundredths of a second"
    inc dword [failures]
.right:
    mov rax, [tsc_before]
    add rax, rcx
    jmp write_tsc

; With debug_fault= a machine check comes while Orlop waits for the others: then it is delivered, at once.
wait_with_mce:
    mov rax, cr4
    or eax, CR4_MCE
    mov cr4, rax
    call read_tsc
    mov r8, rax
    mov eax, UNLOAD
    mov rbx, ORLOP_CALL_SIGNATURE
    mov rcx, PAGES
    attempt vmcall
    mov r9, rax
    call read_tsc
    sub rax, r8
    xor edx, edx
    div qword [tsc_rate]
    mov r10, rax
    mov rax, cr4
    and eax, ~CR4_MCE
    mov cr4, rax
    cmp r9, BUSY
    jne .wrong
    cmp dword [fault_vector], NO_FAULT
    je .right
    cmp dword [fault_vector], MC
    jne .wrong
    cmp r10, 50
    jae .wrong
    say NAME, ": #MC ends the wait", nl
.right:
    ret
.wrong:
    fail "with CR4.MCE: ", x64, r9, " vector ", x32, [fault_vector], " after ", dec, r10d, " hundredths"
    inc dword [failures]
    ret

; A #DB that MOV SS has held back comes behind the VMCALL, and so does that of TF.
refuse_for_traps:
    mov eax, 1
    mov edx, count_trap
    call idt_set_gate
    mov eax, UNLOAD
    mov rbx, ORLOP_CALL_SIGNATURE
    mov rcx, PAGES
    mov edx, stack_selector
    mov dr0, rdx
    mov edx, TRAP_ON
    mov dr7, rdx
    mov ss, [stack_selector]
    vmcall
    mov edx, 0x400
    mov dr7, rdx
    mov r14, BUSY
    call must_have_trapped
    mov eax, UNLOAD
    pushfq
    bts qword [rsp], 8
    popfq
    vmcall
    mov r14, UNSUPPORTED
    call must_have_trapped
    mov eax, 1
    mov edx, fault_stubs + FAULT_STUB_SIZE
    jmp idt_set_gate

must_have_trapped:
    cmp rax, r14
    jne .wrong
    cmp dword [traps], 1
    je .right
.wrong:
    fail "with a trap that waits: ", x64, rax, " instead of ", x64, r14, ", #DBs: ", dec, [traps]
    inc dword [failures]
.right:
    mov dword [traps], 0
    ret

count_trap:
    inc dword [traps]
    btr qword [rsp + 16], 8
    iretq

; What the registers hold that their descriptors, or what is there now, would not give again.
refuse_for_segments:
    mov rax, [gdt + DATA32]
    mov [gdt_spare], rax
    mov eax, SPARE
    mov ss, eax
    btr dword [gdt_spare + 4], 15
    refused "SS that is not present", PAGES, UNSUPPORTED
    mov eax, DATA32
    mov ss, eax
    mov rax, [gdt + CODE64]
    mov [gdt_spare], rax
    push SPARE
    push .other
    retfq
.other:
    btr dword [gdt_spare + 4], 15
    refused "CS that is not present", PAGES, UNSUPPORTED
    push CODE64
    push .usual
    retfq
.usual:
    inc byte [gdt_task + 2]
    refused "TR with another base", PAGES, UNSUPPORTED
    dec byte [gdt_task + 2]
    sgdt [own_gdt]
    lgdt [absent_gdt]
    refused "a GDT that is not there", PAGES, UNSUPPORTED
    lgdt [own_gdt]
    ret

must_refuse:
    mov eax, UNLOAD
    mov rbx, ORLOP_CALL_SIGNATURE
    attempt vmcall
    cmp dword [fault_vector], NO_FAULT
    jne call_failed
    cmp rax, r14
    jne call_failed
    ret

build_pages:
    call pages_init
    page 0, FRAME + 3
    page 1, FRAME + 1
    page 3, FRAME + 7
    page 4, FRAME + 3
    mov dword [TABLES + 0x2024], 1 << 31 ; NX
    page 5, FRAME + 0x1003
    page ICR_ENTRY, FRAME + 3
    xor ecx, ecx
.ap:
    mov eax, ecx
    shl eax, 12
    add eax, AP_FRAMES + 3
    page 16 + rcx, eax
    inc ecx
    cmp ecx, 16
    jb .ap
    mov ecx, MSR_EFER
    rdmsr
    or eax, 1 << 11 | 1                 ; NXE, SCE
    wrmsr
    jmp pages_on

; Values that neither Orlop nor a reset would leave.
set_state:
    mov rax, cr0
    or eax, 1 << 5 | 1 << 1             ; NE, MP
    mov cr0, rax
    mov rax, cr4
    or eax, CR4_OSFXSR | 1 << 7 | 1 << 2 ; PGE, TSD
    mov cr4, rax
    mov eax, 0x12345678
    mov dr0, rax
    mov eax, 0x2 | 0x400
    mov dr7, rax
    mov ebp, MSRS - 1
.msr:
    mov ecx, [msrs + rbp * 4]
    mov eax, [values + rbp * 8]
    mov edx, [values + rbp * 8 + 4]
    wrmsr
    dec ebp
    jns .msr
    ret

save_state:
    mov edi, before
    call note_state
    ret
check_state:
    mov edi, behind
    call note_state
    mov esi, before
    mov edi, behind
    mov ecx, (before_end - before) / 8
.compare:
    cmpsq
    je .same
    mov rax, [rsi - 8]
    mov rdx, [rdi - 8]
    mov ebx, esi
    sub ebx, before + 8
    fail "state at ", dec, ebx, ": ", x64, rax, " became ", x64, rdx
    inc dword [failures]
.same:
    dec ecx
    jnz .compare
    ret

; EDI = where
note_state:
    mov rax, cr0
    stosq
    mov rax, cr3
    stosq
    mov rax, cr4
    stosq
    mov rax, cr8
    stosq
    mov rax, dr0
    stosq
    mov rax, dr7
    stosq
    mov rax, rsp
    stosq
    pushfq
    pop rax
    and eax, 0xFFFFF700                 ; not what the last comparison left
    stosq
%macro note_selector 1
    xor eax, eax
    mov ax, %1
    stosq
%endmacro
    note_selector cs
    note_selector ss
    note_selector ds
    note_selector es
    note_selector fs
    note_selector gs
    xor eax, eax
    str eax
    stosq
    sldt eax
    stosq
    mov qword [rdi + 8], 0
    mov qword [rdi + 24], 0
    sgdt [rdi]
    sidt [rdi + 16]
    add edi, 32
    mov ebp, MSRS - 1
.msr:
    mov ecx, [msrs + rbp * 4]
    rdmsr
    mov [rdi], eax
    mov [rdi + 4], edx
    add edi, 8
    dec ebp
    jns .msr
    mov ecx, MSR_EFER
    rdmsr
    mov [rdi], eax
    mov [rdi + 4], edx
    ret

; Keeps RAX.
check_registers:
    mov [operand], rcx
%macro must_be 2
    mov rcx, %2
    cmp %1, rcx
    jne .changed
%endmacro
    must_be rbx, ORLOP_CALL_SIGNATURE
    must_be rdx, 0x1111222233334444
    must_be rsi, 0x2222333344445555
    must_be rdi, 0x3333444455556666
    must_be rbp, 0x4444555566667777
    must_be r8, 0x5555666677778888
    must_be r9, 0x6666777788889999
    must_be r10, 0x777788889999AAAA
    must_be r11, 0x88889999AAAABBBB
    must_be r12, 0x9999AAAABBBBCCCC
    must_be r13, 0xAAAABBBBCCCCDDDD
    must_be r14, 0xBBBBCCCCDDDDEEEE
    must_be r15, 0xCCCCDDDDEEEEFFFF
    must_be [operand], PAGES
    ret
.changed:
    fail "a register has changed"
    inc dword [failures]
    ret

%macro must 2                           ; name, condition
    [section .data]
%%name: db %1, 0
    __?SECT?__
    j%2 %%holds
    mov esi, %%name
    say NAME, " FAIL "
    call print_string64
    say nl
    inc dword [failures]
%%holds:
%endmacro

check_native:
    mov eax, 1
    cpuid
    mov ebp, ecx
    say NAME, ": leaf 1 ECX ", x32, ebp, nl
    bt ebp, 31
    must "CPUID shows a hypervisor", nc
    bt ebp, 5
    must "CPUID shows no VMX", c
    mov eax, ORLOP_CPUID_BASE
    cpuid
    cmp ebx, 'Orlo'
    must "leaf 40000000h is Orlop's", ne
    mov ecx, 0x480
    attempt rdmsr
    cmp dword [fault_vector], NO_FAULT
    must "IA32_VMX_BASIC cannot be read", e
    mov rax, cr4
    or eax, CR4_VMXE
    attempt mov cr4, rax
    cmp dword [fault_vector], NO_FAULT
    must "CR4.VMXE cannot be set", e
    mov rax, cr4
    and eax, ~CR4_VMXE
    mov cr4, rax
    mov eax, 0
    mov rbx, ORLOP_CALL_SIGNATURE
    attempt vmcall
    cmp dword [fault_vector], UD
    must "VMCALL is no #UD", e
    attempt_user cli                    ; #GP: by the TSS, which LTR must have taken
    cmp dword [fault_vector], 13
    must "CPL 3 and back", e
    mov eax, [apic_base]
    cmp dword [rax + APIC_ICR_HIGH], DESTINATION
    must "ICR's upper half has changed", e
    mov ecx, 100000
.wait:
    loop .wait
    ret

section .data align=8
stack_selector: dw DATA32
absent_gdt: dw gdt_end - gdt - 1
    dq PAGES + 0x2000
align 8
msrs: dd 0xC0000100, 0xC0000101, 0xC0000102, 0x174, 0x175, 0x176, 0x277, 0xC0000082
values: dq 0x123456789000, 0xFFFF888812345000, 0xFFFF999912345000, 0x10, 0xFFFF800000001000, 0xFFFF800000002000
    dq 0x0007010600070406, 0xFFFF800000003000
section .bss
alignb 8
before:     resq 16 + 4 + MSRS + 1
before_end:
behind:     resq 16 + 4 + MSRS + 1
operand:    resq 1
tsc_before: resq 1
tsc_rate:   resq 1
own_gdt:    resb 16
failures:   resd 1
may_call:   resd 1
may_collide: resd 1
collided:   resd 1
may_wait:   resd 1
waited:     resd 1
traps:      resd 1
end_guest
