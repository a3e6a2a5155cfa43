; A multiboot2 kernel as an ELF64 file with two segments, linked at one address and virtually at
; another, as kernels of the higher half are. Prints all that it was given, tag by tag in the order of
; their numbers. Its bss is large enough to lie where the boot loader put the modules.
%define NAME "mboot2"
LOADED_AT equ 0x100000
BSS_BYTES equ 0x200000
FAR_AT    equ 0x800000
FAR_BYTES equ 0x3000
VIRTUAL   equ 0xFFFFFFFF80000000
%include "say.inc"
org LOADED_AT
section .data align=16
section .bss align=16
section .text
elf:
    db 0x7F, "ELF", 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0
    dw 2, 62                        ; to be run, x86-64
    dd 1
    dq VIRTUAL + start, program_headers - elf, section_headers - elf
    dd 0
    dw 64, 56, 3, 64, 5, 4
program_headers:
    dd 1, 7                         ; what lies in FAR_AT is in the file behind the rest
    dq 0, VIRTUAL + LOADED_AT, LOADED_AT, file_end - elf, bss_end - elf, 0x1000
    dd 4, 4                         ; a note, which is not loaded
    dq 0, 0, 0, 0x20, 0x20, 4
    dd 1, 6
    dq far_data - elf, VIRTUAL + FAR_AT, FAR_AT, far_end - far_data, FAR_BYTES, 0x1000

section_headers:
    times 64 db 0
    dd name_text - names, 1         ; loaded
    dq 6, VIRTUAL + LOADED_AT, 0, file_end - elf
    dd 0, 0
    dq 16, 0
    dd name_symtab - names, 2       ; these have no address, and are for who reads symbols
    dq 0, 0, symbols - elf, symbols_end - symbols
    dd 3, 0
    dq 8, 24
    dd name_strtab - names, 3
    dq 0, 0, strings - elf, strings_end - strings
    dd 0, 0
    dq 1, 0
    dd name_names - names, 3
    dq 0, 0, names - elf, names_end - names
    dd 0, 0
    dq 1, 0
align 8
symbols:
    times 24 db 0
    dd 1
    db 0x12, 0
    dw 1
    dq VIRTUAL + start, 0
symbols_end:
strings: db 0, "start", 0
strings_end:
names: db 0
name_text: db ".text", 0
name_symtab: db ".symtab", 0
name_strtab: db ".strtab", 0
name_names: db ".shstrtab", 0
names_end:

align 8
magic:
    dd 0xE85250D6, 0, magic_end - magic, -(0xE85250D6 + magic_end - magic) & 0xFFFFFFFF
    dw 1, 0                         ; these are needed: line, loader, modules, memory, map, framebuffer
    dd 32, 1, 2, 3, 4, 6, 8
    dw 1, 1                         ; and these are wished for: ELF sections, network, one unknown
    dd 20, 9, 16, 77
    dd 0
    dw 4, 1                         ; a console, EGA text
    dd 12, 3, 0
    dw 6, 0                         ; modules on pages
    dd 8
    dw 99, 1                        ; what nobody knows
    dd 8
    dw 0, 0
    dd 8
magic_end:
%include "kernel.inc"

TAGS_MAX equ 32

main:
    say NAME, ": reserved ", x32, [ebx + 4], nl
    xor ebp, ebp
.type:
    mov edx, ebp
    call show_tags
    inc ebp
    cmp ebp, TAGS_MAX
    jb .type
    call check_far
    jmp power_off32

check_far:
    mov esi, far_data_linked
    mov edi, FAR_AT
    mov ecx, far_end - far_data
    repe cmpsb
    jne .wrong
    mov ecx, FAR_BYTES - (far_end - far_data)
    xor eax, eax
    repe scasb
    je .done
.wrong:
    fail "the second segment is wrong"
.done:
    ret

; EDX = type: all tags of it. The end tag has type 0.
show_tags:
    pushad
    xor ebp, ebp                    ; the module's number
    mov ecx, [ebx]
    add ecx, ebx                    ; the end
    add ebx, 8
.next:
    cmp ebx, ecx
    jae .done
    cmp [ebx], edx
    jne .step
    push ecx
    push edx
    call show_tag
    inc ebp
    pop edx
    pop ecx
.step:
    cmp dword [ebx], 0
    je .done
    mov eax, [ebx + 4]
    add eax, 7
    and eax, ~7
    add ebx, eax
    jmp .next
.done:
    popad
    ret

; EBX = tag, EDX = its type.
show_tag:
    cmp edx, 3
    je .module
    cmp edx, 6
    je .map
    cmp edx, 9
    je show_sections
    say NAME, ": tag ", dec, edx, " bytes ", dec, [ebx + 4]
    cmp edx, 1
    je .text
    cmp edx, 2
    je .text
    mov ecx, [ebx + 4]
    cmp ecx, 64
    ja .end                         ; a table: its size alone
    lea esi, [ebx + 8]
    sub ecx, 8
.byte:
    jecxz .end
    movzx eax, byte [esi]
    say " ", x8, eax
    inc esi
    dec ecx
    jmp .byte
.text:
    say " "
    lea esi, [ebx + 8]
    call say_quoted
.end:
    say nl
    ret
.module:
    push ebx
    mov esi, [ebx + 8]
    mov edi, [ebx + 12]
    add ebx, 16
    call show_module
    pop ebx
    ret
.map:
    say NAME, ": tag 6 entries of ", dec, [ebx + 8], " version ", dec, [ebx + 12], nl
    lea esi, [ebx + 16]
    mov edi, ebx
    add edi, [ebx + 4]
.entry:
    cmp esi, edi
    jae .mapped
    say NAME, ": map ", x32, [esi + 4], x32, [esi], " length ", x32, [esi + 12], x32, [esi + 8], \
        " type ", dec, [esi + 16], nl
    add esi, [ebx + 8]
    jmp .entry
.mapped:
    ret

; EBX = the tag of the ELF sections.
show_sections:
    say NAME, ": tag 9 bytes ", dec, [ebx + 4], " sections ", dec, [ebx + 8], " of ", dec, [ebx + 12], \
        " names ", dec, [ebx + 16], nl
    lea edi, [ebx + 20]
    mov edx, [ebx + 8]
.section:
    test edx, edx
    jz .done
    say NAME, ": section type ", dec, [edi + 4], " flags ", x32, [edi + 8], " offset ", x32, \
        [edi + 24], " size ", dec, [edi + 32]
    test dword [edi + 8], 2         ; loaded as a part of a segment
    jz .apart
    say " address ", x32, [edi + 16]
    jmp .said
.apart:
    mov esi, [edi + 16]
    mov ecx, [edi + 32]
    call sum_bytes
    mov ecx, [edi + 16]
    and ecx, 7
    say " sum ", x32, eax, " address modulo 8 ", dec, ecx
.said:
    say nl
    add edi, [ebx + 12]
    dec edx
    jmp .section
.done:
    ret

section .data
far_data_linked: db "far from the rest"
far_data: db "far from the rest"
far_end:
end_kernel
