#include "kernel/main_report.h"

#include "base/hw.h"
#include "base/log.h"
#include "base/x86/cpuid.h"
#include "vmx/capability_report.h"
#include "vmx/machine.h"

#define U(x) ((unsigned long long)(x))

static void print_line(void *context, const char *text)
{
    (void)context;
    log_info("probe", "%s", text);
}

static void report_processor(const struct vmx_capabilities *caps)
{
    struct cpuid_regs one = hw_cpuid(CPUID_LEAF_FEATURES, 0);
    char brand[49] = "";
    for (uint32_t i = 0; i < 3 && hw_cpuid(CPUID_LEAF_EXT_MAX, 0).eax >= 0x80000004; i++)
        *(struct cpuid_regs *)(brand + 16 * i) = hw_cpuid(CPUID_LEAF_EXT_BRAND + i, 0);
    brand[48] = '\0';
    log_info("probe", "processor: %s, CPUID.1:EAX 0x%x", caps->vendor, one.eax);
    log_info("probe", "processor: brand \"%s\"", brand);
    const char *below = vmx_hypervisor_name(caps);
    log_info("probe", "hypervisor below: %s", below ? below : "none");
}

static void report_memory(const struct machine_facts *facts)
{
    static const char *const types[] = {"?",        "usable", "reserved", "ACPI reclaimable",
                                        "ACPI NVS", "bad"};
    for (uint32_t i = 0; i < facts->map.count; i++) {
        const struct memory_range *range = &facts->map.ranges[i];
        log_info("probe", "memory 0x%012llx-0x%012llx %s", U(range->base), U(range->end),
                 types[range->type <= MEMORY_BAD ? range->type : 0]);
    }
}

static void report_mtrrs(const struct mtrr_state *mtrr)
{
    unsigned problems = mtrr_problems(mtrr);
    log_info("probe", "MTRR: cap 0x%llx, default 0x%llx, %u physical-address bits", U(mtrr->cap),
             U(mtrr->def_type), mtrr->phys_bits);
    for (unsigned i = 0; i < mtrr->variable_count; i++)
        if (mtrr->variable[i].mask & MTRR_PHYSMASK_V)
            log_info("probe", "MTRR: variable %u base 0x%llx mask 0x%llx", i,
                     U(mtrr->variable[i].base), U(mtrr->variable[i].mask));
    for (unsigned i = 0; i < MTRR_FIXED_COUNT; i++)
        log_info("probe", "MTRR: fixed MSR 0x%x = 0x%016llx", mtrr_fixed_msr(i), U(mtrr->fixed[i]));
    if (problems)
        log_warn("probe", "MTRR: the state is odd, flags 0x%x", problems);
}

static void report_cpus(const struct boot *facts)
{
    const struct madt_cpus *madt = &facts->facts.madt;
    for (uint32_t i = 0; i < madt->count; i++)
        log_info("probe", "CPU: APIC id %u, UID %u, %s%s", madt->cpu[i].apic_id, madt->cpu[i].uid,
                 madt->cpu[i].enabled          ? "enabled"
                 : madt->cpu[i].online_capable ? "online capable"
                                               : "disabled",
                 madt->cpu[i].apic_id == facts->cpus.apic_id[0] ? ", boots" : "");
}

static void report_tables(const struct acpi_tables *tables)
{
    for (uint32_t i = 0; i < tables->count; i++)
        log_info("probe", "ACPI: %s at 0x%llx, %u bytes, revision %u%s", tables->table[i].signature,
                 U(tables->table[i].address), tables->table[i].length_bytes,
                 tables->table[i].revision, tables->table[i].ok ? "" : ", BROKEN");
}

void report_machine(const struct boot *facts)
{
    const struct vmx_report_sink sink = {print_line, NULL};
    report_processor(&machine.caps);
    report_memory(&facts->facts);
    if (machine.mtrr.phys_bits)
        report_mtrrs(&machine.mtrr);
    report_cpus(facts);
    report_tables(&facts->facts.tables);
    vmx_capabilities_print(&machine.caps, &sink);
}
