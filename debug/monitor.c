#include "debug/monitor.h"

#include "base/bits.h"
#include "debug/breakpoints.h"
#include "debug/commands.h"
#include "debug/line.h"
#include "debug/port.h"
#include "debug/target.h"
#include "lib/format.h"
#include "lib/string.h"

#define SAY_BYTES 256

static struct cpu *current;
static struct line line;
static bool wants_stop;
static char prompt[24];
static void (*sink)(const char *text, size_t length) = port_write;

void say(const char *text, ...)
{
    char buffer[SAY_BYTES];
    va_list arguments;
    va_start(arguments, text);
    size_t length = vformat(buffer, sizeof(buffer), text, arguments);
    va_end(arguments);
    sink(buffer, min_u64(length, sizeof(buffer) - 1));
}

struct cpu *monitor_cpu(void) { return current; }
void monitor_set_cpu(struct cpu *cpu) { current = cpu; }

void monitor_ask_to_stop(void) { wants_stop = true; }

void monitor_complain(const struct arguments *arguments) { say("%s\n", arguments->error); }

bool monitor_cpu_argument(struct arguments *arguments, unsigned index, struct cpu **cpu)
{
    uint64_t number;
    *cpu = current;
    if (index >= arguments->count)
        return true;
    if (!arguments_number(arguments, index, "a CPU's number", &number)) {
        monitor_complain(arguments);
        return false;
    }
    if (number >= session_cpus()) {
        say("there is no cpu %s; the guest has cpu 0 to %u\n", arguments->words[index],
            session_cpus() - 1);
        return false;
    }
    *cpu = percpu_get((uint32_t)number);
    return true;
}

static bool read_register(const char *name, uint64_t *value)
{
    struct target_value both;
    unsigned number = target_register_find(name, strlen(name));
    if (number == TARGET_REGISTER_COUNT || !session_is_stopped() ||
        !target_get(current, number, 1, &both))
        return false;
    *value = both.low;
    return true;
}

static const struct command *find_command(const char *name)
{
    for (unsigned i = 0; i < command_count; i++)
        if (!strcmp(commands[i]->name, name))
            return commands[i];
    return NULL;
}

static void run(char *text)
{
    struct arguments arguments = {.read_register = read_register};
    if (!arguments_split(&arguments, text)) {
        monitor_complain(&arguments);
        return;
    }
    if (!*arguments.name)
        return;
    const struct command *command = find_command(arguments.name);
    if (!command)
        say("there is no command \"%s\"; \"help\" lists them\n", arguments.name);
    else if (!command->live && !session_is_stopped())
        say("\"%s\" wants the guest to stand still: \"stop\" first\n", command->name);
    else
        command->run(&arguments);
}

void monitor_run(char *text, void (*put)(const char *text, size_t length))
{
    sink = put;
    run(text);
    sink = port_write;
}

/* ---- the terminal ---- */

static const char *complete(const char *text, size_t start, unsigned index)
{
    (void)text;
    return start == 0 && index < command_count ? commands[index]->name : NULL;
}

static const struct line_sink terminal = {port_write_raw, complete};

void monitor_prompt(void)
{
    if (session_is_gdbs())
        return;
    if (session_is_stopped())
        format(prompt, sizeof(prompt), "cpu%u> ", current->number);
    else
        string_copy(prompt, sizeof(prompt), "running> ");
    line_begin(&line, prompt, &terminal);
}

void monitor_start(void)
{
    say("\nOrlop's monitor: \"help\" lists the commands, Ctrl-C stops the guest.\n");
    monitor_prompt();
}

void monitor_stopped(void)
{
    char mode[48];
    const struct session_stop *stop = session_stopped();
    target_mode(stop->cpu, mode, sizeof(mode));
    say("\ncpu%u: %s, %s, rip %016llx\n", stop->cpu->number,
        stop->why == DEBUG_WATCH && !watch_kind(stop->detail) ? "panic" : session_reason(stop->why),
        mode, (unsigned long long)target_word(stop->cpu, TARGET_rip));
}

/* Once the guest is to go on, the session shows the prompt itself. */
static enum monitor_next run_line(void)
{
    bool was_stopped = session_is_stopped();
    wants_stop = false;
    run(line.text);
    if (wants_stop)
        return MONITOR_STOP;
    if (session_is_stopped() == was_stopped)
        monitor_prompt();
    return MONITOR_MORE;
}

enum monitor_next monitor_feed(int byte)
{
    if (byte == UART_BREAK)
        return MONITOR_STOP;
    switch (line_feed(&line, (uint8_t)byte, &terminal)) {
    case LINE_DONE:
        return run_line();
    case LINE_PACKET:
        return MONITOR_GDB;
    case LINE_CANCEL:
        if (!session_is_stopped())
            return MONITOR_STOP;
        monitor_prompt();
        return MONITOR_MORE;
    default:
        return MONITOR_MORE;
    }
}
