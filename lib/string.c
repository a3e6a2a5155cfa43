#include "lib/string.h"

bool string_copy(char *dst, size_t size, const char *src)
{
    if (size == 0)
        return true;
    size_t length = strnlen(src, size);
    bool truncated = length == size;
    if (truncated)
        length--;
    memcpy(dst, src, length);
    dst[length] = '\0';
    return truncated;
}

bool string_starts_with(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

/* The value of a digit in any base up to 16; 255 for what is none. */
static unsigned digit_value(char c)
{
    if (c >= '0' && c <= '9')
        return (unsigned)(c - '0');
    char lower = (char)(c | 0x20);
    if (lower >= 'a' && lower <= 'f')
        return (unsigned)(lower - 'a') + 10;
    return 255;
}

bool string_parse_u64(const char *text, size_t length, uint64_t *value)
{
    unsigned base = 10;
    uint64_t sum = 0;

    if (length > 2 && text[0] == '0' && (text[1] | 0x20) == 'x') {
        base = 16;
        text += 2;
        length -= 2;
    }
    for (size_t i = 0; i < length; i++) {
        unsigned digit = digit_value(text[i]);
        if (digit >= base || __builtin_mul_overflow(sum, base, &sum) ||
            __builtin_add_overflow(sum, digit, &sum))
            return false;
    }
    if (length == 0)
        return false;
    *value = sum;
    return true;
}

const char *string_numbered(const uint8_t *numbers, size_t count, const char *texts,
                            uint64_t number)
{
    for (size_t i = 0; i < count; i++, texts += strlen(texts) + 1)
        if (numbers[i] == number)
            return texts;
    return NULL;
}
