/* What ends a run: a panic (we are wrong), a refusal (the machine is unsuitable), or the guest's
 * triple fault. All three go to the serial port and the text screen, then do what `on_stop` says.
 */
#pragma once

#include "base/panic.h"
#include "boot/options.h"
#include "kernel/percpu.h"
#include "kernel/power.h"
#include "kernel/traps.h"

/* Before the first fault can happen: how to end. `power` tells how to reset and to switch off. */
void panic_set_ending(const struct options *options, const struct power *power);

/* vmx/ knows the VMCS, the registers of the guest and the last exits; panic calls it for each CPU.
 * `is_self`: the VMCS is current on this CPU, so its fields can be read. */
void panic_set_dump(void (*dump)(struct cpu *cpu, bool is_self));

/* The text screen, if the machine is in a text mode: 80x25 cells at `cells`. */
void panic_set_screen(void *cells, uint32_t columns, uint32_t rows);

/* Who else is told how the run ends, once the report is complete: `kind` and one sentence. It runs
 * on the CPU that reports, all others stand still; a fault in it is the last. */
void panic_set_listener(void (*hear)(const char *kind, const char *sentence));

/* A fault inside Orlop. */
_Noreturn void panic_trap(const struct trap_frame *frame);

/* One sentence: what is missing, where, and what to do. */
_Noreturn void refuse(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The guest came to its end by its own fault: `text` says how; the dump shows its processor. */
_Noreturn void stop_guest(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Ends the run by a reset or by a power-off, as somebody has asked for: `why` says who or what. */
_Noreturn void reset_machine(const char *why);
_Noreturn void switch_off(const char *why);

/* The end of a run that did what it was asked to, without a guest. */
_Noreturn void finish(const char *format, ...) __attribute__((format(printf, 1, 2)));
