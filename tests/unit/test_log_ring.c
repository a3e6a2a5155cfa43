/* with: lib/log_ring.c lib/string.c */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/log_ring.h"

#define SEED 20260403u

static struct log_record records[1024];
static struct log_ring ring;

static unsigned below(unsigned limit) { return (unsigned)rand() % limit; }

static void write_text(const char *text) { log_ring_write(&ring, 100, 2, 1, text, strlen(text)); }

static void write_numbered(unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        char text[20];
        write_text((snprintf(text, sizeof(text), "line %u", (unsigned)ring.next), text));
    }
}

static void expect_read(uint64_t *cursor, uint64_t sequence, const char *text)
{
    struct log_record record;
    uint64_t missed = 0;
    assert_true(log_ring_read(&ring, cursor, &record, &missed));
    assert_int_equal(missed, 0);
    assert_int_equal(record.sequence, sequence);
    assert_int_equal(record.length, strlen(text));
    assert_memory_equal(record.text, text, strlen(text));
}

static void expect_nothing(uint64_t *cursor)
{
    struct log_record record;
    uint64_t missed = 0;
    assert_false(log_ring_read(&ring, cursor, &record, &missed));
    assert_int_equal(missed, 0);
}

static void a_record_comes_back_as_it_was_written(void **state)
{
    (void)state;
    struct log_record record;
    uint64_t cursor = 0, missed = 0;
    log_ring_init(&ring, records, 4);
    expect_nothing(&cursor);
    log_ring_write(&ring, 0x123456789ABCDEF0, 0xFEDC, 3, "some text", 9);
    assert_true(log_ring_read(&ring, &cursor, &record, &missed));
    assert_true(record.tsc == 0x123456789ABCDEF0);
    assert_int_equal(record.cpu, 0xFEDC);
    assert_int_equal(record.level, 3);
    assert_int_equal(record.length, 9);
    assert_memory_equal(record.text, "some text", 9);
    expect_nothing(&cursor);
}

static void a_long_text_is_cut_with_a_mark(void **state)
{
    (void)state;
    for (size_t length = 0; length < 2 * LOG_RECORD_TEXT; length++) {
        struct log_record record;
        uint64_t cursor = 0, missed = 0;
        bool cut = length > LOG_RECORD_TEXT;
        size_t kept = cut ? LOG_RECORD_TEXT - 3 : length;
        char *text = malloc(length);
        memset(text, 'x', length);
        log_ring_init(&ring, records, 2);
        log_ring_write(&ring, 0, 0, 0, text, length);
        assert_true(log_ring_read(&ring, &cursor, &record, &missed));
        assert_int_equal(record.length, cut ? LOG_RECORD_TEXT : length);
        assert_memory_equal(record.text, text, kept);
        if (cut)
            assert_memory_equal(record.text + kept, "...", 3);
        free(text);
    }
}

static void a_full_ring_keeps_the_newest_and_tells_how_many_are_gone(void **state)
{
    (void)state;
    for (uint64_t count = 1; count <= 16; count *= 2) {
        for (unsigned written = 0; written < 50; written++) {
            struct log_record record;
            uint64_t cursor = 0, missed = 0;
            uint64_t gone = written > count ? written - count : 0;
            log_ring_init(&ring, records, count);
            write_numbered(written);
            for (uint64_t i = gone; i < written; i++) {
                assert_true(log_ring_read(&ring, &cursor, &record, &missed));
                assert_int_equal(record.sequence, i);
                assert_int_equal(missed, gone);
            }
            expect_nothing(&cursor);
        }
    }
}

static void a_write_inside_another_one_waits_for_nothing(void **state)
{
    (void)state;
    uint64_t cursor = 0;
    log_ring_init(&ring, records, 4);
    struct log_slot outer = log_ring_reserve(&ring);
    write_text("after reserve");
    log_ring_fill(outer, 1, 0, 0, "outer", 5);
    write_text("after fill");
    expect_nothing(&cursor); /* in order: the outer one is first, and is not whole yet */
    log_ring_commit(outer);
    expect_read(&cursor, 0, "outer");
    expect_read(&cursor, 1, "after reserve");
    expect_read(&cursor, 2, "after fill");
}

static void a_reader_may_pass_over_a_writer_that_is_stopped(void **state)
{
    (void)state;
    uint64_t cursor = 0, missed = 0;
    log_ring_init(&ring, records, 4);
    assert_false(log_ring_skip(&ring, &cursor, &missed));
    log_ring_reserve(&ring);
    write_text("second");
    assert_true(log_ring_skip(&ring, &cursor, &missed));
    assert_int_equal(missed, 1);
    assert_false(log_ring_skip(&ring, &cursor, &missed)); /* what is whole is not passed over */
    expect_read(&cursor, 1, "second");
    assert_int_equal(missed, 1);
}

static void an_overtaken_writer_keeps_its_slot_to_itself(void **state)
{
    (void)state;
    struct log_record record;
    uint64_t cursor = 0, missed = 0;
    log_ring_init(&ring, records, 4);
    struct log_slot slow = log_ring_reserve(&ring);
    log_ring_fill(slow, 1, 0, 0, "slow", 4);
    write_numbered(3);
    struct log_slot lost = log_ring_reserve(&ring); /* number 4, in the slot of number 0 */
    assert_null(lost.record);
    log_ring_fill(lost, 1, 0, 0, "lost", 4);
    log_ring_commit(lost);
    assert_int_equal(ring.dropped, 1);
    log_ring_commit(slow);
    write_numbered(1);
    assert_memory_equal(records[0].text, "slow", 4);

    for (uint64_t i = 2; i < 4; i++) {
        assert_true(log_ring_read(&ring, &cursor, &record, &missed));
        assert_int_equal(record.sequence, i);
        assert_int_equal(missed, 2);
    }
    assert_false(log_ring_read(&ring, &cursor, &record, &missed));
    assert_true(log_ring_skip(&ring, &cursor, &missed));
    expect_read(&cursor, 5, "line 5");
    assert_int_equal(missed, 3);
}

/* As if this writer had taken its number and then been stopped, while the others went on. */
static void a_writer_that_comes_too_late_leaves_the_newer_record(void **state)
{
    (void)state;
    log_ring_init(&ring, records, 4);
    write_numbered(5);
    ring.next = 0;
    write_text("too late");
    assert_int_equal(ring.dropped, 1);
    ring.next = 5;
    uint64_t cursor = 4;
    expect_read(&cursor, 4, "line 4");
}

static void the_last_records_can_be_asked_for(void **state)
{
    (void)state;
    for (unsigned written = 0; written < 20; written++) {
        log_ring_init(&ring, records, 8);
        write_numbered(written);
        for (unsigned wanted = 0; wanted < 12; wanted++) {
            unsigned there = written < 8 ? written : 8, given = wanted < there ? wanted : there;
            uint64_t cursor = log_ring_last(&ring, wanted);
            for (unsigned i = written - given; i < written; i++) {
                char text[20];
                snprintf(text, sizeof(text), "line %u", i);
                expect_read(&cursor, i, text);
            }
            expect_nothing(&cursor);
        }
    }
}

/* The model knows of each number what became of it, and of each slot the newest number in it. */
enum fate { RESERVED, FILLED, COMMITTED, DROPPED };
#define MODEL_NUMBERS 4000

struct model {
    uint64_t count, next;
    enum fate fate[MODEL_NUMBERS];
    uint64_t owner[16]; /* number + 1 */
    struct log_slot slots[MODEL_NUMBERS];
};

static void model_reserve(struct model *model)
{
    uint64_t number = model->next++, slot = number % model->count;
    uint64_t owner = model->owner[slot];
    bool busy = owner != 0 && model->fate[owner - 1] != COMMITTED;
    model->fate[number] = busy ? DROPPED : RESERVED;
    if (!busy)
        model->owner[slot] = number + 1;
    model->slots[number] = log_ring_reserve(&ring);
    assert_int_equal(model->slots[number].sequence, number);
    assert_int_equal(model->slots[number].record == NULL, busy);
}

/* The next step of some unfinished write, if there is one among the latest. */
static void model_step(struct model *model)
{
    char text[20];
    uint64_t back = 1 + below(12);
    if (back > model->next)
        return;
    uint64_t number = model->next - back;
    if (model->fate[number] == RESERVED) {
        int length = snprintf(text, sizeof(text), "%u", (unsigned)number);
        log_ring_fill(model->slots[number], number, 7, 1, text, (size_t)length);
        model->fate[number] = FILLED;
    } else if (model->fate[number] == FILLED) {
        log_ring_commit(model->slots[number]);
        model->fate[number] = COMMITTED;
    }
}

/* What a read from `*cursor` must do: the number that it must give, or -1. */
static int64_t model_read(const struct model *model, uint64_t *cursor, uint64_t *missed)
{
    for (; *cursor < model->next; ++*cursor, ++*missed) {
        uint64_t owner = model->owner[*cursor % model->count];
        if (*cursor + model->count < model->next || owner > *cursor + 1)
            continue;
        if (owner < *cursor + 1 || model->fate[*cursor] != COMMITTED)
            return -1;
        return (int64_t)(*cursor)++;
    }
    return -1;
}

static void model_check_reader(const struct model *model, uint64_t *cursor, uint64_t *missed)
{
    struct log_record record;
    char text[20];
    uint64_t expected_cursor = *cursor, expected_missed = *missed;
    int64_t number = model_read(model, &expected_cursor, &expected_missed);

    assert_int_equal(log_ring_read(&ring, cursor, &record, missed), number >= 0);
    assert_int_equal(*cursor, expected_cursor);
    assert_int_equal(*missed, expected_missed);
    if (number >= 0) {
        int length = snprintf(text, sizeof(text), "%u", (unsigned)number);
        assert_int_equal(record.sequence, number);
        assert_int_equal(record.tsc, number);
        assert_int_equal(record.length, length);
        assert_memory_equal(record.text, text, length);
    } else {
        bool skipped = log_ring_skip(&ring, cursor, missed);
        assert_int_equal(skipped, expected_cursor < model->next);
        assert_int_equal(*cursor, expected_cursor + skipped);
        assert_int_equal(*missed, expected_missed + skipped);
    }
}

static void interleaved_writers_and_readers_follow_the_model(void **state)
{
    (void)state;
    for (int round = 0; round < 60; round++) {
        struct model *model = calloc(1, sizeof(*model));
        uint64_t cursors[2] = {0, 0}, missed[2] = {0, 0};
        unsigned write_rate = 2 + below(8);
        model->count = 1u << below(5);
        log_ring_init(&ring, records, model->count);
        while (model->next < MODEL_NUMBERS) {
            unsigned action = below(20), reader = below(2);
            if (action < write_rate)
                model_reserve(model);
            else if (action < write_rate * 3)
                model_step(model);
            else if (reader == 0 || below(8) == 0)
                model_check_reader(model, &cursors[reader], &missed[reader]);
        }
        free(model);
    }
}

/* Threads. Each line names its writer and its count in it, and pads itself with what follows from
 * both, so that a mixture of two lines shows. */
#define WRITERS 3
#define LINES   20000u

static void write_checked_line(unsigned writer, unsigned line)
{
    char text[LOG_RECORD_TEXT];
    size_t length = 20 + (line * 7 + writer) % (LOG_RECORD_TEXT - 20);
    memset(text, 'a' + (int)((line + writer) % 26), sizeof(text));
    snprintf(text, sizeof(text), "%2u %10u", writer, line);
    text[13] = ' ';
    log_ring_write(&ring, line, (uint16_t)writer, (uint8_t)(line % 4), text, length);
}

static void check_line(const struct log_record *record)
{
    unsigned line = (unsigned)record->tsc, writer = record->cpu;
    char text[LOG_RECORD_TEXT + 1];
    memset(text, 'a' + (int)((line + writer) % 26), sizeof(text));
    snprintf(text, sizeof(text), "%2u %10u", writer, line);
    text[13] = ' ';
    assert_int_equal(record->length, 20 + (line * 7 + writer) % (LOG_RECORD_TEXT - 20));
    assert_int_equal(record->level, line % 4);
    assert_memory_equal(record->text, text, record->length);
}

static unsigned writers_done;

static void *writer_main(void *argument)
{
    unsigned writer = (unsigned)(uintptr_t)argument;
    for (unsigned line = 0; line < LINES; line++)
        write_checked_line(writer, line);
    __atomic_fetch_add(&writers_done, 1, __ATOMIC_RELEASE);
    return NULL;
}

struct reader {
    uint64_t cursor, missed, got;
    int64_t lines[WRITERS + 1]; /* the last one seen of each writer, the handler being one too */
};

/* Reads one record. What came and what was missed must add up after each. */
static bool read_checked_line(struct reader *reader)
{
    struct log_record record;
    if (!log_ring_read(&ring, &reader->cursor, &record, &reader->missed))
        return false;
    check_line(&record);
    assert_true((int64_t)record.tsc > reader->lines[record.cpu]);
    reader->lines[record.cpu] = (int64_t)record.tsc;
    reader->got++;
    assert_int_equal(reader->got + reader->missed, record.sequence + 1);
    return true;
}

static void read_the_rest(struct reader *reader)
{
    while (read_checked_line(reader) || log_ring_skip(&ring, &reader->cursor, &reader->missed))
        ;
}

#define NEW_READER ((struct reader){.lines = {-1, -1, -1, -1}})

static void threads_lose_nothing_that_is_not_counted(void **state)
{
    (void)state;
    uint64_t got = 0;
    for (uint64_t count = 2; count <= 1024; count *= 8) {
        pthread_t threads[WRITERS];
        struct reader reader = NEW_READER;
        writers_done = 0;
        log_ring_init(&ring, records, count);
        for (uintptr_t i = 0; i < WRITERS; i++)
            assert_int_equal(pthread_create(&threads[i], NULL, writer_main, (void *)i), 0);
        while (__atomic_load_n(&writers_done, __ATOMIC_ACQUIRE) != WRITERS)
            read_checked_line(&reader);
        for (unsigned i = 0; i < WRITERS; i++)
            pthread_join(threads[i], NULL);
        read_the_rest(&reader);
        assert_int_equal(reader.got + reader.missed, WRITERS * LINES);
        got += reader.got;
    }
    assert_true(got > 0);
}

#define INTERRUPTIONS 2000u
static unsigned interruptions, lines_written;

static void interrupt_handler(int signal)
{
    (void)signal;
    write_checked_line(WRITERS, interruptions);
    __atomic_fetch_add(&interruptions, 1, __ATOMIC_RELAXED);
}

static void *interrupted_main(void *argument)
{
    for (; __atomic_load_n(&interruptions, __ATOMIC_RELAXED) < INTERRUPTIONS; lines_written++)
        write_checked_line(0, lines_written);
    return argument;
}

/* The signal stops the writer anywhere in its write, as an NMI would. */
static void a_handler_may_write_wherever_it_interrupts_a_writer(void **state)
{
    (void)state;
    struct sigaction action = {.sa_handler = interrupt_handler};
    struct reader reader = NEW_READER;
    pthread_t thread;

    interruptions = lines_written = 0;
    log_ring_init(&ring, records, 16);
    sigaction(SIGUSR1, &action, NULL);
    assert_int_equal(pthread_create(&thread, NULL, interrupted_main, NULL), 0);
    while (__atomic_load_n(&interruptions, __ATOMIC_RELAXED) < INTERRUPTIONS) {
        pthread_kill(thread, SIGUSR1);
        for (unsigned i = 0; i < 5 && read_checked_line(&reader); i++)
            ;
    }
    pthread_join(thread, NULL);
    read_the_rest(&reader);
    assert_int_equal(reader.got + reader.missed, lines_written + interruptions);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_record_comes_back_as_it_was_written),
        cmocka_unit_test(a_long_text_is_cut_with_a_mark),
        cmocka_unit_test(a_full_ring_keeps_the_newest_and_tells_how_many_are_gone),
        cmocka_unit_test(a_write_inside_another_one_waits_for_nothing),
        cmocka_unit_test(a_reader_may_pass_over_a_writer_that_is_stopped),
        cmocka_unit_test(an_overtaken_writer_keeps_its_slot_to_itself),
        cmocka_unit_test(a_writer_that_comes_too_late_leaves_the_newer_record),
        cmocka_unit_test(the_last_records_can_be_asked_for),
        cmocka_unit_test(interleaved_writers_and_readers_follow_the_model),
        cmocka_unit_test(threads_lose_nothing_that_is_not_counted),
        cmocka_unit_test(a_handler_may_write_wherever_it_interrupts_a_writer),
    };
    printf("seed %u\n", SEED);
    srand(SEED);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
