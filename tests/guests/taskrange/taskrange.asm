; Hardware task switches whose TSSs or tables lie where Orlop is, or over the local APIC's registers: there
; the guest finds no memory, as everywhere else, and Orlop does not do for it what it may not do itself.
; The last one loads CR3 with Orlop's range, so that not even an IDT can be found: the guest's end.
%define NAME "taskrange"
%include "tasks.inc"

RANGE   equ 0x0FC00000                  ; with 256 MiB of memory
PRESENT equ 0x8900 | (RANGE >> 16 & 0xFF) | (RANGE & 0xFF000000)

section .text
bits 32
; As if TR had been loaded from this descriptor, which is task A's after it.
%macro old_task_at 1
    mov dword [OWN_GDT + A], 0x67 | ((%1) & 0xFFFF) << 16
    mov dword [OWN_GDT + A + 4], 0x8900 | ((%1) >> 16 & 0xFF) | ((%1) & 0xFF000000)
    become A
    jmp jump_b
%endmacro
leave_range: old_task_at RANGE
leave_apic:  old_task_at APIC + 0x2E0   ; EIP would be the ICR

section .data
cases:
    ; All ones: a virtual-8086 task with an LDT in the LDT, and no stack for the fault's handler.
    case "a TSS in the range", jump_b, DONE, 0, C, VIA_TASK + 10, C, OWN_GDT + B, 0x67, OWN_GDT + B + 4, PRESENT
    case "the same, by CALL", call_b, DONE, 0, C, VIA_TASK + 10, C, OWN_GDT + B, 0x67, OWN_GDT + B + 4, PRESENT
    case "a 16-bit one, by page table", paged_jump_b16, DONE, 0, C, VIA_TASK + 10, C, PT + 0x2D * 4, RANGE + 7
    case "an old TSS in the range", leave_range, DONE, 0, B
    case "an old TSS over the ICR", leave_apic, DONE, 0, B
    case "an error code into the range", protection, 6, 0, C, VIA_TASK + 13, B, VIA_TASK + DONE, C, \
        TSS_C + tss.eip, undefined, b(esp), RANGE + 16
    case "a page table in the range", paged_jump, 14, 0, A, PD + 4, RANGE + 7, OWN_GDT + B, 0x67, \
        OWN_GDT + B + 4, 0x8940
    ; Ones are a segment of conforming code, which all may read.
    case "an LDT in the range", jump_b, DONE, 0, B, b(ldt), LDT, b(ds), LDT_DATA, \
        OWN_GDT + LDT, 0x17, OWN_GDT + LDT + 4, PRESENT - 0x700
    case "CR3 in the range", paged_jump, DONE, 0, B, b(cr3), RANGE
end_tasks
