/* Whose is an NMI that comes while one of Orlop's own is on its way? The two may have met in the
 * processor, which remembers one. Nobody tells what an NMI was for, but some sources leave a trace
 * until their handler has been there. Pure. */
#pragma once

#include "base/types.h"

/* What the machine shows, on the CPU that took the NMI. */
struct nmi_sources {
    uint8_t port_61;       /* NMI status and control, of the chipset */
    bool apic_off;         /* then LINT1 is the NMI pin (SDM vol. 3A, 11.4.3 "Enabling or
                            * Disabling the Local APIC") */
    uint32_t lint0, lint1; /* else where it leads to this CPU */
    uint32_t perf;         /* LVT of the performance counters, which masks itself as it fires */
    uint64_t overflows;    /* IA32_PERF_GLOBAL_STATUS */
};

#define NMI_SOURCE_CHIPSET 1u /* SERR#, IOCHK# */
#define NMI_SOURCE_PERF    2u

/* The sources that stand. */
uint32_t nmi_sources_asserted(const struct nmi_sources *sources);

/* Whether the NMI is the guest's. `foreign`: one came with none of ours on its way. `blocked`: the
 * guest is in its NMI handler, so that what stands is what it is there for. `handed` are the
 * sources that an NMI of ours was taken for: 0 at the start, and kept by this function. A source
 * whose handler lets it stand is believed once, until the next foreign NMI. */
bool nmi_is_guests(uint32_t *handed, uint32_t asserted, bool foreign, bool blocked);

/* Whether such an NMI is for the debugger, where the button is to break in (stop=nmi). Nobody tells
 * a button's from an NMI that another CPU has sent; but a performance counter's has left its trace.
 */
bool nmi_is_button(uint32_t asserted);
