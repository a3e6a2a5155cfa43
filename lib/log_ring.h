/* A lock-free ring of log records, which any number of writers and readers share without waiting
 * for each other: CPUs, and the NMI and #MC handlers that interrupt them in the middle of a write.
 *
 * Every record has a sequence number, from 0 and without gaps. A full ring overwrites the oldest.
 * Each sequence number reaches a reader exactly once: as a whole record, or counted as missed.
 * A record is missed where it was overwritten before it was read, where the reader skipped it, or
 * where it was never stored because its slot was still being filled by a writer that the others
 * had overtaken by a whole lap (waiting for that one could last for ever). */
#pragma once

#include "base/types.h"

#define LOG_RECORD_TEXT 108

struct log_record {
    uint64_t sequence; /* in the ring: the slot's state; in a copy that was read: the number */
    uint64_t tsc;
    uint16_t cpu;
    uint8_t level;  /* enum log_level */
    uint8_t length; /* of the text, which has no NUL */
    char text[LOG_RECORD_TEXT];
};
_Static_assert(sizeof(struct log_record) == 128, "a record is two cache lines");

struct log_ring {
    struct log_record *records;
    uint64_t count;
    uint64_t next;    /* the sequence number that the next writer takes */
    uint64_t dropped; /* records that were never stored, see above */
};

/* A place in the ring, from log_ring_reserve. `record` is NULL where the record is dropped. */
struct log_slot {
    struct log_record *record;
    uint64_t sequence;
};

/* Makes an empty ring of `records`, whose `count` is a power of two (else panic). */
void log_ring_init(struct log_ring *ring, struct log_record *records, uint64_t count);

/* Writes one record. A text longer than LOG_RECORD_TEXT is cut and ends with "...". */
void log_ring_write(struct log_ring *ring, uint64_t tsc, uint16_t cpu, uint8_t level,
                    const char *text, size_t length);

/* The three steps of log_ring_write. Between them anything may happen, in this CPU too. */
struct log_slot log_ring_reserve(struct log_ring *ring);
void log_ring_fill(struct log_slot slot, uint64_t tsc, uint16_t cpu, uint8_t level,
                   const char *text, size_t length);
void log_ring_commit(struct log_slot slot);

/* Reads the record at `*cursor` (0 at first; each reader has its own) and moves the cursor behind
 * it. `*missed` grows by the number of records that were passed over to get there; it may grow
 * where false is returned too. False: there is none, or the next one is not committed yet. */
bool log_ring_read(struct log_ring *ring, uint64_t *cursor, struct log_record *out,
                   uint64_t *missed);

/* For a reader that has waited long enough, or knows that the writer is stopped: where
 * log_ring_read returned false because of an uncommitted record, passes over that one and counts
 * it as missed. False where there is nothing to pass over. */
bool log_ring_skip(struct log_ring *ring, uint64_t *cursor, uint64_t *missed);

/* The cursor from which a reader gets the last `wanted` records, or all that there are. */
uint64_t log_ring_last(struct log_ring *ring, uint64_t wanted);
