; Hardware task switches: by JMP, CALL and IRET, through task gates in the GDT and in the IDT, with 16-
; and 32-bit TSSs, virtual-8086 tasks, paging, and the faults of the SDM's table 8-1 (vol. 3A). A run
; above Orlop prints the lines of the bare run.
%define NAME "taskswitch"
%include "tasks.inc"

cases:
    ; Who switches.
    case "JMP", jump_b, DONE, 0, B
    case "CALL and IRET", call_b, DONE, 0, A, b(eip), task_iret
    case "CALL twice", call_b_twice, DONE, 0, A, b(eip), task_iret_twice
    case "JMP there and back", jump_b, DONE, 0, A, b(eip), task_jump_a
    case "CALL a task gate", call_gate, DONE, 0, A, b(eip), task_iret
    case "JMP to a task gate", jump_gate, DONE, 0, B
    case "three tasks, nested", call_b, DONE, 0, A, b(eip), task_call_c, TSS_C + tss.eip, task_iret
    case "INT n", int_41, DONE, 0, A, VIA_TASK + 0x41, B, b(eip), task_iret
    case "INT3", breakpoint, DONE, 0, A, VIA_TASK + 3, B, b(eip), task_iret
    case "INTO", overflow, DONE, 0, A, VIA_TASK + 4, B, b(eip), task_iret
    case "INT1", int_1, DONE, 0, A, VIA_TASK + 1, B, b(eip), task_iret
    case "#UD", undefined, DONE, 0, B, VIA_TASK + 6, B
    case "#DE, from 16 bits", divide, DONE, 0, B, VIA_TASK + 0, B
    case "#GP", protection, DONE, 0, B, VIA_TASK + 13, B
    case "#GP, 16-bit TSS", protection, DONE, 0, HALF_B, VIA_TASK + 13, HALF_B
    case "#GP, 16-bit stack", protection, DONE, 0, B, VIA_TASK + 13, B, b(ss), STACK16, b(esp), 0x7FFF7A00
    case "#GP, 16-bit stack that wraps", protection, DONE, 0, C, VIA_TASK + 13, B, VIA_TASK + 8, C, \
        b(ss), STACK16, b(esp), 0x7FFF0002
    case "#GP, stack that grows down", protection, DONE, 0, B, VIA_TASK + 13, B, b(ss), DOWN
    case "#GP, level 3", protection, DONE, 0, B, VIA_TASK + 13, B, user_b
    case "#GP, no room for the error code", protection, DONE, 0, C, VIA_TASK + 13, B, VIA_TASK + 8, C, \
        b(ss), STACK_SHORT
    case "#DF", protection, DONE, 0, B, VIA_TASK + 8, B, OWN_IDT + 13 * 8 + 4, 0
    case "#DF for want of a stack", no_stack, DONE, 0, B, VIA_TASK + 8, B, PT + 0x1D * 4, 0
    case "NMI", nmi, DONE, 0, A, VIA_TASK + 2, B, b(eip), task_nmi
    case "an interrupt", interrupt, DONE, 0, A, VIA_TASK + 0x42, B, b(eip), task_interrupt

    ; Who may not.
    case "JMP to the task itself", jump_a, 13, A, A
    case "CALL of a busy task", call_b, 13, B, A, OWN_GDT + B + 4, 0x00008B02
    case "JMP beyond the GDT", jump_beyond, 13, 0x7F8, A
    case "INT n to a busy task", int_41, 13, A, A, VIA_TASK + 0x41, A
    case "#UD to a busy task", undefined, 13, A + 1, A, VIA_TASK + 6, A
    case "#GP to a busy task", protection, 8, 0, A, VIA_TASK + 13, A
    case "a TSS that is not present", jump_np, 11, B_NP, A
    case "a TSS that is too short", jump_short, 10, B_SHORT, A
    case "a 16-bit TSS that is too short", jump_short16, 10, HALF_B_SHORT, A
    case "an old TSS that is too short", leave_short, 10, A_SHORT, A_SHORT
    case "IRET, no link", iret_link, 10, 0, A
    case "IRET, link to the LDT", iret_link, 10, 0x1C, A, TSS_A + tss.link, 0x1C
    case "IRET, link beyond the GDT", iret_link, 10, 0x7F8, A, TSS_A + tss.link, 0x7F8
    case "IRET, link to a segment", iret_link, 10, DATA, A, TSS_A + tss.link, DATA
    case "IRET to an available task", iret_link, 10, B, A, TSS_A + tss.link, B
    case "IRET to a TSS that is not present", iret_link, 11, B_NP, A, TSS_A + tss.link, B_NP, \
        OWN_GDT + B_NP + 4, 0x00000B02
    case "IRET to a TSS that is too short", iret_link, 10, B_SHORT, A, TSS_A + tss.link, B_SHORT, \
        OWN_GDT + B_SHORT + 4, 0x00008B02
    case "IRET to a busy task", iret_link, DONE, 0, B, TSS_A + tss.link, B, OWN_GDT + B + 4, 0x00008B02
    case "IRET to the task itself", iret_link, DONE, 0, A, TSS_A + tss.link, A

    ; 16-bit TSSs.
    case "JMP to a 16-bit TSS", jump_b16, DONE, 0, HALF_B
    case "JMP to a 16-bit TSS, 16-bit code", jump_b16, DONE, 0, HALF_B, TSS16_B + tss16.ip, \
        task_v86 + (0x82 << 16), TSS16_B + tss16.cs, CODE_16 | STACK16 << 16
    case "CALL of a 16-bit TSS", call_b16, DONE, 0, A, TSS16_B + tss16.ip, task_iret + (0x82 << 16)
    case "a gate to a 16-bit TSS", call_gate16, DONE, 0, A, TSS16_B + tss16.ip, task_iret + (0x82 << 16)
    case "from 16 to 32 bits", leave_16, DONE, 0, B
    case "from 16 to 32 bits and back", call_from_16, DONE, 0, HALF_A, b(eip), task_iret
    case "from 16 to 16 bits", leave_16_to_16, DONE, 0, HALF_B

    ; Virtual-8086 tasks, and those of level 3.
    case "a virtual-8086 task", jump_b, DONE, 0, B, b(eflags), V86_FLAGS, b(eip), task_v86, b(cs), 0, \
        b(ss), 0x1D00, b(esp), 0xFF0, b(ds), 0x1234, b(es), 0xFFFF, b(fs), 3, b(gs), 0
    case "a task gate from a virtual-8086 task", jump_b, DONE, 0, B, b(eflags), V86_FLAGS, b(eip), \
        task_v86_int, b(cs), 0, b(ss), 0x1D00, b(esp), 0xFF0, b(ds), 0x1234, VIA_TASK + 0x41, C, \
        TSS_C + tss.eip, task_iret
    case "a virtual-8086 task, bad LDT", jump_b, 10, DATA, B, b(eflags), V86_FLAGS, b(ldt), DATA, \
        b(cs), 0x1111, b(ss), 0x2222, b(ds), 0x3333
    case "a virtual-8086 task, EIP beyond FFFFh", jump_b, 13, 0, B, b(eflags), V86_FLAGS, b(eip), 0x12345, \
        b(cs), 0, b(ss), 0x1D00, b(esp), 0xFF0
    case "level 3", jump_b, DONE, 0, B, user_b
    case "a task gate from level 3", jump_b, DONE, 0, B, user_b, b(eip), task_int_41, VIA_TASK + 0x41, C, \
        TSS_C + tss.eip, task_iret
    case "level 3, stack of level 0", jump_b, 10, DATA, B, user_b, b(ss), DATA
    case "level 3, data of level 0", jump_b, 10, DATA, B, user_b, b(ds), DATA
    case "level 3, conforming code", jump_b, DONE, 0, B, user_b, b(cs), CONFORMING | 3, b(gs), CONFORMING

    ; What the new task finds.
    case "EFLAGS, all", jump_b, DONE, 0, B, b(eflags), 0xFFFDFEFF
    case "EFLAGS by CALL", call_b, DONE, 0, B, b(eflags), 0xFFFDBEFF
    case "segments not yet accessed", jump_b, DONE, 0, B, b(cs), FRESH_CODE, b(ss), FRESH_STACK, b(ds), FRESH_DATA
    case "an LDT", jump_b, DONE, 0, B, b(ldt), LDT, b(ds), LDT_DATA, b(cs), LDT_CODE
    case "no data segments", jump_b, DONE, 0, B, b(ds), 0, b(es), 1, b(fs), 2, b(gs), 3
    case "data segments that are code", jump_b, DONE, 0, B, b(ds), CODE, b(es), CONFORMING, b(fs), READ_ONLY
    case "T", jump_b_dr7, 1, 0, B, b(trap), 1
    case "T, task gate with error code", protection, 1, 0, B, VIA_TASK + 13, B, b(trap), 1
    case "T, and DS is bad", jump_b, 10, 0x7F8, B, b(trap), 1, b(ds), 0x7F8
    case "DR7", jump_b_dr7, DONE, 0, B
    case "TF in the old task", jump_b_tf, DONE, 0, B
    case "TF in the new task", jump_b, 1, 0, B, b(eflags), 0x102, b(eip), task_nop
    case "TF in both, by CALL and IRET", call_b_tf, 1, 0, A, b(eip), task_iret
    case "JMP behind MOV SS", jump_b_ss, DONE, 0, B

    ; Faults in the new task.
    ; Of LDT and SS in a task of level 3: guest taskstack has those of level 0.
    case "LDT in the LDT", jump_b, 10, LDT | 4, B, user_b, b(ldt), LDT | 4
    case "LDT beyond the GDT", jump_b, 10, 0x7F8, B, user_b, b(ldt), 0x7F8
    case "LDT that is none", jump_b, 10, DATA, B, user_b, b(ldt), DATA
    case "LDT that is not present", jump_b, 10, LDT_NP, B, user_b, b(ldt), LDT_NP
    case "SS null", jump_b, 10, 0, B, user_b, b(ss), 0
    case "SS beyond the GDT", jump_b, 10, 0x7F8, B, user_b, b(ss), 0x7F8
    case "SS in an LDT that there is not", jump_b, 10, LDT_DATA, B, user_b, b(ss), LDT_DATA
    case "SS is code", jump_b, 10, CODE, B, user_b, b(ss), CODE
    case "SS is a TSS", jump_b, 10, C, B, user_b, b(ss), C
    case "SS is not writable", jump_b, 10, READ_ONLY, B, user_b, b(ss), READ_ONLY
    case "SS is not present", jump_b, 12, DATA_NP, B, user_b, b(ss), DATA_NP
    case "SS of another RPL", jump_b, 10, USER_STACK, B, user_b, b(ss), USER_STACK | 1
    case "DS beyond the GDT", jump_b, 10, 0x7F8, B, b(ds), 0x7F8
    case "DS is a TSS", jump_b, 10, C, B, b(ds), C
    case "DS cannot be read", jump_b, 10, EXECUTE, B, b(ds), EXECUTE
    case "DS of another RPL", jump_b, 10, DATA, B, b(ds), DATA | 2
    case "ES is not present", jump_b, 11, DATA_NP, B, b(es), DATA_NP
    case "FS beyond the LDT", jump_b, 10, 0x1C, B, b(ldt), LDT, b(fs), 0x1C
    case "GS is not present", jump_b, 11, DATA_NP, B, b(gs), DATA_NP
    case "CS null", jump_b, 10, 0, B, b(cs), 0
    case "CS beyond the GDT", jump_b, 10, 0x7F8, B, b(cs), 0x7F8
    case "CS is data", jump_b, 10, DATA, B, b(cs), DATA
    case "CS is a TSS", jump_b, 10, C, B, b(cs), C
    case "CS of another level", jump_b, 10, USER_CODE, B, b(cs), USER_CODE
    case "CS is not present", jump_b, 11, CODE_NP, B, b(cs), CODE_NP
    case "EIP beyond CS", jump_b, 13, 0, B, b(cs), CODE_SHORT
    case "INT n, DS is bad", int_41, 10, 0x7F8, B, VIA_TASK + 0x41, B, b(ds), 0x7F8
    case "INT1, DS is bad", int_1, 10, 0x7F9, B, VIA_TASK + 1, B, b(ds), 0x7F8
    case "#UD, DS is bad", undefined, 10, 0x7F9, B, VIA_TASK + 6, B, b(ds), 0x7F8
    case "#UD, EIP beyond CS", undefined, 13, 1, B, VIA_TASK + 6, B, b(cs), CODE_SHORT
    case "#GP, DS is bad", protection, 8, 0, B, VIA_TASK + 13, B, b(ds), 0x7F8
    case "IRET, DS is bad", call_b, 10, 0x7F8, A, b(eip), task_spoil_a
    case "DS is bad, task gate for #TS", jump_b, DONE, 0, C, VIA_TASK + 10, C, b(ds), 0x7F8

    ; Paging. Where a page of the old TSS faults it is by CALL, for Bochs has then already cleared the
    ; busy flag of a task that is left by JMP, which no later try can.
    case "another CR3", paged_jump, DONE, 0, B, b(eip), task_window
    case "another CR3 and back", paged_call, DONE, 0, A, b(eip), task_window_iret
    case "another CR3, PAE", pae_jump, DONE, 0, B, b(eip), task_pae, b(cr3), PDPT_2
    case "another CR3, PAE, and back", pae_call, DONE, 0, A, b(eip), task_pae_iret, b(cr3), PDPT_2, \
        TSS_A + tss.cr3, PAE_PDPT
    case "CR3 with a 16-bit TSS", paged_jump_b16, DONE, 0, HALF_B
    case "the new TSS's page is not present", paged_jump, 14, 0, A, PT + 0x2B * 4, 0
    case "the new TSS's page is not the system's", paged_jump, DONE, 0, B, PT + 0x2B * 4, TSS_B + 5
    case "the new TSS's page cannot be written", paged_call_wp, 14, 3, A, PT + 0x2B * 4, TSS_B + 5
    case "the same, which a JMP need not", paged_jump_wp, DONE, 0, B, PT + 0x2B * 4, TSS_B + 5
    case "the old TSS's page cannot be written", paged_call_wp, 14, 3, A, PT + 0x2A * 4, TSS_A + 5
    case "the old TSS's page is not present", paged_call, 14, 2, A, PT + 0x2A * 4, 0
    case "the GDT cannot be written", paged_jump_wp, 14, 3, A, PT + 0x18 * 4, OWN_GDT + 5
    case "a TSS across two pages", paged_cross, DONE, 0, CROSS, TSS_CROSS + tss.eip, task_done, \
        TSS_CROSS + tss.eflags, 2, TSS_CROSS + tss.esp, STACK_B, TSS_CROSS + tss.cr3, PD, \
        TSS_CROSS + tss.cs, CODE, TSS_CROSS + tss.ss, DATA, TSS_CROSS + tss.edi, 0x12345678
    case "the second page is not present", paged_cross, 14, 0, A, PT + 0x2D * 4, 0
    case "a TSS that wraps at 4 GiB", paged_high, DONE, 0, HIGH, PT, FRAME_2 + 7, \
        FRAME_1 + 0xFC0 + tss.eip, task_done, FRAME_1 + 0xFC0 + tss.eflags, 2, FRAME_1 + 0xFC0 + tss.cr3, PD, \
        FRAME_1 + 0xFC0 + tss.esp, STACK_B, FRAME_1 + 0xFC0 + tss.ebp, 0x55555555, \
        FRAME_2 - 0x40 + tss.esi, 0x66666666, FRAME_2 - 0x40 + tss.cs, CODE, FRAME_2 - 0x40 + tss.ss, DATA
    case "the GDT cannot be written in the new task", paged_jump_wp, 14, 3, B, PT_2 + 0x18 * 4, OWN_GDT + 5, \
        b(ds), FRESH_DATA
    case "the new stack is not present", paged_protection, DONE, 0, C, VIA_TASK + 13, B, VIA_TASK + 8, C, \
        PT_2 + 0x1B * 4, 0
    case "the new stack is the system's", paged_protection, 14, 7, B, VIA_TASK + 13, B, user_b, \
        PT_2 + 0x1D * 4, 0x1D003
end_tasks
