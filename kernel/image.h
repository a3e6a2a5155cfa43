/* What the image in memory consists of: the core, which boot/entry.asm unpacks, and behind it what
 * only a debugger needs, which is there where the options want one. */
#pragma once

#include "base/error.h"
#include "mm/host_tables.h"

/* Unpack the debugger's part of the image that GRUB loaded at `image`. ERROR_MALFORMED: it is not
 * what tools/pack_image.py packed. Boot map in force, before anything is asked of the rest here. */
MUST_CHECK enum error image_unpack_debugger(hpa_t image);

/* The parts that are there, and what they take in memory. */
struct host_image image_parts(void);
uint64_t image_bytes(void);
