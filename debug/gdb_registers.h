/* The registers as gdb gets them: by the numbers of debug/target.h, in a description of the target
 * (GDB manual, appendix G "Target Descriptions") that is made from its table.
 *
 * gdb 13 takes no code of 16 or 32 bits apart where the description has 64-bit registers, and
 * refuses `set architecture i8086` beside it. So there are two descriptions, and gdb's user says
 * which one is told (docs/gdb.md): the other names eax and its like, and lacks what only
 * 64-bit mode has. */
#pragma once

#include "debug/rsp.h"
#include "debug/target.h"

enum gdb_architecture { GDB_X86_64, GDB_I386, GDB_I8086 };

/* What is told from now on. gdb asks once, when it connects. */
void gdb_set_architecture(enum gdb_architecture architecture);

/* The description. */
void gdb_describe(struct rsp_part *part);

/* A reply's worth of the general registers: gdb asks for each other one when it needs it. */
void gdb_reply_registers(struct cpu *cpu, struct rsp_reply *reply);

/* One register; x for each digit where the CPU cannot tell. False: there is none of that number. */
MUST_CHECK bool gdb_reply_register(struct cpu *cpu, uint64_t number, struct rsp_reply *reply);

/* The registers of gdb_reply_registers(), or one, from the packet. */
MUST_CHECK enum error gdb_take_registers(struct cpu *cpu, struct rsp_reader *packet);
MUST_CHECK enum error gdb_take_register(struct cpu *cpu, uint64_t number,
                                        struct rsp_reader *packet);
