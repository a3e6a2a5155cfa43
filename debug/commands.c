#include "debug/commands.h"

#include "base/bits.h"
#include "lib/string.h"

const struct command *const commands[] = {
    &command_help, &command_stop, &command_cont, &command_step,
    &command_cpus, &command_cpu,  &command_regs, &command_kernel,
};
const unsigned command_count = ARRAY_SIZE(commands);

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
