/* The BIOS calls by which a guest asks how much memory there is, answered from Orlop's memory map:
 * INT 15h with AX = E820h, E801h or E881h, or AH = 88h; and the sizes that the BIOS put into the
 * CMOS. All are made of one map, so they tell one story. Pure. */
#pragma once

#include "mm/memmap.h"

#define MEMORY_CALL_ENTRY_BYTES 24

/* What goes in and comes out in the caller's registers; `bytes` of `entry` go to ES:DI. */
struct memory_call {
    uint32_t eax, ebx, ecx, edx;
    bool carry;
    uint32_t bytes;
    uint8_t entry[MEMORY_CALL_ENTRY_BYTES];
};

/* Answers the call. False, and nothing changed, where it is another one, for the BIOS itself. */
bool memory_call_answer(const struct memory_map *map, struct memory_call *call);

/* Whether the CMOS byte `index` is one of a size of memory; `low` is where its lower byte is. */
bool memory_size_is_at(uint8_t index, uint8_t *low);

/* That size as the guest is to read it, where the firmware left `size`. */
uint16_t memory_size(const struct memory_map *map, uint8_t low, uint16_t size);
