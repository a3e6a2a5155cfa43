#include "kernel/backtrace.h"

#include "base/layout.h"
#include "lib/format.h"
#include "lib/symbols.h"

extern const uint8_t text_start[], text_end[], debugger_start[],
    debugger_text_end[]; /* linker.ld */

static bool on_a_stack(uint64_t frame)
{
    return frame % 8 == 0 &&
           ((frame >= LAYOUT_CPU_BASE && frame < LAYOUT_DEVICE_BASE) ||
            (frame >= (uint64_t)text_end && frame < LAYOUT_IMAGE_BASE + LAYOUT_IMAGE_BYTES));
}

static bool is_code(uint64_t address)
{
    return (address >= (uint64_t)text_start && address < (uint64_t)text_end) ||
           (address >= (uint64_t)debugger_start && address < (uint64_t)debugger_text_end);
}

size_t backtrace_follow(uint64_t frame, uint64_t addresses[BACKTRACE_MAX])
{
    size_t count = 0;
    while (count < BACKTRACE_MAX && on_a_stack(frame)) {
        const uint64_t *words = (const uint64_t *)frame;
        if (!is_code(words[1]))
            break;
        addresses[count++] = words[1];
        if (words[0] <= frame)
            break;
        frame = words[0];
    }
    return count;
}

void backtrace_text(uint64_t address, char text[BACKTRACE_TEXT_BYTES])
{
    uint64_t offset = 0;
    char buffer[SYMBOL_NAME_BYTES];
    const char *name = symbol_lookup(address, &offset, buffer);
    format(text, BACKTRACE_TEXT_BYTES, "%016llx %s+0x%llx", (unsigned long long)address,
           name ? name : "?", (unsigned long long)offset);
}
