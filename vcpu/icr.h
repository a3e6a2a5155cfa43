/* Interprocessor messages that start and reset CPUs, as the guest writes them to its ICR. Pure.
 * Source: SDM vol. 3A, 11.6.1 "Interrupt Command Register (ICR)" and 11.12.9 "ICR Operation in
 * x2APIC Mode". */
#pragma once

#include "base/types.h"

enum icr_kind {
    ICR_OTHER, /* not ours: the hardware sends it */
    ICR_INIT,
    ICR_STARTUP,
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

/* What a write of `icr` (both halves) to the ICR means. */
struct icr_message icr_decode(uint64_t icr, bool x2apic);

/* Whether the CPU `apic_id` is meant by what the CPU `sender` wrote; a logical destination of xAPIC
 * mode is taken as the flat model's, bit n for id n. Messages that reset or start never reach their
 * sender. */
bool icr_reaches(const struct icr_message *message, uint32_t sender, uint32_t apic_id);
