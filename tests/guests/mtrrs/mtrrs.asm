; The guest's MTRRs, PAT and CR0.CD: each CPU has its own, reads back what it wrote, and keeps them over
; INIT, CD and NW too. They are changed by the manual's sequence (SDM vol. 3A, 12.11.8 "MTRR
; Considerations in MP Systems"), by one CPU after the other and by all at once; changed and changed
; back; left different, and off; and written in a loop by all CPUs. What the EPT's types become of it
; cannot be seen from here: above Orlop its log tells, at the loglevel debug.
%define NAME "mtrrs"
%include "guest.inc"
%include "faults.inc"
%include "smp.inc"

BOX_DONE  equ BOX_OWN                   ; the number of the last command that was done
BOX_CR0   equ BOX_OWN + 8               ; CR0.CD and NW, the PAT, PHYSMASK7 as they were at the start
BOX_PAT   equ BOX_OWN + 16
BOX_MASK  equ BOX_OWN + 24
BOX_WRONG equ BOX_OWN + 32              ; registers that read otherwise than they were written

CD          equ 1 << 30
NW          equ 1 << 29
MSR_PAIR6   equ 0x20C
MSR_PAIR7   equ 0x20E
MSR_FIXED   equ 0x258                   ; 80000h to 9FFFFh
MSR_PAT     equ 0x277
MSR_DEFAULT equ 0x2FF
MTRRS_ON    equ 1 << 11
VALID       equ 1 << 11
UC equ 0
WC equ 1
WT equ 4
OTHER_PAT   equ 0x0001040500060107
FLIPS       equ 1000

; base, bytes, type: the pair to write
%macro pair 3
    mov dword [pair_base], %1 | %3
    mov rax, (0x10000000000 - %2) | VALID
    mov [pair_mask], rax
%endmacro
%macro on_all 1
    mov eax, %1
    call command_all
%endmacro

section .text
bits 16
main:
    enter_long
    call idt_build
    call smp_init
    call begin
    call one_after_the_other
    call all_at_once
    call there_and_back
    call fixed_range
    call left_different
    call left_off
    call flood
    call over_init
    cmp dword [failures], 0
    jne power_off64
    pass "cpus=", dec, [cpu_count]
    jmp power_off64

begin:
    mov dword [ap_work], serve
    mov ebx, start_ap
    call smp_for_each_ap
    on_all switch_caches_on
    ret

start_ap:
    mov ebp, edi
    mov esi, 10000
    mov edx, 200
    call smp_start_cpu
    mov edi, 100000
    call delay_us
    shl ebp, 6
    add ebp, MAILBOX
    cmp dword [rbp + BOX_ARRIVED], 1
    je .there
    fail "a CPU does not start"
    inc dword [failures]
.there:
    say "mtrrs: APIC id ", dec, [rbp + BOX_ID], " starts with CD and NW ", x32, [rbp + BOX_CR0], ", PAT ", \
        x64, [rbp + BOX_PAT], ", PHYSMASK7 ", x64, [rbp + BOX_MASK], nl
    ret

one_after_the_other:
    pair 0x40000000, 0x10000, WC
    call write_pair
    mov ebx, .one
    call smp_for_each_ap
    mov esi, step1
    jmp check_all
.one:
    mov eax, write_pair
    jmp command_one

all_at_once:
    pair 0x40200000, 0x200000, WT
    on_all write_pair
    mov esi, step2
    jmp check_all

there_and_back:
    on_all write_pair_twice
    mov esi, step3
    jmp check_all

fixed_range:
    on_all write_fixed
    mov esi, step4
    call check_all
    on_all restore_fixed
    mov esi, step5
    jmp check_all

; The last CPU alone; and the others after it.
left_different:
    pair 0x40000000, 0x400000, UC
    mov eax, [cpu_count]
    mov edi, [cpu_ids + rax * 4 - 4]
    mov eax, write_pair
    call command_one
    call wait_long
    on_all write_pair
    mov esi, step6
    jmp check_all

left_off:
    on_all switch_mtrrs_off
    call wait_long
    on_all switch_mtrrs_on
    mov esi, step7
    jmp check_all

flood:
    on_all flip
    pair 0x50000000, 0x20000, WC
    on_all write_pair6
    call wait_long                      ; Orlop prints four lines a second
    mov esi, step8
    jmp check_all

; The first AP, if there is one, is reset with all of it set otherwise than at the start.
over_init:
    mov ebx, .reset
    jmp smp_for_each_ap
.reset:
    mov ebp, edi
    mov eax, set_for_init
    call command_one
    mov esi, ebp
    shl esi, 6
    mov dword [MAILBOX + rsi + BOX_ARRIVED], 0
    mov edi, ebp
    jmp start_ap

; Prints the line at ESI, and checks what each CPU reads.
check_all:
    mov [step], esi
    on_all check_own
    mov edi, 300000
    call delay_us                       ; for Orlop's rest between two rebuilds, and its line
    mov dword [wrong], 0
    xor ebx, ebx
.next:
    mov eax, [cpu_ids + rbx * 4]
    shl eax, 6
    mov eax, [MAILBOX + rax + BOX_WRONG]
    add [wrong], eax
    inc ebx
    cmp ebx, [cpu_count]
    jb .next
    say "mtrrs: "
    mov esi, [step]
    call print_string64
    say ": ", dec, [wrong], " of ", dec, [cpu_count], " CPUs read otherwise", nl
    cmp dword [wrong], 0
    je .done
    inc dword [failures]
.done:
    ret

; Longer than Orlop waits for CPUs of one mind.
wait_long:
    mov ebx, 30
.next:
    mov edi, 100000
    call delay_us
    dec ebx
    jnz .next
    ret

; EAX = what all CPUs do now; this one does it too.
command_all:
    mov dword [command_target], -1
    mov [command_code], eax
    lock inc dword [command]
    mov r15d, [own_apic_id]
    shl r15d, 6
    add r15d, MAILBOX
    call rax
    xor ebx, ebx
.next:
    mov edi, [cpu_ids + rbx * 4]
    call wait_done
    inc ebx
    cmp ebx, [cpu_count]
    jb .next
    ret

; EDI = APIC id, EAX = what it does.
command_one:
    cmp edi, [own_apic_id]
    je .own
    mov [command_target], edi
    mov [command_code], eax
    lock inc dword [command]
    jmp wait_done
.own:
    jmp rax

; EDI = APIC id; this CPU's own commands are done when they return.
wait_done:
    cmp edi, [own_apic_id]
    je .done
    mov ecx, edi
    shl ecx, 6
    mov eax, [command]
.wait:
    pause
    cmp [MAILBOX + rcx + BOX_DONE], eax
    jne .wait
.done:
    ret

; An AP's life, with R15 = mailbox: commands, those that are not its own too.
serve:
    mov rax, cr0
    and eax, CD | NW
    mov [r15 + BOX_CR0], eax
    mov ecx, MSR_PAT
    call read
    mov [r15 + BOX_PAT], rax
    mov ecx, MSR_PAIR7 + 1
    call read
    mov [r15 + BOX_MASK], rax
    mov r14d, [command]
    mov [r15 + BOX_DONE], r14d
.wait:
    pause
    mov eax, [command]
    cmp eax, r14d
    je .wait
    mov r14d, eax
    mov eax, [command_target]
    cmp eax, -1
    je .mine
    cmp eax, [r15 + BOX_ID]
    jne .over
.mine:
    mov eax, [command_code]
    call rax
.over:
    mov [r15 + BOX_DONE], r14d
    jmp .wait

; ECX = MSR, RAX = value. Clobbers RDX.
read:
    rdmsr
    shl rdx, 32
    or rax, rdx
    ret
write:
    mov rdx, rax
    shr rdx, 32
    wrmsr
    ret

switch_caches_on:
    mov rax, cr0
    and eax, ~(CD | NW)
    mov cr0, rax
    ret

; The manual's sequence around what R13 points at. Clobbers RAX, RCX, RDX, R11.
change:
    mov rax, cr0
    or eax, CD
    and eax, ~NW
    mov cr0, rax
    wbinvd
    mov rax, cr3
    mov cr3, rax
    call switch_mtrrs_off
    call r13
    call switch_mtrrs_on
    wbinvd
    mov rax, cr3
    mov cr3, rax
    jmp switch_caches_on

switch_mtrrs_off:
    mov ecx, MSR_DEFAULT
    call read
    and eax, ~MTRRS_ON
    jmp write
switch_mtrrs_on:
    mov ecx, MSR_DEFAULT
    call read
    or eax, MTRRS_ON
    jmp write

write_pair:
    mov r13d, .pair
    jmp change
.pair:
    mov ecx, MSR_PAIR7
    mov eax, [pair_base]
    call write
    inc ecx
    mov rax, [pair_mask]
    jmp write

write_pair_twice:
    mov r13d, .twice
    jmp change
.twice:
    mov ecx, MSR_PAIR7
    mov eax, 0x80000000 | WC
    call write
    jmp write_pair.pair

write_fixed:
    mov r13d, .fixed
    jmp change
.fixed:
    mov ecx, MSR_FIXED
    call read
    mov [fixed_before], rax
    mov al, WT
    jmp write
restore_fixed:
    mov r13d, .fixed
    jmp change
.fixed:
    mov ecx, MSR_FIXED
    mov rax, [fixed_before]
    jmp write

; In no sequence at all, and each value for a few instructions.
flip:
    mov r11d, FLIPS
.next:
    mov ecx, MSR_PAIR6
    mov eax, r11d
    and eax, 1
    or eax, 0x50000000
    call write
    inc ecx
    mov rax, (0x10000000000 - 0x100000) | VALID
    bt r11d, 1
    jc .valid
    xor eax, eax
.valid:
    call write
    dec r11d
    jnz .next
    ret
write_pair6:
    mov ecx, MSR_PAIR6
    mov eax, [pair_base]
    call write
    inc ecx
    mov rax, [pair_mask]
    jmp write

set_for_init:
    mov ecx, MSR_PAT
    mov rax, OTHER_PAT
    call write
    mov rax, cr0
    or eax, CD | NW                     ; both: Bochs sets both at INIT, where the manual keeps them
    mov cr0, rax
    ret

; Pair 7 or, where that is what was written last, pair 6.
check_own:
    mov dword [r15 + BOX_WRONG], 0
    mov ecx, MSR_PAIR7
    cmp dword [step], step8
    jne .pair
    mov ecx, MSR_PAIR6
.pair:
    call read
    cmp eax, [pair_base]
    jne .wrong
    inc ecx
    call read
    cmp rax, [pair_mask]
    jne .wrong
    mov ecx, MSR_DEFAULT
    call read
    bt eax, 11
    jnc .wrong
    cmp dword [step], step4
    jne .right
    mov ecx, MSR_FIXED
    call read
    cmp al, WT
    je .right
.wrong:
    inc dword [r15 + BOX_WRONG]
.right:
    ret

section .data
step1: db "one CPU after the other", 0
step2: db "all at once", 0
step3: db "changed and changed back", 0
step4: db "a fixed range", 0
step5: db "and as it was", 0
step6: db "the last CPU alone for 3 s, then all", 0
step7: db "off for 3 s", 0
step8: db "after a flood", 0

section .bss
alignb 8
pair_base:      resq 1
pair_mask:      resq 1
fixed_before:   resq 1
command:        resd 1
command_target: resd 1
command_code:   resd 1
step:           resd 1
wrong:          resd 1
failures:       resd 1
end_guest
