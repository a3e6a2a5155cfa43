#include "guest/watched_uart.h"

#include "base/hw.h"
#include "drivers/serial/uart_registers.h"

static uint8_t get(const struct watched_uart *w, enum uart_register index)
{
    return hw_in8((uint16_t)(w->port + index));
}

static void set(const struct watched_uart *w, enum uart_register index, uint8_t value)
{
    hw_out8((uint16_t)(w->port + index), value);
}

/* What reading clears is kept for the guest. */
static uint8_t get_status(struct watched_uart *w)
{
    uint8_t status = get(w, UART_LSR);
    if (status == UART_FLOATING)
        return 0;
    w->status |= status & LSR_ERRORS;
    return status;
}

void watched_hold(struct watched_uart *w, uint8_t byte)
{
    if (w->count == WATCHED_HOLDS) {
        w->status |= LSR_OVERRUN;
        return;
    }
    w->held[(w->first + w->count++) % WATCHED_HOLDS] = byte;
}

static uint8_t give(struct watched_uart *w)
{
    uint8_t byte = w->held[w->first];
    w->first = (w->first + 1) % WATCHED_HOLDS;
    w->count--;
    return byte;
}

static bool is_key(const struct watched_uart *w, uint8_t byte, uint8_t status)
{
    return byte == w->key && (status & LSR_DR) && !(status & (LSR_DAMAGED | LSR_BREAK)) &&
           !(get(w, UART_MCR) & MCR_LOOP);
}

/* Without a look at LSR an empty receiver's last byte would be taken for another one. */
static bool read_data(struct watched_uart *w, uint8_t *byte)
{
    w->looks = 0;
    if (w->count) {
        *byte = give(w);
        return false;
    }
    uint8_t status = get_status(w);
    *byte = get(w, UART_RBR);
    if (!is_key(w, *byte, status))
        return false;
    *byte = 0;
    return true;
}

/* Give the guest its own IER back. */
static void calm(struct watched_uart *w)
{
    if (w->roused)
        set(w, UART_IER, w->ier);
    w->roused = false;
}

/* A byte that was taken away asks for no interrupt any more. The transmitter's, which comes
 * whenever it is switched on while there is nothing to send, calls the guest in its place, until it
 * has asked IIR what for. */
static void rouse(struct watched_uart *w)
{
    if (!w->roused)
        w->ier = get(w, UART_IER);
    if (!(w->ier & IER_RECEIVED))
        return;
    set(w, UART_IER, w->ier & (uint8_t)~IER_THRE);
    set(w, UART_IER, w->ier | IER_THRE);
    w->roused = true;
}

static uint8_t read_iir(struct watched_uart *w)
{
    uint8_t iir = get(w, UART_IIR), why = iir & IIR_PENDING;
    uint8_t ier = w->roused ? w->ier : get(w, UART_IER);
    bool ours = w->roused && why == IIR_THRE && !(ier & IER_THRE);
    calm(w);
    if (why != IIR_NONE && !ours)
        return iir;
    bool asks = w->count && (ier & IER_RECEIVED);
    return (iir & (uint8_t)~IIR_PENDING) | (asks ? IIR_RECEIVED : IIR_NONE);
}

bool watched_read(struct watched_uart *w, uint16_t port, uint8_t *byte)
{
    uint16_t offset = port - w->port;
    bool latch = get(w, UART_LCR) & LCR_DLAB; /* of the divisor, at 0 and 1 */
    if (offset == UART_RBR && !latch)
        return read_data(w, byte);
    if (offset == UART_IIR) {
        *byte = read_iir(w);
        return false;
    }
    *byte = get(w, offset);
    if (offset == UART_IER && !latch && w->roused)
        *byte = w->ier;
    if (offset == UART_LSR) {
        *byte |= w->status | (w->count ? LSR_DR : 0);
        w->status = 0;
    }
    return false;
}

void watched_write(struct watched_uart *w, uint16_t port, uint8_t byte)
{
    uint16_t offset = port - w->port;
    if (offset == UART_FCR && (byte & FCR_RESET_INPUT))
        w->count = 0;
    if (offset == UART_IER && !(get(w, UART_LCR) & LCR_DLAB))
        w->roused = false;
    set(w, offset, byte);
}

/* All that waits, for nobody reads it. True: it was the key, or a BREAK that the guest has not
 * seen. */
static bool take(struct watched_uart *w, uint8_t status)
{
    status |= w->status & LSR_BREAK;
    for (unsigned i = 0; i < UART_FIFO_BYTES && (status & LSR_DR); i++) {
        uint8_t byte = get(w, UART_RBR);
        if (status & LSR_BREAK) {
            w->status &= (uint8_t) ~(LSR_BREAK | LSR_DAMAGED);
            return true;
        }
        if (is_key(w, byte, status))
            return true;
        watched_hold(w, byte);
        status = get_status(w);
    }
    return false;
}

enum watched_seen watched_look(struct watched_uart *w)
{
    if ((get(w, UART_LCR) & LCR_DLAB) || (get(w, UART_MCR) & MCR_LOOP))
        return WATCHED_NOTHING;
    uint8_t status = get_status(w);
    if (!(status & LSR_DR))
        w->looks = w->count ? w->looks : 0;
    else if (w->looks < WATCHED_LOOKS)
        w->looks++;
    bool takes = w->looks == WATCHED_LOOKS;
    if ((takes || w->status) && !w->answers)
        return WATCHED_MUST_ANSWER;
    if (takes && take(w, status))
        return WATCHED_BREAKS_IN;
    if (w->count)
        rouse(w);
    else
        calm(w);
    return w->answers && !w->count && !w->status ? WATCHED_MAY_REST : WATCHED_NOTHING;
}
