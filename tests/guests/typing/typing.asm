; What is typed on the UART that the guest drives itself, with console=watched: each byte comes, once and in
; order, to a guest that polls, to one that is called by interrupts, and to one that did not read for long.
; Letters are commands: s spins with interrupts off, without a look at the UART; i goes on by interrupts;
; d tries the divisor's latch; q ends. All others are told, as s, i, d and q are.
%define NAME "typing"
%include "guest.inc"

SPINS     equ 60000000
IRQ4      equ 0x0C * 4
PIC_DATA  equ 0x21
PIC       equ 0x20
EOI       equ 0x20
NO_BYTE   equ 0x100

section .text
bits 16
main:
    say "typing: ready", nl
.next:
    call wait_for_byte
    say "typing: byte ", x8, eax, nl
    cmp al, 's'
    je .spin
    cmp al, 'i'
    je .by_interrupts
    cmp al, 'd'
    je .divisor
    cmp al, 'q'
    jne .next
    cli
    pass "all was typed"
    jmp power_off16

.spin:
    pushf
    cli
    say "typing: spins", nl
    mov ecx, SPINS
.spinning:
    dec ecx
    jnz .spinning
    say "typing: spun", nl
    popf
    jmp .next

.by_interrupts:
    mov word [IRQ4], receive
    mov word [IRQ4 + 2], 0
    mov byte [by_interrupts], 1
    in al, PIC_DATA
    and al, ~(1 << 4)
    out PIC_DATA, al
    mov dx, UART_MCR
    mov al, 0x0B                        ; OUT2 leads to the interrupt line
    out dx, al
    mov dx, UART_IER
    mov al, 1
    out dx, al
    sti
    jmp .next

.divisor:
    mov dx, UART_LCR
    mov al, 0x83
    out dx, al
    mov dx, COM1
    in al, dx
    movzx ebx, al
    mov al, 0x1C                        ; the key's code
    out dx, al
    in al, dx
    movzx ecx, al
    mov al, bl
    out dx, al
    mov dx, UART_LCR
    mov al, 3
    out dx, al
    say "typing: divisor ", x8, ebx, " ", x8, ecx, nl
    jmp .next

; EAX = the byte.
wait_for_byte:
    cmp byte [by_interrupts], 0
    jne .from_handler
.poll:
    mov dx, UART_LSR
    in al, dx
    test al, 1
    jz .poll
    call read_byte
    ret
.from_handler:
    cli
    mov ax, [read_from]
    cmp ax, [write_to]
    jne .there
    sti
    hlt
    jmp .from_handler
.there:
    mov bx, ax
    and bx, 63
    inc ax
    mov [read_from], ax
    movzx eax, byte [bytes + bx]
    sti
    ret

read_byte:
    mov dx, COM1
    in al, dx
    movzx eax, al
    ret

; As a driver does: what IIR says, until it says nothing.
receive:
    pusha
.why:
    mov dx, UART_FCR                    ; IIR
    in al, dx
    test al, 1
    jnz .done
    and al, 0x0E
    cmp al, 0x04
    je .byte
    cmp al, 0x0C
    jne .why
.byte:
    mov dx, COM1
    in al, dx
    mov bx, [write_to]
    and bx, 63
    mov [bytes + bx], al
    inc word [write_to]
    jmp .why
.done:
    mov al, EOI
    out PIC, al
    popa
    iret

section .bss
by_interrupts: resb 1
bytes:         resb 64
alignb 2
write_to:      resw 1
read_from:     resw 1
end_guest
