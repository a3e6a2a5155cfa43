/* Words on a command line: slices of a string that is not changed. Shared by Orlop's options and
 * the arguments of modules. Pure; reads nothing after the closing NUL or the slice's end. */
#pragma once

#include "base/types.h"

struct word {
    const char *text; /* not closed by a NUL */
    size_t length;
};

/* Takes the next word, parted by spaces and control characters, and moves `cursor` past it. False
 * at the end of the string. */
bool word_next(const char **cursor, struct word *out);

/* True when the word is exactly `text`. */
bool word_is(struct word word, const char *text);

/* Parts `whole` at the first `separator`. Without one, `head` is all of it, `tail` is empty, and
 * the answer is false. */
bool word_cut(struct word whole, char separator, struct word *head, struct word *tail);

/* Copies the word into `out` of `out_bytes` (at least 1), closed by a NUL, with `?` for what is not
 * printable ASCII. False when it had to be cut. */
bool word_copy(struct word word, char *out, size_t out_bytes);
