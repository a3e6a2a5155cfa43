/* MSRs and CPUID, as the guest sees them and as Orlop does. */
#include "base/bits.h"
#include "base/hw.h"
#include "debug/commands.h"
#include "lib/string.h"
#include "mm/frames.h"
#include "vcpu/msr_list.h"
#include "vmx/exit.h"
#include "vmx/machine.h"

#define U(x) ((unsigned long long)(x))

/* Names that the guards' table has not. */
#define USUAL_MSRS(X)                                                                              \
    X(IA32_TIME_STAMP_COUNTER)                                                                     \
    X(IA32_TSC_ADJUST)                                                                             \
    X(IA32_SPEC_CTRL)                                                                              \
    X(IA32_BIOS_SIGN_ID)                                                                           \
    X(IA32_MTRRCAP)                                                                                \
    X(IA32_ARCH_CAPABILITIES)                                                                      \
    X(IA32_SYSENTER_CS)                                                                            \
    X(IA32_SYSENTER_ESP)                                                                           \
    X(IA32_SYSENTER_EIP)                                                                           \
    X(IA32_MCG_CAP)                                                                                \
    X(IA32_MCG_STATUS)                                                                             \
    X(IA32_TSC_DEADLINE)                                                                           \
    X(IA32_STAR)                                                                                   \
    X(IA32_LSTAR)                                                                                  \
    X(IA32_CSTAR)                                                                                  \
    X(IA32_FMASK)                                                                                  \
    X(IA32_FS_BASE)                                                                                \
    X(IA32_GS_BASE)                                                                                \
    X(IA32_KERNEL_GS_BASE)                                                                         \
    X(IA32_TSC_AUX)

static const struct {
    uint32_t first, last;
} ranges[] = {
#define LISTED_RANGE(first, last, name, read, write, rule, gate, memory, why) {first, last},
#define USUAL_RANGE(name)                                                     {MSR_##name, MSR_##name},
    MSR_TABLE(LISTED_RANGE) USUAL_MSRS(USUAL_RANGE)};
#define LISTED_NAME(first, last, name, read, write, rule, gate, memory, why) #name "\0"
#define USUAL_NAME(name)                                                     #name "\0"
static const char names[] = MSR_TABLE(LISTED_NAME) USUAL_MSRS(USUAL_NAME);

/* What the VMCS holds while Orlop runs. */
static const struct {
    uint32_t index;
    uint8_t target;
} kept[] = {
    {MSR_IA32_EFER, TARGET_efer},
    {MSR_IA32_PAT, TARGET_pat},
    {MSR_IA32_DEBUGCTL, TARGET_debugctl},
    {MSR_IA32_FS_BASE, TARGET_fs_base},
    {MSR_IA32_GS_BASE, TARGET_gs_base},
    {MSR_IA32_SYSENTER_CS, TARGET_sysenter_cs},
    {MSR_IA32_SYSENTER_ESP, TARGET_sysenter_esp},
    {MSR_IA32_SYSENTER_EIP, TARGET_sysenter_eip},
};

static unsigned kept_target(uint32_t index)
{
    for (unsigned i = 0; i < ARRAY_SIZE(kept); i++)
        if (kept[i].index == index)
            return kept[i].target;
    return TARGET_REGISTER_COUNT;
}

struct access {
    struct vmx_cpu *vcpu;
    uint32_t index;
    bool write, guest_good, host_good;
    uint64_t guest, host;
};

/* Whether the guest's own access would exit: the bitmap says it. */
static bool exits(uint32_t index, bool write)
{
    const uint8_t *bitmap = frames_pointer(machine.msr_bitmap);
    unsigned place = index <= MSR_LOW_LAST ? index : index - MSR_HIGH_FIRST + 8 * 1024;
    if (index > MSR_LOW_LAST && (index < MSR_HIGH_FIRST || index > MSR_HIGH_LAST))
        return true;
    return bitmap[place / 8 + (write ? 2048 : 0)] >> place % 8 & 1;
}

/* As the guest's RDMSR or WRMSR: the handlers work on its registers, which are put back. */
static bool as_guest(struct access *access)
{
    struct guest_registers before = access->vcpu->registers;
    struct guest_registers *now = &access->vcpu->registers;
    now->rcx = access->index;
    now->rax = (uint32_t)access->guest;
    now->rdx = access->guest >> 32;
    bool good = (access->write ? handle_wrmsr : handle_rdmsr)(access->vcpu) == NEXT_ADVANCE;
    access->guest = now->rdx << 32 | (uint32_t)now->rax;
    *now = before;
    return good;
}

static void access_here(void *argument)
{
    struct access *access = argument;
    access->host_good = !access->write && hw_rdmsr_safe(access->index, &access->host);
    if (exits(access->index, access->write)) {
        access->guest_good = as_guest(access);
    } else if (access->write) {
        access->guest_good = hw_wrmsr_safe(access->index, access->guest);
    } else {
        access->guest_good = access->host_good;
        access->guest = access->host;
    }
}

/* A number, or a name or a part of one that no other has. */
static bool find(struct arguments *arguments, const char *word, uint64_t *index)
{
    unsigned found = 0;
    bool whole = false;
    const char *name = names;
    if ((*word >= '0' && *word <= '9') || *word == '$') {
        if (!arguments_sum(arguments, word, index))
            monitor_complain(arguments);
        else if (*index > UINT32_MAX)
            say("\"%s\" is no MSR: write a number of 32 bits or a name\n", word);
        else
            return true;
        return false;
    }
    for (size_t i = 0; i < ARRAY_SIZE(ranges) && !whole; i++, name += strlen(name) + 1) {
        enum match match = arguments_match(word, name);
        whole = match == MATCH_WHOLE || arguments_match(word, name + 5) == MATCH_WHOLE;
        if (match == MATCH_NONE)
            continue;
        *index = ranges[i].first;
        found = whole ? 1 : found + 1;
    }
    if (found != 1)
        say("\"%s\" names %u MSRs that have names here: write a number\n", word, found);
    return found == 1;
}

static const char *name_of(uint32_t index)
{
    const char *name = names;
    for (size_t i = 0; i < ARRAY_SIZE(ranges); i++, name += strlen(name) + 1)
        if (index >= ranges[i].first && index <= ranges[i].last)
            return name;
    return "";
}

static void say_view(const char *who, bool good, uint64_t value)
{
    if (good)
        say("%s%016llx", who, U(value));
    else
        say("%s#GP", who);
}

static void read_msr(struct cpu *cpu, uint32_t index)
{
    struct access access = {.vcpu = cpu->vcpu, .index = index};
    unsigned target = kept_target(index);
    if (!ask_cpu(cpu, access_here, &access))
        return;
    if (target < TARGET_REGISTER_COUNT)
        access.guest = target_word(cpu, target);
    say("cpu%u MSR %x %s:", cpu->number, index, name_of(index));
    say_view(" guest ", access.guest_good, access.guest);
    say_view(", Orlop ", access.host_good, access.host);
    say("\n");
}

static void write_msr(struct cpu *cpu, uint32_t index, uint64_t value)
{
    struct access access = {.vcpu = cpu->vcpu, .index = index, .write = true, .guest = value};
    unsigned target = kept_target(index);
    if (target < TARGET_REGISTER_COUNT)
        access.guest_good = target_set(cpu, target, (struct target_value){value, 0}) == ERROR_NONE;
    else if (!ask_cpu(cpu, access_here, &access))
        return;
    if (!access.guest_good)
        say("#GP: the guest could not write that either\n");
}

static void msr(struct arguments *arguments)
{
    struct cpu *cpu;
    uint64_t index, value;
    char *text = arguments->count ? arguments_cut(arguments->words[0]) : NULL;
    if (!arguments->count) {
        say("an MSR is missing: msr 0xc0000080, msr efer\n");
        return;
    }
    if (!find(arguments, arguments->words[0], &index) || !monitor_cpu_argument(arguments, 1, &cpu))
        return;
    if (!text)
        read_msr(cpu, (uint32_t)index);
    else if (arguments_sum(arguments, text, &value))
        write_msr(cpu, (uint32_t)index, value);
    else
        monitor_complain(arguments);
}

struct leaf {
    struct vmx_cpu *vcpu;
    uint32_t leaf, subleaf;
    struct cpuid_regs guest, host;
};

static void cpuid_here(void *argument)
{
    struct leaf *leaf = argument;
    struct guest_registers before = leaf->vcpu->registers, *now = &leaf->vcpu->registers;
    leaf->host = hw_cpuid(leaf->leaf, leaf->subleaf);
    exit_cpuid_filtered(leaf->vcpu, leaf->leaf, leaf->subleaf);
    leaf->guest = (struct cpuid_regs){(uint32_t)now->rax, (uint32_t)now->rbx, (uint32_t)now->rcx,
                                      (uint32_t)now->rdx};
    *now = before;
}

static void say_leaf(const char *who, const struct cpuid_regs *regs)
{
    say("  %s eax %08x ebx %08x ecx %08x edx %08x\n", who, regs->eax, regs->ebx, regs->ecx,
        regs->edx);
}

static void cpuid(struct arguments *arguments)
{
    struct leaf leaf = {.vcpu = monitor_cpu()->vcpu};
    uint64_t numbers[2] = {0, 0};
    for (unsigned i = 0; i == 0 || (i < 2 && i < arguments->count); i++)
        if (!arguments_number(arguments, i, "a leaf", &numbers[i])) {
            monitor_complain(arguments);
            return;
        }
    leaf.leaf = (uint32_t)numbers[0];
    leaf.subleaf = (uint32_t)numbers[1];
    if (!ask_cpu(monitor_cpu(), cpuid_here, &leaf))
        return;
    say("CPUID %x.%x on cpu%u\n", leaf.leaf, leaf.subleaf, monitor_cpu()->number);
    say_leaf("guest", &leaf.guest);
    say_leaf("Orlop", &leaf.host);
}

const struct command command_msr = {
    "msr", "msr N|NAME[=VALUE] [CPU]", "an MSR, as the guest and as Orlop have it", msr, false,
};
const struct command command_cpuid = {
    "cpuid", "cpuid LEAF [SUBLEAF]", "what CPUID tells the guest, and Orlop", cpuid, false,
};
