#include "debug/session.h"

#include "base/bits.h"
#include "base/hw.h"
#include "base/log.h"
#include "debug/breakpoints.h"
#include "debug/gdb.h"
#include "debug/monitor.h"
#include "debug/port.h"
#include "debug/target.h"
#include "guest/hidden_uart.h"
#include "guest/watched_console.h"
#include "guest/watched_uart.h"
#include "kernel/log.h"
#include "kernel/panic.h"
#include "kernel/stop.h"
#include "kernel/time.h"
#include "lib/format.h"
#include "vmx/controls.h"
#include "vmx/machine.h"
#include "vmx/root.h"
#include "vmx/step.h"
#include "vmx/vmcs.h"

#define STOP_BOUND_US 200000
#define INTERRUPT     0x03 /* gdb's, between packets */
#define END_BYTES     512

static struct session_stop stopped;
static bool in_session, gdb_talks;
static bool watched; /* the port is the guest's: console=watched */
static uint32_t guest_cpus;
static uint32_t stop_at;
static uint64_t answered; /* an NMI that came in a generation before this has had its session */

/* How the guest is to go on. */
static struct going {
    bool decided, step, alone;
    struct cpu *cpu; /* the one that steps or runs alone */
} going;

/* An INT3 that is nobody's breakpoint at this linear address is stepped over untold. */
static bool passing;
static struct going passing_from;
static uint64_t steps_left;
static bool stepping_alone; /* the step has just been armed: what is typed meanwhile can wait */
static bool in_new_steps;
static struct session_cost cost;

const struct session_cost *session_cost(void) { return &cost; }
const struct session_stop *session_stopped(void) { return &stopped; }
bool session_is_stopped(void) { return in_session && !going.decided; }
uint32_t session_cpus(void) { return guest_cpus; }

void session_talk_gdb(bool gdb)
{
    gdb_talks = gdb;
    log_hush(gdb);
    watched_console_set_key(gdb ? INTERRUPT : WATCHED_KEY);
}

bool session_is_gdbs(void) { return gdb_talks; }

void session_repeat_step(uint64_t count)
{
    steps_left = count;
    in_new_steps = true;
}

const char *session_reason(enum debug_why why)
{
    static const char *const names[] = {
        [DEBUG_NOTHING] = "nothing",
        [DEBUG_KEY] = "asked for",
        [DEBUG_LAUNCH] = "launch",
        [DEBUG_START] = "started by a SIPI",
        [DEBUG_HYPERCALL] = "hypercall",
        [DEBUG_NMI] = "NMI",
        [DEBUG_TRIPLE_FAULT] = "triple fault",
        [DEBUG_ENTRY_FAILURE] = "VM entry failed",
        [DEBUG_STEP] = "step",
        [DEBUG_INT3] = "breakpoint",
        [DEBUG_WATCH] = "debug register",
        [DEBUG_TURN] = "its turn",
    };
    return names[why];
}

/* ---- going on ---- */

static bool decide(struct cpu *cpu, bool step, bool alone, char *why, size_t size)
{
    char broken[200];
    for (uint32_t i = 0; i < guest_cpus; i++) {
        if (!target_may_go_on(percpu_get(i), broken, sizeof(broken))) {
            format(why, size, "cpu%u cannot go on: %s", i, broken);
            return false;
        }
    }
    if (cpu && cpu != this_cpu() && cpu->state != CPU_STOPPED) {
        format(why, size, "cpu%u runs no guest code now", cpu->number);
        return false;
    }
    going.decided = true;
    going.step = step;
    going.alone = alone;
    going.cpu = cpu;
    return true;
}

bool session_go_on(char *why, size_t size) { return decide(NULL, false, false, why, size); }

bool session_run_alone(struct cpu *cpu, char *why, size_t size)
{
    return decide(cpu, false, true, why, size);
}

bool session_step(struct cpu *cpu, bool alone, char *why, size_t size)
{
    return decide(cpu, true, alone, why, size);
}

/* This CPU is the one that runs while the others stand still: it has the port too. */
static void run_this_alone(struct vmx_cpu *vcpu)
{
    stepping_alone = going.step;
    machine.debug.looker = vcpu->cpu->number;
    percpu_attend(vcpu->cpu, ATTENTION_LOG); /* arms its timer */
}

static void arm_here(void *vcpu) { step_arm(vcpu); }

static void go_on(struct vmx_cpu *vcpu)
{
    struct vmx_cpu *other = going.cpu ? going.cpu->vcpu : NULL;
    if (going.step) {
        if (in_new_steps) {
            in_new_steps = false;
            cost.steps = 0;
            cost.steps_since = hw_rdtsc();
        }
        (void)!stop_run_on(going.cpu, arm_here, other);
    }
    if (!other || !going.alone) {
        machine.debug.looker = 0;
        stop_release();
    } else if (other == vcpu) {
        run_this_alone(vcpu);
    } else {
        other->debug_why = DEBUG_NOTHING; /* what waits there is told another time */
        debug_event(other, DEBUG_TURN, 0);
        stop_hand_over(going.cpu);
    }
}

/* ---- a session ---- */

static void name_the_deaf(void)
{
    for (uint32_t i = 0; i < guest_cpus; i++)
        if (percpu_get(i) != this_cpu() && !stop_has_stopped(percpu_get(i)))
            say("cpu%u does not stop: its guest may have switched the local APIC off\n", i);
}

/* The watched key a second time is the guest's. */
static bool send_key_on(int byte)
{
    char why[200];
    return watched && byte == WATCHED_KEY && stopped.why == DEBUG_KEY && !gdb_talks &&
           watched_console_send(this_vmx_cpu(), WATCHED_KEY) && session_go_on(why, sizeof(why));
}

/* gdb, if the port is its, or the monitor. */
static void show_stop(void)
{
    if (gdb_talks)
        gdb_stopped();
    if (gdb_talks)
        return;
    monitor_stopped();
    name_the_deaf();
    monitor_prompt();
}

/* A byte for the monitor, with which gdb may come. */
static enum monitor_next hear_monitor(int byte)
{
    enum monitor_next next = monitor_feed(byte);
    if (next != MONITOR_GDB)
        return next;
    session_talk_gdb(true);
    return gdb_feed(byte) ? MONITOR_STOP : MONITOR_MORE;
}

static void hear(int byte)
{
    bool did = gdb_talks;
    if (gdb_talks)
        (void)gdb_feed(byte);
    else
        (void)hear_monitor(byte);
    if (did != gdb_talks && !going.decided)
        show_stop();
}

static void converse(void)
{
    uint64_t heard = hw_rdtsc(), quiet = GDB_QUIET_US * time_tsc_per_us();
    going.decided = false;
    in_session = true;
    cost.exit = machine.measure_exits ? heard - this_vmx_cpu()->exit_started : 0;
    port_enter();
    show_stop();
    bool first = true;
    while (!going.decided) {
        int byte = port_get();
        if (byte != UART_NOTHING) {
            if (!first || !send_key_on(byte))
                hear(byte);
            first = false;
            heard = hw_rdtsc();
        } else if (gdb_talks && hw_rdtsc() - heard > quiet) {
            gdb_quiet();
        }
        hw_pause();
    }
    in_session = false;
    if (!gdb_talks && !going.step && !watched)
        monitor_prompt();
    port_leave();
}

static bool is_asked_for(void)
{
    port_enter();
    int byte = port_get();
    port_leave();
    return byte == UART_BREAK || byte == INTERRUPT;
}

/* A step is done, and another one is to follow: by the monitor's count, or in gdb's range. */
static bool steps_on(void)
{
    if (gdb_talks ? !gdb_steps_on() : steps_left <= 1)
        return false;
    steps_left -= !gdb_talks;
    if (!is_asked_for())
        return true;
    stopped.why = DEBUG_KEY;
    return false;
}

static void cancel_here(void *vcpu) { step_cancel(vcpu); }

/* One stop is told at a time. Of the other CPUs a step that is under way ends untold, and an INT3
 * that was met is met again, unless it is taken away; what else waits is told next. */
static void quiet_the_others(const struct cpu *self)
{
    for (uint32_t i = 0; i < guest_cpus; i++) {
        struct cpu *cpu = percpu_get(i);
        struct vmx_cpu *vcpu = cpu->vcpu;
        if (cpu == self || !stop_run_on(cpu, cancel_here, vcpu))
            continue;
        if (vcpu->debug_why == DEBUG_STEP || vcpu->debug_why == DEBUG_INT3)
            vcpu->debug_why = DEBUG_NOTHING;
    }
}

/* False: what was noted is told already, while this CPU waited for its turn. */
static bool begin(struct vmx_cpu *vcpu)
{
    struct cpu *self = vcpu->cpu;
    bool held = stop_holder() == self;
    if (!held) {
        uint64_t asked = hw_rdtsc();
        (void)!stop_all(STOP_WORK, STOP_BOUND_US);
        cost.stop = hw_rdtsc() - asked;
        if (vcpu->debug_why == DEBUG_NMI && self->nmi_generation < answered)
            vcpu->debug_why = DEBUG_NOTHING; /* of one button that is wired to several CPUs */
        if (vcpu->debug_why != DEBUG_NOTHING)
            quiet_the_others(self);
    }
    stopped = (struct session_stop){vcpu->debug_why, vcpu->debug_detail, self};
    vcpu->debug_why = DEBUG_NOTHING;
    if (!held && (stopped.why == DEBUG_NOTHING || stopped.why == DEBUG_TURN))
        stop_release(); /* all of it, or what was taken within the other's */
    return stopped.why != DEBUG_NOTHING;
}

static bool begin_pass(struct vmx_cpu *vcpu)
{
    if (stopped.why != DEBUG_INT3 || !breakpoint_pass_begin(vcpu))
        return false;
    passing = true;
    passing_from = going;
    going = (struct going){.decided = true, .step = true, .alone = true, .cpu = vcpu->cpu};
    return true;
}

/* False: there is something to tell, a step that was asked for or what else came meanwhile. */
static bool end_pass(struct vmx_cpu *vcpu)
{
    if (!passing)
        return false;
    passing = false;
    breakpoint_pass_end(vcpu);
    going = passing_from;
    return stopped.why == DEBUG_STEP && !(going.step && going.cpu == vcpu->cpu);
}

static void attend(struct vmx_cpu *vcpu)
{
    if (vcpu->debug_why == DEBUG_NOTHING || !begin(vcpu))
        return;
    if (stopped.why == DEBUG_TURN) {
        run_this_alone(vcpu);
        return;
    }
    if (stopped.why == DEBUG_ENTRY_FAILURE)
        vmx_relaunch(vcpu);
    step_cancel(vcpu);
    if (end_pass(vcpu) || begin_pass(vcpu)) {
        go_on(vcpu);
        return;
    }
    if (stopped.why == DEBUG_STEP) {
        cost.steps++;
        cost.steps_ticks = hw_rdtsc() - cost.steps_since;
    }
    if (stopped.why == DEBUG_STEP && steps_on()) {
        going.decided = true;
    } else {
        steps_left = 0;
        monitor_set_cpu(vcpu->cpu);
        converse();
        answered = stop_generation() + 1;
    }
    vcpu->started_us = time_us(); /* an INIT that was held since before a SIPI comes now */
    go_on(vcpu);
}

/* While the guest runs. */
static void look(struct vmx_cpu *vcpu)
{
    int byte;
    if (vcpu->debug_why != DEBUG_NOTHING || stepping_alone) {
        stepping_alone = false;
        return;
    }
    if (watched) {
        if (watched_console_look(vcpu))
            debug_event(vcpu, DEBUG_KEY, 0);
        return;
    }
    port_enter();
    while ((byte = port_get()) != UART_NOTHING) {
        if (!(gdb_talks ? gdb_feed(byte) : hear_monitor(byte) == MONITOR_STOP))
            continue;
        debug_event(vcpu, DEBUG_KEY, 0);
        break;
    }
    port_leave();
}

/* Where the guest ends. Asked again at the same place, after somebody has seen it, it does end. */
static bool last_look(struct vmx_cpu *vcpu, enum debug_why why)
{
    uint32_t bit = why == DEBUG_TRIPLE_FAULT ? STOP_AT_TRIPLE_FAULT : STOP_AT_ENTRY_FAILURE;
    uint64_t rip = vmcs_read(GUEST_RIP);
    if (!(stop_at & bit) || (vcpu->debug_end_seen && vcpu->debug_end_rip == rip))
        return false;
    vcpu->debug_end_seen = true;
    vcpu->debug_end_rip = rip;
    return true;
}

/* The log's line has more; one that is the debugger's too has it already. */
static void hear_end(const char *kind, const char *sentence)
{
    char line[END_BYTES];
    size_t length = format(line, sizeof(line), "\n%s: %s\n", kind, sentence);
    if (gdb_talks)
        gdb_end(line, length);
    else if (port_is_own())
        port_write(line, length);
}

/* ---- boot ---- */

static void warn_of_limits(void)
{
    if (!(machine.caps.pin >> 32 & PIN_PREEMPTION_TIMER))
        log_warn("debug", "this CPU has no VMX preemption timer: no key breaks in; stop=, the "
                          "hypercall and breakpoints do");
}

/* The port, and what the guest is to find there. */
static enum error open_port(const struct options *options, bool bios)
{
    uint16_t port = options->debug_port;
    if (port && port != options->serial_port) {
        hidden_uart_install(this_cpu(), port, bios);
        return port_open(port, options->debug_baud);
    }
    if (port && options->console == CONSOLE_SHARED) {
        log_warn("debug", "the log has port 0x%x: write console=own, or another debug=", port);
        return ERROR_RANGE;
    }
    watched = options->console == CONSOLE_WATCHED;
    enum error error = port_share(!watched);
    if (error == ERROR_NONE && watched)
        watched_console_install(options->serial_port);
    else if (error == ERROR_NONE)
        hidden_uart_install(this_cpu(), options->serial_port, bios);
    return error;
}

void session_prepare(const struct options *options, uint32_t count, bool bios)
{
    enum error error = open_port(options, bios);
    if (error == ERROR_NOT_FOUND)
        log_warn("debug", "there is no UART: no debugger");
    if (error != ERROR_NONE)
        return;
    guest_cpus = count;
    stop_at = options->stop_at;
    machine.debug.attend = attend;
    machine.debug.look = look;
    machine.debug.last_look = last_look;
    machine.debug.owns_int3 = breakpoint_is_at;
    machine.debug.stop_at_start = stop_at & STOP_AT_CPU;
    machine.debug.stop_at_nmi = stop_at & STOP_AT_NMI;
    if (options->panic_address) {
        machine.debug.breakpoints[DEBUG_BREAKPOINTS - 1] =
            (struct debug_breakpoint){.linear = options->panic_address, .bytes = 1, .on = true};
        machine.debug.generation++;
    }
    panic_set_listener(hear_end);
    warn_of_limits();
    log_info("debug", "the debugger is at port 0x%x%s",
             options->debug_port ? options->debug_port : options->serial_port,
             watched ? ", the guest's: Ctrl-\\ stops it" : "");
}

void session_launch(void)
{
    struct vmx_cpu *vcpu = this_vmx_cpu();
    if (!machine.debug.attend)
        return;
    monitor_set_cpu(vcpu->cpu);
    if (!watched)
        monitor_start();
    percpu_attend(vcpu->cpu, ATTENTION_LOG); /* arms the timer */
    if (stop_at & STOP_AT_LAUNCH)
        debug_event(vcpu, DEBUG_LAUNCH, 0);
}
