/* How often and how dear the exits were, and the last ones. */
#include "debug/commands.h"
#include "vmx/exit_reasons.h"

#define U(x)       ((unsigned long long)(x))
#define SHOWN_LAST 16

static void say_counts(const struct vmx_cpu *vcpu)
{
    for (uint32_t i = 0; i < EXIT_REASON_COUNT; i++) {
        uint64_t count = vcpu->exits[i];
        if (!count)
            continue;
        say("  %-43s %12llu", exit_reason_name(i), U(count));
        if (vcpu->exit_least[i])
            say(" %9u %9llu %9u", vcpu->exit_least[i], U(vcpu->exit_ticks[i] / count),
                vcpu->exit_most[i]);
        say("\n");
    }
}

static void say_last(const struct vmx_cpu *vcpu, uint64_t count)
{
    say("  last exits, oldest first:\n");
    for (uint64_t back = count; back > 0; back--) {
        uint8_t place = (uint8_t)(vcpu->history_next - back);
        if (vcpu->history_rip[place] || vcpu->history_reason[place])
            say("  %-43s rip %016llx\n", exit_reason_name(vcpu->history_reason[place]),
                U(vcpu->history_rip[place]));
    }
}

static void say_exits(const struct cpu *cpu, uint64_t count)
{
    const struct vmx_cpu *vcpu = cpu->vcpu;
    uint64_t any = 0;
    for (uint32_t i = 0; i < EXIT_REASON_COUNT; i++)
        any |= vcpu->exit_most[i];
    say("cpu%u exits: %*s%s\n", cpu->number, any ? 45 : 0, "",
        any ? "count   minimum      mean   maximum ticks"
            : "(the option exitcost has their ticks counted too)");
    say_counts(vcpu);
    say_last(vcpu, count);
}

static void exits(struct arguments *arguments)
{
    struct cpu *cpu;
    uint64_t count = SHOWN_LAST;
    char letter = 0;
    if (!arguments_suffix(arguments, "", VMX_HISTORY, &count, &letter)) {
        monitor_complain(arguments);
        return;
    }
    if (!monitor_cpu_argument(arguments, 0, &cpu))
        return;
    for (uint32_t i = 0; i < session_cpus(); i++)
        if (!arguments->count || cpu == percpu_get(i))
            say_exits(percpu_get(i), count);
}

const struct command command_exits = {
    "exits", "exits[/COUNT] [CPU]", "exits by reason, and the last ones, of each CPU", exits, true,
};
