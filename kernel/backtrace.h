/* Who called whom in our own code, by the chain of frame pointers, for reports. What is built
 * without them (the exit path) is left out of the chain. Any CPU, any context; another CPU's stack
 * too, while that CPU stands still. */
#pragma once

#include "base/types.h"

#define BACKTRACE_MAX        24
#define BACKTRACE_TEXT_BYTES 112

/* The return addresses behind the frame at `frame`, which must lie on a stack, and each one above
 * the one before it. Returns how many there are. */
size_t backtrace_follow(uint64_t frame, uint64_t addresses[BACKTRACE_MAX]);

/* "ffffffff80001234 function+0x12". */
void backtrace_text(uint64_t address, char text[BACKTRACE_TEXT_BYTES]);
