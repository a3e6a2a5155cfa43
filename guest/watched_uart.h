/* A UART that the guest drives and Orlop listens to (console=watched): the key, a byte that breaks
 * in and that the guest does not get, is looked for where the guest reads a byte, and, where it
 * reads none, by a look now and then. A byte that is taken meanwhile is held for the guest, whose
 * other registers then tell of it. The byte logic alone, by the UART's registers; one CPU at a
 * time. */
#pragma once

#include "base/types.h"

#define WATCHED_KEY 0x1C /* Ctrl-\, the usual key */
#define WATCHED_HOLDS                                                                              \
    64                  /* more than a FIFO: what the guest does not read for long is lost, as in  \
                         * one that runs over, but the key is still seen */
#define WATCHED_LOOKS 3 /* that find bytes waiting, until they are taken */

struct watched_uart {
    uint16_t port;
    uint8_t key;
    uint8_t held[WATCHED_HOLDS];
    uint8_t first, count;
    uint8_t status; /* LSR's error bits that Orlop's reads have cleared: the guest's next read */
    uint8_t looks;  /* that found a byte, since the guest has read one */
    uint8_t ier;    /* the guest's, while `roused` */
    bool roused;    /* the transmitter's interrupt is on in place of the receiver's */
    bool answers;   /* kept by the caller: the guest's accesses to IER, IIR, FCR and LSR lead here,
                     * not those to the data register alone */
};

/* What the guest reads of a register, or writes. True: it was the key. The guest reads NUL instead,
 * which says nothing (ASCII has it for filling); what came behind the key is left in the UART, for
 * whoever the key calls. */
bool watched_read(struct watched_uart *w, uint16_t port, uint8_t *byte);
void watched_write(struct watched_uart *w, uint16_t port, uint8_t byte);

enum watched_seen {
    WATCHED_NOTHING,
    WATCHED_BREAKS_IN,   /* the key, or a BREAK */
    WATCHED_MUST_ANSWER, /* make `answers` true, and look again */
    WATCHED_MAY_REST,    /* `answers` is not needed any more */
};

/* While the guest runs, some 20 times a second; as often as it gives WATCHED_MUST_ANSWER. */
enum watched_seen watched_look(struct watched_uart *w);

/* The guest is to get the byte as if it had come on the line. With `answers`. */
void watched_hold(struct watched_uart *w, uint8_t byte);
