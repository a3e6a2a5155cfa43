/* Stop, go on, step. */
#include "base/hw.h"
#include "debug/commands.h"
#include "debug/target.h"

#define WHY_BYTES 256

static void stop(struct arguments *arguments)
{
    (void)arguments;
    if (session_is_stopped())
        say("the guest stands still already\n");
    else
        monitor_ask_to_stop();
}

static void cont(struct arguments *arguments)
{
    char why[WHY_BYTES];
    (void)arguments;
    if (!session_go_on(why, sizeof(why)))
        say("%s\n", why);
}

static void step(struct arguments *arguments)
{
    char why[WHY_BYTES];
    uint64_t count = 1;
    if (arguments->count && !arguments_number(arguments, 0, "how many instructions", &count)) {
        monitor_complain(arguments);
        return;
    }
    if (!count)
        return;
    session_repeat_step(count);
    if (!session_step(monitor_cpu(), true, why, sizeof(why)))
        say("%s\n", why);
}

static void cost(struct arguments *arguments)
{
    const struct session_cost *of = session_cost();
    (void)arguments;
    say("the TSC is at %llu\nall CPUs stood still after %llu ticks\n",
        (unsigned long long)hw_rdtsc(), (unsigned long long)of->stop);
    if (of->exit)
        say("the session began %llu ticks after the exit\n", (unsigned long long)of->exit);
    if (of->steps)
        say("%llu steps took %llu ticks\n", (unsigned long long)of->steps,
            (unsigned long long)of->steps_ticks);
}

const struct command command_cost = {
    "cost", "cost", "the ticks that the last stop and the last steps took", cost, false,
};
const struct command command_stop = {
    "stop", "stop", "stop the guest on all CPUs", stop, true,
};
const struct command command_cont = {
    "cont", "cont", "let the guest go on", cont, false,
};
const struct command command_step = {
    "step", "step [COUNT]", "run instructions on this CPU alone", step, false,
};
