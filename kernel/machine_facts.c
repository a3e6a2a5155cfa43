#include "kernel/machine_facts.h"

#include "acpi/fadt.h"
#include "base/hw.h"
#include "base/log.h"
#include "base/x86/msr.h"
#include "kernel/percpu.h"
#include "mm/frames.h"

/* The boot map reaches 4 GiB, and page 0 is the firmware's. */
static const void *boot_map_at(void *context, uint64_t address, size_t bytes)
{
    (void)context;
    if (address == 0 || address >= GIB(4) || bytes > GIB(4) - address)
        return NULL;
    return (const void *)address;
}

static const struct acpi_memory boot_memory = {boot_map_at, NULL};

static void read_madt(struct machine_facts *facts)
{
    size_t bytes;
    const void *madt = acpi_tables_find(&boot_memory, &facts->tables, "APIC", 0, &bytes);
    if (!madt) {
        log_warn("acpi", "no MADT: only the CPU that runs is used");
        return;
    }
    facts->madt_address = (uint64_t)madt;
    facts->madt_bytes = (uint32_t)bytes;
    facts->madt_broken =
        madt_read_cpus(madt, bytes, &facts->madt) != ERROR_NONE || facts->madt.dropped;
    if (facts->madt_broken)
        log_warn("acpi", "the MADT cannot be read whole: %u CPUs were listed", facts->madt.count);
}

static void read_power(struct machine_facts *facts)
{
    size_t bytes;
    const void *fadt = acpi_tables_find(&boot_memory, &facts->tables, "FACP", 0, &bytes);
    facts->power.fadt_present = fadt && fadt_parse(fadt, bytes, &facts->power.fadt) == ERROR_NONE;
    facts->power.s5_present = s5_find(&boot_memory, &facts->tables, &facts->power.s5) == ERROR_NONE;
}

void facts_read_acpi(const struct bootinfo *info, struct machine_facts *facts)
{
    struct acpi_rsdp rsdp;
    if (acpi_rsdp_find(&boot_memory, info->rsdp, info->rsdp_bytes, &rsdp) != ERROR_NONE ||
        acpi_tables_list(&boot_memory, &rsdp, &facts->tables) != ERROR_NONE)
        return; /* logged where it arose; the machine counts as one without ACPI */
    read_madt(facts);
    read_power(facts);
}

void facts_find_rsdp(struct machine_facts *facts)
{
    struct acpi_rsdp rsdp;
    if (acpi_rsdp_find(&boot_memory, NULL, 0, &rsdp) == ERROR_NONE)
        facts->rsdp = rsdp.address;
}

static void avoid(struct machine_facts *facts, uint64_t base, uint64_t end)
{
    facts->avoid[facts->avoid_count++] = (struct memory_range){base, end, 0};
}

enum error facts_read_memory(const struct bootinfo *info, uint64_t image, uint64_t image_end,
                             struct machine_facts *facts)
{
    for (uint32_t i = 0; i < info->memory_count; i++) {
        const struct bootinfo_memory *entry = &info->memory[i];
        enum error error =
            memory_map_add(&facts->map, entry->base, entry->length_bytes, entry->type);
        if (error != ERROR_NONE)
            return error;
    }
    avoid(facts, image, image_end);
    avoid(facts, info->information_start, info->information_end);
    for (uint32_t i = 0; i < info->module_count; i++)
        avoid(facts, info->modules[i].start, info->modules[i].end);
    for (uint32_t i = 0; i < facts->tables.count; i++)
        avoid(facts, facts->tables.table[i].address,
              facts->tables.table[i].address + facts->tables.table[i].length_bytes);
    return ERROR_NONE;
}

void facts_read_mtrrs(struct mtrr_state *state, unsigned physical_bits)
{
    *state = (struct mtrr_state){.phys_bits = physical_bits};
    state->cap = hw_rdmsr(MSR_IA32_MTRRCAP);
    state->def_type = hw_rdmsr(MSR_IA32_MTRR_DEF_TYPE);
    if (state->cap & MTRRCAP_FIX)
        for (unsigned i = 0; i < MTRR_FIXED_COUNT; i++)
            state->fixed[i] = hw_rdmsr(mtrr_fixed_msr(i));
    state->variable_count =
        (unsigned)min_u64(bits_get(state->cap, MTRRCAP_VCNT), MTRR_VARIABLE_MAX);
    for (unsigned i = 0; i < state->variable_count; i++) {
        state->variable[i].base = hw_rdmsr(MSR_IA32_MTRR_PHYSBASE(i));
        state->variable[i].mask = hw_rdmsr(MSR_IA32_MTRR_PHYSMASK(i));
    }
}

/* Written back to where it lies: ACPI's tables are RAM that nobody else has read yet. */
void facts_disable_cpu(const struct machine_facts *facts, uint32_t apic_id)
{
    uint8_t *copy = frames_pointer(facts->scratch);
    const struct window *window = &this_cpu()->windows[0];
    gpa_t at = GPA(facts->madt_address);
    uint32_t bytes = facts->madt_bytes;
    if (!bytes || bytes > PAGE_SIZE) {
        log_warn("acpi",
                 "the MADT of %u bytes is left as it is: the guest may wait for CPUs that "
                 "do not start",
                 bytes);
        return;
    }
    if (guest_read(window, copy, at, bytes) != ERROR_NONE ||
        madt_disable_cpu(copy, bytes, apic_id) != ERROR_NONE ||
        guest_write(window, at, copy, bytes) != ERROR_NONE)
        log_warn("acpi", "APIC id %u could not be taken out of the MADT", apic_id);
}
