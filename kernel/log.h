/* The log: a lock-free ring, and the serial port that it is drained to (base/log.h has the calls
 * that write a line). Until the launch each line also goes out at once; afterwards the port is the
 * guest's, and the BSP alone borrows it for whole lines, a few a second, or nobody does
 * (`serial_after=panic`). */
#pragma once

#include "base/log.h"
#include "boot/options.h"
#include "drivers/serial/uart.h"
#include "lib/log_ring.h"

/* Before anything else: lines go to a small ring in the image, and nowhere else yet. */
void log_start(void);

/* Open the port that the options name, and print what the ring already holds. Says nothing where
 * the port is absent: there is no one to tell. */
void log_open_serial(const struct options *options);

/* Give the port what it takes at once. Steps of the boot that take long call it now and then. */
void log_pump(void);

/* Move to a larger ring, which keeps what the first one held. `records` is a power of two. */
void log_grow(struct log_record *buffer, uint64_t records);

/* The guest takes over the port, unless it is kept: it is put back as it was found. */
void log_release_serial(void);

/* A debugger talks on the port as well, which is kept from the guest (`keep`), or borrowed each
 * time. NULL: there is none. Boot, before the launch. */
struct uart *log_share_serial(bool keep);

/* Around its use after the launch: nobody else prints meanwhile. */
void log_enter_serial(void);
void log_leave_serial(void);

/* No lines go to a port that is kept: something else is spoken there. */
void log_hush(bool hush);

/* Whether lines wait, and the BSP is to come and fetch them. Cheap. */
bool log_has_lines(void);

/* The record of number *cursor, or the next that is left; *cursor moves behind it. False: there is
 * none yet. Any CPU. */
bool log_read(uint64_t *cursor, struct log_record *record);

/* Where log_read() finds the last `count` records. */
uint64_t log_last(uint64_t count);

#define LOG_LINE_BYTES (LOG_RECORD_TEXT + 48)

/* A record as a line that ends with CR and LF; its length. */
size_t log_render(char line[LOG_LINE_BYTES], const struct log_record *record);

/* The least important lines that are kept from now on; those before. */
enum log_level log_set_level(enum log_level level);

/* Borrow the port for at most one line, if it is due. Returns microseconds until the next one is, 0
 * where nothing waits. BSP only, root mode. */
uint64_t log_drain_line(void);

/* For a panic: take the port for good, and print without the ring. */
void log_take_serial(void);
void log_print(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Print the last `count` lines of the ring. Panic only. */
void log_print_last(uint64_t count);

/* Each line of a panic or refusal also goes there. */
void log_set_mirror(void (*write)(const char *text, size_t length));
