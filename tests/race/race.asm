; The race windows of build/orlop-race.elf: what a CPU publishes, kicks, acknowledges, takes and drops it
; does by the functions of wraps.inc, and the linker (--wrap) leads each call of one from another file
; through here. Before the call, and behind it, a time goes by, another one each time, up to
; WAIT_TICKS or, now and then, sixteen times that.
; Windows 2N and 2N + 1 are those before and behind function N; race.c tells which have been met.
;
; Kept are the arguments, of which there are at most six, none on the stack, and what is returned.

WAIT_TICKS equ 1023

extern race_tell

section .bss
align 8
global race_windows_met
race_windows_met: resq 1

section .text
bits 64
; EDI = number.
race_wait:
        mov edi, edi
        lock bts [race_windows_met], rdi
        rdtsc
        mov ecx, eax
        imul eax, eax, 0x9E3779B1
        mov esi, eax
        shr esi, 15
        and esi, WAIT_TICKS
        shr eax, 28
        jnz .wait
        shl esi, 4                      ; one of sixteen is long
        sub edi, 4
        cmp edi, 4
        jae .wait
        shl esi, 2                      ; and between a mail and what it does longer than a guest's exits
.wait:
        pause
        rdtsc
        sub eax, ecx
        cmp eax, esi
        jb .wait
        ret

%assign window 0
%macro wrap 1
%ifidn %1, vmx_attend                   ; not in a window, which an NMI handler may meet
    %define tells
%else
    %undef tells
%endif
extern __real_%1
global __wrap_%1
__wrap_%1:
        push rdi
        push rsi
        push rdx
        push rcx
        push r8
        push r9
    %ifdef tells
        call race_tell
    %endif
        mov edi, window
        call race_wait
        pop r9
        pop r8
        pop rcx
        pop rdx
        pop rsi
        pop rdi
        call __real_%1
        push rax
        mov edi, window + 1
        call race_wait
        pop rax
        ret
%assign window window + 2
%endmacro

%include "wraps.inc"
