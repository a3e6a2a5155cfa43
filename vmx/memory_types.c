#include "vmx/memory_types.h"

#include "base/hw.h"
#include "base/log.h"
#include "base/x86/msr.h"
#include "kernel/time.h"
#include "vcpu/type_watch.h"
#include "vmx/machine.h"

#define SHADOW_DEF_TYPE (MSR_IA32_MTRR_DEF_TYPE & 0xFF)

/* All under the EPT's lock. */
static struct type_watch watch;
static struct mtrr_sets wanted;    /* what the CPUs that run have */
static struct ept_retyped retyped; /* the last rebuild's */
static uint64_t boot_cpu_looks_us; /* when the BSP will look; 0: it was not asked to */
static unsigned rebuilds, failures;
static bool told_differ;

static bool is_changing(const struct vmx_cpu *vcpu)
{
    return vcpu->caches_off || !(vcpu->mtrr_shadow[SHADOW_DEF_TYPE] & MTRR_DEF_TYPE_E);
}

/* Of CPUs that differ already, the one in the middle of its change has nothing new to tell. */
void types_change_mtrr(struct vmx_cpu *vcpu, uint32_t index, uint64_t value)
{
    machine_lock(vcpu->cpu);
    vcpu->mtrr_shadow[index & 0xFF] = value;
    bool known = watch.differs && is_changing(vcpu);
    machine_unlock();
    percpu_attend(vcpu->cpu, known ? 0 : ATTENTION_TYPES);
}

void types_switch_caches(struct vmx_cpu *vcpu, bool off)
{
    if (off)
        hw_wbinvd();
    vcpu->caches_off = off;
    percpu_attend(vcpu->cpu, off ? 0 : ATTENTION_TYPES);
}

/* CPUs that wait for a SIPI do not count: they look when they start. */
static struct type_view look_at_cpus(void)
{
    struct mtrr_state state = machine.mtrr;
    bool changing = false;
    wanted.count = 0;
    for (uint32_t i = 0; i < machine.guest_cpus; i++) {
        const struct vmx_cpu *vcpu = percpu_get(i)->vcpu;
        if (vcpu->run_state != CPU_STATE_RUNNING)
            continue;
        mtrr_shadow_read(&state, vcpu->mtrr_shadow);
        mtrr_sets_add(&wanted, &state);
        changing |= is_changing(vcpu);
    }
    return (struct type_view){mtrr_sets_alike(&wanted, &machine.types),
                              wanted.count == 1 && !changing};
}

/* All CPUs have written their caches back, and use no memory of the guest's until they go on. */
static void retype(void)
{
    hw_wbinvd();
    machine.types = wanted;
    retyped = ept_retype(&machine.ept);
}

static bool is_power_of_2(unsigned n) { return (n & (n - 1)) == 0; }

/* A line for each power of two, so that a guest cannot fill the log; with loglevel=debug for each.
 */
static void tell_rebuilt(void)
{
    const uint64_t *kib = retyped.kib;
    rebuilds++;
    if (wanted.count > 1 && !told_differ) {
        log_warn("mtrr", "the CPUs' MTRRs stay different: the strictest type counts (told once)");
        told_differ = true;
    }
    log_line(is_power_of_2(rebuilds) ? LOG_INFO : LOG_DEBUG, "mtrr",
             "EPT types rebuilt (%u), KiB: UC %llu WC %llu WT %llu WP %llu WB %llu; %u too large",
             rebuilds, (unsigned long long)kib[MEMORY_TYPE_UC],
             (unsigned long long)kib[MEMORY_TYPE_WC], (unsigned long long)kib[MEMORY_TYPE_WT],
             (unsigned long long)kib[MEMORY_TYPE_WP], (unsigned long long)kib[MEMORY_TYPE_WB],
             retyped.strict);
}

static bool rebuild(struct vmx_cpu *vcpu)
{
    if (machine_change_stopped(vcpu, STOP_TYPES, type_stop_bound_us(stop_cpus()), retype)) {
        tell_rebuilt();
        return true;
    }
    if (is_power_of_2(++failures))
        log_warn("mtrr", "EPT types stay for now (%u): cpu%u does not stop", failures,
                 stop_running_cpu());
    return false;
}

/* Without a timer nobody comes back, and what is settled is not put off. */
static uint64_t look(struct vmx_cpu *vcpu, uint64_t now)
{
    bool timer = machine.caps.pin >> 32 & PIN_PREEMPTION_TIMER;
    struct type_view view = look_at_cpus();
    uint64_t wait = type_watch_look(&watch, view, now);
    if (wait && (timer || view.in_force || !view.settled))
        return wait;
    view.in_force = rebuild(vcpu);
    type_watch_built(&watch, view.in_force, now, time_us());
    return type_watch_look(&watch, view, time_us());
}

uint64_t types_attend(struct vmx_cpu *vcpu, bool asked)
{
    struct cpu *boot_cpu = percpu_get(0);
    bool is_boot_cpu = vcpu->cpu == boot_cpu;
    if (!asked && !(is_boot_cpu && boot_cpu_looks_us))
        return 0;
    machine_lock(vcpu->cpu);
    uint64_t now = time_us(), wait = look(vcpu, now), at = wait + 1 ? now + wait : 0;
    bool ask = !is_boot_cpu && at && (!boot_cpu_looks_us || at < boot_cpu_looks_us);
    if (is_boot_cpu || ask)
        boot_cpu_looks_us = at;
    machine_unlock();
    if (ask) {
        percpu_attend(boot_cpu, ATTENTION_TYPES);
        stop_kick(boot_cpu);
    }
    return at ? wait : 0;
}
