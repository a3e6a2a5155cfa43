; A stand-in for Orlop: the smallest multiboot2 program that lets tools/run.py, tools/make_iso.py and
; the boot-test harness be tested without a hypervisor. The first word of its command line says what
; it does after it has repeated the command line and the modules' strings on COM1:
;
;   poweroff  powers the machine off          refused   says that it refuses, then waits
;   reset     resets the machine              panic     says that it panics, then waits
;   triple    triple-faults                   fault     says that the guest triple-faulted, then waits
;   echo      answers each key with "key XX"; "q" powers off
;   debug     says "r" on COM2 and sends each key back there, with "key XX" on COM1; "q" powers off
;   hang      waits (also for any other word)
;
; nasm -f bin: the address tag of the header makes a linker unnecessary.

        org     0x200000
        bits    32

COM1        equ 0x3f8
COM2        equ 0x2f8
TAG_END     equ 0
TAG_COMMAND equ 1
TAG_MODULE  equ 3

header:
        dd      0xe85250d6, 0, header_end - header, -(0xe85250d6 + (header_end - header))
        dw      2, 0                    ; addresses of this image
        dd      24, header, header, image_end, image_end + 4096
        dw      3, 0                    ; entry point
        dd      12, start
        dd      0                       ; tags are 8-aligned
        dw      0, 0
        dd      8
header_end:

start:
        mov     esp, image_end + 4096
        cld
        mov     ebp, ebx                ; multiboot2 information
        mov     dx, COM1 + 3            ; 8 data bits, or Bochs sends five
        mov     al, 3
        out     dx, al
        mov     esi, greeting
        call    print
        lea     ebx, [ebp + 8]
next_tag:
        mov     eax, [ebx]
        cmp     eax, TAG_END
        je      act
        cmp     eax, TAG_COMMAND
        jne     .module
        lea     esi, [ebx + 8]
        mov     [command], esi
        mov     edi, command_says
        jmp     .show
.module:
        cmp     eax, TAG_MODULE
        jne     .skip
        lea     esi, [ebx + 16]
        mov     edi, module_says
.show:
        push    esi
        mov     esi, edi
        call    print
        pop     esi
        call    print
        mov     esi, line_end
        call    print
.skip:
        mov     eax, [ebx + 4]
        add     eax, 7
        and     eax, ~7
        add     ebx, eax
        jmp     next_tag

; Finds the word's row in the table of actions. The first four letters tell them apart.
act:
        mov     eax, [command]
        mov     eax, [eax]
        mov     ebx, actions
.row:
        cmp     dword [ebx], 0
        je      hang
        cmp     eax, [ebx]
        je      .found
        add     ebx, 8
        jmp     .row
.found:
        jmp     [ebx + 4]

; Power off by ACPI: PM1a control of QEMU's i440fx and q35, then of Bochs (S5 is sleep type 0 there).
poweroff:
        mov     esi, says_off
        call    print
        mov     ax, 0x2000
        mov     dx, 0x604
        out     dx, ax
        mov     dx, 0xb004
        out     dx, ax
hang:
        cli
        hlt
        jmp     hang

reset:
        mov     al, 6
        mov     dx, 0xcf9
        out     dx, al
        mov     al, 0xfe
        out     0x64, al
        jmp     hang

triple:
        lidt    [no_idt]
        int3

refused:
        mov     esi, says_refused
        jmp     say_and_hang
panic:
        mov     esi, says_panic
        jmp     say_and_hang
fault:
        mov     esi, says_fault
say_and_hang:
        call    print
        jmp     hang

debug:
        mov     word [keys_port], COM2
        mov     dx, COM2 + 3
        mov     al, 3
        out     dx, al
        mov     dx, COM2
        mov     al, 'r'
        out     dx, al
echo:
        mov     esi, says_ready
        call    print
.wait:
        mov     dx, [keys_port]
        add     dx, 5
        in      al, dx
        test    al, 1
        jz      .wait
        mov     dx, [keys_port]
        in      al, dx
        mov     [key], al
        cmp     dx, COM2
        jne     .say
        out     dx, al
.say:
        mov     ah, al
        shr     al, 4
        call    digit
        mov     [key_digits], al
        mov     al, ah
        and     al, 15
        call    digit
        mov     [key_digits + 1], al
        mov     esi, says_key
        call    print
        cmp     byte [key], 'q'
        jne     .wait
        jmp     poweroff

digit:
        add     al, '0'
        cmp     al, '9'
        jbe     .done
        add     al, 'a' - '0' - 10
.done:  ret

; ESI: a string that ends in 0. The wait for the transmitter is bounded: there may be no UART.
print:
        lodsb
        test    al, al
        jz      .done
        push    eax
        mov     ecx, 100000
        mov     dx, COM1 + 5
.wait:
        in      al, dx
        test    al, 0x20
        loopz   .wait
        pop     eax
        mov     dx, COM1
        out     dx, al
        jmp     print
.done:  ret

        align   8
actions:
        dd      'powe', poweroff, 'rese', reset, 'trip', triple, 'refu', refused, 'pani', panic
        dd      'faul', fault, 'echo', echo, 'debu', debug, 0
no_idt: dw      0
        dd      0
command: dd     greeting
keys_port: dw   COM1
key:    db      0

greeting:     db 13, 10, '[0.000001] cpu0 stand-in: here', 13, 10, 0
command_says: db '[0.000002] cpu0 stand-in: command line: ', 0
module_says:  db '[0.000003] cpu0 stand-in: module: ', 0
line_end:     db 13, 10, 0
says_off:     db '[0.000009] cpu0 stand-in: power off', 13, 10, 0
says_ready:   db '[0.000009] cpu0 stand-in: ready', 13, 10, 0
says_key:     db 'key '
key_digits:   db '00', 13, 10, 0
says_refused: db '[0.000009] cpu0 orlop: refused: the stand-in was told to refuse', 13, 10
              db '[0.000010] cpu0 orlop: last line after the refusal', 13, 10, 0
says_panic:   db '[0.000009] cpu0 orlop: panic: the stand-in was told to panic', 13, 10
              db '[0.000010] cpu0 orlop: last line after the panic', 13, 10, 0
says_fault:   db '[0.000009] cpu0 orlop: guest stopped: triple fault', 13, 10, 0
image_end:
