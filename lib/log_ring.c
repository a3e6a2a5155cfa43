#include "lib/log_ring.h"

#include "base/panic.h"
#include "lib/string.h"

/* A slot's state is 0 when never used, else twice its sequence number plus BUSY or COMMITTED, so
 * states of later records compare greater. Only the writer that made a slot BUSY changes it from
 * there: that is what keeps two writers from filling one slot together. */
enum { BUSY = 1, COMMITTED = 2 };

#define RECORD_WORDS (sizeof(struct log_record) / sizeof(uint64_t))
#define CUT_MARK     "..."

typedef uint64_t __attribute__((may_alias)) record_word;

static uint64_t slot_state(uint64_t sequence, unsigned phase) { return 2 * sequence + phase; }

static struct log_record *record_at(const struct log_ring *ring, uint64_t sequence)
{
    return &ring->records[sequence & (ring->count - 1)];
}

void log_ring_init(struct log_ring *ring, struct log_record *records, uint64_t count)
{
    ASSERT(count != 0 && (count & (count - 1)) == 0);
    memset(records, 0, count * sizeof(*records));
    *ring = (struct log_ring){.records = records, .count = count};
}

/* Makes the slot of `sequence` BUSY. Fails where a later writer has it, or an earlier one is still
 * filling it. A lost race means that another writer got on; there are only so many before us. */
static bool claim_slot(struct log_record *record, uint64_t sequence)
{
    uint64_t state = __atomic_load_n(&record->sequence, __ATOMIC_RELAXED);
    uint64_t ours = slot_state(sequence, BUSY);

    while ((state & BUSY) == 0 && state < ours)
        if (__atomic_compare_exchange_n(&record->sequence, &state, ours, false, __ATOMIC_ACQ_REL,
                                        __ATOMIC_RELAXED))
            return true;
    return false;
}

struct log_slot log_ring_reserve(struct log_ring *ring)
{
    uint64_t sequence = __atomic_fetch_add(&ring->next, 1, __ATOMIC_ACQ_REL);
    struct log_record *record = record_at(ring, sequence);

    if (claim_slot(record, sequence))
        return (struct log_slot){record, sequence};
    __atomic_fetch_add(&ring->dropped, 1, __ATOMIC_RELAXED);
    return (struct log_slot){NULL, sequence};
}

/* Copies all but the state. A reader may look while a writer stores: each word is released, so
 * that a reader which got a new word also sees that the state has changed. */
static void store_words(struct log_record *to, const struct log_record *from)
{
    record_word *out = (record_word *)to;
    const record_word *in = (const record_word *)from;
    for (size_t i = 1; i < RECORD_WORDS; i++)
        __atomic_store_n(&out[i], in[i], __ATOMIC_RELEASE);
}

static void load_words(struct log_record *to, const struct log_record *from)
{
    record_word *out = (record_word *)to;
    const record_word *in = (const record_word *)from;
    for (size_t i = 1; i < RECORD_WORDS; i++)
        out[i] = __atomic_load_n(&in[i], __ATOMIC_ACQUIRE);
}

void log_ring_fill(struct log_slot slot, uint64_t tsc, uint16_t cpu, uint8_t level,
                   const char *text, size_t length)
{
    struct log_record record = {.tsc = tsc, .cpu = cpu, .level = level};
    bool cut = length > LOG_RECORD_TEXT;

    if (slot.record == NULL)
        return;
    record.length = (uint8_t)(cut ? LOG_RECORD_TEXT : length);
    memcpy(record.text, text, record.length);
    if (cut)
        memcpy(record.text + LOG_RECORD_TEXT - strlen(CUT_MARK), CUT_MARK, strlen(CUT_MARK));
    store_words(slot.record, &record);
}

void log_ring_commit(struct log_slot slot)
{
    if (slot.record != NULL)
        __atomic_store_n(&slot.record->sequence, slot_state(slot.sequence, COMMITTED),
                         __ATOMIC_RELEASE);
}

void log_ring_write(struct log_ring *ring, uint64_t tsc, uint16_t cpu, uint8_t level,
                    const char *text, size_t length)
{
    struct log_slot slot = log_ring_reserve(ring);
    log_ring_fill(slot, tsc, cpu, level, text, length);
    log_ring_commit(slot);
}

/* Moves a cursor that was overtaken by more than the ring's size to the oldest record left.
 * Returns how many records there are from the cursor on. */
static uint64_t catch_up(struct log_ring *ring, uint64_t *cursor, uint64_t *missed)
{
    uint64_t pending = __atomic_load_n(&ring->next, __ATOMIC_ACQUIRE) - *cursor;
    if (pending <= ring->count)
        return pending;
    *missed += pending - ring->count;
    *cursor += pending - ring->count;
    return ring->count;
}

enum outcome { READ_DONE, READ_OVERWRITTEN, READ_UNCOMMITTED };

static enum outcome copy_record(struct log_ring *ring, uint64_t sequence, struct log_record *out)
{
    struct log_record *record = record_at(ring, sequence);
    uint64_t wanted = slot_state(sequence, COMMITTED);

    if (__atomic_load_n(&record->sequence, __ATOMIC_ACQUIRE) < wanted)
        return READ_UNCOMMITTED;
    load_words(out, record);
    if (__atomic_load_n(&record->sequence, __ATOMIC_RELAXED) != wanted)
        return READ_OVERWRITTEN;
    out->sequence = sequence;
    return READ_DONE;
}

bool log_ring_read(struct log_ring *ring, uint64_t *cursor, struct log_record *out,
                   uint64_t *missed)
{
    /* Bounded: a pass that finds its record overwritten moves on by one, and in a ring's length
     * of such passes the writers have overtaken us by another lap. */
    for (uint64_t tries = 0; tries <= ring->count; tries++) {
        if (catch_up(ring, cursor, missed) == 0)
            return false;
        enum outcome outcome = copy_record(ring, *cursor, out);
        if (outcome == READ_UNCOMMITTED)
            return false;
        ++*cursor;
        if (outcome == READ_DONE)
            return true;
        ++*missed;
    }
    return false;
}

bool log_ring_skip(struct log_ring *ring, uint64_t *cursor, uint64_t *missed)
{
    struct log_record unused;
    if (catch_up(ring, cursor, missed) == 0 ||
        copy_record(ring, *cursor, &unused) != READ_UNCOMMITTED)
        return false;
    ++*cursor;
    ++*missed;
    return true;
}

uint64_t log_ring_last(struct log_ring *ring, uint64_t wanted)
{
    uint64_t next = __atomic_load_n(&ring->next, __ATOMIC_ACQUIRE);
    uint64_t available = next < ring->count ? next : ring->count;
    return next - (wanted < available ? wanted : available);
}
