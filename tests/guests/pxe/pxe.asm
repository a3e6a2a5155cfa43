; What a boot over the network left: the card's firmware is resident, at the end of the conventional
; memory, at the end of the RAM and behind the BIOS's vectors. Its memory is printed as sums, before
; it is called for the first time; then it is called: it must be found (INT 1Ah), remember what DHCP
; told it, and carry a question to the server and its answer back. Above Orlop all of that is as
; on the bare machine.
%define NAME "pxe"
%include "guest.inc"
%include "crc.inc"

BDA_KIB        equ 0x413
BDA_TICKS      equ 0x46C
BLOCK          equ 256                  ; bytes of conventional memory in one sum
HIGH_BLOCK     equ 4096                 ; and of the memory above 1 MiB
HIGH_MAX       equ 0x01000000           ; a larger hole is none of the firmware's
VIDEO_SEGMENT  equ 0xA000
COPY           equ SCRATCH
PACKET         equ SCRATCH + 0x1000
PACKET_BYTES   equ 1024

UNDI_OPEN      equ 0x06
UNDI_CLOSE     equ 0x07
UNDI_TRANSMIT  equ 0x08
UNDI_ISR       equ 0x14
CACHED_INFO    equ 0x71
DHCP_ACK       equ 2                    ; which packet CACHED_INFO gives
PROTOCOL_ARP   equ 2
BROADCAST      equ 1
ISR_START      equ 1
ISR_PROCESS    equ 2
ISR_NEXT       equ 3
ISR_OURS       equ 0                    ; answers to the first and to the other two
ISR_RECEIVE    equ 3
ANSWER_TICKS   equ 54                   ; three seconds

section .text
bits 16
main:
    call say_conventional
    call say_vectors
    call say_map
    call find_firmware
    jc .absent
    call say_lease
    call ask_server
    jc .silent
    call find_firmware                  ; still there
    jc .absent
    pass "the card's firmware is at work"
    jmp power_off16
.absent:
    fail "no network firmware answers INT 1Ah"
    jmp power_off16
.silent:
    fail "no answer to an ARP question"
    jmp power_off16

; ---- its memory ----------------------------------------------------------------------------------
say_conventional:
    movzx eax, word [BDA_KIB]
    say "pxe: conventional memory ", dec, eax, " KiB", nl
    shl ax, 6
.block:
    mov es, ax
    xor si, si
    mov cx, BLOCK
    push ax
    call crc
    mov ebx, eax
    pop ax
    movzx ecx, ax
    shl ecx, 4
    say "pxe: memory ", x32, ecx, " crc=", x32, ebx, nl
    add ax, BLOCK / 16
    cmp ax, VIDEO_SEGMENT
    jb .block
    xor ax, ax
    mov es, ax
    ret

say_vectors:
    mov si, vectors
.next:
    lodsb
    movzx ebx, al
    movzx ecx, word [ebx * 4 + 2]
    movzx edx, word [ebx * 4]
    say "pxe: int ", x8, ebx, " at ", x16, ecx, ":", x16, edx, nl
    cmp si, vectors_end
    jb .next
    ret

; The map, as the firmware shows it. Behind RAM, what no entry names is the firmware's own.
say_map:
    xor ebx, ebx
    mov dword [ram_end], 0
.next:
    mov eax, 0xE820
    mov edx, 'PAMS'
    mov ecx, 20
    mov di, entry
    int 15h
    cli
    cld
    jc .done
    say "pxe: e820 ", x32, [entry + 4], x32, [entry], " length ", x32, [entry + 12], \
        x32, [entry + 8], " type ", dec, [entry + 16], nl
    push ebx
    call say_hole
    pop ebx
    test ebx, ebx
    jnz .next
.done:
    ret

; Sums of what lies between the RAM before this entry and the entry.
say_hole:
    mov ebx, [ram_end]
    mov dword [ram_end], 0
    mov ecx, [entry]
    cmp dword [entry + 16], 1
    jne .no_ram
    add ecx, [entry + 8]
    mov [ram_end], ecx
    mov ecx, [entry]
.no_ram:
    cmp ebx, 0x100000
    jb .done
    mov eax, ecx
    sub eax, ebx
    jbe .done
    cmp eax, HIGH_MAX
    ja .done
.block:
    mov [from], ebx
    push ebx
    push ecx
    call copy_high
    push COPY >> 4
    pop es
    xor si, si
    mov cx, HIGH_BLOCK
    call crc
    push 0
    pop es
    pop ecx
    pop ebx
    say "pxe: memory ", x32, ebx, " crc=", x32, eax, nl
    add ebx, HIGH_BLOCK
    cmp ebx, ecx
    jb .block
.done:
    ret

copy_high:
    mov [saved_sp], sp
    enter_protected
    mov esi, [from]
    mov edi, COPY
    mov ecx, HIGH_BLOCK / 4
    rep movsd
    mov ebx, .real
    jmp protected_to_real
bits 16
.real:
    mov sp, [saved_sp]
    ret

; ---- its services --------------------------------------------------------------------------------
; The installation check: AX = 564Eh, and ES:BX leads to the structure "PXENV+", and that to "!PXE",
; which has the entry. CF where one of them is missing or has a wrong sum.
find_firmware:
    mov ax, 0x5650
    xor bx, bx
    sti
    int 1Ah
    cli
    cld
    setc cl
    movzx ecx, cl
    mov dx, es
    movzx edx, dx
    movzx eax, ax
    movzx ebx, bx
    say "pxe: installation check: ax ", x16, eax, " carry ", dec, ecx, ", structure at ", \
        x16, edx, ":", x16, ebx, nl
    test cl, cl
    jnz .no
    cmp ax, 0x564E
    jne .no
    cmp dword [es:bx], 'PXEN'
    jne .no
    movzx cx, byte [es:bx + 8]
    call sum
    jnz .no
    les bx, [es:bx + 0x28]
    cmp dword [es:bx], '!PXE'
    jne .no
    movzx cx, byte [es:bx + 4]
    call sum
    jnz .no
    mov eax, [es:bx + 0x10]
    mov [firmware], eax
    say "pxe: entry at ", x32, eax, nl
    push 0
    pop es
    clc
    ret
.no:
    push 0
    pop es
    stc
    ret

; ZF if the CX bytes at ES:BX add up to 0.
sum:
    push bx
    xor al, al
.byte:
    add al, [es:bx]
    inc bx
    loop .byte
    pop bx
    test al, al
    ret

; AX = function; its parameters are in [parameters]. AX = 0 where it succeeded.
call_firmware:
    call call_quietly
    movzx eax, ax
    movzx ebx, word [parameters]
    say " exit ", x16, eax, " status ", x16, ebx
    ret
call_quietly:
    push ds
    push word parameters
    push ax
    sti
    call far [firmware]
    cli
    cld
    add sp, 6
    ret

clear_parameters:
    mov di, parameters
    mov cx, PARAMETERS_BYTES
    xor al, al
    rep stosb
    ret

; What DHCP said when the firmware booted us.
say_lease:
    call clear_parameters
    mov word [parameters + 2], DHCP_ACK
    mov word [parameters + 4], PACKET_BYTES
    mov word [parameters + 8], PACKET >> 4
    say "pxe: lease:"
    mov ax, CACHED_INFO
    call call_firmware
    push PACKET >> 4
    pop fs
    mov eax, [fs:16]
    mov ebx, [fs:20]
    mov ecx, [fs:28]
    mov [question.our_address], eax
    mov [question.server], ebx
    mov [question.our_card], ecx
    mov dx, [fs:32]
    mov [question.our_card + 4], dx
    say " mine ", x32, eax, " server ", x32, ebx, " card ", x32, ecx, nl
    ret

; A packet out and one in, by the card's DMA: an ARP question for the server's card. CF where
; no answer comes.
ask_server:
    call clear_parameters
    mov word [parameters + 4], 3        ; packets for us, and broadcasts
    say "pxe: open:"
    mov ax, UNDI_OPEN
    call call_firmware
    say nl
    call clear_parameters
    mov word [parameters + 2], PROTOCOL_ARP | BROADCAST << 8
    mov word [parameters + 8], transmit_block
    say "pxe: transmit:"
    mov ax, UNDI_TRANSMIT
    call call_firmware
    say nl
    call wait_for_answer
    pushf
    call clear_parameters
    say "pxe: close:"
    mov ax, UNDI_CLOSE
    call call_firmware
    say nl
    popf
    ret

wait_for_answer:
    mov ebp, [BDA_TICKS]
.poll:
    mov eax, [BDA_TICKS]
    sub eax, ebp
    cmp eax, ANSWER_TICKS
    ja .none
    mov bx, ISR_START
    call interrupt_service
    cmp ax, ISR_OURS
    jne .poll
    mov bx, ISR_PROCESS
.event:
    call interrupt_service
    test ax, ax                         ; no more events
    jz .poll
    cmp ax, ISR_RECEIVE
    mov bx, ISR_NEXT
    jne .event
    les di, [parameters + 10]           ; the frame
    cmp word [es:di + 12], 0x0608       ; ARP
    jne .other
    cmp word [es:di + 20], 0x0200       ; an answer
    jne .other
    mov eax, [es:di + 28]
    mov ebx, [es:di + 22]
    say "pxe: answer of ", x32, eax, " card ", x32, ebx, nl
    push 0
    pop es
    clc
    ret
.other:
    push 0
    pop es
    jmp .event
.none:
    stc
    ret

; BX = what to do; AX = what there is.
interrupt_service:
    call clear_parameters
    mov [parameters + 2], bx
    mov ax, UNDI_ISR
    call call_quietly
    mov ax, [parameters + 2]
    ret

section .data
vectors: db 0x10, 0x13, 0x15, 0x16, 0x18, 0x19, 0x1A
vectors_end:
transmit_block: dw question_end - question, question, 0, 0
question:                               ; Ethernet, IPv4, a question
    db 0, 1, 8, 0, 6, 4, 0, 1
.our_card: times 6 db 0
.our_address: dd 0
    times 6 db 0
.server: dd 0
question_end:

section .bss
alignb 4
PARAMETERS_BYTES equ 80
parameters: resb PARAMETERS_BYTES
firmware:   resd 1
ram_end:    resd 1
from:       resd 1
saved_sp:   resd 1
entry:      resb 24
end_guest
