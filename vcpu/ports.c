#include "vcpu/ports.h"

#include "base/bits.h"
#include "base/hw.h"
#include "base/panic.h"
#include "base/x86/exceptions.h"
#include "base/x86/segment.h"

void ports_add(struct port_table *table, const struct port_range *range)
{
    ASSERT(table->count < PORT_RANGES);
    table->range[table->count++] = *range;
}

/* Behind the last port the space begins again at 0. */
static const struct port_range *find(const struct port_table *table, uint32_t port)
{
    uint16_t at = (uint16_t)port;
    for (unsigned i = 0; i < table->count; i++)
        if (at >= table->range[i].first && at <= table->range[i].last)
            return &table->range[i];
    return NULL;
}

const struct port_range *ports_find(const struct port_table *table, uint16_t port, unsigned bytes)
{
    const struct port_range *found = NULL;
    for (unsigned i = 0; i < bytes && !found; i++)
        found = find(table, port + i);
    return found;
}

static bool any_held(const struct port_table *table, uint16_t port, unsigned bytes)
{
    for (unsigned i = 0; i < bytes; i++) {
        const struct port_range *range = find(table, port + i);
        if (range && range->held)
            return true;
    }
    return false;
}

static uint32_t in(uint16_t port, unsigned bytes)
{
    return bytes == 1 ? hw_in8(port) : bytes == 2 ? hw_in16(port) : hw_in32(port);
}

static void out(uint16_t port, unsigned bytes, uint32_t value)
{
    if (bytes == 1)
        hw_out8(port, (uint8_t)value);
    else if (bytes == 2)
        hw_out16(port, (uint16_t)value);
    else
        hw_out32(port, value);
}

uint32_t ports_read(const struct port_table *table, uint16_t port, unsigned bytes)
{
    bool split = any_held(table, port, bytes);
    uint32_t value = split ? UINT32_MAX >> (32 - 8 * bytes) : in(port, bytes);
    for (unsigned i = 0; i < bytes; i++) {
        uint16_t at = (uint16_t)(port + i);
        const struct port_range *range = find(table, at);
        uint8_t byte = (uint8_t)(value >> 8 * i);
        if (split && !(range && range->held))
            byte = hw_in8(at);
        if (range && range->read)
            byte = range->read(at, byte);
        value = (value & ~(0xFFu << 8 * i)) | (uint32_t)byte << 8 * i;
    }
    return value;
}

void ports_write(const struct port_table *table, uint16_t port, unsigned bytes, uint32_t value)
{
    bool split = any_held(table, port, bytes);
    if (!split)
        out(port, bytes, value);
    for (unsigned i = 0; i < bytes; i++) {
        uint16_t at = (uint16_t)(port + i);
        const struct port_range *range = find(table, at);
        uint8_t byte = (uint8_t)(value >> 8 * i);
        if (split && !(range && range->held))
            hw_out8(at, byte);
        if (range && range->written)
            range->written(at, byte);
    }
}

/* SDM vol. 3A, 5.3 "Limit Checking", 5.5 "Privilege Levels" (types: 5.4 "Type Checking"). */
static bool segment_lets(const struct string_operand *o)
{
    uint32_t type = o->rights & SEGMENT_TYPE_MASK, last = (uint32_t)o->offset + o->bytes - 1;
    bool code = type & SEGMENT_TYPE_CODE;
    if ((o->rights & SEGMENT_UNUSABLE) || last < (uint32_t)o->offset)
        return false;
    if (o->write ? code || !(type & SEGMENT_TYPE_WRITABLE)
                 : code && !(type & SEGMENT_TYPE_READABLE))
        return false;
    if (code || !(type & SEGMENT_TYPE_EXPAND))
        return last <= o->limit;
    return o->offset > o->limit && (last <= 0xFFFF || (o->rights & SEGMENT_DB));
}

unsigned string_operand_fault(const struct string_operand *o)
{
    uint64_t last = o->linear + o->bytes - 1;
    bool lets = o->in_64bit_mode ? sign_extend(o->linear, o->linear_bits) == o->linear &&
                                       sign_extend(last, o->linear_bits) == last
                                 : segment_lets(o);
    if (!lets)
        return o->stack && !o->in_64bit_mode ? EXCEPTION_SS : EXCEPTION_GP;
    if (o->aligned_only && !IS_ALIGNED(o->linear, o->bytes))
        return EXCEPTION_AC;
    return EXCEPTION_VECTORS;
}
