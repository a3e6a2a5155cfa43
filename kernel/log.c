#include "kernel/log.h"

#include "base/hw.h"
#include "base/layout.h"
#include "kernel/percpu.h"
#include "kernel/stop.h"
#include "kernel/time.h"
#include "lib/format.h"
#include "lib/spinlock.h"
#include "lib/string.h"

#define EARLY_RECORDS  16
#define ROOM_RECORDS   4       /* for lines of other CPUs meanwhile */
#define IDLE_POLLS     1000000 /* a second and more without a byte taken */
#define KICK_LINES     4       /* two CPUs that log at once must not each leave it to the other */
#define BORROW_TRIES   20      /* a tenth of a second each */
#define LINE_PERIOD_US 250000  /* four lines a second, once the port is the guest's */

static struct log_record early_records[EARLY_RECORDS];
static struct log_ring ring;
static uint64_t cursor; /* what the port has had */
static uint64_t missed;
static uint64_t missed_told;
static char out[LOG_LINE_BYTES]; /* the line that the port is at */
static size_t out_length, out_sent;
static struct uart uart;
static struct spinlock port_lock;
static enum log_level threshold = LOG_DEBUG; /* until the options say */
static bool port_is_ours, drain_after_launch, taken;
static bool kept, hushed, entered, borrowed; /* with a debugger on the port */
static struct uart_saved guests;
static uint64_t next_line_us;
static void (*mirror)(const char *text, size_t length);

void log_start(void) { log_ring_init(&ring, early_records, EARLY_RECORDS); }
void log_set_mirror(void (*write)(const char *text, size_t length)) { mirror = write; }

size_t log_render(char line[LOG_LINE_BYTES], const struct log_record *record)
{
    static const char *const marks[] = {"error: ", "warning: ", "", ""};
    uint64_t us = time_us_at(record->tsc);
    return format(line, LOG_LINE_BYTES, "[%llu.%06llu] cpu%u %s%.*s\r\n",
                  (unsigned long long)us / 1000000, (unsigned long long)us % 1000000, record->cpu,
                  marks[record->level & 3], (int)record->length, record->text);
}

static void put_record(const struct log_record *record)
{
    char line[LOG_LINE_BYTES];
    size_t length = log_render(line, record);
    line[length - 2] = '\n'; /* this way out adds the CR itself */
    uart_write(&uart, line, length - 1);
    if (mirror)
        mirror(line, length - 1);
}

static void tell_missed(void)
{
    char line[LOG_LINE_BYTES];
    if (missed == missed_told)
        return;
    size_t length =
        format(line, sizeof(line), "log: %llu lines were lost before they were printed\n",
               (unsigned long long)(missed - missed_told));
    missed_told = missed;
    uart_write(&uart, line, length);
}

/* The next line for the port, into `out`. */
static bool next_line(void)
{
    struct log_record record;
    while (log_ring_read(&ring, &cursor, &record, &missed)) {
        if (record.level > threshold)
            continue;
        out_length = log_render(out, &record);
        out_sent = 0;
        return true;
    }
    return false;
}

/* Feed the transmitter. Boot goes on while it sends: a byte takes as long as 4,000 instructions.
 * With `wait`, until all is out; a port that takes nothing for very long is given up. */
static void pump(bool wait)
{
    unsigned idle = 0;
    while (out_sent < out_length || next_line()) {
        size_t taken_now = uart_try_write(&uart, out + out_sent, out_length - out_sent);
        out_sent += taken_now;
        idle = taken_now ? 0 : idle + 1;
        if ((idle && !wait) || idle > IDLE_POLLS)
            return;
    }
}

void log_pump(void)
{
    if (port_is_ours && spin_try_lock(&port_lock)) {
        pump(false);
        spin_unlock(&port_lock);
    }
}

/* While the port is ours no line is lost: a ring that fills up waits for the port. Bounded, like
 * the port's own patience. */
static void make_room(void)
{
    for (unsigned look = 0; look < IDLE_POLLS; look++) {
        if (!port_is_ours || ring.next - cursor + ROOM_RECORDS < ring.count)
            return;
        log_pump();
    }
}

/* The BSP alone prints after the launch: a CPU that borrows the port for milliseconds would miss a
 * SIPI, and the BSP gets none. It is woken for the first line; for the others it comes back by
 * itself. */
static void call_bsp(const struct cpu *cpu)
{
    struct cpu *bsp = percpu_get(0);
    if (taken || (bsp->attention & ATTENTION_LOG))
        return;
    percpu_attend(bsp, ATTENTION_LOG);
    if (cpu != bsp && ring.next - cursor <= KICK_LINES)
        stop_kick(bsp);
}

void log_line(enum log_level level, const char *area, const char *text, ...)
{
    char line[LOG_RECORD_TEXT + 8];
    if (level > threshold)
        return;
    size_t length = format(line, sizeof(line), "%s: ", area);
    va_list arguments;
    va_start(arguments, text);
    length += vformat(line + length, sizeof(line) - length, text, arguments);
    va_end(arguments);
    struct cpu *cpu = this_cpu();
    make_room();
    log_ring_write(&ring, hw_rdtsc(), (uint16_t)cpu->number, (uint8_t)level, line, length);
    if (port_is_ours)
        log_pump();
    else if (drain_after_launch)
        call_bsp(cpu);
}

void log_open_serial(const struct options *options)
{
    threshold = options->log_level;
    drain_after_launch = options->serial_after == SERIAL_AFTER_LINES;
    if (options->serial_port == 0 ||
        uart_probe_and_init(&uart, options->serial_port, options->serial_baud) != ERROR_NONE) {
        drain_after_launch = false;
        return;
    }
    port_is_ours = true;
    uart_write(&uart, "\n", 1); /* the boot loader may have left a line unfinished */
    log_pump();
}

void log_grow(struct log_record *buffer, uint64_t records)
{
    struct log_record record;
    struct log_ring old = ring;
    uint64_t from = log_ring_last(&old, EARLY_RECORDS), skipped = 0;
    uint64_t unsent = old.next - cursor;
    log_ring_init(&ring, buffer, records);
    while (log_ring_read(&old, &from, &record, &skipped))
        log_ring_write(&ring, record.tsc, record.cpu, record.level, record.text, record.length);
    cursor = ring.next - min_u64(unsent, ring.next);
}

void log_release_serial(void)
{
    if (port_is_ours && spin_lock_bounded(&port_lock, IDLE_POLLS)) {
        pump(true);
        port_is_ours = false;
        if (!kept)
            uart_release(&uart);
        spin_unlock(&port_lock);
    }
    port_is_ours = false;
}

struct uart *log_share_serial(bool keep)
{
    kept = keep;
    return port_is_ours ? &uart : NULL;
}

/* All CPUs stand still, or this one looks for a moment: whoever prints a line is soon done. A guest
 * whose last byte does not leave loses its settings of the line. */
void log_enter_serial(void)
{
    unsigned tries = BORROW_TRIES;
    entered = spin_lock_bounded(&port_lock, IDLE_POLLS); /* else its holder hangs: print over it */
    borrowed = false;
    if (kept)
        return;
    while (!borrowed && tries--)
        borrowed = uart_borrow(&uart, &guests);
    if (!borrowed)
        uart_take(&uart);
}

void log_leave_serial(void)
{
    if (borrowed)
        uart_return(&uart, &guests);
    if (entered)
        spin_unlock(&port_lock);
}

void log_hush(bool hush) { hushed = hush && kept; }

bool log_read(uint64_t *at, struct log_record *record)
{
    uint64_t passed = 0;
    return *at < ring.next && log_ring_read(&ring, at, record, &passed);
}

uint64_t log_last(uint64_t count) { return log_ring_last(&ring, count); }

enum log_level log_set_level(enum log_level level)
{
    enum log_level before = threshold;
    threshold = level;
    return before;
}

bool log_has_lines(void) { return drain_after_launch && !taken && !hushed && ring.next != cursor; }

uint64_t log_drain_line(void)
{
    struct log_record record;
    uint64_t now = time_us();
    if (!log_has_lines())
        return 0;
    if (next_line_us - now > LINE_PERIOD_US) /* due, or the guest has set the TSC back */
        next_line_us = now;
    if (now < next_line_us)
        return next_line_us - now;
    next_line_us = now + LINE_PERIOD_US;
    if (!spin_try_lock(&port_lock))
        return LINE_PERIOD_US;
    if (kept || uart_borrow(&uart, &guests)) {
        if (log_ring_read(&ring, &cursor, &record, &missed)) {
            tell_missed();
            put_record(&record);
        }
        if (!kept)
            uart_return(&uart, &guests);
    }
    spin_unlock(&port_lock);
    return log_has_lines() ? LINE_PERIOD_US : 0;
}

void log_take_serial(void)
{
    if (!taken && uart.present)
        uart_take(&uart);
    if (!taken && port_is_ours)
        pump(true); /* what was said before comes first; whoever held the lock has stopped */
    taken = true;
    port_is_ours = false;
}

void log_print(const char *text, ...)
{
    char line[LOG_LINE_BYTES];
    va_list arguments;
    va_start(arguments, text);
    size_t length = vformat(line, sizeof(line), text, arguments);
    va_end(arguments);
    length = length < sizeof(line) ? length : sizeof(line) - 1;
    uart_write(&uart, line, length);
    if (mirror)
        mirror(line, length);
}

void log_print_last(uint64_t count)
{
    struct log_record record;
    uint64_t at = log_ring_last(&ring, count), skipped = 0;
    do {
        while (log_ring_read(&ring, &at, &record, &skipped))
            put_record(&record);
    } while (log_ring_skip(&ring, &at, &skipped));
}
