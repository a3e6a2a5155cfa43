#include "vcpu/nmi_sources.h"

#include "base/bits.h"
#include "base/x86/apic.h"

/* Of each two bits the higher tells, and the lower, when set, keeps it from telling: "NMI Status
 * and Control Register" of the chipset's datasheet. */
#define SERR_STATUS   BIT(7)
#define IOCHK_STATUS  BIT(6)
#define IOCHK_DISABLE BIT(3)
#define SERR_DISABLE  BIT(2)

static bool takes_nmis(uint32_t lvt)
{
    return (lvt & (ICR_DELIVERY_MASK | APIC_LVT_MASKED)) == ICR_DELIVERY_NMI;
}

static bool chipset_asserts(uint8_t port_61)
{
    return ((port_61 & SERR_STATUS) && !(port_61 & SERR_DISABLE)) ||
           ((port_61 & IOCHK_STATUS) && !(port_61 & IOCHK_DISABLE));
}

uint32_t nmi_sources_asserted(const struct nmi_sources *sources)
{
    uint32_t asserted = 0;
    if ((sources->apic_off || takes_nmis(sources->lint0) || takes_nmis(sources->lint1)) &&
        chipset_asserts(sources->port_61))
        asserted |= NMI_SOURCE_CHIPSET;
    /* SDM vol. 3A, 11.5.1 "Local Vector Table": the mask bit is set when the interrupt is sent. */
    if (takes_nmis(sources->perf & ~(uint32_t)APIC_LVT_MASKED) &&
        (sources->perf & APIC_LVT_MASKED) && sources->overflows)
        asserted |= NMI_SOURCE_PERF;
    return asserted;
}

bool nmi_is_guests(uint32_t *handed, uint32_t asserted, bool foreign, bool blocked)
{
    uint32_t fresh = blocked ? 0 : asserted & ~*handed;
    *handed = foreign ? 0 : asserted & (*handed | fresh);
    return foreign || fresh;
}

bool nmi_is_button(uint32_t asserted) { return !(asserted & NMI_SOURCE_PERF); }
