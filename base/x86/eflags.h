/* RFLAGS: bit names alone.
 * Source: Intel SDM (325462-083US) vol. 1, section 3.4.3, EFLAGS Register. */
#pragma once

#include "base/bits.h"

#define RFLAGS_CF        BIT(0)
#define RFLAGS_FIXED     BIT(1) /* reads as 1 */
#define RFLAGS_PF        BIT(2)
#define RFLAGS_AF        BIT(4)
#define RFLAGS_ZF        BIT(6)
#define RFLAGS_SF        BIT(7)
#define RFLAGS_TF        BIT(8)
#define RFLAGS_IF        BIT(9)
#define RFLAGS_DF        BIT(10)
#define RFLAGS_OF        BIT(11)
#define RFLAGS_IOPL      BITS(13, 12)
#define RFLAGS_NT        BIT(14)
#define RFLAGS_RF        BIT(16)
#define RFLAGS_VM        BIT(17)
#define RFLAGS_AC        BIT(18)
#define RFLAGS_VIF       BIT(19)
#define RFLAGS_VIP       BIT(20)
#define RFLAGS_ID        BIT(21)
#define RFLAGS_STATUS    (RFLAGS_CF | RFLAGS_PF | RFLAGS_AF | RFLAGS_ZF | RFLAGS_SF | RFLAGS_OF)
#define RFLAGS_RESERVED0 (~BITS(21, 0) | BIT(15) | BIT(5) | BIT(3)) /* read as 0 */
