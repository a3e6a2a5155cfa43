/* The error value of docs/design.md, kind two: the machine is unsuitable, or the firmware
 * lies. It must be checked; the reason is logged where it arises, not where it is returned. */
#pragma once

#define MUST_CHECK __attribute__((warn_unused_result))

enum error {
    ERROR_NONE = 0,
    ERROR_NOT_FOUND,   /* what was asked for is not there */
    ERROR_MALFORMED,   /* bytes from outside break their own format */
    ERROR_UNSUPPORTED, /* a feature is missing */
    ERROR_NO_SPACE,    /* a fixed-size table or pool is full */
    ERROR_RANGE,       /* a value is outside what is allowed */
    ERROR_TIMEOUT,     /* a bounded wait ran out */
    ERROR_FAULT, /* the processor answered with a fault (fault-safe MSR access and the like) */
};
