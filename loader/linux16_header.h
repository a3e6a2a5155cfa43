/* What the 16-bit setup code of a Linux kernel is told, in its own header. Pure. Source: Linux,
 * Documentation/arch/x86/boot.rst, "Details of Header Fields" and "Running the Kernel". */
#pragma once

#include "loader/linux_place.h"

#define LINUX16_OLD_LINE_OFFSET 0x20u /* in the first sector, before 2.02 */

struct linux16_old_line {
    uint16_t magic;  /* says that an offset follows */
    uint16_t offset; /* of the command line, from the segment's start */
};

struct linux16_header {
    uint8_t bytes[LINUX_HEADER_LIMIT - LINUX_HEADER_OFFSET]; /* image->header_bytes in use */
    bool old_line_wanted;
    struct linux16_old_line old_line; /* then at LINUX16_OLD_LINE_OFFSET */
};

/* Fills in the header for an image that was read and planned for LINUX_ENTRY_16. Fields that the
 * image's protocol does not have are not touched. The last vga= of the command line is the video
 * mode: "normal", "ext", "ask" or a number; without one it is the file's. */
void linux16_header_build(const struct linux_image *image, const struct linux_plan *plan,
                          const char *command_line, struct linux16_header *out);
