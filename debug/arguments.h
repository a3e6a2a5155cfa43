/* A command's words and the numbers in them. The line is cut in place. Numbers are decimal, or
 * hexadecimal behind 0x; `$name` is a register; terms are added and subtracted, without blanks:
 * $rip+0x10, -1. Pure; any context, one command a struct. */
#pragma once

#include "base/types.h"

#define ARGUMENTS_MAX 8

struct arguments {
    const char *name;   /* the command's; "" on an empty line */
    const char *suffix; /* what stood behind a `/` in its word: "16b" of x/16b; "" for none */
    unsigned int count;
    char *words[ARGUMENTS_MAX]; /* those behind the name */
    /* What `$name` is; false where there is none. The member is NULL where there are no registers.
     */
    bool (*read_register)(const char *name, uint64_t *value);
    char error[128]; /* what is wrong and what to write instead, after a false answer */
};

/* Cuts the line into words at its blanks. False where they are more than ARGUMENTS_MAX. */
bool arguments_split(struct arguments *arguments, char *line);

/* Reads a whole text as a sum. False, with `error` set and `*value` untouched, where it is none. */
bool arguments_sum(struct arguments *arguments, const char *text, uint64_t *value);

/* The same for the word of that index, which must be there: `what` names it in the complaint. */
bool arguments_number(struct arguments *arguments, unsigned int index, const char *what,
                      uint64_t *value);

/* Reads the command's suffix: a count up to `most`, one of `letters`, both, or neither. What is not
 * there leaves its variable alone. */
bool arguments_suffix(struct arguments *arguments, const char *letters, uint64_t most,
                      uint64_t *count, char *letter);

/* Cuts a word at its `=` and returns what stood behind it; NULL where there is none. */
char *arguments_cut(char *word);

/* How a word names something whose name may have blanks and hyphens: both and `_` are one, and so
 * are large and small letters. */
enum match { MATCH_NONE, MATCH_PART, MATCH_WHOLE };
enum match arguments_match(const char *word, const char *name);
