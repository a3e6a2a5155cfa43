#include "vmx/entry_now.h"

#include "lib/format.h"
#include "mm/frames.h"
#include "vmx/instructions.h"
#include "vmx/machine.h"

static uint64_t read_field(void *context, uint32_t encoding)
{
    uint64_t value = 0;
    (void)context;
    return vmx_vmread_checked(encoding, &value) ? value : 0;
}

/* Orlop's own pages: whatever VM entry reads of memory lies in them. */
static bool read_memory(void *context, uint64_t address, uint64_t *value)
{
    (void)context;
    if (address < frames.base || address > frames.end - sizeof(*value))
        return false;
    *value = *(uint64_t *)frames_pointer(HPA(address));
    return true;
}

/* Long mode, outside SMM, without processor tracing: so Orlop runs. */
struct entry_environment entry_now(void)
{
    return (struct entry_environment){.caps = &this_vmx_cpu()->caps,
                                      .read = read_field,
                                      .memory = read_memory,
                                      .vmcs = vmx_vmptrst().v,
                                      .in_ia32e = true};
}

void entry_now_text(unsigned classes, char *text, size_t size)
{
    struct entry_environment now = entry_now();
    struct entry_broken broken;
    if (entry_check(&now, classes, &broken))
        entry_broken_text(&broken, text, size);
    else
        format(text, size, "no rule that is known is broken");
}
