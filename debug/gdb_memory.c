/* gdb's packets about memory, and about breakpoints. */
#include "base/bits.h"
#include "debug/breakpoints.h"
#include "debug/gdb_packets.h"
#include "debug/session.h"
#include "lib/string.h"

#define CHUNK_BYTES  512
#define TYPE_EXECUTE 0
#define TYPE_WRITE   1
#define TYPE_ACCESS  3

static enum gdb_space space;

void gdb_set_space(enum gdb_space one) { space = one; }

/* ---- which memory ---- */

static enum target_space enter_space(struct cpu *cpu)
{
    if (space == GDB_SPACE_PHYSICAL)
        return TARGET_PHYSICAL;
    if (space != GDB_SPACE_PRESENT) {
        uint64_t cr3 = target_word(cpu, TARGET_cr3);
        target_set_cr3(space == GDB_SPACE_USER ? cr3 | TARGET_CR3_PTI_USER
                                               : cr3 & ~TARGET_CR3_PTI_USER);
    }
    return TARGET_LINEAR;
}

static void leave_space(void) { target_set_cr3(0); }

/* ---- memory ---- */

static bool take_pair(struct rsp_reader *packet, uint64_t *first, uint64_t *second)
{
    return rsp_take_number(packet, first) && rsp_take(packet, ',') &&
           rsp_take_number(packet, second);
}

/* As many bytes as there are, and as fit. */
void gdb_read_memory(struct rsp_reader *packet, struct rsp_reply *reply)
{
    uint8_t bytes[CHUNK_BYTES];
    uint64_t address, length;
    if (!take_pair(packet, &address, &length)) {
        gdb_reply_malformed(reply);
        return;
    }
    enum target_space where = enter_space(gdb_cpu());
    length = min_u64(length, GDB_PACKET_BYTES / 2);
    while (length) {
        size_t step = min_u64(length, sizeof(bytes));
        size_t done = breakpoint_read(gdb_cpu(), where, address, bytes, step);
        rsp_reply_hex(reply, bytes, done);
        if (done != step)
            break;
        address += done;
        length -= done;
    }
    leave_space();
    if (length && !reply->length)
        gdb_reply_fault(reply);
}

static bool write_chunk(uint64_t *address, const void *bytes, size_t count)
{
    size_t done = breakpoint_write(gdb_cpu(), enter_space(gdb_cpu()), *address, bytes, count);
    leave_space();
    *address += done;
    return done == count;
}

/* The packet's bytes by `take`, which stops at the first that is none. */
static void write_memory(struct rsp_reader *packet, struct rsp_reply *reply,
                         size_t (*take)(struct rsp_reader *packet, void *to, size_t most))
{
    uint8_t bytes[CHUNK_BYTES];
    uint64_t address, length;
    if (!take_pair(packet, &address, &length) || !rsp_take(packet, ':')) {
        gdb_reply_malformed(reply);
        return;
    }
    while (length) {
        size_t step = min_u64(length, sizeof(bytes));
        if (take(packet, bytes, step) != step) {
            gdb_reply_malformed(reply);
            return;
        }
        if (!write_chunk(&address, bytes, step)) {
            gdb_reply_fault(reply);
            return;
        }
        length -= step;
    }
    gdb_reply_ok(reply);
}

static size_t take_binary(struct rsp_reader *packet, void *to, size_t most)
{
    size_t count = min_u64(rsp_left(packet), most);
    memcpy(to, packet->at, count);
    packet->at += count;
    return count;
}

void gdb_write_memory(struct rsp_reader *packet, struct rsp_reply *reply)
{
    write_memory(packet, reply, rsp_take_hex);
}

void gdb_write_binary(struct rsp_reader *packet, struct rsp_reply *reply)
{
    write_memory(packet, reply, take_binary);
}

/* ---- breakpoints ---- */

/* A kernel's function is not in the tables of a program that was stopped under Linux's page-table
 * isolation: then it is looked for in the kernel's. */
static enum error set_breakpoint(uint64_t linear)
{
    struct cpu *cpu = gdb_cpu();
    if (enter_space(cpu) == TARGET_LINEAR && breakpoint_set(cpu, linear) == ERROR_NONE)
        return ERROR_NONE;
    target_set_cr3(target_word(cpu, TARGET_cr3) & ~TARGET_CR3_PTI_USER);
    return breakpoint_set(cpu, linear);
}

struct point {
    uint8_t kind; /* the digit of Z */
    uint64_t linear, bytes;
};

static bool take_point(struct rsp_reader *packet, struct point *point)
{
    point->kind = rsp_left(packet) ? (uint8_t)*packet->at++ : 0;
    return point->kind >= '0' && point->kind <= '4' && rsp_take(packet, ',') &&
           take_pair(packet, &point->linear, &point->bytes);
}

void gdb_insert_point(struct rsp_reader *packet, struct rsp_reply *reply)
{
    static const uint8_t types[] = {TYPE_EXECUTE, TYPE_EXECUTE, TYPE_WRITE, TYPE_ACCESS,
                                    TYPE_ACCESS};
    struct point point;
    enum error error = ERROR_MALFORMED;
    if (!take_point(packet, &point)) {
        gdb_reply_malformed(reply);
        return;
    }
    if (point.kind == '0') {
        error = set_breakpoint(point.linear);
        leave_space();
    } else {
        uint64_t bytes = point.kind == '1' ? 1 : point.bytes;
        error = watch_set(point.linear, bytes, types[point.kind - '0'], point.kind);
    }
    gdb_reply_outcome(reply, error);
}

void gdb_remove_point(struct rsp_reader *packet, struct rsp_reply *reply)
{
    struct point point;
    if (!take_point(packet, &point))
        gdb_reply_malformed(reply);
    else if (point.kind == '0')
        gdb_reply_outcome(reply, breakpoint_clear(gdb_cpu(), point.linear));
    else
        gdb_reply_outcome(
            reply, watch_clear(point.linear, point.kind == '1' ? 1 : point.bytes, point.kind));
}
