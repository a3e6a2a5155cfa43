#include "debug/line.h"

#include "lib/format.h"
#include "lib/string.h"

#define CTRL(letter) ((letter)&0x1F)
#define SLOTS        (LINE_HISTORY + 1)

enum escape { NONE, BEGUN, ONE_MORE, PARAMETER, PARAMETERS };

static void put_text(const struct line_sink *sink, const char *text)
{
    sink->put(text, strlen(text));
}

static void bell(const struct line_sink *sink) { put_text(sink, "\a"); }

static void move_to(struct line *line, unsigned int to, const struct line_sink *sink)
{
    bool forth = to > line->at;
    unsigned int from = line->at, count = forth ? to - from : from - to;
    char move[8];
    line->at = (uint16_t)to;
    if (count <= 4)
        sink->put(forth ? line->text + from : "\b\b\b\b", count);
    else
        sink->put(move, format(move, sizeof(move), "\033[%u%c", count, forth ? 'C' : 'D'));
}

/* Puts `count` characters in the place of [from, to), and the cursor behind them: every change of
 * the text is one of these. */
static void replace(struct line *line, unsigned int from, unsigned int to, const char *text,
                    unsigned int count, const struct line_sink *sink)
{
    unsigned int old = line->length, tail = old - to;
    if (from + count + tail >= LINE_BYTES) {
        bell(sink);
        return;
    }
    for (; from < to && count && line->text[from] == *text; from++, text++)
        count--;
    move_to(line, from, sink);
    memmove(line->text + from + count, line->text + to, tail + 1);
    memcpy(line->text + from, text, count);
    line->length = (uint16_t)(from + count + tail);
    line->at = count == to - from ? (uint16_t)(from + count) : line->length;
    sink->put(line->text + from, line->at - from);
    if (line->length < old)
        put_text(sink, "\033[K");
    move_to(line, from + count, sink);
}

static void insert(struct line *line, const char *text, unsigned int count,
                   const struct line_sink *sink)
{
    replace(line, line->at, line->at, text, count, sink);
}

/* Shows the line of so many lines ago; 0 is the one that was being written. */
static void recall(struct line *line, unsigned int back, const struct line_sink *sink)
{
    if (back > line->kept) {
        bell(sink);
        return;
    }
    if (line->back == 0)
        memcpy(line->history[line->next], line->text, LINE_BYTES);
    line->back = (uint8_t)back;
    const char *text = line->history[(line->next + SLOTS - back) % SLOTS];
    replace(line, 0, line->length, text, (unsigned int)strlen(text), sink);
}

static void remember(struct line *line)
{
    const char *newest = line->history[(line->next + SLOTS - 1) % SLOTS];
    if (line->length == 0 || (line->kept && strcmp(newest, line->text) == 0))
        return;
    memcpy(line->history[line->next], line->text, LINE_BYTES);
    line->next = (line->next + 1) % SLOTS;
    if (line->kept < LINE_HISTORY)
        line->kept++;
}

void line_show(struct line *line, const struct line_sink *sink)
{
    unsigned int at = line->at;
    put_text(sink, "\r\033[K");
    put_text(sink, line->prompt);
    sink->put(line->text, line->length);
    line->at = line->length;
    move_to(line, at, sink);
}

static unsigned int word_start(const struct line *line)
{
    unsigned int start = line->at;
    while (start && line->text[start - 1] != ' ')
        start--;
    return start;
}

static void list(struct line *line, unsigned int word, size_t written, size_t start,
                 const struct line_sink *sink)
{
    const char *name;
    for (unsigned int i = 0; (name = sink->candidate(line->text, start, i)); i++)
        if (strncmp(name, line->text + word, written) == 0) {
            put_text(sink, "\r\n");
            put_text(sink, name);
        }
    put_text(sink, "\r\n");
    line_show(line, sink);
}

/* As far as all candidates agree; they are listed where that is no further than it was. */
static void complete(struct line *line, const struct line_sink *sink)
{
    unsigned int word = word_start(line), first = 0, matches = 0;
    size_t written = line->at - word, common = 0;
    const char *name, *match = NULL;
    while (line->text[first] == ' ')
        first++;
    size_t start = first < word ? word : 0;
    for (unsigned int i = 0; sink->candidate && (name = sink->candidate(line->text, start, i));
         i++) {
        if (strncmp(name, line->text + word, written) != 0)
            continue;
        if (matches++ == 0) {
            match = name;
            common = strlen(name);
        }
        for (size_t k = written; k < common; k++)
            if (name[k] != match[k])
                common = k;
    }
    if (matches == 0) {
        bell(sink);
        return;
    }
    if (matches > 1 && common == written)
        list(line, word, written, start, sink);
    insert(line, match + written, (unsigned int)(common - written), sink);
    if (matches == 1)
        insert(line, " ", 1, sink);
}

static void delete_word(struct line *line, const struct line_sink *sink)
{
    unsigned int to = line->at, from = to;
    while (from && line->text[from - 1] == ' ')
        from--;
    while (from && line->text[from - 1] != ' ')
        from--;
    replace(line, from, to, "", 0, sink);
}

static void swap(struct line *line, const struct line_sink *sink)
{
    unsigned int second = line->at == line->length ? line->at - 1u : line->at;
    if (line->length < 2 || line->at == 0) {
        bell(sink);
        return;
    }
    char swapped[2] = {line->text[second], line->text[second - 1]};
    replace(line, second - 1, second + 1, swapped, 2, sink);
}

/* The key that a byte of an escape sequence ends, as its control character; 0 for none. */
static uint8_t escape_key(struct line *line, uint8_t byte)
{
    static const char finals[] = "ABCDHF";
    static const uint8_t keys[] = {CTRL('P'), CTRL('N'), CTRL('F'),
                                   CTRL('B'), CTRL('A'), CTRL('E')};
    static const uint8_t numbered[] = {0, CTRL('A'), 0,         CTRL('D'), CTRL('E'),
                                       0, 0,         CTRL('A'), CTRL('E')};
    uint8_t escape = line->escape;
    if (escape == BEGUN) {
        line->escape = byte == '[' ? PARAMETER : byte == 'O' ? ONE_MORE : NONE;
        line->parameter = 0;
        return 0;
    }
    if (escape >= PARAMETER && byte < '@') {
        if (byte < '0' || byte > '9' || line->parameter >= 10)
            line->escape = PARAMETERS;
        else if (escape == PARAMETER)
            line->parameter = (uint8_t)(line->parameter * 10 + byte - '0');
        return 0;
    }
    line->escape = NONE;
    /* The console of Linux sends ESC [ [ and a letter for its function keys. */
    if (escape == PARAMETER && byte == '[')
        line->escape = BEGUN;
    if (byte == '~')
        return line->parameter < sizeof(numbered) ? numbered[line->parameter] : 0;
    for (unsigned int i = 0; i < sizeof(keys); i++)
        if (finals[i] == (char)byte)
            return keys[i];
    return 0;
}

static void edit(struct line *line, uint8_t key, const struct line_sink *sink)
{
    unsigned int at = line->at, length = line->length;
    switch (key) {
    case CTRL('A'):
        move_to(line, 0, sink);
        break;
    case CTRL('E'):
        move_to(line, length, sink);
        break;
    case CTRL('B'):
        move_to(line, at - (at > 0), sink);
        break;
    case CTRL('F'):
        move_to(line, at + (at < length), sink);
        break;
    case '\b':
    case 0x7F:
        replace(line, at - (at > 0), at, "", 0, sink);
        break;
    case CTRL('D'):
        replace(line, at, at + (at < length), "", 0, sink);
        break;
    case CTRL('K'):
        replace(line, at, length, "", 0, sink);
        break;
    case CTRL('U'):
        replace(line, 0, at, "", 0, sink);
        break;
    case CTRL('W'):
        delete_word(line, sink);
        break;
    case CTRL('T'):
        swap(line, sink);
        break;
    case CTRL('P'):
        recall(line, line->back + 1u, sink);
        break;
    case CTRL('N'):
        recall(line, line->back ? line->back - 1u : SLOTS, sink);
        break;
    case CTRL('L'):
        put_text(sink, "\033[H\033[2J");
        line_show(line, sink);
        break;
    case '\t':
        complete(line, sink);
        break;
    default:
        break;
    }
}

enum line_result line_feed(struct line *line, uint8_t byte, const struct line_sink *sink)
{
    bool was_return = line->was_return;
    line->was_return = byte == '\r';
    if (byte == '\033') {
        line->escape = BEGUN;
        return LINE_MORE;
    }
    if (byte < ' ')
        line->escape = NONE;
    if (line->escape != NONE) {
        edit(line, escape_key(line, byte), sink);
        return LINE_MORE;
    }
    if (byte == '\n' && was_return)
        return LINE_MORE;
    if (byte == '\r' || byte == '\n') {
        remember(line);
        put_text(sink, "\r\n");
        return LINE_DONE;
    }
    if (byte == CTRL('C')) {
        put_text(sink, "^C\r\n");
        return LINE_CANCEL;
    }
    if (line->length == 0 && byte == '$')
        return LINE_PACKET;
    if (line->length == 0 && (byte == '+' || byte == '-'))
        return LINE_MORE;
    if (byte >= ' ' && byte < 0x7F)
        insert(line, (const char *)&byte, 1, sink);
    else
        edit(line, byte, sink);
    return LINE_MORE;
}

void line_begin(struct line *line, const char *prompt, const struct line_sink *sink)
{
    line->text[0] = '\0';
    line->length = line->at = 0;
    line->back = line->escape = 0;
    line->prompt = prompt;
    put_text(sink, prompt);
}
