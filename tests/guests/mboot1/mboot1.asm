; A multiboot1 kernel without a format of its own: the header's addresses say where it goes. Prints all
; that it was given. Its bss is large enough to lie where the boot loader put the modules.
%define NAME "mboot1"
LOADED_AT equ 0x100000
BSS_BYTES equ 0x300000
%include "say.inc"
org LOADED_AT
section .data align=16
section .bss align=16
section .text
FLAGS equ 0x10007                   ; modules on pages, memory, video, addresses
magic:
    dd 0x1BADB002, FLAGS, -(0x1BADB002 + FLAGS) & 0xFFFFFFFF
    dd magic, LOADED_AT, file_end, bss_end, start
    dd 1, 80, 25, 0                 ; text
%include "kernel.inc"

INFO_FLAGS  equ 0
INFO_LOWER  equ 4
INFO_UPPER  equ 8
INFO_DEVICE equ 12
INFO_LINE   equ 16
INFO_COUNT  equ 20
INFO_MODS   equ 24
INFO_MAP_BYTES equ 44
INFO_MAP    equ 48
INFO_NAME   equ 64
INFO_SCREEN equ 88

%macro skip_without 2
    test dword [ebx + INFO_FLAGS], 1 << %1
    jz %2
%endmacro

main:
    say NAME, ": flags ", x32, [ebx + INFO_FLAGS], nl
    skip_without 0, .device
    say NAME, ": lower ", dec, [ebx + INFO_LOWER], " upper ", dec, [ebx + INFO_UPPER], nl
.device:
    skip_without 1, .line
    say NAME, ": boot device ", x32, [ebx + INFO_DEVICE], nl
.line:
    skip_without 2, .modules
    say NAME, ": command line "
    mov esi, [ebx + INFO_LINE]
    call say_quoted
    say nl
.modules:
    skip_without 3, .map
    call show_modules
.map:
    skip_without 6, .name
    call show_map
.name:
    skip_without 9, .screen
    say NAME, ": loader "
    mov esi, [ebx + INFO_NAME]
    call say_quoted
    say nl
.screen:
    skip_without 12, .done
    say NAME, ": framebuffer ", x32, [ebx + INFO_SCREEN + 4], x32, [ebx + INFO_SCREEN], " pitch ", \
        dec, [ebx + INFO_SCREEN + 8], " ", dec, [ebx + INFO_SCREEN + 12], "x", \
        dec, [ebx + INFO_SCREEN + 16], " depth and type ", x16, [ebx + INFO_SCREEN + 20], nl
.done:
    jmp power_off32

show_modules:
    pushad
    say NAME, ": modules ", dec, [ebx + INFO_COUNT], nl
    xor ebp, ebp
    mov edx, [ebx + INFO_COUNT]
    mov ecx, [ebx + INFO_MODS]
.next:
    cmp ebp, edx
    jae .done
    push ecx
    push edx
    mov esi, [ecx]
    mov edi, [ecx + 4]
    mov ebx, [ecx + 8]
    call show_module
    pop edx
    pop ecx
    add ecx, 16
    inc ebp
    jmp .next
.done:
    popad
    ret

show_map:
    mov esi, [ebx + INFO_MAP]
    mov edi, esi
    add edi, [ebx + INFO_MAP_BYTES]
.next:
    cmp esi, edi
    jae .done
    say NAME, ": map ", x32, [esi + 8], x32, [esi + 4], " length ", x32, [esi + 16], x32, [esi + 12], \
        " type ", dec, [esi + 20], nl
    add esi, [esi]
    add esi, 4
    jmp .next
.done:
    ret
end_kernel
