/* A 16550 and its ancestors and copies, polled. Until the launch the line is ours; from then on it
 * is the guest's, and is either borrowed for a moment and put back, or taken for good by a panic.
 * Nothing here waits without a bound, which is counted in polls, or uses interrupts or memory.
 * One CPU at a time (the caller's lock). Source: National Semiconductor PC16550D data sheet,
 * section 8.0 Registers; the register numbers are offsets from the port.
 *
 * What the guest may notice of a borrowed line, because the hardware offers no way around it:
 * - polling LSR clears its error bits (overrun, parity, framing, break) and the line status
 *   interrupt: `lost_status` collects them for the caller;
 * - where it had the transmitter's interrupt on, it gets one more (never one less): IER going to 0
 *   and back raises it anew, since the transmitter is then empty;
 * - characters that arrive stay in the FIFO (RBR is never read), which may overrun meanwhile. */
#pragma once

#include "base/error.h"
#include "base/types.h"

/* What was found in the registers. FCR is write-only: this holds only what IIR shows of it. */
struct uart_saved {
    uint16_t divisor;
    uint8_t lcr, ier, mcr;
    bool fifo_enabled;
};

struct uart {
    uint16_t port;
    uint16_t divisor;
    uint32_t baud;
    bool present;
    bool has_fifo;       /* one of 16 bytes that works */
    bool stuck;          /* a wait of ours ran into its bound: skipped until uart_take */
    uint8_t burst;       /* bytes that may be written when the transmitter is empty */
    uint8_t lost_status; /* LSR's error bits that polling has cleared, for the caller to reset */
    struct uart_saved before; /* as uart_probe_and_init found it */
};

/* Looks for a UART at `port` and sets it up: `baud` (50 to 115200), 8n1, no interrupts, FIFO on.
 * ERROR_NOT_FOUND: none is there, and what answers instead has its registers back; ERROR_RANGE: a
 * port or baud rate that cannot be. `uart` may be used after an error: nothing is written then. */
MUST_CHECK enum error uart_probe_and_init(struct uart *uart, uint16_t port, uint32_t baud);

/* Once our last byte has left, puts back what uart_probe_and_init found, FIFO on or off included.
 */
void uart_release(struct uart *uart);

/* Writes `length` bytes, a CR before each LF. Nothing happens where the UART is absent or stuck. */
void uart_write(struct uart *uart, const char *text, size_t length);

/* Gives the transmitter what it takes at once, at most a FIFO's worth, and waits for nothing. The
 * bytes go out as they are: no CR is added. Returns how many; 0 where it is busy, absent or stuck.
 */
size_t uart_try_write(struct uart *uart, const char *text, size_t length);

/* What uart_try_read() gives besides a byte. */
#define UART_NOTHING (-1)
#define UART_BREAK   256 /* the line was held at 0 for longer than a character */

/* The next byte that has come, without waiting. Bytes with an error are dropped; how many came too
 * fast is not known. */
int uart_try_read(struct uart *uart);

/* Takes over the guest's line, whatever state it is in, after the guest's last byte has left.
 * False: absent, stuck, or still sending after 100,000 polls (about 0.1 s; nothing but LSR was
 * touched, try again later). After true, write and call uart_return. */
MUST_CHECK bool uart_borrow(struct uart *uart, struct uart_saved *saved);

/* Waits for our last byte to leave and puts everything back as uart_borrow found it. */
void uart_return(struct uart *uart, const struct uart_saved *saved);

/* For a panic: sets the line up afresh from any state, in the middle of a borrowing too, after a
 * bounded wait for what is still in the transmitter. A UART marked stuck gets another chance. */
void uart_take(struct uart *uart);
