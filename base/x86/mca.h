/* Machine-check architecture: bit names alone.
 * Source: Intel SDM (325462-083US) vol. 3, section 16.3, Machine-Check MSRs. */
#pragma once

#include "base/bits.h"

#define MCG_CAP_COUNT   BITS(7, 0) /* banks */
#define MCG_STATUS_RIPV BIT(0)     /* the interrupted code can be gone on with */
#define MCI_STATUS_VAL  BIT(63)
