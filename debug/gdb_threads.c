/* gdb's threads are the CPUs, and how it is told that they have stopped. */
#include "debug/breakpoints.h"
#include "debug/gdb_packets.h"
#include "debug/gdb_registers.h"
#include "debug/session.h"
#include "lib/format.h"
#include "lib/string.h"

#define MODE_BYTES  48
#define SIGNAL_INT  2 /* gdb's own numbers */
#define SIGNAL_TRAP 5
#define SIGNAL_SEGV 11

static struct cpu *chosen;

bool gdb_take_thread(struct rsp_reader *packet, uint64_t *thread)
{
    *thread = GDB_ALL_THREADS;
    return rsp_take_text(packet, "-1") || rsp_take_number(packet, thread);
}

struct cpu *gdb_thread_cpu(uint64_t thread)
{
    return thread - 1 < session_cpus() ? percpu_get((uint32_t)(thread - 1)) : NULL;
}

static unsigned thread_of(const struct cpu *cpu)
{
    unsigned number = 0;
    while (number < session_cpus() && percpu_get(number) != cpu)
        number++;
    return number + 1;
}

struct cpu *gdb_cpu(void) { return chosen; }
void gdb_set_cpu(struct cpu *cpu) { chosen = cpu; }

/* Hg; Hc is of those clients that know no vCont. */
void gdb_set_thread(struct rsp_reader *packet, struct rsp_reply *reply)
{
    uint64_t thread;
    if (!(rsp_take(packet, 'g') || rsp_take(packet, 'c')) || !gdb_take_thread(packet, &thread)) {
        gdb_reply_malformed(reply);
        return;
    }
    if (thread == 0 || thread == GDB_ALL_THREADS)
        thread = thread_of(session_stopped()->cpu);
    if (!gdb_thread_cpu(thread)) {
        gdb_reply_malformed(reply);
        return;
    }
    gdb_set_cpu(gdb_thread_cpu(thread));
    gdb_reply_ok(reply);
}

void gdb_thread_alive(struct rsp_reader *packet, struct rsp_reply *reply)
{
    uint64_t thread;
    if (gdb_take_thread(packet, &thread) && gdb_thread_cpu(thread))
        gdb_reply_ok(reply);
    else
        gdb_reply_malformed(reply);
}

void gdb_current_thread(struct rsp_reader *packet, struct rsp_reply *reply)
{
    if (rsp_left(packet)) /* qCRC */
        return;
    rsp_reply_text(reply, "QC");
    rsp_reply_number(reply, thread_of(gdb_cpu()));
}

void gdb_threads(struct rsp_reader *packet, struct rsp_reply *reply)
{
    (void)packet;
    for (unsigned i = 0; i < session_cpus(); i++) {
        rsp_reply_byte(reply, i ? ',' : 'm');
        rsp_reply_number(reply, i + 1);
    }
}

void gdb_threads_end(struct rsp_reader *packet, struct rsp_reply *reply)
{
    (void)packet;
    rsp_reply_byte(reply, 'l');
}

/* qThreadExtraInfo. */
void gdb_thread_info(struct rsp_reader *packet, struct rsp_reply *reply)
{
    uint64_t thread;
    char mode[MODE_BYTES];
    if (!gdb_take_thread(packet, &thread) || !gdb_thread_cpu(thread)) {
        gdb_reply_malformed(reply);
        return;
    }
    target_mode(gdb_thread_cpu(thread), mode, sizeof(mode));
    rsp_reply_hex(reply, mode, strlen(mode));
}

/* qXfer:threads:read. */
void gdb_thread_list(struct rsp_reader *packet, struct rsp_reply *reply)
{
    struct rsp_part part;
    if (!gdb_part_begin(packet, reply, &part))
        return;
    rsp_part_text(&part, "<threads>");
    for (unsigned i = 0; i < session_cpus(); i++) {
        char mode[MODE_BYTES], line[MODE_BYTES + 64];
        target_mode(percpu_get(i), mode, sizeof(mode));
        format(line, sizeof(line), "<thread id=\"%x\" core=\"%u\" name=\"cpu%u %s\"/>", i + 1, i, i,
               mode);
        rsp_part_text(&part, line);
    }
    rsp_part_text(&part, "</threads>");
    gdb_part_end(&part);
}

/* ---- stop replies ---- */

static unsigned signal_of(enum debug_why why)
{
    switch (why) {
    case DEBUG_KEY:
    case DEBUG_NMI:
        return SIGNAL_INT;
    case DEBUG_TRIPLE_FAULT:
    case DEBUG_ENTRY_FAILURE:
        return SIGNAL_SEGV;
    default:
        return SIGNAL_TRAP;
    }
}

/* By the digit of Z that has set it. */
static const char *watch_name(uint8_t kind)
{
    switch (kind) {
    case '2':
        return "watch:";
    case '3':
        return "rwatch:";
    case '4':
        return "awatch:";
    default:
        return "hwbreak:";
    }
}

static void reply_reason(struct rsp_reply *reply, const struct session_stop *stop)
{
    if (stop->why == DEBUG_INT3)
        rsp_reply_text(reply, "swbreak:;");
    if (stop->why != DEBUG_WATCH || !watch_kind(stop->detail))
        return;
    const char *name = watch_name(watch_kind(stop->detail));
    rsp_reply_text(reply, name);
    if (*name != 'h')
        rsp_reply_number(reply, watch_linear(stop->detail));
    rsp_reply_byte(reply, ';');
}

/* Registers that gdb wants first, so that it need not ask. */
static void reply_register(struct rsp_reply *reply, struct cpu *cpu, uint8_t number)
{
    rsp_reply_hex(reply, &number, 1);
    rsp_reply_byte(reply, ':');
    (void)!gdb_reply_register(cpu, number, reply);
    rsp_reply_byte(reply, ';');
}

void gdb_stop_reply(struct rsp_reader *packet, struct rsp_reply *reply)
{
    const struct session_stop *stop = session_stopped();
    uint8_t signal = (uint8_t)signal_of(stop->why);
    (void)packet;
    rsp_reply_byte(reply, 'T');
    rsp_reply_hex(reply, &signal, 1);
    rsp_reply_text(reply, "thread:");
    rsp_reply_number(reply, thread_of(stop->cpu));
    rsp_reply_byte(reply, ';');
    reply_reason(reply, stop);
    reply_register(reply, stop->cpu, TARGET_rip);
    reply_register(reply, stop->cpu, TARGET_rsp);
    reply_register(reply, stop->cpu, TARGET_rbp);
}
