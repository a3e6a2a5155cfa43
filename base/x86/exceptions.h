/* Exception vectors: number, mnemonic, name, and whether the processor pushes an error code.
 * Source: Intel SDM (325462-083US) vol. 3, section 6.15, Exception and Interrupt Reference, and
 * table 6-1, Protected-Mode Exceptions and Interrupts. */
#pragma once

#include "base/bits.h"

/* X(vector, NAME, pushes an error code, "mnemonic and name") */
#define EXCEPTIONS(X)                                                                              \
    X(0, DE, 0, "#DE divide error")                                                                \
    X(1, DB, 0, "#DB debug exception")                                                             \
    X(2, NMI, 0, "NMI non-maskable interrupt")                                                     \
    X(3, BP, 0, "#BP breakpoint")                                                                  \
    X(4, OF, 0, "#OF overflow")                                                                    \
    X(5, BR, 0, "#BR BOUND range exceeded")                                                        \
    X(6, UD, 0, "#UD invalid opcode")                                                              \
    X(7, NM, 0, "#NM device not available")                                                        \
    X(8, DF, 1, "#DF double fault")                                                                \
    X(10, TS, 1, "#TS invalid TSS")                                                                \
    X(11, NP, 1, "#NP segment not present")                                                        \
    X(12, SS, 1, "#SS stack-segment fault")                                                        \
    X(13, GP, 1, "#GP general protection")                                                         \
    X(14, PF, 1, "#PF page fault")                                                                 \
    X(16, MF, 0, "#MF x87 floating-point error")                                                   \
    X(17, AC, 1, "#AC alignment check")                                                            \
    X(18, MC, 0, "#MC machine check")                                                              \
    X(19, XM, 0, "#XM SIMD floating-point exception")                                              \
    X(20, VE, 0, "#VE virtualization exception")                                                   \
    X(21, CP, 1, "#CP control protection")

enum exception_vector {
#define EXCEPTION_VECTOR(vector, name, error_code, text) EXCEPTION_##name = vector,
    EXCEPTIONS(EXCEPTION_VECTOR)
#undef EXCEPTION_VECTOR
};

#define EXCEPTION_VECTORS 32u /* 0 to 31 are the processor's own */

#define EXCEPTION_ERROR_CODE_BIT(vector, name, error_code, text) | (error_code) << (vector)
enum { EXCEPTIONS_WITH_ERROR_CODE = 0 EXCEPTIONS(EXCEPTION_ERROR_CODE_BIT) };
#undef EXCEPTION_ERROR_CODE_BIT
_Static_assert(EXCEPTIONS_WITH_ERROR_CODE == 0x227D00, "8, 10 to 14, 17 and 21");

static inline bool exception_pushes_error_code(unsigned vector)
{
    return vector < EXCEPTION_VECTORS && ((uint32_t)EXCEPTIONS_WITH_ERROR_CODE >> vector & 1);
}

/* The error code of #PF. Vol. 3, section 4.7, Page-Fault Exceptions. */
#define PF_ERROR_P    BIT(0) /* the page was present: a rights violation */
#define PF_ERROR_W    BIT(1)
#define PF_ERROR_U    BIT(2)
#define PF_ERROR_RSVD BIT(3)
#define PF_ERROR_I    BIT(4)
#define PF_ERROR_PK   BIT(5)
#define PF_ERROR_SS   BIT(6)
