#include "drivers/video/text_screen.h"

#include "lib/string.h"

#define TAB_WIDTH 8

static void blank_row(struct text_screen *screen, unsigned row)
{
    uint16_t *cells = screen->cells + (size_t)row * screen->cols;
    for (unsigned col = 0; col < screen->cols; col++)
        cells[col] = (uint16_t)(screen->colour << 8 | ' ');
}

void text_screen_init(struct text_screen *screen, void *memory, unsigned cols, unsigned rows)
{
    *screen = (struct text_screen){
        .cells = memory, .cols = cols, .rows = rows, .colour = TEXT_SCREEN_PLAIN};
    for (unsigned row = 0; row < rows; row++)
        blank_row(screen, row);
}

void text_screen_set_colour(struct text_screen *screen, uint8_t colour) { screen->colour = colour; }

static void scroll(struct text_screen *screen)
{
    size_t kept = (size_t)(screen->rows - 1) * screen->cols;
    memmove(screen->cells, screen->cells + screen->cols, kept * sizeof(*screen->cells));
    screen->row = screen->rows - 1;
    blank_row(screen, screen->row);
}

/* Wraps and scrolls only when there is something to show, so that no row stays empty for a line
 * break at the very end. */
static void put_visible(struct text_screen *screen, char c)
{
    if (screen->col >= screen->cols) {
        screen->col = 0;
        screen->row++;
    }
    if (screen->row >= screen->rows)
        scroll(screen);
    uint8_t shown = c >= ' ' && c <= '~' ? (uint8_t)c : '?';
    screen->cells[(size_t)screen->row * screen->cols + screen->col++] =
        (uint16_t)(screen->colour << 8 | shown);
}

static void put_line_break(struct text_screen *screen)
{
    if (screen->row >= screen->rows)
        scroll(screen);
    screen->col = 0;
    screen->row++;
}

static void put_tab(struct text_screen *screen)
{
    do {
        put_visible(screen, ' ');
    } while (screen->col % TAB_WIDTH != 0 && screen->col < screen->cols);
}

void text_screen_write(struct text_screen *screen, const char *text, size_t length)
{
    if (screen->cols == 0 || screen->rows == 0)
        return;
    for (size_t i = 0; i < length; i++) {
        if (text[i] == '\n')
            put_line_break(screen);
        else if (text[i] == '\r')
            screen->col = 0;
        else if (text[i] == '\t')
            put_tab(screen);
        else
            put_visible(screen, text[i]);
    }
}
