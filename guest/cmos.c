#include "guest/cmos.h"

#include "base/bits.h"
#include "base/hw.h"
#include "guest/memory_calls.h"
#include "vmx/machine.h"

#define PORT_INDEX 0x70 /* the index in bits 6:0, NMIs masked by bit 7 */
#define PORT_DATA  0x71
#define INDEX_MASK 0x7F

static const struct memory_map *guest_map;
/* What was written to the index port, which cannot be read; 0 is the clock's seconds. The CPUs of a
 * guest that takes turns, as all must that use the two ports, see it as the chip does. */
static volatile uint8_t selected;

static uint8_t read_byte(uint8_t index)
{
    hw_out8(PORT_INDEX, index);
    return hw_in8(PORT_DATA);
}

/* A size is a word in two bytes, of which the guest has read one. */
static uint8_t data_read(uint16_t port, uint8_t byte)
{
    uint8_t index = selected & INDEX_MASK, low;
    if (port != PORT_DATA || !memory_size_is_at(index, &low))
        return byte;
    uint8_t nmi_mask = selected & (uint8_t)~INDEX_MASK;
    uint8_t other = read_byte(nmi_mask | (index == low ? low + 1 : low));
    hw_out8(PORT_INDEX, selected);
    uint16_t size = (uint16_t)(index == low ? byte | other << 8 : byte << 8 | other);
    size = memory_size(guest_map, low, size);
    return (uint8_t)(index == low ? size : size >> 8);
}

static void written(uint16_t port, uint8_t byte)
{
    if (port == PORT_INDEX)
        selected = byte;
}

void cmos_intercept(const struct memory_map *map)
{
    guest_map = map;
    ports_add(&machine.ports, &(struct port_range){.first = PORT_INDEX,
                                                   .last = PORT_DATA,
                                                   .gives_way = true,
                                                   .read = data_read,
                                                   .written = written});
}
