/* with: drivers/serial/uart.c */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hw.h"
#include "drivers/serial/uart.h"

#define SEED 20260404u
#define PORT 0x3F8

/* A model of the 16550. Every access takes one tick; a character takes four times the divisor. */
enum kind { ABSENT, FULL_16550A, NO_FIFO, BROKEN_FIFO, JUST_MEMORY, READ_ONLY, DEAD_LOOPBACK };

static struct {
    enum kind kind;
    uint8_t ier, lcr, mcr, scr, memory[8];
    uint16_t divisor;
    bool fifo_on;
    uint8_t queue[16]; /* behind the shift register */
    unsigned queued, received, ticks_left;
    struct {
        uint8_t byte, errors;
    } input[17];           /* the first `received` wait to be read */
    bool shifting, frozen; /* frozen: nothing leaves any more */
    uint8_t shift;
    uint16_t shift_divisor;
    uint8_t shift_lcr;
    bool thre_pending;
    uint8_t errors; /* LSR's, until it is read */
    unsigned accesses, input_reads, fcr_writes, divisor_writes, lost, garbled;
    unsigned writes[8];
    char sent[4096];
    struct {
        uint16_t divisor;
        uint8_t lcr;
    } sent_as[4096];
    size_t sent_count;
} u;

static unsigned below(unsigned limit) { return (unsigned)rand() % limit; }

static void shift_next(void)
{
    if (u.shifting || u.queued == 0 || u.divisor == 0)
        return;
    u.shift = u.queue[0];
    memmove(u.queue, u.queue + 1, --u.queued);
    u.shifting = true;
    u.shift_divisor = u.divisor;
    u.shift_lcr = u.lcr & 0x7F;
    u.ticks_left = 4u * u.divisor;
    if (u.queued == 0)
        u.thre_pending = true;
}

static void tick(void)
{
    u.accesses++;
    if (u.frozen)
        return;
    shift_next();
    if (!u.shifting || --u.ticks_left != 0)
        return;
    u.shifting = false;
    if (u.shift_divisor != u.divisor || u.shift_lcr != (u.lcr & 0x7F))
        u.garbled++;
    if ((u.mcr & 0x10) == 0) {
        assert_true(u.sent_count < sizeof(u.sent));
        u.sent_as[u.sent_count].divisor = u.shift_divisor;
        u.sent_as[u.sent_count].lcr = u.shift_lcr;
        u.sent[u.sent_count++] = (char)u.shift;
    }
    shift_next();
}

static void transmit(uint8_t value)
{
    if (u.queued == (u.fifo_on ? 16 : 1)) {
        u.lost++;
        return;
    }
    u.queue[u.queued++] = value;
    u.thre_pending = false;
    if (!u.frozen)
        shift_next();
}

static uint8_t read_iir(void)
{
    uint8_t fifo = u.fifo_on ? (u.kind == BROKEN_FIFO ? 0x80 : 0xC0) : 0;
    if ((u.ier & 2) == 0 || !u.thre_pending)
        return fifo | 1;
    u.thre_pending = false;
    return fifo | 2;
}

static uint8_t read_rbr(void)
{
    uint8_t byte = u.input[0].byte;
    u.input_reads++;
    if (u.received) {
        u.received--;
        memmove(&u.input[0], &u.input[1], sizeof(u.input) - sizeof(u.input[0]));
    }
    return byte;
}

static uint8_t read_lsr(void)
{
    uint8_t value = (u.queued == 0 ? 0x20 : 0) | (u.queued == 0 && !u.shifting ? 0x40 : 0) |
                    (u.received != 0 ? 1 : 0) | u.errors |
                    (u.received != 0 ? u.input[0].errors : 0);
    u.errors = 0;
    u.input[0].errors = 0;
    return value;
}

/* In loopback the outputs are the inputs; else a terminal holds CTS, DSR and DCD. */
static uint8_t read_msr(void)
{
    if ((u.mcr & 0x10) == 0 || u.kind == DEAD_LOOPBACK)
        return 0xB0;
    return (uint8_t)((u.mcr & 2) << 3 | (u.mcr & 1) << 5 | (u.mcr & 0xC) << 4);
}

uint32_t fake_in(uint16_t port, unsigned bytes)
{
    bool dlab = (u.lcr & 0x80) != 0;
    assert_int_equal(bytes, 1);
    assert_in_range(port, PORT, PORT + 7);
    tick();
    if (u.kind == ABSENT)
        return 0xFF;
    if (u.kind == JUST_MEMORY || u.kind == READ_ONLY)
        return u.memory[port - PORT];
    switch (port - PORT) {
    case 0:
        return dlab ? u.divisor & 0xFF : read_rbr();
    case 1:
        return dlab ? u.divisor >> 8 : u.ier;
    case 2:
        return read_iir();
    case 3:
        return u.lcr;
    case 4:
        return u.mcr;
    case 5:
        return read_lsr();
    case 6:
        return read_msr();
    default:
        return u.scr;
    }
}

static void write_ier(uint8_t value)
{
    if ((value & 2) != 0 && (u.ier & 2) == 0 && u.queued == 0)
        u.thre_pending = true;
    u.ier = value & 0x0F;
}

static void write_fcr(uint8_t value)
{
    u.fcr_writes++;
    if (u.kind == NO_FIFO)
        return;
    if (u.fifo_on != (value & 1) || (value & 2) != 0)
        u.received = 0;
    if (u.fifo_on != (value & 1) || (value & 4) != 0)
        u.queued = 0;
    u.fifo_on = value & 1;
}

static void write_divisor(uint16_t divisor)
{
    u.divisor = divisor;
    u.divisor_writes++;
}

void fake_out(uint16_t port, uint32_t value, unsigned bytes)
{
    bool dlab = (u.lcr & 0x80) != 0;
    assert_int_equal(bytes, 1);
    assert_in_range(port, PORT, PORT + 7);
    tick();
    u.writes[port - PORT]++;
    if (u.kind == JUST_MEMORY)
        u.memory[port - PORT] = (uint8_t)value;
    if (u.kind == ABSENT || u.kind == JUST_MEMORY || u.kind == READ_ONLY)
        return;
    switch (port - PORT) {
    case 0:
        if (dlab)
            write_divisor((uint16_t)((u.divisor & 0xFF00) | value));
        else
            transmit((uint8_t)value);
        break;
    case 1:
        if (dlab)
            write_divisor((uint16_t)((u.divisor & 0xFF) | value << 8));
        else
            write_ier((uint8_t)value);
        break;
    case 2:
        write_fcr((uint8_t)value);
        break;
    case 3:
        u.lcr = (uint8_t)value;
        break;
    case 4:
        u.mcr = (uint8_t)value;
        break;
    case 7:
        u.scr = (uint8_t)value;
        break;
    }
}

/* A UART as a reset leaves it, but for a divisor. */
static void plug_in(enum kind kind)
{
    memset(&u, 0, sizeof(u));
    u.kind = kind;
    u.divisor = 12;
}

static void let_time_pass(void)
{
    for (unsigned i = 0; i < 10000000 && (u.queued != 0 || u.shifting); i++)
        tick();
}

static void expect_sent(size_t from, const char *text, uint16_t divisor, uint8_t lcr)
{
    let_time_pass();
    assert_int_equal(u.sent_count - from, strlen(text));
    assert_memory_equal(u.sent + from, text, strlen(text));
    for (size_t i = from; i < u.sent_count; i++) {
        assert_int_equal(u.sent_as[i].divisor, divisor);
        assert_int_equal(u.sent_as[i].lcr, lcr);
    }
    assert_int_equal(u.lost, 0);
    assert_int_equal(u.garbled, 0);
}

static struct uart set_up(enum kind kind, uint32_t baud)
{
    struct uart uart;
    plug_in(kind);
    assert_int_equal(uart_probe_and_init(&uart, PORT, baud), ERROR_NONE);
    assert_true(uart.present);
    return uart;
}

static void an_absent_uart_is_told_and_then_left_alone(void **state)
{
    (void)state;
    struct uart uart;
    struct uart_saved saved;
    plug_in(ABSENT);
    assert_int_equal(uart_probe_and_init(&uart, PORT, 115200), ERROR_NOT_FOUND);
    assert_in_range(u.accesses, 1, 20);
    for (int i = 0; i < 8; i++)
        assert_int_equal(u.writes[i], 0);
    unsigned accesses = u.accesses;
    uart_write(&uart, "text\n", 5);
    assert_false(uart_borrow(&uart, &saved));
    uart_take(&uart);
    uart_release(&uart);
    uart_write(&uart, "text\n", 5);
    assert_int_equal(u.accesses, accesses);
}

static void memory_in_its_place_is_no_uart_and_keeps_its_contents(void **state)
{
    (void)state;
    for (int round = 0; round < 2000; round++) {
        struct uart uart;
        uint8_t before[8];
        plug_in(JUST_MEMORY);
        for (int i = 0; i < 8; i++)
            u.memory[i] = before[i] = (uint8_t)rand();
        u.memory[6] = before[6] &= 0x6F; /* memory may happen to hold the answer */
        assert_int_equal(uart_probe_and_init(&uart, PORT, 115200), ERROR_NOT_FOUND);
        assert_memory_equal(u.memory, before, sizeof(before));
    }
}

static void what_only_reads_is_no_uart_and_only_its_scratch_register_is_written(void **state)
{
    (void)state;
    struct uart uart;
    plug_in(READ_ONLY);
    memset(u.memory, 0x90, sizeof(u.memory)); /* what loopback would answer */
    assert_int_equal(uart_probe_and_init(&uart, PORT, 115200), ERROR_NOT_FOUND);
    for (int i = 0; i < 7; i++)
        assert_int_equal(u.writes[i], 0);
}

static void a_uart_without_working_loopback_is_refused_and_put_back(void **state)
{
    (void)state;
    struct uart uart;
    plug_in(DEAD_LOOPBACK);
    u.ier = 5;
    u.lcr = 0x9A;
    u.mcr = 0x0B;
    u.scr = 0x77;
    assert_int_equal(uart_probe_and_init(&uart, PORT, 115200), ERROR_NOT_FOUND);
    assert_int_equal(u.ier, 5);
    assert_int_equal(u.lcr, 0x9A);
    assert_int_equal(u.mcr, 0x0B);
    assert_int_equal(u.scr, 0x77);
    assert_int_equal(u.divisor, 12);
    assert_int_equal(u.fcr_writes, 0);
}

static void impossible_ports_and_speeds_are_refused_untouched(void **state)
{
    (void)state;
    struct uart uart;
    plug_in(FULL_16550A);
    assert_int_equal(uart_probe_and_init(&uart, 0, 115200), ERROR_RANGE);
    assert_int_equal(uart_probe_and_init(&uart, 0xFFF9, 115200), ERROR_RANGE);
    assert_int_equal(uart_probe_and_init(&uart, PORT, 0), ERROR_RANGE);
    assert_int_equal(uart_probe_and_init(&uart, PORT, 49), ERROR_RANGE);
    assert_int_equal(uart_probe_and_init(&uart, PORT, 115201), ERROR_RANGE);
    uart_write(&uart, "text", 4);
    assert_int_equal(u.accesses, 0);
}

static void a_uart_is_set_up(void **state)
{
    (void)state;
    static const uint32_t bauds[] = {115200, 57600, 38400, 9600, 300, 50};
    for (size_t i = 0; i < 6; i++) {
        struct uart uart = set_up(FULL_16550A, bauds[i]);
        assert_true(uart.has_fifo);
        assert_true(u.fifo_on);
        assert_int_equal(u.divisor, 115200 / bauds[i]);
        assert_int_equal(u.lcr, 3);
        assert_int_equal(u.ier, 0);
        assert_int_equal(u.mcr, 3);
        assert_int_equal(u.input_reads, 0);
    }
    struct uart without = set_up(NO_FIFO, 115200);
    assert_false(without.has_fifo);
    struct uart broken = set_up(BROKEN_FIFO, 115200);
    assert_false(broken.has_fifo);
    assert_false(u.fifo_on);
}

static void what_the_firmware_sends_is_let_out_before_and_its_state_put_back_after(void **state)
{
    (void)state;
    for (int fifo = 0; fifo < 2; fifo++) {
        struct uart uart;
        plug_in(FULL_16550A);
        u.ier = 5;
        u.lcr = 0x1A;
        u.mcr = 0x0B;
        u.scr = 0x77;
        u.fifo_on = fifo != 0;
        u.received = 3;
        for (const char *c = fifo ? "firmware" : "f"; *c != '\0'; c++)
            transmit((uint8_t)*c);
        assert_int_equal(uart_probe_and_init(&uart, PORT, 115200), ERROR_NONE);
        expect_sent(0, fifo ? "firmware" : "f", 12, 0x1A);
        size_t from = u.sent_count;
        uart_write(&uart, "ours", 4);
        uart_release(&uart);
        expect_sent(from, "ours", 1, 3);
        assert_int_equal(u.ier, 5);
        assert_int_equal(u.lcr, 0x1A);
        assert_int_equal(u.mcr, 0x0B);
        assert_int_equal(u.scr, 0x77);
        assert_int_equal(u.divisor, 12);
        assert_int_equal(u.fifo_on, fifo != 0);
        assert_int_equal(u.received, fifo ? 3 : 0); /* turning the FIFO on empties it */
    }
}

static void receive(uint8_t byte, uint8_t errors)
{
    u.input[u.received].byte = byte;
    u.input[u.received++].errors = errors;
}

static void what_comes_is_read_once_and_in_order(void **state)
{
    (void)state;
    struct uart uart;
    plug_in(FULL_16550A);
    assert_int_equal(uart_probe_and_init(&uart, PORT, 115200), ERROR_NONE);
    assert_int_equal(uart_try_read(&uart), UART_NOTHING);
    receive('a', 0);
    receive(0xFF, 0x02); /* one before it was lost */
    receive('x', 0x04);  /* parity: dropped */
    receive('x', 0x08);  /* framing: dropped */
    receive('b', 0);
    receive(0, 0x18);
    receive('c', 0);
    assert_int_equal(uart_try_read(&uart), 'a');
    assert_int_equal(uart_try_read(&uart), 0xFF);
    assert_int_equal(uart_try_read(&uart), 'b');
    assert_int_equal(uart_try_read(&uart), UART_BREAK);
    assert_int_equal(uart_try_read(&uart), 'c');
    assert_int_equal(uart_try_read(&uart), UART_NOTHING);
    assert_int_equal(uart.lost_status, 0x1E);
    assert_int_equal(u.input_reads, 7);
}

static void nothing_comes_from_a_line_that_is_not_there(void **state)
{
    (void)state;
    struct uart uart;
    plug_in(ABSENT);
    assert_int_equal(uart_probe_and_init(&uart, PORT, 115200), ERROR_NOT_FOUND);
    assert_int_equal(uart_try_read(&uart), UART_NOTHING);
    plug_in(FULL_16550A);
    assert_int_equal(uart_probe_and_init(&uart, PORT, 115200), ERROR_NONE);
    u.kind = ABSENT; /* switched off later: all bits are ones, for ever */
    assert_int_equal(uart_try_read(&uart), UART_NOTHING);
    assert_int_equal(u.input_reads, 0);
}

static void every_byte_leaves_in_order_with_cr_before_lf(void **state)
{
    (void)state;
    for (int round = 0; round < 300; round++) {
        struct uart uart = set_up(below(2) ? FULL_16550A : NO_FIFO, below(2) ? 115200 : 38400);
        char text[100], expected[201], *out = expected;
        size_t length = below(sizeof(text) + 1);
        for (size_t i = 0; i < length; i++) {
            text[i] = "ab\n\r"[below(4)];
            if (text[i] == '\n')
                *out++ = '\r';
            *out++ = text[i];
        }
        *out = '\0';
        size_t cut = below((unsigned)length + 1); /* two writes are as one */
        uart_write(&uart, text, cut);
        uart_write(&uart, text + cut, length - cut);
        assert_false(uart.stuck);
        expect_sent(0, expected, uart.divisor, 3);
        assert_int_equal(u.input_reads, 0);
    }
}

static void the_fifo_is_filled_at_each_poll_that_finds_it_empty(void **state)
{
    (void)state;
    struct uart uart = set_up(FULL_16550A, 115200);
    unsigned before = u.accesses;
    uart_write(&uart, "0123456789ABCDEF", 16);
    assert_int_equal(u.accesses - before, 17);
}

/* Fed in passing until all is out; every refusal costs one look, and no byte is lost or doubled. */
static void what_the_transmitter_takes_at_once_is_all_that_is_written(void **state)
{
    (void)state;
    for (int round = 0; round < 200; round++) {
        struct uart uart = set_up(below(2) ? FULL_16550A : NO_FIFO, 115200);
        char text[100];
        size_t length = 1 + below(sizeof(text) - 1), done = 0;
        for (size_t i = 0; i < length; i++)
            text[i] = "ab\n\r"[below(4)];
        while (done < length) {
            unsigned before = u.accesses;
            size_t taken = uart_try_write(&uart, text + done, length - done);
            assert_true(taken <= (uart.has_fifo ? 16u : 1u));
            assert_int_equal(u.accesses - before, 1 + taken);
            done += taken;
        }
        text[length] = '\0';
        expect_sent(0, text, uart.divisor, 3);
    }
    struct uart absent = {0};
    assert_int_equal(uart_try_write(&absent, "x", 1), 0);
}

static void a_transmitter_that_never_empties_is_given_up_once(void **state)
{
    (void)state;
    struct uart uart = set_up(FULL_16550A, 115200);
    struct uart_saved saved;
    u.frozen = true;
    uart_write(&uart, "this fits...", 12);
    uart_write(&uart, "this does not", 13);
    assert_true(uart.stuck);
    assert_true(u.accesses < 300000);
    unsigned accesses = u.accesses;
    uart_write(&uart, "nor does this", 13);
    assert_false(uart_borrow(&uart, &saved));
    assert_int_equal(u.accesses, accesses);

    uart_take(&uart); /* a panic tries it again, and drops what was in its way */
    u.frozen = false;
    uart_write(&uart, "panic", 5);
    expect_sent(0, "panic", 1, 3);
}

static void a_borrowed_line_that_dies_is_put_back_without_another_wait(void **state)
{
    (void)state;
    struct uart uart = set_up(FULL_16550A, 115200);
    struct uart_saved saved;
    u.lcr = 0x9A;
    u.ier = 5;
    assert_true(uart_borrow(&uart, &saved));
    u.frozen = true;
    uart_write(&uart, "longer than the FIFO", 20);
    assert_true(uart.stuck);
    unsigned accesses = u.accesses;
    uart_return(&uart, &saved);
    assert_true(u.accesses - accesses < 20);
    assert_int_equal(u.lcr, 0x9A);
    assert_int_equal(u.ier, 5);
}

static void a_transmitter_dead_from_the_start_does_not_hang(void **state)
{
    (void)state;
    static const uint16_t divisors[] = {0, 1, 12, 0xFFFF};
    for (size_t i = 0; i < 4; i++) {
        struct uart uart;
        plug_in(FULL_16550A);
        u.divisor = divisors[i];
        u.fifo_on = u.frozen = true;
        transmit('x');
        assert_int_equal(uart_probe_and_init(&uart, PORT, 115200), ERROR_NONE);
        uart_write(&uart, "text", 4);
        assert_true(uart.stuck);
        assert_true(u.accesses < 4300000);
    }
}

/* Any state that a guest may leave, perhaps with bytes on their way out and in. */
static void make_guest_state(char *sending)
{
    size_t length = 0;
    u.fifo_on = u.kind == FULL_16550A && below(2);
    u.divisor = (uint16_t)(below(4) ? 1 + below(200) : 1);
    u.lcr = (uint8_t)rand() & 0x7F;
    u.mcr = (uint8_t)rand() & 0x0F;
    u.received = below(17);
    u.errors = below(3) ? 0 : (uint8_t)rand() & 0x1E;
    write_ier((uint8_t)rand() & 0x0F);
    for (unsigned count = below(u.fifo_on ? 17 : 2); count != 0; count--)
        transmit((uint8_t)(sending[length++] = (char)('a' + below(26))));
    sending[length] = '\0';
    if (u.ier & 2)
        u.thre_pending = u.queued == 0 && below(2);
}

static void a_borrowed_line_comes_back_exactly(void **state)
{
    (void)state;
    for (int round = 0; round < 2000; round++) {
        struct uart uart = set_up(below(4) ? FULL_16550A : NO_FIFO, below(2) ? 115200 : 19200);
        struct uart_saved saved;
        char sending[20];
        make_guest_state(sending);
        uint8_t guest_lcr = u.lcr, mcr = u.mcr, ier = u.ier, errors = u.errors;
        uint16_t divisor = u.divisor;
        unsigned received = u.received, fcr_writes = u.fcr_writes;
        bool fifo_on = u.fifo_on, thre_pending = u.thre_pending;
        u.lcr |= below(3) == 0 ? 0x80 : 0;
        uint8_t lcr = u.lcr;

        assert_true(uart_borrow(&uart, &saved));
        assert_int_equal(u.ier, 0);
        assert_int_equal(u.mcr & 8, mcr & 8); /* the interrupt line stays driven, or not */
        expect_sent(0, sending, divisor, guest_lcr);
        size_t from = u.sent_count;
        uart_write(&uart, "a line of the log, longer than the FIFO\n", 40);
        assert_true(u.queued != 0 || u.shifting);
        uart_return(&uart, &saved);
        expect_sent(from, "a line of the log, longer than the FIFO\r\n", uart.divisor, 3);

        assert_int_equal(u.lcr, lcr);
        assert_int_equal(u.mcr, mcr);
        assert_int_equal(u.ier, ier);
        assert_int_equal(u.divisor, divisor);
        assert_int_equal(u.fifo_on, fifo_on);
        assert_int_equal(u.received, received);
        assert_int_equal(u.fcr_writes, fcr_writes);
        assert_int_equal(u.input_reads, 0);
        assert_int_equal(uart.lost_status, errors);
        assert_false(thre_pending && !u.thre_pending); /* one interrupt more, never one less */
        if (ier & 2)
            assert_true(u.thre_pending);
    }
}

static void loopback_and_flow_control_do_not_swallow_our_line(void **state)
{
    (void)state;
    struct uart uart = set_up(FULL_16550A, 115200);
    struct uart_saved saved;
    u.mcr = 0x3B;
    assert_true(uart_borrow(&uart, &saved));
    assert_int_equal(u.mcr, 0x0B);
    uart_write(&uart, "seen", 4);
    uart_return(&uart, &saved);
    expect_sent(0, "seen", 1, 3);
    assert_int_equal(u.mcr, 0x3B);
}

static void a_divisor_that_stays_is_not_written(void **state)
{
    (void)state;
    struct uart uart = set_up(FULL_16550A, 115200);
    struct uart_saved saved;
    unsigned writes = u.divisor_writes;
    assert_true(uart_borrow(&uart, &saved));
    uart_return(&uart, &saved);
    assert_int_equal(u.divisor_writes, writes);
}

static void a_guest_that_keeps_sending_is_left_alone(void **state)
{
    (void)state;
    struct uart uart = set_up(FULL_16550A, 115200);
    struct uart_saved saved;
    u.divisor = 0xFFFF;
    u.lcr = 0x8A;
    u.ier = 7;
    transmit('x');
    unsigned accesses = u.accesses, writes = u.divisor_writes;
    assert_false(uart_borrow(&uart, &saved));
    assert_true(u.accesses - accesses <= 100000);
    assert_int_equal(u.divisor_writes, writes);
    assert_int_equal(u.divisor, 0xFFFF);
    assert_int_equal(u.lcr, 0x8A);
    assert_int_equal(u.ier, 7);
    u.divisor = 1;
    let_time_pass();
    assert_true(uart_borrow(&uart, &saved)); /* another time it works */
}

static void a_uart_that_the_guest_turned_off_is_not_borrowed(void **state)
{
    (void)state;
    struct uart uart = set_up(FULL_16550A, 115200);
    struct uart_saved saved;
    u.kind = ABSENT;
    assert_false(uart_borrow(&uart, &saved));
}

static void a_panic_takes_the_line_from_any_state(void **state)
{
    (void)state;
    for (int round = 0; round < 500; round++) {
        struct uart uart = set_up(below(4) ? FULL_16550A : NO_FIFO, 115200);
        struct uart_saved saved;
        char sending[20];
        make_guest_state(sending);
        if (below(2)) { /* in the middle of a borrowed line */
            assert_true(uart_borrow(&uart, &saved));
            uart_write(&uart, "borrowed", 8);
        }
        u.lcr |= below(2) ? 0x80 : 0;
        u.mcr |= below(2) ? 0x30 : 0;
        uart.stuck = below(2);
        uart_take(&uart);
        size_t from = u.sent_count;
        u.garbled = 0; /* a borrowed line's last byte may go out in the guest's format */
        uart_write(&uart, "PANIC: in the middle of something else\n", 39);
        expect_sent(from, "PANIC: in the middle of something else\r\n", 1, 3);
        assert_int_equal(u.ier, 0);
        assert_int_equal(u.fifo_on, u.kind == FULL_16550A);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_absent_uart_is_told_and_then_left_alone),
        cmocka_unit_test(memory_in_its_place_is_no_uart_and_keeps_its_contents),
        cmocka_unit_test(what_only_reads_is_no_uart_and_only_its_scratch_register_is_written),
        cmocka_unit_test(a_uart_without_working_loopback_is_refused_and_put_back),
        cmocka_unit_test(impossible_ports_and_speeds_are_refused_untouched),
        cmocka_unit_test(a_uart_is_set_up),
        cmocka_unit_test(what_the_firmware_sends_is_let_out_before_and_its_state_put_back_after),
        cmocka_unit_test(what_comes_is_read_once_and_in_order),
        cmocka_unit_test(nothing_comes_from_a_line_that_is_not_there),
        cmocka_unit_test(every_byte_leaves_in_order_with_cr_before_lf),
        cmocka_unit_test(the_fifo_is_filled_at_each_poll_that_finds_it_empty),
        cmocka_unit_test(what_the_transmitter_takes_at_once_is_all_that_is_written),
        cmocka_unit_test(a_transmitter_that_never_empties_is_given_up_once),
        cmocka_unit_test(a_borrowed_line_that_dies_is_put_back_without_another_wait),
        cmocka_unit_test(a_transmitter_dead_from_the_start_does_not_hang),
        cmocka_unit_test(a_borrowed_line_comes_back_exactly),
        cmocka_unit_test(loopback_and_flow_control_do_not_swallow_our_line),
        cmocka_unit_test(a_divisor_that_stays_is_not_written),
        cmocka_unit_test(a_guest_that_keeps_sending_is_left_alone),
        cmocka_unit_test(a_uart_that_the_guest_turned_off_is_not_borrowed),
        cmocka_unit_test(a_panic_takes_the_line_from_any_state),
    };
    printf("seed %u\n", SEED);
    srand(SEED);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
