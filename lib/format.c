#include "lib/format.h"

#include "lib/string.h"

enum size_modifier { SIZE_INT, SIZE_SHORT, SIZE_CHAR, SIZE_LONG };

struct spec {
    bool left, zero, alternate, plus, space;
    enum size_modifier size;
    int width;
    int precision; /* -1: none given */
};

struct output {
    char *buffer;
    size_t size;
    size_t length; /* of the whole text, whether it fitted or not */
};

/* A va_list inside a struct can be passed by pointer. */
struct arguments {
    va_list list;
};

static void put(struct output *out, char c)
{
    if (out->length < out->size)
        out->buffer[out->length] = c;
    out->length++;
}

static void put_many(struct output *out, char c, int count)
{
    for (; count > 0; count--)
        put(out, c);
}

static void put_text(struct output *out, const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++)
        put(out, text[i]);
}

/* A text in a field of the spec's width. */
static void put_field(struct output *out, const struct spec *spec, const char *text, size_t length)
{
    int padding = spec->width - (int)length;
    if (!spec->left)
        put_many(out, ' ', padding);
    put_text(out, text, length);
    if (spec->left)
        put_many(out, ' ', padding);
}

static void put_string(struct output *out, const struct spec *spec, const char *text)
{
    if (text == NULL)
        text = "(null)";
    size_t length = spec->precision < 0 ? strlen(text) : strnlen(text, (size_t)spec->precision);
    if (length > (size_t)spec->width)
        put_text(out, text, length);
    else
        put_field(out, spec, text, length);
}

/* Writes the digits so that they end before `end`, and returns where they begin. */
static char *make_digits(char *end, uint64_t value, unsigned base, bool upper)
{
    const char *digits = upper ? "0123456789ABCDEF" : "0123456789abcdef";
    for (; value != 0; value /= base)
        *--end = digits[value % base];
    return end;
}

/* Sign or 0x, then zeros up to the precision (or, with the 0 flag and without a precision, up to
 * the width), then the digits; blanks on one side fill the width. */
static void put_number(struct output *out, const struct spec *spec, const char *prefix,
                       uint64_t value, unsigned base, bool upper)
{
    char room[20];
    char *end = room + sizeof(room);
    char *digits = make_digits(end, value, base, upper);
    int length = (int)(end - digits);
    int prefix_length = (int)strlen(prefix);
    int wanted = spec->precision < 0 ? 1 : spec->precision;

    if (spec->zero && !spec->left && spec->precision < 0 && spec->width - prefix_length > wanted)
        wanted = spec->width - prefix_length;
    int zeros = wanted > length ? wanted - length : 0;
    int padding = spec->width - prefix_length - zeros - length;

    if (!spec->left)
        put_many(out, ' ', padding);
    put_text(out, prefix, (size_t)prefix_length);
    put_many(out, '0', zeros);
    put_text(out, digits, (size_t)length);
    if (spec->left)
        put_many(out, ' ', padding);
}

static uint64_t take_unsigned(const struct spec *spec, struct arguments *arguments)
{
    if (spec->size == SIZE_LONG)
        return va_arg(arguments->list, uint64_t);
    unsigned value = va_arg(arguments->list, unsigned);
    if (spec->size == SIZE_SHORT)
        return (uint16_t)value;
    return spec->size == SIZE_CHAR ? (uint8_t)value : value;
}

static int64_t take_signed(const struct spec *spec, struct arguments *arguments)
{
    uint64_t value = take_unsigned(spec, arguments);
    if (spec->size == SIZE_LONG)
        return (int64_t)value;
    if (spec->size == SIZE_SHORT)
        return (int16_t)value;
    return spec->size == SIZE_CHAR ? (int8_t)value : (int32_t)value;
}

static void put_signed(struct output *out, const struct spec *spec, int64_t value)
{
    const char *sign = value < 0 ? "-" : spec->plus ? "+" : spec->space ? " " : "";
    uint64_t magnitude = value < 0 ? -(uint64_t)value : (uint64_t)value;
    put_number(out, spec, sign, magnitude, 10, false);
}

/* `%ls` and the like mean arguments of other types. */
static bool takes_size(char conversion)
{
    return conversion != 's' && conversion != 'c' && conversion != 'p' && conversion != '%';
}

/* One conversion. False: not one of ours, nothing was written and its argument is not taken. */
static bool put_conversion(struct output *out, const struct spec *spec, char conversion,
                           struct arguments *arguments)
{
    uint64_t value;
    char c;

    if (spec->size != SIZE_INT && !takes_size(conversion))
        return false;
    switch (conversion) {
    case 'd':
    case 'i':
        put_signed(out, spec, take_signed(spec, arguments));
        return true;
    case 'u':
        put_number(out, spec, "", take_unsigned(spec, arguments), 10, false);
        return true;
    case 'x':
    case 'X':
        value = take_unsigned(spec, arguments);
        const char *prefix = !spec->alternate || value == 0 ? "" : conversion == 'X' ? "0X" : "0x";
        put_number(out, spec, prefix, value, 16, conversion == 'X');
        return true;
    case 'p':
        put_number(out, spec, "0x", (uintptr_t)va_arg(arguments->list, void *), 16, false);
        return true;
    case 's':
        put_string(out, spec, va_arg(arguments->list, const char *));
        return true;
    case 'c':
        c = (char)va_arg(arguments->list, int);
        put_field(out, spec, &c, 1);
        return true;
    case '%':
        put(out, '%');
        return true;
    default:
        return false;
    }
}

static const char *parse_flags(const char *fmt, struct spec *spec)
{
    for (;; fmt++) {
        if (*fmt == '-')
            spec->left = true;
        else if (*fmt == '0')
            spec->zero = true;
        else if (*fmt == '#')
            spec->alternate = true;
        else if (*fmt == '+')
            spec->plus = true;
        else if (*fmt == ' ')
            spec->space = true;
        else
            return fmt;
    }
}

static int clamp_field(int value) { return value > FORMAT_FIELD_MAX ? FORMAT_FIELD_MAX : value; }

/* A width or precision: digits (none count as 0) or `*`, whose argument may be negative. */
static const char *parse_number(const char *fmt, int *number, struct arguments *arguments)
{
    if (*fmt == '*') {
        *number = clamp_field(va_arg(arguments->list, int));
        return fmt + 1;
    }
    for (*number = 0; *fmt >= '0' && *fmt <= '9'; fmt++)
        *number = clamp_field(*number * 10 + (*fmt - '0'));
    return fmt;
}

static const char *parse_size(const char *fmt, struct spec *spec)
{
    if (*fmt == 'l' || *fmt == 'z') {
        spec->size = SIZE_LONG; /* long, long long and size_t are all 64 bits wide */
        return fmt[0] == 'l' && fmt[1] == 'l' ? fmt + 2 : fmt + 1;
    }
    if (*fmt == 'h') {
        spec->size = fmt[1] == 'h' ? SIZE_CHAR : SIZE_SHORT;
        return fmt[1] == 'h' ? fmt + 2 : fmt + 1;
    }
    return fmt;
}

/* From behind the % to the conversion letter. */
static const char *parse_spec(const char *fmt, struct spec *spec, struct arguments *arguments)
{
    *spec = (struct spec){.precision = -1};
    fmt = parse_flags(fmt, spec);
    fmt = parse_number(fmt, &spec->width, arguments);
    if (spec->width < 0) {
        spec->left = true;
        spec->width = clamp_field(spec->width == INT32_MIN ? INT32_MAX : -spec->width);
    }
    if (*fmt == '.')
        fmt = parse_number(fmt + 1, &spec->precision, arguments);
    return parse_size(fmt, spec);
}

size_t vformat(char *buffer, size_t size, const char *fmt, va_list list)
{
    struct output out = {buffer, size, 0};
    struct arguments arguments;
    struct spec spec;

    va_copy(arguments.list, list);
    while (*fmt != '\0') {
        if (*fmt != '%') {
            put(&out, *fmt++);
            continue;
        }
        const char *conversion = parse_spec(fmt + 1, &spec, &arguments);
        if (!put_conversion(&out, &spec, *conversion, &arguments)) {
            put_text(&out, fmt, strlen(fmt));
            break;
        }
        fmt = conversion + 1;
    }
    va_end(arguments.list);
    if (size != 0)
        buffer[out.length < size ? out.length : size - 1] = '\0';
    return out.length;
}

size_t format(char *buffer, size_t size, const char *fmt, ...)
{
    va_list list;
    va_start(list, fmt);
    size_t length = vformat(buffer, size, fmt, list);
    va_end(list);
    return length;
}
