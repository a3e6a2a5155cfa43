/* What a person at gdb, or on the way to it, says to the monitor. */
#include "base/bits.h"
#include "debug/commands.h"
#include "debug/gdb_packets.h"
#include "debug/gdb_registers.h"
#include "lib/string.h"

static void gdb(struct arguments *arguments)
{
    (void)arguments;
    if (session_is_gdbs())
        return;
    say("the port is gdb's; Enter, pressed three times, brings the monitor back\n");
    session_talk_gdb(true);
}

/* The index of the first argument among the words; says what there is where it is none of them. */
static bool choose(const struct arguments *arguments, const char *const *words, unsigned count,
                   unsigned *index)
{
    for (*index = 0; arguments->count && *index < count; ++*index)
        if (!strcmp(arguments->words[0], words[*index]))
            return true;
    for (unsigned i = 0; i < count; i++)
        say(i ? ", %s" : "say one of: %s", words[i]);
    say("\n");
    return false;
}

static void choose_space(struct arguments *arguments)
{
    static const char *const words[] = {
        [GDB_SPACE_PRESENT] = "present",
        [GDB_SPACE_KERNEL] = "kernel",
        [GDB_SPACE_USER] = "user",
        [GDB_SPACE_PHYSICAL] = "phys",
    };
    unsigned space;
    if (choose(arguments, words, ARRAY_SIZE(words), &space))
        gdb_set_space((enum gdb_space)space);
}

static void choose_arch(struct arguments *arguments)
{
    static const char *const words[] = {
        [GDB_X86_64] = "x86-64", [GDB_I386] = "i386", [GDB_I8086] = "i8086"};
    unsigned architecture;
    if (!choose(arguments, words, ARRAY_SIZE(words), &architecture))
        return;
    gdb_set_architecture((enum gdb_architecture)architecture);
    say("told to the next gdb that connects\n");
}

const struct command command_gdb = {
    "gdb", "gdb", "give the port to gdb", gdb, true,
};
const struct command command_space = {
    "space", "space present|kernel|user|phys", "which memory gdb sees", choose_space, true,
};
const struct command command_arch = {
    "arch", "arch x86-64|i386|i8086", "which registers gdb is told", choose_arch, true,
};
