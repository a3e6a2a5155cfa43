#include "boot/bootinfo_map.h"

#include "base/bits.h"
#include "base/log.h"
#include "boot/multiboot2.h"
#include "lib/string.h"

#define AREA "boot"

#define EFI_PAGE_SHIFT 12
#define EFI_MEMORY_SP  BIT(18) /* kept for a purpose of its own: not for general use */

/* EFI's types of memory, as what may be done with them once the boot services have ended. UEFI
 * Specification 2.10, section 7.2, table "Memory Type Usage after ExitBootServices()". */
static const uint8_t efi_types[] = {
    MULTIBOOT2_MEMORY_RESERVED,     /* EfiReservedMemoryType */
    MULTIBOOT2_MEMORY_AVAILABLE,    /* EfiLoaderCode */
    MULTIBOOT2_MEMORY_AVAILABLE,    /* EfiLoaderData */
    MULTIBOOT2_MEMORY_AVAILABLE,    /* EfiBootServicesCode */
    MULTIBOOT2_MEMORY_AVAILABLE,    /* EfiBootServicesData */
    MULTIBOOT2_MEMORY_RESERVED,     /* EfiRuntimeServicesCode */
    MULTIBOOT2_MEMORY_RESERVED,     /* EfiRuntimeServicesData */
    MULTIBOOT2_MEMORY_AVAILABLE,    /* EfiConventionalMemory */
    MULTIBOOT2_MEMORY_BAD,          /* EfiUnusableMemory */
    MULTIBOOT2_MEMORY_ACPI_RECLAIM, /* EfiACPIReclaimMemory */
    MULTIBOOT2_MEMORY_ACPI_NVS,     /* EfiACPIMemoryNVS */
};

static void add_entry(struct bootinfo *out, uint64_t base, uint64_t length_bytes, uint32_t type)
{
    if (out->memory_count == BOOTINFO_MAX_MEMORY_ENTRIES) {
        out->memory_dropped++;
        return;
    }
    out->memory[out->memory_count++] =
        (struct bootinfo_memory){.base = base, .length_bytes = length_bytes, .type = type};
}

static void start_map(struct bootinfo *out, enum bootinfo_map_source source)
{
    out->memory_map_present = true;
    out->memory_map_source = source;
    out->memory_count = 0;
    out->memory_dropped = 0;
}

static void end_map(const struct bootinfo *out)
{
    if (out->memory_dropped)
        log_warn(AREA, "memory map has %u entries more than the %u that are kept",
                 out->memory_dropped, BOOTINFO_MAX_MEMORY_ENTRIES);
}

enum error bootinfo_take_memory_map(const uint8_t *body, size_t bytes, struct bootinfo *out)
{
    struct multiboot2_memory_map map;
    struct multiboot2_memory_entry entry;
    memcpy(&map, body, sizeof(map));
    bytes -= sizeof(map);
    if (map.entry_bytes < sizeof(entry) || bytes % map.entry_bytes)
        return ERROR_MALFORMED;
    start_map(out, BOOTINFO_MAP_MULTIBOOT);
    for (size_t offset = 0; offset < bytes; offset += map.entry_bytes) {
        memcpy(&entry, body + sizeof(map) + offset, sizeof(entry));
        add_entry(out, entry.base, entry.length_bytes, entry.type);
    }
    end_map(out);
    return ERROR_NONE;
}

static void add_descriptor(struct bootinfo *out, const struct multiboot2_efi_descriptor *descriptor)
{
    uint32_t type = MULTIBOOT2_MEMORY_RESERVED;
    if (descriptor->type < ARRAY_SIZE(efi_types) && !(descriptor->attributes & EFI_MEMORY_SP))
        type = efi_types[descriptor->type];
    /* A length that does not fit stays what it is, a lie that reaches past the end of all memory.
     */
    uint64_t length_bytes =
        descriptor->pages > (~0ull >> EFI_PAGE_SHIFT) ? ~0ull : descriptor->pages << EFI_PAGE_SHIFT;
    add_entry(out, descriptor->physical_start, length_bytes, type);
}

enum error bootinfo_take_efi_map(const uint8_t *body, size_t bytes, struct bootinfo *out)
{
    struct multiboot2_efi_memory map;
    struct multiboot2_efi_descriptor descriptor;
    memcpy(&map, body, sizeof(map));
    bytes -= sizeof(map);
    if (map.descriptor_bytes < sizeof(descriptor) || bytes % map.descriptor_bytes)
        return ERROR_MALFORMED;
    if (out->memory_map_source == BOOTINFO_MAP_MULTIBOOT)
        return ERROR_NONE;
    start_map(out, BOOTINFO_MAP_EFI);
    for (size_t offset = 0; offset < bytes; offset += map.descriptor_bytes) {
        memcpy(&descriptor, body + sizeof(map) + offset, sizeof(descriptor));
        add_descriptor(out, &descriptor);
    }
    end_map(out);
    return ERROR_NONE;
}
