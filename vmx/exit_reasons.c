#include "vmx/exit_reasons.h"

#define EXIT_NAME(number, name, text, handler) [number] = text,
static const char *const names[EXIT_REASON_COUNT] = {EXIT_REASONS(EXIT_NAME)};

const char *exit_reason_name(uint32_t basic_reason)
{
    if (basic_reason >= EXIT_REASON_COUNT || !names[basic_reason])
        return "reserved exit reason";
    return names[basic_reason];
}
