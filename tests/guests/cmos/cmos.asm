; The CMOS by ports 70h and 71h: the sizes of memory tell of Orlop's range in accesses of one, two and
; four bytes, with NMIs masked or not; all other bytes, and what the guest writes, are the machine's
; own. Each answer is a line, to be compared with the line of a run without Orlop. At last the ports
; are read by INSB, after which they are the guest's alone.
%define NAME "cmos"
%include "guest.inc"

FIRST    equ 0x10       ; below are the clock and its state, which move
LAST     equ 0x7F
UNUSED_BYTE    equ 0x6B       ; a byte that neither BIOS nor guest has a use for
NMI_MASK equ 0x80

; %1 = what, EAX = value of %2 digits
%macro tell 2
    say "cmos: ", %1, " ", %2, eax, nl
%endmacro

section .text
bits 16
main:
    call sizes
    say "cmos: all", nl
    mov bl, FIRST
.all:
    mov al, bl
    call read
    movzx eax, al
    movzx ecx, bl
    say "cmos: byte ", x8, ecx, " ", x8, eax, nl
    inc bl
    cmp bl, LAST + 1
    jne .all

    mov al, 0x35 | NMI_MASK             ; the mask is of the index, and no part of it
    call read
    movzx eax, al
    tell "size with NMIs masked", x8
    in al, 0x71                         ; the index stays, whatever Orlop read besides
    movzx eax, al
    tell "size, read again", x8
    mov al, 0x35
    out 0x70, al
    in ax, 0x70                         ; bits 15:8 are port 71h's
    movzx eax, ah
    tell "size by a word", x8
    mov al, 0x34
    out 0x70, al
    in eax, 0x6F                        ; bits 23:16
    shr eax, 16
    movzx eax, al
    tell "size by four bytes", x8

    mov al, UNUSED_BYTE
    call read
    mov bh, al
    mov ax, 0x5A00 | UNUSED_BYTE              ; the index and the byte in one
    out 0x70, ax
    mov al, UNUSED_BYTE
    call read
    movzx eax, al
    tell "written by a word", x8
    mov al, UNUSED_BYTE
    out 0x70, al
    mov al, bh
    out 0x71, al
    mov al, UNUSED_BYTE
    call read
    cmp al, bh
    je .put_back
    fail "the byte is not what it was"
.put_back:
    mov eax, 0x12345678
    mov al, 0x35
    out 0x70, al
    in al, 0x71
    xor al, al
    tell "the rest of EAX", x32

    mov al, 0x35
    out 0x70, al
    mov dx, 0x71
    mov di, buffer
    cld
    insb
    movzx eax, byte [buffer]
    tell "by INSB", x8
    call sizes
    mov al, 0
    out 0x70, al
    pass "all was read"
    say "cmos DONE", nl
    jmp power_off16

; AL = index. AL = the byte.
read:
    out 0x70, al
    in al, 0x71
    ret

sizes:
    mov bl, 0x17
    call say_size
    mov bl, 0x30
    call say_size
    mov bl, 0x34
; BL = index of the lower byte
say_size:
    lea ax, [bx + 1]
    call read
    mov ah, al
    mov al, bl
    call read
    movzx eax, ax
    movzx ecx, bl
    say "cmos: size at ", x8, ecx, " ", x32, eax, nl
    ret

section .bss
buffer: resb 16
end_guest
