#include "guest/bios_data.h"

#include "base/bits.h"

#define EQUIPMENT_UARTS BITS(11, 9)

bool bios_uarts_remove(struct bios_uarts *uarts, uint16_t port)
{
    unsigned at = 0;
    while (at < BIOS_UARTS && uarts->port[at] != port)
        at++;
    if (at == BIOS_UARTS)
        return false;
    for (; at < BIOS_UARTS - 1; at++) {
        uarts->port[at] = uarts->port[at + 1];
        uarts->timeout[at] = uarts->timeout[at + 1];
    }
    uarts->port[at] = 0;
    uint16_t count = uarts->equipment & EQUIPMENT_UARTS;
    if (count)
        uarts->equipment -= (uint16_t)BIT(9);
    return true;
}
