#include "guest/watched_console.h"

#include "base/hw.h"
#include "drivers/serial/uart_registers.h"
#include "guest/watched_uart.h"
#include "lib/spinlock.h"
#include "vmx/exit_io.h"
#include "vmx/machine.h"

#define LOCK_POLLS    100000 /* a holder reads a few ports */
#define STOP_BOUND_US 100000

static struct watched_uart uart;
static struct spinlock lock;

/* Where no lock is to be had the access is the machine's own. */
static uint8_t read(uint16_t port, uint8_t byte)
{
    if (!spin_lock_bounded(&lock, LOCK_POLLS))
        return hw_in8(port);
    bool key = watched_read(&uart, port, &byte);
    spin_unlock(&lock);
    if (key)
        debug_event(this_vmx_cpu(), DEBUG_KEY, 0);
    return byte;
}

static void written(uint16_t port, uint8_t byte)
{
    bool locked = spin_lock_bounded(&lock, LOCK_POLLS);
    watched_write(&uart, port, byte);
    if (locked)
        spin_unlock(&lock);
}

void watched_console_install(uint16_t port)
{
    struct port_range data = {
        .first = port, .last = port, .held = true, .read = read, .written = written};
    struct port_range others = data;
    others.first = (uint16_t)(port + UART_IER);
    others.last = (uint16_t)(port + UART_LSR);
    others.passes = true;
    uart = (struct watched_uart){.port = port, .key = WATCHED_KEY};
    ports_add(&machine.ports, &data);
    ports_add(&machine.ports, &others);
}

void watched_console_set_key(uint8_t key) { uart.key = key; }

static void set_answers(bool on)
{
    uart.answers = on;
    ports_set_exits((uint16_t)(uart.port + UART_IER), (uint16_t)(uart.port + UART_LSR), on);
}

/* All CPUs stand still: none is between its look at LSR and its read. */
static void answer(void) { set_answers(true); }
static void rest(void) { set_answers(uart.count || uart.status); }

static bool change(struct vmx_cpu *vcpu, void (*how)(void))
{
    machine_lock(vcpu->cpu);
    bool done = machine_change_stopped(vcpu, STOP_WORK, STOP_BOUND_US, how);
    machine_unlock();
    return done;
}

static enum watched_seen look(void)
{
    if (!spin_try_lock(&lock))
        return WATCHED_NOTHING;
    enum watched_seen seen = watched_look(&uart);
    spin_unlock(&lock);
    return seen;
}

bool watched_console_look(struct vmx_cpu *vcpu)
{
    enum watched_seen seen = look();
    if (seen == WATCHED_MUST_ANSWER && change(vcpu, answer))
        seen = look();
    if (seen == WATCHED_MAY_REST)
        (void)change(vcpu, rest);
    return seen == WATCHED_BREAKS_IN;
}

bool watched_console_send(struct vmx_cpu *vcpu, uint8_t byte)
{
    if (!uart.answers && !change(vcpu, answer))
        return false;
    watched_hold(&uart, byte);
    return true;
}
