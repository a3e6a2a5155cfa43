#include "vcpu/icr.h"

#include "base/x86/apic.h"

#define BROADCAST_XAPIC  0xFFu
#define BROADCAST_X2APIC 0xFFFFFFFFu

struct icr_message icr_decode(uint64_t icr, bool x2apic)
{
    struct icr_message message = {
        .vector = (uint8_t)(icr & ICR_VECTOR_MASK),
        .shorthand = (uint32_t)(icr & ICR_SHORTHAND_MASK),
        .logical = icr & ICR_DESTINATION_LOGICAL,
        .destination = (uint32_t)(icr >> (x2apic ? 32 : 56)),
        .x2apic = x2apic,
    };
    if ((icr & ICR_DELIVERY_MASK) == ICR_DELIVERY_STARTUP)
        message.kind = ICR_STARTUP;
    else if ((icr & ICR_DELIVERY_MASK) != ICR_DELIVERY_INIT)
        message.kind = ICR_OTHER;
    else
        message.kind =
            (icr & ICR_TRIGGER_LEVEL) && !(icr & ICR_LEVEL_ASSERT) ? ICR_NOTHING : ICR_INIT;
    return message;
}

/* Logical ids: in x2APIC mode the cluster is bits 19:4 of the id and the bit in it the low four
 * (SDM vol. 3A, 11.12.10.2 "Deriving Logical x2APIC ID from the Local x2APIC ID"). In xAPIC mode
 * they are what the guest wrote to each LDR; the flat model that every system uses has bit n for
 * CPU n. */
static bool reaches_logical(const struct icr_message *message, uint32_t apic_id)
{
    if (message->x2apic)
        return message->destination >> 16 == apic_id >> 4 &&
               (message->destination >> (apic_id & 0xF) & 1);
    return apic_id < 8 && (message->destination >> apic_id & 1);
}

bool icr_reaches(const struct icr_message *message, uint32_t sender, uint32_t apic_id)
{
    uint32_t everyone = message->x2apic ? BROADCAST_X2APIC : BROADCAST_XAPIC;
    if (apic_id == sender || message->shorthand == ICR_SHORTHAND_SELF)
        return false;
    if (message->shorthand || message->destination == everyone)
        return true;
    return message->logical ? reaches_logical(message, apic_id) : message->destination == apic_id;
}
