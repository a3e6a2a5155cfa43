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
; Unpack the image, which is LZMA (tools/pack_image.py; lc = lp = pb = 0). ZF = the sum is right.
; EBP = displacement; EDI stays, EAX, EBX, ECX, EDX and ESI do not.
;
;   packed_load:  dword  bytes of the stream
;                 dword  the sum of the dwords that hold it
;                 dword  bytes of the image
;                 bytes  the stream, with neither header nor end mark
;
; The directories of the boot map, which are filled later, hold the probabilities meanwhile, a dword
; each, of 2048ths that a bit is 0; then the decoder's variables.
IS_MATCH        equ 0                   ; by state, of which there are 12
IS_REP          equ IS_MATCH + 12
IS_REP_G0       equ IS_REP + 12
IS_REP_G1       equ IS_REP_G0 + 12
IS_REP_G2       equ IS_REP_G1 + 12
IS_REP0_LONG    equ IS_REP_G2 + 12
LENGTHS         equ IS_REP0_LONG + 12   ; two choices, trees of 3, 3 and 8 bits
REP_LENGTHS     equ LENGTHS + 2 + 8 + 8 + 256
SLOTS           equ REP_LENGTHS + 2 + 8 + 8 + 256 ; four trees of 6 bits
DISTANCES       equ SLOTS + 4 * 64
ALIGNED         equ DISTANCES + 1 + 128 - 14
LITERALS        equ ALIGNED + 16
PROBABILITIES   equ LITERALS + 0x300

STATE           equ PROBABILITIES * 4
REP0            equ STATE + 4
REP1            equ STATE + 8
REP2            equ STATE + 12
REP3            equ STATE + 16
RANGE           equ STATE + 20
CODE            equ STATE + 24
END             equ STATE + 28
MATCHED         equ STATE + 32

boot_unpack:
        lea esi, [ebp + packed_load]
        lodsd
        lea ecx, [eax + 3]
        shr ecx, 2
        lodsd
        xchg eax, edx
        lodsd
        push eax
        push esi
        xor ebx, ebx
.sum:   lodsd
        rol ebx, 1
        add ebx, eax
        loop .sum
        pop esi
        pop eax
        cmp edx, ebx
        jne .damaged
        push edi
        push ebp
        lea ebx, [ebp + image_load]
        lea edi, [ebp + boot_pd]
        mov ebp, edi
        add eax, ebx
        xchg eax, edx                   ; the image's end
        mov ecx, PROBABILITIES
        mov eax, 2048 / 2
        rep stosd
        xor eax, eax
        mov cl, 5
        rep stosd                       ; state and distances
        dec eax
        stosd
        inc esi                         ; the stream's first byte is 0
        lodsd
        bswap eax
        stosd
        xchg eax, edx
        stosd
        mov edi, ebx

.next:  cmp edi, [ebp + END]
        jae .end
        mov ebx, [ebp + STATE]
        call .bit
        jc .match

        xor ecx, ecx                    ; a literal: its bits behind a 1
        inc ecx
        cmp byte [ebp + STATE], 7
        jb .plain
        mov eax, edi                    ; behind a match: beside those of the byte that did not
        sub eax, [ebp + REP0]
        mov al, [eax - 1]
        mov [ebp + MATCHED], al
.beside:
        xor eax, eax
        shl byte [ebp + MATCHED], 1
        adc eax, eax
        push eax
        inc eax
        shl eax, 8
        lea ebx, [ecx + eax + LITERALS]
        call .bit
        pop eax
        adc ecx, ecx
        test ch, ch
        jnz .store
        add eax, edx                    ; 0: alike
        jz .beside
.plain: test ch, ch
        jnz .store
        lea ebx, [ecx + LITERALS]
        call .bit
        adc ecx, ecx
        jmp .plain
.store: xchg eax, ecx
        stosb
        mov eax, [ebp + STATE]
        cmp al, 10
        jb .young
        sub eax, 3
.young: sub eax, 3
        jns .literal_state
        xor eax, eax
.literal_state:
        mov [ebp + STATE], eax
        jmp .next

.match: add ebx, IS_REP - IS_MATCH
        call .bit
        jc .rep
        mov eax, [ebp + REP0]
        xchg eax, [ebp + REP1]
        xchg eax, [ebp + REP2]
        mov [ebp + REP3], eax
        mov ebx, LENGTHS
        call .length
        mov al, 7
        call .state
        push ecx
        cmp ecx, 3
        jbe .slot
        mov ecx, 3
.slot:  shl ecx, 6
        lea ebx, [ecx + SLOTS]
        mov edx, 64
        call .tree
        mov eax, ecx
        cmp eax, 4
        jb .distance
        mov edx, ecx                    ; the two highest bits, and how many follow
        and edx, 1
        or edx, 2
        shr ecx, 1
        dec ecx
        shl edx, cl
        cmp eax, 14
        jae .direct
        lea ebx, [edx + DISTANCES]
        sub ebx, eax
        push edx
        mov edx, 1
        shl edx, cl
        jmp .lowest
.direct:
        sub ecx, 4                      ; all but four of which are as likely as not
        xor ebx, ebx
.half:  shr dword [ebp + RANGE], 1
        mov eax, [ebp + RANGE]
        sub [ebp + CODE], eax
        jae .upper
        add [ebp + CODE], eax
.upper: cmc
        adc ebx, ebx
        call .normalize
        loop .half
        shl ebx, 4
        add edx, ebx
        push edx
        mov ebx, ALIGNED
        mov edx, 16
.lowest:
        call .tree                      ; the lowest bit comes first
        xor eax, eax
.turn:  shr ecx, 1
        adc eax, eax
        shr edx, 1
        cmp edx, 1
        jne .turn
        pop edx
        add eax, edx
.distance:
        mov [ebp + REP0], eax
        pop ecx
.copy:  inc ecx
        inc ecx
.repeat:
        push esi
        mov esi, edi
        sub esi, [ebp + REP0]
        dec esi
        rep movsb
        pop esi
        jmp .next

.rep:   add ebx, IS_REP_G0 - IS_REP     ; one of the last four distances
        call .bit
        jc .older
        add ebx, IS_REP0_LONG - IS_REP_G0
        call .bit
        jc .rep_length
        mov al, 9
        call .state
        mov ecx, 1
        jmp .repeat
.older: add ebx, IS_REP_G1 - IS_REP_G0
        call .bit
        mov eax, [ebp + REP1]
        jnc .first
        add ebx, IS_REP_G2 - IS_REP_G1
        call .bit
        mov eax, [ebp + REP2]
        jnc .second
        xchg eax, [ebp + REP3]
.second:
        mov ecx, [ebp + REP1]
        mov [ebp + REP2], ecx
.first: mov ecx, [ebp + REP0]
        mov [ebp + REP1], ecx
        mov [ebp + REP0], eax
.rep_length:
        mov ebx, REP_LENGTHS
        call .length
        mov al, 8
        call .state
        jmp .copy

.end:   pop ebp
        pop edi
        cmp eax, eax
.damaged:
        ret

; AL = the state that follows those below 7; behind the others it is 10 or 11.
.state: cmp byte [ebp + STATE], 7
        jb .below
        cmp al, 8                       ; 7 becomes 10, 8 and 9 become 11
        mov al, 11
        sbb al, 0
.below: movzx eax, al
        mov [ebp + STATE], eax
        ret

; EBX = LENGTHS or REP_LENGTHS. ECX = the length less 2.
.length:
        mov edx, 8
        push edx
        call .bit
        pop edx
        lea ebx, [ebx + 2]
        jnc .tree
        dec ebx
        push edx
        call .bit
        pop edx
        lea ebx, [ebx + 9]
        mov ecx, 8
        jnc .added
        add ebx, ecx
        mov edx, 256
        add ecx, ecx
.added: push ecx
        call .tree
        pop eax
        add ecx, eax
        ret

; EBX = a tree, EDX = how many leaves it has. ECX = which one. EDX stays.
.tree:  mov ecx, 1
.branch:
        push edx
        push ebx
        add ebx, ecx
        call .bit
        pop ebx
        pop edx
        adc ecx, ecx
        cmp ecx, edx
        jb .branch
        sub ecx, edx
        ret

; EBX = a probability. CF = the bit, EDX = 0 or -1. EBX and ECX stay.
.bit:   mov eax, [ebp + RANGE]
        shr eax, 11
        mul dword [ebp + ebx * 4]
        cmp [ebp + CODE], eax
        jae .one
        mov [ebp + RANGE], eax
        mov eax, 2048
        sub eax, [ebp + ebx * 4]
        shr eax, 5
        add [ebp + ebx * 4], eax
        jmp .normalize
.one:   sub [ebp + RANGE], eax
        sub [ebp + CODE], eax
        mov eax, [ebp + ebx * 4]
        shr eax, 5
        sub [ebp + ebx * 4], eax
        dec edx
.normalize:
        cmp byte [ebp + RANGE + 3], 0
        jne .wide
        shl dword [ebp + RANGE], 8
        shl dword [ebp + CODE], 8
        lodsb
        mov [ebp + CODE], al
.wide:  bt edx, 31
        ret

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
