/* The hardware task switch of protected mode, whole: what CALL, JMP, IRET and a task gate in the
 * IDT do to the processor and to the tables in memory, and the faults that end it half-way. Pure:
 * memory is reached through functions. Outside IA-32e mode alone, which has no task switches.
 * Source: Intel SDM (325462-083US) vol. 3A, section 8.3 "Task Switching" and table 8-1. */
#pragma once

#include "vcpu/paging.h"

/* As exit qualifications number them. */
enum task_source { TASK_CALL, TASK_IRET, TASK_JUMP, TASK_GATE };

/* The order of the VMCS's fields, and of a TSS. */
enum task_segment_name {
    TASK_ES,
    TASK_CS,
    TASK_SS,
    TASK_DS,
    TASK_FS,
    TASK_GS,
    TASK_LDTR,
    TASK_TR,
    TASK_SEGMENTS
};

struct task_segment {
    uint16_t selector;
    uint32_t base, limit, rights; /* base/x86/segment.h */
};

struct task_state {
    uint32_t eip, eflags;
    uint32_t general[8]; /* by their encoding: EAX, ECX, EDX, EBX, ESP, EBP, ESI, EDI */
    struct task_segment segment[TASK_SEGMENTS];
    uint32_t gdt_base, gdt_limit;
    struct paging paging; /* CR0, CR3, CR4 */
    uint64_t dr7;
};

struct task_request {
    enum task_source source;
    uint16_t selector; /* of the new TSS */
    bool external;     /* the event is no INT n, INT3 or INTO: EXT in error codes */
    bool has_error_code;
    uint32_t error_code; /* to be pushed */
};

#define TASK_NO_FAULT 0xFFu

struct task_outcome {
    unsigned vector; /* of the fault to be delivered in the state that is left, or TASK_NO_FAULT */
    uint32_t error_code, cr2; /* CR2 counts for #PF alone */
    bool switched;            /* the new task has begun, or would but for the fault */
    bool trap;                /* #DB with DR6.BT before its first instruction */
};

/* Switches `state`, which holds the old task as it is to be saved: EIP behind the instruction, or
 * at one that faulted. Without `switched` it is left as it was, and in memory nothing but accessed
 * and dirty flags has changed. */
struct task_outcome task_switch(struct task_state *state, const struct physical_memory *memory,
                                const struct task_request *request);
