#include "vmx/exit_reasons.h"

#include "base/bits.h"
#include "lib/string.h"

#define EXIT_NUMBER(number, name, text, handler) number,
#define EXIT_TEXT(number, name, text, handler)   text "\0"
static const uint8_t numbers[] = {EXIT_REASONS(EXIT_NUMBER)};
static const char texts[] = EXIT_REASONS(EXIT_TEXT);

const char *exit_reason_name(uint32_t basic_reason)
{
    const char *name = string_numbered(numbers, ARRAY_SIZE(numbers), texts, basic_reason);
    return name ? name : "reserved exit reason";
}
