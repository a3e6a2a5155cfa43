#include "debug/arguments.h"

#include "lib/format.h"
#include "lib/string.h"

static bool is_blank(char c) { return c == ' ' || c == '\t'; }

/* The next word, closed by a NUL; "" at the end. */
static char *cut_word(char **line)
{
    char *word = *line;
    while (is_blank(*word))
        word++;
    char *end = word;
    while (*end && !is_blank(*end))
        end++;
    *line = *end ? end + 1 : end;
    *end = '\0';
    return word;
}

static char *cut_at(char *word, char mark)
{
    for (; *word; word++)
        if (*word == mark) {
            *word = '\0';
            return word + 1;
        }
    return NULL;
}

char *arguments_cut(char *word) { return cut_at(word, '='); }

bool arguments_split(struct arguments *arguments, char *line)
{
    char *name = cut_word(&line), *suffix = cut_at(name, '/');
    arguments->name = name;
    arguments->suffix = suffix ? suffix : "";
    arguments->count = 0;
    for (char *word; *(word = cut_word(&line));) {
        if (arguments->count == ARGUMENTS_MAX) {
            format(arguments->error, sizeof(arguments->error),
                   "\"%s\" is one word too many: write %u at most", word, ARGUMENTS_MAX);
            return false;
        }
        arguments->words[arguments->count++] = word;
    }
    return true;
}

/* One number or register, which ends at a sign or at the text's end. */
static bool read_term(struct arguments *arguments, const char *text, size_t length, uint64_t *value)
{
    char name[32];
    if (*text != '$' && string_parse_u64(text, length, value))
        return true;
    string_copy(name, length < sizeof(name) ? length + 1 : sizeof(name), text);
    bool known = *text == '$' && length < sizeof(name) && arguments->read_register;
    if (known && arguments->read_register(name + 1, value))
        return true;
    format(arguments->error, sizeof(arguments->error),
           *text == '$' ? "\"%s\" is no register: `regs` shows their names"
                        : "\"%s\" is no number of 64 bits: write 10, 0xa or $rip+0x10",
           name);
    return false;
}

bool arguments_sum(struct arguments *arguments, const char *text, uint64_t *value)
{
    uint64_t sum = 0, term;
    bool minus = *text == '-';
    text += minus;
    for (;;) {
        size_t length = 0;
        while (text[length] && text[length] != '+' && text[length] != '-')
            length++;
        if (!read_term(arguments, text, length, &term))
            return false;
        sum += minus ? -term : term;
        if (text[length] == '\0')
            break;
        minus = text[length] == '-';
        text += length + 1;
    }
    *value = sum;
    return true;
}

bool arguments_number(struct arguments *arguments, unsigned int index, const char *what,
                      uint64_t *value)
{
    if (index < arguments->count)
        return arguments_sum(arguments, arguments->words[index], value);
    format(arguments->error, sizeof(arguments->error), "%s is missing: see `help %s`", what,
           arguments->name);
    return false;
}

static bool has_letter(const char *letters, char c)
{
    while (*letters && *letters != c)
        letters++;
    return c && *letters;
}

bool arguments_suffix(struct arguments *arguments, const char *letters, uint64_t most,
                      uint64_t *count, char *letter)
{
    const char *text = arguments->suffix;
    size_t length = strlen(text);
    uint64_t value = *count;
    bool lettered = length && has_letter(letters, text[length - 1]);
    length -= lettered;
    if (length && (!string_parse_u64(text, length, &value) || !value || value > most)) {
        format(arguments->error, sizeof(arguments->error),
               "\"/%s\" is no count from 1 to %llu%s%s%s", text, (unsigned long long)most,
               *letters ? " with one of " : "", letters, *letters ? " behind it" : "");
        return false;
    }
    *count = value;
    if (lettered)
        *letter = text[length];
    return true;
}

static char folded(char c)
{
    return c == ' ' || c == '-' ? '_' : c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

enum match arguments_match(const char *word, const char *name)
{
    for (const char *start = name; *start; start++) {
        size_t i = 0;
        while (word[i] && folded(word[i]) == folded(start[i]))
            i++;
        if (!word[i])
            return start == name && !start[i] ? MATCH_WHOLE : MATCH_PART;
    }
    return MATCH_NONE;
}
