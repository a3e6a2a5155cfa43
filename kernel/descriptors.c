#include "kernel/descriptors.h"

#include "base/bits.h"

/* SDM vol. 3A, 6.14.1 "64-Bit Mode IDT". */
struct gate {
    uint16_t offset_low;
    uint16_t selector;
    uint8_t ist;
    uint8_t type;
    uint16_t offset_middle;
    uint32_t offset_high;
    uint32_t reserved;
};
_Static_assert(sizeof(struct gate) == 16, "SDM vol. 3A, figure 6-8");

#define GATE_INTERRUPT 0x8E /* present, DPL 0, 64-bit interrupt gate */

/* Entry points, 16 bytes apart: kernel/trap_entry.asm. Host code runs with interrupts off, so only
 * the 32 exception vectors can be taken; a higher one is a broken invariant, and #GP names it. */
#define TRAP_VECTORS 32
extern const uint8_t trap_entries[TRAP_VECTORS][16];

static struct gate idt[TRAP_VECTORS] __attribute__((aligned(16)));

static uint8_t stack_of(unsigned vector)
{
    switch (vector) {
    case 2:
        return IST_NMI;
    case 8:
        return IST_DF;
    case 18:
        return IST_MC;
    default:
        return 0;
    }
}

void descriptors_build_idt(void)
{
    for (unsigned vector = 0; vector < TRAP_VECTORS; vector++) {
        uint64_t entry = (uint64_t)trap_entries[vector];
        idt[vector] = (struct gate){
            .offset_low = (uint16_t)entry,
            .selector = HOST_CS,
            .ist = stack_of(vector),
            .type = GATE_INTERRUPT,
            .offset_middle = (uint16_t)(entry >> 16),
            .offset_high = (uint32_t)(entry >> 32),
        };
    }
}

void descriptors_load_idt(void)
{
    struct {
        uint16_t limit;
        uint64_t base;
    } __attribute__((packed)) pointer = {sizeof(idt) - 1, (uint64_t)idt};
    __asm__ volatile("lidt %0" : : "m"(pointer));
}

uint64_t descriptors_idt_base(void) { return (uint64_t)idt; }
