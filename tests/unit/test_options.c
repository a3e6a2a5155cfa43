/* with: boot/options.c boot/words.c lib/string.c tests/fuzz/fuzz_options.c */
/* Orlop's command line: each option's good and bad values, what is complained about, and any text.
 */
#include "base/bits.h"
#include "boot/options.h"
#include "boot/words.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "tests/fuzz/check.h"
#include "tests/unit/capture.h"
#include "tests/unit/random.h"

static struct options options;
static struct option_complaints complaints;

static void parse(const char *line) { options_parse(line, &options, &complaints); }

static void assert_clean(const char *line)
{
    parse(line);
    if (complaints.count)
        fail_msg("\"%s\" was complained about: %s", line, complaints.list[0].text);
}

static bool is_default(void)
{
    return options.serial_port == 0x3F8 && options.serial_baud == 115200 &&
           options.log_level == LOG_INFO && options.cpus == 0 && options.on_stop == ON_STOP_HALT &&
           options.on_stop_seconds == 0 && options.serial_after == SERIAL_AFTER_LINES &&
           !options.exitcost && !options.probe && options.debug_fault == DEBUG_FAULT_NONE &&
           !options.debug_fault_on_ap && !options.debug_fault_after_launch;
}

/* The line is one bad word: it changes nothing and is named with what to write. */
static void assert_bad(const char *word)
{
    parse(word);
    if (complaints.count != 1 || !is_default())
        fail_msg("\"%s\": %u complaints, %s", word, complaints.count,
                 is_default() ? "nothing changed" : "options changed");
    assert_int_equal(complaints.list[0].wrong, OPTION_BAD_VALUE);
    assert_string_equal(complaints.list[0].text, word);
    assert_non_null(complaints.list[0].usage);
}

#define ASSERT_ALL_BAD(...)                                                                        \
    do {                                                                                           \
        static const char *const words[] = {__VA_ARGS__};                                          \
        for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)                              \
            assert_bad(words[i]);                                                                  \
    } while (0)

static void an_empty_line_gives_the_documented_defaults(void **state)
{
    (void)state;
    assert_clean("");
    assert_true(is_default());
    assert_clean(" \t  ");
    assert_true(is_default());
}

static void serial_takes_names_ports_and_rates(void **state)
{
    (void)state;
    static const struct {
        const char *line;
        uint16_t port;
        uint32_t baud;
    } good[] = {
        {"serial=com1", 0x3F8, 115200},      {"serial=com2", 0x2F8, 115200},
        {"serial=0x3e8", 0x3E8, 115200},     {"serial=0xC000,9600", 0xC000, 9600},
        {"serial=com2,38400", 0x2F8, 38400}, {"serial=none", 0, 115200},
        {"serial=0x100,2", 0x100, 2},        {"serial=0xfff8,115200", 0xFFF8, 115200},
        {"serial=com1,57600", 0x3F8, 57600},
    };
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        assert_clean(good[i].line);
        assert_int_equal(options.serial_port, good[i].port);
        assert_int_equal(options.serial_baud, good[i].baud);
    }
    ASSERT_ALL_BAD("serial", "serial=", "serial=com3", "serial=com1,", "serial=com1,0",
                   "serial=com1,1", "serial=com1,115201", "serial=com1,9601", "serial=com1,230400",
                   "serial=none,9600", "serial=0xf8", "serial=0xfff9", "serial=0x10000",
                   "serial=0x3f9", "serial=1016", "serial=0x", "serial=,9600", "serial=COM1",
                   "serial=com1,9600,", "serial=com1,-9600", "serial=0x100000000000003f8");
}

static void log_takes_the_four_levels(void **state)
{
    (void)state;
    static const char *const lines[] = {"log=error", "log=warn", "log=info", "log=debug"};
    for (uint32_t level = LOG_ERROR; level <= LOG_DEBUG; level++) {
        assert_clean(lines[level]);
        assert_int_equal(options.log_level, level);
    }
    ASSERT_ALL_BAD("log", "log=", "log=all", "log=infos", "log=inf", "log=0");
}

static void cpus_takes_1_to_4096(void **state)
{
    (void)state;
    assert_clean("cpus=1");
    assert_int_equal(options.cpus, 1);
    assert_clean("cpus=4096");
    assert_int_equal(options.cpus, 4096);
    assert_clean("cpus=0x10");
    assert_int_equal(options.cpus, 16);
    ASSERT_ALL_BAD("cpus", "cpus=", "cpus=0", "cpus=4097", "cpus=two", "cpus=-1", "cpus=1,2",
                   "cpus=18446744073709551617");
}

static void on_stop_takes_an_action_and_seconds(void **state)
{
    (void)state;
    static const struct {
        const char *line;
        enum option_stop action;
        uint32_t seconds;
    } good[] = {
        {"on_stop=halt", ON_STOP_HALT, 0},
        {"on_stop=reboot", ON_STOP_REBOOT, OPTIONS_STOP_SECONDS},
        {"on_stop=poweroff", ON_STOP_POWEROFF, OPTIONS_STOP_SECONDS},
        {"on_stop=reboot,0", ON_STOP_REBOOT, 0},
        {"on_stop=poweroff,3600", ON_STOP_POWEROFF, 3600},
    };
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        assert_clean(good[i].line);
        assert_int_equal(options.on_stop, good[i].action);
        assert_int_equal(options.on_stop_seconds, good[i].seconds);
    }
    ASSERT_ALL_BAD("on_stop", "on_stop=", "on_stop=off", "on_stop=reboot,", "on_stop=reboot,3601",
                   "on_stop=reboot,soon", "on_stop=,5");
}

static void serial_after_takes_lines_or_panic(void **state)
{
    (void)state;
    assert_clean("serial_after=panic");
    assert_int_equal(options.serial_after, SERIAL_AFTER_PANIC);
    assert_clean("serial_after=panic");
    assert_clean("serial_after=lines");
    assert_int_equal(options.serial_after, SERIAL_AFTER_LINES);
    ASSERT_ALL_BAD("serial_after", "serial_after=", "serial_after=never");
}

static void cpuid_shows_or_hides(void **state)
{
    (void)state;
    assert_clean("");
    assert_int_equal(options.cpuid, CPUID_SHOWN);
    assert_clean("cpuid=hidden");
    assert_int_equal(options.cpuid, CPUID_HIDDEN);
    ASSERT_ALL_BAD("cpuid", "cpuid=", "cpuid=off", "cpuid=hidden,shown");
}

static void sipi_takes_the_way(void **state)
{
    (void)state;
    assert_clean("");
    assert_int_equal(options.sipi, SIPI_AUTO);
    assert_clean("sipi=wfs");
    assert_int_equal(options.sipi, SIPI_WFS);
    assert_clean("sipi=icr");
    assert_int_equal(options.sipi, SIPI_ICR);
    ASSERT_ALL_BAD("sipi", "sipi=", "sipi=apic", "sipi=wfs,icr");
}

static void flags_take_no_value(void **state)
{
    (void)state;
    assert_clean("probe");
    assert_true(options.probe && !options.exitcost);
    assert_clean("exitcost");
    assert_true(options.exitcost && !options.probe);
    ASSERT_ALL_BAD("probe=", "probe=1", "exitcost=yes");
}

static void debug_fault_says_what_where_and_when(void **state)
{
    (void)state;
    assert_clean("debug_fault=divide,bsp,boot");
    assert_int_equal(options.debug_fault, DEBUG_FAULT_DIVIDE);
    assert_false(options.debug_fault_on_ap || options.debug_fault_after_launch);
    assert_clean("debug_fault=page,ap,guest");
    assert_int_equal(options.debug_fault, DEBUG_FAULT_PAGE);
    assert_true(options.debug_fault_on_ap && options.debug_fault_after_launch);
    assert_clean("debug_fault=tables,ap,boot");
    assert_int_equal(options.debug_fault, DEBUG_CHECK_TABLES);
    assert_true(options.debug_fault_on_ap && !options.debug_fault_after_launch);
    assert_clean("debug_fault=machine-check,bsp,guest");
    assert_int_equal(options.debug_fault, DEBUG_MACHINE_CHECK);
    ASSERT_ALL_BAD("debug_fault", "debug_fault=divide", "debug_fault=divide,bsp",
                   "debug_fault=divide,bsp,", "debug_fault=divide,cpu1,boot",
                   "debug_fault=general,bsp,boot", "debug_fault=page,ap,guest,");
}

static void options_stand_side_by_side(void **state)
{
    (void)state;
    assert_clean("  probe\tcpus=3   serial=com2,9600 on_stop=reboot,5  ");
    assert_true(options.probe);
    assert_clean("probe\x7f"
                 "cpus=3 serial=com2,9600 on_stop=reboot,5");
    assert_int_equal(options.cpus, 3);
    assert_int_equal(options.serial_port, 0x2F8);
    assert_int_equal(options.on_stop_seconds, 5);
}

static void a_file_name_as_the_first_word_is_skipped(void **state)
{
    (void)state;
    assert_clean("/boot/orlop.elf cpus=2");
    assert_int_equal(options.cpus, 2);
    assert_clean("(hd0,1)/boot/orlop.elf probe");
    assert_true(options.probe);
    parse("cpus=2 /boot/orlop.elf");
    assert_int_equal(complaints.count, 1);
    assert_int_equal(complaints.list[0].wrong, OPTION_UNKNOWN);
}

static void unknown_options_are_named_and_change_nothing(void **state)
{
    (void)state;
    parse("cpu=2 Probe =1 serial_=com1");
    assert_true(is_default());
    assert_int_equal(complaints.count, 4);
    assert_string_equal(complaints.list[0].text, "cpu=2");
    assert_string_equal(complaints.list[3].text, "serial_=com1");
    for (uint32_t i = 0; i < 4; i++)
        assert_int_equal(complaints.list[i].wrong, OPTION_UNKNOWN);
}

static void of_a_doubled_option_the_last_good_one_wins(void **state)
{
    (void)state;
    parse("cpus=2 cpus=3 log=debug");
    assert_int_equal(options.cpus, 3);
    assert_int_equal(complaints.count, 1);
    assert_int_equal(complaints.list[0].wrong, OPTION_DOUBLED);
    assert_string_equal(complaints.list[0].text, "cpus=3");
    parse("cpus=2 cpus=none");
    assert_int_equal(options.cpus, 2);
    assert_int_equal(complaints.count, 1);
    assert_int_equal(complaints.list[0].wrong, OPTION_BAD_VALUE);
}

static void complaints_are_logged_in_words(void **state)
{
    (void)state;
    parse("foo=1 serial=com9 probe probe bar\x80\x1b[0m");
    capture_start();
    options_log_complaints(&complaints);
    const char *log = capture_end();
    assert_non_null(strstr(log, "options: unknown option \"foo=1\" is ignored"));
    assert_non_null(strstr(log, "bad value \"serial=com9\" is ignored; write "
                                "serial=com1|com2|0xPORT|none[,baud]"));
    assert_non_null(strstr(log, "the last counts: \"probe\""));
    assert_non_null(strstr(log, "\"bar?\"")); /* ESC parts words, 0x80 is shown as ? */
    assert_non_null(strstr(log, "\"[0m\""));
}

static void a_stop_wants_a_debugger(void **state)
{
    (void)state;
    static const char *const good[] = {"stop=launch debug=com2", "panic=0x10 console=own",
                                       "console=watched stop=nmi panic=0x10"};
    for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
        parse(good[i]);
        assert_int_equal(complaints.count, 0);
    }
    parse("stop=launch,nmi panic=0x10 debug=none");
    assert_int_equal(complaints.count, 2);
    assert_int_equal(complaints.list[0].wrong, OPTION_NO_DEBUGGER);
    capture_start();
    options_log_complaints(&complaints);
    const char *log = capture_end();
    assert_non_null(strstr(log, "stop= does nothing without a debugger; add debug=com2 or"));
    assert_non_null(strstr(log, "panic= does nothing without a debugger"));
}

static void long_words_and_many_complaints_are_cut_and_counted(void **state)
{
    (void)state;
    char line[1024] = "";
    for (int i = 0; i < 12; i++)
        strcat(line, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa=b ");
    parse(line);
    assert_int_equal(complaints.count, OPTIONS_MAX_COMPLAINTS);
    assert_int_equal(complaints.dropped, 4);
    assert_true(complaints.list[0].truncated);
    assert_int_equal(strlen(complaints.list[0].text), OPTIONS_COMPLAINT_BYTES - 1);
    capture_start();
    options_log_complaints(&complaints);
    const char *log = capture_end();
    assert_non_null(strstr(log, "aaa...\" is ignored"));
    assert_non_null(strstr(log, "4 more options are unknown, bad or doubled"));
}

static void every_row_describes_itself(void **state)
{
    (void)state;
    const char *usage, *help;
    size_t rows = 0;
    while (options_describe(rows, &usage, &help)) {
        assert_true(strlen(usage) > 0 && strlen(help) > 0);
        rows++;
    }
    assert_int_equal(rows, 15);
}

/* The model is the C library's strtok. */
static void words_are_what_strtok_finds(void **state)
{
    (void)state;
    random_seed(0x30D5);
    for (int round = 0; round < 20000; round++) {
        char line[24], model[24];
        size_t length = random_below(sizeof(line));
        for (size_t i = 0; i < length; i++)
            line[i] = "a =\t,b"[random_below(6)];
        line[length] = 0;
        memcpy(model, line, sizeof(line));
        const char *cursor = line;
        struct word word;
        for (char *expected = strtok(model, " \t"); expected; expected = strtok(NULL, " \t")) {
            assert_true(word_next(&cursor, &word));
            assert_true(word_is(word, expected));
            struct word head, tail;
            const char *equals = strchr(expected, '=');
            assert_int_equal(word_cut(word, '=', &head, &tail), equals != NULL);
            assert_int_equal(head.length, strcspn(expected, "="));
            assert_true(word_is(tail, equals ? equals + 1 : ""));
        }
        assert_false(word_next(&cursor, &word));
        assert_false(word_next(&cursor, &word));
    }
}

static void any_text_keeps_the_limits(void **state)
{
    (void)state;
    static const char *const pieces[] = {
        "serial", "log",     "cpus", "on_stop", "debug_fault", "probe", "=",      "=",    ",",
        " ",      "com1",    "0x",   "3f8",     "115200",      "9600",  "halt",   "ap",   "boot",
        "debug",  "console", "stop", "panic",   "launch",      "own",   "reboot", "page", "divide",
        "guest",  "bsp",     "none", "1",       "\t",          "\xFF"};
    char line[256];
    random_seed(0x0B710);
    quiet_start();
    for (int round = 0; round < 20000; round++) {
        line[0] = 0;
        for (uint64_t i = random_below(20); i; i--)
            strcat(line, pieces[random_below(sizeof(pieces) / sizeof(pieces[0]))]);
        LLVMFuzzerTestOneInput((unsigned char *)line, strlen(line));
        for (size_t i = 0; i < 32; i++)
            line[i] = (char)random_u64();
        LLVMFuzzerTestOneInput((unsigned char *)line, 32);
    }
    quiet_end();
}

static void disk_is_a_drive_of_the_bios(void **state)
{
    (void)state;
    assert_clean("");
    assert_false(options.disk);
    assert_clean("disk");
    assert_true(options.disk);
    assert_int_equal(options.disk_drive, 0x80);
    assert_clean("disk=0xe0");
    assert_int_equal(options.disk_drive, 0xE0);
    assert_clean("disk=0");
    assert_int_equal(options.disk_drive, 0);
    assert_bad("disk=256");
    assert_bad("disk=sda");
}

static void debug_is_a_uart(void **state)
{
    (void)state;
    assert_clean("");
    assert_int_equal(options.debug_port, 0);
    assert_int_equal(options.debug_baud, 115200);
    assert_clean("debug=com2");
    assert_int_equal(options.debug_port, 0x2F8);
    assert_int_equal(options.serial_port, 0x3F8);
    assert_clean("debug=0x3e8,9600");
    assert_int_equal(options.debug_port, 0x3E8);
    assert_int_equal(options.debug_baud, 9600);
    assert_clean("debug=none");
    ASSERT_ALL_BAD("debug", "debug=", "debug=com9", "debug=760", "debug=com2,7", "debug=none,9600");
}

static void console_has_three_owners(void **state)
{
    (void)state;
    assert_clean("");
    assert_int_equal(options.console, CONSOLE_SHARED);
    assert_clean("console=watched");
    assert_int_equal(options.console, CONSOLE_WATCHED);
    assert_clean("console=own");
    assert_int_equal(options.console, CONSOLE_OWN);
    ASSERT_ALL_BAD("console", "console=", "console=guest", "console=own,watched");
}

static void stop_takes_several_events(void **state)
{
    (void)state;
    assert_clean("");
    assert_int_equal(options.stop_at, 0);
    assert_clean("stop=tfault debug=com2");
    assert_int_equal(options.stop_at, STOP_AT_TRIPLE_FAULT);
    assert_clean("stop=launch,cpu,entry,nmi debug=com2");
    assert_int_equal(options.stop_at,
                     STOP_AT_LAUNCH | STOP_AT_CPU | STOP_AT_ENTRY_FAILURE | STOP_AT_NMI);
    ASSERT_ALL_BAD("stop", "stop=", "stop=launch,", "stop=,cpu", "stop=launch,reset");
}

static void panic_is_an_address(void **state)
{
    (void)state;
    assert_clean("panic=0xffffffff81000000 debug=com2");
    assert_true(options.panic_address == 0xffffffff81000000);
    ASSERT_ALL_BAD("panic", "panic=", "panic=0", "panic=panic", "panic=0x10000000000000000");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(disk_is_a_drive_of_the_bios),
        cmocka_unit_test(debug_is_a_uart),
        cmocka_unit_test(console_has_three_owners),
        cmocka_unit_test(stop_takes_several_events),
        cmocka_unit_test(panic_is_an_address),
        cmocka_unit_test(an_empty_line_gives_the_documented_defaults),
        cmocka_unit_test(serial_takes_names_ports_and_rates),
        cmocka_unit_test(log_takes_the_four_levels),
        cmocka_unit_test(cpus_takes_1_to_4096),
        cmocka_unit_test(on_stop_takes_an_action_and_seconds),
        cmocka_unit_test(serial_after_takes_lines_or_panic),
        cmocka_unit_test(sipi_takes_the_way),
        cmocka_unit_test(cpuid_shows_or_hides),
        cmocka_unit_test(flags_take_no_value),
        cmocka_unit_test(debug_fault_says_what_where_and_when),
        cmocka_unit_test(options_stand_side_by_side),
        cmocka_unit_test(a_file_name_as_the_first_word_is_skipped),
        cmocka_unit_test(unknown_options_are_named_and_change_nothing),
        cmocka_unit_test(of_a_doubled_option_the_last_good_one_wins),
        cmocka_unit_test(complaints_are_logged_in_words),
        cmocka_unit_test(a_stop_wants_a_debugger),
        cmocka_unit_test(long_words_and_many_complaints_are_cut_and_counted),
        cmocka_unit_test(every_row_describes_itself),
        cmocka_unit_test(words_are_what_strtok_finds),
        cmocka_unit_test(any_text_keeps_the_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
