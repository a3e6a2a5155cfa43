/* The panic port (defined in kernel/panic.c): kind one of docs/design.md, we are wrong. Takes
 * the serial line, stops every CPU, prints registers, backtrace, VMCS, last exits and log, then
 * does what `on_stop` says. Any CPU, any context. No byte from guest or firmware may reach it. */
#pragma once

_Noreturn void panic(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* An invariant of ours. The condition is printed as written. */
#define ASSERT(condition)                                                                          \
    do {                                                                                           \
        if (__builtin_expect(!(condition), 0))                                                     \
            panic("%s:%d: broken invariant: %s", __FILE__, __LINE__, #condition);                  \
    } while (0)
