/* The debugger's serial port. One user at a time: the CPU that holds the stop, or the one that
 * looks while the guest runs. */
#pragma once

#include "drivers/serial/uart.h"

/* Open a UART of the debugger's own. Boot only. */
MUST_CHECK enum error port_open(uint16_t port, uint32_t baud);

/* Or talk on the log's: kept from the guest, or borrowed each time. Boot only. */
MUST_CHECK enum error port_share(bool keep);

/* False: the log goes there too. */
bool port_is_own(void);

/* Around a session, and around a look while the guest runs: a port that is shared with the guest is
 * borrowed and given back. */
void port_enter(void);
void port_leave(void);

/* The next byte, UART_BREAK or UART_NOTHING. Waits for nothing. */
int port_get(void);

/* Text, with a CR before each LF; or bytes as they are. */
void port_write(const char *text, size_t length);
void port_write_raw(const char *bytes, size_t length);
