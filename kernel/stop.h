/* The stop protocol: one CPU makes all others stand still, and lets them go again. Panic,
 * EPT changes, the debugger and unload use it.
 *
 *   requester                              target
 *   takes the request, raises generation
 *   sets ATTENTION_STOP, kicks by NMI      in the guest: exits; in root: the NMI sets attention
 *   waits, bounded                         looks before each VM entry, acknowledges, stands still
 *   ... does its work ...
 *   releases the generation                goes on
 *
 * A CPU in the guest's wait-for-SIPI state cannot be kicked (NMIs are blocked there). It publishes
 * that state, counts as stopped, and looks for a stop before it serves its SIPI. Left-out CPUs run
 * no guest and count as stopped. */
#pragma once

#include "kernel/percpu.h"

/* STOP_TYPES: each CPU writes its caches back before it acknowledges. */
enum stop_reason { STOP_PANIC, STOP_WORK, STOP_TYPES };

/* How many CPUs there are, 0 to count-1, all with slots. Set once when they are brought up. */
void stop_set_cpus(uint32_t count);
uint32_t stop_cpus(void);

/* Stop all other CPUs. Returns how many did not acknowledge within `bound_us`. If another CPU's
 * stop is under way, this CPU serves that one first. STOP_PANIC is never released. */
uint32_t stop_all(enum stop_reason reason, uint64_t bound_us);
void stop_release(void);

/* The CPU that holds the stop, or NULL. It may run its guest while the others stand still. Within
 * that, stop_all() and stop_release() do nothing: all stand still already. */
struct cpu *stop_holder(void);

/* With the stop held: have a CPU run `errand`, and wait. False: it stands where it cannot, in
 * wait-for-SIPI for one, or has not begun within a second, and never will: `argument` may be on
 * the stack. On the holder itself it just runs. */
MUST_CHECK bool stop_run_on(struct cpu *cpu, void (*errand)(void *argument), void *argument);

/* Make another CPU, which has stopped, the holder: it leaves stop_serve(), while this one stands
 * still with the others, and comes back when it is let go, or is made the holder again. */
void stop_hand_over(struct cpu *to);

/* One of the CPUs that did not acknowledge the last stop_all(). */
uint32_t stop_running_cpu(void);

/* Counts the stops: odd while one is in force, even between two. */
uint64_t stop_generation(void);

/* Has this CPU acknowledged the present stop, or does it count as stopped? */
bool stop_has_stopped(const struct cpu *cpu);

/* Called by a CPU before it enters its guest, and before it serves a SIPI, when attention says so.
 */
void stop_serve(struct cpu *cpu);

/* From the NMI handler in root mode: a panic's stop is obeyed on the spot. */
void stop_serve_in_nmi(struct cpu *cpu);

/* Make one CPU look at its attention soon, if its local APIC is on. */
void stop_kick(struct cpu *cpu);

/* This CPU's guest has switched its local APIC on: a kick that was sent before is lost. */
void stop_apic_on(struct cpu *cpu);

/* Publish a state, so that a requester that reads it afterwards, or this CPU, sees the other's. */
void stop_publish(struct cpu *cpu, enum percpu_state state);
