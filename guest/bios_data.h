/* The serial ports that the BIOS has found, as its data area lists them: INT 14h knows no others,
 * nor do programs that ask it. Pure. */
#pragma once

#include "base/types.h"

#define BIOS_UARTS 4

struct bios_uarts {
    uint16_t port[BIOS_UARTS]; /* of COM1 to COM4, 0: there is none */
    uint16_t equipment;
    uint8_t timeout[BIOS_UARTS];
};

/* As the BIOS would have left it without the UART at `port`: those behind it move up. False, and
 * nothing changed: it is not listed. */
bool bios_uarts_remove(struct bios_uarts *uarts, uint16_t port);
