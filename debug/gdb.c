#include "debug/gdb.h"

#include "base/bits.h"
#include "debug/breakpoints.h"
#include "debug/gdb_packets.h"
#include "debug/gdb_registers.h"
#include "debug/monitor.h"
#include "debug/port.h"
#include "debug/session.h"
#include "kernel/time.h"
#include "lib/format.h"
#include "lib/string.h"

#define SEND_BYTES    64
#define COMMAND_BYTES 256
#define CONSOLE_BYTES 1024 /* digits of a monitor command's output in one packet */
#define REASON_BYTES  32
#define REPEAT_US     1000000
#define ENTERS        3 /* give the port back */

static char received[GDB_PACKET_BYTES + 1], answer[GDB_PACKET_BYTES + 64];
static struct rsp_receiver receiver = {.buffer = received, .size = sizeof(received)};
static struct rsp_reply reply = {.buffer = answer, .size = sizeof(answer)};
static uint64_t first_us; /* when a first packet was answered, if none has followed; or 0 */
static bool no_ack, awaits_stop, answered, port_is_wanted, packet_waits;
static unsigned enters;

/* ---- what is sent ---- */

static char out[SEND_BYTES];
static size_t out_count;

static void flush(void)
{
    port_write_raw(out, out_count);
    out_count = 0;
}

static void put(void *context, uint8_t byte)
{
    (void)context;
    out[out_count++] = (char)byte;
    if (out_count == sizeof(out))
        flush();
}

static void put_alone(char byte)
{
    put(NULL, (uint8_t)byte);
    flush();
}

static void send(void)
{
    rsp_send(&reply, put, NULL);
    flush();
}

static void begin(void)
{
    reply.length = 0;
    reply.cut = false;
}

void gdb_reply_error(struct rsp_reply *to, const char *text)
{
    to->length = 0;
    rsp_reply_text(to, "E.");
    rsp_reply_text(to, text);
}

static void reply_only(struct rsp_reply *to, const char *text)
{
    to->length = 0;
    rsp_reply_text(to, text);
}

void gdb_reply_malformed(struct rsp_reply *to) { reply_only(to, "E01"); }
void gdb_reply_fault(struct rsp_reply *to) { reply_only(to, "E14"); } /* EFAULT */
void gdb_reply_ok(struct rsp_reply *to) { reply_only(to, "OK"); }

void gdb_reply_outcome(struct rsp_reply *to, enum error error)
{
    switch (error) {
    case ERROR_NONE:
        gdb_reply_ok(to);
        break;
    case ERROR_UNSUPPORTED:
        gdb_reply_error(to, "it cannot be written here");
        break;
    case ERROR_RANGE:
        gdb_reply_error(to, "it cannot have this value");
        break;
    case ERROR_NO_SPACE:
        gdb_reply_error(to, "there is no room for another one");
        break;
    case ERROR_FAULT:
        gdb_reply_fault(to);
        break;
    default:
        gdb_reply_malformed(to);
    }
}

void gdb_await_stop(void) { awaits_stop = true; }

void gdb_forget(void)
{
    awaits_stop = false;
    breakpoints_clear(gdb_cpu());
    gdb_set_space(GDB_SPACE_PRESENT);
}

/* ---- documents ---- */

bool gdb_part_begin(struct rsp_reader *packet, struct rsp_reply *to, struct rsp_part *part)
{
    *part = (struct rsp_part){.reply = to};
    if (!rsp_take_number(packet, &part->skip) || !rsp_take(packet, ',') ||
        !rsp_take_number(packet, &part->room)) {
        gdb_reply_malformed(to);
        return false;
    }
    part->room = min_u64(part->room, GDB_PACKET_BYTES / 2);
    rsp_reply_byte(to, 'l');
    return true;
}

void gdb_part_end(struct rsp_part *part)
{
    if (part->more)
        part->reply->buffer[0] = 'm';
}

static void read_description(struct rsp_reader *packet, struct rsp_reply *to)
{
    struct rsp_part part;
    if (!gdb_part_begin(packet, to, &part))
        return;
    gdb_describe(&part);
    gdb_part_end(&part);
}

/* ---- registers ---- */

static void read_registers(struct rsp_reader *packet, struct rsp_reply *to)
{
    (void)packet;
    gdb_reply_registers(gdb_cpu(), to);
}

static void write_registers(struct rsp_reader *packet, struct rsp_reply *to)
{
    gdb_reply_outcome(to, gdb_take_registers(gdb_cpu(), packet));
}

static void read_register(struct rsp_reader *packet, struct rsp_reply *to)
{
    uint64_t number;
    if (!rsp_take_number(packet, &number) || !gdb_reply_register(gdb_cpu(), number, to))
        gdb_reply_malformed(to);
}

static void write_register(struct rsp_reader *packet, struct rsp_reply *to)
{
    uint64_t number;
    if (!rsp_take_number(packet, &number) || !rsp_take(packet, '='))
        gdb_reply_malformed(to);
    else
        gdb_reply_outcome(to, gdb_take_register(gdb_cpu(), number, packet));
}

/* ---- the connection ---- */

/* The first packet of every gdb. What an earlier one has left behind goes. */
static void supported(struct rsp_reader *packet, struct rsp_reply *to)
{
    (void)packet;
    gdb_forget();
    gdb_set_cpu(session_stopped()->cpu);
    rsp_reply_text(to, "PacketSize=");
    rsp_reply_number(to, GDB_PACKET_BYTES);
    rsp_reply_text(to, ";QStartNoAckMode+;qXfer:features:read+;qXfer:threads:read+;swbreak+;"
                       "hwbreak+;vContSupported+");
}

static void start_no_ack(struct rsp_reader *packet, struct rsp_reply *to)
{
    (void)packet;
    no_ack = true;
    gdb_reply_ok(to);
}

static void is_attached(struct rsp_reader *packet, struct rsp_reply *to)
{
    (void)packet;
    rsp_reply_byte(to, '1'); /* gdb detaches where it ends, and does not kill */
}

static void extend(struct rsp_reader *packet, struct rsp_reply *to)
{
    (void)packet;
    gdb_reply_ok(to);
}

/* ---- monitor commands ---- */

static void send_console(void)
{
    if (reply.length > 1)
        send();
    begin();
    rsp_reply_byte(&reply, 'O');
}

static void say_to_console(const char *text, size_t length)
{
    rsp_reply_hex(&reply, text, length);
    if (reply.length >= CONSOLE_BYTES)
        send_console();
}

static void run_command(struct rsp_reader *packet, struct rsp_reply *to)
{
    char command[COMMAND_BYTES];
    size_t length = rsp_take_hex(packet, command, sizeof(command) - 1);
    if (rsp_left(packet)) {
        gdb_reply_error(to, "the command is too long");
        return;
    }
    command[length] = 0;
    monitor_set_cpu(gdb_cpu());
    rsp_reply_byte(to, 'O');
    monitor_run(command, say_to_console);
    send_console();
    gdb_reply_ok(to);
}

/* ---- packets ---- */

static const struct {
    const char *name;
    gdb_packet *handle;
} packets[] = {
    {"?", gdb_stop_reply},
    {"!", extend},
    {"g", read_registers},
    {"G", write_registers},
    {"p", read_register},
    {"P", write_register},
    {"m", gdb_read_memory},
    {"M", gdb_write_memory},
    {"X", gdb_write_binary},
    {"Z", gdb_insert_point},
    {"z", gdb_remove_point},
    {"H", gdb_set_thread},
    {"T", gdb_thread_alive},
    {"c", gdb_continue},
    {"s", gdb_step},
    {"D", gdb_detach},
    {"k", gdb_detach},
    {"vKill", gdb_detach},
    {"vCont?", gdb_resume_kinds},
    {"vCont", gdb_resume},
    {"qSupported", supported},
    {"QStartNoAckMode", start_no_ack},
    {"qAttached", is_attached},
    {"qC", gdb_current_thread},
    {"qfThreadInfo", gdb_threads},
    {"qsThreadInfo", gdb_threads_end},
    {"qThreadExtraInfo,", gdb_thread_info},
    {"qXfer:features:read:target.xml:", read_description},
    {"qXfer:threads:read::", gdb_thread_list},
    {"qRcmd,", run_command},
};

/* True: the reply is for gdb. */
static bool handle(struct rsp_reader packet)
{
    begin();
    for (size_t i = 0; i < ARRAY_SIZE(packets); i++) {
        if (!rsp_take_text(&packet, packets[i].name))
            continue;
        packets[i].handle(&packet, &reply);
        break;
    }
    if (reply.cut)
        gdb_reply_error(&reply, "the answer is too long");
    return !awaits_stop || reply.length;
}

static bool is_first(void) { return string_starts_with(received, "qSupported"); }

/* A gdb that has waited while the machine booted has said its first packet more than once. What is
 * heard of that behind the answer is not answered: gdb would take it for the next one's. One that
 * is said anew later is a new gdb's. */
static bool is_repeated(void)
{
    uint64_t now = time_us() + 1;
    bool repeated = is_first() && first_us && now - first_us < REPEAT_US;
    first_us = !is_first() ? 0 : repeated ? first_us : now;
    return repeated;
}

/* A new gdb begins with acknowledgements, whatever the one before it had agreed on. */
static void take_packet(void)
{
    enters = 0;
    packet_waits = false;
    if (is_repeated())
        return;
    no_ack = no_ack && !is_first();
    if (!no_ack)
        put_alone('+');
    answered = handle((struct rsp_reader){received, received + receiver.length});
    if (answered)
        send();
}

static void take_bad(const char *text)
{
    if (!no_ack) {
        put_alone('-');
        return;
    }
    begin();
    gdb_reply_error(&reply, text);
    send();
}

static void take_long(void)
{
    if (!no_ack)
        put_alone('+');
    begin();
    gdb_reply_error(&reply, "the packet is too long");
    send();
}

static void give_port_back(void)
{
    port_is_wanted = false;
    gdb_forget();
    session_talk_gdb(false);
}

/* True: somebody at a terminal wants the port. */
static bool count_enters(int byte)
{
    enters = byte == '\r' || byte == '\n' ? enters + 1 : 0;
    if (enters < ENTERS)
        return false;
    enters = 0;
    return true;
}

static void feed_stopped(int byte)
{
    packet_waits &= byte != '$';
    switch (rsp_receive(&receiver, (uint8_t)byte)) {
    case RSP_PACKET:
        packet_waits = true;
        if (no_ack && !is_first())
            take_packet();
        break;
    case RSP_BAD:
        take_bad("the packet has come damaged");
        break;
    case RSP_LONG:
        take_long();
        break;
    case RSP_NAK:
        if (!no_ack && answered)
            send();
        break;
    case RSP_STRAY:
        if (count_enters(byte))
            give_port_back();
        break;
    default:
        break;
    }
}

/* While the guest runs, gdb sends nothing but the byte that stops it; a packet is from a gdb that
 * has come anew. The port goes to the monitor in a session alone, where breakpoints can be taken
 * away. */
static bool feed_running(int byte)
{
    switch (rsp_receive(&receiver, (uint8_t)byte)) {
    case RSP_INTERRUPT:
        return true;
    case RSP_STRAY:
        port_is_wanted = count_enters(byte);
        return port_is_wanted;
    default:
        awaits_stop &= byte != '$';
        return byte == '$';
    }
}

bool gdb_feed(int byte)
{
    if (byte == UART_BREAK)
        return true;
    if (!session_is_stopped())
        return feed_running(byte);
    feed_stopped(byte);
    return false;
}

/* A gdb that comes before us, while the machine still boots, says its first packet again and again,
 * and all of it may be heard at once. One that another follows is not answered. */
void gdb_quiet(void)
{
    if (packet_waits)
        take_packet();
}

/* ---- stops ---- */

static void tell(const char *text, size_t length)
{
    begin();
    rsp_reply_byte(&reply, 'O');
    rsp_reply_hex(&reply, text, length);
    send();
}

void gdb_end(const char *text, size_t length)
{
    if (!awaits_stop)
        return;
    tell(text, length);
    begin();
    rsp_reply_text(&reply, "X09"); /* killed */
    send();
}

/* What no stop reply can say. */
static void tell_reason(void)
{
    const struct session_stop *stop = session_stopped();
    if (stop->why == DEBUG_KEY || stop->why == DEBUG_STEP || stop->why == DEBUG_INT3 ||
        (stop->why == DEBUG_WATCH && watch_kind(stop->detail)))
        return;
    char line[REASON_BYTES];
    tell(line, format(line, sizeof(line), "%s\n", session_reason(stop->why)));
}

void gdb_stopped(void)
{
    gdb_set_cpu(session_stopped()->cpu);
    if (port_is_wanted)
        give_port_back();
    if (!awaits_stop)
        return;
    awaits_stop = false;
    tell_reason();
    begin();
    gdb_stop_reply(NULL, &reply);
    answered = true;
    send();
}
