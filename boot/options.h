/* Orlop's own command line: `multiboot2 /boot/orlop.elf [option=value ...]`. One table in options.c
 * names each option, reads its value and holds the text that a complaint shows. Pure: nothing is
 * printed while parsing, because `serial=` itself says where to print; what was wrong is kept and
 * logged by options_log_complaints once the serial line is set up. */
#pragma once

#include "base/log.h"
#include "base/types.h"

#define OPTIONS_FIRST_DISK       0x80u   /* the BIOS's number of it */
#define OPTIONS_UART_CLOCK       115200u /* a baud rate must divide this */
#define OPTIONS_MAX_CPUS         4096u
#define OPTIONS_MAX_STOP_SECONDS 3600u
#define OPTIONS_STOP_SECONDS     10u /* before reboot or poweroff, when none are given */
#define OPTIONS_MAX_COMPLAINTS   8u
#define OPTIONS_COMPLAINT_BYTES  48u

enum option_stop { ON_STOP_HALT, ON_STOP_REBOOT, ON_STOP_POWEROFF };
enum option_serial_after { SERIAL_AFTER_LINES, SERIAL_AFTER_PANIC };
enum option_sipi { SIPI_AUTO, SIPI_WFS, SIPI_ICR };
enum option_cpuid { CPUID_SHOWN, CPUID_HIDDEN };
enum option_console { CONSOLE_SHARED, CONSOLE_WATCHED, CONSOLE_OWN };
enum option_stop_at { /* bits: what breaks into the debugger by itself */
                      STOP_AT_LAUNCH = 1,
                      STOP_AT_CPU = 2,
                      STOP_AT_TRIPLE_FAULT = 4,
                      STOP_AT_ENTRY_FAILURE = 8,
                      STOP_AT_NMI = 16
};
enum option_fault {
    DEBUG_FAULT_NONE,
    DEBUG_FAULT_DIVIDE,
    DEBUG_FAULT_PAGE,
    DEBUG_CHECK_TABLES,
    DEBUG_MACHINE_CHECK
};

struct options {
    uint16_t serial_port; /* first I/O port of the UART, 0 for none */
    uint32_t serial_baud; /* divides OPTIONS_UART_CLOCK, with a divisor of 16 bits */
    enum log_level log_level;
    uint32_t cpus; /* at most so many run the guest; 0 is all */
    enum option_stop on_stop;
    uint32_t on_stop_seconds;
    enum option_serial_after serial_after;
    enum option_sipi sipi; /* how CPUs wait for a SIPI: vmx/icr.h */
    enum option_cpuid cpuid;
    bool disk; /* the guest is what the BIOS boots from `disk_drive` */
    uint8_t disk_drive;
    uint16_t debug_port; /* the UART that is the debugger's alone, 0 for none */
    uint32_t debug_baud;
    enum option_console console; /* who has the UART of the log once the guest runs */
    uint32_t stop_at;            /* enum option_stop_at */
    uint64_t panic_address;      /* the linear address of the guest's panic function, 0 for none */
    bool exitcost;               /* the measuring entry stub counts the cost of each exit */
    bool probe;                  /* only report what the machine can do */
    enum option_fault debug_fault; /* for tests: a fault in Orlop itself, or a check ... */
    bool debug_fault_on_ap;        /* ... on the first AP instead of the BSP ... */
    bool debug_fault_after_launch; /* ... at the guest's first exit instead of before launch */
};

enum option_wrong {
    OPTION_UNKNOWN,
    OPTION_BAD_VALUE,   /* missing, unexpected or not understood */
    OPTION_DOUBLED,     /* the last one wins */
    OPTION_NO_DEBUGGER, /* it is for the debugger, which no other option asks for */
};

struct option_complaint {
    enum option_wrong wrong;
    bool truncated;                     /* the text was longer */
    const char *usage;                  /* what the option takes, NULL when it is unknown */
    char text[OPTIONS_COMPLAINT_BYTES]; /* the word, printable characters only */
};

struct option_complaints {
    uint32_t count;
    uint32_t dropped; /* complaints beyond the list */
    struct option_complaint list[OPTIONS_MAX_COMPLAINTS];
};

/* Fills `out` with the defaults and then with what `line` says. A word that is not understood is
 * put into `complaints` and changes nothing. A first word that starts with `/` or `(` is the file's
 * name, which some loaders keep. Never fails. */
void options_parse(const char *line, struct options *out, struct option_complaints *complaints);

/* Whether they ask for a debugger, without which nothing of debug/ is in memory. */
static inline bool options_want_debugger(const struct options *options)
{
    return options->debug_port || options->console != CONSOLE_SHARED;
}

/* Writes one log line a complaint, and one for those that were dropped. */
void options_log_complaints(const struct option_complaints *complaints);

/* The text of row `index` of the option table: `usage` is what may be written, `help` a sentence.
 * False behind the last row. */
bool options_describe(size_t index, const char **usage, const char **help);
