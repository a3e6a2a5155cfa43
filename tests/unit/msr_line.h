/* A row of the MSR table as docs/abi.md has it. */
#pragma once

#include "vcpu/msr_table.h"

#include <stdio.h>

static inline void msr_line(const struct msr_row *row, char *line, size_t size)
{
    static const char *const access[] = {"pass", "guard", "fault"};
    static const char *const memory[] = {"", "linear", "physical"};
    char index[32];
    snprintf(index, sizeof(index), row->first == row->last ? "%x" : "%x-%x", row->first, row->last);
    snprintf(line, size, "| %s | %s | %s | %s | %s | %s |", index, row->name, access[row->read],
             access[row->write], memory[row->memory], row->why);
}
