; Hypercalls do what include/orlop_abi.h says, with good arguments and with hostile ones, in 64-bit,
; compatibility, PAE, 32-bit and real mode; with another signature, or at CPL 3, VMCALL is #UD. What is
; written to the log is read back from it, exit counters count exactly, buffers cross pages that lie
; apart, and no other register changes. 20,000 random calls give nothing but what may come.
; Without Orlop, or where it hides (`cpuid=hidden`), every call is #UD.
%define NAME "hypercalls"
%include "guest.inc"
%include "faults.inc"
%include "ring3.inc"
%include "hyper.inc"
%include "pages.inc"
%include "random.inc"

UD        equ 6
RANDOM    equ 20000
FLOOD     equ 700                       ; lines, more than the log holds
CALLS     equ 5                         ; versions, log, counters, log read, debugger
LOG_WRITE equ 1
COUNTERS  equ 2
LOG_READ  equ 3
DEBUGGER  equ 4
RECORD    equ 128
UNKNOWN   equ -1
ARGUMENT  equ -2
ADDRESS   equ -3
UNSET     equ -4
CPUIDS    equ 1000
EXIT_CPUID  equ 10
EXIT_VMCALL equ 18
CR4_PSE   equ 1 << 4
PAGE32    equ SCRATCH                   ; 32-bit paging: 4 MiB pages
; PAGES: FRAME + 3000h, FRAME, read-only, not present, CPL 3's
READ_ONLY equ PAGES + 0x2000
ABSENT    equ PAGES + 0x3000
USERS     equ PAGES + 0x4000
BUFFER    equ FRAME + 0x1000

section .text
bits 16
main:
    call find_range
    enter_long
    call idt_build
    call ring3_init
    call orlop_detect
    call every_call_unsigned
    cmp byte [under_orlop], 0
    jne .above
    call every_call_signed
    pass "without Orlop"
    jmp power_off64
.above:
    call build_pages
    call rows64
    call in_64bit_mode
    call line_read_back
    call counters_exact
    call flood
    call random_calls
    mov rbx, [rows_done]
    say NAME, ": 64-bit mode, ", dec, ebx, " rows", nl
    jmp far dword [.compatibility]
.compatibility:
    dd compatibility_mode
    dw CODE32

bits 32
compatibility_mode:
    mov eax, DATA32                     ; the ways to CPL 3 and back have emptied them
    mov ds, eax
    mov es, eax
    mov ebp, .done
    jmp rows32
.done:
    say NAME, ": compatibility mode", nl
    mov ebx, .protected
    jmp .leave
.leave:
    mov eax, cr0
    and eax, ~CR0_PG
    mov cr0, eax
    mov ecx, MSR_EFER
    rdmsr
    and eax, ~EFER_LME
    wrmsr
    jmp ebx
.protected:
    lidt [idt32_pointer]
    mov eax, PAE_PDPT                   ; CR4.PAE is still set
    mov cr3, eax
    mov eax, cr0
    or eax, CR0_PG
    mov cr0, eax
    call unsigned32
    mov ebp, .pae
    jmp rows32
.pae:
    say NAME, ": PAE paging", nl
    mov eax, cr0
    and eax, ~CR0_PG
    mov cr0, eax
    mov eax, cr4
    and eax, ~CR4_PAE
    or eax, CR4_PSE
    mov cr4, eax
    xor ecx, ecx
.large:
    mov eax, ecx
    shl eax, 22
    or eax, 0x83                        ; present, writable, 4 MiB
    mov [PAGE32 + ecx * 4], eax
    inc ecx
    cmp ecx, 1024
    jb .large
    mov eax, PAGE32
    mov cr3, eax
    mov eax, cr0
    or eax, CR0_PG
    mov cr0, eax
    call unsigned32
    mov ebp, .paged
    jmp rows32
.paged:
    say NAME, ": 32-bit paging", nl
    mov eax, cr0
    and eax, ~CR0_PG
    mov cr0, eax
    mov ebp, .flat
    jmp rows32
.flat:
    say NAME, ": protected mode", nl
    mov ebx, real_mode
    jmp protected_to_real

bits 16
real_mode:
    mov dword [6 * 4], real_ud          ; segment 0
    mov bx, 0x1234
    mov byte [ud_seen], 0
    mov eax, 0
    vmcall
    cmp byte [ud_seen], 1
    je .unsigned
    fail "no #UD without the signature in real mode"
.unsigned:
    mov ebp, .done
    jmp rows16
.done:
    say NAME, ": real mode", nl
    cmp dword [failures], 0
    jne .end
    pass
.end:
    jmp power_off16

real_ud:
    mov byte [ud_seen], 1
    push bp
    mov bp, sp
    add word [bp + 2], 3
    pop bp
    iret

; Orlop's range is the BIOS's first reserved one between 1 MiB and 3 GiB. Bounded.
find_range:
    xor ebx, ebx
    mov bp, 40
.next:
    mov eax, 0xE820
    mov edx, 'PAMS'
    mov ecx, 20
    mov di, BUFFER >> 4
    mov es, di
    xor di, di
    int 15h
    jc .done
    cmp dword [es:di + 16], 2
    jne .more
    mov eax, [es:di]
    cmp eax, 0x100000
    jb .more
    cmp eax, 0xC0000000
    jae .more
    mov [own_base], eax
    add eax, [es:di + 8]
    mov [own_end], eax
    jmp .done
.more:
    test ebx, ebx
    jz .done
    dec bp
    jnz .next
.done:
    xor ax, ax
    mov es, ax
    cli
    ret

bits 32
unsigned32:
    mov byte [ud_seen], 0
    xor eax, eax
    mov ebx, 0x6F6C724E
    vmcall
    cmp byte [ud_seen], 1
    je .seen
    fail "no #UD without the signature in 32-bit code"
    inc dword [failures]
.seen:
    ret
ud32:
    mov byte [ud_seen], 1
    add dword [esp], 3
    iretd

; ---- rows: what a call gives, by its arguments ----

; name, number, address, bytes, third, result
%macro row 6
    [section .data]
%%name: db %1, 0
    __?SECT?__
    dq %%name, %2, %3, %4, %5, %6
%endmacro
ROW equ 48

align 8
; All addresses below 4 GiB. Results are compared as far as the mode has registers.
rows:
    row "version", 0, -1, -1, -1, 0x100
    row "first unknown number", 6, 0, 0, 0, UNKNOWN
    row "highest number", 0xFFFFFFFF, BUFFER, 8, 0, UNKNOWN
    row "no debugger", DEBUGGER, -1, -1, -1, UNSET
    row "a line", LOG_WRITE, line, line_end - line, 0, 0
    row "the longest line", LOG_WRITE, BUFFER, 96, 0, 0
    row "too long a line", LOG_WRITE, BUFFER, 97, 0, ARGUMENT
    row "no line", LOG_WRITE, BUFFER, 0, 0, ARGUMENT
    row "half the address space", LOG_WRITE, BUFFER, 0x80000000, 0, ARGUMENT
    row "a line of the APIC's", LOG_WRITE, 0xFEE00000, 8, 0, ADDRESS
    row "a line of the screen's", LOG_WRITE, 0xA0000, 8, 0, ADDRESS
    row "a line of the ROM's", LOG_WRITE, 0xF0000, 8, 0, ADDRESS
    row "a line into the ROM", LOG_WRITE, 0x9FFFC, 8, 0, ADDRESS
    row "a line around the end", LOG_WRITE, 0xFFFFFFFC, 8, 0, ADDRESS
    row "counters", COUNTERS, BUFFER, 16, 0, 2
    row "counters, no bytes", COUNTERS, BUFFER, 0, 0, ARGUMENT
    row "counters, a part", COUNTERS, BUFFER, 12, 0, ARGUMENT
    row "counters, too many bytes", COUNTERS, BUFFER, 4104, 0, ARGUMENT
    row "counters of no CPU", COUNTERS, BUFFER, 8, 1, ARGUMENT
    row "counters of a far CPU", COUNTERS, BUFFER, 8, 0x7FFFFFFF, ARGUMENT
    row "counters to the APIC", COUNTERS, 0xFEE00300, 8, 0, ADDRESS
    row "counters to the ROM", COUNTERS, 0xF0000, 8, 0, ADDRESS
    row "log", LOG_READ, BUFFER, RECORD, 0, 1
    row "log, a part of a record", LOG_READ, BUFFER, RECORD - 1, 0, ARGUMENT
    row "log, no bytes", LOG_READ, BUFFER, 0, 0, ARGUMENT
    row "log, too many bytes", LOG_READ, BUFFER, 33 * RECORD, 0, ARGUMENT
    row "log, later", LOG_READ, BUFFER, RECORD, 0x7FFFFFFF, 0
    row "log to the APIC", LOG_READ, 0xFEE00000, RECORD, 0, ADDRESS
rows_end:
rows_64:
    row "counters, this CPU", COUNTERS, BUFFER, 512, -1, 64
    row "counters, half a -1", COUNTERS, BUFFER, 8, 0xFFFFFFFF, ARGUMENT
    row "log, far later", LOG_READ, BUFFER, RECORD, -1, 0
    row "lengths of 64 bits", LOG_WRITE, BUFFER, 1 << 32 | 8, 0, ARGUMENT
    row "beyond the tables", LOG_WRITE, 1 << 32, 8, 0, ADDRESS
    row "not canonical", LOG_WRITE, 1 << 47, 8, 0, ADDRESS
    row "not canonical, high", LOG_WRITE, 0x5A00000000000000 + BUFFER, 8, 0, ADDRESS
    row "into what is not canonical", LOG_WRITE, (1 << 47) - 4, 8, 0, ADDRESS
    row "around the end of all", LOG_WRITE, -4, 8, 0, ADDRESS
    row "a read-only line", LOG_WRITE, READ_ONLY, 8, 0, 0
    row "log to a read-only page", LOG_READ, READ_ONLY, RECORD, 0, ADDRESS
    row "log, half to a read-only page", LOG_READ, READ_ONLY - 64, RECORD, 0, ADDRESS
    row "a line that is not there", LOG_WRITE, ABSENT, 8, 0, ADDRESS
    row "half a line", LOG_WRITE, ABSENT - 4, 8, 0, ADDRESS
    row "a line of CPL 3's", LOG_WRITE, USERS, 8, 0, 0
    row "log across pages", LOG_READ, PAGES + 0xFC0, RECORD, 0, 1
rows_64_end:

%macro rows_routine 1
section .text
bits %1
; Jumps to EBP.
rows%1:
    mov esi, rows
.row:
    mov [row_now], esi
    mov eax, [esi + 8]
    mov ebx, ORLOP_CALL_SIGNATURE_32
    mov ecx, [esi + 16]
    mov edx, [esi + 24]
    mov edi, [esi + 32]
    xchg esi, edi
    vmcall
    cmp ebx, ORLOP_CALL_SIGNATURE_32
    jne .changed
    cmp ecx, [edi + 16]
    jne .changed
    cmp edx, [edi + 24]
    jne .changed
    cmp esi, [edi + 32]
    jne .changed
    cmp edi, [row_now]
    jne .changed
    cmp eax, [edi + 40]
    je .next
    mov esi, [edi]
    say NAME, " FAIL "
    call print_string%1
    say ": ", x32, eax, " in mode ", dec, %1, nl
    inc dword [failures]
    jmp .next
.changed:
    fail "a register has changed"
    inc dword [failures]
.next:
    mov esi, [row_now]
    add esi, ROW
    cmp esi, rows_end
    jb .row
    jmp ebp
%endmacro
rows_routine 16
rows_routine 32

bits 64
rows64:
    mov r12d, rows
.row:
    mov rcx, [r12 + 16]
    mov rdx, [r12 + 24]
    mov rsi, [r12 + 32]
    mov eax, [r12 + 8]
    mov r15, [r12]
    mov r14, [r12 + 40]
    call expect
    add r12d, ROW
    cmp r12d, rows_64_end
    jb .row
    ret

; EAX, RCX, RDX, RSI = the call, R15 = its name, R14 = what it gives. Gives RAX.
expect:
    mov rbx, 0xABCD123400000000
    or rax, rbx
    mov rbx, ORLOP_CALL_SIGNATURE
    mov r8, rcx
    mov r9, rdx
    mov r10, rsi
    attempt vmcall
    inc qword [rows_done]
    cmp dword [fault_vector], NO_FAULT
    jne .wrong
    cmp rax, r14
    jne .wrong
    mov rdi, ORLOP_CALL_SIGNATURE
    cmp rbx, rdi
    jne .wrong
    cmp rcx, r8
    jne .wrong
    cmp rdx, r9
    jne .wrong
    cmp rsi, r10
    jne .wrong
    ret
.wrong:
    jmp call_failed

%macro call_orlop 6                     ; name, number, address, bytes, third, result
    [section .data]
%%name: db %1, 0
    __?SECT?__
    mov r15d, %%name
    mov eax, %2
    mov rcx, %3
    mov edx, %4
    mov rsi, %5
    mov r14, %6
    call expect
%endmacro

; At CPL 3, and with one bit of the signature wrong, each number is #UD.
every_call_unsigned:
    xor r12d, r12d
.number:
    mov r13d, 40
.bit:
    dec r13d
    mov eax, r12d
    mov rbx, ORLOP_CALL_SIGNATURE
    btc rbx, r13
    call numbered
    test r13d, r13d
    jnz .bit
    mov eax, r12d
    mov ecx, BUFFER
    mov edx, 8
    xor esi, esi
    mov rbx, ORLOP_CALL_SIGNATURE
    attempt_user vmcall
    call must_be_ud
    inc r12d
    cmp r12d, CALLS
    jbe .number
    ret

every_call_signed:
    xor r12d, r12d
.number:
    mov eax, r12d
    mov rbx, ORLOP_CALL_SIGNATURE
    call numbered
    inc r12d
    cmp r12d, CALLS + 1
    jbe .number
    ret

numbered:
    mov ecx, BUFFER
    mov edx, 8
    xor esi, esi
    attempt vmcall
must_be_ud:
    cmp dword [fault_vector], UD
    jne .wrong
    mov eax, [fault_rip]
    cmp eax, [fault_expected_rip]
    je .right
.wrong:
    fail "number ", dec, r12d, " signature ", x64, rbx, " vector ", x32, [fault_vector]
    inc dword [failures]
.right:
    ret

build_pages:
    call pages_init
    page 0, FRAME + 0x3003
    page 1, FRAME + 3
    page 2, FRAME + 0x1001
    page 4, FRAME + 0x2007
    jmp pages_on

in_64bit_mode:
    mov ebp, [own_base]
    call_orlop "a line of Orlop's", LOG_WRITE, rbp, 8, 0, ADDRESS
    call_orlop "a line into Orlop's", LOG_WRITE, {[own_base]}, 96, 0, ADDRESS
    call_orlop "counters to Orlop's", COUNTERS, rbp, 8, 0, ADDRESS
    mov ebp, [own_end]
    sub ebp, 64
    call_orlop "log, half to Orlop's", LOG_READ, rbp, RECORD, 0, ADDRESS
    mov ebp, [own_base]
    sub ebp, 64
    call_orlop "log, into Orlop's", LOG_READ, rbp, RECORD, 0, ADDRESS
    mov r13, cr0
    mov rax, r13
    btr rax, 16
    mov cr0, rax
    call_orlop "log to a read-only page without WP", LOG_READ, READ_ONLY, RECORD, 0, 1
    mov cr0, r13
    mov eax, 7
    xor ecx, ecx
    cpuid
    bt ebx, 20
    jc .smap
    skip "no SMAP"
    ret
.smap:                                  ; the guest's own pages are the user's as well
    mov r13, cr4
    mov rax, r13
    bts rax, 21
    stac
    mov cr4, rax
    call_orlop "a line of CPL 3's, AC set", LOG_WRITE, USERS, 8, 0, 0
    mov eax, LOG_WRITE
    mov rcx, USERS
    clac
    vmcall
    stac
    mov cr4, r13
    clac
    cmp rax, ADDRESS
    je .refused
    fail "a line of CPL 3's, AC clear, SMAP set: ", x64, rax
    inc dword [failures]
.refused:
    ret

; What was written comes back: the level, the CPU, and the text without control characters.
line_read_back:
    call last_number
    mov edi, PAGES >> 20                ; 48 characters lie on either side of the pages' border
    shl rdi, 20
    lea rdi, [rdi + 0x1000 - 48]
    mov rsi, rdi
    mov edx, dirty
    mov ecx, 96
.copy:
    mov al, [rdx]
    mov [rdi], al
    inc rdx
    inc rdi
    loop .copy
    mov rbp, rsi
    call_orlop "a line with control characters", LOG_WRITE, rbp, 96, 0, 0
    call_orlop "it is read back", LOG_READ, BUFFER, RECORD, {[number]}, 1
    mov rax, [number]
    cmp [BUFFER], rax
    jne .wrong
    cmp dword [BUFFER + 16], (7 + 96) << 24 | 2 << 16
    jne .wrong
    mov esi, clean
    mov edi, BUFFER + 20
    mov ecx, clean_end - clean
    repe cmpsb
    jne .wrong
    ret
.wrong:
    fail "number ", x64, [BUFFER], " head ", x32, [BUFFER + 16], " at ", dec, ecx
    inc dword [failures]
    ret

; [number] = the next record's. Every record on the way has the number of the one before, plus 1.
last_number:
    mov qword [number], 0
.more:
    mov eax, LOG_READ
    mov rbx, ORLOP_CALL_SIGNATURE
    mov ecx, BUFFER
    mov edx, 16 * RECORD
    mov rsi, [number]
    vmcall
    mov ecx, eax
    test ecx, ecx
    jz .end
    mov esi, BUFFER
.record:
    mov rax, [rsi]
    cmp qword [number], 0
    je .first
    cmp rax, [number]
    je .first
    fail "record ", x64, rax, " comes after ", x64, [number]
    inc dword [failures]
.first:
    inc rax
    mov [number], rax
    add esi, RECORD
    dec ecx
    jnz .record
    jmp .more
.end:
    ret

counters_exact:
    mov eax, COUNTERS                   ; all that there are: newer processors have more reasons
    mov rbx, ORLOP_CALL_SIGNATURE
    mov ecx, BUFFER
    mov edx, 4096
    mov rsi, -1
    vmcall
    sub rax, 70
    cmp rax, 512 - 70
    jbe .all
    fail "counters: ", x64, rax
    inc dword [failures]
.all:
    call_orlop "counters before", COUNTERS, BUFFER, 512, -1, 64
    mov r8, [BUFFER + EXIT_CPUID * 8]
    mov r9, [BUFFER + EXIT_VMCALL * 8]
    mov ebp, CPUIDS
.again:
    xor eax, eax
    cpuid
    dec ebp
    jnz .again
    push r8
    push r9
    call_orlop "counters behind", COUNTERS, BUFFER, 512, 0, 64
    pop r9
    pop r8
    mov rax, [BUFFER + EXIT_CPUID * 8]
    sub rax, r8
    mov rcx, [BUFFER + EXIT_VMCALL * 8]
    sub rcx, r9
    say NAME, ": ", dec, CPUIDS, " CPUIDs: counted ", dec64, rax, ", VMCALL ", dec64, rcx, nl
    cmp rax, CPUIDS
    jne .wrong
    cmp rcx, 1
    je .right
.wrong:
    fail "the counters"
    inc dword [failures]
.right:
    ret

; The log overwrites its oldest lines, and their numbers tell of it.
flood:
    call last_number
    mov rbx, [number]
    push rbx
    mov r13d, FLOOD
.line:
    call_orlop "a line of many", LOG_WRITE, line, line_end - line, 0, 0
    dec r13d
    jnz .line
    call_orlop "a whole page across pages", LOG_READ, PAGES + 0x40, 4096, 0, 32
    call_orlop "the oldest line", LOG_READ, BUFFER, RECORD, 0, 1
    mov r13, [BUFFER]
    call last_number
    pop rbx
    mov rax, [number]
    sub rax, rbx
    cmp rax, FLOOD
    jb .wrong
    test r13, r13
    jz .wrong
    ret
.wrong:
    fail "flood: ", dec64, rax, " lines, oldest ", dec64, r13
    inc dword [failures]
    ret

; Registers by chance, from kinds of values that lead far; the answer is one of those that may be.
random_calls:
    mov dword [random], 0x1234567
    say NAME, ": random calls, seed ", x32, [random], nl
    mov ebp, RANDOM
.next:
    call random_address
    mov r8, rax
    call random_value
    mov r9, rax
    call random_value
    mov r10, rax
    call random_number
    mov r12d, eax
    mov rbx, ORLOP_CALL_SIGNATURE
    mov r13d, NO_FAULT
    call next_random
    test al, 7
    jnz .signed
    shr eax, 26
    btc rbx, rax
    mov r13d, UD
.signed:
    mov rax, r12
    mov rcx, r8
    mov rdx, r9
    mov rsi, r10
    mov r11, rbx
    attempt vmcall
    cmp rcx, r8
    jne .wrong
    cmp rdx, r9
    jne .wrong
    cmp rsi, r10
    jne .wrong
    cmp rbx, r11
    jne .wrong
    cmp [fault_vector], r13d
    jne .wrong
    cmp r13d, UD
    je .fine
    cmp rax, 0x100                      ; the version; nothing gives more
    jg .wrong
    cmp rax, UNSET
    jl .wrong
    inc dword [answered]
    test rax, rax
    js .fine
    inc dword [taken]
.fine:
    dec ebp
    jnz .next
    cmp dword [taken], RANDOM / 100     ; they did not all miss
    jb .few
    say NAME, ": ", dec, RANDOM, " random calls, ", dec, [answered], " answered, ", dec, [taken], " taken", nl
    ret
.few:
    error "only ", dec, [taken], " random calls were taken"
    inc dword [failures]
    ret
.wrong:
    fail "random call ", x64, r12, " signature ", x64, r11, " rcx ", x64, r8, " rdx ", x64, r9, " rsi ", \
        x64, r10, ": ", x64, rax, " vector ", x32, [fault_vector]
    inc dword [failures]
    ret

; All calls but the unload, and half of the time those with a buffer.
random_number:
    call next_random
    bt eax, 31
    jc .known
    cmp eax, 5
    jne .done
.known:
    and eax, 3
.done:
    ret

; From 1 MiB up, what no one needs; or the guest's own scratch memory.
random_address:
    call next_random
    mov edx, eax
    shr edx, 29
    jmp [rdx * 8 + .kinds]
.scratch:
    and eax, 0x1FFF
    add eax, FRAME
    ret
.own:
    and eax, 0x3FFFFF
    mov ecx, [own_base]
    lea eax, [rcx + rax - 0x1000]
    ret
.pages:
    and eax, 0x7FFF
    mov rcx, PAGES
    add rax, rcx
    ret
.low:
    or eax, 1 << 20
    ret
.wide:
    mov ecx, eax
    call next_random
    shl rax, 32
    or rax, rcx
    bts rax, 20
    ret
.edge:
    movzx eax, al
    not rax
    ret
section .data align=8
.kinds: dq .scratch, .scratch, .own, .pages, .pages, .low, .wide, .edge
section .text

; Small, a multiple of a record, or anything.
random_value:
    call next_random
    test eax, 3 << 28
    jz .any
    bt eax, 30
    jc .record
    movzx eax, al
    ret
.record:
    and eax, 0x1F80
    ret
.any:
    mov ecx, eax
    push rcx
    call next_random
    pop rcx
    shl rax, 32
    or rax, rcx
    ret

%macro alphabet 1
    %assign letter 0
    %rep %1
        db 'A' + letter % 58
        %assign letter letter + 1
    %endrep
%endmacro
section .data align=8
line: db "one line of many"
line_end:
dirty: db "hello", 10, 13, 0, 9, 27, "[31m", 0x7F, 0x80, 0xFF, "%s%n", 8
    alphabet 96 - ($ - dirty)
clean: db "guest: hello.....[31m...%s%n."
    alphabet 7 + 96 - ($ - clean)
clean_end:
align 8
idt32:
    times 6 dq 0
    dw ud32, CODE32, 0x8E00, 0
idt32_pointer:
    dw $ - idt32 - 1
    dd idt32
section .bss
alignb 8
number:    resq 1
rows_done: resq 1
own_base:  resd 1
own_end:   resd 1
row_now:   resd 1
failures:  resd 1
answered:  resd 1
taken:     resd 1
ud_seen:   resb 1
end_guest
