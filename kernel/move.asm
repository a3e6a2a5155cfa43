; Leaving the place where GRUB put us.
section .text
bits 64

; void place_copy_and_switch(uint64_t to: RDI, from: RSI, bytes: RDX, cr3: RCX)
; The stack is part of the image: nothing is pushed between the copy and the switch. Both addresses
; are physical; the boot map is one to one. The same instructions go on in the copy.
global place_copy_and_switch
place_copy_and_switch:
        mov rax, rcx
        mov rcx, rdx
        shr rcx, 3
        cld
        rep movsq
        mov cr3, rax
        ret

; _Noreturn void move_to_stack(uint64_t top: RDI, void (*next)(void): RSI)
global move_to_stack
move_to_stack:
        mov rsp, rdi
        xor ebp, ebp
        call rsi
        ud2
