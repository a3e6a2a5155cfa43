; Paging switched on and off, PAE and long mode taken and left, in all orders: from 32-bit code a walk of
; random single writes to CR0, CR3, CR4 and EFER, and of LMSW and CLTS, through protection off and on, no
; paging, 32-bit, PAE and IA-32e paging. What is refused is #GP(0) at the instruction; what is taken is
; read back, EFER.LMA with it, with exits between. For each mode the bits that could be changed alone, and
; that could not, are a line. Then PAE's four PDPTEs: reserved bits are #GP when they are loaded, they are
; loaded by the writes that the manual names, a change in memory alone does nothing, and where nothing is,
; or Orlop, they are #GP too.
; A run above Orlop prints the lines of the bare run.
%define NAME "transitions"
%include "guest.inc"
%include "range.inc"

GP equ 13
PF equ 14
STEPS equ 60000
REPORT_EVERY equ 5000

; One CR3 for all kinds: TOP's first entry is a PML4 entry, PAE's only PDPTE and a page directory's only
; entry; BOTTOM's first is a page of 1 GiB or of 2 MiB, and all of it a page table, without page 1.
; Nothing here has the bit R/W, as a PDPTE has none, so WP stays 0.
TOP    equ SCRATCH
BOTTOM equ SCRATCH + 0x1000
STACK  equ STACK_TOP - 0x100

CR0_NE equ 1 << 5
CR0_WP equ 1 << 16
CR0_NW equ 1 << 29
CR0_CD equ 1 << 30
CR4_TSD equ 1 << 2
CR4_PSE equ 1 << 4
CR4_PGE equ 1 << 7
CR4_LA57 equ 1 << 12
CR4_SMEP equ 1 << 20
EFER_LMA equ 1 << 10
PAGE_ACCESSED equ 1 << 5

section .text
bits 16
main:
    call orlop_range_find
    enter_protected
    call build_tables
    mov eax, 0x80000001
    cpuid
    bt edx, 26
    jc .walk
    skip "no pages of 1 GiB, which the one CR3 needs"
    jmp .pae
.walk:
    call walk
    call say_modes
.pae:
    call pae
    cmp dword [failures], 0
    jne .end
    pass "steps=", dec, [steps]
.end:
    mov ebx, power_off16
    jmp protected_to_real

bits 32
build_tables:
    mov edi, TOP
    mov ecx, 0x2000 / 4
    xor eax, eax
    rep stosd
    mov dword [TOP], BOTTOM | 1
    mov dword [BOTTOM], 0x83
    mov ecx, 2
.page:
    mov eax, ecx
    shl eax, 12
    or eax, 3
    mov [BOTTOM + ecx * 4], eax
    inc ecx
    cmp ecx, 0x400
    jb .page
    mov ecx, 31
.gate:
    imul eax, ecx, STUB_SIZE
    lea edx, [stubs_real + eax]
    mov [vectors_real + ecx * 4], edx   ; segment 0
    lea edx, [stubs32 + eax]
    mov [idt32 + ecx * 8], edx
    mov word [idt32 + ecx * 8 + 2], CODE32
    mov dword [idt32 + ecx * 8 + 4], 0x8E00
    lea edx, [stubs64 + eax]
    imul edi, ecx, 16
    mov [idt64 + edi], edx
    mov word [idt64 + edi + 2], CODE64
    mov dword [idt64 + edi + 4], 0x8E00
    dec ecx
    jns .gate
    ret

; ---- faults, in each of the three ways that they come ----------------------------------------------
; Each gives vector, error and instruction, and goes on at [resume] with ESP as before. Clobbers EAX.
STUB_SIZE equ 16
WITH_ERROR equ 1 << 8 | 1 << 10 | 1 << 11 | 1 << 12 | 1 << 13 | 1 << 14 | 1 << 17 | 1 << 21
%macro stubs 3                          ; handler, bits, whether error codes are pushed
align STUB_SIZE
bits %2
%assign number 0
%rep 32
    %if %3 == 0 || (WITH_ERROR >> number) & 1 == 0
        push 0
    %endif
    push number
    jmp near %1
    align STUB_SIZE
    %assign number number + 1
%endrep
%endmacro
stubs_real:
stubs fault_real, 32, 0                 ; CS.D outlives the way to real mode
stubs32:
stubs fault32, 32, 1
stubs64:
stubs fault64, 64, 1

bits 32
fault_real:                             ; vector, 0, then IP, CS, FLAGS of 16 bits
    pop dword [vector]
    pop dword [error_code]
    movzx eax, word [esp]
    mov [where], eax
    jmp fault_over
fault32:
    pop dword [vector]
    pop dword [error_code]
    mov eax, [esp]
    mov [where], eax
fault_over:
    mov esp, [stack]
    cmp dword [resume], 0
    je unexpected
    jmp [resume]
bits 64
fault64:
    pop rax
    mov [vector], eax
    pop rax
    mov [error_code], eax
    mov eax, [rsp]
    mov [where], eax
    mov eax, DATA32
    push rax
    mov eax, [stack]
    push rax
    push 2
    push CODE32
    push fault_over
    iretq
bits 32
unexpected:
    mov eax, cr0
    mov ecx, cr4
    mov edx, cr2
    fail "unexpected exception ", dec, [vector], " error ", x32, [error_code], " at ", x32, [where], \
         " CR0 ", x32, eax, " CR4 ", x32, ecx, " CR2 ", x32, edx
    mov dword [resume], $
    hlt

%define NONE 255                        ; no fault
%macro attempt 1+
    attempt_behind nop, {%1}
%endmacro
%macro attempt_behind 2+                ; an instruction that goes before, and does not fault
    mov dword [vector], NONE
    mov dword [error_code], 0
    mov dword [resume], %%after
    mov dword [stack], esp
    mov dword [where], %%here
    align 16
    %1
%%here:
    %2
%%after:
    mov dword [resume], 0
    cmp dword [where], %%here
    je %%there
    mov dword [error_code], NONE
%%there:
%endmacro

; ---- the walk --------------------------------------------------------------------------------------
walk:
    mov esp, esp
    mov dword [random], 0x2545F491
    mov eax, TOP
    mov cr3, eax
.step:
    call read_all
    call load_vectors
    call choose
    call [writers + ebp * 4]
    call note
    inc dword [steps]
    mov eax, [steps]
    xor edx, edx
    mov ecx, REPORT_EVERY
    div ecx
    test edx, edx
    jnz .next
    call read_all
    say NAME, ": step ", dec, [steps], " CR0 ", x32, [now_cr0], " CR4 ", x32, [now_cr4], " EFER ", \
        x32, [now_efer], " sum ", x32, [sum], nl
.next:
    cmp dword [steps], STEPS
    jb .step
    ; Back to no paging: first the identifiers go, which need long mode, then paging.
    mov eax, cr4
    and eax, ~(1 << 17)
    mov cr4, eax
    mov eax, 0x11
    mov cr0, eax
    jmp CODE32:.flat
.flat:
    xor eax, eax
    mov cr4, eax
    mov ecx, MSR_EFER
    xor edx, edx
    wrmsr
    ret

read_all:
    mov eax, cr0
    mov [now_cr0], eax
    mov eax, cr3
    mov [now_cr3], eax
    mov eax, cr4
    mov [now_cr4], eax
    mov ecx, MSR_EFER
    rdmsr
    mov [now_efer], eax
    ret

; The vectors of the mode that it is.
load_vectors:
    test dword [now_cr0], CR0_PE
    jz .real
    test dword [now_efer], EFER_LMA
    jnz .long
    lidt [pointer32]
    ret
.real:
    lidt [pointer_real]
    ret
.long:
    lidt [pointer64]
    ret

; EAX = 32 random bits. Keeps the rest.
next_random:
    push ecx
    mov eax, [random]
    mov ecx, eax
    shl ecx, 13
    xor eax, ecx
    mov ecx, eax
    shr ecx, 17
    xor eax, ecx
    mov ecx, eax
    shl ecx, 5
    xor eax, ecx
    mov [random], eax
    pop ecx
    ret

; EBP = register, EDI = the bits of it to change: one, or one of those that modes hang on, or some of those,
; or any. EDX = the bit above 31 of EFER to change, or 0.
choose:
    call next_random
    and eax, 15
    movzx ebp, byte [choices + eax]
    call next_random
    mov ecx, eax
    shr eax, 5
    xor edx, edx
    test eax, 3
    jz .any_bit
    test eax, 4
    jz .one
    mov esi, eax
    call next_random
    mov edi, eax
    call next_random
    and edi, eax
    test esi, 8
    jz .mask
    and edi, [known + ebp * 4]
    jmp .mask
.one:                                   ; of the known ones
    mov esi, [known + ebp * 4]
    bt esi, ecx
    jnc .rotate
    mov edi, 1
    shl edi, cl
    jmp .mask
.rotate:
    inc ecx
    jmp .one
.any_bit:
    mov edi, 1
    shl edi, cl
    test eax, 8
    jz .mask
    cmp ebp, OF_EFER
    jne .mask
    xchg edx, edi
.mask:
    and edi, [allowed + ebp * 4]
    ret

; Each writes the register that holds [now_...] with the bits EDI changed. Where the entry was one of a
; PML4 or of a page directory it has been marked as accessed, which in a PDPTE is a reserved bit; so that
; the write does not depend on what is cached, the mark goes right before it, in the same page of code.
%macro attempt_write 1+
    attempt_behind {and dword [TOP], ~PAGE_ACCESSED}, %1
%endmacro
write_cr0:
    mov eax, [now_cr0]
    xor eax, edi
    attempt_write mov cr0, eax
    ret
write_cr4:
    mov eax, [now_cr4]
    xor eax, edi
    attempt_write mov cr4, eax
    ret
write_efer:
    mov eax, [now_efer]
    xor eax, edi
    mov ecx, MSR_EFER
    attempt wrmsr
    ret
write_lmsw:
    mov eax, [now_cr0]
    xor eax, edi
    attempt_write lmsw ax
    ret
write_cr3:
    mov eax, [now_cr3]
    xor eax, edi
    attempt_write mov cr3, eax
    ret
clear_ts:
    attempt clts
    ret

; What came of it: a sum, and, for a single bit, its mask in the mode that was.
note:
    push edx
    push edi
    mov eax, [vector]
    cmp eax, NONE
    je .counted
    cmp eax, GP
    jne .wrong
    cmp dword [error_code], 0
    je .counted
.wrong:
    inc dword [failures]
    say NAME, " FAIL vector ", dec, [vector], " error ", x32, [error_code], " register ", dec, ebp, \
        " bits ", x32, edi, " CR0 ", x32, [now_cr0], " CR4 ", x32, [now_cr4], " EFER ", x32, [now_efer], nl
.counted:
    call add_sum
    mov eax, cr0
    call add_sum
    mov eax, cr4
    call add_sum
    mov eax, cr3
    call add_sum
    mov ecx, MSR_EFER
    rdmsr
    call add_sum
    mov eax, [witness]
    call add_sum
    test byte [steps], 3
    jnz .no_exit
    xor eax, eax
    cpuid
    mov eax, ebx
    call add_sum
    mov eax, cr0
    call add_sum
    mov ecx, MSR_EFER
    rdmsr
    call add_sum
.no_exit:
    pop edi
    pop edx
    ; The mode: PE, PG, PAE, LME.
    mov eax, [now_cr0]
    and eax, CR0_PE
    mov ecx, [now_cr0]
    shr ecx, 31
    lea eax, [eax + ecx * 2]
    mov ecx, [now_cr4]
    shr ecx, 5
    and ecx, 1
    lea eax, [eax + ecx * 4]
    mov ecx, [now_efer]
    shr ecx, 8
    and ecx, 1
    lea eax, [eax + ecx * 8]
    inc dword [visits + eax * 4]
    mov esi, eax
    imul esi, esi, MODE_SIZE
    add esi, modes
    cmp ebp, REGISTERS_SHOWN
    jae .done
    lea esi, [esi + ebp * 8]
    test edx, edx
    jnz .done
    mov eax, edi                        ; one bit alone?
    lea ecx, [edi - 1]
    test eax, ecx
    jnz .done
    test eax, eax
    jz .done
    cmp dword [vector], NONE
    je .taken
    add esi, 4
.taken:
    or [esi], edi
.done:
    ret

add_sum:
    rol dword [sum], 5
    add [sum], eax
    ret

say_modes:
    xor ebp, ebp
.mode:
    cmp dword [visits + ebp * 4], 0
    je .next
    say NAME, ": mode"
%macro say_if 2
    test ebp, %1
    jz %%not
    say %2
%%not:
%endmacro
    say_if 1, " PE"
    say_if 2, " PG"
    say_if 4, " PAE"
    say_if 8, " LME"
    imul esi, ebp, MODE_SIZE
    add esi, modes
    say ": visits ", dec, [visits + ebp * 4], ", changed, refused: CR0 ", x32, [esi], " ", x32, [esi + 4], \
        " CR4 ", x32, [esi + 8], " ", x32, [esi + 12], " EFER ", x32, [esi + 16], " ", x32, [esi + 20], nl
.next:
    inc ebp
    cmp ebp, 16
    jb .mode
    ret

; ---- PAE's PDPTEs ----------------------------------------------------------------------------------
ALIAS equ 0x40000000                    ; through the second PDPTE
pae:
    lidt [pointer32]
    mov eax, CR4_PAE
    mov cr4, eax
    mov eax, PAE_PDPT
    mov cr3, eax
    mov eax, CR0_PG | 0x11
    mov cr0, eax
    xor ebp, ebp
.entry:
    call reserved_bits
    inc ebp
    cmp ebp, 4
    jb .entry
    call who_loads
    call stay
    mov esi, HOLE
    call no_pdptes
    mov esi, [orlop_range]
    test esi, esi
    jnz .range
    mov esi, HOLE
.range:
    call no_pdptes
    mov eax, 0x11
    mov cr0, eax
    xor eax, eax
    mov cr4, eax
    ret

; EBP = entry: each bit is changed, and CR3 loaded. Of the first, which all this lies in, neither P nor the
; address.
reserved_bits:
    mov dword [refused], 0
    mov dword [refused + 4], 0
    xor esi, esi
.bit:
    test ebp, ebp
    jnz .try
    test esi, esi
    jz .next
    cmp esi, 12
    jb .try
    cmp esi, 40                         ; perhaps not reserved
    jb .next
.try:
    btc [PAE_PDPT + ebp * 8], esi
    mov eax, PAE_PDPT
    attempt mov cr3, eax
    btc [PAE_PDPT + ebp * 8], esi
    mov eax, PAE_PDPT
    mov cr3, eax
    cmp dword [vector], NONE
    je .next
    bts [refused], esi
    cmp dword [vector], GP
    jne .wrong
    cmp dword [error_code], 0
    je .next
.wrong:
    inc dword [failures]
    say NAME, " FAIL PDPTE ", dec, ebp, " bit ", dec, esi, " vector ", dec, [vector], " error ", x32, [error_code], nl
.next:
    inc esi
    cmp esi, 64
    jb .bit
    say NAME, ": PDPTE ", dec, ebp, " refused ", x32, [refused + 4], x32, [refused], nl
    ret

; With a bad PDPTE in memory: which writes load it.
; It is good while the register gets its old value again.
%macro loads 3                          ; name, register, bits
    mov eax, %2
    xor eax, %3
    attempt mov %2, eax
    and byte [PAE_PDPT + 16], ~2
    cmp dword [vector], NONE
    jne %%kept
    mov eax, %2
    xor eax, %3
    mov %2, eax
%%kept:
    or byte [PAE_PDPT + 16], 2
    say " ", %1, " ", dec, [vector]
%endmacro
who_loads:
    or byte [PAE_PDPT + 16], 2
    say NAME, ": with a bad PDPTE:"
    mov eax, PAE_PDPT
    attempt mov cr3, eax
    say " CR3 ", dec, [vector]
    loads "CD", cr0, CR0_CD
    loads "CD and NW", cr0, CR0_CD | CR0_NW
    loads "CD, NE and TS", cr0, CR0_CD | CR0_NE | CR0_TS
    loads "PGE", cr4, CR4_PGE
    loads "PSE", cr4, CR4_PSE
    loads "TSD", cr4, CR4_TSD
    loads "OSXSAVE", cr4, CR4_OSXSAVE
    loads "OSXSAVE and PGE", cr4, CR4_OSXSAVE | CR4_PGE
    say nl
    and byte [PAE_PDPT + 16], ~2
    ret

; The second PDPTE shows the first GiB again. Then it is changed in memory: no other instruction than a
; load makes that count, neither INVLPG nor an exit nor a write to CR4 that loads nothing.
%macro look 1
    invlpg [ALIAS + witness]
    xor eax, eax
    cpuid
    xor esi, esi
    attempt mov esi, [ALIAS + witness]
    say NAME, ": the second GiB, ", %1, ": ", x32, esi, " vector ", dec, [vector], " error ", x32, [error_code], nl
%endmacro
%macro change 2
    mov eax, %1
    xor eax, %2
    mov %1, eax
%endmacro
stay:
    mov dword [witness], 0x57A7
    mov eax, [PAE_PDPT]
    mov [PAE_PDPT + 8], eax
    mov eax, PAE_PDPT
    mov cr3, eax
    look "loaded"
    mov edi, [PAE_PDPT + 8]
    mov dword [PAE_PDPT + 8], 0
    look "its PDPTE gone in memory"
    change cr4, CR4_TSD
    look "CR4.TSD changed"
    change cr0, CR0_CD
    look "CR0.CD changed"
    mov [PAE_PDPT + 8], edi
    look "its PDPTE there again in memory"
    change cr4, CR4_PGE
    look "CR4.PGE changed"
    mov dword [PAE_PDPT + 8], 0
    change cr4, CR4_OSXSAVE
    look "gone, CR4.OSXSAVE changed"
    change cr4, CR4_PGE | CR4_OSXSAVE
    look "CR4.PGE and OSXSAVE changed"
    ret

; ESI = a place without memory.
HOLE equ 0xC0000000
no_pdptes:
    mov eax, PAE_PDPT
    mov cr3, eax
    say NAME, ": PDPTEs from nowhere: CR3 "
    mov eax, esi
    attempt mov cr3, eax
    say dec, [vector], " error ", x32, [error_code]
    mov eax, 0x11
    mov cr0, eax
    mov cr3, esi
    mov eax, CR0_PG | 0x11
    attempt mov cr0, eax
    say ", PG ", dec, [vector], " error ", x32, [error_code]
    mov eax, CR0_PG | CR0_CD | 0x11
    attempt mov cr0, eax
    say ", PG and CD ", dec, [vector], " error ", x32, [error_code]
    mov eax, cr0
    say ", CR0 ", x32, eax, nl
    mov eax, PAE_PDPT
    mov cr3, eax
    mov eax, CR0_PG | 0x11
    mov cr0, eax
    ret

section .data align=8
OF_EFER equ 2
REGISTERS_SHOWN equ 3
writers: dd write_cr0, write_cr4, write_efer, write_lmsw, write_cr3, clear_ts
; What the walk changes most, and all that it may: without WP; VMXE and SMXE, which the bare processor
; has; LA57, which wants tables of its own; in CR3 only PWT and PCD, or an identifier.
known:   dd CR0_PE | CR0_PG | CR0_CD | CR0_NW | CR0_NE | CR0_TS
         dd CR4_PAE | CR4_PGE | CR4_PSE | CR4_SMEP | CR4_OSXSAVE | 1 << 17
         dd EFER_LME | 1 | 1 << 11, CR0_PE | CR0_TS, 0x18, 1
allowed: dd ~CR0_WP, ~(CR4_VMXE | CR4_SMXE | CR4_LA57), 0xFFFFFFFF, 0xFFFF, 0x18, 1
choices: db 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 3, 4, 5
align 8
pointer32:
    dw 32 * 8 - 1
    dd idt32
pointer_real:
    dw 32 * 4 - 1
    dd vectors_real
pointer64:
    dw 32 * 16 - 1
    dd idt64, 0
section .bss
alignb 16
MODE_SIZE equ REGISTERS_SHOWN * 8
idt64:    resq 64
idt32:    resq 32
vectors_real: resd 32
modes:    resb 16 * MODE_SIZE
visits:   resd 16
refused:  resd 2
vector:   resd 1
error_code: resd 1
where:    resd 1
resume:   resd 1
stack:    resd 1
now_cr0:  resd 1
now_cr3:  resd 1
now_cr4:  resd 1
now_efer: resd 1
random:   resd 1
sum:      resd 1
steps:    resd 1
witness:  resd 1
failures: resd 1
end_guest
