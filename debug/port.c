#include "debug/port.h"

#include "kernel/log.h"

/* As many looks as a line of 50 baud needs for a FIFO's worth, above a slow host too: seconds. */
#define PATIENCE 4000000u

static struct uart own;
static struct uart *uart = &own;

enum error port_open(uint16_t port, uint32_t baud) { return uart_probe_and_init(&own, port, baud); }

enum error port_share(bool keep)
{
    uart = log_share_serial(keep);
    return uart ? ERROR_NONE : ERROR_NOT_FOUND;
}

bool port_is_own(void) { return uart == &own; }

void port_enter(void)
{
    if (uart != &own)
        log_enter_serial();
}

void port_leave(void)
{
    if (uart != &own)
        log_leave_serial();
}

int port_get(void) { return uart_try_read(uart); }
void port_write(const char *text, size_t length) { uart_write(uart, text, length); }

void port_write_raw(const char *bytes, size_t length)
{
    uint32_t idle = 0;
    while (length && idle < PATIENCE) {
        size_t done = uart_try_write(uart, bytes, length);
        bytes += done;
        length -= done;
        idle = done ? 0 : idle + 1;
    }
}
