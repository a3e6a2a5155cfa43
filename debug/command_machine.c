/* The machine: its memory, the log, events for the guest, and its end. */
#include "base/bits.h"
#include "base/x86/exceptions.h"
#include "debug/commands.h"
#include "kernel/apic.h"
#include "kernel/log.h"
#include "kernel/panic.h"
#include "lib/string.h"
#include "vmx/exit.h"
#include "vmx/exit_info.h"
#include "vmx/machine.h"
#include "vmx/vmcs.h"

#define U(x)      ((unsigned long long)(x))
#define LOG_LINES 32

/* ---- map ---- */

const char *memory_type_name(uint64_t type)
{
    static const char *const names[] = {"UC", "WC", "?", "?", "WT", "WP", "WB"};
    return type < ARRAY_SIZE(names) ? names[type] : "?";
}

static void say_range(uint64_t base, uint64_t end, const char *what)
{
    say("  %012llx - %012llx %s\n", U(base), U(end - 1), what);
}

static void say_memory_map(void)
{
    static const char *const kinds[] = {"?",        "usable", "reserved", "ACPI reclaimable",
                                        "ACPI NVS", "bad"};
    const struct memory_map *map = machine.map;
    say("memory, as the guest is told:\n");
    for (uint32_t i = 0; i < map->count; i++)
        say_range(map->ranges[i].base, map->ranges[i].end,
                  kinds[map->ranges[i].type < ARRAY_SIZE(kinds) ? map->ranges[i].type : 0]);
    say_range(machine.msr.own_base, machine.msr.own_end, "Orlop's own");
}

static void say_mtrrs(void)
{
    const struct mtrr_state *mtrr = &machine.mtrr;
    say("MTRRs of the firmware: default %s, %s, fixed ranges %s\n",
        memory_type_name(mtrr->def_type & MTRR_DEF_TYPE_TYPE),
        mtrr->def_type & MTRR_DEF_TYPE_E ? "on" : "off",
        mtrr->def_type & MTRR_DEF_TYPE_FE ? "on" : "off");
    for (unsigned i = 0; i < MTRR_FIXED_COUNT && (mtrr->cap & MTRRCAP_FIX); i++)
        say("  MSR %x: %016llx\n", mtrr_fixed_msr(i), U(mtrr->fixed[i]));
    for (unsigned i = 0; i < mtrr->variable_count; i++)
        if (mtrr->variable[i].mask & MTRR_PHYSMASK_V)
            say("  base %012llx mask %012llx %s\n", U(mtrr->variable[i].base & ~PAGE_MASK),
                U(mtrr->variable[i].mask & ~PAGE_MASK),
                memory_type_name(mtrr->variable[i].base & MTRR_PHYSBASE_TYPE));
}

static void say_ept_summary(void)
{
    const struct ept *ept = &machine.ept;
    uint64_t address = 0;
    say("EPT: root %llx, %u tables from the boot, %u in reserve (%u at least); %llu pages mapped "
        "by "
        "touch, %llu tables dropped, %llu pages split\n",
        U(ept->root.v), ept->boot_tables, ept->reserve_count, ept->counters.reserve_low_water,
        U(ept->counters.touched), U(ept->counters.dropped), U(ept->counters.split));
    while (address < ept->plan.limit) {
        struct mtrr_run run = mtrr_sets_run_at(&machine.types, address);
        uint64_t end = min_u64(run.end, ept->plan.limit);
        say_range(address, end, memory_type_name(run.type));
        address = end;
    }
}

static void map(struct arguments *arguments)
{
    (void)arguments;
    say_memory_map();
    say_mtrrs();
    say_ept_summary();
}

/* ---- log ---- */

static void choose_level(const char *word)
{
    static const char *const levels[] = {"error", "warn", "info", "debug"};
    enum log_level level = log_set_level(LOG_DEBUG);
    for (unsigned i = 0; word && i <= LOG_DEBUG; i++)
        if (!strcmp(word, levels[i])) {
            (void)log_set_level((enum log_level)i);
            return;
        }
    (void)log_set_level(level);
    say("the level is %s; it can be error, warn, info, debug\n", levels[level]);
}

static void show_log(struct arguments *arguments)
{
    struct log_record record;
    char line[LOG_LINE_BYTES];
    uint64_t count = LOG_LINES;
    if (arguments->count && !strcmp(arguments->words[0], "level")) {
        choose_level(arguments->count > 1 ? arguments->words[1] : NULL);
        return;
    }
    if (arguments->count && !arguments_number(arguments, 0, "a count", &count)) {
        monitor_complain(arguments);
        return;
    }
    uint64_t cursor = log_last(count);
    while (count-- && log_read(&cursor, &record))
        say("%.*s\n", (int)log_render(line, &record) - 2, line);
}

/* ---- inject ---- */

struct injection {
    uint8_t vector;
    const char *why_not;
};

static void inject_here(void *argument)
{
    struct injection *injection = argument;
    if ((vmcs_read(VM_ENTRY_INTERRUPTION_INFO) | vmcs_read(IDT_VECTORING_INFO)) &
        INTERRUPTION_VALID)
        injection->why_not = "another event is to be delivered first: cont or step, and try again";
    else if (vmcs_read(GUEST_ACTIVITY_STATE) != ACTIVITY_ACTIVE)
        injection->why_not = "the CPU executes nothing: nmi, or 32 to 255, wakes it";
    else
        exit_inject(injection->vector, 0);
}

/* It is the guest's, whatever `stop=nmi` says. */
static void inject_nmi(struct cpu *cpu)
{
    struct vmx_cpu *vcpu = cpu->vcpu;
    vcpu->nmi_pending = 1;
    percpu_attend(cpu, ATTENTION_RELOAD); /* one that does not stand still looks at its next exit */
}

static void inject(struct arguments *arguments)
{
    struct cpu *cpu;
    struct injection injection = {0, NULL};
    uint64_t vector = EXCEPTION_NMI;
    bool nmi = arguments->count && !strcmp(arguments->words[0], "nmi");
    if (!nmi && !arguments_number(arguments, 0, "nmi, or a vector,", &vector)) {
        monitor_complain(arguments);
        return;
    }
    if (!monitor_cpu_argument(arguments, 1, &cpu))
        return;
    injection.vector = (uint8_t)vector;
    if (vector > 255)
        say("there is no vector %s: write 0 to 255, or nmi\n", arguments->words[0]);
    else if (vector == EXCEPTION_NMI)
        inject_nmi(cpu);
    else if (vector >= EXCEPTION_VECTORS && !apic_send(cpu->apic_id, APIC_IPI_FIXED, vector))
        say("the local APIC of cpu%u is off: no interrupt can be sent\n", this_cpu()->number);
    else if (vector < EXCEPTION_VECTORS && ask_cpu(cpu, inject_here, &injection) &&
             injection.why_not)
        say("cpu%u: %s\n", cpu->number, injection.why_not);
}

/* ---- the end ---- */

static void reset(struct arguments *arguments)
{
    (void)arguments;
    reset_machine("by the monitor");
}

static void off(struct arguments *arguments)
{
    (void)arguments;
    switch_off("by the monitor");
}

const struct command command_map = {
    "map", "map", "the memory map, MTRRs, and the EPT's types", map, true,
};
const struct command command_log = {
    "log", "log [COUNT|level [LEVEL]]", "the last lines of the log; what is kept of it", show_log,
    true,
};
const struct command command_inject = {
    "inject", "inject nmi|VECTOR [CPU]", "an exception, or an interrupt by the local APIC", inject,
    false,
};
const struct command command_reset = {
    "reset", "reset", "reset the machine", reset, true,
};
const struct command command_off = {
    "off", "off", "switch the machine off", off, true,
};
