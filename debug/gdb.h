/* gdb at the debugger's port: its remote serial protocol (GDB manual, appendix E). All-stop, each
 * CPU is a thread. What gdb set in the guest goes when it detaches, when another gdb comes, or when
 * somebody takes the port back at the terminal by pressing Enter three times. */
#pragma once

#include "base/types.h"

/* A session begins, with the port gdb's: it is told, if it waits for that. */
void gdb_stopped(void);

/* The machine ends, and `text` says how. A gdb that waits for a stop is told, and lets go. */
void gdb_end(const char *text, size_t length);

/* The next byte of the port, or UART_BREAK, while the port is gdb's. What a packet decides goes to
 * the session (debug/session.h). True, while the guest runs: it is to stop. */
bool gdb_feed(int byte);

/* Nothing has come for GDB_QUIET_US while the guest stands still. */
#define GDB_QUIET_US 3000
void gdb_quiet(void);

/* A step is done: is gdb to hear of it? Not in the middle of a range that it steps through. */
bool gdb_steps_on(void);
