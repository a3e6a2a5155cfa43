; INIT and SIPI by every route do to every CPU what they do on the bare machine: by each destination,
; physical, logical (flat and cluster model), broadcast and shorthand, of xAPIC and of x2APIC, from the
; BSP, from an AP, from the CPU itself; to CPUs that run, halt or wait; without each other; with NMIs in
; between. A line for each route tells for all APs, in the order of the MADT, how often they arrived and
; at which vector, and whether they run. The state that INIT leaves is told register by register.
%define NAME "sipis"
%include "guest.inc"
%include "faults.inc"
%include "smp.inc"

BOX_SPINS   equ BOX_OWN
BOX_TASK    equ BOX_OWN + 4             ; a routine that the AP is to call; 0 when it has

VECTOR      equ TRAMPOLINE >> 12        ; four pages with the same trampoline
PAGES       equ 4
DUMP        equ 0x200                   ; in the page: the registers as they were when it was entered

SIPI        equ ICR_STARTUP | VECTOR
LOGICAL     equ 1 << 11
LEVEL       equ 1 << 15
ASSERT      equ 1 << 14
TO_SELF     equ 1 << 18
TO_ALL      equ 2 << 18
TO_OTHERS   equ 3 << 18
EVERYONE    equ 0xFF
APIC_LDR    equ 0xD0
APIC_DFR    equ 0xE0
X2_ICR      equ 0x830
SETTLE_US   equ 2000

%macro send 2                           ; destination, low half
    mov edi, %1
    mov esi, %2
    call apic_send_any
%endmacro
%macro route 1                          ; what was done: wait for it, and tell
    say "sipis: ", %1, ":"
    call report
%endmacro
%macro route_to_all 1                   ; SIPIs by one message: Bochs 3.0 starts one CPU that waits in a guest
    route %1
    call start_rest
%endmacro
%macro task 2                           ; AP's number in the MADT's order, routine
    mov eax, %1
    mov edx, %2
    call give_task
%endmacro

section .text
bits 16
main:
    mov dword [2 * 4], nmi_in_real_mode
    enter_long
    call idt_build
    mov eax, 2
    mov edx, on_nmi
    call idt_set_gate
    call smp_init
    call lay_trampolines
    mov dword [ap_work], work
    mov ebx, list_one
    call smp_for_each_ap
    cmp dword [aps], 0
    jne .some
    skip "no other CPU"
    jmp power_off64
.some:
    call xapic_routes
    call special_routes
    call states
    jmp boot_cpu_restarts
restarted:
    call x2apic_routes
    pass "aps=", dec, [aps]
    jmp power_off64

list_one:
    mov eax, [aps]
    mov [ap_ids + rax * 4], edi
    inc dword [aps]
    ret

; mov ax, cs: the vector. The state before it is kept in the page.
lay_trampolines:
    mov edx, TRAMPOLINE
    mov ebx, PAGES
.page:
    mov esi, trampoline
    mov edi, edx
    mov ecx, trampoline_end - trampoline
    rep movsb
    lea edi, [rdx + DUMP]
    mov ecx, DUMPED
    xor eax, eax
    rep stosb
    add edx, 0x1000
    dec ebx
    jnz .page
    ret

; ---- routes -----------------------------------------------------------------------------------

xapic_routes:
    send 0, ICR_INIT | TO_OTHERS
    call settle
    call clear
    mov ebx, sipi_one
    call smp_for_each_ap
    route "SIPI to each"
    mov ebx, sipi_one
    call smp_for_each_ap
    route "SIPI to each that runs"
    send 0, 0x8500 | TO_OTHERS
    route "INIT level de-assert to others"
    mov ebx, init_one
    call smp_for_each_ap
    route "INIT to each"
    mov ebx, init_one
    call smp_for_each_ap
    route "INIT to each that waits"
    send 0, SIPI | TO_OTHERS
    route_to_all "SIPI to others"
    send 0, ICR_INIT | TO_OTHERS
    route "INIT to others"
    send 0, SIPI | TO_ALL
    route_to_all "SIPI to all"
    send 0, ICR_INIT | LEVEL | TO_OTHERS
    route "INIT, level, to others"
    send EVERYONE, SIPI
    route_to_all "SIPI broadcast"
    send 0x3E, ICR_INIT
    send 0x3E, SIPI
    route "INIT and SIPI to nobody"
    send [ap_ids], 0x0500
    route "INIT, edge, no level, to one"
    send [ap_ids], SIPI + 1
    send [ap_ids], SIPI + 2
    route "SIPIs to two places"

    call logical_ids
    send 0x02, ICR_INIT | LOGICAL
    route "INIT to logical 02"
    send 0x0C, ICR_INIT | LOGICAL
    route "INIT to logical 0c"
    send 0x0E, SIPI | LOGICAL
    route "SIPI to logical 0e, after INIT"
    mov ebx, init_one
    call smp_for_each_ap
    call settle
    send EVERYONE, SIPI | LOGICAL
    route_to_all "SIPI to logical ff"
    send 0x0E, ICR_INIT | LOGICAL
    route "INIT to logical 0e, after INIT"
    call cluster_ids
    send 0x13, ICR_INIT | LOGICAL
    route "INIT to logical 13 of clusters"
    send 0x21, ICR_INIT | LOGICAL
    route "INIT to logical 21 of clusters"
    mov dword [r8 + APIC_DFR], -1
    send EVERYONE, ICR_STARTUP | VECTOR | LOGICAL
    route_to_all "SIPI to logical ff again"
    ret

special_routes:
    task 0, init_self
    route "an AP resets itself"
    send [ap_ids], SIPI
    route "SIPI to it"
    task 0, init_self_shorthand
    route "INIT with the shorthand self"
    call restart_all

    task 0, halt_for_good
    send [ap_ids], SIPI
    route "SIPI to one that halts"
    send [ap_ids], ICR_INIT
    call settle
    send [ap_ids], SIPI
    route "INIT and SIPI to it"

    send [ap_ids], ICR_INIT
    call settle
    send [ap_ids], ICR_NMI
    route "NMI to one that waits"
    send [ap_ids], SIPI
    route "SIPI to it, with the NMI"
    call tell_nmis
    send [ap_ids], ICR_INIT
    call settle
    send [ap_ids], ICR_NMI
    send [ap_ids], ICR_NMI
    call settle
    send [ap_ids], ICR_INIT
    call settle
    send [ap_ids], SIPI
    route "NMIs, INIT and SIPI to one that waits"
    call tell_nmis
    send 0, ICR_NMI | TO_OTHERS
    route "NMI to others"
    call tell_nmis

    cmp dword [aps], 2
    jb .pair
    task 1, reset_first
    route "an AP resets and starts another"
    task 0, init_second
    task 1, init_first
    call settle
    call restart_all
    send 0, ICR_INIT | TO_OTHERS
    call settle
    send 0, SIPI | TO_OTHERS
    route_to_all "SIPI to others, after two have reset each other"
.pair:
    ret

; Each AP in x2APIC mode again, if INIT took that from it.
x2apic_routes:
    mov eax, 1
    cpuid
    bt ecx, 21
    jc .has
    skip "no x2APIC"
    ret
.has:
    call restart_all
    call to_x2apic
    mov byte [x2apic], 1
    call all_to_x2apic
    mov ebx, init_one
    call smp_for_each_ap
    route "x2APIC: INIT to each"
    mov ebx, sipi_one
    call smp_for_each_ap
    route "x2APIC: SIPI to each"
    send 0, ICR_INIT | TO_OTHERS
    route "x2APIC: INIT to others"
    send -1, SIPI
    route_to_all "x2APIC: SIPI broadcast"
    send 0, ICR_INIT | TO_OTHERS
    call settle
    send 0, SIPI | TO_ALL
    route_to_all "x2APIC: SIPI to all"
    send 0x3E, ICR_INIT
    send 0x103, ICR_INIT
    route "x2APIC: INIT to nobody"
    call all_to_x2apic
    send 0x02, ICR_INIT | LOGICAL
    route "x2APIC: INIT to logical 02"
    send 0x1000C, ICR_INIT | LOGICAL
    route "x2APIC: INIT to logical 0c of another cluster"
    send 0x0C, ICR_INIT | LOGICAL
    route "x2APIC: INIT to logical 0c"
    send 0, SIPI | TO_OTHERS
    route_to_all "x2APIC: SIPI to others"
    call all_to_x2apic
    task 0, init_self
    route "x2APIC: an AP resets itself"
    send 0, SIPI | TO_OTHERS
    route_to_all "x2APIC: SIPI to others, one of which waits"
    ret

init_one:
    mov esi, ICR_INIT
    jmp apic_send_any
sipi_one:
    mov esi, SIPI
    jmp apic_send_any

; EDI = destination, ESI = low half: by what the BSP's APIC is now.
apic_send_any:
    cmp byte [x2apic], 0
    je apic_send
x2_send:
    mov edx, edi
    mov eax, esi
    mov ecx, X2_ICR
    wrmsr
    ret

restart_all:
    send 0, ICR_INIT | TO_OTHERS
    call settle
start_rest:
    mov ebx, sipi_one
    call smp_for_each_ap
    call settle
    jmp clear

; R8 = APIC page.
logical_ids:
    mov r8d, [apic_base]
    mov edx, set_flat
    jmp all_tasks
cluster_ids:
    mov r8d, [apic_base]
    mov dword [r8 + APIC_DFR], 0x0FFFFFFF
    mov edx, set_cluster
    jmp all_tasks
all_to_x2apic:
    mov edx, to_x2apic

; EDX = routine, for each AP that runs.
all_tasks:
    mov [task_of_all], edx
    mov ebx, .one
    jmp smp_for_each_ap
.one:
    shl edi, 6
    add edi, MAILBOX
    mov edx, [task_of_all]
    jmp give_task.box

; EAX = number, EDX = routine. Waits at most 20 ms for its end, which may never come.
give_task:
    mov edi, [ap_ids + rax * 4]
    shl edi, 6
    add edi, MAILBOX
.box:
    mov ebx, edi
    mov [rbx + BOX_TASK], edx
    mov ebp, 20
.wait:
    mov edi, 1000
    call delay_us
    cmp dword [rbx + BOX_TASK], 0
    je .done
    dec ebp
    jnz .wait
.done:
    ret

settle:
    push rsi
    mov edi, SETTLE_US
    call delay_us
    pop rsi
    ret

clear:
    xor eax, eax
.next:
    mov edx, [ap_ids + rax * 4]
    mov dword [ap_vectors + rdx * 4], 0
    mov dword [nmis + rdx * 4], 0
    shl edx, 6
    add edx, MAILBOX
    mov dword [rdx + BOX_ARRIVED], 0
    inc eax
    cmp eax, [aps]
    jb .next
    ret

; Ends the line.
report:
    call settle
    say " arrived"
    xor ebp, ebp
.arrived:
    mov ebx, [ap_ids + rbp * 4]
    mov ecx, ebx
    shl ecx, 6
    say " ", dec, [MAILBOX + rcx + BOX_ARRIVED], "@", x8, [ap_vectors + rbx * 4]
    mov ecx, [MAILBOX + rcx + BOX_SPINS]
    mov [spins + rbx * 4], ecx
    inc ebp
    cmp ebp, [aps]
    jb .arrived
    call settle
    say " runs"
    xor ebp, ebp
.runs:
    mov ebx, [ap_ids + rbp * 4]
    mov ecx, ebx
    shl ecx, 6
    mov ecx, [MAILBOX + rcx + BOX_SPINS]
    cmp ecx, [spins + rbx * 4]
    setne cl
    movzx ecx, cl
    say " ", dec, ecx
    inc ebp
    cmp ebp, [aps]
    jb .runs
    say nl
    jmp clear_arrivals

clear_arrivals:
    xor eax, eax
.next:
    mov edx, [ap_ids + rax * 4]
    mov dword [ap_vectors + rdx * 4], 0
    shl edx, 6
    mov dword [MAILBOX + rdx + BOX_ARRIVED], 0
    inc eax
    cmp eax, [aps]
    jb .next
    ret

tell_nmis:
    say "sipis: NMIs, in real mode and later:"
    xor ebp, ebp
.next:
    mov ebx, [ap_ids + rbp * 4]
    say " ", dec, [real_nmis + rbx * 4], "+", dec, [nmis + rbx * 4]
    mov dword [real_nmis + rbx * 4], 0
    mov dword [nmis + rbx * 4], 0
    inc ebp
    cmp ebp, [aps]
    jb .next
    say nl
    ret

; ---- on the APs -------------------------------------------------------------------------------

; R15 = mailbox. It spins without an exit: Bochs 3.0 drops an INIT that meets a CPU in root mode, which a
; processor holds.
work:
.again:
    pause
    inc dword [r15 + BOX_SPINS]
    mov eax, [r15 + BOX_TASK]
    test eax, eax
    jz .again
    push r15
    call rax
    pop r15
    mov dword [r15 + BOX_TASK], 0
    jmp .again

init_self:
    mov dword [r15 + BOX_TASK], 0
    mov edi, [r15 + BOX_ID]
    mov esi, ICR_INIT
    mov ecx, MSR_APIC_BASE
    rdmsr
    test eax, APIC_X2
    jnz x2_send
    jmp apic_send
init_self_shorthand:
    xor edi, edi
    mov esi, ICR_INIT | TO_SELF
    jmp apic_send
halt_for_good:
    mov dword [r15 + BOX_TASK], 0
    cli
    hlt
    jmp halt_for_good
reset_first:
    mov edi, [ap_ids]
    mov esi, ICR_INIT
    call apic_send
    mov edi, SETTLE_US
    call delay_us
    mov edi, [ap_ids]
    mov esi, SIPI
    jmp apic_send
init_first:
    mov edi, [ap_ids]
    jmp init_other
init_second:
    mov edi, [ap_ids + 4]
init_other:
    mov dword [r15 + BOX_TASK], 0
    mov esi, ICR_INIT
    jmp apic_send
set_flat:
    mov edx, [apic_base]
    mov ecx, [r15 + BOX_ID]
    mov eax, 1 << 24
    shl eax, cl
    mov [rdx + APIC_LDR], eax
    ret
set_cluster:                            ; id 1: 1.1, id 2: 1.2, id 3: 2.1
    mov edx, [apic_base]
    mov ecx, [r15 + BOX_ID]
    mov eax, 0x11000000
    cmp ecx, 2
    jb .set
    mov eax, 0x12000000
    je .set
    mov eax, 0x21000000
.set:
    mov [rdx + APIC_LDR], eax
    mov dword [rdx + APIC_DFR], 0x0FFFFFFF
    ret
to_x2apic:
    mov ecx, MSR_APIC_BASE
    rdmsr
    or eax, APIC_X2
    wrmsr
    ret
on_nmi:
    push rax
    push rbx
    push rcx
    push rdx
    mov eax, 1
    cpuid
    shr ebx, 24
    inc dword [nmis + rbx * 4]
    pop rdx
    pop rcx
    pop rbx
    pop rax
    iretq

bits 16
nmi_in_real_mode:
    pushad
    push ds
    xor ax, ax
    mov ds, ax
    mov eax, 1
    cpuid
    shr ebx, 24
    inc dword [real_nmis + ebx * 4]
    pop ds
    popad
    iret

%macro keep 1
    mov eax, %1
    mov [cs:DUMP + kept], eax
    %assign kept kept + 4
%endmacro
trampoline:                             ; copied; CS is its page
    mov [cs:DUMP], eax
%assign kept 4
    keep ebx
    keep ecx
    keep edx
    keep esi
    keep edi
    keep ebp
    keep esp
    pushfd                              ; at SS:SP as INIT left them
    pop eax
    mov [cs:DUMP + kept], eax
%assign kept kept + 4
    keep cr0
    keep cr2
    keep cr3
    keep cr4
    keep dr0
    keep dr3
    keep dr6
    keep dr7
%macro keep_selector 1
    xor eax, eax
    mov ax, %1
    mov [cs:DUMP + kept], eax
    %assign kept kept + 4
%endmacro
    keep_selector ds
    keep_selector es
    keep_selector ss
    keep_selector fs
    keep_selector gs
    sidt [cs:DUMP + kept]
    sgdt [cs:DUMP + kept + 8]
    mov ecx, MSR_EFER
    rdmsr
    mov [cs:DUMP + kept + 16], eax
    mov ax, cs
    jmp 0:ap_first
trampoline_end:
DUMPED equ kept + 20

ap_first:                               ; AX = CS of the trampoline
    mov si, ax
    xor ax, ax
    mov ds, ax
    mov eax, 1
    cpuid
    shr ebx, 24
    shr si, 8
    movzx esi, si
    mov [ap_vectors + ebx * 4], esi
    jmp ap_entry

; ---- the state that INIT leaves -----------------------------------------------------------------
bits 64
states:
    task 0, spoil
    send [ap_ids], ICR_INIT
    call settle
    send [ap_ids], SIPI + 3
    route "INIT to one whose registers are spoilt"
    mov ebx, names
    mov ebp, TRAMPOLINE + 0x3000 + DUMP
.next:
    mov eax, [rbp]
    say "sipis: after INIT "
    mov esi, ebx
    call print_string64
    say " ", x32, eax, nl
    add ebp, 4
.skip:
    inc ebx
    cmp byte [rbx - 1], 0
    jne .skip
    cmp byte [rbx], 0
    jne .next
    task 0, tell_apic
    xor ebp, ebp
.apic:
    movzx eax, word [apic_offsets + rbp * 2]
    mov ecx, [apic_told + rbp * 4]
    say "sipis: after INIT APIC ", x16, eax, " ", x32, ecx, nl
    inc ebp
    cmp ebp, APIC_TOLD
    jb .apic
    ret

; On an AP: all that INIT resets is made something else.
spoil:
    mov dword [r15 + BOX_TASK], 0
    mov edx, [apic_base]
    xor ebp, ebp
.apic:
    movzx ecx, word [apic_offsets + rbp * 2]
    movzx eax, word [apic_spoilt + rbp * 2]
    cmp ecx, APIC_LDR
    jne .low
    shl eax, 24
.low:
    mov [rdx + rcx], eax
    inc ebp
    cmp ebp, APIC_TOLD
    jb .apic
    mov eax, 0x5A5A
    mov cr2, rax
    mov dr0, rax
    mov dr3, rax
    mov rax, cr4
    or eax, CR4_OSFXSR
    mov cr4, rax
    mov eax, USER_DATA
    mov ds, eax
    mov es, eax
    mov fs, eax
    mov gs, eax
    mov eax, -1
    mov ebx, eax
    mov ecx, eax
    mov edx, eax
    mov esi, eax
    mov edi, eax
    mov ebp, eax
.stay:
    jmp .stay

tell_apic:
    mov edx, [apic_base]
    xor ebp, ebp
.next:
    movzx ecx, word [apic_offsets + rbp * 2]
    mov eax, [rdx + rcx]
    mov [apic_told + rbp * 4], eax
    inc ebp
    cmp ebp, APIC_TOLD
    jb .next
    ret

; ---- INIT to the boot CPU: the shutdown status in the CMOS says that somebody goes on ------------
boot_cpu_restarts:
    mov word [0x467], resumed
    mov word [0x469], 0
    mov al, 0x8F
    out 0x70, al
    mov al, 0x0A
    out 0x71, al
    send [own_apic_id], ICR_INIT
    mov edi, 500000
    call delay_us
    fail "INIT to the boot CPU does nothing"
    jmp power_off64
bits 16
resumed:
    cli
    cld
    xor ax, ax
    mov ds, ax
    mov es, ax
    mov ss, ax
    mov esp, STACK_TOP
    mov al, 0x8F
    out 0x70, al
    mov al, 0
    out 0x71, al
    mov ebx, cr0
    enter_long
    lidt [idt_pointer]
    route "INIT to the boot CPU, which goes on by 40:67"
    jmp restarted

section .data
align 4
apic_offsets: dw 0xF0, 0x80, APIC_LDR, 0x320, 0x330, 0x340, 0x350, 0x360, 0x370, 0x380, 0x3E0
APIC_TOLD equ ($ - apic_offsets) / 2
; The LVTs take other vectors when the APIC is enabled, which is the first entry.
apic_spoilt:  dw 0x1FF, 0x20, 0x02, 0x61, 0x62, 0x63, 0x64, 0x65, 0x66, 0xFFFF, 0x0B
names: db "EAX", 0, "EBX", 0, "ECX", 0, "EDX", 0, "ESI", 0, "EDI", 0, "EBP", 0, "ESP", 0
       db "EFLAGS", 0, "CR0", 0, "CR2", 0, "CR3", 0, "CR4", 0, "DR0", 0, "DR3", 0, "DR6", 0, "DR7", 0
       db "DS", 0, "ES", 0, "SS", 0, "FS", 0, "GS", 0, "IDT limit, base low", 0, "IDT base high", 0
       db "GDT limit, base low", 0, "GDT base high", 0, "EFER", 0, 0

section .bss
alignb 4
aps:         resd 1
task_of_all: resd 1
ap_ids:      resd MAX_APIC_ID + 1
ap_vectors:  resd MAX_APIC_ID + 1
spins:       resd MAX_APIC_ID + 1
nmis:        resd MAX_APIC_ID + 1
real_nmis:   resd MAX_APIC_ID + 1
apic_told:   resd APIC_TOLD
x2apic:      resb 1
end_guest
