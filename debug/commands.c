#include "debug/commands.h"

#include "base/bits.h"
#include "kernel/stop.h"
#include "lib/string.h"

const struct command *const commands[] = {
    &command_help,  &command_stop, &command_cont,   &command_step, &command_cost,  &command_cpus,
    &command_cpu,   &command_regs, &command_x,      &command_walk, &command_bt,    &command_msr,
    &command_cpuid, &command_vmcs, &command_exits,  &command_map,  &command_log,   &command_inject,
    &command_reset, &command_off,  &command_kernel, &command_gdb,  &command_space, &command_arch,
};
const unsigned command_count = ARRAY_SIZE(commands);

bool ask_cpu(struct cpu *cpu, void (*errand)(void *argument), void *argument)
{
    if (stop_run_on(cpu, errand, argument))
        return true;
    say("cpu%u cannot tell: it waits for a SIPI, or does not stop\n", cpu->number);
    return false;
}

static void help(struct arguments *arguments)
{
    for (unsigned i = 0; i < command_count; i++) {
        const struct command *command = commands[i];
        if (!arguments->count)
            say("  %-30s %s\n", command->usage, command->help);
        else if (!strcmp(command->name, arguments->words[0]))
            say("%s: %s%s\n", command->usage, command->help,
                command->live ? "; also while the guest runs" : "");
    }
}

const struct command command_help = {
    "help", "help [COMMAND]", "what there is", help, true,
};
