#include "drivers/serial/uart.h"

#include "base/bits.h"
#include "base/hw.h"
#include "drivers/serial/uart_registers.h"

#define BAUD_HIGHEST 115200
#define BAUD_LOWEST  50

/* A poll takes about a microsecond of the ISA bus, or some five instructions in an emulator that
 * counts them. 16 characters at 115200 take 1.4 ms, or 32,000 instructions; slower lines take
 * proportionally longer. At the most, a UART that has died costs some seconds, once. */
#define POLLS_PER_DIVISOR 100000u
#define POLLS_HIGHEST     4000000u
#define POLLS_BORROW      100000u

static uint8_t get(const struct uart *uart, enum uart_register index)
{
    return hw_in8((uint16_t)(uart->port + index));
}

static void set(const struct uart *uart, enum uart_register index, uint8_t value)
{
    hw_out8((uint16_t)(uart->port + index), value);
}

static uint32_t polls_for(uint16_t divisor)
{
    uint64_t polls = (divisor + 1ull) * POLLS_PER_DIVISOR;
    return (uint32_t)min_u64(polls, POLLS_HIGHEST);
}

static bool wait_for(struct uart *uart, uint8_t bits, uint32_t polls)
{
    uint16_t port = (uint16_t)(uart->port + UART_LSR);
    uint8_t status, seen = 0;

    do {
        status = hw_in8(port);
        seen |= status;
    } while ((status & bits) != bits && --polls != 0);
    uart->lost_status |= seen & LSR_ERRORS;
    return polls != 0;
}

static uint8_t without_dlab(uint8_t lcr) { return lcr & (uint8_t)~LCR_DLAB; }

static uint16_t read_divisor(const struct uart *uart, uint8_t lcr)
{
    set(uart, UART_LCR, lcr | LCR_DLAB);
    uint16_t divisor = (uint16_t)(get(uart, UART_DLL) | get(uart, UART_DLM) << 8);
    set(uart, UART_LCR, lcr);
    return divisor;
}

/* Sets LCR and the divisor. One that stays the same is not written, which would restart the bit
 * clock in the middle of a character that arrives. */
static void set_format(const struct uart *uart, uint8_t lcr, uint16_t old, uint16_t divisor)
{
    if (old != divisor) {
        set(uart, UART_LCR, lcr | LCR_DLAB);
        set(uart, UART_DLL, (uint8_t)divisor);
        set(uart, UART_DLM, (uint8_t)(divisor >> 8));
    }
    set(uart, UART_LCR, lcr);
}

/* Reads the state, and leaves DLAB 0 and interrupts off. With IER 0 no interrupt is pending, so
 * that reading IIR acknowledges none. False where nothing answers (the guest may turn the whole
 * device off). */
static bool save(const struct uart *uart, struct uart_saved *saved)
{
    saved->lcr = get(uart, UART_LCR);
    saved->divisor = read_divisor(uart, without_dlab(saved->lcr));
    saved->ier = get(uart, UART_IER);
    set(uart, UART_IER, 0);
    saved->mcr = get(uart, UART_MCR);
    uint8_t iir = get(uart, UART_IIR);
    saved->fifo_enabled = (iir & IIR_FIFO) == IIR_FIFO;
    return iir != UART_FLOATING;
}

/* The reverse of save and set_line. LCR comes last: where DLAB is to be set again, the register at
 * IER's offset is then another one. */
static void restore(const struct uart *uart, const struct uart_saved *saved)
{
    set_format(uart, without_dlab(saved->lcr), uart->divisor, saved->divisor);
    set(uart, UART_MCR, saved->mcr);
    set(uart, UART_IER, saved->ier);
    set(uart, UART_LCR, saved->lcr);
}

/* Our line settings. OUT2 connects the interrupt line on a PC, which must not float while it is the
 * guest's; loopback and automatic flow control would keep our bytes from leaving. */
static void set_line(const struct uart *uart, const struct uart_saved *saved)
{
    set_format(uart, LCR_8N1, saved->divisor, uart->divisor);
    set(uart, UART_MCR, (saved->mcr & (MCR_OUT1 | MCR_OUT2)) | MCR_DTR | MCR_RTS);
}

static bool scratch_holds(const struct uart *uart, uint8_t value)
{
    set(uart, UART_SCR, value);
    return get(uart, UART_SCR) == value;
}

/* Where nothing answers, reads float to ones and writes go nowhere; where something else answers,
 * the scratch register tells, and is put back. */
static bool registers_answer(const struct uart *uart)
{
    if (get(uart, UART_LSR) == UART_FLOATING || get(uart, UART_IIR) == UART_FLOATING)
        return false;
    uint8_t scratch = get(uart, UART_SCR);
    bool holds = scratch_holds(uart, 0x5A) && scratch_holds(uart, 0xA5);
    set(uart, UART_SCR, scratch);
    return holds;
}

/* In loopback the modem lines out are the modem lines in: RTS shows as CTS, OUT2 as DCD. */
static bool loopback_works(const struct uart *uart, uint8_t mcr)
{
    set(uart, UART_MCR, MCR_LOOP | MCR_RTS | MCR_OUT2);
    uint8_t lines = get(uart, UART_MSR) & MSR_LINES;
    set(uart, UART_MCR, mcr);
    return lines == (MSR_CTS | MSR_DCD);
}

/* Turning the FIFO on resets it; where it is on already, this keeps what was received. */
static void enable_fifo(struct uart *uart, uint8_t reset)
{
    set(uart, UART_FCR, FCR_ENABLE | reset);
    uart->has_fifo = (get(uart, UART_IIR) & IIR_FIFO) == IIR_FIFO;
    if (!uart->has_fifo)
        set(uart, UART_FCR, 0);
    uart->burst = uart->has_fifo ? UART_FIFO_BYTES : 1;
}

enum error uart_probe_and_init(struct uart *uart, uint16_t port, uint32_t baud)
{
    *uart = (struct uart){.port = port, .baud = baud, .burst = 1};
    if (port == 0 || port > UINT16_MAX - UART_SCR || baud < BAUD_LOWEST || baud > BAUD_HIGHEST)
        return ERROR_RANGE;
    uart->divisor = (uint16_t)(BAUD_HIGHEST / baud);
    if (!registers_answer(uart))
        return ERROR_NOT_FOUND;
    uart->present = save(uart, &uart->before) && loopback_works(uart, uart->before.mcr);
    if (!uart->present) {
        set(uart, UART_IER, uart->before.ier);
        set(uart, UART_LCR, uart->before.lcr);
        return ERROR_NOT_FOUND;
    }
    wait_for(uart, LSR_TEMT, polls_for(uart->before.divisor));
    set_line(uart, &uart->before);
    enable_fifo(uart, 0);
    return ERROR_NONE;
}

size_t uart_try_write(struct uart *uart, const char *text, size_t length)
{
    uint8_t status;
    if (!uart->present || uart->stuck)
        return 0;
    status = hw_in8((uint16_t)(uart->port + UART_LSR));
    uart->lost_status |= status & LSR_ERRORS;
    if ((status & LSR_THRE) == 0)
        return 0;
    if (length > uart->burst)
        length = uart->burst;
    for (size_t i = 0; i < length; i++)
        hw_out8((uint16_t)(uart->port + UART_THR), (uint8_t)text[i]);
    return length;
}

void uart_write(struct uart *uart, const char *text, size_t length)
{
    uint16_t port = (uint16_t)(uart->port + UART_THR);
    bool after_return = false; /* the CR of the LF at `i` is written */
    uint32_t polls = polls_for(uart->divisor);
    size_t i = 0;

    if (!uart->present)
        return;
    while (i < length && !uart->stuck) {
        uart->stuck = !wait_for(uart, LSR_THRE, polls);
        for (unsigned room = uart->stuck ? 0 : uart->burst; room != 0 && i < length; room--) {
            if (text[i] == '\n' && !after_return) {
                hw_out8(port, '\r');
                after_return = true;
                continue;
            }
            hw_out8(port, (uint8_t)text[i++]);
            after_return = false;
        }
    }
}

/* A BREAK is a byte of zeroes with an error of its own, and is looked at before its framing. */
int uart_try_read(struct uart *uart)
{
    if (!uart->present)
        return UART_NOTHING;
    for (unsigned i = 0; i < UART_FIFO_BYTES; i++) {
        uint8_t status = get(uart, UART_LSR);
        uart->lost_status |= status & LSR_ERRORS;
        if (!(status & LSR_DR) || status == UART_FLOATING)
            return UART_NOTHING;
        uint8_t byte = get(uart, UART_RBR);
        if (status & LSR_BREAK)
            return UART_BREAK;
        if (!(status & LSR_DAMAGED))
            return byte;
    }
    return UART_NOTHING;
}

bool uart_borrow(struct uart *uart, struct uart_saved *saved)
{
    if (!uart->present || uart->stuck || !wait_for(uart, LSR_TEMT, POLLS_BORROW))
        return false;
    if (!save(uart, saved)) /* then what save wrote went nowhere */
        return false;
    set_line(uart, saved);
    uart->burst = saved->fifo_enabled ? UART_FIFO_BYTES : 1;
    return true;
}

void uart_return(struct uart *uart, const struct uart_saved *saved)
{
    if (!uart->stuck)
        uart->stuck = !wait_for(uart, LSR_TEMT, polls_for(uart->divisor));
    restore(uart, saved);
}

void uart_release(struct uart *uart)
{
    if (!uart->present)
        return;
    uart_return(uart, &uart->before);
    if (uart->has_fifo && !uart->before.fifo_enabled)
        set(uart, UART_FCR, 0);
}

void uart_take(struct uart *uart)
{
    struct uart_saved found;

    if (!uart->present)
        return;
    save(uart, &found);
    wait_for(uart, LSR_TEMT, polls_for(found.divisor));
    set_line(uart, &found);
    enable_fifo(uart, FCR_RESET);
    uart->stuck = false;
}
