/* Between the files of gdb's packets: each handles some, which debug/gdb.c names in a table. */
#pragma once

#include "debug/rsp.h"
#include "debug/target.h"

#define GDB_PACKET_BYTES 0x4000

/* What follows the packet's name, and where the answer goes; an empty one is "unknown". */
typedef void gdb_packet(struct rsp_reader *packet, struct rsp_reply *reply);

gdb_packet gdb_read_memory, gdb_write_memory, gdb_write_binary; /* debug/gdb_memory.c */
gdb_packet gdb_insert_point, gdb_remove_point;
gdb_packet gdb_continue, gdb_step, gdb_resume, gdb_resume_kinds, gdb_detach; /* gdb_run.c */
gdb_packet gdb_set_thread, gdb_thread_alive, gdb_threads, gdb_threads_end, gdb_thread_info;
gdb_packet gdb_current_thread, gdb_thread_list, gdb_stop_reply; /* debug/gdb_threads.c */

/* Instead of what the reply holds: a text for gdb's user, where gdb shows it. */
void gdb_reply_error(struct rsp_reply *reply, const char *text);

/* Two digits: the packet is malformed; the address leads nowhere. */
void gdb_reply_malformed(struct rsp_reply *reply);
void gdb_reply_fault(struct rsp_reply *reply);
void gdb_reply_ok(struct rsp_reply *reply);

/* OK, or what is wrong. */
void gdb_reply_outcome(struct rsp_reply *reply, enum error error);

/* OK or an error was the whole answer; a stop reply follows once the guest has stopped again. */
void gdb_await_stop(void);

/* gdb leaves, or the port is taken from it. */
void gdb_forget(void);

/* The part of a document that a packet asks for, `OFFSET,LENGTH`. False: malformed, and said so. */
MUST_CHECK bool gdb_part_begin(struct rsp_reader *packet, struct rsp_reply *reply,
                               struct rsp_part *part);
void gdb_part_end(struct rsp_part *part);

/* ---- threads: the number of a CPU, and 1 ---- */

#define GDB_ALL_THREADS (~0ull) /* -1 */

MUST_CHECK bool gdb_take_thread(struct rsp_reader *packet, uint64_t *thread);

/* NULL: there is none of that number. */
struct cpu *gdb_thread_cpu(uint64_t thread);

/* The CPU that packets are about, as H says; the one that has stopped, at first. */
struct cpu *gdb_cpu(void);
void gdb_set_cpu(struct cpu *cpu);

/* ---- memory: which one the packets mean ---- */

enum gdb_space {
    GDB_SPACE_PRESENT,  /* the CPU's present page tables */
    GDB_SPACE_KERNEL,   /* of the two sets of Linux's page-table isolation the kernel's, ... */
    GDB_SPACE_USER,     /* ... the other one */
    GDB_SPACE_PHYSICAL, /* guest-physical */
};
void gdb_set_space(enum gdb_space space);
