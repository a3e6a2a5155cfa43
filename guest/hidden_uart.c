#include "guest/hidden_uart.h"

#include "base/bits.h"
#include "base/log.h"
#include "drivers/serial/uart_registers.h"
#include "guest/bios_data.h"
#include "vmx/machine.h"

/* The BIOS data area: "System BIOS Data Area" of the PS/2 and PC BIOS Interface Technical
 * Reference. */
#define BDA_UART_PORTS    GPA(0x400)
#define BDA_EQUIPMENT     GPA(0x410)
#define BDA_UART_TIMEOUTS GPA(0x47C)

static enum error copy(struct cpu *cpu, struct bios_uarts *uarts, bool write)
{
    const struct {
        gpa_t at;
        void *bytes;
        size_t size;
    } fields[] = {{BDA_UART_PORTS, uarts->port, sizeof(uarts->port)},
                  {BDA_EQUIPMENT, &uarts->equipment, sizeof(uarts->equipment)},
                  {BDA_UART_TIMEOUTS, uarts->timeout, sizeof(uarts->timeout)}};
    enum error error = ERROR_NONE;
    for (unsigned i = 0; i < ARRAY_SIZE(fields) && error == ERROR_NONE; i++)
        error = write ? guest_write(&cpu->windows[0], fields[i].at, fields[i].bytes, fields[i].size)
                      : guest_read(&cpu->windows[0], fields[i].bytes, fields[i].at, fields[i].size);
    return error;
}

void hidden_uart_install(struct cpu *cpu, uint16_t port, bool bios)
{
    struct bios_uarts uarts;
    ports_add(&machine.ports, &(struct port_range){.first = port,
                                                   .last = (uint16_t)(port + UART_PORTS - 1),
                                                   .held = true});
    if (bios && (copy(cpu, &uarts, false) != ERROR_NONE ||
                 (bios_uarts_remove(&uarts, port) && copy(cpu, &uarts, true) != ERROR_NONE)))
        log_warn("bios", "the BIOS still lists the UART at 0x%x", port);
}
