#include "acpi/fadt.h"

#include "acpi/tables.h"
#include "base/bits.h"
#include "base/log.h"
#include "lib/string.h"

#define AREA "acpi"

#define FADT_FLAG_TMR_VAL_EXT     BIT(8)
#define FADT_FLAG_RESET_REG_SUP   BIT(10)
#define FADT_FLAG_HW_REDUCED_ACPI BIT(20)
#define FADT_MIN_BYTES            116u /* ACPI 1: up to and with the flags */

struct fadt_layout {
    struct acpi_header header;
    uint32_t firmware_control;
    uint32_t dsdt;
    uint8_t reserved0;
    uint8_t preferred_profile;
    uint16_t sci_interrupt;
    uint32_t smi_command;
    uint8_t acpi_enable;
    uint8_t acpi_disable;
    uint8_t s4bios_request;
    uint8_t pstate_control;
    uint32_t pm1a_event;
    uint32_t pm1b_event;
    uint32_t pm1a_control;
    uint32_t pm1b_control;
    uint32_t pm2_control;
    uint32_t pm_timer;
    uint32_t gpe0;
    uint32_t gpe1;
    uint8_t lengths[8]; /* PM1_EVT_LEN to CST_CNT */
    uint8_t idle[13];   /* P_LVL2_LAT to CENTURY */
    uint16_t boot_architecture;
    uint8_t reserved1;
    uint32_t flags;
    struct acpi_gas reset;
    uint8_t reset_value;
    uint16_t arm_boot_architecture;
    uint8_t minor_version;
    uint64_t x_firmware_control;
    uint64_t x_dsdt;
    struct acpi_gas x_pm1a_event;
    struct acpi_gas x_pm1b_event;
    struct acpi_gas x_pm1a_control;
    struct acpi_gas x_pm1b_control;
    struct acpi_gas x_pm2_control;
    struct acpi_gas x_pm_timer;
} __attribute__((packed));
_Static_assert(offsetof(struct fadt_layout, pm_timer) == 76, "PM_TMR_BLK");
_Static_assert(offsetof(struct fadt_layout, reset) == FADT_MIN_BYTES, "RESET_REG");
_Static_assert(offsetof(struct fadt_layout, x_pm_timer) == 208, "X_PM_TMR_BLK");

static bool is_port(uint64_t address) { return address > 0 && address <= 0xFFFF; }

/* The newer, wide address counts where it names an I/O port; firmware leaves it 0, or wrong, more
 * often than the old one. */
static uint16_t choose_port(const struct acpi_gas *wide, uint32_t narrow)
{
    if (wide->space == ACPI_SPACE_IO && is_port(wide->address))
        return (uint16_t)wide->address;
    return is_port(narrow) ? (uint16_t)narrow : 0;
}

enum error fadt_parse(const void *table, size_t bytes, struct fadt *out)
{
    struct fadt_layout fadt = {0};
    memset(out, 0, sizeof(*out));
    if (bytes < FADT_MIN_BYTES) {
        log_error(AREA, "FADT of %lu bytes is too short", (unsigned long)bytes);
        return ERROR_MALFORMED;
    }
    memcpy(&fadt, table, min_u64(bytes, sizeof(fadt)));
    *out = (struct fadt){
        .dsdt = fadt.x_dsdt ? fadt.x_dsdt : fadt.dsdt,
        .facs = fadt.x_firmware_control ? fadt.x_firmware_control : fadt.firmware_control,
        .pm_timer_32bit = fadt.flags & FADT_FLAG_TMR_VAL_EXT,
        .hardware_reduced = fadt.flags & FADT_FLAG_HW_REDUCED_ACPI,
        .reset_supported = (fadt.flags & FADT_FLAG_RESET_REG_SUP) && fadt.reset.address != 0,
        .reset = fadt.reset,
        .reset_value = fadt.reset_value,
    };
    if (out->hardware_reduced)
        return ERROR_NONE;
    out->pm_timer_port = choose_port(&fadt.x_pm_timer, fadt.pm_timer);
    out->pm1a_control_port = choose_port(&fadt.x_pm1a_control, fadt.pm1a_control);
    out->pm1b_control_port = choose_port(&fadt.x_pm1b_control, fadt.pm1b_control);
    out->smi_command_port = is_port(fadt.smi_command) ? (uint16_t)fadt.smi_command : 0;
    out->acpi_enable = fadt.acpi_enable;
    return ERROR_NONE;
}
