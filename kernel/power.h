/* Reset and power-off of the machine, as ACPI describes them, with the PC's own ways as a
 * fall-back. */
#pragma once

#include "acpi/fadt.h"
#include "acpi/s5.h"
#include "base/types.h"

struct power {
    struct fadt fadt;
    bool fadt_present;
    bool s5_present;
    struct s5_types s5; /* SLP_TYP of the state "soft off" */
};

/* Tries ACPI's reset register, then port 0CF9H, then the keyboard controller; returns if none does.
 */
void power_reset(const struct power *power);

/* Tries ACPI's S5; returns if the machine has no such thing. */
void power_off(const struct power *power);
