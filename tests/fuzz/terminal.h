/* A terminal of one endless row, for tests of the line editor: what it shows after a text with
 * ANSI's cursor moves. */
#pragma once

#include <stdbool.h>
#include <string.h>

#define TERMINAL_COLUMNS 512

struct terminal {
    char row[TERMINAL_COLUMNS]; /* closed by a NUL */
    unsigned int at, bells, bytes;
    bool bad; /* it was sent what it does not know, or a move out of its row */
};

static void terminal_clear(struct terminal *terminal)
{
    memset(terminal->row, 0, sizeof(terminal->row));
    terminal->at = 0;
}

/* ESC [ ...: how many bytes it has. */
static size_t terminal_escape(struct terminal *terminal, const char *text, size_t bytes)
{
    size_t used = 2;
    unsigned int number = 0;
    for (; used < bytes && text[used] >= '0' && text[used] <= '9'; used++)
        number = number * 10 + (unsigned int)(text[used] - '0');
    char final = used < bytes && text[1] == '[' ? text[used] : '\0';
    if (final == 'K')
        memset(terminal->row + terminal->at, 0, sizeof(terminal->row) - terminal->at);
    else if (final == 'J')
        memset(terminal->row, 0, sizeof(terminal->row));
    else if (final == 'H')
        terminal->at = 0;
    else if (final == 'C')
        terminal->at += number;
    else if (final == 'D')
        terminal->at -= number;
    else
        terminal->bad = true;
    return used + 1;
}

static void terminal_put(struct terminal *terminal, const char *text, size_t bytes)
{
    terminal->bytes += (unsigned int)bytes;
    for (size_t i = 0; i < bytes && !terminal->bad;) {
        char c = text[i];
        if (c == '\033') {
            i += terminal_escape(terminal, text + i, bytes - i);
        } else {
            i++;
            if (c == '\n')
                terminal_clear(terminal);
            else if (c == '\r')
                terminal->at = 0;
            else if (c == '\b')
                terminal->at--;
            else if (c == '\a')
                terminal->bells++;
            else if (c >= ' ' && c < 0x7F)
                terminal->row[terminal->at++] = c;
            else
                terminal->bad = true;
        }
        if (terminal->at >= TERMINAL_COLUMNS - 1)
            terminal->bad = true;
    }
}
