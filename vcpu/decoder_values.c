#include "vcpu/decoder_prefixes.h"

static uint64_t low_bytes(uint64_t value, unsigned bytes)
{
    return value & (~0ull >> (64 - 8 * bytes));
}

uint64_t decoder_loaded_value(const struct decoded *decoded, uint64_t before, uint64_t memory)
{
    uint64_t value = low_bytes(memory, decoded->memory_bytes);
    if (decoded->kind == DECODER_LOAD_SIGN)
        value = decoder_sign_extend(value, decoded->memory_bytes);
    value = low_bytes(value, decoded->register_bytes);
    if (decoded->register_bytes >= 4)
        return value;
    unsigned shift = decoded->high_byte ? 8 : 0;
    return (before & ~(low_bytes(~0ull, decoded->register_bytes) << shift)) | value << shift;
}

uint64_t decoder_stored_value(const struct decoded *decoded, uint64_t whole)
{
    if (decoded->kind == DECODER_STORE_IMMEDIATE)
        return low_bytes(decoded->immediate, decoded->memory_bytes);
    return low_bytes(decoded->high_byte ? whole >> 8 : whole, decoded->memory_bytes);
}
