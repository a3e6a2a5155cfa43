; The tour: a guest finds its machine as the firmware left it, and every mode of the processor works.
; It prints through the BIOS and on COM1, walks from real mode through protected mode and PAE paging
; to long mode and back, also by LMSW and with CLTS, tells who is below, and finds BIOS services and
; the timer's interrupt still at work. Then it powers the machine off.
%define NAME "realmode"
%include "guest.inc"

section .text
bits 16
main:
    sti
    call show_title
    say "realmode: real mode, CR0=", x32, [saved_cr0], nl
    call who_is_below
    cli
    call walk_up_and_down
    call lmsw_and_clts
    sti
    call bios_at_work
    cmp byte [failures], 0
    jne .failed
    pass "all modes visited, BIOS alive"
    mov si, screen_bye
    call screen_print
    jmp power_off16
.failed:
    fail "see above"
    jmp power_off16

show_title:
    mov eax, cr0
    mov [saved_cr0], eax
    mov si, screen_title
    call screen_print
    say nl, "realmode: hello; this guest takes the machine for its own", nl
    ret

; SI = text, through int 10h teletype.
screen_print:
    lodsb
    test al, al
    jz .done
    mov ah, 0x0E
    mov bx, 7
    push si
    int 10h
    pop si
    jmp screen_print
.done:
    ret

; The hypervisor's signature is read even where the hypervisor bit is clear: that is worth saying.
who_is_below:
    mov eax, 1
    cpuid
    test ecx, ecx
    js .hypervisor
    say "realmode: no hypervisor (CPUID.1:ECX bit 31 is clear)", nl
    mov si, screen_alone
    jmp screen_print
.hypervisor:
    mov eax, 0x40000000
    cpuid
    mov [signature], ebx
    mov [signature + 4], ecx
    mov [signature + 8], edx
    mov esi, signature
    say "realmode: hypervisor '"
    call print_string16
    say "', highest leaf ", x32, eax, nl
    mov si, screen_below
    call screen_print
    mov si, signature
    call screen_print
    mov si, screen_newline
    jmp screen_print

; %1 = condition that must hold after the comparison before it; %2 = what failed
%macro expect 2
    j%1 %%good
    say "realmode: wrong: ", %2, nl
    inc byte [failures]
%%good:
%endmacro

walk_up_and_down:
    mov [saved_sp], sp
    enter_protected
    mov eax, cr0
    say "realmode: protected mode, 32 bits, CR0=", x32, eax, nl
    call page_by_pae

    mov ebx, in_long_mode
    jmp protected_to_long
bits 64
in_long_mode:
    mov ecx, MSR_EFER
    rdmsr
    say "realmode: long mode, EFER=", x32, eax, nl
    test eax, 1 << 10
    expect nz, "EFER.LMA is clear in long mode"
    mov rax, 0x123456789ABCDEF0
    rol rax, 32
    mov r15, 0x9ABCDEF012345678
    cmp rax, r15
    expect e, "a 64-bit rotation"

    mov ebx, back_in_protected
    jmp long_to_protected
bits 32
back_in_protected:
    say "realmode: protected mode again", nl
    mov ebx, back_in_real
    jmp protected_to_real
bits 16
back_in_real:
    mov sp, [saved_sp]
    smsw ax
    test al, CR0_PE
    expect z, "CR0.PE is set in real mode"
    say "realmode: real mode again", nl
    ret

bits 32
; Pages the same 4 GiB by PAE's three levels, reads a byte through a moved page, and goes back.
page_by_pae:
    mov eax, cr4
    or eax, CR4_PAE
    mov cr4, eax
    mov eax, PAE_PDPT
    mov cr3, eax
    mov dword [DIRECTORIES + 8 * 512], 87h      ; 1 GiB shows the first 2 MiB
    mov eax, cr0
    or eax, CR0_PG
    mov cr0, eax
    say "realmode: PAE paging, CR0=", x32, eax, nl
    mov eax, [0x40000000 + page_by_pae]
    cmp eax, [page_by_pae]
    expect e, "1 GiB does not show the image"
    mov eax, cr0
    and eax, ~CR0_PG
    mov cr0, eax
    mov dword [DIRECTORIES + 8 * 512], 40000087h
    mov eax, cr4
    and eax, ~CR4_PAE
    mov cr4, eax
    ret

bits 16
; The 286's way in, and the bit that a task switch leaves.
lmsw_and_clts:
    mov eax, cr0
    or al, CR0_TS
    mov cr0, eax
    clts
    smsw ax
    test al, CR0_TS
    expect z, "CLTS left CR0.TS set"
    lgdt [gdt_pointer]
    smsw ax
    or al, CR0_PE
    lmsw ax
    jmp CODE16:.protected
.protected:
    smsw ax
    test al, CR0_PE
    expect nz, "LMSW did not set CR0.PE"
    and al, ~CR0_PE
    lmsw ax                                     ; cannot clear PE
    smsw ax
    test al, CR0_PE
    expect nz, "LMSW cleared CR0.PE"
    pop dx
    mov ebx, .real
    jmp protected_to_real.half
.real:
    push dx
    say "realmode: LMSW and CLTS do what they should", nl
    ret

TICKS equ 0x46C                                 ; the BIOS's count of timer interrupts
bios_at_work:
    mov ah, 0x0F
    int 10h
    movzx eax, al
    say "realmode: BIOS int 10h: video mode ", x8, eax, nl
    mov ah, 0
    int 1Ah
    mov ax, cx
    shl eax, 16
    mov ax, dx
    say "realmode: BIOS int 1Ah: tick ", dec, eax
    mov ebx, eax
    mov ecx, 0x10000000
.wait:
    cmp [TICKS], ebx
    a32 loope .wait
    expect ne, "the tick count stands still"
    jecxz .stands
    sti
    hlt                                         ; the next tick wakes the processor
.stands:
    mov ah, 0
    int 1Ah
    mov ax, cx
    shl eax, 16
    mov ax, dx
    say ", later ", dec, eax, nl
    ret

section .data
screen_title:   db 13, 10, "Orlop's tour guest: real mode, protected mode, PAE, long mode and back.", 13, 10
                db "What it sees is on COM1.", 13, 10, 0
screen_alone:   db "No hypervisor below.", 13, 10, 0
screen_below:   db "Below this machine: ", 0
screen_bye:     db "All modes visited; the BIOS still answers. Good-bye.", 0
screen_newline: db 13, 10, 0

section .bss
saved_cr0:  resd 1
signature:  resb 16
saved_sp:   resw 1
failures:   resb 1
end_guest
