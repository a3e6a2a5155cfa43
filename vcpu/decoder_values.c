#include "base/x86/eflags.h"
#include "vcpu/decoder_prefixes.h"

static uint64_t low_bytes(uint64_t value, unsigned bytes)
{
    return value & (~0ull >> (64 - 8 * bytes));
}

uint64_t decoder_loaded_value(const struct decoded *decoded, uint64_t before, uint64_t memory)
{
    uint64_t value = low_bytes(memory, decoded->memory_bytes);
    if (decoded->kind == DECODER_LOAD_SIGN)
        value = sign_extend(value, 8 * decoded->memory_bytes);
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

static uint64_t flags_of(uint32_t result)
{
    return (__builtin_parity(result & 0xFF) ? 0 : RFLAGS_PF) | (result ? 0 : RFLAGS_ZF) |
           (result >> 31 ? RFLAGS_SF : 0);
}

/* `a` + `b` + carry; a subtraction is that of ~b and the borrow's complement, with CF and AF
 * inverted. */
static uint32_t sum(uint32_t a, uint32_t b, bool carry, uint64_t *flags)
{
    uint64_t wide = (uint64_t)a + b + carry;
    uint32_t result = (uint32_t)wide;
    *flags = flags_of(result) | (wide >> 32 ? RFLAGS_CF : 0) |
             ((a ^ b ^ result) & 0x10 ? RFLAGS_AF : 0) |
             ((a ^ result) & (b ^ result) & BIT(31) ? RFLAGS_OF : 0);
    return result;
}

static uint32_t computed(enum decoder_operation operation, uint32_t a, uint32_t b, bool carry,
                         uint64_t *flags)
{
    uint32_t result;
    switch (operation) {
    case DECODER_ADD:
    case DECODER_ADC:
        return sum(a, b, carry && operation == DECODER_ADC, flags);
    case DECODER_SUB:
    case DECODER_SBB:
        result = sum(a, ~b, !(carry && operation == DECODER_SBB), flags);
        *flags ^= RFLAGS_CF | RFLAGS_AF;
        return result;
    case DECODER_OR:
        result = a | b;
        break;
    case DECODER_AND:
        result = a & b;
        break;
    default:
        result = a ^ b;
        break;
    }
    *flags = flags_of(result);
    return result;
}

uint32_t decoder_modified_value(enum decoder_operation operation, uint32_t memory, uint32_t other,
                                uint64_t *rflags)
{
    uint64_t flags;
    if (operation == DECODER_XCHG)
        return other;
    uint32_t result = computed(operation, memory, other, *rflags & RFLAGS_CF, &flags);
    *rflags = (*rflags & ~(uint64_t)RFLAGS_STATUS) | flags;
    return result;
}
