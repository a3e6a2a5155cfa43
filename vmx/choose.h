/* What Orlop asks of VMX, given what the processor can do. Pure. */
#pragma once

#include "vmx/capabilities.h"

/* The control words that every VMCS gets, after adjustment to the capabilities. */
struct vmx_controls {
    uint32_t pin, primary, secondary, exit, entry;
};

/* Which of VMX's controls are set. `ports`: some I/O ports are to exit. */
void vmx_choose_controls(const struct vmx_capabilities *caps, bool ports,
                         struct vmx_controls *controls);

/* The features that these controls let through to the guest: enum cpuid_passes. */
uint32_t vmx_passed_features(const struct vmx_controls *controls);
