; bare.elf: starts a flat real-mode guest on the bare machine, by the same GRUB path as Orlop does.
;
;   multiboot2 /boot/bare.elf
;   module2 /boot/guest.bin realmode [addr=0x7c00]
;
; The guest is copied to its address and entered at 0000:address in real mode: PE off, 64 KiB
; segments with base 0, IDT at 0 with limit 3FFh, interrupts off, DL = 80h, A20 as GRUB left it.
; No device is touched, and no byte below 1 MiB is written but the guest's own: what this guest
; finds is what it would find above Orlop. On bad input the machine stops with "bare: ..." on COM1
; (only then is the UART used).

bits 32

MB2_MAGIC      equ 0xE85250D6
MB2_HANDOVER   equ 0x36D76289
TAG_END        equ 0
TAG_MODULE     equ 3
GUEST_DEFAULT  equ 0x7C00
GUEST_LIMIT    equ 0x90000          ; below any EBDA

; One section, so that distances from the header are constants for the 16-bit code.
section .text align=16
header:
    dd MB2_MAGIC, 0, header_end - header, -(MB2_MAGIC + (header_end - header)) & 0xFFFFFFFF
    dw 0, 0
    dd 8
header_end:

global start
start:
    cli
    cld
    mov esp, stack_top
    cmp eax, MB2_HANDOVER
    mov esi, text_no_multiboot
    jne die
    ; EBX = multiboot information: total size, reserved, tags on 8-byte boundaries.
    mov edx, ebx
    add edx, [ebx]                  ; end of the tags
    lea ebx, [ebx + 8]
.tag:
    lea eax, [ebx + 8]
    cmp eax, edx
    mov esi, text_no_module
    ja die
    cmp dword [ebx], TAG_END
    je die
    cmp dword [ebx], TAG_MODULE
    jne .next
    cmp dword [ebx + 16], 'real'
    jne .next
    cmp dword [ebx + 20], 'mode'
    jne .next
    cmp byte [ebx + 24], ' '
    jbe .found
.next:
    mov eax, [ebx + 4]
    cmp eax, 8
    jb die
    add eax, 7
    and eax, ~7
    add ebx, eax
    jmp .tag

.found:
    lea esi, [ebx + 24]
    call parse_address              ; EDI
    mov ecx, [ebx + 12]             ; module end
    mov esi, [ebx + 8]              ; module start
    sub ecx, esi
    lea eax, [edi + ecx]
    cmp eax, GUEST_LIMIT
    mov ebp, esi
    mov esi, text_too_big
    ja die
    mov esi, ebp
    mov [entry], di
    rep movsb
    jmp to_real_mode

; ESI = rest of the module's string. Returns EDI = the guest's address.
parse_address:
    mov edi, GUEST_DEFAULT
.skip:
    lodsb
    cmp al, ' '
    je .skip
    test al, al
    jz .done
    cmp al, 'a'
    mov ecx, esi
    mov esi, text_bad_argument
    jne die
    cmp dword [ecx], 'ddr='
    jne die
    cmp word [ecx + 4], '0x'
    jne die
    lea esi, [ecx + 6]
    xor edi, edi
.digit:
    movzx eax, byte [esi]
    inc esi
    or al, 20h
    cmp al, 20h                     ; NUL or space
    je .checked
    sub al, '0'
    cmp al, 9
    jbe .add
    sub al, 'a' - '0'
    cmp al, 5
    ja .bad
    add al, 10
.add:
    shl edi, 4
    or edi, eax
    cmp edi, 0x10000
    jb .digit
.bad:
    mov esi, text_bad_argument
    jmp die
.checked:
    cmp edi, 0x600                  ; IVT and BIOS data below
    jb .bad
.done:
    ret

; The last steps run here, above 1 MiB, through a 16-bit code segment whose base is this image:
; the base stays in CS until the far jump, so nothing of ours has to lie in low memory.
to_real_mode:
    lgdt [gdt_pointer]
    jmp 0x08:(in_16 - base16)
bits 16
in_16:
    mov ax, 0x10
    mov ds, ax
    mov es, ax
    mov fs, ax
    mov gs, ax
    mov ss, ax
    o32 lidt [cs:real_idt - base16]
    mov eax, cr0
    and al, ~1
    mov cr0, eax
    xor eax, eax
    mov ds, ax
    mov es, ax
    mov fs, ax
    mov gs, ax
    mov ss, ax
    mov esp, GUEST_DEFAULT
    xor ebx, ebx
    xor ecx, ecx
    mov edx, 0x80
    xor esi, esi
    xor edi, edi
    xor ebp, ebp
    jmp far [cs:entry - base16]

bits 32
; ESI = text. Prints it on COM1 and stops.
die:
    mov edi, text_prefix
    call print
    mov edi, esi
    call print
.stop:
    hlt
    jmp .stop

; EDI = text.
print:
    mov al, [edi]
    inc edi
    test al, al
    jz .done
    mov dx, 0x3F8
    out dx, al
    mov dx, 0x3FD
    mov ecx, 100000
.wait:
    in al, dx
    test al, 20h
    loopz .wait
    jmp print
.done:
    ret

align 8
base16 equ header
gdt:
    dq 0
code16:
    dw 0xFFFF, 0                    ; base 100000h, as in bare.ld
    db 0x10, 0x9B, 0, 0
    dw 0xFFFF, 0
    db 0, 0x93, 0, 0
gdt_pointer:
    dw gdt_pointer - gdt - 1
    dd gdt
real_idt:
    dw 0x3FF
    dd 0
entry:
    dw GUEST_DEFAULT, 0
text_prefix:       db 13, 10, "bare: ", 0
text_no_multiboot: db "not started by a multiboot2 loader", 13, 10, 0
text_no_module:    db "no module with the role 'realmode'", 13, 10, 0
text_bad_argument: db "bad module argument: only addr=0xHEX, 600 to ffff", 13, 10, 0
text_too_big:      db "the guest does not fit below 576 KiB", 13, 10, 0

section .bss align=16
    resb 4096
stack_top:
