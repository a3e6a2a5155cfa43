; Each instruction that exits, in each mode of the processor and at each privilege level: it leaves what it
; leaves on the bare machine, or gives the same fault, and what is pushed then is the same. Interrupts and
; NMIs are taken in each mode. A line is a mode and a level; for each probe it tells the vector that came
; (3: the INT3 behind the instructions), how far behind the probe's start, and a sum over what was pushed, the
; registers, CR0 and CR4. With GUEST_DEFINES=-DTELL all of it is told, a line a probe. A run above Orlop
; prints the lines of the bare run.
%define NAME "modes"
%include "guest.inc"

PAGE_DIRECTORY equ SCRATCH              ; 32-bit paging: 4 MiB pages, one to one, the user's
IDT32          equ SCRATCH + 0x1000
TSS32          equ SCRATCH + 0x2000     ; with the bitmaps of INT n and of the ports: none is allowed
TSS64          equ SCRATCH + 0x5000
OWN_GDT        equ SCRATCH + 0x6000
HIGH_DIRECTORY equ SCRATCH + 0x7000     ; what is mapped at 4 GiB
CODE           equ 0x20000              ; the base of all code segments but the flat ones
PLACE          equ 0x100                ; of the instructions therein
AT_4_GIB       equ 0x400000             ; physical: its pages at 4 GiB and, 2 MiB lower, below
FAR_DATA            equ 0x300000             ; physical: data beyond the first MiB
FAR_VALUE      equ 0x600DDA7A
PROBE_STACK    equ 0x6000
RING0_STACK    equ 0x5000
APIC           equ 0xFEE00000
IRQ_VECTOR     equ 0x40
INT_VECTOR     equ 0x41
CR0_MACHINE    equ 0x11                 ; PE, ET
CR4_VME        equ 1 << 0
CR4_PSE        equ 1 << 4
FLAGS_VM       equ 1 << 17
FLAGS_IOPL3    equ 3 << 12

; Selectors in OWN_GDT behind the library's.
OWN_TSS32      equ 0x58
OWN_TSS64      equ 0x60
OWN_CODE       equ 0x70                 ; 16 bits at CPL 0 to 3, 32 bits, 64 bits
OWN_DATA       equ 0xD0                 ; flat, DPL 0 to 3
OWN_BIG16      equ 0xF0                 ; 16-bit code, flat, 4 GiB
OWN_BIG32      equ 0xF8                 ; the same, 32-bit code
OWN_END        equ 0x100

KIND_REAL      equ 0
KIND_V86       equ 1
KIND_PROTECTED equ 2
KIND_LONG      equ 3
struc mode
    .name:  resd 1
    .kind:  resb 1
    .bits:  resb 1                      ; 0: 16, 1: 32, 2: 64
    .cpls:  resb 1                      ; a bit each
    .form:  resb 1                      ; of real mode
    .cr3:   resd 1                      ; 0: no paging
    .cr4:   resd 1
    .flags: resd 1
endstruc
FORM_PLAIN     equ 0
FORM_UNREAL    equ 1                    ; DS and ES reach 4 GiB
FORM_BIG       equ 2                    ; CS too, with EIP above 64 KiB, and SS with ESP
FORM_BIG32     equ 3                    ; and CS.D = 1

struc probe
    .name:  resd 1
    .eax:   resd 1
    .ecx:   resd 1
    .edx:   resd 1
    .edi:   resd 1
    .of:    resb 1                      ; EAX is what CR0 or CR4 holds, with these bits changed
    .event: resb 1
    .where: resb 1
    .count: resb 1
    .bytes:
endstruc
OF_CR0         equ 1
OF_CR4         equ 2
EVENT_NMI      equ 1
EVENT_IRQ      equ 2
WHERE_END      equ 1                    ; the last two bytes of the segment
ONLY_REAL      equ 2
ONLY_PAGED     equ 3

section .text
bits 16
main:
    mov al, 0xFF
    out 0x21, al
    out 0xA1, al
    enter_protected
    call build_all
    mov ebx, modes
.mode:
    call run_mode
    add ebx, mode_size
    cmp ebx, modes_end
    jb .mode
    pass
    mov ebx, .real
    jmp protected_to_real
bits 16
.real:
    jmp power_off16

bits 32
; ---- tables ------------------------------------------------------------------------------------
build_all:
    mov edi, SCRATCH
    mov ecx, 0x8000 / 4
    xor eax, eax
    rep stosd
    mov eax, 0x87
    xor ecx, ecx
.page:
    mov [PAGE_DIRECTORY + ecx * 4], eax
    add eax, 0x400000
    inc ecx
    cmp ecx, 1024
    jb .page
    mov dword [PDPT + 4 * 8], HIGH_DIRECTORY + 7
    mov dword [HIGH_DIRECTORY], AT_4_GIB + 0x87
    mov dword [FAR_DATA], FAR_VALUE
    call build_gdt
    call build_idts
    mov dword [TSS32 + 4], RING0_STACK
    mov dword [TSS32 + 8], DATA32
    mov word [TSS32 + 102], 104 + 32    ; the ports' bitmap would begin there; the redirection's is before
    mov dword [TSS64 + 4], RING0_STACK
    mov dword [APIC + 0xF0], 0x1FF
    mov dword [APIC + 0x80], 0
    ret

build_gdt:
    mov esi, gdt
    mov edi, OWN_GDT
    mov ecx, OWN_TSS32 / 4
    rep movsd
    mov esi, own_descriptors
    mov ecx, (OWN_CODE - OWN_TSS32) / 4
    rep movsd
    mov esi, code_descriptors
    mov ecx, 4                          ; 16, 32, 64 bits; data
.kind:
    xor edx, edx
.level:
    mov eax, [esi]
    stosd
    mov eax, edx
    shl eax, 13
    add eax, [esi + 4]
    stosd
    inc edx
    cmp edx, 4
    jb .level
    add esi, 8
    loop .kind
    mov ecx, 4
    rep movsd
    lgdt [own_gdt_pointer]
    ret

build_idts:
    xor ecx, ecx
.vector:
    imul eax, ecx, STUB_SIZE
    lea edx, [eax + stubs32]
    or edx, CODE32 << 16
    mov [IDT32 + ecx * 8], edx
    mov dword [IDT32 + ecx * 8 + 4], 0xEE00
    lea edx, [eax + stubs64]
    or edx, CODE64 << 16
    mov [IDT + ecx * 8], edx
    inc ecx
    cmp ecx, VECTORS
    jb .vector
    mov ecx, VECTORS - 1                ; the long table's gates have 16 bytes: spread, from the last
.spread:
    mov eax, [IDT + ecx * 8]
    mov edi, ecx
    shl edi, 4
    mov [IDT + edi], eax
    mov dword [IDT + edi + 4], 0xEE00
    mov dword [IDT + edi + 8], 0
    mov dword [IDT + edi + 12], 0
    dec ecx
    jns .spread
    ret

; The vectors of real mode. With CS.D = 1 the handlers are 32-bit code too.
build_ivt:
    mov eax, stubs16
    cmp byte [ebx + mode.form], FORM_BIG32
    jne .size
    mov eax, stubs_real32
.size:
    xor ecx, ecx
.vector:
    mov [ecx * 4], eax
    add eax, STUB_SIZE
    inc ecx
    cmp ecx, VECTORS
    jb .vector
    mov dword [INT_VECTOR * 4], back_from_redirected
    ret

; ---- a mode, its levels, its probes --------------------------------------------------------------
run_mode:
    mov [now], ebx
    call build_ivt
    call enter_mode
    xor ecx, ecx
.level:
    movzx eax, byte [ebx + mode.cpls]
    bt eax, ecx
    jnc .next_level
    mov [level], ecx
    mov esi, [ebx + mode.name]
    say "modes: "
    call print_string32
    say " CPL ", dec, ecx, ":"
    mov esi, probes
.probe:
    mov [probe_now], esi
    call fits
    jc .next_probe
    call run_probe
    call show
.next_probe:
    movzx eax, byte [esi + probe.count]
    lea esi, [esi + eax + probe.bytes]
    cmp esi, probes_end
    jb .probe
    say nl
    mov ecx, [level]
.next_level:
    inc ecx
    cmp ecx, 4
    jb .level
    jmp leave_mode

; Carry: not for this mode.
fits:
    cmp byte [esi + probe.where], ONLY_REAL
    jne .no_real
    cmp byte [ebx + mode.kind], KIND_REAL
    jne .not
.no_real:
    cmp byte [esi + probe.where], ONLY_PAGED
    jne .no_paged
    cmp dword [ebx + mode.cr3], 0
    je .not
.no_paged:
    cmp byte [esi + probe.where], WHERE_END
    jne .fits
    cmp byte [ebx + mode.form], FORM_BIG
    jae .not
.fits:
    clc
    ret
.not:
    stc
    ret

; Paging, PAE and IA-32e mode on as the mode wants them; the code stays 32-bit code.
enter_mode:
    mov eax, [ebx + mode.cr4]
    mov cr4, eax
    cmp dword [ebx + mode.cr3], 0
    je .unpaged
    mov eax, [ebx + mode.cr3]
    mov cr3, eax
    cmp byte [ebx + mode.kind], KIND_LONG
    jne .paged
    mov ecx, MSR_EFER
    rdmsr
    or eax, EFER_LME
    wrmsr
.paged:
    mov eax, cr0
    or eax, CR0_PG
    mov cr0, eax
.unpaged:
    lidt [idt32_pointer]
    mov edx, OWN_TSS32
    mov byte [OWN_GDT + OWN_TSS32 + 5], 0x89
    cmp byte [ebx + mode.kind], KIND_LONG
    jne .task
    lidt [idt64_pointer]
    mov edx, OWN_TSS64
    mov byte [OWN_GDT + OWN_TSS64 + 5], 0x89
.task:
    ltr dx
    mov eax, cr0
    and eax, ~(3 << 29)                 ; CD and NW, as the firmware may leave them
    mov cr0, eax
    mov [own_cr0], eax
    mov eax, cr4
    mov [own_cr4], eax
    ret

leave_mode:
    mov eax, cr0
    and eax, ~CR0_PG
    mov cr0, eax
    mov ecx, MSR_EFER
    rdmsr
    and eax, ~EFER_LME
    wrmsr
    xor eax, eax
    mov cr4, eax
    ret

; ---- one probe -----------------------------------------------------------------------------------
; ESI = probe, EBX = mode; both are kept.
run_probe:
    mov dword [operand], 0x0000000E
    mov dword [operand + 4], 0
    call place_code
    call prepare_registers
    mov [driver_esp], esp
    mov dword [resume_at], .done
    cmp byte [esi + probe.event], EVENT_NMI
    jne .go
    mov dword [resume_at], .blocked     ; no IRET: NMIs are blocked from here on
    mov dword [APIC + 0x310], 0
    mov dword [APIC + 0x300], 0x4400    ; to itself
    call pause_a_while
    say " no NMI"
.blocked:
    mov dword [resume_at], .done
    mov dword [APIC + 0x300], 0x4400
    call pause_a_while
.go:
    cmp byte [esi + probe.event], EVENT_IRQ
    jne .enter
    mov dword [APIC + 0x300], 0x44000 | IRQ_VECTOR
    call pause_a_while
.enter:
    movzx eax, byte [ebx + mode.kind]
    jmp [enter_kind + eax * 4]
.done:
    cmp byte [result_vector], IRQ_VECTOR
    jne .no_interrupt
    mov dword [APIC + 0xB0], 0
.no_interrupt:
    mov eax, cr0
    mov [result_cr0], eax
    mov eax, cr4
    mov [result_cr4], eax
    mov eax, [own_cr4]
    mov cr4, eax
    mov eax, [own_cr0]
    mov cr0, eax
    mov esi, [probe_now]
    mov ebx, [now]
    ret

pause_a_while:
    mov ecx, 200
    loop $
    ret

; The bytes, and INT3 behind them. Gives [offset] and [linear].
place_code:
    mov edi, CODE + PLACE
    mov edx, PLACE
    cmp byte [esi + probe.where], WHERE_END
    jne .placed
    mov byte [CODE], 0xCC
    mov byte [CODE + 0x10000], 0xCC
    mov byte [AT_4_GIB], 0xCC
    mov edx, 0xFFFE
    mov edi, CODE + 0xFFFE
    cmp byte [ebx + mode.bits], 0
    je .placed
    mov edx, -2
    mov edi, CODE - 2
    cmp byte [ebx + mode.bits], 1
    je .placed
    mov dword [DIRECTORIES + 2047 * 8], AT_4_GIB - 0x200000 + 0x87
    invlpg [-2]
    mov edi, -2
.placed:
    mov [offset], edx
    cmp byte [ebx + mode.bits], 2
    jne .base
    cmp edx, -2
    je .linear
    add dword [offset], CODE
    jmp .linear
.base:
    cmp byte [ebx + mode.form], FORM_BIG
    jb .linear
    add dword [offset], CODE
.linear:
    push esi
    movzx ecx, byte [esi + probe.count]
    add esi, probe.bytes
    rep movsb
    pop esi
    cmp byte [esi + probe.where], WHERE_END
    je .end
    mov dword [edi], 0xCCCCCCCC
.end:
    ret

prepare_registers:
    mov eax, [esi + probe.eax]
    cmp byte [esi + probe.of], OF_CR0
    jb .have
    je .cr0
    xor eax, [own_cr4]
    jmp .have
.cr0:
    xor eax, [own_cr0]
    cmp byte [ebx + mode.kind], KIND_REAL
    jne .have
    xor eax, CR0_PE
.have:
    mov [in_eax], eax
    mov eax, [esi + probe.ecx]
    mov [in_ecx], eax
    mov eax, [esi + probe.edx]
    mov [in_edx], eax
    mov eax, [esi + probe.edi]
    mov [in_edi], eax
    mov eax, [ebx + mode.flags]
    or eax, 2
    cmp byte [esi + probe.event], EVENT_IRQ
    jne .flags
    or eax, RFLAGS_IF
.flags:
    mov [in_flags], eax
    ret

%macro load_registers 0
    mov eax, [cs:in_eax]
    mov ecx, [cs:in_ecx]
    mov edx, [cs:in_edx]
    mov ebx, operand
    mov edi, [cs:in_edi]
    mov esi, 0x51515151
    mov ebp, 0xB9B9B9B9
%endmacro

enter_v86:
    mov esp, RING0_STACK
    xor eax, eax
    push eax                            ; GS, FS, DS, ES, SS
    push eax
    push eax
    push eax
    push eax
    push dword PROBE_STACK
    push dword [in_flags]
    push dword CODE >> 4
    push dword [offset]
    load_registers
    iretd

enter_protected_level:
    mov ecx, [level]
    lea eax, [ecx * 8 + OWN_DATA]
    or eax, ecx
    mov edx, eax
    mov esp, PROBE_STACK
    jecxz .same
    mov esp, RING0_STACK
    push edx
    push dword PROBE_STACK
.same:
    push dword [in_flags]
    movzx eax, byte [ebx + mode.bits]
    lea eax, [eax * 4 + ecx]
    lea eax, [eax * 8 + OWN_CODE]
    or eax, ecx
    push eax
    push dword [offset]
    mov ds, edx
    mov es, edx
    load_registers
    iretd

enter_real:
    mov ecx, DATA32
    cmp byte [ebx + mode.form], FORM_PLAIN
    jne .reaching
    mov ecx, DATA16
.reaching:
    cmp byte [ebx + mode.form], FORM_BIG
    jae .big
    lidt [real_idt_pointer]
    jmp CODE16:.half
bits 16
.half:
    mov ds, cx
    mov es, cx
    mov ax, DATA16
    mov ss, ax
    mov eax, cr0
    and al, ~CR0_PE
    mov cr0, eax
    jmp 0:.real
.real:
    xor eax, eax
    mov ds, ax
    mov es, ax
    mov ss, ax
    mov esp, PROBE_STACK
    push word [cs:in_flags]
    push word CODE >> 4
    push word [cs:offset]
    load_registers
    iret
bits 32
; PE is cleared beyond 64 KiB, in a copy of leap16 or leap32; SS stays 32-bit with ESP there too.
.big:
    lidt [real_idt_pointer]
    mov eax, cr0
    and al, ~CR0_PE
    mov [big_cr0], eax
    cmp byte [ebx + mode.form], FORM_BIG
    mov esi, leap16
    mov ecx, leap16_end - leap16
    mov edx, OWN_BIG16
    je .size
    mov esi, leap32
    mov ecx, leap32_end - leap32
    mov edx, OWN_BIG32
.size:
    mov edi, CODE
    rep movsb
    mov esp, CODE + 0xF000
    push edx
    push dword CODE
    retf
%macro leap 1
bits %1
leap%1:
    mov eax, [cs:big_cr0]
    mov cr0, eax
    xor eax, eax
    mov ds, ax
    mov es, ax
    push dword [cs:in_flags]
    push dword 0
    push dword [cs:offset]
    load_registers
    iretd
leap%1_end:
%endmacro
leap 16
leap 32

; ---- what comes ----------------------------------------------------------------------------------
VECTORS   equ 0x42
STUB_SIZE equ 16
WITH_ERROR equ 1 << 8 | 1 << 10 | 1 << 11 | 1 << 12 | 1 << 13 | 1 << 14 | 1 << 17

%macro stubs 3                          ; bits, name, whether real mode's: no error codes, words
bits %1
align STUB_SIZE
stubs%2:
    %assign vector 0
    %rep VECTORS
        %if %3
            push word 0
            push word vector
        %else
            %if vector >= 32 || (WITH_ERROR >> (vector & 31)) & 1 == 0
                push byte 0
            %endif
            push byte vector
        %endif
        jmp near common%2
        align STUB_SIZE
        %assign vector vector + 1
    %endrep
%endmacro
stubs 16, 16, 1
stubs 32, _real32, 1
stubs 32, 32, 0
stubs 64, 64, 0

%macro note_registers 0-1
    mov [%1 result_eax], eax
    mov [%1 result_ecx], ecx
    mov [%1 result_edx], edx
    mov [%1 result_ebx], ebx
    mov [%1 result_esi], esi
    mov [%1 result_edi], edi
    mov [%1 result_ebp], ebp
%endmacro

%macro common_real 2
bits %1
common%2:
    note_registers cs:
    xor eax, eax
    mov [cs:result_vector], eax
    mov [cs:result_error], eax
    mov [cs:result_ip], eax
    mov [cs:result_ip + 4], eax
    mov [cs:result_cs], eax
    mov [cs:result_flags], eax
    pop word [cs:result_vector]
    pop word [cs:result_error]
    pop word [cs:result_ip]
    pop word [cs:result_cs]
    pop word [cs:result_flags]
    mov [cs:result_esp], esp
    mov eax, cr0
    mov [cs:real_cr0], eax
    or al, CR0_PE
    mov cr0, eax
    jmp dword CODE32:back
%endmacro
common_real 16, 16
common_real 32, _real32

; The handler of an INT that VME sends there.
back_from_redirected:
    int3

bits 32
common32:
    push ds
    push eax
    mov eax, DATA32
    mov ds, eax
    pop eax
    note_registers
    add esp, 4
    pop dword [result_vector]
    pop dword [result_error]
    pop dword [result_ip]
    pop dword [result_cs]
    pop dword [result_flags]
    and dword [result_vector], 0xFF
    and dword [result_cs], 0xFFFF
    mov dword [result_ip + 4], 0
    mov [result_esp], esp
    test dword [result_flags], FLAGS_VM
    jnz .outer
    test byte [result_cs], 3
    jz back
.outer:
    pop dword [result_esp]
    jmp back

bits 64
common64:
    note_registers
    pop rax
    mov [result_vector], eax
    pop rax
    mov [result_error], eax
    pop qword [result_ip]
    pop rax
    mov [result_cs], eax
    pop rax
    mov [result_flags], eax
    pop rax
    mov [result_esp], eax
    jmp far dword [back_pointer]

bits 32
back:
    mov eax, DATA32
    mov ds, eax
    mov es, eax
    mov ss, eax
    mov esp, [driver_esp]
    mov esi, [probe_now]
    mov ebx, [now]
    cmp byte [ebx + mode.kind], KIND_REAL
    jne .own
    lidt [idt32_pointer]
.own:
    jmp [resume_at]

; ---- what is told --------------------------------------------------------------------------------
; The vector, where it came, and a sum over all that was there; with TELL defined, all of it.
show:
    mov eax, [result_ip]
    sub eax, [offset]
    cmp byte [ebx + mode.form], FORM_BIG
    jb .placed
    movsx eax, ax                       ; real mode pushes 16 bits
.placed:
    mov [result_place], eax
    mov eax, [own_cr0]
    xor [result_cr0], eax
    mov eax, [own_cr4]
    xor [result_cr4], eax
    cmp byte [ebx + mode.kind], KIND_REAL
    jne .protected
    mov eax, [real_cr0]
    or al, CR0_PE
    xor eax, [own_cr0]
    mov [result_cr0], eax
.protected:
    call sum_results
    movzx ecx, byte [result_vector]
%ifndef TELL
    say " ", dec, ecx, "+", x8, [result_place], ":", x32, eax
%else
    push esi
    say nl, "modes:   "
    mov esi, [esi + probe.name]
    call print_string32
    pop esi
    say ": ", dec, ecx, " error ", x32, [result_error], " at ", x32, [result_place], " rip ", x32, \
        [result_ip + 4], x32, [result_ip], " cs ", x32, [result_cs], " flags ", x32, [result_flags], " esp ", \
        x32, [result_esp], " changed CR0 ", x32, [result_cr0], " CR4 ", x32, [result_cr4], " sum ", x32, eax
%endif
    ret

sum_results:
    push esi
    push ecx
    mov esi, result_ip
    mov ecx, RESULTS
    xor eax, eax
.next:
    rol eax, 5
    xor eax, [esi]
    add esi, 4
    loop .next
    pop ecx
    pop esi
    ret

section .data align=8
own_descriptors:
    dw 104 + 32 - 1, TSS32 & 0xFFFF     ; no port is in the bitmap
    db TSS32 >> 16, 0x89, 0, 0
    dw 103, TSS64 & 0xFFFF
    db TSS64 >> 16, 0x89, 0, 0
    dq 0
code_descriptors:
    dd (CODE & 0xFFFF) << 16 | 0xFFFF, CODE >> 16 | 0x009B00
    dd (CODE & 0xFFFF) << 16 | 0xFFFF, CODE >> 16 | 0xCF9B00
    dd 0xFFFF, 0xAF9B00
    dd 0xFFFF, 0xCF9300
    dd 0xFFFF, 0x8F9B00, 0xFFFF, 0xCF9B00
own_gdt_pointer:
    dw OWN_END - 1
    dd OWN_GDT
idt32_pointer:
    dw VECTORS * 8 - 1
    dd IDT32
idt64_pointer:
    dw VECTORS * 16 - 1
    dd IDT
    dd 0
back_pointer:
    dd back
    dw CODE32
enter_kind:
    dd enter_real, enter_v86, enter_protected_level, enter_protected_level

; name, kind, bits, levels, form, CR3, CR4, flags
%macro a_mode 8
    [section .rodata]
%%name: db %1, 0
    __?SECT?__
    dd %%name
    db %2, %3, %4, %5
    dd %6, %7, %8
%endmacro
section .data
modes:
    a_mode "real", KIND_REAL, 0, 1, FORM_PLAIN, 0, 0, 0
    a_mode "real, OSXSAVE", KIND_REAL, 0, 1, FORM_PLAIN, 0, CR4_OSXSAVE, 0
    a_mode "unreal", KIND_REAL, 0, 1, FORM_UNREAL, 0, 0, 0
    a_mode "big real", KIND_REAL, 0, 1, FORM_BIG, 0, 0, 0
    a_mode "big real, 32-bit code", KIND_REAL, 0, 1, FORM_BIG32, 0, 0, 0
    a_mode "virtual-8086", KIND_V86, 0, 8, 0, 0, 0, FLAGS_VM
    a_mode "virtual-8086, paging, IOPL 3", KIND_V86, 0, 8, 0, PAGE_DIRECTORY, CR4_PSE | CR4_OSXSAVE, FLAGS_VM | FLAGS_IOPL3
    a_mode "virtual-8086, VME", KIND_V86, 0, 8, 0, 0, CR4_VME, FLAGS_VM
    a_mode "virtual-8086, VME, PAE, IOPL 3", KIND_V86, 0, 8, 0, PAE_PDPT, CR4_VME | CR4_PAE, FLAGS_VM | FLAGS_IOPL3
    a_mode "16 bits", KIND_PROTECTED, 0, 15, 0, 0, 0, 0
    a_mode "32 bits", KIND_PROTECTED, 1, 15, 0, 0, CR4_OSXSAVE, 0
    a_mode "32 bits, paging, IOPL 3", KIND_PROTECTED, 1, 15, 0, PAGE_DIRECTORY, CR4_PSE, FLAGS_IOPL3
    a_mode "32 bits, PAE", KIND_PROTECTED, 1, 15, 0, PAE_PDPT, CR4_PAE | CR4_OSXSAVE, 0
    a_mode "16 bits, PAE", KIND_PROTECTED, 0, 9, 0, PAE_PDPT, CR4_PAE | CR4_OSXSAVE, 0
    a_mode "64 bits", KIND_LONG, 2, 15, 0, PML4, CR4_PAE | CR4_OSXSAVE, 0
    a_mode "compatibility, 32 bits", KIND_LONG, 1, 15, 0, PML4, CR4_PAE | CR4_OSXSAVE, 0
    a_mode "compatibility, 16 bits", KIND_LONG, 0, 15, 0, PML4, CR4_PAE, 0
modes_end:

; name, EAX, ECX, EDX, EDI, what EAX is of, event, where; then the bytes
%macro a_probe 9-*
    [section .rodata]
%%name: db %1, 0
    __?SECT?__
    dd %%name, %2, %3, %4, %5
    db %6, %7, %8, %0 - 8
    %rotate 8
    %rep %0 - 8
        db %1
        %rotate 1
    %endrep
%endmacro
; the same where the instruction needs no more than EAX and ECX, or nothing
%macro plain 4-*
    a_probe %1, %2, %3, 0, operand, 0, 0, 0, %{4:-1}
%endmacro
%macro of_cr0 3-*
    a_probe %1, %2, 0, 0, operand, OF_CR0, 0, 0, %{3:-1}
%endmacro
%macro of_cr4 3-*
    a_probe %1, %2, 0, 0, operand, OF_CR4, 0, 0, %{3:-1}
%endmacro
MTRR_DEF_TYPE equ 0x2FF
probes:
    plain "CPUID", 0, 0, 0x0F, 0xA2
    plain "CPUID 80000008", 0x80000008, 0, 0x0F, 0xA2
    plain "66 CPUID", 0, 0, 0x66, 0x0F, 0xA2
    plain "67 CPUID", 0, 0, 0x67, 0x0F, 0xA2
    plain "F3 66 67 2E CPUID", 0, 0, 0xF3, 0x66, 0x67, 0x2E, 0x0F, 0xA2
    plain "LOCK CPUID", 0, 0, 0xF0, 0x0F, 0xA2
    plain "STI, CPUID, CLI", 0, 0, 0xFB, 0x0F, 0xA2, 0xFA
    a_probe "CPUID, MOV from 3 MiB", 0, 0, 0, FAR_DATA, 0, 0, 0, 0x0F, 0xA2, 0x66, 0x67, 0x8B, 0x07
    a_probe "CPUID at the end", 0, 0, 0, operand, 0, 0, WHERE_END, 0x0F, 0xA2
    plain "RDMSR", 0, MTRR_DEF_TYPE, 0x0F, 0x32
    plain "RDMSR of none", 0, 0x12345678, 0x0F, 0x32
    plain "RDMSR, WRMSR", 0, MTRR_DEF_TYPE, 0x0F, 0x32, 0x0F, 0x30
    plain "WRMSR of reserved bits", -1, MSR_APIC_BASE, 0x0F, 0x30
    a_probe "RDMSR at the end", 0, MTRR_DEF_TYPE, 0, operand, 0, 0, WHERE_END, 0x0F, 0x32
    of_cr0 "MOV CR0, CD changed; MOV from CR0, SMSW", 1 << 30, 0x0F, 0x22, 0xC0, 0x0F, 0x20, 0xC1, 0x0F, 0x01, 0xE2
    of_cr0 "MOV CR0, CD and NW changed", 3 << 29, 0x0F, 0x22, 0xC0
    of_cr0 "MOV CR0, NW changed", 1 << 29, 0x0F, 0x22, 0xC0
    of_cr0 "MOV CR0, NE changed; MOV from CR0", 1 << 5, 0x0F, 0x22, 0xC0, 0x0F, 0x20, 0xC1
    of_cr0 "MOV CR0, MP, EM and TS changed", 0xE, 0x0F, 0x22, 0xC0
    of_cr0 "MOV CR0, CD, NE and TS changed", 1 << 30 | 0x28, 0x66, 0x0F, 0x22, 0xC0
    plain "MOV CR0, PG without PE", 0x80000000, 0, 0x0F, 0x22, 0xC0
    of_cr0 "LMSW, MP, EM and TS changed", 0xE, 0x0F, 0x01, 0xF0
    plain "LMSW of 0", 0, 0, 0x0F, 0x01, 0xF0
    plain "LMSW of memory", 0, 0, 0x0F, 0x01, 0x37
    plain "LMSW of memory, CLTS", 0, 0, 0x0F, 0x01, 0x37, 0x0F, 0x06
    a_probe "LMSW, PE set; MOV CR0, PE clear", 1, 0, 0, operand, 0, 0, ONLY_REAL, \
            0x0F, 0x01, 0xF0, 0x0F, 0x20, 0xC0, 0x0F, 0xA2, 0x0F, 0x20, 0xC0, 0x24, 0xFE, 0x0F, 0x22, 0xC0
    plain "CLTS", 0, 0, 0x0F, 0x06
    a_probe "MOV CR0, PG and CD changed; EFER; and back", 3 << 30, MSR_EFER, 0, operand, OF_CR0, 0, ONLY_PAGED, \
            0x0F, 0x20, 0xC5, 0x0F, 0x22, 0xC0, 0x0F, 0x32, 0x0F, 0x22, 0xC5
    of_cr4 "MOV CR4, PGE changed", 0x80, 0x0F, 0x22, 0xE0
    of_cr4 "MOV CR4, OSXSAVE changed; MOV from CR4", CR4_OSXSAVE, 0x0F, 0x22, 0xE0, 0x0F, 0x20, 0xE1
    of_cr4 "MOV CR4, OSXSAVE, DE and TSD changed", CR4_OSXSAVE | 0xC, 0x0F, 0x22, 0xE0
    of_cr4 "MOV CR4, reserved", 0x80000000, 0x0F, 0x22, 0xE0
    of_cr4 "MOV CR4, PCIDE changed", 0x20000, 0x0F, 0x22, 0xE0
    plain "MOV CR3 to itself", 0, 0, 0x0F, 0x20, 0xD8, 0x0F, 0x22, 0xD8
    plain "XSETBV of 3", 3, 0, 0x0F, 0x01, 0xD1
    plain "XSETBV of 2", 2, 0, 0x0F, 0x01, 0xD1
    plain "XSETBV, index 1", 3, 1, 0x0F, 0x01, 0xD1
    plain "VMCALL", 0, 0, 0x0F, 0x01, 0xC1
    plain "VMLAUNCH", 0, 0, 0x0F, 0x01, 0xC2
    plain "VMRESUME", 0, 0, 0x0F, 0x01, 0xC3
    plain "VMXOFF", 0, 0, 0x0F, 0x01, 0xC4
    plain "VMXON", 0, 0, 0xF3, 0x0F, 0xC7, 0x37
    plain "VMPTRLD", 0, 0, 0x0F, 0xC7, 0x37
    plain "VMCLEAR", 0, 0, 0x66, 0x0F, 0xC7, 0x37
    plain "VMPTRST", 0, 0, 0x0F, 0xC7, 0x3F
    plain "VMREAD", 0, 0, 0x0F, 0x78, 0xC1
    plain "VMWRITE", 0, 0, 0x0F, 0x79, 0xC1
    plain "INVEPT", 0, 0, 0x66, 0x0F, 0x38, 0x80, 0x07
    plain "INVVPID", 0, 0, 0x66, 0x0F, 0x38, 0x81, 0x07
    plain "VMFUNC", 0, 0, 0x0F, 0x01, 0xD4
    plain "GETSEC", 0, 0, 0x0F, 0x37
    plain "ENCLS", 0, 0, 0x0F, 0x01, 0xCF
    plain "RSM", 0, 0, 0x0F, 0xAA
    plain "INVD", 0, 0, 0x0F, 0x08
    plain "WBINVD", 0, 0, 0x0F, 0x09
    plain "OUT, IN of the CMOS", 0x0D, 0, 0xE6, 0x70, 0xE4, 0x71
    plain "INT 41h", 0, 0, 0xCD, INT_VECTOR
    plain "INTO", 0, 0, 0xCE
    plain "INT1", 0, 0, 0xF1
    plain "UD2", 0, 0, 0x0F, 0x0B
    a_probe "NMI", 0, 0, 0, operand, 0, EVENT_NMI, 0, 0x90, 0x0F, 0xA2
    a_probe "interrupt", 0, 0, 0, operand, 0, EVENT_IRQ, 0, 0x90, 0x0F, 0xA2
probes_end:


section .bss
alignb 8
result_ip:     resq 1
result_eax:    resd 1
result_ecx:    resd 1
result_edx:    resd 1
result_ebx:    resd 1
result_esi:    resd 1
result_edi:    resd 1
result_ebp:    resd 1
operand:       resd 2
result_vector: resd 1
result_error:  resd 1
result_cs:     resd 1
result_flags:  resd 1
result_esp:    resd 1
result_cr0:    resd 1
result_cr4:    resd 1
RESULTS equ ($ - result_ip) / 4
result_place:  resd 1
real_cr0:      resd 1
own_cr0:       resd 1
own_cr4:       resd 1
now:           resd 1
probe_now:     resd 1
level:         resd 1
offset:        resd 1
driver_esp:    resd 1
resume_at:     resd 1
in_eax:        resd 1
in_ecx:        resd 1
in_edx:        resd 1
in_edi:        resd 1
in_flags:      resd 1
big_cr0:       resd 1
end_guest
