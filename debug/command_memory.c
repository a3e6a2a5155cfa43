/* Memory: the guest's by linear or physical address, and Orlop's own. */
#include "base/bits.h"
#include "debug/commands.h"
#include "lib/string.h"

#define U(x)         ((unsigned long long)(x))
#define ROW_BYTES    16
#define MOST         65536 /* elements */
#define STRING_BYTES 256
#define USUAL_BYTES  64

bool address_argument(struct arguments *arguments, unsigned index, enum target_space *space,
                      uint64_t *address)
{
    static const char *const prefixes[] = {
        [TARGET_LINEAR] = "", [TARGET_PHYSICAL] = "phys:", [TARGET_HOST] = "host:"};
    bool good = arguments_number(arguments, index, "an address", address);
    for (unsigned i = TARGET_PHYSICAL; i <= TARGET_HOST && index < arguments->count; i++) {
        if (!string_starts_with(arguments->words[index], prefixes[i]))
            continue;
        good = arguments_sum(arguments, arguments->words[index] + strlen(prefixes[i]), address);
        *space = (enum target_space)i;
        break;
    }
    if (!good)
        monitor_complain(arguments);
    return good;
}

/* What is to be shown. */
struct view {
    enum target_space space;
    uint64_t address, count; /* elements */
    unsigned bytes;          /* of one; 0: strings */
};

static void say_unreadable(const struct view *view, uint64_t address)
{
    static const char *const reasons[] = {
        [TARGET_LINEAR] = "not mapped, a device (x phys:... reads it), or Orlop's own",
        [TARGET_PHYSICAL] = "no such address, or Orlop's own (x host:... reads that)",
        [TARGET_HOST] = "not mapped",
    };
    say("%016llx: cannot be read: %s\n", U(address), reasons[view->space]);
}

/* A device may want its registers read one by one, in their own width. */
static size_t read_row(const struct view *view, uint64_t address, uint8_t *row, size_t bytes)
{
    size_t done = 0, step = view->space == TARGET_PHYSICAL ? view->bytes : bytes;
    while (done < bytes &&
           target_read(monitor_cpu(), view->space, address + done, row + done, step) == step)
        done += step;
    if (done < bytes && view->space != TARGET_PHYSICAL)
        done = target_read(monitor_cpu(), view->space, address, row, bytes);
    return done - done % view->bytes;
}

static void say_row(const struct view *view, uint64_t address, const uint8_t *row, size_t bytes)
{
    say("%016llx:", U(address));
    for (size_t at = 0; at < bytes; at += view->bytes) {
        uint64_t value = 0;
        memcpy(&value, row + at, view->bytes);
        say(" %0*llx", (int)view->bytes * 2, U(value));
    }
    if (view->bytes == 1) {
        say("%*s|", (int)(ROW_BYTES - bytes) * 3 + 2, "");
        for (size_t at = 0; at < bytes; at++)
            say("%c", row[at] >= ' ' && row[at] < 0x7F ? row[at] : '.');
        say("|");
    }
    say("\n");
}

static void say_numbers(const struct view *view)
{
    uint64_t left = view->count * view->bytes, address = view->address;
    while (left) {
        uint8_t row[ROW_BYTES];
        size_t step = min_u64(left, ROW_BYTES), got = read_row(view, address, row, step);
        if (got)
            say_row(view, address, row, got);
        if (got < step) {
            say_unreadable(view, address + got);
            return;
        }
        address += step;
        left -= step;
    }
}

static void say_strings(const struct view *view)
{
    uint64_t address = view->address;
    for (uint64_t i = 0; i < view->count; i++) {
        char text[STRING_BYTES + 1];
        size_t got = target_read(monitor_cpu(), view->space, address, text, STRING_BYTES);
        size_t length = strnlen(text, got);
        if (!got) {
            say_unreadable(view, address);
            return;
        }
        say("%016llx: \"", U(address));
        for (size_t at = 0; at < length; at++)
            say("%c", text[at] >= ' ' && text[at] < 0x7F ? text[at] : '.');
        say("\"%s\n", length == got ? "..." : "");
        address += length + (length < got);
    }
}

static void examine(struct arguments *arguments)
{
    static const char letters[] = "bwdqs";
    struct view view = {.space = TARGET_LINEAR};
    char letter = 'q';
    if (!address_argument(arguments, 0, &view.space, &view.address))
        return;
    if (!arguments_suffix(arguments, letters, MOST, &view.count, &letter)) {
        monitor_complain(arguments);
        return;
    }
    for (unsigned place = 0; letters[place] != 's'; place++)
        if (letters[place] == letter)
            view.bytes = 1u << place;
    if (!view.count)
        view.count = view.bytes ? USUAL_BYTES / view.bytes : 1;
    if (view.bytes)
        say_numbers(&view);
    else
        say_strings(&view);
}

const struct command command_x = {
    "x",
    "x[/[COUNT][bwdqs]] ADDR",
    "memory in units of 1 to 8 bytes, or strings; phys:ADDR, host:ADDR",
    examine,
    false,
};
