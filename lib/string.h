/* Bytes and strings. The first group are the C library's functions under their own names (the
 * compiler calls four of them by itself); they are defined in lib/libc.c, which a unit test leaves
 * out, so that the host's library and its sanitizers answer. The second group, lib/string.c, is
 * ours. Pure; any CPU, any context. */
#pragma once

#include "base/types.h"

void *memcpy(void *restrict dst, const void *restrict src, size_t size);
void *memmove(void *dst, const void *src, size_t size);
void *memset(void *dst, int byte, size_t size);
int memcmp(const void *a, const void *b, size_t size);
size_t strlen(const char *text);
size_t strnlen(const char *text, size_t limit);
int strcmp(const char *a, const char *b);
int strncmp(const char *a, const char *b, size_t limit);

/* Copies `src` into the `size` bytes at `dst`, always ending with NUL where `size` is not 0. At
 * most `size` bytes of `src` are read. Returns whether the text was truncated. */
bool string_copy(char *dst, size_t size, const char *src);

/* Whether `text` begins with `prefix`. */
bool string_starts_with(const char *text, const char *prefix);

/* Reads all `length` bytes of `text` as one number, decimal or hexadecimal after 0x. False, and
 * `*value` untouched, where they are none, or not digits, or more than 64 bits. */
bool string_parse_u64(const char *text, size_t length, uint64_t *value);

/* The text that belongs to `number` among `count` numbers and as many texts, which lie behind each
 * other in that order, each with its NUL: a table without a pointer a row. NULL where it is none.
 */
const char *string_numbered(const uint8_t *numbers, size_t count, const char *texts,
                            uint64_t number);
