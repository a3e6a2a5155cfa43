#include "kernel/power.h"

#include "base/bits.h"
#include "base/hw.h"
#include "kernel/time.h"

#define RESET_CONTROL   0xCF9 /* Intel chipsets' reset control register: 2 arms, 6 resets */
#define KEYBOARD_STATUS 0x64
#define KEYBOARD_FULL   BIT(1)
#define KEYBOARD_PULSE  0xFE /* pulse the reset line */
#define ATTEMPT_US      50000

#define PM1_SLP_EN  BIT(13) /* ACPI Specification 6.5, section 4.8.3.2.1 "PM1 Control Registers" */
#define PM1_SLP_TYP BITS(12, 10)
#define PM1_SCI_EN  BIT(0)

void power_reset(const struct power *power)
{
    const struct acpi_gas *reset = &power->fadt.reset;
    if (power->fadt_present && power->fadt.reset_supported && reset->space == ACPI_SPACE_IO) {
        hw_out8((uint16_t)reset->address, power->fadt.reset_value);
        time_delay_us(ATTEMPT_US);
    }
    hw_out8(RESET_CONTROL, 0x02);
    hw_out8(RESET_CONTROL, 0x06);
    time_delay_us(ATTEMPT_US);
    for (unsigned poll = 0; poll < 10000 && (hw_in8(KEYBOARD_STATUS) & KEYBOARD_FULL); poll++)
        hw_pause();
    hw_out8(KEYBOARD_STATUS, KEYBOARD_PULSE);
    time_delay_us(ATTEMPT_US);
}

/* PM1 registers take sleep commands in ACPI mode only (ACPI Specification 6.5, section 4.8.2.5). */
static void enter_acpi_mode(const struct fadt *fadt)
{
    if (!fadt->smi_command_port || (hw_in16(fadt->pm1a_control_port) & PM1_SCI_EN))
        return;
    hw_out8(fadt->smi_command_port, fadt->acpi_enable);
    for (unsigned poll = 0; poll < 100; poll++) {
        if (hw_in16(fadt->pm1a_control_port) & PM1_SCI_EN)
            return;
        time_delay_us(1000);
    }
}

static void sleep_command(uint16_t port, uint8_t type)
{
    if (port) {
        uint32_t kept = hw_in16(port) & ~(uint32_t)(PM1_SLP_TYP | PM1_SLP_EN);
        hw_out16(port, (uint16_t)(kept | (uint32_t)type << 10 | PM1_SLP_EN));
    }
}

void power_off(const struct power *power)
{
    if (!power->fadt_present || !power->s5_present || power->fadt.hardware_reduced)
        return;
    enter_acpi_mode(&power->fadt);
    sleep_command(power->fadt.pm1a_control_port, power->s5.pm1a);
    sleep_command(power->fadt.pm1b_control_port, power->s5.pm1b);
    time_delay_us(ATTEMPT_US);
}
