/* Who called whom: the guest by its frame pointers, Orlop by its own. */
#include "base/bits.h"
#include "base/x86/msr.h"
#include "base/x86/segment.h"
#include "debug/commands.h"
#include "kernel/backtrace.h"
#include "lib/string.h"
#include "vcpu/paging.h"

#define U(x)         ((unsigned long long)(x))
#define GUEST_FRAMES 64

/* How wide a frame's words are, and where its stack lies. */
struct stack {
    unsigned bytes, address_bits;
    uint64_t base, mask;
};

static struct stack stack_of(struct cpu *cpu)
{
    uint64_t cs = target_word(cpu, TARGET_cs_rights);
    if ((target_word(cpu, TARGET_efer) & EFER_LMA) && (cs & SEGMENT_L))
        return (struct stack){8, paging_linear_bits(target_word(cpu, TARGET_cr4)), 0, UINT64_MAX};
    unsigned bytes = cs & SEGMENT_DB ? 4 : 2;
    return (struct stack){bytes, 64, target_word(cpu, TARGET_ss_base), BIT(8 * bytes) - 1};
}

static bool is_canonical(const struct stack *stack, uint64_t address)
{
    return sign_extend(address, stack->address_bits) == address;
}

static void guest(struct cpu *cpu)
{
    struct stack stack = stack_of(cpu);
    uint64_t frame = target_word(cpu, TARGET_rbp) & stack.mask;
    say("cpu%u guest:\n  %016llx\n", cpu->number, U(target_word(cpu, TARGET_rip)));
    for (unsigned depth = 0; depth < GUEST_FRAMES; depth++) {
        uint64_t words[2] = {0, 0};
        uint8_t bytes[16];
        size_t size = 2 * stack.bytes;
        if (!is_canonical(&stack, frame) ||
            target_read(cpu, TARGET_LINEAR, stack.base + frame, bytes, size) < size) {
            say("  no stack at %llx\n", U(frame));
            return;
        }
        memcpy(&words[0], bytes, stack.bytes);
        memcpy(&words[1], bytes + stack.bytes, stack.bytes);
        if (!is_canonical(&stack, words[1]) || !words[1]) {
            say("  no caller: %llx at frame %llx\n", U(words[1]), U(frame));
            return;
        }
        say("  %016llx, frame %llx\n", U(words[1]), U(frame));
        if (words[0] <= frame) {
            say("  the last: the next frame would be %llx\n", U(words[0]));
            return;
        }
        frame = words[0];
    }
    say("  ... cut after %u frames\n", GUEST_FRAMES);
}

struct trace {
    uint64_t addresses[BACKTRACE_MAX];
    size_t count;
};

static void trace_here(void *argument)
{
    struct trace *trace = argument;
    trace->count = backtrace_follow((uint64_t)__builtin_frame_address(0), trace->addresses);
}

static void host(struct cpu *cpu)
{
    struct trace trace;
    char text[BACKTRACE_TEXT_BYTES];
    if (!ask_cpu(cpu, trace_here, &trace))
        return;
    say("cpu%u in Orlop:\n", cpu->number);
    for (size_t i = 0; i < trace.count; i++) {
        backtrace_text(trace.addresses[i], text);
        say("  %s\n", text);
    }
}

static void bt(struct arguments *arguments)
{
    struct cpu *cpu;
    const char *what = arguments->count ? arguments->words[0] : "guest";
    bool named = !strcmp(what, "guest") || !strcmp(what, "host");
    if (!monitor_cpu_argument(arguments, named && arguments->count ? 1 : 0, &cpu))
        return;
    if (!strcmp(what, "host"))
        host(cpu);
    else
        guest(cpu);
}

const struct command command_bt = {
    "bt", "bt [guest|host] [CPU]", "the callers, by frame pointers", bt, false,
};
