/* The log port: declared here, defined in kernel/log.c, joined by the linker (unit tests bring
 * their own, tests/unit/fake/log.c). A line is `[seconds.microseconds] cpuN area: text`; the text
 * carries no newline. Any CPU, any context (NMI and #MC handlers too): a line goes into the
 * lock-free ring, and only before the launch also to the serial port. Never called between an INIT
 * exit and re-entry. */
#pragma once

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };

void log_line(enum log_level level, const char *area, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#define log_error(area, ...) log_line(LOG_ERROR, area, __VA_ARGS__)
#define log_warn(area, ...)  log_line(LOG_WARN, area, __VA_ARGS__)
#define log_info(area, ...)  log_line(LOG_INFO, area, __VA_ARGS__)
#define log_debug(area, ...) log_line(LOG_DEBUG, area, __VA_ARGS__)
