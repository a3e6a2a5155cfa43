/* gdb's packets that let the guest go on. */
#include "base/bits.h"
#include "debug/gdb.h"
#include "debug/gdb_packets.h"
#include "debug/session.h"

#define WHY_BYTES   200
#define ACTIONS_MAX 8

struct action {
    uint64_t thread;     /* GDB_ALL_THREADS: those that no action before it names */
    uint64_t start, end; /* of `r`, within which it goes on stepping */
    bool step;
};

static struct {
    struct cpu *cpu;
    uint64_t start, end;
    bool alone;
} range;

static bool take_action(struct rsp_reader *packet, struct action *action)
{
    uint64_t signal;
    char kind = rsp_left(packet) ? *packet->at++ : 0;
    *action = (struct action){.thread = GDB_ALL_THREADS, .step = kind != 'c' && kind != 'C'};
    switch (kind) {
    case 'C':
    case 'S': /* the guest has no signals */
        if (!rsp_take_number(packet, &signal))
            return false;
        break;
    case 'r':
        if (!rsp_take_number(packet, &action->start) || !rsp_take(packet, ',') ||
            !rsp_take_number(packet, &action->end))
            return false;
        break;
    case 'c':
    case 's':
        break;
    default:
        return false;
    }
    return !rsp_take(packet, ':') || gdb_take_thread(packet, &action->thread);
}

/* What the first action that is for the thread says; NULL: it stands still. */
static const struct action *action_of(const struct action *actions, unsigned count, uint64_t thread)
{
    for (unsigned i = 0; i < count; i++)
        if (actions[i].thread == GDB_ALL_THREADS || actions[i].thread == thread)
            return &actions[i];
    return NULL;
}

/* What the actions come to: one CPU that steps, or none, and how many run. */
struct resumption {
    struct cpu *steps, *runs; /* the last one of those that run */
    const struct action *step;
    unsigned running;
};

/* Of several that would step it is the one that gdb looks at. */
static struct resumption resumption_of(const struct action *actions, unsigned count)
{
    struct resumption all = {0};
    for (uint64_t thread = 1; thread <= session_cpus(); thread++) {
        const struct action *action = action_of(actions, count, thread);
        struct cpu *cpu = gdb_thread_cpu(thread);
        if (action && action->step && (!all.steps || cpu == gdb_cpu())) {
            all.steps = cpu;
            all.step = action;
        } else if (action && !action->step) {
            all.runs = cpu;
            all.running++;
        }
    }
    return all;
}

static bool resume(const struct resumption *all, char *why, size_t size)
{
    range.cpu = NULL;
    if (all->steps) {
        bool alone = all->running == 0;
        if (!session_step(all->steps, alone, why, size))
            return false;
        range.cpu = all->step->end ? all->steps : NULL;
        range.start = all->step->start;
        range.end = all->step->end;
        range.alone = alone;
        return true;
    }
    if (all->running == 1 && session_cpus() > 1)
        return session_run_alone(all->runs, why, size);
    return session_go_on(why, size);
}

static void resume_by(const struct action *actions, unsigned count, struct rsp_reply *reply)
{
    char why[WHY_BYTES];
    struct resumption all = resumption_of(actions, count);
    if (!all.steps && !all.running)
        gdb_reply_malformed(reply);
    else if (!all.steps && all.running > 1 && all.running < session_cpus())
        gdb_reply_error(reply, "all CPUs go on, or one");
    else if (resume(&all, why, sizeof(why)))
        gdb_await_stop();
    else
        gdb_reply_error(reply, why);
}

/* vCont;ACTION[:THREAD]... */
void gdb_resume(struct rsp_reader *packet, struct rsp_reply *reply)
{
    struct action actions[ACTIONS_MAX];
    unsigned count = 0;
    while (count < ACTIONS_MAX && rsp_take(packet, ';')) {
        if (!take_action(packet, &actions[count++])) {
            gdb_reply_malformed(reply);
            return;
        }
    }
    if (rsp_left(packet))
        gdb_reply_malformed(reply);
    else
        resume_by(actions, count, reply);
}

void gdb_resume_kinds(struct rsp_reader *packet, struct rsp_reply *reply)
{
    (void)packet;
    rsp_reply_text(reply, "vCont;c;C;s;S;r");
}

/* c, s [ADDRESS], of clients without vCont. */
static void resume_at(struct rsp_reader *packet, const struct action *actions, unsigned count,
                      struct rsp_reply *reply)
{
    struct target_value rip = {0, 0};
    if (rsp_take_number(packet, &rip.low) && target_set(gdb_cpu(), TARGET_rip, rip) != ERROR_NONE)
        gdb_reply_malformed(reply);
    else
        resume_by(actions, count, reply);
}

void gdb_continue(struct rsp_reader *packet, struct rsp_reply *reply)
{
    static const struct action all = {.thread = GDB_ALL_THREADS};
    resume_at(packet, &all, 1, reply);
}

/* One CPU steps while the others run. */
void gdb_step(struct rsp_reader *packet, struct rsp_reply *reply)
{
    struct action actions[] = {{.step = true}, {.thread = GDB_ALL_THREADS}};
    for (uint64_t thread = 1; thread <= session_cpus(); thread++)
        if (gdb_thread_cpu(thread) == gdb_cpu())
            actions[0].thread = thread;
    resume_at(packet, actions, 2, reply);
}

bool gdb_steps_on(void)
{
    char why[WHY_BYTES];
    if (session_stopped()->cpu != range.cpu)
        return false;
    uint64_t rip = target_word(range.cpu, TARGET_rip);
    return rip >= range.start && rip < range.end &&
           session_step(range.cpu, range.alone, why, sizeof(why));
}

/* D, k, vKill: the guest goes on without gdb. Who wants its end says `monitor off`. */
void gdb_detach(struct rsp_reader *packet, struct rsp_reply *reply)
{
    char why[WHY_BYTES];
    (void)packet;
    gdb_forget();
    if (session_go_on(why, sizeof(why))) {
        session_talk_gdb(false);
        gdb_reply_ok(reply);
    } else {
        gdb_reply_error(reply, why);
    }
}
