/* The two forms in which a boot loader hands over the memory map: the part of bootinfo_parse that
 * reads tags 6 and 17. For bootinfo.c alone. */
#pragma once

#include "base/error.h"
#include "boot/bootinfo.h"

/* Tag 6, `bytes` (at least 8) after the tag's head. Replaces what tag 17 gave. */
MUST_CHECK enum error bootinfo_take_memory_map(const uint8_t *body, size_t bytes,
                                               struct bootinfo *out);

/* Tag 17, `bytes` (at least 8) after the tag's head. Changes nothing when tag 6 was there. */
MUST_CHECK enum error bootinfo_take_efi_map(const uint8_t *body, size_t bytes,
                                            struct bootinfo *out);
