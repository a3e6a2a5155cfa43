#include "boot/options.h"

#include "base/bits.h"
#include "boot/words.h"
#include "lib/string.h"

#define AREA "options"

#define UART_LOWEST_PORT  0x100u /* below lie the timer, the interrupt controllers and such */
#define UART_HIGHEST_PORT 0xFFF8u
#define UART_ALIGN        8u
#define UART_MAX_DIVISOR  0xFFFFu
#define DEFAULT_BAUD      115200u

struct choice {
    const char *name;
    uint32_t value;
};

static bool choose(struct word word, const struct choice *choices, size_t count, uint32_t *out)
{
    for (size_t i = 0; i < count; i++) {
        if (word_is(word, choices[i].name)) {
            *out = choices[i].value;
            return true;
        }
    }
    return false;
}

#define CHOOSE(word, choices, out) choose(word, choices, ARRAY_SIZE(choices), out)

static bool read_number_in(struct word word, uint64_t low, uint64_t high, uint32_t *out)
{
    uint64_t value;
    if (!string_parse_u64(word.text, word.length, &value) || value < low || value > high)
        return false;
    *out = (uint32_t)value;
    return true;
}

/* A port that is not written as 0x... is more likely a mistake than a decimal port. */
static bool read_port(struct word word, uint32_t *out)
{
    return word.length > 2 && word.text[1] == 'x' &&
           read_number_in(word, UART_LOWEST_PORT, UART_HIGHEST_PORT, out) &&
           IS_ALIGNED(*out, UART_ALIGN);
}

static bool read_baud(struct word word, uint32_t *out)
{
    return read_number_in(word, 1, OPTIONS_UART_CLOCK, out) && OPTIONS_UART_CLOCK % *out == 0 &&
           OPTIONS_UART_CLOCK / *out <= UART_MAX_DIVISOR;
}

static bool read_uart(struct word value, uint16_t *uart, uint32_t *rate)
{
    static const struct choice ports[] = {{"com1", 0x3F8}, {"com2", 0x2F8}, {"none", 0}};
    struct word name, rest;
    uint32_t port, baud = DEFAULT_BAUD;
    bool has_baud = word_cut(value, ',', &name, &rest);
    if (!CHOOSE(name, ports, &port) && !read_port(name, &port))
        return false;
    if (has_baud && (port == 0 || !read_baud(rest, &baud)))
        return false;
    *uart = (uint16_t)port;
    *rate = baud;
    return true;
}

static bool read_serial(struct word value, struct options *out)
{
    return read_uart(value, &out->serial_port, &out->serial_baud);
}

static bool read_debug(struct word value, struct options *out)
{
    return read_uart(value, &out->debug_port, &out->debug_baud);
}

static bool read_console(struct word value, struct options *out)
{
    static const struct choice ways[] = {
        {"shared", CONSOLE_SHARED}, {"watched", CONSOLE_WATCHED}, {"own", CONSOLE_OWN}};
    uint32_t way;
    if (!CHOOSE(value, ways, &way))
        return false;
    out->console = (enum option_console)way;
    return true;
}

static bool read_stop(struct word value, struct options *out)
{
    static const struct choice events[] = {{"launch", STOP_AT_LAUNCH},
                                           {"cpu", STOP_AT_CPU},
                                           {"tfault", STOP_AT_TRIPLE_FAULT},
                                           {"entry", STOP_AT_ENTRY_FAILURE},
                                           {"nmi", STOP_AT_NMI}};
    struct word name, rest = value;
    uint32_t all = 0, event;
    bool more = true;
    while (more) {
        more = word_cut(rest, ',', &name, &rest);
        if (!CHOOSE(name, events, &event))
            return false;
        all |= event;
    }
    out->stop_at = all;
    return true;
}

static bool read_panic(struct word value, struct options *out)
{
    uint64_t address;
    if (!string_parse_u64(value.text, value.length, &address) || address == 0)
        return false;
    out->panic_address = address;
    return true;
}

static bool read_log(struct word value, struct options *out)
{
    static const struct choice levels[] = {
        {"error", LOG_ERROR}, {"warn", LOG_WARN}, {"info", LOG_INFO}, {"debug", LOG_DEBUG}};
    uint32_t level;
    if (!CHOOSE(value, levels, &level))
        return false;
    out->log_level = (enum log_level)level;
    return true;
}

static bool read_cpus(struct word value, struct options *out)
{
    uint32_t cpus;
    if (!read_number_in(value, 1, OPTIONS_MAX_CPUS, &cpus))
        return false;
    out->cpus = cpus;
    return true;
}

static bool read_on_stop(struct word value, struct options *out)
{
    static const struct choice actions[] = {
        {"halt", ON_STOP_HALT}, {"reboot", ON_STOP_REBOOT}, {"poweroff", ON_STOP_POWEROFF}};
    struct word name, rest;
    uint32_t action, seconds;
    bool has_seconds = word_cut(value, ',', &name, &rest);
    if (!CHOOSE(name, actions, &action))
        return false;
    seconds = action == ON_STOP_HALT ? 0 : OPTIONS_STOP_SECONDS;
    if (has_seconds && !read_number_in(rest, 0, OPTIONS_MAX_STOP_SECONDS, &seconds))
        return false;
    out->on_stop = (enum option_stop)action;
    out->on_stop_seconds = seconds;
    return true;
}

static bool read_serial_after(struct word value, struct options *out)
{
    static const struct choice kinds[] = {{"lines", SERIAL_AFTER_LINES},
                                          {"panic", SERIAL_AFTER_PANIC}};
    uint32_t kind;
    if (!CHOOSE(value, kinds, &kind))
        return false;
    out->serial_after = (enum option_serial_after)kind;
    return true;
}

static bool read_sipi(struct word value, struct options *out)
{
    static const struct choice ways[] = {{"auto", SIPI_AUTO}, {"wfs", SIPI_WFS}, {"icr", SIPI_ICR}};
    uint32_t way;
    if (!CHOOSE(value, ways, &way))
        return false;
    out->sipi = (enum option_sipi)way;
    return true;
}

static bool read_cpuid(struct word value, struct options *out)
{
    static const struct choice ways[] = {{"shown", CPUID_SHOWN}, {"hidden", CPUID_HIDDEN}};
    uint32_t way;
    if (!CHOOSE(value, ways, &way))
        return false;
    out->cpuid = (enum option_cpuid)way;
    return true;
}

static bool read_disk(struct word value, struct options *out)
{
    uint32_t drive = OPTIONS_FIRST_DISK;
    if (value.length && !read_number_in(value, 0, 0xFF, &drive))
        return false;
    out->disk = true;
    out->disk_drive = (uint8_t)drive;
    return true;
}

static bool read_exitcost(struct word value, struct options *out)
{
    (void)value;
    out->exitcost = true;
    return true;
}

static bool read_probe(struct word value, struct options *out)
{
    (void)value;
    out->probe = true;
    return true;
}

static bool read_debug_fault(struct word value, struct options *out)
{
    static const struct choice faults[] = {{"divide", DEBUG_FAULT_DIVIDE},
                                           {"page", DEBUG_FAULT_PAGE},
                                           {"tables", DEBUG_CHECK_TABLES},
                                           {"machine-check", DEBUG_MACHINE_CHECK}};
    static const struct choice cpus[] = {{"bsp", false}, {"ap", true}};
    static const struct choice times[] = {{"boot", false}, {"guest", true}};
    struct word fault_name, rest, cpu_name, time_name;
    uint32_t fault, on_ap, after_launch;
    word_cut(value, ',', &fault_name, &rest);
    word_cut(rest, ',', &cpu_name, &time_name);
    if (!CHOOSE(fault_name, faults, &fault) || !CHOOSE(cpu_name, cpus, &on_ap) ||
        !CHOOSE(time_name, times, &after_launch))
        return false;
    out->debug_fault = (enum option_fault)fault;
    out->debug_fault_on_ap = on_ap;
    out->debug_fault_after_launch = after_launch;
    return true;
}

/* `read` gets what follows the `=` and changes nothing when it is not good. */
static const struct option_row {
    const char *name;
    enum { NO, MAY, MUST } takes_value;
    const char *usage;
    const char *help;
    bool (*read)(struct word value, struct options *out);
} rows[] = {
    {"serial", MUST, "serial=com1|com2|0xPORT|none[,baud]",
     "the UART that the log goes to (com1,115200); the baud rate divides 115200", read_serial},
    {"log", MUST, "log=error|warn|info|debug", "the least important lines that are kept (info)",
     read_log},
    {"cpus", MUST, "cpus=1..4096", "how many CPUs the guest gets (all)", read_cpus},
    {"on_stop", MUST, "on_stop=halt|reboot|poweroff[,SECONDS]",
     "what follows a refusal, a panic or the guest's triple fault (halt; else after 10 seconds)",
     read_on_stop},
    {"serial_after", MUST, "serial_after=lines|panic",
     "what goes to the UART once the guest runs: whole lines, or a panic alone (lines)",
     read_serial_after},
    {"sipi", MUST, "sipi=auto|wfs|icr",
     "how the guest's CPUs wait for a SIPI: in hardware, or by interception of the ICR (auto)",
     read_sipi},
    {"cpuid", MUST, "cpuid=shown|hidden",
     "whether CPUID and VMCALL tell the guest of Orlop (shown)", read_cpuid},
    {"disk", MAY, "disk[=0x80]", "start what the BIOS boots from this drive (its first hard disk)",
     read_disk},
    {"debug", MUST, "debug=com1|com2|0xPORT|none[,baud]",
     "a UART for the debugger alone, which the guest does not see (none)", read_debug},
    {"console", MUST, "console=shared|watched|own",
     "whose the UART of the log is: the guest's, the guest's with a key that breaks in, or Orlop's "
     "(shared)",
     read_console},
    {"stop", MUST, "stop=launch|cpu|tfault|entry|nmi[,...]",
     "what stops the guest for the debugger: its launch, each CPU's start, a triple fault, a VM "
     "entry that fails, an NMI",
     read_stop},
    {"panic", MUST, "panic=ADDRESS", "stop the guest where it calls this function, its panic",
     read_panic},
    {"probe", NO, "probe", "report what this machine can do, and start no guest", read_probe},
    {"exitcost", NO, "exitcost", "count the cost of each kind of exit (for measuring)",
     read_exitcost},
    {"debug_fault", MUST, "debug_fault=divide|page|tables|machine-check,bsp|ap,boot|guest",
     "a fault inside Orlop, or a check of its page tables, before the launch or after (for tests)",
     read_debug_fault},
};
_Static_assert(ARRAY_SIZE(rows) <= 32, "one bit a row");

bool options_describe(size_t index, const char **usage, const char **help)
{
    if (index >= ARRAY_SIZE(rows))
        return false;
    *usage = rows[index].usage;
    *help = rows[index].help;
    return true;
}

static void complain(struct option_complaints *complaints, enum option_wrong wrong,
                     struct word word, const char *usage)
{
    if (complaints->count == OPTIONS_MAX_COMPLAINTS) {
        complaints->dropped++;
        return;
    }
    struct option_complaint *complaint = &complaints->list[complaints->count++];
    complaint->wrong = wrong;
    complaint->usage = usage;
    complaint->truncated = !word_copy(word, complaint->text, sizeof(complaint->text));
}

static const struct option_row *find_row(struct word name)
{
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        if (word_is(name, rows[i].name))
            return &rows[i];
    return NULL;
}

static void take_word(struct word word, uint32_t *seen, struct options *out,
                      struct option_complaints *complaints)
{
    struct word name, value;
    bool has_value = word_cut(word, '=', &name, &value);
    const struct option_row *row = find_row(name);
    if (!row) {
        complain(complaints, OPTION_UNKNOWN, word, NULL);
        return;
    }
    bool form_is_wrong = row->takes_value != MAY && has_value != (row->takes_value == MUST);
    if (form_is_wrong || !row->read(value, out)) {
        complain(complaints, OPTION_BAD_VALUE, word, row->usage);
        return;
    }
    uint32_t bit = (uint32_t)BIT(row - rows);
    if (*seen & bit)
        complain(complaints, OPTION_DOUBLED, word, row->usage);
    *seen |= bit;
}

/* What stops the guest needs somebody to stop it for. */
static void check_debugger(uint32_t seen, const struct options *out,
                           struct option_complaints *complaints)
{
    for (size_t i = 0; i < ARRAY_SIZE(rows) && !options_want_debugger(out); i++)
        if ((seen >> i & 1) && (rows[i].read == read_stop || rows[i].read == read_panic))
            complain(complaints, OPTION_NO_DEBUGGER,
                     (struct word){rows[i].name, strlen(rows[i].name)}, rows[i].usage);
}

void options_parse(const char *line, struct options *out, struct option_complaints *complaints)
{
    struct word word;
    uint32_t seen = 0;
    bool first = true;
    memset(complaints, 0, sizeof(*complaints));
    *out = (struct options){.serial_port = 0x3F8,
                            .serial_baud = DEFAULT_BAUD,
                            .debug_baud = DEFAULT_BAUD,
                            .log_level = LOG_INFO,
                            .on_stop = ON_STOP_HALT,
                            .serial_after = SERIAL_AFTER_LINES};
    while (word_next(&line, &word)) {
        bool is_file = first && (word.text[0] == '/' || word.text[0] == '(');
        first = false;
        if (!is_file)
            take_word(word, &seen, out, complaints);
    }
    check_debugger(seen, out, complaints);
}

static void log_complaint(const struct option_complaint *complaint)
{
    const char *more = complaint->truncated ? "..." : "";
    switch (complaint->wrong) {
    case OPTION_UNKNOWN:
        log_warn(AREA, "unknown option \"%s%s\" is ignored", complaint->text, more);
        break;
    case OPTION_BAD_VALUE:
        log_warn(AREA, "bad value \"%s%s\" is ignored; write %s", complaint->text, more,
                 complaint->usage);
        break;
    case OPTION_DOUBLED:
        log_warn(AREA, "given more than once, the last counts: \"%s%s\"", complaint->text, more);
        break;
    case OPTION_NO_DEBUGGER:
        log_warn(AREA, "%s= does nothing without a debugger; add debug=com2 or console=watched",
                 complaint->text);
        break;
    }
}

void options_log_complaints(const struct option_complaints *complaints)
{
    for (uint32_t i = 0; i < complaints->count; i++)
        log_complaint(&complaints->list[i]);
    if (complaints->dropped)
        log_warn(AREA, "%u more options are unknown, bad or doubled", complaints->dropped);
}
