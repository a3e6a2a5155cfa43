/* The VGA colour text screen, for refusals and panics on a machine without a serial line. It works
 * on the memory that the caller maps (physical 0xB8000) and touches no register. The newest lines
 * stay visible. Bytes outside ASCII show as '?'. One CPU at a time. */
#pragma once

#include "base/types.h"

#define TEXT_SCREEN_PLAIN 0x07 /* light grey on black */
#define TEXT_SCREEN_PANIC 0x4F /* white on red */

/* A cell of the screen is a character and, in the high byte, its colours. */
struct text_screen {
    uint16_t *cells;
    unsigned cols, rows;
    unsigned col, row; /* of the next character; either may be one behind the edge */
    uint8_t colour;
};

/* An empty screen of `cols` by `rows` cells at `memory`, which is blanked; plain colours. */
void text_screen_init(struct text_screen *screen, void *memory, unsigned cols, unsigned rows);

/* The colours of what is written from now on. */
void text_screen_set_colour(struct text_screen *screen, uint8_t colour);

/* Writes at the end of what is there, wrapping long lines, scrolling where the screen is full. */
void text_screen_write(struct text_screen *screen, const char *text, size_t length);
