#include "kernel/panic.h"

#include "base/hw.h"
#include "base/layout.h"
#include "drivers/video/text_screen.h"
#include "kernel/backtrace.h"
#include "kernel/log.h"
#include "kernel/stop.h"
#include "kernel/time.h"
#include "lib/format.h"
#include "lib/string.h"
#include "lib/symbols.h"

#define STOP_BOUND_US  200000
#define LAST_LOG_LINES 16
#define TEXT_BYTES     448 /* a VM entry that failed has the longest text */
#define PIECE_BYTES    128 /* what log_print() has room for */

static enum option_stop ending;
static uint32_t ending_seconds;
static const struct power *power;
static void (*dump_vcpu)(struct cpu *cpu, bool is_self);
static void (*listener)(const char *kind, const char *sentence);
static const char *headline_kind;
static char headline_text[TEXT_BYTES];
static struct text_screen screen;
static void *screen_cells; /* NULL: not in a text mode */
static uint32_t screen_columns, screen_rows;
static volatile uint32_t owner; /* the number of the CPU that prints, plus one */

void panic_set_dump(void (*dump)(struct cpu *cpu, bool is_self)) { dump_vcpu = dump; }

void panic_set_listener(void (*hear)(const char *kind, const char *sentence)) { listener = hear; }

void panic_set_ending(const struct options *options, const struct power *how)
{
    ending = options->on_stop;
    ending_seconds = options->on_stop_seconds;
    power = how;
}

static void write_screen(const char *text, size_t length)
{
    text_screen_write(&screen, text, length);
}

void panic_set_screen(void *cells, uint32_t columns, uint32_t rows)
{
    screen_cells = cells;
    screen_columns = columns;
    screen_rows = rows;
}

/* Only now is the guest's screen overwritten. */
static void take_screen(void)
{
    if (!screen_cells)
        return;
    text_screen_init(&screen, screen_cells, screen_columns, screen_rows);
    text_screen_set_colour(&screen, TEXT_SCREEN_PANIC);
    log_set_mirror(write_screen);
}

static _Noreturn void halt_forever(void)
{
    for (;;) {
        hw_disable_interrupts();
        hw_halt();
    }
}

/* The line and the screen are taken by one CPU; whoever comes second has nothing to add, and
 * whoever comes twice was hurt by its own report. */
static void take_over(struct cpu *cpu)
{
    uint32_t nobody = 0;
    hw_disable_interrupts();
    if (cpu->panicking++ > 0) {
        log_print("orlop: a second fault on cpu%u while reporting the first; halted\n",
                  cpu->number);
        halt_forever();
    }
    if (!__atomic_compare_exchange_n(&owner, &nobody, cpu->number + 1, false, __ATOMIC_SEQ_CST,
                                     __ATOMIC_SEQ_CST)) {
        cpu->state = CPU_STOPPED;
        halt_forever();
    }
    uint32_t deaf = stop_all(STOP_PANIC, STOP_BOUND_US);
    log_take_serial();
    take_screen();
    if (deaf)
        log_print("orlop: %u CPUs did not stop when asked\n", deaf);
}

/* `headline` is one line, in the form of a log line, so that whoever reads the log finds it. */
static void print_headline(const char *kind, const char *text, va_list arguments)
{
    uint64_t us = time_us_at(hw_rdtsc());
    headline_kind = kind;
    vformat(headline_text, sizeof(headline_text), text, arguments);
    log_print("\n");
    log_print("[%llu.%06llu] cpu%u %s: ", (unsigned long long)us / 1000000,
              (unsigned long long)us % 1000000, this_cpu()->number, kind);
    for (const char *piece = headline_text; *piece; piece += strnlen(piece, PIECE_BYTES))
        log_print("%.*s", PIECE_BYTES, piece);
    log_print("\n");
}

static void tell_listener(void)
{
    if (listener)
        listener(headline_kind, headline_text);
}

static _Noreturn void end_as_asked(void)
{
    static const char *const names[] = {"halt", "reboot", "power off"};
    tell_listener();
    if (ending == ON_STOP_HALT || !power) {
        log_print("orlop: halted; reset the machine to go on\n");
        halt_forever();
    }
    for (uint32_t left = ending_seconds; left > 0; left--) {
        log_print("orlop: %s in %u s\n", names[ending], left);
        time_delay_us(1000000);
    }
    log_print("orlop: %s now\n", names[ending]);
    if (ending == ON_STOP_POWEROFF)
        power_off(power);
    else
        power_reset(power);
    log_print("orlop: the machine does not %s; halted\n", names[ending]);
    halt_forever();
}

static void print_backtrace(uint64_t rip, uint64_t frame)
{
    uint64_t addresses[BACKTRACE_MAX];
    char text[BACKTRACE_TEXT_BYTES];
    size_t count = backtrace_follow(frame, addresses);
    backtrace_text(rip, text);
    log_print("backtrace:\n  %s\n", text);
    for (size_t i = 0; i < count; i++) {
        backtrace_text(addresses[i], text);
        log_print("  %s\n", text);
    }
}

#define U(x) ((unsigned long long)(x))

static void print_registers(const struct trap_frame *f)
{
    log_print("  rax %016llx rbx %016llx rcx %016llx rdx %016llx\n", U(f->rax), U(f->rbx),
              U(f->rcx), U(f->rdx));
    log_print("  rsi %016llx rdi %016llx rbp %016llx rsp %016llx\n", U(f->rsi), U(f->rdi),
              U(f->rbp), U(f->rsp));
    log_print("  r8  %016llx r9  %016llx r10 %016llx r11 %016llx\n", U(f->r8), U(f->r9), U(f->r10),
              U(f->r11));
    log_print("  r12 %016llx r13 %016llx r14 %016llx r15 %016llx\n", U(f->r12), U(f->r13),
              U(f->r14), U(f->r15));
    log_print("  rip %016llx flags %08llx cs %04llx ss %04llx error %llx\n", U(f->rip),
              U(f->rflags), U(f->cs), U(f->ss), U(f->error_code));
    log_print("  cr0 %08llx cr2 %016llx cr3 %012llx cr4 %08llx\n", U(hw_read_cr0()),
              U(hw_read_cr2()), U(hw_read_cr3()), U(hw_read_cr4()));
}

static void print_cpus(struct cpu *self)
{
    static const char *const states[] = {"absent",        "in root mode", "in the guest",
                                         "wait-for-SIPI", "stopped",      "left out"};
    for (uint32_t i = 0; i < stop_cpus() && self != NULL && stop_cpus() > 1; i++) {
        const struct cpu *cpu = percpu_get(i);
        log_print("  cpu%u apic %u: %s%s\n", i, cpu->apic_id, states[cpu->state],
                  cpu == self ? ", reports" : "");
    }
    if (!dump_vcpu)
        return;
    for (uint32_t i = 0; i < stop_cpus(); i++)
        dump_vcpu(percpu_get(i), percpu_get(i) == self);
}

static _Noreturn void print_rest(struct cpu *cpu)
{
    print_cpus(cpu);
    log_print("last log lines:\n");
    log_print_last(LAST_LOG_LINES);
    end_as_asked();
}

static void headline(const char *kind, const char *text, ...)
{
    va_list arguments;
    va_start(arguments, text);
    print_headline(kind, text, arguments);
    va_end(arguments);
}

_Noreturn void panic(const char *text, ...)
{
    struct cpu *cpu = this_cpu();
    va_list arguments;
    take_over(cpu);
    va_start(arguments, text);
    print_headline("orlop: panic", text, arguments);
    va_end(arguments);
    print_backtrace((uint64_t)__builtin_return_address(0), (uint64_t)__builtin_frame_address(0));
    print_rest(cpu);
}

_Noreturn void panic_trap(const struct trap_frame *frame)
{
    struct cpu *cpu = this_cpu();
    uint64_t offset = 0;
    char buffer[SYMBOL_NAME_BYTES];
    const char *name = symbol_lookup(frame->rip, &offset, buffer);
    take_over(cpu);
    headline("orlop: panic",
             "%s (vector %llu) in Orlop at %s+0x%llx, error code 0x%llx, CR2 0x%llx",
             trap_name(frame->vector), U(frame->vector), name ? name : "?", U(offset),
             U(frame->error_code), U(hw_read_cr2()));
    print_registers(frame);
    print_backtrace(frame->rip, frame->rbp);
    print_rest(cpu);
}

_Noreturn void stop_guest(const char *text, ...)
{
    struct cpu *cpu = this_cpu();
    va_list arguments;
    take_over(cpu);
    va_start(arguments, text);
    print_headline("orlop: guest stopped", text, arguments);
    va_end(arguments);
    print_rest(cpu);
}

_Noreturn void reset_machine(const char *why)
{
    take_over(this_cpu());
    headline("orlop", "%s: the machine is reset", why);
    tell_listener();
    if (power)
        power_reset(power);
    halt_forever();
}

_Noreturn void switch_off(const char *why)
{
    take_over(this_cpu());
    headline("orlop", "%s: the machine is switched off", why);
    ending = ON_STOP_POWEROFF;
    ending_seconds = 0;
    end_as_asked();
}

_Noreturn void refuse(const char *text, ...)
{
    va_list arguments;
    take_over(this_cpu());
    va_start(arguments, text);
    print_headline("orlop: refused", text, arguments);
    va_end(arguments);
    end_as_asked();
}

_Noreturn void finish(const char *text, ...)
{
    va_list arguments;
    take_over(this_cpu());
    va_start(arguments, text);
    print_headline("orlop: done", text, arguments);
    va_end(arguments);
    end_as_asked();
}
