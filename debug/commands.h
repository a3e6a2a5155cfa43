/* The monitor's commands, in the order in which `help` shows them. */
#pragma once

#include "debug/monitor.h"

extern const struct command *const commands[];
extern const unsigned command_count;

/* One file a topic: debug/command_NAME.c. */
extern const struct command command_help, command_cpus, command_cpu, command_regs, command_stop,
    command_cont, command_step, command_kernel;
