/* What the machine says of itself, read while the boot map lasts: ACPI, memory, MTRRs. */
#pragma once

#include "acpi/madt.h"
#include "acpi/tables.h"
#include "boot/bootinfo.h"
#include "kernel/power.h"
#include "mm/frames.h"
#include "mm/memmap.h"
#include "mm/mtrr.h"

struct machine_facts {
    uint64_t rsdp; /* 0: not known where */
    struct acpi_tables tables;
    struct madt_cpus madt;
    uint64_t madt_address; /* 0: none */
    bool madt_broken;      /* it ends in the middle, or names more CPUs than fit */
    uint32_t madt_bytes;
    hpa_t scratch; /* a frame for changing the MADT */
    struct power power;
    struct memory_map map; /* the firmware's, normalised */
    unsigned avoid_count;  /* ranges that must not be overwritten before the guest runs */
    struct memory_range avoid[BOOTINFO_MAX_MODULES + ACPI_MAX_TABLES + 2];
};

/* ACPI's tables through the boot map; goes on with less where the firmware lies. BSP, boot only. */
void facts_read_acpi(const struct bootinfo *info, struct machine_facts *facts);

/* Where the RSDP itself is, which the boot loader's copy does not tell; for a guest that is handed
 * its address. On the boot map. */
void facts_find_rsdp(struct machine_facts *facts);

/* The memory map, and what lies in it that is still needed. ERROR_NO_SPACE: too many entries. */
MUST_CHECK enum error facts_read_memory(const struct bootinfo *info, uint64_t image,
                                        uint64_t image_end, struct machine_facts *facts);

/* This CPU's MTRRs. */
void facts_read_mtrrs(struct mtrr_state *state, unsigned physical_bits);

/* Mark a CPU as absent in the firmware's MADT, so that the guest does not wait for it. */
void facts_disable_cpu(const struct machine_facts *facts, uint32_t apic_id);
