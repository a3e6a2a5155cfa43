/* The capability words in text: the report that `probe` prints, and how two CPUs differ. Pure. */
#pragma once

#include "vmx/capabilities.h"

/* Receives one line at a time, without a newline, at most VMX_REPORT_LINE - 1 bytes long; the text
 * is the callee's only until it returns. */
struct vmx_report_sink {
    void (*line)(void *context, const char *text);
    void *context;
};
#define VMX_REPORT_LINE 128

/* Every word of `caps` in hexadecimal, and every bit and number in it under its SDM name; for
 * controls "0 or 1", "always 0" or "always 1", for the rest "yes" or "no". */
void vmx_capabilities_print(const struct vmx_capabilities *caps,
                            const struct vmx_report_sink *sink);

/* One line for each bit or number in which `b` is not like `a`, by name, naming the two CPUs by
 * their numbers. What the firmware sets per CPU is not compared. Returns the number of lines;
 * `sink` may be NULL. */
unsigned vmx_capabilities_differ(const struct vmx_capabilities *a, unsigned cpu_a,
                                 const struct vmx_capabilities *b, unsigned cpu_b,
                                 const struct vmx_report_sink *sink);
