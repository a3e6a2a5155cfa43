/* The monitor: commands typed at the debugger's port, or sent by gdb's `monitor`. One table of
 * commands (debug/commands.h); each says what it is for, and whether it may be used while the guest
 * runs. */
#pragma once

#include "debug/arguments.h"
#include "debug/session.h"

struct command {
    const char *name, *usage, *help;
    void (*run)(struct arguments *arguments);
    bool live; /* may be used while the guest runs */
};

/* To whoever asked. */
void say(const char *text, ...) __attribute__((format(printf, 1, 2)));

/* The CPU that commands are about, `cpu N`. */
struct cpu *monitor_cpu(void);
void monitor_set_cpu(struct cpu *cpu);

/* The CPU that the word of that index names, monitor_cpu() where there is no such word. False: none
 * of the guest's; told. */
MUST_CHECK bool monitor_cpu_argument(struct arguments *arguments, unsigned index, struct cpu **cpu);

/* Say what is wrong with the arguments. */
void monitor_complain(const struct arguments *arguments);

/* The terminal's side. */
void monitor_start(void);       /* at launch: the first prompt */
void monitor_stopped(void);     /* a session begins: say where */
void monitor_prompt(void);      /* a line may be typed */
void monitor_ask_to_stop(void); /* once the present command is done */
enum monitor_next { MONITOR_MORE, MONITOR_STOP, MONITOR_GDB };
enum monitor_next monitor_feed(int byte); /* of the port's; MONITOR_STOP: break in */

/* One command from elsewhere: what it says goes to `put`. */
void monitor_run(char *line, void (*put)(const char *text, size_t length));
