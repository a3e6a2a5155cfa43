/* with: guest/watched_uart.c */
#include "guest/watched_uart.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/hw.h"
#include "drivers/serial/uart_registers.h"
#include "tests/unit/random.h"

#define PORT 0x3F8

/* A 16550, as far as input and interrupts go. Its transmitter is always empty. */
static struct {
    struct {
        uint8_t byte, errors;
    } fifo[UART_FIFO_BYTES];
    unsigned count;
    uint8_t last, errors, ier, lcr, mcr, divisor, sent;
    bool thre_pending, overrun;
    unsigned edges; /* of the interrupt line */
    bool line;
} u;
static struct watched_uart w;

static uint8_t pending(void)
{
    if ((u.ier & IER_RECEIVED) && u.count)
        return IIR_RECEIVED;
    return u.thre_pending && (u.ier & IER_THRE) ? IIR_THRE : IIR_NONE;
}

static void drive_line(void)
{
    bool now = pending() != IIR_NONE;
    u.edges += now && !u.line;
    u.line = now;
}

static uint8_t read_register(unsigned index)
{
    uint8_t value = 0;
    switch (index) {
    case UART_RBR:
        if (u.lcr & LCR_DLAB)
            return u.divisor;
        if (u.count) {
            u.last = u.fifo[0].byte;
            memmove(&u.fifo[0], &u.fifo[1], sizeof(u.fifo) - sizeof(u.fifo[0]));
            u.count--;
        }
        return u.last;
    case UART_IER:
        return u.lcr & LCR_DLAB ? 0 : u.ier;
    case UART_IIR:
        value = pending();
        if (value == IIR_THRE)
            u.thre_pending = false;
        return value | IIR_FIFO;
    case UART_LCR:
        return u.lcr;
    case UART_MCR:
        return u.mcr;
    case UART_LSR:
        value = LSR_THRE | LSR_TEMT | (u.overrun ? LSR_OVERRUN : 0);
        if (u.count)
            value |= LSR_DR | u.fifo[0].errors;
        u.overrun = false;
        u.fifo[0].errors = 0;
        return value;
    default:
        return 0xA5;
    }
}

uint32_t fake_in(uint16_t port, unsigned bytes)
{
    assert_int_equal(bytes, 1);
    uint8_t value = read_register(port - PORT);
    drive_line();
    return value;
}

void fake_out(uint16_t port, uint32_t value, unsigned bytes)
{
    assert_int_equal(bytes, 1);
    switch (port - PORT) {
    case UART_THR:
        if (u.lcr & LCR_DLAB)
            u.divisor = (uint8_t)value;
        else
            u.sent = (uint8_t)value;
        break;
    case UART_IER:
        if (u.lcr & LCR_DLAB)
            break;
        u.thre_pending |= !(u.ier & IER_THRE) && (value & IER_THRE);
        u.ier = (uint8_t)value;
        break;
    case UART_FCR:
        if (value & FCR_RESET_INPUT)
            u.count = 0;
        break;
    case UART_LCR:
        u.lcr = (uint8_t)value;
        break;
    case UART_MCR:
        u.mcr = (uint8_t)value;
        break;
    default:
        fail();
    }
    drive_line();
}

static void arrive_with(uint8_t byte, uint8_t errors)
{
    if (u.count == UART_FIFO_BYTES) {
        u.overrun = true;
        return;
    }
    u.fifo[u.count].byte = byte;
    u.fifo[u.count++].errors = errors;
    drive_line();
}

static void arrive(const char *text)
{
    for (; *text; text++)
        arrive_with((uint8_t)*text, 0);
}

static int start(void **state)
{
    (void)state;
    memset(&u, 0, sizeof(u));
    u.lcr = LCR_8N1;
    w = (struct watched_uart){.port = PORT, .key = WATCHED_KEY};
    return 0;
}

/* The guest's accesses, as the ports lead: the data register always, the others while `answers`. */
static bool key_was_read;
static uint8_t guest_in(unsigned index)
{
    uint8_t byte = 0xEE;
    bool leads = index == UART_RBR || (w.answers && index <= UART_LSR);
    if (!leads)
        return (uint8_t)fake_in((uint16_t)(PORT + index), 1);
    key_was_read |= watched_read(&w, (uint16_t)(PORT + index), &byte);
    return byte;
}

static void guest_out(unsigned index, uint8_t byte)
{
    if (index == UART_RBR || (w.answers && index <= UART_LSR))
        watched_write(&w, (uint16_t)(PORT + index), byte);
    else
        fake_out((uint16_t)(PORT + index), byte, 1);
}

/* What the caller does for each answer. */
static bool look(void)
{
    for (;;) {
        enum watched_seen seen = watched_look(&w);
        if (seen == WATCHED_MUST_ANSWER && !w.answers)
            w.answers = true;
        else if (seen == WATCHED_MAY_REST && w.answers)
            w.answers = false;
        else
            return seen == WATCHED_BREAKS_IN;
    }
}

static bool look_until_taken(void)
{
    bool breaks_in = false;
    for (unsigned i = 0; i < WATCHED_LOOKS; i++)
        breaks_in |= look();
    return breaks_in;
}

static void assert_guest_reads(const char *text)
{
    for (; *text; text++) {
        assert_true(guest_in(UART_LSR) & LSR_DR);
        assert_int_equal(guest_in(UART_RBR), (uint8_t)*text);
    }
    assert_false(guest_in(UART_LSR) & LSR_DR);
}

static void bytes_pass_and_the_key_is_read_as_nul(void **state)
{
    start(state);
    key_was_read = false;
    arrive("ab");
    assert_guest_reads("ab");
    assert_false(key_was_read);
    arrive("\x1C"
           "cd");
    assert_int_equal(guest_in(UART_RBR), 0);
    assert_true(key_was_read);
    assert_int_equal(u.count, 2); /* what is behind it is for whom it calls */
}

static void an_empty_receiver_gives_no_key_again(void **state)
{
    start(state);
    arrive("\x1C");
    assert_int_equal(guest_in(UART_RBR), 0);
    key_was_read = false;
    for (unsigned i = 0; i < 5; i++)
        assert_int_equal(guest_in(UART_RBR), WATCHED_KEY); /* as the UART gives it */
    assert_false(key_was_read);
}

static void the_divisor_and_a_loop_are_the_guests(void **state)
{
    start(state);
    key_was_read = false;
    guest_out(UART_LCR, LCR_DLAB);
    guest_out(UART_DLL, WATCHED_KEY);
    arrive("x");
    assert_int_equal(guest_in(UART_DLL), WATCHED_KEY);
    assert_false(look_until_taken());
    assert_int_equal(u.count, 1);
    guest_out(UART_LCR, LCR_8N1);
    assert_guest_reads("x");
    u.mcr = MCR_LOOP;
    arrive("\x1C");
    assert_false(look_until_taken());
    assert_int_equal(guest_in(UART_RBR), WATCHED_KEY);
    assert_false(key_was_read);
    guest_out(UART_THR, 'q');
    assert_int_equal(u.sent, 'q');
}

static void what_nobody_reads_is_held_and_told_of(void **state)
{
    start(state);
    u.ier = IER_RECEIVED;
    arrive("ls");
    for (unsigned i = 1; i < WATCHED_LOOKS; i++) {
        assert_false(look());
        assert_int_equal(u.count, 2);
        assert_false(w.answers);
    }
    assert_false(look());
    assert_int_equal(u.count, 0);
    assert_true(w.answers);
    arrive(" -l"); /* goes behind them */
    assert_true(guest_in(UART_LSR) & LSR_DR);
    assert_int_equal(guest_in(UART_RBR), 'l');
    assert_int_equal(guest_in(UART_RBR), 's');
    assert_guest_reads(" -l");
    assert_false(look());
    assert_false(w.answers);
    assert_int_equal(u.ier, IER_RECEIVED);
}

static void a_guest_that_reads_in_time_loses_nothing_to_the_look(void **state)
{
    start(state);
    for (unsigned i = 0; i < 20; i++) {
        arrive("ab");
        assert_false(look());
        assert_false(look());
        assert_int_equal(guest_in(UART_RBR), 'a');
        assert_false(look());
        assert_false(look());
        assert_int_equal(guest_in(UART_RBR), 'b');
        assert_false(w.answers);
    }
}

static void the_key_breaks_in_where_nobody_reads(void **state)
{
    start(state);
    arrive("ab\x1Cregs");
    assert_true(look_until_taken());
    assert_int_equal(u.count, 4);
    u.count = 0; /* read by the session */
    assert_guest_reads("ab");
}

static void the_key_is_seen_behind_more_than_can_be_held(void **state)
{
    start(state);
    for (unsigned i = 0; i < WATCHED_HOLDS + 20; i++) {
        arrive_with((uint8_t)('A' + i % 26), 0);
        assert_false(look_until_taken());
    }
    arrive("\x1C");
    assert_true(look());
    assert_true(guest_in(UART_LSR) & LSR_OVERRUN);
    for (unsigned i = 0; i < WATCHED_HOLDS; i++)
        assert_int_equal(guest_in(UART_RBR), 'A' + i % 26);
    assert_false(guest_in(UART_LSR) & LSR_DR);
}

static void the_key_sent_on_is_the_guests(void **state)
{
    start(state);
    key_was_read = false;
    w.answers = true;
    watched_hold(&w, WATCHED_KEY);
    assert_guest_reads("\x1C");
    assert_false(key_was_read);
}

static void a_break_breaks_in_where_the_guest_has_not_seen_it(void **state)
{
    start(state);
    arrive_with(0, LSR_BREAK | 0x08);
    assert_true(look_until_taken());
    assert_int_equal(guest_in(UART_LSR), LSR_THRE | LSR_TEMT);
    arrive_with(0, LSR_BREAK | 0x08);
    assert_int_equal(guest_in(UART_LSR) & LSR_ERRORS, LSR_BREAK | 0x08);
    assert_false(look_until_taken());
    assert_int_equal(guest_in(UART_RBR), 0);
    arrive_with(0, LSR_BREAK | 0x08);
    assert_false(look()); /* the look's read of LSR takes nothing from the guest ... */
    assert_int_equal(guest_in(UART_LSR) & LSR_ERRORS, LSR_BREAK | 0x08);
    assert_false(look_until_taken()); /* ... and once it has seen it, it is a byte */
    assert_true(guest_in(UART_LSR) & LSR_DR);
    assert_int_equal(guest_in(UART_RBR), 0);
}

static void errors_are_told_once(void **state)
{
    start(state);
    arrive_with('x', 0x04);
    u.overrun = true;
    assert_false(look());
    assert_int_equal(guest_in(UART_LSR), LSR_THRE | LSR_TEMT | LSR_DR | 0x06);
    assert_int_equal(guest_in(UART_LSR), LSR_THRE | LSR_TEMT | LSR_DR);
    assert_int_equal(guest_in(UART_RBR), 'x');
}

static void a_guest_that_wants_interrupts_is_called_until_it_has_asked(void **state)
{
    start(state);
    guest_out(UART_IER, IER_RECEIVED | 0x08);
    arrive("a");
    assert_false(look_until_taken());
    unsigned before = u.edges;
    assert_false(look());
    assert_int_equal(u.edges, before + 1); /* again each time */
    assert_true(u.line);
    assert_int_equal(guest_in(UART_IER), IER_RECEIVED | 0x08);
    assert_int_equal(guest_in(UART_IIR), IIR_RECEIVED | IIR_FIFO);
    assert_int_equal(u.ier, IER_RECEIVED | 0x08);
    assert_guest_reads("a");
    assert_int_equal(guest_in(UART_IIR), IIR_NONE | IIR_FIFO);
    assert_false(look());
    assert_false(w.answers);
}

static void the_guests_own_interrupts_are_told_as_they_are(void **state)
{
    start(state);
    guest_out(UART_IER, IER_RECEIVED | IER_THRE);
    (void)guest_in(UART_IIR);
    arrive("a");
    assert_false(look_until_taken());
    assert_int_equal(guest_in(UART_IIR), IIR_THRE | IIR_FIFO);
    assert_int_equal(guest_in(UART_IIR), IIR_RECEIVED | IIR_FIFO);
    guest_out(UART_IER, 0); /* polled from here on */
    assert_int_equal(guest_in(UART_IIR), IIR_NONE | IIR_FIFO);
    assert_false(look());
    assert_int_equal(u.ier, 0);
    assert_guest_reads("a");
}

static void a_guest_that_polls_gets_its_interrupts_back(void **state)
{
    start(state);
    guest_out(UART_IER, IER_RECEIVED);
    arrive("a");
    assert_false(look_until_taken());
    assert_int_equal(u.ier, IER_RECEIVED | IER_THRE);
    assert_guest_reads("a");
    assert_false(look());
    assert_int_equal(u.ier, IER_RECEIVED);
    arrive("b");
    assert_false(look_until_taken());
    guest_out(UART_IER, IER_RECEIVED | IER_THRE); /* its own is not taken back */
    (void)guest_in(UART_IIR);
    assert_int_equal(u.ier, IER_RECEIVED | IER_THRE);
}

static void a_reset_of_the_input_drops_what_is_held(void **state)
{
    start(state);
    arrive("abc");
    assert_false(look_until_taken());
    guest_out(UART_FCR, FCR_ENABLE);
    assert_true(guest_in(UART_LSR) & LSR_DR);
    guest_out(UART_FCR, FCR_ENABLE | FCR_RESET_INPUT);
    assert_false(guest_in(UART_LSR) & LSR_DR);
}

static void nothing_is_read_where_no_uart_answers(void **state)
{
    start(state);
    u.lcr = 0xFF;
    arrive("\x1C");
    assert_false(look_until_taken());
    assert_int_equal(u.count, 1);
}

/* A guest that reads now and then, and looks between: all that came is read, once and in order,
 * but the keys; and each key breaks in once. */
static void no_byte_is_lost_or_doubled(void **state)
{
    (void)state;
    random_seed(0x3A7C);
    for (unsigned run = 0; run < 2000; run++) {
        uint8_t sent[300], got[300];
        unsigned sent_count = 0, got_count = 0, keys = 0, breaks = 0;
        start(state);
        guest_out(UART_IER, (uint8_t)random_below(4));
        for (unsigned n = 0; n < 300; n++) {
            unsigned room = UART_FIFO_BYTES - u.count;
            if (random_below(3) == 0 && room && w.count < WATCHED_HOLDS - UART_FIFO_BYTES) {
                bool key = random_below(20) == 0;
                uint8_t byte = key ? WATCHED_KEY : (uint8_t)('0' + random_below(40));
                arrive_with(byte, 0);
                keys += key;
                if (!key)
                    sent[sent_count++] = byte;
            } else if (random_below(4) == 0) {
                (void)guest_in(UART_IIR);
            } else if (random_below(2)) {
                breaks += look();
            } else if (guest_in(UART_LSR) & LSR_DR) {
                key_was_read = false;
                uint8_t byte = guest_in(UART_RBR);
                if (key_was_read)
                    breaks++;
                else
                    got[got_count++] = byte;
            }
        }
        while (guest_in(UART_LSR) & LSR_DR) {
            key_was_read = false;
            uint8_t byte = guest_in(UART_RBR);
            if (key_was_read)
                breaks++;
            else
                got[got_count++] = byte;
        }
        assert_int_equal(got_count, sent_count);
        assert_memory_equal(got, sent, sent_count);
        assert_int_equal(breaks, keys);
        assert_false(look());
        assert_false(w.answers);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_pass_and_the_key_is_read_as_nul),
        cmocka_unit_test(an_empty_receiver_gives_no_key_again),
        cmocka_unit_test(the_divisor_and_a_loop_are_the_guests),
        cmocka_unit_test(what_nobody_reads_is_held_and_told_of),
        cmocka_unit_test(a_guest_that_reads_in_time_loses_nothing_to_the_look),
        cmocka_unit_test(the_key_breaks_in_where_nobody_reads),
        cmocka_unit_test(the_key_is_seen_behind_more_than_can_be_held),
        cmocka_unit_test(the_key_sent_on_is_the_guests),
        cmocka_unit_test(a_break_breaks_in_where_the_guest_has_not_seen_it),
        cmocka_unit_test(errors_are_told_once),
        cmocka_unit_test(a_guest_that_wants_interrupts_is_called_until_it_has_asked),
        cmocka_unit_test(the_guests_own_interrupts_are_told_as_they_are),
        cmocka_unit_test(a_guest_that_polls_gets_its_interrupts_back),
        cmocka_unit_test(a_reset_of_the_input_drops_what_is_held),
        cmocka_unit_test(nothing_is_read_where_no_uart_answers),
        cmocka_unit_test(no_byte_is_lost_or_doubled),
    };
    return cmocka_run_group_tests(tests, start, NULL);
}
