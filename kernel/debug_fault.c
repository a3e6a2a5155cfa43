#include "kernel/debug_fault.h"

#include "base/layout.h"
#include "kernel/host_check.h"

static enum option_fault kind;
static uint32_t target;
static bool after_launch;

void debug_fault_set(const struct options *options)
{
    kind = options->debug_fault;
    target = options->debug_fault_on_ap ? 1 : 0;
    after_launch = options->debug_fault_after_launch;
}

static void act(void)
{
    uint32_t quotient = 1, remainder = 0;
    enum option_fault due = kind;
    kind = DEBUG_FAULT_NONE; /* once */
    if (due == DEBUG_CHECK_TABLES)
        host_check();
    else if (due == DEBUG_FAULT_DIVIDE)
        __asm__ volatile("div %2" : "+a"(quotient), "+d"(remainder) : "r"(0));
    else
        *(volatile uint8_t *)LAYOUT_CPU_BASE = 0; /* the guard page below the first slot's stack */
}

static void act_if(const struct cpu *cpu, bool now)
{
    if (__builtin_expect(kind != DEBUG_FAULT_NONE, 0) && kind != DEBUG_MACHINE_CHECK &&
        cpu->number == target && now)
        act();
}

void debug_fault_before_launch(const struct cpu *cpu) { act_if(cpu, !after_launch); }
void debug_fault_after_launch(const struct cpu *cpu) { act_if(cpu, after_launch); }

bool debug_machine_check(const struct cpu *cpu)
{
    return kind == DEBUG_MACHINE_CHECK && cpu->number == target;
}

void debug_fault_done(void) { kind = DEBUG_FAULT_NONE; }
