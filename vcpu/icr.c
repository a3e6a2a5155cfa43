#include "vcpu/icr.h"

#include "base/x86/apic.h"

#define DFR_FLAT         0xFu /* of bits 31:28; 0 is the cluster model */
#define BROADCAST_XAPIC  0xFFu
#define BROADCAST_X2APIC 0xFFFFFFFFu

static enum icr_kind kind_of(uint64_t icr)
{
    if ((icr & ICR_SHORTHAND_MASK) == ICR_SHORTHAND_SELF)
        return ICR_OTHER;
    switch (icr & ICR_DELIVERY_MASK) {
    case ICR_DELIVERY_STARTUP:
        return ICR_STARTUP;
    case ICR_DELIVERY_NMI:
        return ICR_NMI;
    case ICR_DELIVERY_INIT:
        return (icr & ICR_TRIGGER_LEVEL) && !(icr & ICR_LEVEL_ASSERT) ? ICR_NOTHING : ICR_INIT;
    default:
        return ICR_OTHER;
    }
}

struct icr_message icr_decode(uint64_t icr, bool x2apic)
{
    return (struct icr_message){
        .kind = kind_of(icr),
        .vector = (uint8_t)(icr & ICR_VECTOR_MASK),
        .shorthand = (uint32_t)(icr & ICR_SHORTHAND_MASK),
        .logical = icr & ICR_DESTINATION_LOGICAL,
        .destination = (uint32_t)(icr >> (x2apic ? 32 : 56)),
        .x2apic = x2apic,
    };
}

/* Logical ids: in x2APIC mode the cluster is bits 19:4 of the id and the bit in it the low four
 * (SDM vol. 3A, 11.12.10.2 "Deriving Logical x2APIC ID from the Local x2APIC ID"). In xAPIC mode
 * they are what the guest wrote to the LDR, of one of two models (11.6.2.2 "Logical Destination
 * Mode"). */
static bool reaches_logical(const struct icr_message *message, const struct icr_receiver *to)
{
    uint32_t set = message->destination, id = to->ldr >> 24;
    if (message->x2apic)
        return set >> 16 == to->apic_id >> 4 && (set >> (to->apic_id & 0xF) & 1);
    if (to->dfr >> 28 == DFR_FLAT)
        return set & id;
    return set >> 4 == id >> 4 && (set & id & 0xF);
}

bool icr_reaches(const struct icr_message *message, uint32_t sender, const struct icr_receiver *to)
{
    uint32_t everyone = message->x2apic ? BROADCAST_X2APIC : BROADCAST_XAPIC;
    if (message->shorthand)
        return message->shorthand == ICR_SHORTHAND_ALL || to->apic_id != sender;
    if (message->destination == everyone)
        return true;
    return message->logical ? reaches_logical(message, to) : message->destination == to->apic_id;
}
