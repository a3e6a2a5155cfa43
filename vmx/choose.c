#include "vmx/choose.h"

#include "vcpu/cpuid_rules.h"
#include "vmx/requirements.h"

/* docs/design.md: no exits for interrupts, HLT, CR3, RDTSC, DR or foreign I/O. NMIs exit, because
 * stopping other CPUs needs it, and the guest gets virtual ones in their place. */
#define WANTED_PIN     (PIN_NMI_EXITING | PIN_VIRTUAL_NMIS)
#define WANTED_PRIMARY (PRIMARY_USE_MSR_BITMAPS | PRIMARY_ACTIVATE_SECONDARY_CONTROLS)
#define WANTED_SECONDARY                                                                           \
    (SECONDARY_ENABLE_EPT | SECONDARY_UNRESTRICTED_GUEST | SECONDARY_ENABLE_VPID |                 \
     SECONDARY_ENABLE_RDTSCP | SECONDARY_ENABLE_INVPCID | SECONDARY_ENABLE_XSAVES_XRSTORS |        \
     SECONDARY_ENABLE_USER_WAIT_AND_PAUSE | SECONDARY_ENABLE_ENCLS_EXITING |                       \
     SECONDARY_ENABLE_ENCLV_EXITING)
#define WANTED_EXIT                                                                                \
    (EXIT_CTL_SAVE_DEBUG_CONTROLS | EXIT_CTL_HOST_ADDRESS_SPACE_SIZE | EXIT_CTL_SAVE_PAT |         \
     EXIT_CTL_LOAD_PAT | EXIT_CTL_SAVE_EFER | EXIT_CTL_LOAD_EFER)
#define WANTED_ENTRY (ENTRY_CTL_LOAD_DEBUG_CONTROLS | ENTRY_CTL_LOAD_PAT | ENTRY_CTL_LOAD_EFER)

void vmx_choose_controls(const struct vmx_capabilities *caps, bool ports,
                         struct vmx_controls *controls)
{
    controls->pin = vmx_controls_adjust(caps->pin, WANTED_PIN, NULL);
    controls->primary = vmx_controls_adjust(
        caps->primary, WANTED_PRIMARY | (ports ? PRIMARY_USE_IO_BITMAPS : 0), NULL);
    controls->secondary = vmx_controls_adjust(caps->secondary, WANTED_SECONDARY, NULL);
    if (!vmx_feature_present(caps, VMX_FEATURE_VPID))
        controls->secondary &= ~(uint32_t)SECONDARY_ENABLE_VPID;
    controls->exit = vmx_controls_adjust(caps->exit, WANTED_EXIT, NULL);
    controls->entry = vmx_controls_adjust(caps->entry, WANTED_ENTRY, NULL);
}

/* A row per control that lets an instruction through, and what CPUID says if it is missing. */
uint32_t vmx_passed_features(const struct vmx_controls *controls)
{
    static const struct {
        uint32_t control, passes;
    } rows[] = {
        {SECONDARY_ENABLE_RDTSCP, CPUID_PASSES_RDTSCP},
        {SECONDARY_ENABLE_INVPCID, CPUID_PASSES_INVPCID},
        {SECONDARY_ENABLE_XSAVES_XRSTORS, CPUID_PASSES_XSAVES},
        {SECONDARY_ENABLE_USER_WAIT_AND_PAUSE, CPUID_PASSES_USER_WAIT},
    };
    uint32_t passes = 0;
    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++)
        if (controls->secondary & rows[i].control)
            passes |= rows[i].passes;
    return passes;
}
