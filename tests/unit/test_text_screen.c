/* with: drivers/video/text_screen.c lib/string.c */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "drivers/video/text_screen.h"

#define SEED    20260405u
#define COLUMNS 12
#define LINES   600

static unsigned below(unsigned limit) { return (unsigned)rand() % limit; }

/* The model is a roll of paper that is long enough; the screen is its lower end. */
struct paper {
    uint16_t cells[LINES][COLUMNS];
    unsigned cols, rows, col, row, bottom;
    uint8_t colour;
};

/* The paper is moved up as far as `row` needs. */
static void paper_reach(struct paper *paper, unsigned row)
{
    for (; paper->bottom < row; paper->bottom++)
        for (unsigned col = 0; col < paper->cols; col++)
            paper->cells[paper->bottom + 1][col] = (uint16_t)(paper->colour << 8 | ' ');
}

static void paper_begin(struct paper *paper, unsigned cols, unsigned rows)
{
    memset(paper, 0, sizeof(*paper));
    paper->cols = cols;
    paper->rows = rows;
    paper->colour = 0x07;
    for (unsigned col = 0; col < cols; col++)
        paper->cells[0][col] = 0x0720;
    paper_reach(paper, rows - 1);
}

static void paper_type(struct paper *paper, char c)
{
    if (paper->col == paper->cols) {
        paper->row++;
        paper->col = 0;
    }
    paper_reach(paper, paper->row);
    if (c < 32 || c > 126)
        c = '?';
    paper->cells[paper->row][paper->col++] = (uint16_t)(paper->colour << 8 | c);
}

static void paper_write(struct paper *paper, char c)
{
    if (c == '\n') {
        paper_reach(paper, paper->row);
        paper->row++;
        paper->col = 0;
    } else if (c == '\r') {
        paper->col = 0;
    } else if (c == '\t') {
        unsigned start = paper->col == paper->cols ? 0 : paper->col;
        unsigned stop = start / 8 * 8 + 8;
        for (unsigned i = start; i < stop && i < paper->cols; i++)
            paper_type(paper, ' ');
    } else {
        paper_type(paper, c);
    }
}

static void any_text_shows_as_the_end_of_a_long_paper(void **state)
{
    (void)state;
    static struct paper paper;
    for (int round = 0; round < 1000; round++) {
        unsigned cols = 1 + below(COLUMNS), rows = 1 + below(6);
        size_t size = cols * rows * sizeof(uint16_t);
        uint16_t *memory = malloc(size);
        struct text_screen screen;
        memset(memory, 0x55, size);
        text_screen_init(&screen, memory, cols, rows);
        paper_begin(&paper, cols, rows);
        for (unsigned writes = below(8); writes != 0; writes--) {
            char text[60];
            size_t length = below(sizeof(text) + 1);
            for (size_t i = 0; i < length; i++) {
                text[i] = below(3) ? (char)('!' + below(94)) : "\n\r\t\n \x7f\xe9\x1b"[below(8)];
                paper_write(&paper, text[i]);
            }
            text_screen_write(&screen, text, length);
            for (unsigned row = 0; row < rows; row++)
                assert_memory_equal(memory + row * cols, paper.cells[paper.bottom - rows + 1 + row],
                                    cols * sizeof(uint16_t));
            if (below(3) == 0) {
                paper.colour = (uint8_t)rand();
                text_screen_set_colour(&screen, paper.colour);
            }
        }
        free(memory);
    }
}

static void expect_row(const uint16_t *row, uint8_t colour, const char *text)
{
    for (unsigned col = 0; col < strlen(text); col++)
        assert_int_equal(row[col], colour << 8 | text[col]);
    assert_int_equal(row[strlen(text)] & 0xFF, ' ');
}

static void the_last_line_is_at_the_bottom_after_its_line_break(void **state)
{
    (void)state;
    static uint16_t memory[80 * 25];
    struct text_screen screen;
    text_screen_init(&screen, memory, 80, 25);
    text_screen_set_colour(&screen, TEXT_SCREEN_PANIC);
    for (int line = 1; line <= 30; line++) {
        char text[20];
        text_screen_write(&screen, text, (size_t)snprintf(text, sizeof(text), "line %d\n", line));
    }
    expect_row(memory, 0x4F, "line 6");
    expect_row(memory + 24 * 80, 0x4F, "line 30");
}

static void a_screen_without_cells_shows_nothing(void **state)
{
    (void)state;
    struct text_screen screen;
    char *memory = malloc(1); /* not a cell's size */
    text_screen_init(&screen, memory, 0, 25);
    text_screen_write(&screen, "a\tb\n", 4);
    text_screen_init(&screen, memory, 80, 0);
    text_screen_write(&screen, "a\tb\n", 4);
    free(memory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_text_shows_as_the_end_of_a_long_paper),
        cmocka_unit_test(the_last_line_is_at_the_bottom_after_its_line_break),
        cmocka_unit_test(a_screen_without_cells_shows_nothing),
    };
    printf("seed %u\n", SEED);
    srand(SEED);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
