; Hardware task switches to a task of level 0 that has no stack: its fault finds the processor at level 3,
; and so a stack in the new TSS. An emulator must take the level from SS, as the SDM has it (vol. 3C,
; 27.3.2.2 "Loading Guest Segment Registers and Descriptor-Table Registers").
%define NAME "taskstack"
%include "tasks.inc"

cases:
    case "LDT in the LDT", jump_b, 10, LDT | 4, B, b(ldt), LDT | 4
    case "LDT beyond the GDT", jump_b, 10, 0x7F8, B, b(ldt), 0x7F8
    case "LDT that is none", jump_b, 10, DATA, B, b(ldt), DATA
    case "LDT that is not present", jump_b, 10, LDT_NP, B, b(ldt), LDT_NP
    case "SS null", jump_b, 10, 0, B, b(ss), 0
    case "SS beyond the GDT", jump_b, 10, 0x7F8, B, b(ss), 0x7F8
    case "SS in an LDT that there is not", jump_b, 10, LDT_DATA, B, b(ss), LDT_DATA
    case "SS is code", jump_b, 10, CODE, B, b(ss), CODE
    case "SS is a TSS", jump_b, 10, C, B, b(ss), C
    case "SS is not writable", jump_b, 10, READ_ONLY, B, b(ss), READ_ONLY
    case "SS is not present", jump_b, 12, DATA_NP, B, b(ss), DATA_NP
    case "SS of another RPL", jump_b, 10, DATA, B, b(ss), DATA | 1
    case "SS of another level", jump_b, 10, USER_STACK, B, b(ss), USER_STACK
end_tasks
