#include "boot/words.h"

#include "lib/string.h"

static bool is_printable(char c) { return c > ' ' && c < 0x7F; }

/* Bytes above ASCII belong to a word; word_copy makes them visible. */
static bool parts_words(char c) { return (unsigned char)c <= ' ' || c == 0x7F; }

bool word_next(const char **cursor, struct word *out)
{
    const char *c = *cursor;
    while (*c && parts_words(*c))
        c++;
    out->text = c;
    while (*c && !parts_words(*c))
        c++;
    out->length = (size_t)(c - out->text);
    *cursor = c;
    return out->length > 0;
}

bool word_is(struct word word, const char *text)
{
    return strlen(text) == word.length && memcmp(word.text, text, word.length) == 0;
}

bool word_cut(struct word whole, char separator, struct word *head, struct word *tail)
{
    size_t length = 0;
    while (length < whole.length && whole.text[length] != separator)
        length++;
    bool found = length < whole.length;
    *head = (struct word){whole.text, length};
    *tail = (struct word){whole.text + length + found, whole.length - length - found};
    return found;
}

bool word_copy(struct word word, char *out, size_t out_bytes)
{
    size_t length = word.length < out_bytes ? word.length : out_bytes - 1;
    for (size_t i = 0; i < length; i++)
        out[i] = is_printable(word.text[i]) ? word.text[i] : '?';
    out[length] = 0;
    return length == word.length;
}
