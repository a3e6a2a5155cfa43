/* I/O ports that lead to Orlop: a table of ranges, each with functions that are called byte by
 * byte, and what an access of the guest's to them and to their neighbours does. Any CPU. */
#pragma once

#include "base/types.h"

#define PORT_RANGES 4

/* `held`: the device is not touched, unless a function does so; all ones are read. */
struct port_range {
    uint16_t first, last;
    bool held;
    bool passes;    /* at first the guest's accesses do not exit: ports_set_exits() */
    bool gives_way; /* INS and OUTS end the range; others carry them out element by element */
    uint8_t (*read)(uint16_t port, uint8_t byte); /* what the guest reads; NULL: `byte` */
    void (*written)(uint16_t port, uint8_t byte); /* NULL: nothing */
};

/* Filled before any CPU runs the guest. */
struct port_table {
    unsigned count;
    struct port_range range[PORT_RANGES];
};

/* There is room, and no range meets another. */
void ports_add(struct port_table *table, const struct port_range *range);

/* The first range that has one of the `bytes` ports from `port` on; NULL: none has. */
const struct port_range *ports_find(const struct port_table *table, uint16_t port, unsigned bytes);

/* An access of 1, 2 or 4 bytes. It is one access of the machine's, and the functions come after it;
 * or, where some of its ports are held, one for each byte that is not. */
uint32_t ports_read(const struct port_table *table, uint16_t port, unsigned bytes);
void ports_write(const struct port_table *table, uint16_t port, unsigned bytes, uint32_t value);

/* The memory operand of INS or OUTS, which the processor has not looked at when it exits. */
struct string_operand {
    uint64_t offset, linear;
    uint32_t bytes, limit, rights; /* base/x86/segment.h */
    bool write, stack;             /* `stack`: the segment is SS */
    bool in_64bit_mode;
    unsigned linear_bits;
    bool aligned_only; /* CPL 3, with CR0.AM and EFLAGS.AC */
};

/* The vector of the fault that segmentation has for it, with 0 as error code; EXCEPTION_VECTORS:
 * none, and paging is next. */
unsigned string_operand_fault(const struct string_operand *operand);
