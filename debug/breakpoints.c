#include "debug/breakpoints.h"

#include "base/bits.h"
#include "vmx/exit.h"
#include "vmx/guest_memory.h"
#include "vmx/machine.h"
#include "vmx/vmcs.h"

#define INT3 0xCC

static struct breakpoint {
    uint64_t linear;
    gpa_t physical;
    uint8_t before;
    bool on;
} breakpoints[BREAKPOINTS_MAX];
static unsigned count;

/* ---- INT3 ---- */

static struct breakpoint *find_linear(uint64_t linear)
{
    for (unsigned i = 0; i < BREAKPOINTS_MAX; i++)
        if (breakpoints[i].on && breakpoints[i].linear == linear)
            return &breakpoints[i];
    return NULL;
}

static struct breakpoint *find_physical(uint64_t physical)
{
    for (unsigned i = 0; i < BREAKPOINTS_MAX; i++)
        if (breakpoints[i].on && breakpoints[i].physical.v == physical)
            return &breakpoints[i];
    return NULL;
}

static struct breakpoint *find_free(void)
{
    for (unsigned i = 0; i < BREAKPOINTS_MAX; i++)
        if (!breakpoints[i].on)
            return &breakpoints[i];
    return NULL;
}

static void count_changed(unsigned now)
{
    count = now;
    machine.debug.int3 = now > 0;
    machine.debug.generation++;
}

/* Where nothing is kept, as in a ROM, there is no INT3. */
static bool plant(struct cpu *cpu, gpa_t physical)
{
    uint8_t byte = INT3;
    return target_write(cpu, TARGET_PHYSICAL, physical.v, &byte, 1) == 1 &&
           target_read(cpu, TARGET_PHYSICAL, physical.v, &byte, 1) == 1 && byte == INT3;
}

static void keep_planted(struct cpu *cpu, struct breakpoint *one, uint8_t *byte)
{
    one->before = *byte;
    (void)plant(cpu, one->physical);
}

enum error breakpoint_set(struct cpu *cpu, uint64_t linear)
{
    struct breakpoint one = {.linear = linear, .on = true}, *place = find_free();
    if (find_linear(linear))
        return ERROR_NONE;
    if (!place)
        return ERROR_NO_SPACE;
    if (breakpoint_read(cpu, TARGET_LINEAR, linear, &one.before, 1) != 1 ||
        !target_translate(cpu, linear, &one.physical) || !plant(cpu, one.physical))
        return ERROR_FAULT;
    *place = one;
    count_changed(count + 1);
    return ERROR_NONE;
}

static void clear(struct cpu *cpu, struct breakpoint *one)
{
    uint8_t now;
    one->on = false;
    count_changed(count - 1);
    if (!find_physical(one->physical.v) &&
        target_read(cpu, TARGET_PHYSICAL, one->physical.v, &now, 1) == 1 && now == INT3)
        (void)!target_write(cpu, TARGET_PHYSICAL, one->physical.v, &one->before, 1);
}

enum error breakpoint_clear(struct cpu *cpu, uint64_t linear)
{
    struct breakpoint *one = find_linear(linear);
    if (!one)
        return ERROR_NOT_FOUND;
    clear(cpu, one);
    return ERROR_NONE;
}

bool breakpoint_is_at(struct vmx_cpu *vcpu)
{
    gpa_t physical;
    return count && guest_translate(vcpu, GVA(guest_code_address()), &physical) == ERROR_NONE &&
           find_physical(physical.v);
}

static gpa_t passed; /* where an INT3 is taken out for one step */

bool breakpoint_pass_begin(struct vmx_cpu *vcpu)
{
    uint64_t linear = guest_code_address();
    if (find_linear(linear) || guest_translate(vcpu, GVA(linear), &passed) != ERROR_NONE)
        return false;
    const struct breakpoint *one = find_physical(passed.v);
    return one && target_write(vcpu->cpu, TARGET_PHYSICAL, passed.v, &one->before, 1) == 1;
}

void breakpoint_pass_end(struct vmx_cpu *vcpu)
{
    uint8_t now;
    if (target_read(vcpu->cpu, TARGET_PHYSICAL, passed.v, &now, 1) < 1)
        return;
    for (unsigned i = 0; i < BREAKPOINTS_MAX; i++)
        if (breakpoints[i].on && breakpoints[i].physical.v == passed.v)
            keep_planted(vcpu->cpu, &breakpoints[i], &now);
}

/* Calls `touch` for each breakpoint in the bytes, with its place in them. */
static void for_each_in(struct cpu *cpu, enum target_space space, uint64_t address, uint8_t *bytes,
                        size_t length,
                        void (*touch)(struct cpu *cpu, struct breakpoint *one, uint8_t *byte))
{
    for (size_t done = 0; count && space != TARGET_HOST && done < length;) {
        uint64_t at = address + done;
        size_t step = min_u64(length - done, PAGE_SIZE - (at & PAGE_MASK));
        gpa_t physical = GPA(at);
        bool there = space == TARGET_PHYSICAL || target_translate(cpu, at, &physical);
        for (unsigned i = 0; there && i < BREAKPOINTS_MAX; i++)
            if (breakpoints[i].on && breakpoints[i].physical.v - physical.v < step)
                touch(cpu, &breakpoints[i],
                      bytes + done + (breakpoints[i].physical.v - physical.v));
        done += step;
    }
}

static void show_before(struct cpu *cpu, struct breakpoint *one, uint8_t *byte)
{
    (void)cpu;
    if (*byte == INT3) /* else the guest has written here */
        *byte = one->before;
}

size_t breakpoint_read(struct cpu *cpu, enum target_space space, uint64_t address, void *to,
                       size_t bytes)
{
    size_t done = target_read(cpu, space, address, to, bytes);
    for_each_in(cpu, space, address, to, done, show_before);
    return done;
}

size_t breakpoint_write(struct cpu *cpu, enum target_space space, uint64_t address,
                        const void *from, size_t bytes)
{
    size_t done = target_write(cpu, space, address, from, bytes);
    for_each_in(cpu, space, address, (uint8_t *)from, done, keep_planted);
    return done;
}

/* ---- debug registers ---- */

static uint8_t kinds[DEBUG_BREAKPOINTS];

uint8_t watch_kind(uint64_t slot) { return slot < DEBUG_BREAKPOINTS ? kinds[slot] : 0; }

uint64_t watch_linear(uint64_t slot) { return machine.debug.breakpoints[slot].linear; }

/* The largest piece that begins at `linear`. */
static uint8_t piece(uint64_t linear, uint64_t bytes)
{
    uint8_t size = 8;
    while (size > bytes || !IS_ALIGNED(linear, size))
        size /= 2;
    return size;
}

static void set_slot(unsigned slot, struct debug_breakpoint breakpoint, uint8_t kind)
{
    machine.debug.breakpoints[slot] = breakpoint;
    kinds[slot] = kind;
    machine.debug.generation++;
}

static unsigned free_slot(void)
{
    unsigned slot = 0;
    while (slot < DEBUG_BREAKPOINTS && machine.debug.breakpoints[slot].on)
        slot++;
    return slot;
}

static unsigned find_slot(uint64_t linear, uint8_t bytes, uint8_t kind)
{
    for (unsigned slot = 0; slot < DEBUG_BREAKPOINTS; slot++) {
        const struct debug_breakpoint *one = &machine.debug.breakpoints[slot];
        if (kinds[slot] == kind && one->linear == linear && one->bytes == bytes)
            return slot;
    }
    return DEBUG_BREAKPOINTS;
}

enum error watch_clear(uint64_t linear, uint64_t bytes, uint8_t kind)
{
    static const struct debug_breakpoint none;
    enum error error = ERROR_NOT_FOUND;
    for (unsigned i = 0; bytes && i < DEBUG_BREAKPOINTS; i++) {
        uint8_t size = piece(linear, bytes);
        unsigned slot = find_slot(linear, size, kind);
        if (slot < DEBUG_BREAKPOINTS) {
            set_slot(slot, none, 0);
            error = ERROR_NONE;
        }
        linear += size;
        bytes -= size;
    }
    return error;
}

enum error watch_set(uint64_t linear, uint64_t bytes, uint8_t type, uint8_t kind)
{
    uint64_t done = 0;
    while (done < bytes) {
        uint8_t size = piece(linear + done, bytes - done);
        unsigned slot = find_slot(linear + done, size, kind);
        if (slot == DEBUG_BREAKPOINTS)
            slot = free_slot();
        if (slot == DEBUG_BREAKPOINTS) {
            (void)!watch_clear(linear, done, kind);
            return ERROR_NO_SPACE;
        }
        set_slot(slot, (struct debug_breakpoint){linear + done, type, size, true}, kind);
        done += size;
    }
    return bytes ? ERROR_NONE : ERROR_RANGE;
}

void breakpoints_clear(struct cpu *cpu)
{
    static const struct debug_breakpoint none;
    for (unsigned i = 0; i < BREAKPOINTS_MAX; i++)
        if (breakpoints[i].on)
            clear(cpu, &breakpoints[i]);
    for (unsigned slot = 0; slot < DEBUG_BREAKPOINTS; slot++)
        if (kinds[slot])
            set_slot(slot, none, 0);
}
