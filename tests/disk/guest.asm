; A hard disk that boots a guest of tests/guests: its first sector reads the others to 0:7C00h, where
; every guest expects to be, and starts it as it was started itself. -DGUEST="file".
bits 16
COPY    equ 0x600
SECTORS equ (guest_end - guest + 511) / 512
BURST   equ 64                          ; sectors in one call

org COPY
    cli
    xor ax, ax
    mov ds, ax
    mov es, ax
    mov si, 0x7C00
    mov di, COPY
    mov cx, 256
    cld
    rep movsw
    jmp 0:copied
copied:
    mov ah, 0x42
    mov si, packet
    int 0x13
    jc .failed
    add dword [packet.sector], BURST
    add word [packet.segment], BURST * 512 / 16
    sub word [left], BURST
    ja copied
    jmp 0:0x7C00
.failed:
    hlt
    jmp .failed

left:   dw (SECTORS + BURST - 1) / BURST * BURST
align 4
packet: db 16, 0
        dw BURST, 0
.segment: dw 0x7C0
.sector: dd 1, 0

    times 446 - ($ - $$) db 0
    db 0x80, 1, 1, 0, 0x83, 2, 2, 0     ; one partition, so that the disk has a geometry
    dd 1, 2047
    times 510 - ($ - $$) db 0
    dw 0xAA55
guest:
    incbin GUEST
guest_end:
    times 2048 * 512 - ($ - $$) db 0
