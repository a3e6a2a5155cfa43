/* A session: the guest stands still on all CPUs, and somebody at the port looks at it, by the
 * monitor (debug/monitor.h) or by gdb (debug/gdb.h), until it is to go on. It runs on the CPU whose
 * event stopped the guest, in root mode, and moves to another one that is to run alone. */
#pragma once

#include "boot/options.h"
#include "vmx/debugging.h"

/* Register with the mechanism, if the options name a port; `bios`: the guest has it. Before the
 * VMCSs are written; boot. */
void session_prepare(const struct options *options, uint32_t guest_cpus, bool bios);

/* The guest is about to be launched, on this CPU. */
void session_launch(void);

/* Why and where the guest stands still. */
struct session_stop {
    enum debug_why why;
    uint64_t detail;
    struct cpu *cpu;
};
const struct session_stop *session_stopped(void);

/* Whether the guest stands still now (a command may run while it does not). */
bool session_is_stopped(void);
uint32_t session_cpus(void); /* the guest's: 0 to this */

/* The words for a reason: "key", "step". */
const char *session_reason(enum debug_why why);

/* How the guest is to go on once the present command is done. `alone`: the other CPUs stand still
 * meanwhile. False: a CPU's state would be refused by VM entry, `why` says which and how. */
MUST_CHECK bool session_go_on(char *why, size_t size);
MUST_CHECK bool session_run_alone(struct cpu *cpu, char *why, size_t size);
MUST_CHECK bool session_step(struct cpu *cpu, bool alone, char *why, size_t size);

/* In ticks of the TSC: what the last stop took until all CPUs stood still; from the exit to the
 * session, with `exitcost`; and the last steps of the monitor's, all together. */
struct session_cost {
    uint64_t stop, exit, steps, steps_ticks, steps_since;
};
const struct session_cost *session_cost(void);

/* More than one step: the session is not opened before the last, or another event. */
void session_repeat_step(uint64_t count);

/* The port goes to gdb, or back to the monitor. */
void session_talk_gdb(bool gdb);
bool session_is_gdbs(void);
