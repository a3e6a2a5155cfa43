#include "kernel/apic.h"

#include "base/bits.h"
#include "base/hw.h"
#include "base/x86/apic.h"
#include "base/x86/cpuid.h"
#include "base/x86/msr.h"
#include "mm/host_tables.h"

/* A sender waits so long, in polls, for the APIC to accept an earlier message. */
#define BUSY_POLLS 100000

/* Delivery modes and level (SDM vol. 3A, 11.6.1 "Interrupt Command Register (ICR)"). */
static const uint32_t icr_low[] = {
    [APIC_IPI_FIXED] = ICR_LEVEL_ASSERT,
    [APIC_IPI_NMI] = ICR_DELIVERY_NMI | ICR_LEVEL_ASSERT,
    [APIC_IPI_INIT] = ICR_DELIVERY_INIT | ICR_LEVEL_ASSERT,
    [APIC_IPI_STARTUP] = ICR_DELIVERY_STARTUP | ICR_LEVEL_ASSERT,
};

static volatile uint32_t *registers_at(struct cpu *cpu, uint64_t page)
{
    uint64_t address = (uint64_t)percpu_slot(cpu->number, LAYOUT_SLOT_APIC);
    host_tables_map(address, HPA(page), HOST_DEVICE);
    return (volatile uint32_t *)address;
}

static bool wait_idle(volatile uint32_t *apic)
{
    for (unsigned poll = 0; poll < BUSY_POLLS; poll++) {
        if (!(apic[APIC_ICR_LOW / 4] & ICR_STATUS_PENDING))
            return true;
        hw_pause();
    }
    return false;
}

static bool send_xapic(uint64_t page, uint32_t apic_id, uint32_t low)
{
    volatile uint32_t *apic = registers_at(this_cpu(), page);
    if (apic_id > 0xFF || !wait_idle(apic))
        return false;
    uint32_t half_written = apic[APIC_ICR_HIGH / 4];
    apic[APIC_ICR_HIGH / 4] = apic_id << 24;
    apic[APIC_ICR_LOW / 4] = low; /* this write sends */
    bool sent = wait_idle(apic);
    apic[APIC_ICR_HIGH / 4] = half_written;
    return sent;
}

bool apic_send(uint32_t apic_id, enum apic_ipi what, uint8_t vector)
{
    uint64_t base = hw_rdmsr(MSR_IA32_APIC_BASE);
    uint32_t low = icr_low[what] | vector;
    if (!(base & APIC_BASE_EN))
        return false;
    if (base & APIC_BASE_EXTD) {
        hw_wrmsr(MSR_IA32_X2APIC_ICR, (uint64_t)apic_id << 32 | low);
        return true;
    }
    return send_xapic(base & APIC_BASE_ADDRESS_MASK, apic_id, low);
}

uint32_t apic_read(uint32_t offset)
{
    uint64_t base = hw_rdmsr(MSR_IA32_APIC_BASE), value = 0;
    if (!(base & APIC_BASE_EN))
        return 0;
    if (!(base & APIC_BASE_EXTD))
        return registers_at(this_cpu(), base & APIC_BASE_ADDRESS_MASK)[offset / 4];
    return hw_rdmsr_safe(APIC_X2APIC_MSR(offset), &value) ? (uint32_t)value : 0;
}

void apic_write(uint32_t offset, uint32_t value)
{
    uint64_t base = hw_rdmsr(MSR_IA32_APIC_BASE);
    if (!(base & APIC_BASE_EN))
        return;
    if (!(base & APIC_BASE_EXTD))
        registers_at(this_cpu(), base & APIC_BASE_ADDRESS_MASK)[offset / 4] = value;
    else
        (void)hw_wrmsr_safe(APIC_X2APIC_MSR(offset), value);
}

void apic_reset(void)
{
    static const struct {
        uint32_t offset, value;
    } rows[] = {
        {APIC_SVR, 0xFF},
        {APIC_TPR, 0},
        {APIC_LDR, 0},
        {APIC_DFR, UINT32_MAX},
        {APIC_LVT_TIMER, APIC_LVT_MASKED},
        {APIC_LVT_THERMAL, APIC_LVT_MASKED},
        {APIC_LVT_PERF, APIC_LVT_MASKED},
        {APIC_LVT_LINT0, APIC_LVT_MASKED},
        {APIC_LVT_LINT1, APIC_LVT_MASKED},
        {APIC_LVT_ERROR, APIC_LVT_MASKED},
        {APIC_INITIAL_COUNT, 0},
        {APIC_DIVIDE, 0},
    };
    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++)
        apic_write(rows[i].offset, rows[i].value);
}

uint32_t apic_id_of_this_cpu(void)
{
    if (hw_cpuid(CPUID_LEAF_VENDOR, 0).eax >= CPUID_LEAF_TOPOLOGY) {
        struct cpuid_regs topology = hw_cpuid(CPUID_LEAF_TOPOLOGY, 0);
        if (topology.ebx & 0xFFFF)
            return topology.edx;
    }
    return hw_cpuid(CPUID_LEAF_FEATURES, 0).ebx >> 24;
}
