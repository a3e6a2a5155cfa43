/* Control registers, XCR0 and debug registers: bit names alone.
 * Source: Intel SDM (325462-083US) vol. 3, section 2.5, Control Registers; section 2.6, Extended
 * Control Registers (Including XCR0); section 18.2, Debug Registers. */
#pragma once

#include "base/bits.h"

#define CR0_PE BIT(0)  /* protection enable */
#define CR0_MP BIT(1)  /* monitor coprocessor */
#define CR0_EM BIT(2)  /* emulation */
#define CR0_TS BIT(3)  /* task switched */
#define CR0_ET BIT(4)  /* extension type, reads as 1 */
#define CR0_NE BIT(5)  /* numeric error */
#define CR0_WP BIT(16) /* write protect */
#define CR0_AM BIT(18) /* alignment mask */
#define CR0_NW BIT(29) /* not write-through */
#define CR0_CD BIT(30) /* cache disable */
#define CR0_PG BIT(31) /* paging */
#define CR0_DEFINED                                                                                \
    (CR0_PE | CR0_MP | CR0_EM | CR0_TS | CR0_ET | CR0_NE | CR0_WP | CR0_AM | CR0_NW | CR0_CD |     \
     CR0_PG)

#define CR3_PWT      BIT(3)
#define CR3_PCD      BIT(4)
#define CR3_PCID     BITS(11, 0) /* with CR4.PCIDE */
#define CR3_LAM_U57  BIT(61)
#define CR3_LAM_U48  BIT(62)
#define CR3_NO_FLUSH BIT(63) /* in the operand of MOV to CR3, with CR4.PCIDE */

#define CR4_VME        BIT(0)
#define CR4_PVI        BIT(1)
#define CR4_TSD        BIT(2)
#define CR4_DE         BIT(3)
#define CR4_PSE        BIT(4)
#define CR4_PAE        BIT(5)
#define CR4_MCE        BIT(6)
#define CR4_PGE        BIT(7)
#define CR4_PCE        BIT(8)
#define CR4_OSFXSR     BIT(9)
#define CR4_OSXMMEXCPT BIT(10)
#define CR4_UMIP       BIT(11)
#define CR4_LA57       BIT(12)
#define CR4_VMXE       BIT(13)
#define CR4_SMXE       BIT(14)
#define CR4_FSGSBASE   BIT(16)
#define CR4_PCIDE      BIT(17)
#define CR4_OSXSAVE    BIT(18)
#define CR4_KL         BIT(19)
#define CR4_SMEP       BIT(20)
#define CR4_SMAP       BIT(21)
#define CR4_PKE        BIT(22)
#define CR4_CET        BIT(23)
#define CR4_PKS        BIT(24)
#define CR4_UINTR      BIT(25)
#define CR4_LASS       BIT(27)
#define CR4_LAM_SUP    BIT(28)

#define CR8_TPL_MASK BITS(3, 0) /* bits 7:4 of the local APIC's TPR */

#define XCR0_X87       BIT(0) /* always 1 */
#define XCR0_SSE       BIT(1)
#define XCR0_AVX       BIT(2)
#define XCR0_BNDREGS   BIT(3)
#define XCR0_BNDCSR    BIT(4)
#define XCR0_OPMASK    BIT(5)
#define XCR0_ZMM_HI256 BIT(6)
#define XCR0_HI16_ZMM  BIT(7)
#define XCR0_PKRU      BIT(9)
#define XCR0_TILECFG   BIT(17)
#define XCR0_TILEDATA  BIT(18)
#define XCR0_MPX       (XCR0_BNDREGS | XCR0_BNDCSR)
#define XCR0_AVX512    (XCR0_OPMASK | XCR0_ZMM_HI256 | XCR0_HI16_ZMM)
#define XCR0_AMX       (XCR0_TILECFG | XCR0_TILEDATA)

#define DR6_B0    BIT(0)
#define DR6_B1    BIT(1)
#define DR6_B2    BIT(2)
#define DR6_B3    BIT(3)
#define DR6_BLD   BIT(11) /* 0: bus lock was detected */
#define DR6_BD    BIT(13)
#define DR6_BS    BIT(14)
#define DR6_BT    BIT(15)
#define DR6_RTM   BIT(16) /* 0: inside a transactional region */
#define DR6_RESET 0xFFFF0FF0ull

#define DR7_LE              BIT(8)
#define DR7_GE              BIT(9)
#define DR7_RTM             BIT(11)
#define DR7_GD              BIT(13)
#define DR7_RESET           0x400ull
#define DR7_ENABLED(n)      (3ull << ((n)*2)) /* L and G of breakpoint n */
#define DR7_FIELDS_SHIFT(n) (16 + (n)*4)      /* its R/W, and LEN above */
