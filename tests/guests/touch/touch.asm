; Absent memory, up to the last GiB that the processor can address, is above Orlop what it is on the
; bare machine: reads of any kind give ones, writes go nowhere, whether the first touch of a GiB is a
; read, a write, a locked instruction, a string instruction or an operand that lies in two pages, two
; large pages or two GiB; a page walk that meets it ends in an entry with reserved bits. There are more
; GiB than Orlop has tables for where its pages are of 2 MiB, so that tables go and come back, in every
; round; all CPUs touch at the same time, each in an order of its own. RAM keeps what is in it.
; Each CPU has a window of 2 GiB on the GiB that it touches, of 1 GiB or 2 MiB pages as CPUID says.
; Not for a machine with devices above its RAM: they would be written.
%define NAME "touch"
%include "guest.inc"
%include "faults.inc"
%include "smp.inc"

MAX_WORKERS equ 8
TABLES      equ 0x60000             ; for each APIC id: PDPT and two directories
PDPT_OWN    equ 0
LOW_OWN     equ 0x1000              ; the GiB that is touched
HIGH_OWN    equ 0x2000              ; the one behind it
TABLES_SIZE equ 0x4000
WINDOW_BIT  equ 39                  ; the window of APIC id N is PML4 entry N + 1
PRESENT     equ 7
LARGE       equ 0x80
GIB_BIT     equ 30
STEPS_MAX   equ 1024
PF          equ 14
PF_RESERVED equ 9                   ; present, reserved bit

; Inside a GiB, at the same places as the RAM below that is compared afterwards.
ALIGNED     equ 0x1200000
ODD         equ 0x1234567
TWO_PAGES   equ 0x1301FFD
TWO_LARGE   equ 0x13FFFFD
TWO_GIB     equ 0x3FFFFFFD
WITNESS     equ 0x1000000           ; 16 MiB to 24 MiB
WITNESS_END equ 0x1800000

BOX_READS   equ BOX_OWN
BOX_WRONG   equ BOX_OWN + 8
BOX_WHERE   equ BOX_OWN + 16
BOX_VALUE   equ BOX_OWN + 24
BOX_READY   equ BOX_OWN + 32
BOX_GO      equ BOX_OWN + 36

section .text
bits 16
main:
    call memory_end
    enter_long
    call idt_build
    call smp_init
    call read_limits
    call witness_write
    mov dword [ap_work], work_ap
    mov ebx, start_one
    call smp_for_each_ap
    mov edi, [own_apic_id]
    call worker_prepare
    mov ebx, release_one
    call smp_for_each_ap
    call work
    mov ebx, wait_one
    call smp_for_each_ap
    mov edi, [own_apic_id]
    call judge_worker
    call check_walks
    call witness_compare
    cmp dword [failures], 0
    jne power_off64
    pass "cpus=", dec, [cpu_count], " gib=", dec, [first], " to ", dec, [limit], \
         " step=", dec, [step]
    jmp power_off64

; [first] = the first GiB above all that E820 calls anything but reserved.
bits 16
memory_end:
    xor ebx, ebx
.entry:
    mov eax, 0xE820
    mov edx, 'PAMS'
    mov ecx, 20
    mov edi, e820_entry
    int 15h
    jc .done
    cmp eax, 'PAMS'
    jne .done
    cmp dword [e820_entry + 16], 2
    je .next
    mov eax, [e820_entry]
    mov ecx, [e820_entry + 4]
    add eax, [e820_entry + 8]
    adc ecx, [e820_entry + 12]
    add eax, (1 << GIB_BIT) - 1
    adc ecx, 0
    shrd eax, ecx, GIB_BIT
    cmp eax, [first]
    jbe .next
    mov [first], eax
.next:
    test ebx, ebx
    jnz .entry
.done:
    cli
    ret

bits 64
; [limit] = the number of GiB that can be addressed, [step] so that a round has at most STEPS_MAX.
read_limits:
    mov eax, 0x80000008
    cpuid
    movzx ecx, al
    mov [width], ecx
    sub ecx, GIB_BIT
    mov eax, 1
    shl eax, cl
    mov [limit], eax
    xor edx, edx
    mov ecx, STEPS_MAX
    div ecx
    cmp eax, 1
    adc eax, 0
    mov [step], eax
    mov eax, 0x80000001
    cpuid
    bt edx, 26
    setc [has_1g]
    say "touch: ", dec, [width], " address bits, from GiB ", dec, [first], nl
    cmp dword [first], 0
    jne .done
    error "E820 shows no memory"
    jmp power_off64
.done:
    ret

; EDI = APIC id: its window, and what `work` needs.
worker_prepare:
    mov r13d, edi
    imul r13d, r13d, TABLES_SIZE
    add r13d, TABLES
    lea r14d, [rdi + 1]
    mov r15d, edi
    shl r15d, 6
    add r15d, MAILBOX
    lea rax, [r13 + PRESENT]
    mov [PML4 + r14 * 8], rax
    shl r14, WINDOW_BIT
    mov edi, r13d
    mov ecx, TABLES_SIZE / 8
    xor eax, eax
    rep stosq
    ret

; On an AP.
work_ap:
    call worker_prepare
    mov dword [r15 + BOX_READY], 1
.wait:
    pause
    cmp dword [r15 + BOX_GO], 0
    je .wait
    jmp work

start_one:
    cmp edi, MAX_WORKERS
    jae .too_high
    mov r13d, edi
    mov ebp, edi
    shl ebp, 6
    add ebp, MAILBOX
    mov esi, 10000
    mov edx, 200
    call smp_start_cpu
    mov ebx, 2000
.wait:
    cmp dword [rbp + BOX_READY], 1
    je .done
    mov edi, 1000
    call delay_us
    dec ebx
    jnz .wait
    fail "APIC id ", dec, r13d, " did not start"
    inc dword [failures]
.done:
    ret
.too_high:
    error "APIC id ", dec, edi, " is too high for this guest"
    jmp power_off64

release_one:
    shl edi, 6
    mov dword [MAILBOX + rdi + BOX_GO], 1
    ret

wait_one:
    mov r13d, edi
    mov ebp, 120
.wait:
    mov edi, r13d
    mov esi, 1000
    call smp_wait_finished
    jz .finished
    dec ebp
    jnz .wait
    fail "APIC id ", dec, r13d, " hangs"
    inc dword [failures]
    ret
.finished:
    mov edi, r13d

; EDI = APIC id.
judge_worker:
    mov ebp, edi
    shl ebp, 6
    add ebp, MAILBOX
    say "touch: APIC id ", dec, edi, ": ", dec64, [rbp + BOX_READS], " reads, ", \
        dec64, [rbp + BOX_WRONG], " not ones", nl
    cmp qword [rbp + BOX_READS], 0
    je .wrong
    cmp qword [rbp + BOX_WRONG], 0
    je .done
.wrong:
    fail "the first at ", x64, [rbp + BOX_WHERE], ": ", x64, [rbp + BOX_VALUE]
    inc dword [failures]
.done:
    ret

; R13 = tables, R14 = window, R15 = mailbox. Upwards, downwards, in great strides, and one GiB many
; times in between others; an AP begins in the middle.
work:
    xor ebx, ebx
    cmp r13d, TABLES
    je .from
    mov ebx, STEPS_MAX / 2
.from:
    mov ecx, 1
    call round
    mov ecx, STEPS_MAX - 1
    call round
    mov ecx, 37
    call round
    mov ecx, 511
    call round
    ret

; EBX = number of the first step, ECX = stride, odd, so that each of STEPS_MAX is met once. Keeps EBX.
round:
    push rbx
    mov r12d, STEPS_MAX
.next:
    push rbx
    push rcx
    imul rbx, [step]
    cmp ebx, [limit]
    jae .skip
    cmp ebx, [first]
    jb .skip
    call touch_gib
.skip:
    pop rcx
    pop rbx
    add ebx, ecx
    and ebx, STEPS_MAX - 1
    dec r12d
    jnz .next
    pop rbx
    ret

; RBX = number of the GiB to be seen at R14, with the one behind it at R14 + 1 GiB.
map_gib:
    mov rax, rbx
    shl rax, GIB_BIT
    or rax, PRESENT | LARGE
    mov edx, 1 << GIB_BIT
    cmp byte [has_1g], 0
    je .small
    mov [r13 + PDPT_OWN], rax
    add rax, rdx
    mov [r13 + PDPT_OWN + 8], rax
    jmp .flush
.small:
    xor ecx, ecx
.page:
    mov [r13 + LOW_OWN + rcx * 8], rax
    add rax, 0x200000
    inc ecx
    cmp ecx, 512
    jb .page
    mov [r13 + HIGH_OWN], rax
    lea rax, [r13 + LOW_OWN + PRESENT]
    mov [r13 + PDPT_OWN], rax
    add rax, HIGH_OWN - LOW_OWN
    mov [r13 + PDPT_OWN + 8], rax
.flush:
    mov rax, cr3
    mov cr3, rax
    ret

; All ways to touch the GiB RBX, beginning with another one each time.
touch_gib:
    call map_gib
    mov ebp, ebx
    imul ebp, ebp, 5
    mov r11d, WAYS
.next:
    and ebp, WAYS - 1
    movzx eax, word [ways + rbp * 2]
    call rax
    inc ebp
    dec r11d
    jnz .next
    ret

WAYS equ 16
section .data
ways: dw read_aligned, write_aligned, read_odd, write_odd, read_pages, write_pages, read_large
      dw write_large, read_gib, write_gib, add_locked, exchange_odd, string_in, string_out, write_byte
      dw push_there
section .text

; Each way: R14 = window, RBX = GiB. What was read is judged at once. Clobbers RAX, RCX, RDX, RSI, RDI.
%macro judge_read 1                     ; offset, for the message
    mov edx, %1
    jmp judge
%endmacro
read_aligned:
    mov rax, [r14 + ALIGNED]
    judge_read ALIGNED
write_aligned:
    mov [r14 + ALIGNED], rbx
    mov rax, [r14 + ALIGNED]
    judge_read ALIGNED
read_odd:
    movsx rax, word [r14 + ODD]
    judge_read ODD
write_odd:
    mov [r14 + ODD], rbx
    mov rax, [r14 + ODD]
    judge_read ODD
read_pages:
    movsxd rax, dword [r14 + TWO_PAGES]
    judge_read TWO_PAGES
write_pages:
    mov [r14 + TWO_PAGES], rbx
    mov rax, [r14 + TWO_PAGES]
    judge_read TWO_PAGES
read_large:
    mov rax, [r14 + TWO_LARGE]
    judge_read TWO_LARGE
write_large:
    mov [r14 + TWO_LARGE], ebx
    movsxd rax, dword [r14 + TWO_LARGE]
    judge_read TWO_LARGE
read_gib:
    call behind_is_memory
    jc judge.none
    mov rax, [r14 + TWO_GIB]
    judge_read TWO_GIB
write_gib:
    call behind_is_memory
    jc judge.none
    mov [r14 + TWO_GIB], rbx
    mov rax, [r14 + TWO_GIB]
    judge_read TWO_GIB
add_locked:
    mov rax, rbx
    lock xadd [r14 + ALIGNED + 64], rax
    judge_read ALIGNED + 64
exchange_odd:
    mov rax, rbx
    xchg [r14 + ODD + 1000], rax
    judge_read ODD + 1000
string_in:                              ; 9 bytes over two pages; their AND is judged
    sub rsp, 16
    lea rsi, [r14 + TWO_PAGES]
    mov rdi, rsp
    mov ecx, 9
    rep movsb
    movsx rax, byte [rsp + 8]
    and rax, [rsp]
    add rsp, 16
    judge_read TWO_PAGES
string_out:
    lea rdi, [r14 + TWO_LARGE]
    mov ecx, 5
    mov eax, ebx
    rep stosw
    mov rax, [r14 + TWO_LARGE + 1]
    judge_read TWO_LARGE + 1
write_byte:
    mov byte [r14 + ODD + 3], 0
    movsx rax, byte [r14 + ODD + 3]
    judge_read ODD + 3
push_there:                             ; a stack in absent memory, interrupts being off
    mov rcx, rsp
    lea rsp, [r14 + ALIGNED + 0x2000]
    push rbx
    pop rax
    mov rsp, rcx
    judge_read ALIGNED + 0x2000 - 8

; Carry if there is no GiB behind RBX, or a device is: the firmware ends at 4 GiB.
behind_is_memory:
    lea eax, [rbx + 1]
    cmp ebx, 3
    je .none
    cmp eax, [limit]
    jae .none
    clc
    ret
.none:
    stc
    ret

; RAX = what was read in the GiB RBX at EDX: ones are right.
judge:
    inc qword [r15 + BOX_READS]
    cmp rax, -1
    je .none
    inc qword [r15 + BOX_WRONG]
    cmp qword [r15 + BOX_WRONG], 1
    ja .none
    mov [r15 + BOX_VALUE], rax
    mov rcx, rbx
    shl rcx, GIB_BIT
    add rcx, rdx
    mov [r15 + BOX_WHERE], rcx
.none:
    ret

; A table in absent memory is all ones: its entry has reserved bits. So has a page behind the last
; address. The window's PDPT entry leads there.
%macro check_walk 1
    mov rcx, cr3
    mov cr3, rcx
    attempt mov rax, [r14 + ALIGNED]
    say "touch: ", %1, ": vector ", dec, [fault_vector], " error ", dec, [fault_error], nl
    mov rax, r14
    add rax, ALIGNED
    xor rax, [fault_cr2]
    mov ecx, [fault_vector]
    xor ecx, PF
    or rax, rcx
    mov ecx, [fault_error]
    xor ecx, PF_RESERVED
    or rax, rcx
    jz %%right
    fail "a page fault with reserved bits is right; cr2=", x64, [fault_cr2]
    inc dword [failures]
%%right:
%endmacro
check_walks:
    mov edi, [own_apic_id]
    push r15
    call worker_prepare
    pop r15
    mov ebx, [limit]
    dec ebx
    shl rbx, GIB_BIT
    lea rax, [rbx + ALIGNED + PRESENT]
    mov [r13 + PDPT_OWN], rax
    check_walk "directory in the last GiB"
    lea rax, [rbx + ODD - (ODD & 0xFFF) + PRESENT]
    mov edx, [own_apic_id]
    mov [PML4 + 8 + rdx * 8], rax
    check_walk "directory pointers in the last GiB"
    lea rax, [r13 + PRESENT]
    mov edx, [own_apic_id]
    mov [PML4 + 8 + rdx * 8], rax
    mov ebx, [limit]
    call map_gib
    check_walk "page behind the last GiB"
    ret

; A word that its own address makes.
%macro witness_word 0
    mov rax, rdi
    imul rax, rcx
%endmacro
witness_write:
    mov rcx, 0x9E3779B97F4A7C15
    mov edi, WITNESS
.next:
    witness_word
    mov [rdi], rax
    add edi, 8
    cmp edi, WITNESS_END
    jb .next
    ret

witness_compare:
    mov rcx, 0x9E3779B97F4A7C15
    mov edi, WITNESS
    xor esi, esi
.next:
    witness_word
    cmp rax, [rdi]
    je .same
    inc esi
.same:
    add edi, 8
    cmp edi, WITNESS_END
    jb .next
    say "touch: RAM: ", dec, esi, " of ", dec, [witness_words], " words have changed", nl
    test esi, esi
    jz .done
    fail "RAM was written"
    inc dword [failures]
.done:
    ret

section .data
witness_words: dd (WITNESS_END - WITNESS) / 8
section .bss
alignb 8
step:       resq 1
limit:      resd 1
first:      resd 1
width:      resd 1
failures:   resd 1
e820_entry: resb 20
has_1g:     resb 1
end_guest
