/* with: debug/line.c lib/format.c lib/string.c tests/fuzz/fuzz_line.c */
/* The line editor: what each key does to the text, what it sends to the terminal, and that the
 * terminal shows the text after any bytes. */
#include "debug/line.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "tests/fuzz/check.h"
#include "tests/fuzz/terminal.h"
#include "tests/unit/random.h"

#define PROMPT "> "
#define LEFT   "\033[D"
#define RIGHT  "\033[C"
#define UP     "\033[A"
#define DOWN   "\033[B"

static struct line line;
static struct terminal shown;
static char sent[8192];
static size_t sent_bytes;

static void put(const char *text, size_t bytes)
{
    terminal_put(&shown, text, bytes);
    assert_true(sent_bytes + bytes < sizeof(sent));
    memcpy(sent + sent_bytes, text, bytes);
    sent_bytes += bytes;
    sent[sent_bytes] = '\0';
}

static const char *candidate(const char *text, size_t start, unsigned int index)
{
    static const char *const names[] = {"regs", "reset", "cpu", "cpuid", "log"};
    if (start == 0)
        return index < 5 ? names[index] : NULL;
    return strncmp(text, "log ", 4) == 0 && index == 0 ? "level" : NULL;
}

static const struct line_sink sink = {put, candidate};

static void begin(void)
{
    line_begin(&line, PROMPT, &sink);
    sent_bytes = 0;
    sent[0] = '\0';
    shown.bells = 0;
}

static void fresh(void)
{
    memset(&line, 0, sizeof(line));
    memset(&shown, 0, sizeof(shown));
    begin();
}

static enum line_result feed(const char *keys)
{
    enum line_result result = LINE_MORE;
    for (; *keys && result == LINE_MORE; keys++)
        result = line_feed(&line, (uint8_t)*keys, &sink);
    assert_false(shown.bad);
    if (result == LINE_MORE) {
        assert_string_equal(shown.row + strlen(PROMPT), line.text);
        assert_int_equal(shown.at, strlen(PROMPT) + line.at);
    }
    return result;
}

static void enter(const char *text)
{
    assert_int_equal(feed(text), LINE_MORE);
    assert_int_equal(feed("\r"), LINE_DONE);
    begin();
}

static void keys_edit_the_text(void **state)
{
    (void)state;
    static const struct {
        const char *keys, *text;
        unsigned int at;
    } cases[] = {
        {"abc", "abc", 3},
        {"abc" LEFT LEFT "x", "axbc", 2},
        {"abc\033OD\033OD\033OC" RIGHT "d", "abcd", 4},
        {"abc\033[Hx\033[Fy", "xabcy", 5},
        {"abc\033[1~x\033[4~y\033[7~z\033[8~", "zxabcy", 6},
        {"abc\001x\005y", "xabcy", 5},
        {"abc\002\002\006x", "abxc", 3},
        {"abc\b\x7F", "a", 1},
        {"abc" LEFT "\b", "ac", 1},
        {"abc\001\033[3~\004", "c", 0},
        {"abc def" LEFT LEFT "\013", "abc d", 5},
        {"abc def" LEFT LEFT "\025", "ef", 0},
        {"abc def  \027", "abc ", 4},
        {"abc def" LEFT "\027", "abc f", 4},
        {"abc\024", "acb", 3},
        {"abc" LEFT LEFT "\024", "bac", 2},
        {"abc\014d", "abcd", 4},
        /* Sequences that mean nothing here are no text. */
        {"a\033[15~b\033[24;80Rc\033[200~d\033[1;5Ce", "abcde", 5},
        {"a\033xb\033OPc\033[?1;2cd\033[[Ae", "abcde", 5},
        {"a\033\033[Db", "ba", 1},
        {"a\033[1\002b", "ba", 1},
        {"a\xC3\xA4\x80\x01z", "za", 1},
        /* gdb's acknowledgements before its first packet. */
        {"+-++a+-", "a+-", 3},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        fresh();
        feed(cases[i].keys);
        if (strcmp(line.text, cases[i].text) != 0 || line.at != cases[i].at)
            fail_msg("case %zu: \"%s\", cursor at %u", i, line.text, line.at);
    }
}

static void only_what_changes_is_sent(void **state)
{
    (void)state;
    static const struct {
        const char *before, *keys, *sent;
    } cases[] = {
        {"", "abc", "abc"},
        {"abc", LEFT, "\b"},
        {"abc" LEFT, RIGHT, "c"},
        {"abcdefghijkl", "\001", "\033[12D"},
        {"abcdefghijkl\001", "\005", "\033[12C"},
        {"abc", "\b", "\b\033[K"},
        {"abc" LEFT, "x", "xc\b"},
        {"abc\024", "\024", "\b\bbc"},
        {"abc", "\033[5~\x90\x01\005", "\b\b\babc"},
        {"\r", "abc\033[A", "abc\a"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        fresh();
        if (feed(cases[i].before) != LINE_MORE)
            begin();
        sent_bytes = 0;
        feed(cases[i].keys);
        if (strcmp(sent, cases[i].sent) != 0)
            fail_msg("case %zu: \"%s\" was sent", i, sent);
    }
    /* Of a line from the history only what differs from the present one. */
    fresh();
    enter("regs rax=1");
    feed("regs rbx");
    sent_bytes = 0;
    feed(UP);
    assert_string_equal(sent, "\b\bax=1");
}

static void a_line_ends_at_cr_lf_or_both(void **state)
{
    (void)state;
    fresh();
    assert_int_equal(feed("cpus\r"), LINE_DONE);
    assert_string_equal(line.text, "cpus");
    assert_string_equal(sent, "cpus\r\n");
    begin();
    assert_int_equal(feed("\n"), LINE_MORE);
    assert_int_equal(feed("\n"), LINE_DONE);
    assert_string_equal(line.text, "");
    begin();
    assert_int_equal(feed("\r"), LINE_DONE);
    begin();
    assert_int_equal(feed("a\n"), LINE_DONE);
    assert_string_equal(line.text, "a");
}

static void ctrl_c_gives_the_line_up(void **state)
{
    (void)state;
    fresh();
    assert_int_equal(feed("abc\033[\003"), LINE_CANCEL);
    assert_string_equal(sent, "abc^C\r\n");
    begin();
    assert_string_equal(line.text, "");
    feed(UP);
    assert_string_equal(line.text, "");
}

static void a_packet_begins_only_an_empty_line(void **state)
{
    (void)state;
    fresh();
    assert_int_equal(feed("+$"), LINE_PACKET);
    assert_string_equal(sent, "");
    fresh();
    assert_int_equal(feed("x $rip"), LINE_MORE);
    assert_string_equal(line.text, "x $rip");
    feed("\025");
    assert_int_equal(feed("$"), LINE_PACKET);
}

static void the_history_keeps_the_last_sixteen(void **state)
{
    (void)state;
    char text[8];
    fresh();
    for (unsigned i = 0; i < 20; i++) {
        snprintf(text, sizeof(text), "c%u", i);
        enter(text);
        enter("");
    }
    enter("c19"); /* the same again is not kept twice */
    feed("mine");
    for (unsigned i = 0; i < LINE_HISTORY; i++) {
        feed(UP);
        snprintf(text, sizeof(text), "c%u", 19 - i);
        assert_string_equal(line.text, text);
    }
    assert_int_equal(shown.bells, 0);
    feed("\020");
    assert_string_equal(line.text, "c4");
    assert_int_equal(shown.bells, 1);
    for (unsigned i = 0; i < LINE_HISTORY; i++)
        feed(i % 2 ? DOWN : "\016");
    assert_string_equal(line.text, "mine");
    feed(DOWN);
    assert_int_equal(shown.bells, 2);
    assert_string_equal(line.text, "mine");
}

static void a_tab_completes(void **state)
{
    (void)state;
    static const struct {
        const char *keys, *text;
        unsigned int bells;
    } cases[] = {
        {"l\t", "log ", 0},
        {"log le\t", "log level ", 0},
        {"  cpui\t", "  cpuid ", 0},
        {"c\t", "cpu", 0},
        {"x\t", "x", 1},
        {"re\t", "re", 0},
        {"cpu x\t", "cpu x", 1},
        {"l\001r\t", "rel", 0},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        fresh();
        feed(cases[i].keys);
        if (strcmp(line.text, cases[i].text) != 0 || shown.bells != cases[i].bells)
            fail_msg("case %zu: \"%s\", %u bells", i, line.text, shown.bells);
    }
    fresh();
    feed("r\t");
    assert_string_equal(sent, "re");
    sent_bytes = 0;
    feed("\t");
    assert_string_equal(sent, "\r\nregs\r\nreset\r\n\r\033[K> re");
}

static void a_full_line_rings(void **state)
{
    (void)state;
    fresh();
    for (unsigned i = 0; i < LINE_BYTES - 1; i++)
        feed("a");
    assert_int_equal(shown.bells, 0);
    feed("b");
    assert_int_equal(shown.bells, 1);
    assert_int_equal(strlen(line.text), LINE_BYTES - 1);
    feed(LEFT "c");
    assert_int_equal(shown.bells, 2);
    assert_null(strpbrk(line.text, "bc"));
}

static void the_terminal_shows_the_text_after_any_bytes(void **state)
{
    (void)state;
    static const char likely[] = "\033\033\033[[O;1348~ABCDHF\001\002\004\005\006\013\014\016\020"
                                 "\024\025\027\t\t\b\177\r\n\003$+ cpuresgl";
    uint8_t bytes[600];
    random_seed(0x114E);
    for (unsigned round = 0; round < 4000; round++) {
        size_t count = random_below(sizeof(bytes));
        for (size_t i = 0; i < count; i++)
            bytes[i] = random_below(20) ? (uint8_t)likely[random_below(sizeof(likely) - 1)]
                                        : (uint8_t)random_u64();
        LLVMFuzzerTestOneInput(bytes, count);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_edit_the_text),
        cmocka_unit_test(only_what_changes_is_sent),
        cmocka_unit_test(a_line_ends_at_cr_lf_or_both),
        cmocka_unit_test(ctrl_c_gives_the_line_up),
        cmocka_unit_test(a_packet_begins_only_an_empty_line),
        cmocka_unit_test(the_history_keeps_the_last_sixteen),
        cmocka_unit_test(a_tab_completes),
        cmocka_unit_test(a_full_line_rings),
        cmocka_unit_test(the_terminal_shows_the_text_after_any_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
