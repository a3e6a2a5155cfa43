/* Interprocessor messages that start and reset CPUs, as the guest writes them to its ICR. Pure.
 * Source: SDM vol. 3A, 11.6.1 "Interrupt Command Register (ICR)" and 11.12.9 "ICR Operation in
 * x2APIC Mode". */
#pragma once

#include "base/types.h"

enum icr_kind {
    ICR_OTHER, /* not ours: the hardware sends it */
    ICR_INIT,
    ICR_STARTUP,
    ICR_NMI,
    ICR_NOTHING, /* INIT level de-assert: processors since the Pentium 4 ignore it */
};

struct icr_message {
    enum icr_kind kind;
    uint8_t vector;       /* of a start-up message */
    uint32_t shorthand;   /* ICR_SHORTHAND_*, 0 for none */
    bool logical;         /* the destination is a logical one */
    uint32_t destination; /* without a shorthand */
    bool x2apic;          /* 32-bit destinations */
};

/* What a local APIC compares with a destination. */
struct icr_receiver {
    uint32_t apic_id;
    uint32_t ldr, dfr; /* of xAPIC mode, as the registers read */
};

/* What a write of `icr` (both halves) to the ICR means. With the shorthand "self" such messages do
 * not exist: what the hardware makes of it is its own. */
struct icr_message icr_decode(uint64_t icr, bool x2apic);

/* Whether the CPU `to` is meant by what the CPU `sender` wrote. */
bool icr_reaches(const struct icr_message *message, uint32_t sender, const struct icr_receiver *to);
