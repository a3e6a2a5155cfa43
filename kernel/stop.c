#include "kernel/stop.h"

#include "base/hw.h"
#include "kernel/apic.h"
#include "kernel/time.h"

/* struct cpu, kicked: 0, KICK_SENT, or who is about to send one. */
#define KICK_SENT    1
#define KICK_BY(cpu) ((cpu)->number + 2)

/* struct cpu, errand_state */
#define ERRAND_NONE    0
#define ERRAND_POSTED  1 /* may be taken back */
#define ERRAND_RUNNING 2

#define FLIGHT_US  1000   /* many times what an NMI takes from CPU to CPU */
#define SENDING_US 100000 /* what a sender takes, above a busy host too */
#define ERRAND_US  1000000

static uint32_t cpus = 1;
static uint32_t running_cpu;
static volatile uint64_t generation; /* odd while a stop is in force */
static volatile uint32_t requester_taken;
static volatile bool write_back; /* the stop in force is a STOP_TYPES */
static volatile bool panicking;  /* a stop that is never released */
static struct cpu *volatile holder;
static uint32_t nested; /* stops that the holder has asked for since */

void stop_set_cpus(uint32_t count) { cpus = count; }
uint32_t stop_cpus(void) { return cpus; }
uint32_t stop_running_cpu(void) { return running_cpu; }
struct cpu *stop_holder(void) { return holder; }

void stop_publish(struct cpu *cpu, enum percpu_state state)
{
    __atomic_store_n(&cpu->state, state, __ATOMIC_SEQ_CST);
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
}

uint64_t stop_generation(void) { return __atomic_load_n(&generation, __ATOMIC_SEQ_CST); }

static bool in_force(void) { return panicking || (stop_generation() & 1); }

bool stop_has_stopped(const struct cpu *cpu)
{
    uint32_t state = __atomic_load_n(&cpu->state, __ATOMIC_SEQ_CST);
    if (state == CPU_ABSENT || state == CPU_LEFT_OUT || state == CPU_WAIT_FOR_SIPI ||
        (panicking && state == CPU_STOPPED))
        return true;
    return __atomic_load_n(&cpu->stopped_generation, __ATOMIC_ACQUIRE) == generation;
}

static bool change(volatile uint32_t *state, uint32_t from, uint32_t to)
{
    return __atomic_compare_exchange_n(state, &from, to, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
}

/* An NMI that was taken for one that could not be sent was the guest's. */
void stop_kick(struct cpu *cpu)
{
    uint32_t mine = KICK_BY(this_cpu());
    if (!change(&cpu->kicked, 0, mine))
        return;
    bool sent = apic_send(cpu->apic_id, APIC_IPI_NMI, 0);
    if (!change(&cpu->kicked, mine, sent ? KICK_SENT : 0) && !sent)
        percpu_guest_nmi(cpu);
}

static void wait_while_kicked(const struct cpu *cpu, bool sent, uint64_t bound_us)
{
    uint64_t start = hw_rdtsc(), bound = bound_us * time_tsc_per_us();
    uint32_t kicked;
    while ((kicked = cpu->kicked) && (kicked == KICK_SENT) == sent && hw_rdtsc() - start < bound)
        hw_pause();
}

/* NMIs are not blocked here, so one that is on its way comes now, and is taken for what it is. */
void stop_apic_on(struct cpu *cpu)
{
    wait_while_kicked(cpu, false, SENDING_US);
    wait_while_kicked(cpu, true, FLIGHT_US);
    (void)change(&cpu->kicked, KICK_SENT, 0);
}

static void run_errand(struct cpu *cpu)
{
    if (!change(&cpu->errand_state, ERRAND_POSTED, ERRAND_RUNNING))
        return;
    cpu->errand(cpu->errand_argument);
    __atomic_store_n(&cpu->errand_state, ERRAND_NONE, __ATOMIC_RELEASE);
}

void stop_serve(struct cpu *cpu)
{
    __atomic_and_fetch(&cpu->attention, ~(uint32_t)ATTENTION_STOP, __ATOMIC_SEQ_CST);
    uint32_t before = cpu->state;
    while (in_force() && (panicking || holder != cpu)) {
        uint64_t now = generation;
        if (write_back && cpu->stopped_generation != now)
            hw_wbinvd();
        cpu->stopped_generation = now;
        __atomic_store_n(&cpu->state, CPU_STOPPED, __ATOMIC_SEQ_CST);
        run_errand(cpu);
        hw_pause();
    }
    __atomic_store_n(&cpu->state, before, __ATOMIC_SEQ_CST);
}

void stop_serve_in_nmi(struct cpu *cpu)
{
    if (!panicking || cpu->panicking)
        return;
    cpu->state = CPU_STOPPED;
    cpu->stopped_generation = generation;
    for (;;)
        hw_halt();
}

/* A CPU is known by its number: before Orlop is in its place the first one has no slot. */
static uint32_t count_running(const struct cpu *self)
{
    uint32_t running = 0;
    for (uint32_t i = 0; i < cpus; i++) {
        if (i == self->number || stop_has_stopped(percpu_get(i)))
            continue;
        running_cpu = i;
        running++;
    }
    return running;
}

/* One request at a time. Whoever comes second stands still for the first, which may make it the
 * holder instead: false. */
static bool take_request(struct cpu *self)
{
    while (__atomic_exchange_n(&requester_taken, 1, __ATOMIC_SEQ_CST) != 0) {
        if (holder == self)
            return false;
        stop_serve(self);
        hw_pause();
    }
    holder = self;
    return true;
}

static void write_caches_back(void *argument)
{
    (void)argument;
    hw_wbinvd();
}

/* The guest runs on the holder alone, and wants what needs a stop. */
static uint32_t stop_within(struct cpu *self, enum stop_reason reason)
{
    nested++;
    for (uint32_t i = 0; i < cpus && reason == STOP_TYPES; i++)
        if (percpu_get(i)->state == CPU_STOPPED)
            (void)!stop_run_on(percpu_get(i), write_caches_back, NULL);
    return count_running(self);
}

uint32_t stop_all(enum stop_reason reason, uint64_t bound_us)
{
    struct cpu *self = this_cpu();
    if (reason == STOP_PANIC)
        panicking = true;
    else if (!take_request(self))
        return stop_within(self, reason);
    write_back = reason == STOP_TYPES;
    __atomic_or_fetch(&generation, 1, __ATOMIC_SEQ_CST);
    for (uint32_t i = 0; i < cpus; i++) {
        struct cpu *other = percpu_get(i);
        if (i == self->number || stop_has_stopped(other))
            continue;
        percpu_attend(other, ATTENTION_STOP);
        stop_kick(other);
    }
    uint64_t start = hw_rdtsc(), bound = bound_us * time_tsc_per_us();
    while (count_running(self) && hw_rdtsc() - start < bound)
        hw_pause();
    return count_running(self);
}

bool stop_run_on(struct cpu *cpu, void (*errand)(void *argument), void *argument)
{
    if (cpu == this_cpu()) {
        errand(argument);
        return true;
    }
    if (cpu->state != CPU_STOPPED || cpu->stopped_generation != generation)
        return false;
    cpu->errand = errand;
    cpu->errand_argument = argument;
    __atomic_store_n(&cpu->errand_state, ERRAND_POSTED, __ATOMIC_RELEASE);
    uint64_t start = hw_rdtsc(), bound = ERRAND_US * time_tsc_per_us();
    while (__atomic_load_n(&cpu->errand_state, __ATOMIC_ACQUIRE) != ERRAND_NONE) {
        if (hw_rdtsc() - start > bound && change(&cpu->errand_state, ERRAND_POSTED, ERRAND_NONE))
            return false;
        hw_pause();
    }
    return true;
}

void stop_hand_over(struct cpu *to)
{
    __atomic_store_n(&holder, to, __ATOMIC_SEQ_CST);
    stop_serve(this_cpu());
}

void stop_release(void)
{
    if (nested) {
        nested--;
        return;
    }
    holder = NULL;
    __atomic_store_n(&generation, (generation | 1) + 1, __ATOMIC_SEQ_CST);
    __atomic_store_n(&requester_taken, 0, __ATOMIC_SEQ_CST);
}
