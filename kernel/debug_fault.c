#include "kernel/debug_fault.h"

#include "base/layout.h"

static enum option_fault kind;
static uint32_t target;
static bool after_launch;

void debug_fault_set(const struct options *options)
{
    kind = options->debug_fault;
    target = options->debug_fault_on_ap ? 1 : 0;
    after_launch = options->debug_fault_after_launch;
}

static void fault(void)
{
    uint32_t quotient = 1, remainder = 0;
    if (kind == DEBUG_FAULT_DIVIDE)
        __asm__ volatile("div %2" : "+a"(quotient), "+d"(remainder) : "r"(0));
    else
        *(volatile uint8_t *)LAYOUT_CPU_BASE = 0; /* the guard page below the first slot's stack */
}

static void fault_if(const struct cpu *cpu, bool now)
{
    if (__builtin_expect(kind != DEBUG_FAULT_NONE, 0) && cpu->number == target && now)
        fault();
}

void debug_fault_before_launch(const struct cpu *cpu) { fault_if(cpu, !after_launch); }
void debug_fault_after_launch(const struct cpu *cpu) { fault_if(cpu, after_launch); }
