; INIT to the boot CPU resets the machine, whoever sends it and by whatever destination, and so does port
; 92h: each time the guest is there again, by firmware, GRUB and Orlop. A byte of the CMOS tells how far
; it has come. The one way in which the boot CPU goes on, the shutdown status, is the guest sipis's.
%define NAME "resets"
%include "guest.inc"
%include "faults.inc"
%include "smp.inc"

CMOS_MAGIC  equ 0x5A
CMOS_STAGE  equ 0x5B
MAGIC       equ 0xA7
PORT_A      equ 0x92
TO_ALL      equ 2 << 18

section .text
bits 16
main:
    enter_long
    call idt_build
    call smp_init
    mov al, CMOS_MAGIC
    out 0x70, al
    in al, 0x71
    xor ebx, ebx
    cmp al, MAGIC
    jne .first
    mov al, CMOS_STAGE
    out 0x70, al
    in al, 0x71
    movzx ebx, al
.first:
    mov al, CMOS_MAGIC
    out 0x70, al
    mov al, MAGIC
    out 0x71, al
    mov al, CMOS_STAGE
    out 0x70, al
    lea eax, [rbx + 1]
    out 0x71, al
    cmp ebx, STAGES
    jae .all
    mov esi, [names + rbx * 4]
    say "resets: "
    call print_string64
    say nl
    mov [stage], ebx
    call [stages + rbx * 8]
    mov edi, 500000
    call delay_us
    fail "the machine goes on"
    jmp power_off64
.all:
    pass
    jmp power_off64

to_itself:
    mov edi, [own_apic_id]
    mov esi, ICR_INIT
    jmp apic_send
to_all:
    xor edi, edi
    mov esi, ICR_INIT | TO_ALL
    jmp apic_send
broadcast:
    mov edi, 0xFF
    mov esi, ICR_INIT
    jmp apic_send
from_ap:
    mov dword [ap_work], to_boot_cpu
    mov ebx, .start
    jmp smp_for_each_ap
.start:
    mov esi, 10000
    mov edx, 200
    jmp smp_start_cpu
to_boot_cpu:
    mov edi, [own_apic_id]
    mov esi, ICR_INIT
    jmp apic_send
port_92:
    in al, PORT_A
    and al, ~1
    out PORT_A, al
    or al, 1
    out PORT_A, al
    ret

section .data
align 8
stages: dq to_itself, to_all, broadcast, from_ap, port_92
STAGES equ ($ - stages) / 8
names:  dd .itself, .all, .broadcast, .ap, .port
.itself:    db "INIT to the boot CPU by itself", 0
.all:       db "INIT to all", 0
.broadcast: db "INIT broadcast", 0
.ap:        db "INIT to the boot CPU by an AP", 0
.port:      db "port 92h", 0
section .bss
alignb 4
stage: resd 1
end_guest
