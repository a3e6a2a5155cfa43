/* The upcalls of base/ for unit tests: log lines go to stderr, a panic ends the program. */
#include "base/log.h"
#include "base/panic.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void log_line(enum log_level level, const char *area, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fprintf(stderr, "log %d %s: ", (int)level, area);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
}

_Noreturn void panic(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fprintf(stderr, "panic: ");
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    abort();
}
