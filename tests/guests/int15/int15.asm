; The BIOS's INT 15h and 12h: the map and the sizes of memory in every form, calls that Orlop passes on,
; from real and from virtual-8086 mode, and the ROM page that they enter. Each answer is a line, to
; be compared with the line of a run without Orlop.
%define NAME "int15"
%include "guest.inc"

BUFFER   equ SCRATCH
TASK_SEGMENT equ SCRATCH + 0x1000
TASK_BYTES equ 104 + 8192
V86_STACK equ 0x7000
IDT32    equ SCRATCH + 0x4000
UNTOUCHED equ 0xAA

; %1 = name, EAX = function: one call, with all that comes back.
%macro try_call 2
    mov eax, %2
    mov esi, %%name
    call call_and_say
    [section .data]
%%name: db %1, 0
    __?SECT?__
%endmacro

section .text
bits 16
main:
    mov dword [bytes_asked], 20
    say "int15: map, 20 bytes", nl
    call say_map
    mov dword [bytes_asked], 24
    say "int15: map, 24 bytes", nl
    call say_map
    call odd_map_calls
    try_call "e801", 0x5555E801
    try_call "e881", 0x5555E881
    try_call "88", 0x55558800
    int 12h
    sti
    movzx eax, ax
    say "int15: int 12h ", x32, eax, nl
    try_call "c0", 0xC000
    try_call "c1", 0xC100
    try_call "a20", 0x2402
    try_call "apm", 0x5300
    try_call "wait", 0x8600
    try_call "unknown", 0xFE00
    try_call "e8ff", 0xE8FF
    call write_rom
    say "int15: map, after the ROM was written to", nl
    call say_map
    call from_v86
    say "int15 DONE", nl
    jmp power_off16

; All entries of the map, with how many bytes of the buffer each left alone.
say_map:
    xor ebx, ebx
.next:
    call fill_buffer
    mov eax, 0xE820
    mov edx, 'PAMS'
    mov ecx, [bytes_asked]
    mov edi, BUFFER & 0xF
    mov si, BUFFER >> 4
    mov es, si
    int 15h
    setc [carry]
    sti
    cld
    call say_entry
    cmp byte [carry], 0
    jne .done
    test ebx, ebx
    jnz .next
.done:
    xor ax, ax
    mov es, ax
    ret

; After an E820: registers and the buffer.
say_entry:
    push es
    push 0
    pop es
    push BUFFER >> 4
    pop fs
    mov esi, [fs:0]
    mov [entry], esi
    mov esi, [fs:4]
    mov [entry + 4], esi
    mov esi, [fs:8]
    mov [entry + 8], esi
    mov esi, [fs:12]
    mov [entry + 12], esi
    mov esi, [fs:16]
    mov [entry + 16], esi
    mov esi, [fs:20]
    mov [entry + 20], esi
    mov esi, [fs:24]
    mov [entry + 24], esi
    test ebx, ebx                       ; which number goes on is the BIOS's to choose
    setnz [has_more]
    say "int15: asked ", dec, [bytes_asked], " eax ", x32, eax, " more ", dec, [has_more], " ecx ", dec, ecx, " carry ", x8, \
        [carry], " base ", x32, [entry + 4], x32, [entry], " length ", x32, [entry + 12], x32, \
        [entry + 8], " type ", dec, [entry + 16], " behind ", x32, [entry + 20], " ", x32, \
        [entry + 24], nl
    pop es
    ret

fill_buffer:
    push es
    push eax
    push ecx
    push edi
    push BUFFER >> 4
    pop es
    xor di, di
    mov cx, 64
    mov al, UNTOUCHED
    rep stosb
    pop edi
    pop ecx
    pop eax
    pop es
    ret

; Forms that are refused, or are no map call: too short a buffer, no such entry, no signature.
odd_map_calls:
    mov dword [bytes_asked], 19
    say "int15: map, 19 bytes", nl
    xor ebx, ebx
    call odd_map_call
    mov dword [bytes_asked], 20
    say "int15: map, an entry that there is not", nl
    mov ebx, 0x1234
    call odd_map_call
    say "int15: map, no signature", nl
    call fill_buffer
    xor ebx, ebx
    mov edx, 'XXXX'
    jmp odd_map_call.with_signature
odd_map_call:
    call fill_buffer
    mov edx, 'PAMS'
.with_signature:
    mov eax, 0xE820
    mov ecx, [bytes_asked]
    push BUFFER >> 4
    pop es
    xor edi, edi
    int 15h
    setc [carry]
    sti
    cld
    push 0
    pop es
    movzx eax, ah
    mov cl, [carry]
    push BUFFER >> 4
    pop fs
    mov ebx, [fs:0]
    say "int15: ah ", x8, eax, " carry ", x8, ecx, " buffer ", x32, ebx, nl
    ret

; EAX = function, ESI = name. Registers that are not results keep their values, and so do the flags
; but the carry: CF and IF are shown.
call_and_say:
    say "int15: "
    call print_string16
    mov ebx, 0x11112222
    mov ecx, 0x33330001
    mov edx, 0x55550002
    mov esi, 0x77778888
    mov edi, 0x9999AAAA
    mov ebp, 0xBBBBCCCC
    sti
    stc
    int 15h
    pushf
    sti
    cld
    push 0
    pop ds
    pop word [flags]
    mov [results], ebx
    mov [results + 4], esi
    mov [results + 8], edi
    mov [results + 12], ebp
    mov bx, es
    mov [results + 16], bx
    push 0
    pop es
    and word [flags], 0x201             ; CF, IF
    say " eax ", x32, eax, " ebx ", x32, [results], " ecx ", x32, ecx, " edx ", x32, edx
    say " esi ", x32, [results + 4], " edi ", x32, [results + 8], " ebp ", x32, [results + 12]
    movzx eax, word [results + 16]
    movzx ebx, word [flags]
    say " es ", x16, eax, " flags ", x16, ebx, nl
    ret

; The ROM's date, in the page that INT 15h enters on PCs: a store goes nowhere, and reads are the ROM's.
write_rom:
    push 0xFFFF
    pop fs
    mov eax, [fs:5]
    mov dword [fs:5], 'XXXX'
    mov ebx, [fs:5]
    lock add dword [fs:5], 1
    mov ecx, [fs:5]
    say "int15: ROM ", x32, eax, " after a store ", x32, ebx, " and a locked one ", x32, ecx, nl
    ret

; A virtual-8086 task without paging and with IOPL 3 that calls the ROM's entry by a far call, asks
; for the first entry of the map and for the A20's state, and comes back by a HLT, which is #GP.
bits 16
from_v86:
    call fill_buffer
    enter_protected
    mov edi, IDT32                      ; all vectors lead to .back
    mov ecx, 32
    mov eax, .back
    mov edx, eax
    and eax, 0xFFFF
    or eax, CODE32 << 16
    and edx, 0xFFFF0000
    or edx, 0x8E00
.gate:
    mov [edi], eax
    mov [edi + 4], edx
    add edi, 8
    loop .gate
    lidt [idt32_pointer]
    mov edi, TASK_SEGMENT
    mov ecx, TASK_BYTES / 4
    xor eax, eax
    rep stosd
    mov dword [TASK_SEGMENT + 4], STACK_TOP - 0x800
    mov dword [TASK_SEGMENT + 8], DATA32
    mov word [TASK_SEGMENT + 102], 104  ; an I/O map that lets all ports through
    mov byte [TASK_SEGMENT + TASK_BYTES], 0xFF
    mov dword [gdt_task], (TASK_SEGMENT & 0xFFFF) << 16 | TASK_BYTES
    mov dword [gdt_task + 4], 0x8900 | (TASK_SEGMENT >> 16)
    mov ax, TASK
    ltr ax
    mov [saved_esp], esp
    push 0                              ; GS
    push 0                              ; FS
    push 0                              ; DS
    push 0                              ; ES
    push 0                              ; SS
    push V86_STACK
    push 0x23002                        ; VM, IOPL 3
    push 0                              ; CS
    push .task
    iretd
bits 16
.task:
    xor ebx, ebx
    mov eax, 0xE820
    mov edx, 'PAMS'
    mov ecx, 20
    push BUFFER >> 4
    pop es
    xor edi, edi
    pushf
    call 0xF000:0xF859
    mov [results], eax
    mov [results + 4], ebx
    setc [carry]
    mov eax, 0xC000
    pushf
    call 0xF000:0xF859
    mov [results + 8], ax
    mov [results + 12], bx
    hlt
bits 32
.back:
    mov ax, DATA32
    mov ds, ax
    mov es, ax
    mov fs, ax
    mov gs, ax
    mov esp, [saved_esp]
    mov ebx, .real
    jmp protected_to_real
bits 16
.real:
    push BUFFER >> 4
    pop fs
    mov eax, [fs:8]
    movzx ecx, word [results + 8]
    movzx edx, word [results + 12]
    say "int15: from virtual-8086 mode: eax ", x32, [results], " carry ", x8, [carry], \
        " length ", x32, eax, "; c0: ax ", x16, ecx, " bx ", x16, edx, nl
    ret

section .data align=4
idt32_pointer:
    dw 32 * 8 - 1
    dd IDT32
bytes_asked: dd 0

section .bss
alignb 4
carry:     resd 1
flags:     resd 1
has_more:  resd 1
saved_esp: resd 1
results:   resd 8
entry:     resb 32
end_guest
