; A CPU that switches its local APIC off (IA32_APIC_BASE.EN) takes no NMI from another one until it switches
; it on again; from then on it takes each, and only those that the guest has sent. Above Orlop the boot CPU
; makes it stop all others, over and over: it touches absent memory above a processor whose EPT has more
; tables to it than there are. While the other CPU's APIC is on no touch takes long, before and after it was
; off, and while it is switched off and on in a loop.
; For 2 CPUs.
%define NAME "apicoff"
%include "guest.inc"
%include "faults.inc"
%include "smp.inc"

ROUNDS     equ 2
SWITCHES   equ 2000
TOUCHES    equ 40
FILL       equ 100                      ; more than there are tables
SLOW       equ 3579545 / 10             ; ticks of the ACPI timer: a tenth of a second
WINDOW_BIT equ 39                       ; the window is PML4 entry 1
TABLES     equ 0x60000
FIRST_GIB  equ 8
MSR_TSC    equ 0x10

; What the AP is to do.
OFF        equ 1
ON         equ 2
SWITCH     equ 3

section .text
bits 16
main:
    enter_long
    call idt_build
    mov eax, 2
    mov edx, on_nmi
    call idt_set_gate
    call smp_init
    cmp dword [pm_timer], 0
    je .unfit
    mov ebx, list_one
    call smp_for_each_ap
    cmp dword [ap_found], 0
    je .unfit
    call window_open
    mov dword [ap_work], serve
    mov edi, [ap_id]
    mov esi, 10000
    mov edx, 200
    call smp_start_cpu
    mov ebx, FILL
    call touch
    call check_on
    mov r13d, ROUNDS
.round:
    call round
    dec r13d
    jnz .round
    call switch_all_the_time
    call init_the_deaf
    cmp dword [failures], 0
    jne power_off64
    pass
    jmp power_off64
.unfit:
    skip "no ACPI timer, or one CPU"
    jmp power_off64

list_one:
    mov [ap_id], edi
    mov dword [ap_found], 1
    ret

; ---- the BSP ----------------------------------------------------------------------------------

round:
    mov eax, OFF
    call command_and_wait
    mov dword [held], 0
    mov ebx, TOUCHES
    call touch
    say "apicoff: APIC off: ", dec, [held], " touches took long", nl
    mov eax, ON
    call command_and_wait
    jmp check_on

switch_all_the_time:
    mov dword [held], 0
    mov eax, SWITCH
    call give_command
.touch:
    mov ebx, 1
    call touch
    mov eax, [command]
    cmp [done], eax
    jne .touch
    say "apicoff: off and on ", dec, [switches], " times: ", dec, [held], " touches took long", nl
    cmp dword [held], 0
    je check_on
    fail "the line above"
    inc dword [failures]

; The AP stops when it is told to, and takes one NMI.
check_on:
    mov dword [held], 0
    mov ebx, TOUCHES
    call touch
    mov edi, [ap_id]
    mov esi, ICR_NMI
    call apic_send
    inc dword [sent]
    mov edi, 100000
    call delay_us
    say "apicoff: APIC on: ", dec, [held], " touches took long; ", dec, [sent], " NMIs sent, ", \
        dec, [taken], " taken; ", dec, [wrong], " not ones", nl
    mov eax, [sent]
    sub eax, [taken]
    or eax, [held]
    or eax, [wrong]
    jz .done
    fail "the line above"
    inc dword [failures]
.done:
    ret

init_the_deaf:
    mov eax, OFF
    call command_and_wait
    mov ecx, MSR_TSC
    xor eax, eax
    xor edx, edx
    wrmsr
    mov edx, [pm_timer]
    in eax, dx
    mov ebp, eax
    mov edi, [ap_id]
    mov esi, ICR_INIT
    call apic_send
    mov edx, [pm_timer]
    in eax, dx
    sub eax, ebp
    and eax, 0xFFFFFF
    xor edx, edx
    mov ebp, SLOW
    div ebp
    mov ebp, eax
    say "apicoff: TSC set back: an INIT took ", dec, ebp, " tenths of a second", nl
    cmp ebp, 1
    jbe .done
    fail "the line above"
    inc dword [failures]
.done:
    mov edi, 900000                     ; Orlop's last lines come out meanwhile
    jmp delay_us

; EAX = what the AP is to do.
give_command:
    mov [order], eax
    lock inc dword [command]
    ret
command_and_wait:
    call give_command
    mov eax, [command]
.wait:
    pause
    cmp [done], eax
    jne .wait
    ret

window_open:
    mov edi, TABLES
    mov ecx, 0x2000 / 8
    xor eax, eax
    rep stosq
    mov dword [PML4 + 8], TABLES + 7
    mov dword [TABLES], TABLES + 0x1000 + 7
    mov eax, 0x80000008
    cpuid
    movzx ecx, al
    sub ecx, 30
    mov eax, 1
    shl eax, cl
    mov [limit], eax
    mov dword [gib], FIRST_GIB
    ret

; Touches EBX GiBs, in great strides, up to the first that takes long: Orlop waits two seconds. Keeps
; RBP, R12 and higher.
touch:
    mov eax, [gib]
    shl rax, 30
    or rax, 0x87
    mov [TABLES + 0x1000], rax
    mov r8d, 1
    shl r8, WINDOW_BIT
    invlpg [r8]
    mov edx, [pm_timer]
    in eax, dx
    mov ecx, eax
    mov rdi, [r8 + 0x1008]              ; not where a page begins: Orlop would have it tried again
    in eax, dx
    sub eax, ecx
    and eax, 0xFFFFFF
    cmp eax, SLOW
    jb .short
    inc dword [held]
    mov ebx, 1
.short:
    cmp rdi, -1
    je .ones
    inc dword [wrong]
.ones:
    mov eax, [gib]
    add eax, 37
    cmp eax, [limit]
    jb .there
    sub eax, [limit]
    add eax, FIRST_GIB
.there:
    mov [gib], eax
    dec ebx
    jnz touch
    ret

; ---- the AP -----------------------------------------------------------------------------------

; Without an exit while it waits.
serve:
    xor r14d, r14d
.wait:
    pause
    mov eax, [command]
    cmp eax, r14d
    je .wait
    mov r14d, eax
    mov ebx, 1
    cmp dword [order], OFF
    je .off
    cmp dword [order], ON
    je .on
    mov ebx, SWITCHES
.off:
    mov ecx, MSR_APIC_BASE
    rdmsr
    and eax, ~APIC_ENABLED
    wrmsr
    cmp dword [order], OFF
    je .over
    inc dword [switches]
    mov ecx, ebx                        ; so that each meets the others at another moment
    and ecx, 0xFF
.spin:
    pause
    dec ecx
    jns .spin
.on:
    mov ecx, MSR_APIC_BASE
    rdmsr
    or eax, APIC_ENABLED
    wrmsr
    dec ebx
    jnz .off
.over:
    mov [done], r14d
    jmp .wait

on_nmi:
    inc dword [taken]
    iretq

section .bss
alignb 4
ap_id:    resd 1
ap_found: resd 1
command:  resd 1
order:    resd 1
done:     resd 1
switches: resd 1
limit:    resd 1
gib:      resd 1
held:     resd 1
wrong:    resd 1
sent:     resd 1
taken:    resd 1
failures: resd 1
end_guest
