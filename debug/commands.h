/* The monitor's commands, in the order in which `help` shows them. */
#pragma once

#include "debug/monitor.h"
#include "debug/target.h"

extern const struct command *const commands[];
extern const unsigned command_count;

/* Have a CPU do something, on which it stands still; told where it cannot. */
MUST_CHECK bool ask_cpu(struct cpu *cpu, void (*errand)(void *argument), void *argument);

/* The address that the word of that index is: `phys:` and `host:` before it are the spaces, without
 * them `*space` is left alone. False: none; told. */
MUST_CHECK bool address_argument(struct arguments *arguments, unsigned index,
                                 enum target_space *space, uint64_t *address);

struct bit_name {
    uint8_t bit;
    char name[7];
};

/* The names of the bits that are set, and the line's end. */
void say_bits(uint64_t value, const struct bit_name *names, size_t count);

/* "WB" */
const char *memory_type_name(uint64_t type);

/* One file a topic: debug/command_NAME.c. */
extern const struct command command_help, command_cpus, command_cpu, command_regs, command_stop,
    command_cont, command_cost, command_step, command_vmcs, command_exits, command_walk, command_x,
    command_bt, command_msr, command_cpuid, command_map, command_log, command_inject, command_reset,
    command_off, command_kernel, command_gdb, command_space, command_arch;
