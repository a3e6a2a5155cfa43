/* The CPUs, and their registers. */
#include "base/bits.h"
#include "base/x86/cr.h"
#include "base/x86/eflags.h"
#include "debug/commands.h"
#include "debug/target.h"
#include "lib/format.h"
#include "lib/string.h"

#define U(x) ((unsigned long long)(x))

static void cpus(struct arguments *arguments)
{
    static const char *const states[] = {
        [CPU_ABSENT] = "absent",      [CPU_ROOT] = "in Orlop",
        [CPU_GUEST] = "in the guest", [CPU_WAIT_FOR_SIPI] = "wait-for-SIPI",
        [CPU_STOPPED] = "stopped",    [CPU_LEFT_OUT] = "left out"};
    (void)arguments;
    for (uint32_t i = 0; i < session_cpus(); i++) {
        struct cpu *cpu = percpu_get(i);
        char mode[48];
        say("%ccpu%u apic %u: ", cpu == monitor_cpu() ? '*' : ' ', i, cpu->apic_id);
        if (!session_is_stopped()) {
            say("%s\n", states[cpu->state]);
            continue;
        }
        struct target_value rip = {0, 0};
        target_mode(cpu, mode, sizeof(mode));
        if (target_get(cpu, TARGET_rip, 1, &rip))
            say("%s, rip %016llx\n", mode, U(rip.low));
        else
            say("%s\n", mode);
    }
}

static void choose_cpu(struct arguments *arguments)
{
    struct cpu *cpu;
    if (!monitor_cpu_argument(arguments, 0, &cpu))
        return;
    monitor_set_cpu(cpu);
}

void say_bits(uint64_t value, const struct bit_name *names, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (value >> names[i].bit & 1)
            say(" %s", names[i].name);
    say("\n");
}

static void say_flags(const struct target_value *values)
{
    static const struct bit_name flags[] = {{0, "CF"},  {2, "PF"},   {4, "AF"},   {6, "ZF"},
                                            {7, "SF"},  {8, "TF"},   {9, "IF"},   {10, "DF"},
                                            {11, "OF"}, {14, "NT"},  {16, "RF"},  {17, "VM"},
                                            {18, "AC"}, {19, "VIF"}, {20, "VIP"}, {21, "ID"}};
    uint64_t value = values[TARGET_eflags].low;
    say("rip %016llx eflags %08llx, IOPL %u:", U(values[TARGET_rip].low), U(value),
        (unsigned)(value >> 12 & 3));
    say_bits(value, flags, ARRAY_SIZE(flags));
}

static void say_control(struct cpu *cpu)
{
    static const struct bit_name cr0[] = {{0, "PE"},  {1, "MP"},  {2, "EM"},  {3, "TS"},
                                          {4, "ET"},  {5, "NE"},  {16, "WP"}, {18, "AM"},
                                          {29, "NW"}, {30, "CD"}, {31, "PG"}};
    static const struct bit_name cr4[] = {
        {0, "VME"},   {1, "PVI"},   {2, "TSD"},   {3, "DE"},     {4, "PSE"},    {5, "PAE"},
        {6, "MCE"},   {7, "PGE"},   {8, "PCE"},   {9, "FXSR"},   {10, "XMM"},   {11, "UMIP"},
        {12, "LA57"}, {14, "SMXE"}, {16, "FSGS"}, {17, "PCIDE"}, {18, "XSAVE"}, {20, "SMEP"},
        {21, "SMAP"}, {22, "PKE"},  {23, "CET"},  {24, "PKS"}};
    static const struct bit_name efer[] = {{0, "SCE"}, {8, "LME"}, {10, "LMA"}, {11, "NXE"}};
    uint64_t value = target_word(cpu, TARGET_cr0);
    say("cr0 %016llx:", U(value));
    say_bits(value, cr0, ARRAY_SIZE(cr0));
    say("cr2 %016llx cr3 %016llx cr8 %llx\n", U(target_word(cpu, TARGET_cr2)),
        U(target_word(cpu, TARGET_cr3)), U(target_word(cpu, TARGET_cr8)));
    value = target_word(cpu, TARGET_cr4);
    say("cr4 %016llx:", U(value));
    say_bits(value, cr4, ARRAY_SIZE(cr4));
    value = target_word(cpu, TARGET_efer);
    say("efer %016llx:", U(value));
    say_bits(value, efer, ARRAY_SIZE(efer));
}

/* A segment's registers have its name: cs_base, cs_limit, cs_rights. */
static uint64_t part(struct cpu *cpu, const char *segment, const char *what)
{
    char name[16];
    size_t length = format(name, sizeof(name), "%s_%s", segment, what);
    unsigned number = target_register_find(name, length);
    return number < TARGET_REGISTER_COUNT ? target_word(cpu, number) : 0;
}

static void say_segments(struct cpu *cpu)
{
    static const char names[][5] = {"cs", "ss", "ds", "es", "fs", "gs", "tr", "ldtr"};
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        uint64_t rights = part(cpu, names[i], "rights");
        say("%-4s %04llx base %016llx limit %08llx rights %05llx%s\n", names[i],
            U(target_word(cpu, target_register_find(names[i], strlen(names[i])))),
            U(part(cpu, names[i], "base")), U(part(cpu, names[i], "limit")), U(rights),
            rights >> 16 & 1 ? ", unusable" : "");
    }
    say("gdtr base %016llx limit %04llx  idtr base %016llx limit %04llx\n",
        U(target_word(cpu, TARGET_gdtr_base)), U(target_word(cpu, TARGET_gdtr_limit)),
        U(target_word(cpu, TARGET_idtr_base)), U(target_word(cpu, TARGET_idtr_limit)));
    for (unsigned i = TARGET_dr0; i <= TARGET_dr7; i++)
        say("%s %016llx%s", target_register_name(i), U(target_word(cpu, i)),
            (i - TARGET_dr0) % 3 == 2 ? "\n" : " ");
}

static void change(struct arguments *arguments, char *text)
{
    struct target_value value = {0, 0};
    unsigned number = target_register_find(arguments->words[0], strlen(arguments->words[0]));
    if (!arguments_sum(arguments, text, &value.low)) {
        monitor_complain(arguments);
        return;
    }
    enum error error =
        number < TARGET_REGISTER_COUNT ? target_set(monitor_cpu(), number, value) : ERROR_NOT_FOUND;
    if (error == ERROR_NOT_FOUND)
        say("there is no register \"%s\"\n", arguments->words[0]);
    else if (error == ERROR_RANGE)
        say("%s cannot be %s in this mode\n", arguments->words[0], text);
    else if (error != ERROR_NONE)
        say("%s cannot be changed here\n", arguments->words[0]);
}

static void regs(struct arguments *arguments)
{
    struct cpu *cpu;
    char mode[48];
    struct target_value values[TARGET_gs + 1];
    char *text = arguments->count ? arguments_cut(arguments->words[0]) : NULL;
    if (text) {
        change(arguments, text);
        return;
    }
    if (!monitor_cpu_argument(arguments, 0, &cpu))
        return;
    target_mode(cpu, mode, sizeof(mode));
    say("cpu%u: %s\n", cpu->number, mode);
    if (!target_get(cpu, 0, TARGET_gs + 1, values))
        return;
    for (unsigned i = 0; i < TARGET_rip; i++)
        say("%-3s %016llx%s", target_register_name(i), U(values[i].low), i % 4 == 3 ? "\n" : " ");
    say_flags(values);
    if (cpu->state == CPU_WAIT_FOR_SIPI)
        return;
    say_control(cpu);
    say_segments(cpu);
}

const struct command command_cpus = {
    "cpus", "cpus", "the guest's CPUs, and what each does", cpus, true,
};
const struct command command_cpu = {
    "cpu", "cpu N", "the CPU that other commands are about", choose_cpu, false,
};
const struct command command_regs = {
    "regs", "regs [CPU|NAME=VALUE]", "registers, or change one", regs, false,
};
