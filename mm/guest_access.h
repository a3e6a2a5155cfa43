/* The only way to a byte of the guest: a window is opened on one page of it, the bytes are copied,
 * and the window is closed (docs/design.md). A window belongs to one CPU and is used by
 * nothing else while it is open. Addresses are checked against Orlop's own range. Guest-physical
 * equals host-physical but for the pages that the EPT shows otherwise, which no caller asks for. */
#pragma once

#include "base/error.h"
#include "base/types.h"

struct window {
    uint64_t *entry;  /* the page-table entry that maps it */
    uint8_t *address; /* where it shows */
};

/* What may not be touched: Orlop's own range, and what lies beyond the processor's physical
 * addresses, whose bits are reserved in a page-table entry. Set once at boot; `nx`: EFER.NXE is on.
 */
void guest_access_forbid(hpa_t base, hpa_t end, unsigned physical_bits, bool nx);

/* The windows of the CPU in slot `number`. Its slot's tables exist. */
void guest_access_open_windows(struct window *windows, uint32_t number);

/* Copy `bytes` from or to guest memory; any alignment, any length. Within a page 1, 2, 4 or 8 are
 * one access, as a device's register wants it. ERROR_RANGE, and nothing copied, where the range
 * wraps or meets Orlop's own. On the window's CPU, root mode. */
MUST_CHECK enum error guest_read(const struct window *window, void *to, gpa_t from, uint64_t bytes);
MUST_CHECK enum error guest_write(const struct window *window, gpa_t to, const void *from,
                                  uint64_t bytes);

/* At once: where the `bytes` (1, 4 or 8, aligned) are `old`, they become `value`. ERROR_NOT_FOUND:
 * they are something else. */
MUST_CHECK enum error guest_exchange(const struct window *window, gpa_t at, uint64_t old,
                                     uint64_t value, unsigned bytes);

/* Copy within guest memory, right for overlaps too. Uses two windows, windows[0] and [1]. */
MUST_CHECK enum error guest_move(const struct window windows[2], gpa_t to, gpa_t from,
                                 uint64_t bytes);
