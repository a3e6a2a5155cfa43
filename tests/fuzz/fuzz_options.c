/* with: boot/options.c boot/words.c lib/string.c */
/* Any text as Orlop's command line: what comes out lies within the documented limits. */
#include "boot/options.h"

#include <string.h>

#include "tests/fuzz/check.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t bytes)
{
    struct options options;
    struct option_complaints complaints;
    char *line = malloc(bytes + 1);
    memcpy(line, data, bytes);
    line[bytes] = 0;
    options_parse(line, &options, &complaints);
    options_log_complaints(&complaints);
    free(line);
    CHECK(options.serial_port == 0 || options.serial_port >= 0x100);
    CHECK(options.serial_port % 8 == 0);
    CHECK(options.serial_baud >= 2 && OPTIONS_UART_CLOCK % options.serial_baud == 0);
    CHECK(options.debug_port == 0 || options.debug_port >= 0x100);
    CHECK(options.debug_baud >= 2 && OPTIONS_UART_CLOCK % options.debug_baud == 0);
    CHECK(options.console <= CONSOLE_OWN && options.stop_at < STOP_AT_NMI * 2);
    CHECK(options.log_level <= LOG_DEBUG);
    CHECK(options.cpus <= OPTIONS_MAX_CPUS);
    CHECK(options.on_stop <= ON_STOP_POWEROFF);
    CHECK(options.on_stop_seconds <= OPTIONS_MAX_STOP_SECONDS);
    CHECK(options.serial_after <= SERIAL_AFTER_PANIC);
    CHECK(options.debug_fault <= DEBUG_CHECK_TABLES);
    CHECK(complaints.count <= OPTIONS_MAX_COMPLAINTS);
    CHECK(complaints.dropped == 0 || complaints.count == OPTIONS_MAX_COMPLAINTS);
    for (unsigned int i = 0; i < complaints.count; i++) {
        const char *text = complaints.list[i].text;
        CHECK(memchr(text, 0, OPTIONS_COMPLAINT_BYTES));
        for (; *text; text++)
            CHECK(*text > ' ' && *text < 0x7F);
    }
    return 0;
}
