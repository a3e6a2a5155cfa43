/* The registers of a 16550, as offsets from its port, and their bits. Constants alone. Source:
 * National Semiconductor PC16550D data sheet, section 8.0 Registers. */
#pragma once

#define UART_PORTS 8

enum uart_register {
    UART_THR = 0, /* write */
    UART_RBR = 0, /* read; on the guest's line that would eat its input */
    UART_DLL = 0, /* with LCR_DLAB */
    UART_IER = 1,
    UART_DLM = 1, /* with LCR_DLAB */
    UART_IIR = 2, /* read */
    UART_FCR = 2, /* write */
    UART_LCR = 3,
    UART_MCR = 4,
    UART_LSR = 5,
    UART_MSR = 6,
    UART_SCR = 7,
};

#define IER_RECEIVED    0x01
#define IER_THRE        0x02
#define FCR_ENABLE      0x01
#define FCR_RESET_INPUT 0x02
#define FCR_RESET       0x06 /* both FIFOs */
#define IIR_NONE        0x01 /* no interrupt is pending */
#define IIR_THRE        0x02
#define IIR_RECEIVED    0x04
#define IIR_PENDING     0x0F
#define IIR_FIFO        0xC0 /* both bits: the FIFOs are on; the 16550 before the A had one */
#define LCR_8N1         0x03
#define LCR_DLAB        0x80
#define MCR_DTR         0x01
#define MCR_RTS         0x02
#define MCR_OUT1        0x04
#define MCR_OUT2        0x08
#define MCR_LOOP        0x10
#define MSR_CTS         0x10
#define MSR_DCD         0x80
#define MSR_LINES       0xF0
#define LSR_DR          0x01
#define LSR_OVERRUN     0x02
#define LSR_DAMAGED     0x0C /* the byte that is next: parity, framing */
#define LSR_BREAK       0x10
#define LSR_ERRORS      0x1E
#define LSR_THRE        0x20
#define LSR_TEMT        0x40
#define UART_FIFO_BYTES 16
#define UART_FLOATING   0xFF /* where nothing answers */
