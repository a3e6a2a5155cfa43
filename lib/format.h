/* Formatted text into a buffer: the printf subset that a hypervisor's log needs, checked by the
 * compiler. Pure, bounded, without allocation; any CPU, any context.
 *
 * Conversions: %c %s %d %i %u %x %X %p %%. Flags `-`, `0`, `#`, `+` and space, width and precision
 * (numbers, or `*`), modifiers hh, h, l, ll and z, all as in C. Differences: NULL for %s prints
 * "(null)", NULL for %p "0x0"; widths and precisions above FORMAT_FIELD_MAX mean FORMAT_FIELD_MAX;
 * anything else after a % ends the interpretation: the rest of the format is copied as it stands
 * and no further argument is read. */
#pragma once

#include <stdarg.h>

#include "base/types.h"

#define FORMAT_FIELD_MAX 4096

/* Writes at most `size` bytes into `buffer`, the last of them NUL (none where `size` is 0).
 * Returns the length of the whole text without the NUL: it was cut where that is >= `size`. */
size_t format(char *buffer, size_t size, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
size_t vformat(char *buffer, size_t size, const char *fmt, va_list arguments)
    __attribute__((format(printf, 3, 0)));
