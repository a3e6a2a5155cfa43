; From GRUB to C. GRUB enters boot_entry32 in 32-bit protected mode with paging off, at whatever
; place it chose (Multiboot2 specification, 3.3 "I386 machine state"); nothing here may use an
; absolute address before `base` is known.
;
;   1. GRUB:          EAX = magic, EBX = physical address of the information structure
;   2. boot_entry32:  EBP = how far the file was moved from where it was linked
;   3. boot_unpack:   the image, which tools/pack_image.py packed, at its place behind the tables
;   4. boot_entry64:  RDI = information structure, RSI = where the image was loaded; the rest is free
;
; Temporary page tables map the first 4 GiB one to one, and the image at its own address. They are
; used until Orlop has found its final place (kernel/main.c) and are then left behind.
%include "asm_constants.inc"

BOOT_LINKED_AT      equ 0x100000
MULTIBOOT2_MAGIC    equ 0xE85250D6
MULTIBOOT2_LOADED   equ 0x36D76289
TABLE               equ 4096

extern boot_main
extern image_load
extern packed_load
extern image_start
extern image_end
extern boot_stack

section .boot.header progbits alloc noexec nowrite align=8
header:
        dd MULTIBOOT2_MAGIC, 0, header_end - header
        dd -(MULTIBOOT2_MAGIC + 0 + (header_end - header))
; Relocatable (tag 10): anywhere below 4 GiB, on a page, the lowest place first.
        align 8
        dw 10, 0
        dd 24, 0x100000, 0xFFFFFFFF, 4096, 1
; No "module alignment" tag is needed to copy modules; page alignment keeps them apart from us.
        align 8
        dw 6, 0
        dd 8
        align 8
        dw 0, 0
        dd 8
header_end:

section .boot.tables nobits alloc noexec write align=4096
boot_pml4:      resb TABLE
boot_pdpt:      resb TABLE              ; shared by the low and the high half
boot_pd:        resb 4 * TABLE          ; 4 GiB one to one, in 2 MiB pages
boot_pd_image:  resb TABLE
boot_pt_image:  resb TABLE

section .boot.text progbits alloc exec nowrite align=16
bits 32
global boot_entry32
boot_entry32:
        cli
        cld
        mov esi, eax
        mov edi, ebx
; Where are we? The return address of a call is the only thing that tells. GRUB promises no stack,
; but a word of the information structure's own header may be borrowed for one.
        mov ecx, [ebx + 4]
        lea esp, [ebx + 8]
        call .here
.here:  pop ebp
        sub ebp, .here
        mov [ebx + 4], ecx
        lea esp, [ebp + boot_pt_image + TABLE]

        cmp esi, MULTIBOOT2_LOADED
        lea ebx, [ebp + text_not_multiboot2]
        jne boot_refuse

; Long mode: CPUID.80000001H:EDX[29] (SDM vol. 2A, CPUID).
        mov eax, 0x80000000
        cpuid
        lea ebx, [ebp + text_no_long_mode]
        cmp eax, 0x80000001
        jb boot_refuse
        mov eax, 0x80000001
        cpuid
        lea ebx, [ebp + text_no_long_mode]
        bt edx, 29
        jnc boot_refuse
        push edx                        ; bit 20 says whether NX exists
        call boot_unpack
        lea ebx, [ebp + text_damaged]
        jne boot_refuse
        pop esi
        call boot_fill_tables

        mov eax, cr4
        or eax, X86_CR4_PAE
        mov cr4, eax
        lea eax, [ebp + boot_pml4]
        mov cr3, eax
        mov ecx, X86_MSR_EFER
        rdmsr
        or eax, X86_EFER_LME
        bt esi, 20
        jnc .no_nx
        or eax, X86_EFER_NXE
.no_nx: wrmsr
        mov eax, cr0
        and eax, ~(X86_CR0_EM | X86_CR0_TS)
        or eax, X86_CR0_PG | X86_CR0_WP | X86_CR0_NE | X86_CR0_PE
        mov cr0, eax

        lea esp, [ebp + boot_pt_image + TABLE - 16]
        lea eax, [ebp + boot_gdt]
        mov word [esp], boot_gdt_end - boot_gdt - 1
        mov [esp + 2], eax
        lgdt [esp]
        lea eax, [ebp + .long]
        mov dword [esp + 4], X86_HOST_CS
        mov [esp], eax
        jmp far [esp]
bits 64
.long:  mov ebp, ebp                    ; the upper halves are undefined after the switch
        mov edi, edi
        mov eax, X86_HOST_DS
        mov ds, eax
        mov es, eax
        mov ss, eax
        xor eax, eax
        mov fs, eax
        mov gs, eax
        lea esi, [rbp + image_load]
        mov dword [rbp + boot_pt_image + TABLE - 16], 0 ; give the borrowed entries back
        mov dword [rbp + boot_pt_image + TABLE - 12], 0
        mov rsp, boot_stack + X86_BOOT_STACK_BYTES
        xor ebp, ebp                    ; ends the chain of frames
        mov rax, boot_main
        call rax
        ud2

bits 32
; Unpack the image: LZ4's block format between a header and its end (tools/pack_image.py). ZF = the
; sum is right. EBP = displacement; EDI stays, EAX, EBX, ECX, EDX and ESI do not.
;
;   packed_load:  dword  bytes of the sequences
;                 dword  the sum of the dwords that hold them
;                 bytes  sequences: a token, literals, a distance of 16 bits back, a length
boot_unpack:
        lea esi, [ebp + packed_load]
        lodsd
        lea edx, [esi + eax + 4]        ; the end
        lea ecx, [eax + 3]
        shr ecx, 2
        lodsd
        push esi
        push eax
        xor ebx, ebx
.sum:   lodsd
        rol ebx, 1
        add ebx, eax
        loop .sum
        pop eax
        pop esi
        cmp eax, ebx
        jne .done
        push edi
        lea edi, [ebp + image_load]
.sequence:
        movzx ebx, byte [esi]
        inc esi
        mov ecx, ebx
        shr ecx, 4
        call .length
        rep movsb                       ; literals, after which the last sequence ends
        cmp esi, edx
        jae .end
        movzx eax, word [esi]
        inc esi
        inc esi
        mov ecx, ebx
        and ecx, 15
        push eax
        call .length
        pop eax
        add ecx, 4
        push esi
        mov esi, edi
        sub esi, eax
        rep movsb
        pop esi
        jmp .sequence
.end:   pop edi
        cmp eax, eax
.done:  ret

; ECX = 4 bits of a length, or 15 and bytes to add up to one that is not 255.
.length:
        cmp ecx, 15
        jne .whole
.more:  movzx eax, byte [esi]
        inc esi
        add ecx, eax
        cmp eax, 255
        je .more
.whole: ret

; Fill the tables named above. EBP = displacement; clobbers EAX, EBX, ECX, EDX.
boot_fill_tables:
        lea ebx, [ebp + boot_pd]        ; 2,048 large pages, one to one
        mov eax, X86_PTE_TABLE | X86_PTE_LARGE
        mov ecx, 4 * 512
.large: mov [ebx], eax
        mov dword [ebx + 4], 0
        add eax, 0x200000
        add ebx, 8
        loop .large

        lea ebx, [ebp + boot_pt_image]  ; the image, page by page
        lea eax, [ebp + image_load]
        or eax, X86_PTE_TABLE
        mov ecx, 510                    ; the last two serve as a stack for some steps more
.small: mov [ebx], eax
        mov dword [ebx + 4], 0
        add eax, 0x1000
        add ebx, 8
        loop .small

        lea ebx, [ebp + boot_pdpt]
        lea eax, [ebp + boot_pd + X86_PTE_TABLE]
        mov ecx, 4
.pdpt:  mov [ebx], eax
        add eax, TABLE
        add ebx, 8
        loop .pdpt
        lea eax, [ebp + boot_pd_image + X86_PTE_TABLE]
        mov [ebp + boot_pdpt + 8 * 510], eax
        lea eax, [ebp + boot_pt_image + X86_PTE_TABLE]
        mov [ebp + boot_pd_image], eax
        lea eax, [ebp + boot_pdpt + X86_PTE_TABLE]
        mov [ebp + boot_pml4], eax
        mov [ebp + boot_pml4 + 8 * 511], eax
        ret

; Say why on COM1, 115200 8n1, and on the text screen, and halt. EBX = text, NUL-terminated. A port
; that is not there must not hold us up, so the wait for it is bounded.
boot_refuse:
        mov edi, 0xB8000
        mov dx, 0x3FB                   ; LCR: the divisor shows
        mov al, 0x80
        out dx, al
        mov dx, 0x3F8
        mov al, 1
        out dx, al
        inc edx
        xor eax, eax
        out dx, al
        mov dx, 0x3FB                   ; 8 bits, no parity, one stop bit
        mov al, 3
        out dx, al
.next:  movzx eax, byte [ebx]
        test al, al
        jz .halt
        mov ah, 0x4F
        mov [edi], ax
        add edi, 2
        mov ah, al
        mov dx, 0x3FD
        mov ecx, 100000
.wait:  in al, dx
        test al, 0x20
        loopz .wait
        mov al, ah
        mov dx, 0x3F8
        out dx, al
        inc ebx
        jmp .next
.halt:  cli
        hlt
        jmp .halt

text_not_multiboot2:
        db 13, 10, "orlop: refused: not started by a multiboot2 loader; in grub.cfg write "
        db '"multiboot2 /boot/orlop.elf"', 13, 10, 0
text_no_long_mode:
        db 13, 10, "orlop: refused: this CPU has no 64-bit mode (CPUID.80000001H:EDX.LM); "
        db "use an emulator's model or a machine with one", 13, 10, 0

text_damaged:
        db 13, 10, "orlop: refused: the file is damaged; copy orlop.elf to the medium again", 13, 10, 0

        align 8
boot_gdt:
        dq 0, X86_GDT_CODE64, X86_GDT_DATA
boot_gdt_end:
