/* The EPT that all guest CPUs share, and its lock. */
#include "vmx/machine.h"

#include "base/hw.h"
#include "base/log.h"
#include "base/panic.h"
#include "vmx/root.h"

/* A holder does at most a few hundred stores, or has stopped all CPUs, this one too; this many
 * looks take seconds. */
#define LOCK_ATTEMPTS 100000000u
#define STOP_BOUND_US 2000000

struct machine machine;

/* The holder may be waiting for all CPUs to stand still, this one too. */
static __attribute__((noinline)) void wait_for_lock(struct cpu *cpu)
{
    for (unsigned attempt = 0; attempt < LOCK_ATTEMPTS; attempt++) {
        if (cpu->attention & ATTENTION_STOP) {
            stop_serve(cpu);
            percpu_attend(cpu, ATTENTION_STOP); /* what changed is looked at before the entry */
        }
        hw_pause();
        if (spin_try_lock(&machine.ept_lock))
            return;
    }
    panic("the EPT lock is held for ever");
}

void machine_lock(struct cpu *cpu)
{
    if (!spin_try_lock(&machine.ept_lock))
        wait_for_lock(cpu);
}

void machine_unlock(void) { spin_unlock(&machine.ept_lock); }

/* The longest wait so far for all CPUs to stand still. */
static void tell_longest(uint64_t ticks)
{
    static uint64_t longest;
    if (ticks > longest) {
        longest = ticks;
        log_debug("ept", "all CPUs stood still after %llu ticks", (unsigned long long)ticks);
    }
}

bool machine_change_stopped(struct vmx_cpu *vcpu, enum stop_reason reason, uint64_t bound_us,
                            void (*change)(void))
{
    uint64_t start = hw_rdtsc();
    bool all_stopped = stop_all(reason, bound_us) == 0;
    tell_longest(hw_rdtsc() - start);
    if (all_stopped) {
        change();
        machine.ept_generation++;
        vcpu->ept_generation = machine.ept_generation;
        vmx_flush_ept(vcpu->eptp);
    }
    stop_release();
    return all_stopped;
}

/* The reserve was empty and its oldest tables are unlinked: their frames may be used again once no
 * CPU can have them in its paging-structure caches. */
static void reclaim(void) { ept_reclaim(&machine.ept); }

enum ept_fill machine_fill(struct vmx_cpu *vcpu, gpa_t address)
{
    machine_lock(vcpu->cpu);
    enum ept_fill done = ept_map_on_touch(&machine.ept, address);
    if (done == EPT_FILL_DROPPED && machine_change_stopped(vcpu, STOP_WORK, STOP_BOUND_US, reclaim))
        done = ept_map_on_touch(&machine.ept, address);
    machine_unlock();
    return done;
}

enum error machine_show_page(gpa_t page, hpa_t frame, uint64_t rights)
{
    machine_lock(this_cpu());
    bool own = page.v == frame.v; /* a device's, or a ROM: uncached is right for both */
    enum error error =
        ept_set_page(&machine.ept, page, frame, rights, own ? MEMORY_TYPE_UC : MEMORY_TYPE_WB);
    machine_unlock();
    return error;
}

void machine_restore_page(gpa_t page)
{
    enum error error;
    if (page.v == machine.icr_page) {
        error = machine_show_page(page, HPA(page.v), EPT_R | EPT_X);
    } else if (machine.hook.called && page.v == machine.hook.page.v) {
        machine.hook.refresh(this_vmx_cpu());
        error = machine_show_page(page, machine.hook.frame, EPT_R | EPT_X);
    } else {
        machine_lock(this_cpu());
        error = ept_clear_page(&machine.ept, page);
        machine_unlock();
    }
    if (error != ERROR_NONE)
        panic("the sink at 0x%llx cannot be taken away", (unsigned long long)page.v);
}
