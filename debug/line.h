/* The line that is being typed at a terminal: editing, history, completion. Bytes from the line go
 * in one by one, what the terminal must show comes out through a sink, no more of it than has
 * changed. The terminal is any that knows ANSI's cursor moves, and is taken to be as wide as the
 * line. Pure; any context, one line a struct, no lock.
 *
 * Keys: arrows, Home, End, Delete, Backspace (08h and 7Fh), Tab; Ctrl-A E B F: start, end, back,
 * forth; D K U W: delete the character, what follows, what precedes, the word before; T: swap two
 * characters; P N: history; L: clear the screen; C: give the line up. Any other escape sequence is
 * swallowed whole. What finds no room, or nothing to do, is answered by a bell. */
#pragma once

#include "base/types.h"

#define LINE_BYTES   256 /* the NUL with them */
#define LINE_HISTORY 16

enum line_result {
    LINE_MORE,   /* the line goes on */
    LINE_DONE,   /* `text` is the line, until line_begin() */
    LINE_CANCEL, /* Ctrl-C */
    LINE_PACKET, /* `$` on an empty line: a packet of gdb's begins; the `+` and `-` before were left
                    out */
};

struct line_sink {
    void (*put)(const char *text, size_t bytes);
    /* The index'th word that may stand at `start` (0: the first word) of `text`; NULL behind the
     * last one. The member is NULL where nothing is completed. */
    const char *(*candidate)(const char *text, size_t start, unsigned int index);
};

struct line {
    char text[LINE_BYTES]; /* always closed by a NUL */
    uint16_t length, at;   /* the cursor is at text[at] */
    uint8_t escape;        /* where in an escape sequence: 0 in none */
    uint8_t parameter;     /* its first one */
    bool was_return;       /* a CR ended the last line: an LF that follows belongs to it */
    uint8_t next;       /* the history's free place, where the unfinished line is kept meanwhile */
    uint8_t kept, back; /* how many lines it has; which is shown, 0: none */
    const char *prompt;
    char history[LINE_HISTORY + 1][LINE_BYTES];
};

/* Empties the line, keeps the history, and shows the prompt. A struct of zeroes is a good one. */
void line_begin(struct line *line, const char *prompt, const struct line_sink *sink);

/* Shows prompt and line again, where other text came between. */
void line_show(struct line *line, const struct line_sink *sink);

/* The next byte from the terminal. After all but LINE_MORE the line wants line_begin(). */
enum line_result line_feed(struct line *line, uint8_t byte, const struct line_sink *sink);
