/* The copies work on quadwords and end with one that overlaps what was already copied: a repeated
 * string instruction counts once for each round, in an emulator and without fast strings alike. */
#include "lib/string.h"

/* gcc would otherwise recognise these loops and compile each into a call of itself. */
#if __has_attribute(optimize)
#define KEEP_LOOPS __attribute__((optimize("no-tree-loop-distribute-patterns")))
#else
#define KEEP_LOOPS
#endif

typedef uint64_t __attribute__((aligned(1), may_alias)) any_u64;
typedef uint32_t __attribute__((aligned(1), may_alias)) any_u32;
typedef uint16_t __attribute__((aligned(1), may_alias)) any_u16;

/* All loads come before the stores, so overlapping buffers are right too. */
static inline void copy_below_8(uint8_t *dst, const uint8_t *src, size_t size)
{
    if (size >= 4) {
        uint32_t head = *(const any_u32 *)src;
        uint32_t tail = *(const any_u32 *)(src + size - 4);
        *(any_u32 *)dst = head;
        *(any_u32 *)(dst + size - 4) = tail;
    } else if (size >= 2) {
        uint16_t head = *(const any_u16 *)src;
        uint16_t tail = *(const any_u16 *)(src + size - 2);
        *(any_u16 *)dst = head;
        *(any_u16 *)(dst + size - 2) = tail;
    } else if (size == 1) {
        *dst = *src;
    }
}

/* Upwards; right for overlapping buffers while `dst` is below `src`. */
static inline void copy_up(uint8_t *dst, const uint8_t *src, size_t size)
{
    if (size < 8) {
        copy_below_8(dst, src, size);
        return;
    }
    any_u64 *dst_tail = (any_u64 *)(dst + size - 8);
    uint64_t tail = *(const any_u64 *)(src + size - 8);
    size_t quadwords = size / 8;
    __asm__ volatile("rep movsq" : "+D"(dst), "+S"(src), "+c"(quadwords) : : "memory");
    *dst_tail = tail;
}

void *memcpy(void *restrict dst, const void *restrict src, size_t size)
{
    copy_up(dst, src, size);
    return dst;
}

/* Downwards, for a `dst` inside the source. */
KEEP_LOOPS static void copy_down(uint8_t *dst, const uint8_t *src, size_t size)
{
    while (size >= 8) {
        size -= 8;
        *(any_u64 *)(dst + size) = *(const any_u64 *)(src + size);
    }
    copy_below_8(dst, src, size);
}

void *memmove(void *dst, const void *src, size_t size)
{
    if ((uintptr_t)dst - (uintptr_t)src >= size)
        copy_up(dst, src, size);
    else
        copy_down(dst, src, size);
    return dst;
}

KEEP_LOOPS void *memset(void *dst, int byte, size_t size)
{
    uint8_t *out = dst;
    uint64_t pattern = (uint8_t)byte * 0x0101010101010101ull;

    if (size >= 8) {
        size_t quadwords = size / 8;
        *(any_u64 *)(out + size - 8) = pattern;
        __asm__ volatile("rep stosq" : "+D"(out), "+c"(quadwords) : "a"(pattern) : "memory");
        return dst;
    }
    for (size_t i = 0; i < size; i++)
        out[i] = (uint8_t)byte;
    return dst;
}

KEEP_LOOPS int memcmp(const void *a, const void *b, size_t size)
{
    const uint8_t *left = a, *right = b;
    size_t i = 0;

    while (size - i >= 8 && *(const any_u64 *)(left + i) == *(const any_u64 *)(right + i))
        i += 8;
    for (; i < size; i++)
        if (left[i] != right[i])
            return left[i] - right[i];
    return 0;
}

KEEP_LOOPS size_t strlen(const char *text)
{
    size_t length = 0;
    while (text[length] != '\0')
        length++;
    return length;
}

KEEP_LOOPS size_t strnlen(const char *text, size_t limit)
{
    size_t length = 0;
    while (length < limit && text[length] != '\0')
        length++;
    return length;
}

KEEP_LOOPS int strncmp(const char *a, const char *b, size_t limit)
{
    for (size_t i = 0; i < limit; i++) {
        if (a[i] != b[i])
            return (uint8_t)a[i] - (uint8_t)b[i];
        if (a[i] == '\0')
            break;
    }
    return 0;
}

int strcmp(const char *a, const char *b) { return strncmp(a, b, SIZE_MAX); }
