; A UART that Orlop borrows for a line of its log comes back as it was: LCR with DLAB, divisor, IER,
; MCR, scratch register, FIFOs on or off, what was received and what was still to be sent. The guest
; leaves COM1 in one odd state after the other, makes Orlop log (a read in Orlop's own range, told of
; once a second), waits, and looks. With more than one CPU, an AP makes Orlop log while the BSP
; computes; then the BSP prints all the time. Who runs it sees that Orlop's lines are whole.
; After PASS it takes a `t` on the line as the wish to die: of a triple fault, with DLAB set.
%define NAME "borrow"
%include "guest.inc"
%include "faults.inc"
%include "hyper.inc"
%include "range.inc"
%include "smp.inc"

UART_IIR    equ COM1 + 2
UART_SCR    equ COM1 + 7
LCR_DLAB    equ 0x80
LSR_DATA    equ 0x01
LSR_EMPTY   equ 0x40
IIR_FIFO    equ 0xC0
SCRATCH_BYTE equ 0xA7
GONE_MS     equ 400                     ; four lines a second are printed
PERIOD_MS   equ 1100                    ; a CPU's reads are told of once a second
OWN_LINES   equ 300                     ; about a second of them
OWN_ROUNDS  equ 2
FAREWELL_MS equ 1000

BOX_WANTED  equ BOX_OWN                 ; reads of Orlop's range that the AP shall have done
BOX_STOP    equ BOX_OWN + 4
BOX_DONE    equ BOX_OWN + 8

; A state: name, LCR, divisor, IER, MCR, FIFOs' bits of IIR, what to do then
STATE_LCR     equ 0
STATE_IER     equ 1
STATE_DIVISOR equ 2
STATE_MCR     equ 4
STATE_FIFO    equ 5
STATE_NAME    equ 6
STATE_BEFORE  equ 8                     ; called when it is set, ESI = state
STATE_AFTER   equ 10                    ; called when it has been seen to be kept
STATE_SIZE    equ 12
%macro state 8
    db %2, %4
    dw %3
    db %5, %6
    dw %%name, %7, %8
    [section .text]
    %%name: db %1, 0
    __?SECT?__
%endmacro
section .data
states:
    state "as usual",             0x03,      1, 0x00, 0x03, IIR_FIFO, nothing, nothing
    state "DLAB",                 0x83,      3, 0x05, 0x0B, IIR_FIFO, nothing, nothing
    state "DLAB, 7 bits, even",   0x9A, 0x1234, 0x0F, 0x03, IIR_FIFO, nothing, nothing
    state "interrupts",           0x03,      1, 0x0F, 0x0B, IIR_FIFO, nothing, nothing
    state "8 bits, even",         0x1B,      2, 0x01, 0x0F, IIR_FIFO, nothing, nothing
    state "5 bits, 300 baud",     0x00,    384, 0x00, 0x00, IIR_FIFO, nothing, nothing
    state "break",                0x43, 0xFFFF, 0x0C, 0x0B, IIR_FIFO, nothing, nothing
    state "FIFOs off",            0x03,      1, 0x02, 0x09,        0, nothing, nothing
    state "loopback",             0x03,      1, 0x00, 0x1B, IIR_FIFO, loop_send, loop_receive
    state "FIFO full",            0x03,      1, 0x00, 0x0B, IIR_FIFO, fill_fifo, nothing
    state "FIFO full, 9600 baud", 0x03,     12, 0x07, 0x0B, IIR_FIFO, fill_fifo, nothing
    state "FIFO full, DLAB",      0x83,      3, 0x0F, 0x0B, IIR_FIFO, fill_fifo, nothing
states_end:

section .text
bits 16
main:
    call orlop_range_find
    enter_long
    call idt_build
    call orlop_detect
    call smp_init
    cmp byte [under_orlop], 0
    jne .above
    skip "no Orlop below: nothing borrows"
.above:
    mov dword [ap_work], work_ap
    cmp dword [cpu_count], 1
    je .alone
    mov eax, [cpu_ids + 4]
    mov [helper], eax
    mov edi, eax
    mov esi, 10000
    mov edx, 200
    call smp_start_cpu
.alone:
    mov esi, states
.state:
    call try_state
    add esi, STATE_SIZE
    cmp esi, states_end
    jb .state
    call lines_of_both
    call stop_helper
    cmp dword [failures], 0
    jne power_off64
    pass "cpus=", dec, [cpu_count]
    call farewell
    jmp power_off64

; ESI = state.
try_state:
    push rsi
    mov edi, PERIOD_MS - GONE_MS
    call delay_ms
    movzx eax, word [rsi + STATE_NAME]
    push rsi
    say "borrow: state "
    mov esi, eax
    call print_string64
    say nl
    pop rsi
    call uart_set
    movzx eax, word [rsi + STATE_BEFORE]
    call rax
    call uart_close
    call cause_line
    mov edi, GONE_MS
    call delay_ms
    call uart_look
    movzx eax, word [rsi + STATE_AFTER]
    call rax
    call uart_usual
    call judge_state
    pop rsi
    ret

nothing:
    ret

; Keeps RSI. EDI = milliseconds.
delay_ms:
    push rsi
    push rbx
    mov ebx, edi
.next:
    mov edi, 1000
    call delay_us
    dec ebx
    jnz .next
    pop rbx
    pop rsi
    ret

%macro put 2
    mov dx, %1
    mov al, %2
    out dx, al
%endmacro
%macro get 2
    mov dx, %2
    in al, dx
    mov %1, al
%endmacro

; Everything sent. Clobbers RAX, RCX, RDX.
uart_wait_sent:
    mov ecx, 10 * UART_WAIT
    mov dx, UART_LSR
.wait:
    in al, dx
    test al, LSR_EMPTY
    jnz .done
    dec ecx
    jnz .wait
.done:
    ret

; ESI = state: set, but DLAB clear.
uart_set:
    call uart_wait_sent
    put UART_LCR, LCR_DLAB
    put COM1, [rsi + STATE_DIVISOR]
    put UART_IER, [rsi + STATE_DIVISOR + 1]
    mov bl, [rsi + STATE_LCR]
    and bl, ~LCR_DLAB
    put UART_LCR, bl
    put UART_IER, [rsi + STATE_IER]
    put UART_MCR, [rsi + STATE_MCR]
    cmp byte [rsi + STATE_FIFO], 0
    setne bl
    put UART_FCR, bl
    put UART_SCR, SCRATCH_BYTE
    ret
uart_close:
    put UART_LCR, [rsi + STATE_LCR]
    ret

; [seen] = the state that it is in, in the order of `state`.
uart_look:
    get [seen + STATE_LCR], UART_LCR
    test al, LCR_DLAB
    jnz .open
    or al, LCR_DLAB
    out dx, al
.open:
    get [seen + STATE_DIVISOR], COM1
    get [seen + STATE_DIVISOR + 1], UART_IER
    mov bl, [seen + STATE_LCR]
    and bl, ~LCR_DLAB
    put UART_LCR, bl
    get [seen + STATE_IER], UART_IER
    get [seen + STATE_MCR], UART_MCR
    mov dx, UART_IIR
    in al, dx
    and al, IIR_FIFO
    mov [seen + STATE_FIFO], al
    get [seen + STATE_NAME], UART_SCR
    ret

; 115200 8N1, FIFOs on.
uart_usual:
    call uart_wait_sent
    put UART_IER, 0
    put UART_LCR, LCR_DLAB
    put COM1, 1
    put UART_IER, 0
    put UART_LCR, 3
    put UART_MCR, 3
    put UART_FCR, 7
    ret

judge_state:
    mov rax, [rsi]
    mov rdx, [seen]
    mov rcx, 0xFFFFFFFFFFFF
    and rax, rcx
    and rcx, rdx
    cmp rax, rcx
    jne .wrong
    cmp byte [seen + STATE_NAME], SCRATCH_BYTE
    jne .wrong
    cmp byte [received_wrong], 0
    jne .received
    push rsi
    say "borrow: kept: "
    movzx esi, word [rsi + STATE_NAME]
    call print_string64
    say nl
    pop rsi
    ret
.wrong:
    fail "FIFO MCR divisor IER LCR were ", x64, rax, ", are ", x64, rcx, "; scratch ", x64, rdx
    inc dword [failures]
    ret
.received:
    fail "what had been received is another"
    inc dword [failures]
    ret

; 16 characters at once, that only a FIFO takes.
fill_fifo:
    push rsi
    mov esi, sixteen
    mov ecx, 16
    mov dx, COM1
    rep outsb
    pop rsi
    ret

; In loopback what is sent is received.
loop_send:
    put COM1, 'a'
    put COM1, 'b'
    put COM1, 'c'
    mov edi, 5
    jmp delay_ms
loop_receive:
    xor ebx, ebx
.next:
    mov dx, UART_LSR
    in al, dx
    test al, LSR_DATA
    jz .end
    shl ebx, 8
    get bl, COM1
    jmp .next
.end:
    cmp ebx, 'cba'
    setne [received_wrong]
    ret

; One line of Orlop's: by the AP if there is one. Keeps RSI.
cause_line:
    mov ebx, [helper]
    test ebx, ebx
    jnz .helper
    mov eax, [orlop_range]
    mov eax, [rax]
    ret
.helper:
    shl ebx, 6
    lock inc dword [MAILBOX + rbx + BOX_WANTED]
    ret

; On the AP: reads Orlop's range as often as it is asked to.
work_ap:
    pause
    mov eax, [r15 + BOX_DONE]
    cmp eax, [r15 + BOX_WANTED]
    je .none
    mov eax, [orlop_range]
    mov eax, [rax]
    inc dword [r15 + BOX_DONE]
.none:
    cmp dword [r15 + BOX_STOP], 0
    je work_ap
    ret

; Orlop's lines in the middle of the guest's, and with an AP, which takes its time, anywhere.
lines_of_both:
    mov edi, PERIOD_MS - GONE_MS
    call delay_ms
    mov ebp, OWN_ROUNDS
.round:
    say "borrow: own abcdefghijklm"
    call cause_line
    say "nopqrstuvwxyz", nl
    mov edi, PERIOD_MS
    cmp dword [helper], 0
    je .wait
    mov ebx, OWN_LINES
.own:
    say "borrow: own abcdefghijklmnopqrstuvwxyz", nl
    dec ebx
    jnz .own
    mov edi, GONE_MS
.wait:
    call delay_ms
    dec ebp
    jnz .round
    ret

stop_helper:
    mov ebx, [helper]
    test ebx, ebx
    jz .done
    mov edi, ebx
    shl ebx, 6
    add ebx, MAILBOX
    mov dword [rbx + BOX_STOP], 1
    mov esi, 2000
    call smp_wait_finished
    jnz .hangs
    mov eax, [rbx + BOX_DONE]
    cmp eax, (states_end - states) / STATE_SIZE + OWN_ROUNDS
    je .done
.hangs:
    fail "the AP hangs; reads done: ", dec, [rbx + BOX_DONE]
    inc dword [failures]
.done:
    ret

farewell:
    say "borrow: a t for a triple fault", nl
    mov ebp, FAREWELL_MS
.wait:
    mov edi, 1
    call delay_ms
    mov dx, UART_LSR
    in al, dx
    test al, LSR_DATA
    jz .next
    mov dx, COM1
    in al, dx
    cmp al, 't'
    je .die
.next:
    dec ebp
    jnz .wait
    ret
.die:
    mov esi, states_end - STATE_SIZE
    call uart_set
    call fill_fifo
    call uart_close
    lidt [no_idt]
    int3

section .data
sixteen: db "borrow: fifteen", 10
no_idt:  dw 0
         dq 0
section .bss
alignb 8
seen:           resb STATE_SIZE
received_wrong: resb 1
alignb 4
helper:         resd 1
failures:       resd 1
end_guest
