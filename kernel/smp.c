#include "kernel/smp.h"

#include "base/hw.h"
#include "base/log.h"
#include "base/panic.h"
#include "base/x86/cr.h"
#include "base/x86/msr.h"
#include "kernel/apic.h"
#include "kernel/log.h"
#include "kernel/stop.h"
#include "kernel/time.h"
#include "lib/string.h"
#include "mm/frames.h"
#include "mm/host_tables.h"

/* SDM vol. 3A, 9.4.4.1 "Typical BSP Initialization Sequence". */
#define INIT_WAIT_US 10000
#define SIPI_WAIT_US 200

/* As boot/trampoline.asm lays it out. */
struct trampoline_parameters {
    uint32_t cr0, cr3, cr4, efer;
    uint64_t entry;
    uint32_t long_offset;
    uint16_t long_selector;
    uint16_t gdt_limit;
    uint32_t gdt_base;
} __attribute__((packed));

extern const uint8_t trampoline_start[], trampoline_end[], trampoline_parameters[];
uint32_t smp_apic_ids[LAYOUT_MAX_CPUS]; /* read by ap_entry64 */
uint32_t smp_cpu_count;
static void (*ap_main)(struct cpu *cpu);

void smp_ap_main(uint32_t number, uint32_t cr0);

void smp_list_cpus(const struct madt_cpus *madt, struct smp_cpus *cpus)
{
    uint32_t self = apic_id_of_this_cpu();
    *cpus = (struct smp_cpus){.count = 1, .apic_id = {self}};
    for (uint32_t i = 0; madt && i < madt->count; i++) {
        if (!madt->cpu[i].enabled || madt->cpu[i].apic_id == self)
            continue;
        if (cpus->count == LAYOUT_MAX_CPUS)
            cpus->dropped++;
        else
            cpus->apic_id[cpus->count++] = madt->cpu[i].apic_id;
    }
}

/* C begins here on an AP, on its own stack. */
void smp_ap_main(uint32_t number, uint32_t cr0)
{
    percpu_enter_slot(number, smp_apic_ids[number]);
    this_cpu()->cr0_found = cr0;
    ap_main(this_cpu());
}

void smp_report_ready(struct cpu *cpu) { __atomic_store_n(&cpu->ready, 1, __ATOMIC_RELEASE); }

static void fill_trampoline(uint8_t *page, uint64_t address)
{
    uint64_t bytes = (uint64_t)(trampoline_end - trampoline_start);
    struct trampoline_parameters *parameters =
        (void *)(page + (trampoline_parameters - trampoline_start));
    memcpy(page, trampoline_start, bytes);
    parameters->cr0 = (uint32_t)hw_read_cr0();
    parameters->cr3 = (uint32_t)hw_read_cr3();
    parameters->cr4 = (uint32_t)(hw_read_cr4() & ~CR4_VMXE);
    parameters->efer = (uint32_t)(hw_rdmsr(MSR_IA32_EFER) & ~EFER_LMA);
    parameters->long_offset += (uint32_t)address;
    parameters->gdt_base += (uint32_t)address;
}

static void send_to_missing(const struct smp_cpus *cpus, enum apic_ipi what, uint8_t page)
{
    for (uint32_t i = 1; i < cpus->count; i++)
        if (__atomic_load_n(&percpu_get(i)->state, __ATOMIC_ACQUIRE) == CPU_ABSENT &&
            !apic_send(cpus->apic_id[i], what, page))
            log_warn("smp", "cpu%u: the local APIC did not take a message to APIC id %u", i,
                     cpus->apic_id[i]);
}

static uint32_t count_missing(const struct smp_cpus *cpus)
{
    uint32_t missing = 0;
    for (uint32_t i = 1; i < cpus->count; i++)
        missing += !__atomic_load_n(&percpu_get(i)->ready, __ATOMIC_ACQUIRE);
    return missing;
}

static void run_sequence(const struct smp_cpus *cpus, uint8_t page, uint64_t bound_us)
{
    send_to_missing(cpus, APIC_IPI_INIT, 0);
    time_delay_us(INIT_WAIT_US);
    send_to_missing(cpus, APIC_IPI_STARTUP, page);
    time_delay_us(SIPI_WAIT_US);
    send_to_missing(cpus, APIC_IPI_STARTUP, page);
    for (uint64_t start = time_us(); count_missing(cpus) && time_us() - start < bound_us;) {
        log_pump();
        hw_pause();
    }
}

uint32_t smp_start(const struct smp_cpus *cpus, gpa_t trampoline, void (*main)(struct cpu *cpu),
                   uint64_t bound_us)
{
    uint8_t *kept = frames_pointer(frames_take());
    uint8_t *filled = frames_pointer(frames_take());
    const struct window *window = &this_cpu()->windows[0];
    ASSERT(trampoline_end - trampoline_start <= (long)PAGE_SIZE);
    memcpy(smp_apic_ids, cpus->apic_id, sizeof(smp_apic_ids));
    smp_cpu_count = cpus->count;
    ap_main = main;
    fill_trampoline(filled, trampoline.v);
    if (guest_read(window, kept, trampoline, PAGE_SIZE) != ERROR_NONE ||
        guest_write(window, trampoline, filled, PAGE_SIZE) != ERROR_NONE)
        panic("the trampoline's page 0x%llx lies in Orlop's range",
              (unsigned long long)trampoline.v);
    host_tables_map_low(HPA(trampoline.v));
    run_sequence(cpus, (uint8_t)(trampoline.v >> PAGE_SHIFT), bound_us);
    host_tables_unmap_low();
    if (guest_write(window, trampoline, kept, PAGE_SIZE) != ERROR_NONE)
        panic("the trampoline's page cannot be given back");
    return count_missing(cpus);
}
