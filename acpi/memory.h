/* How the ACPI code reaches physical memory: through one function of the caller, so that it runs on
 * a recorded image in a unit test as it does on the boot identity map. */
#pragma once

#include "base/types.h"

struct acpi_memory {
    /* `bytes` readable bytes at the physical address, or NULL when that range may not be read (it
     * wraps, is not mapped, or is not memory). What it points to stays until the next phase. */
    const void *(*at)(void *context, uint64_t address, size_t bytes);
    void *context;
};

static inline const void *acpi_memory_at(const struct acpi_memory *memory, uint64_t address,
                                         size_t bytes)
{
    return memory->at(memory->context, address, bytes);
}
