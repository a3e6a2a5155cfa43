#include "vcpu/init_sipi.h"

#include "base/x86/cr.h"
#include "base/x86/eflags.h"
#include "base/x86/segment.h"

/* A row for each state, a column for each event, in the order of the enums. What a CPU drops, it
 * drops for good: a SIPI outside wait-for-SIPI is not remembered (vol. 3A, 9.4.3 "MP Initialization
 * Protocol Algorithm for MP Systems"), while INIT in root mode is held by the CPU itself. */
#define STAY(s)                                                                                    \
    {                                                                                              \
        CPU_STATE_##s, CPU_ACTION_NONE                                                             \
    }
#define GO(s, a)                                                                                   \
    {                                                                                              \
        CPU_STATE_##s, CPU_ACTION_##a                                                              \
    }
static const struct cpu_transition transitions[CPU_STATES][CPU_EVENTS] = {
    /*                            LAUNCH                             INIT */
    /*                            SIPI                               TRIPLE_FAULT */
    [CPU_STATE_OFF] = {GO(WAIT_FOR_SIPI, RESET_AND_WAIT), STAY(OFF), /**/
                       STAY(OFF), STAY(OFF)},
    [CPU_STATE_RUNNING] = {STAY(RUNNING), GO(WAIT_FOR_SIPI, RESET_AND_WAIT), /**/
                           STAY(RUNNING), GO(SHUTDOWN, STOP)},
    [CPU_STATE_WAIT_FOR_SIPI] = {STAY(WAIT_FOR_SIPI), GO(WAIT_FOR_SIPI, RESET_AND_WAIT), /**/
                                 GO(RUNNING, START), STAY(WAIT_FOR_SIPI)},
    [CPU_STATE_SHUTDOWN] = {STAY(SHUTDOWN), GO(WAIT_FOR_SIPI, RESET_AND_WAIT), /**/
                            STAY(SHUTDOWN), STAY(SHUTDOWN)},
    [CPU_STATE_LEFT_OUT] = {STAY(LEFT_OUT), STAY(LEFT_OUT), STAY(LEFT_OUT), STAY(LEFT_OUT)},
};

struct cpu_transition init_sipi_step(enum cpu_state state, enum cpu_event event, bool is_boot_cpu)
{
    struct cpu_transition next = transitions[state][event];
    if (is_boot_cpu && next.action == CPU_ACTION_RESET_AND_WAIT) {
        next.state = CPU_STATE_RUNNING;
        next.action = event == CPU_EVENT_LAUNCH ? CPU_ACTION_ENTER : CPU_ACTION_RESET_AND_RUN;
    }
    return next;
}

#define RESET_LIMIT 0xffff
#define RESET_RIP   0xfff0

/* The SDM's table gives CS the rights of a data segment; a code segment behaves alike in real mode,
 * and is taken by every VM entry. */
struct reset_state reset_state_after_init(uint64_t cr0_before, uint32_t signature)
{
    return (struct reset_state){
        .rip = RESET_RIP,
        .rflags = RFLAGS_FIXED,
        .rdx = signature,
        .cr0 = CR0_ET | (cr0_before & (CR0_CD | CR0_NW)),
        .dr6 = DR6_RESET,
        .dr7 = DR7_RESET,
        .cs = {0xf000, 0xffff0000, RESET_LIMIT, SEGMENT_RIGHTS_REAL_CODE},
        .data = {0, 0, RESET_LIMIT, SEGMENT_RIGHTS_REAL_DATA},
        .ldtr = {0, 0, RESET_LIMIT, SEGMENT_RIGHTS_LDT},
        .tr = {0, 0, RESET_LIMIT, SEGMENT_RIGHTS_TSS_BUSY},
        .gdtr_limit = RESET_LIMIT,
        .idtr_limit = RESET_LIMIT,
    };
}

void reset_state_start(struct reset_state *state, uint8_t vector)
{
    state->rip = 0;
    state->cs.selector = (uint16_t)(vector << 8);
    state->cs.base = (uint64_t)vector << 12;
}
