; What the firmware left, as text: run above Orlop and on the bare machine, the two texts are the
; same. Everything is gathered before the first byte is printed, with interrupts off, in real mode
; (the local APIC and the I/O APIC through protected mode). What changes by itself is left out:
; clocks, counters, the keyboard's buffer, the cursor's place; so are this guest's own pages, 7000h
; to FFFFh. IA32_FEATURE_CONTROL is left out too: Orlop shows it as 1 by design. Pages in which
; GRUB and the BIOS leave their stacks, buffers and data of the disk reads differ with the files that
; were loaded: their lines begin with `loader:`, all others with `devices:`.
%define NAME "devices"
%define AS_LEFT
%include "guest.inc"

PAGES       equ 160                     ; 640 KiB
OWN_FIRST   equ 7
OWN_LAST    equ 15
APIC_BASE_ENABLED equ 1 << 11
APIC_BASE_X2 equ 1 << 10
LOCAL_APIC_REGISTERS equ 64
IO_APIC     equ 0xFEC00000
IO_APIC_REGISTERS equ 0x10 + 2 * 24
; The registers that the manual defines: 20h, 30h, 80h to a0h, d0h to 280h, 310h to 380h, 3e0h; 300h,
; the last IPI's command, is left out, because writing it back would send it.
LOCAL_APIC_DEFINED equ 0x41FE01FFFFFFE70C
CMOS_SIZE   equ 128

section .text
bits 16
main:
    mov eax, cr0
    mov [saved_cr0], eax
    mov eax, cr4
    mov [saved_cr4], eax
    call gather_all
    push eax
    call gather_all
    mov [second_look], eax
    pop dword [first_look]
    call uart_init
    call print_uart
    call print_pic
    call print_ports
    call print_cmos
    call print_bda
    call print_pages
    call print_msrs
    call print_apics
    call print_video
    call print_memory_map
    mov eax, [first_look]
    cmp eax, [second_look]
    jne .unstable
    pass "two looks were the same"
    jmp power_off16
.unstable:
    error "two looks were not the same: no use comparing"
    jmp power_off16

; EAX = a CRC over all that was gathered.
gather_all:
    call gather_uart
    call gather_pic
    call gather_ports
    call gather_cmos
    call gather_bda
    call gather_pages
    call gather_msrs
    call gather_apics
    mov si, gathered
    mov cx, gathered_end - gathered
    jmp crc

; ---- the UART, before anything is printed --------------------------------------------------------
gather_uart:
    mov dx, UART_LCR
    in al, dx
    mov [uart_lcr], al
    mov dx, UART_MCR
    in al, dx
    mov [uart_mcr], al
    mov dx, UART_LCR
    mov al, [uart_lcr]
    and al, 0x7F
    out dx, al
    mov dx, UART_IER
    in al, dx
    mov [uart_ier], al
    mov dx, UART_LCR
    mov al, [uart_lcr]
    or al, 0x80
    out dx, al
    mov dx, COM1
    in al, dx
    mov [uart_divisor], al
    mov dx, UART_IER
    in al, dx
    mov [uart_divisor + 1], al
    mov dx, UART_LCR
    mov al, [uart_lcr]
    out dx, al
    ret
%macro say_byte 2
    movzx eax, byte %2
    say "devices: ", %1, "=", x8, eax, nl
%endmacro
%macro say_word 2
    movzx eax, word %2
    say "devices: ", %1, "=", x16, eax, nl
%endmacro
print_uart:
    say_byte "uart lcr", [uart_lcr]
    say_byte "uart mcr", [uart_mcr]
    say_byte "uart ier", [uart_ier]
    say_word "uart divisor", [uart_divisor]
    ret

; ---- interrupt controllers, timer, ports ---------------------------------------------------------
; The timer's request comes with time, so bit 0 of the first IRR is left out.
gather_pic:
    in al, 0x21
    mov [pic + 0], al
    in al, 0xA1
    mov [pic + 1], al
    mov al, 0x0B
    out 0x20, al
    out 0xA0, al
    in al, 0x20
    mov [pic + 2], al
    in al, 0xA0
    mov [pic + 3], al
    mov al, 0x0A
    out 0x20, al
    out 0xA0, al
    in al, 0x20
    and al, 0xFE
    mov [pic + 4], al
    in al, 0xA0
    mov [pic + 5], al
    mov dx, 0x4D0
    in al, dx
    mov [pic + 6], al
    inc dx
    in al, dx
    mov [pic + 7], al
    ret
print_pic:
    say_byte "pic1 mask", [pic]
    say_byte "pic2 mask", [pic + 1]
    say_byte "pic1 isr", [pic + 2]
    say_byte "pic2 isr", [pic + 3]
    say_byte "pic1 irr but the timer's", [pic + 4]
    say_byte "pic2 irr", [pic + 5]
    say_byte "elcr1", [pic + 6]
    say_byte "elcr2", [pic + 7]
    ret

; Read-back of the PIT's status latches no count. Of a status, the output (bit 7) and the null count
; (bit 6) change; of port 61h, the refresh toggle and the output of channel 2 (bits 4 and 5) do.
gather_ports:
    mov di, pit
    mov dx, 0x40
    mov ah, 0xE2
.channel:
    mov al, ah
    out 0x43, al
    in al, dx
    and al, 0x3F
    mov [di], al
    inc di
    inc dx
    and ah, 0x0E
    shl ah, 1
    or ah, 0xE0
    cmp dx, 0x43
    jb .channel
    in al, 0x61
    and al, 0xCF
    mov [port_61], al
    in al, 0x92
    mov [port_92], al
    in al, 0x64
    and al, 0xFC                        ; the two buffers' state is the keyboard's
    mov [port_64], al
    mov dx, 0xCF8
    in eax, dx
    mov [port_cf8], eax
    ret
print_ports:
    say_byte "pit 0 status", [pit]
    say_byte "pit 1 status", [pit + 1]
    say_byte "pit 2 status", [pit + 2]
    say_byte "port 61", [port_61]
    say_byte "port 92", [port_92]
    say_byte "port 64", [port_64]
    say "devices: port cf8=", x32, [port_cf8], nl
    ret

; All but the clock (0 to 9) and its four registers (A to D).
gather_cmos:
    mov cx, 0x0E
    mov di, cmos + 0x0E
.next:
    mov al, cl
    out 0x70, al
    in al, 0x71
    stosb
    inc cx
    cmp cx, CMOS_SIZE
    jb .next
    ret
print_cmos:
    mov esi, cmos
    mov bx, .text
    mov cx, CMOS_SIZE
    jmp print_dump
.text: db "cmos ", 0

; SI = bytes, CX = their number, BX = name: lines of sixteen.
print_dump:
    xor di, di
.line:
    say "devices: "
    push si
    movzx esi, bx
    call print_string16
    pop si
    movzx eax, di
    say x16, eax, ":"
.byte:
    movzx eax, byte [si]
    say " ", x8, eax
    inc si
    inc di
    test di, 15
    jnz .byte
    say nl
    cmp di, cx
    jb .line
    ret

; ---- memory --------------------------------------------------------------------------------------
; A copy of the BIOS data area with what changes by itself made zero.
gather_bda:
    mov si, 0x400
    mov di, bda
    mov cx, 128
    rep movsw
    mov si, .volatile
.next:
    lodsb
    movzx di, al
    lodsb
    movzx cx, al
    jcxz .done
    add di, bda
    xor al, al
    rep stosb
    jmp .next
.done:
    ret
.volatile:                              ; first byte, number of bytes
    db 0x1A, 0x24                       ; the keyboard's buffer
    db 0x40, 1                          ; the floppy motor's time
    db 0x50, 16                         ; cursor places
    db 0x6C, 5                          ; tick count
    db 0, 0
print_bda:
    mov esi, bda
    mov bx, .text
    mov cx, 256
    call print_dump
    int 12h
    movzx eax, ax
    say "devices: int 12h=", dec, eax, nl
    say_word "ebda segment", [bda + 0x0E]
    ret
.text: db "bda ", 0

; A CRC-32 for each page but our own; page 0 as the vectors and what is behind the BIOS data area.
gather_pages:
    xor bx, bx
.page:
    cmp bx, OWN_FIRST
    jb .sum
    cmp bx, OWN_LAST
    jbe .next
.sum:
    mov ax, bx
    shl ax, 8
    mov es, ax
    xor si, si
    mov cx, 4096
    test bx, bx
    jnz .rest
    mov cx, 0x400
    call crc
    mov [vectors_crc], eax
    mov si, 0x500
    mov cx, 0x1000 - 0x500
.rest:
    call crc
    movzx edi, bx
    mov [page_crcs + edi * 4], eax
.next:
    inc bx
    cmp bx, PAGES
    jb .page
    xor ax, ax
    mov es, ax
    ret
%include "crc.inc"
print_pages:
    say "devices: vectors crc=", x32, [vectors_crc], nl
    xor ebx, ebx
.page:
    cmp bx, OWN_FIRST
    jb .print
    cmp bx, OWN_LAST
    jbe .next
.print:
    call is_loader_page
    jc .loader
    say "devices"
    jmp .crc
.loader:
    say "loader"
.crc:
    mov eax, ebx
    shl eax, 12
    say ": page ", x32, eax, " crc=", x32, [page_crcs + ebx * 4], nl
.next:
    inc bx
    cmp bx, PAGES
    jb .page
    ret

; BX = page. Carry if it is one of loader_pages. Clobbers SI.
is_loader_page:
    mov si, loader_pages
.next:
    cmp bl, [si + 1]
    ja .step
    cmp bl, [si]
    jae .yes
.step:
    add si, 2
    cmp si, loader_pages_end
    jb .next
    clc
    ret
.yes:
    stc
    ret

; ---- processor -----------------------------------------------------------------------------------
; MSRs that the CPU does not have fault through vector 13: RDMSR is two bytes long.
gather_msrs:
    push dword [13 * 4]
    mov dword [13 * 4], .fault
    mov si, msr_list
    mov di, msr_values
.next:
    mov ecx, [si]
    test ecx, ecx
    jz .done
    mov byte [msr_missing], 0
    rdmsr
    mov [di], eax
    mov [di + 4], edx
    mov al, [msr_missing]
    mov [di + 8], al
    add si, 4
    add di, 9
    jmp .next
.done:
    pop dword [13 * 4]
    ret
.fault:
    mov byte [msr_missing], 1
    push bp
    mov bp, sp
    add word [bp + 2], 2
    pop bp
    iret
print_msrs:
    say "devices: cr0=", x32, [saved_cr0], nl
    say "devices: cr4=", x32, [saved_cr4], nl
    mov si, msr_list
    mov di, msr_values
.next:
    mov ecx, [si]
    test ecx, ecx
    jz .done
    cmp byte [di + 8], 0
    jne .missing
    movzx edi, di
    say "devices: msr ", x32, ecx, "=", x32, [edi + 4], " ", x32, [edi], nl
    jmp .step
.missing:
    say "devices: msr ", x32, ecx, " is not there", nl
.step:
    add si, 4
    add di, 9
    jmp .next
.done:
    ret

; ---- APICs, through protected mode ---------------------------------------------------------------
gather_apics:
    mov ecx, MSR_APIC_BASE
    rdmsr
    mov [apic_state], ax
    and eax, ~0xFFF
    mov [apic_address], eax
    mov [saved_sp], sp
    enter_protected
    mov ax, [apic_state]
    and ax, APIC_BASE_ENABLED | APIC_BASE_X2
    cmp ax, APIC_BASE_ENABLED
    jne .io_apic
    mov esi, [apic_address]
    xor ecx, ecx
.register:
    bt [local_apic_defined], ecx
    jnc .skip
    mov eax, ecx
    shl eax, 4
    mov eax, [esi + eax]
    mov [local_apic + ecx * 4], eax
.skip:
    inc ecx
    cmp ecx, LOCAL_APIC_REGISTERS
    jb .register
    mov dword [local_apic + 0x39 * 4], 0        ; the timer's current count
.io_apic:
    mov edx, [IO_APIC]                          ; the index register is put back
    mov dword [IO_APIC], 0
    mov eax, [IO_APIC + 0x10]
    mov [io_apic], eax
    mov dword [IO_APIC], 1
    mov eax, [IO_APIC + 0x10]
    mov [io_apic + 4], eax
    shr eax, 16
    movzx edi, al                               ; the last entry: two registers each
    lea edi, [edi * 2 + 0x12]
    cmp edi, IO_APIC_REGISTERS
    jbe .entries
    mov edi, IO_APIC_REGISTERS
.entries:
    mov ecx, 0x10
.io_register:
    mov [IO_APIC], ecx
    mov eax, [IO_APIC + 0x10]
    mov [io_apic + ecx * 4], eax
    inc ecx
    cmp ecx, edi
    jb .io_register
    mov [IO_APIC], edx
    mov ebx, .real
    jmp protected_to_real
bits 16
.real:
    mov sp, [saved_sp]
    ret
print_apics:
    xor ebx, ebx
.register:
    mov ecx, [local_apic + ebx * 4]
    test ecx, ecx
    jz .next
    mov eax, ebx
    shl eax, 4
    say "devices: local apic ", x16, eax, "=", x32, ecx, nl
.next:
    inc bx
    cmp bx, LOCAL_APIC_REGISTERS
    jb .register
    xor ebx, ebx
.io_register:
    mov ecx, [io_apic + ebx * 4]
    test ecx, ecx
    jz .io_next
    say "devices: io apic ", x8, ebx, "=", x32, ecx, nl
.io_next:
    inc bx
    cmp bx, IO_APIC_REGISTERS
    jb .io_register
    ret

; ---- what the BIOS says --------------------------------------------------------------------------
print_video:
    mov ah, 0x0F
    int 10h
    push bx
    movzx ecx, al
    movzx edx, ah
    say "devices: video mode=", x8, ecx, " columns=", dec, edx
    pop bx
    mov ah, 3
    int 10h
    movzx ecx, cx
    say " cursor shape=", x16, ecx, nl
    cli
    ret

print_memory_map:
    xor ebx, ebx
.next:
    mov eax, 0xE820
    mov edx, 'PAMS'
    mov ecx, 20
    mov di, e820_entry
    int 15h
    jc .done
    say "devices: e820 ", x32, [e820_entry + 4], x32, [e820_entry], " length ", \
        x32, [e820_entry + 12], x32, [e820_entry + 8], " type ", dec, [e820_entry + 16], nl
    test ebx, ebx
    jnz .next
.done:
    cli
    ret

section .data align=8
loader_pages:                           ; first, last
    db 0x01, 0x01                       ; GRUB's stack in real mode
    db 0x05, 0x05                       ; the BIOS's while it reads
    db 0x10, 0x17                       ; GRUB's data
    db 0x68, 0x6F                       ; its disk buffer
    db 0x78, 0x7F                       ; its stack in protected mode
    db 0x9F, 0x9F                       ; the EBDA: the last read
loader_pages_end:
align 8
local_apic_defined: dq LOCAL_APIC_DEFINED
msr_list:
    dd 0x1B, 0x3B, 0xFE, 0x174, 0x175, 0x176, 0x1A0, 0x1D9
    dd 0x200, 0x201, 0x202, 0x203, 0x204, 0x205, 0x206, 0x207, 0x208, 0x209, 0x20A, 0x20B
    dd 0x20C, 0x20D, 0x20E, 0x20F, 0x210, 0x211, 0x212, 0x213
    dd 0x250, 0x258, 0x259, 0x268, 0x269, 0x26A, 0x26B, 0x26C, 0x26D, 0x26E, 0x26F, 0x277, 0x2FF
    dd 0xC0000080, 0xC0000081, 0xC0000082, 0xC0000083, 0xC0000084
    dd 0xC0000100, 0xC0000101, 0xC0000102, 0xC0000103
msr_count equ ($ - msr_list) / 4
    dd 0

section .bss
alignb 4
first_look:   resd 1
second_look:  resd 1
saved_cr0:    resd 1
saved_cr4:    resd 1
saved_sp:     resd 1
gathered:
page_crcs:    resd PAGES
local_apic:   resd LOCAL_APIC_REGISTERS
io_apic:      resd IO_APIC_REGISTERS
vectors_crc:  resd 1
port_cf8:     resd 1
apic_address: resd 1
apic_state:   resw 1
uart_divisor: resw 1
uart_lcr:     resb 1
uart_mcr:     resb 1
uart_ier:     resb 1
pic:          resb 8
pit:          resb 3
port_61:      resb 1
port_92:      resb 1
port_64:      resb 1
msr_missing:  resb 1
cmos:         resb CMOS_SIZE
bda:          resb 256
msr_values:   resb msr_count * 9
gathered_end:
e820_entry:   resb 24
end_guest
