; A kernel of the old kind: what its 16-bit setup code was given, by the Linux boot protocol, is said on
; COM1. VERSION is the protocol's; with HIGH it is a bzImage, whose second part belongs at 1 MiB, else a
; zImage, whose second part belongs at 64 KiB.
%ifndef HIGH
%define HIGH 0
%endif
%assign KERNEL (0x10000 << (4 * HIGH))

COM1     equ 0x3F8
LCR      equ 3
LSR      equ 5
LSR_FREE equ 0x20
LSR_SENT equ 0x40
EIGHT_BITS equ 3
UNMAPPED equ 0x8900                     ; Bochs: "Shutdown" ends the machine

bits 16
org 0
    times 0x1F1 - ($ - $$) db 0
    db 3                                ; setup_sects
    dw 0
    dd (payload_end - payload) / 16     ; syssize
    dw 0, 0xFFFF, 0                     ; ram_size, vid_mode, root_dev
    dw 0xAA55
    jmp short start                     ; at 0x200
    db "HdrS"
    dw VERSION
    dd 0
    dw 0x1000, 0
loader: db 0
flags:  db HIGH
move:   dw 0
    dd KERNEL
image:  dd 0
bytes:  dd 0
    dd 0
heap:   dw 0
    dw 0
line:   dd 0
    dd 0x37FFFFFF                       ; initrd_addr_max
    times 0x240 - ($ - $$) db 0

start:
    cld
    pushf
    pop bp                              ; before the first word
    mov bx, sp
    mov dx, COM1 + LCR
    mov al, EIGHT_BITS
    out dx, al
    call say
    db "zimage: protocol ", 0
    mov ax, VERSION
    call hex16
    call say
    db " loader ", 0
    mov ax, [loader]
    call hex16
    call say
    db " move ", 0
    mov ax, [move]
    call hex16
    call say
    db " heap ", 0
    mov ax, [heap]
    call hex16
    call say
    db 10, "zimage: cs-ds ", 0
    mov ax, cs
    mov dx, ds
    sub ax, dx
    call hex16
    mov cx, es
    mov si, fs
    xor cx, dx
    xor si, dx
    or cx, si
    mov si, gs
    xor si, dx
    or cx, si
    mov si, ss
    xor si, dx
    or cx, si
    call say
    db " other segments ", 0
    mov ax, cx
    call hex16
    call say
    db " sp ", 0
    mov ax, bx
    call hex16
    call say
    db " if ", 0
    mov ax, bp
    and ax, 0x200
    call hex16
    call say
    db 10, "zimage: line ", 0
    mov si, [0x22]                      ; the old way: an offset
%if VERSION >= 0x202
    mov eax, [line]
    mov dx, ds
    movzx edx, dx
    shl edx, 4
    sub eax, edx
    mov si, ax
%else
    cmp word [0x20], 0xA33F
    jne .no_line
%endif
.character:
    lodsb
    test al, al
    jz .no_line
    call put
    jmp .character
.no_line:
    call say
    db 10, "zimage: kernel ", 0
    mov eax, KERNEL
    call show
    call say
    db 10, "zimage: initrd ", 0
    mov eax, [bytes]
    push eax
    shr eax, 16
    call hex16
    pop eax
    call hex16
    call say
    db " ", 0
    mov eax, [image]
    call show
    call say
    db 10, "zimage DONE", 10, 0
    mov dx, COM1 + LSR
.sending:
    in al, dx
    test al, LSR_SENT
    jz .sending
    mov si, shutdown
    mov dx, UNMAPPED
    mov cx, 8
    rep outsb
.halt:
    hlt
    jmp .halt

; The eight characters at linear address EAX, brought by the BIOS (INT 15h AH = 87h).
show:
    mov [gdt + 0x12], ax
    shr eax, 16
    mov [gdt + 0x14], al
    mov [gdt + 0x17], ah
    mov ax, ds
    movzx eax, ax
    shl eax, 4
    add eax, buffer
    mov [gdt + 0x1A], ax
    shr eax, 16
    mov [gdt + 0x1C], al
    mov si, gdt
    mov cx, 4
    mov ah, 0x87
    int 0x15
    mov si, buffer
    mov cx, 8
.next:
    lodsb
    call put
    loop .next
    ret

say:                                    ; the text behind the call
    pop si
.next:
    cs lodsb                            ; CS:0 is the second sector
    test al, al
    jz .end
    call put
    jmp .next
.end:
    jmp si

hex16:                                  ; AX
    push cx
    mov cx, 4
.digit:
    rol ax, 4
    push ax
    and al, 15
    add al, '0'
    cmp al, '9'
    jbe .put
    add al, 'a' - '9' - 1
.put:
    call put
    pop ax
    loop .digit
    pop cx
    ret

put:
    push dx
    push ax
    mov dx, COM1 + LSR
.busy:
    in al, dx
    test al, LSR_FREE
    jz .busy
    pop ax
    mov dx, COM1
    out dx, al
    pop dx
    ret

shutdown: db "Shutdown"
buffer:   times 8 db 0
align 8, db 0
gdt:                                    ; for the BIOS: source is the third, target the fourth
    dq 0, 0
    dq 0x0000930000000FFF, 0x0000930000000FFF
    dq 0, 0
    times 0x800 - ($ - $$) db 0

payload:
    db "kernel!!"
    times 0x1000 - 8 db 0x5A
payload_end:
