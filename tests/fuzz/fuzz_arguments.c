/* with: debug/arguments.c lib/format.c lib/string.c */
/* Any text as a command: each word is read as a sum, with and without registers. */
#include "debug/arguments.h"

#include <string.h>

#include "tests/fuzz/check.h"

static bool a_register(const char *name, uint64_t *value)
{
    CHECK(strlen(name) < 32);
    *value = (uint64_t)name[0] << 56;
    return name[0] >= 'a';
}

/* Words hold no blank, and an error is a text that can be shown. */
static void check_word(struct arguments *arguments, char *word)
{
    uint64_t value = 5;
    CHECK(*word && !strpbrk(word, " \t"));
    memset(arguments->error, 0, sizeof(arguments->error));
    bool good = arguments_sum(arguments, word, &value);
    CHECK(good || value == 5);
    CHECK(good == !arguments->error[0]);
    CHECK(memchr(arguments->error, 0, sizeof(arguments->error)));
    char *rest = arguments_cut(word);
    CHECK(!strchr(word, '=') && (!rest || rest == word + strlen(word) + 1));
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t bytes)
{
    struct arguments arguments = {.read_register = bytes % 2 ? a_register : NULL};
    char *line = malloc(bytes + 1);
    memcpy(line, data, bytes);
    line[bytes] = 0;
    bool good = arguments_split(&arguments, line);
    CHECK(good || (arguments.count == ARGUMENTS_MAX && arguments.error[0]));
    CHECK(arguments.count <= ARGUMENTS_MAX);
    CHECK(!strpbrk(arguments.name, " \t/"));
    for (unsigned int i = 0; i < arguments.count; i++)
        check_word(&arguments, arguments.words[i]);
    free(line);
    return 0;
}
