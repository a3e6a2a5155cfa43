/* with: debug/line.c lib/format.c lib/string.c */
/* Any bytes from the line: the text keeps its form, and the terminal shows it and the cursor. */
#include "debug/line.h"

#include "tests/fuzz/check.h"
#include "tests/fuzz/terminal.h"

#define PROMPT "orlop> "

static struct terminal shown;

static void put(const char *text, size_t bytes) { terminal_put(&shown, text, bytes); }

static const char *candidate(const char *text, size_t start, unsigned int index)
{
    static const char *const first[] = {"regs", "reset", "cpu", "cpuid", "cpus", "log"};
    static const char *const second[] = {"level"};
    CHECK(start <= strlen(text));
    if (start == 0)
        return index < 6 ? first[index] : NULL;
    return index < 1 ? second[index] : NULL;
}

static void check(const struct line *line)
{
    CHECK(line->length < LINE_BYTES && line->at <= line->length);
    CHECK(strlen(line->text) == line->length);
    for (const char *c = line->text; *c; c++)
        CHECK(*c >= ' ' && *c < 0x7F);
    CHECK(line->kept <= LINE_HISTORY && line->next <= LINE_HISTORY && line->back <= line->kept);
    CHECK(!shown.bad);
}

static void check_shown(const struct line *line)
{
    CHECK(shown.at == strlen(PROMPT) + line->at);
    CHECK(strncmp(shown.row, PROMPT, strlen(PROMPT)) == 0);
    CHECK(strcmp(shown.row + strlen(PROMPT), line->text) == 0);
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t bytes)
{
    static const struct line_sink sinks[] = {{put, candidate}, {put, NULL}};
    const struct line_sink *sink = &sinks[bytes % 2];
    struct line *line = calloc(1, sizeof(*line));
    memset(&shown, 0, sizeof(shown));
    line_begin(line, PROMPT, sink);
    for (size_t i = 0; i < bytes; i++) {
        enum line_result result = line_feed(line, data[i], sink);
        check(line);
        if (result == LINE_MORE) {
            check_shown(line);
            continue;
        }
        CHECK(result == LINE_DONE || result == LINE_CANCEL || result == LINE_PACKET);
        CHECK(result != LINE_PACKET || line->length == 0);
        terminal_put(&shown, "\n", result == LINE_PACKET);
        CHECK(shown.at == 0 && shown.row[0] == '\0');
        line_begin(line, PROMPT, sink);
    }
    free(line);
    return 0;
}
