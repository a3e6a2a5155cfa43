/* The multiboot1 interface as numbers and layouts: the header in a kernel's file, what the boot
 * loader leaves in EAX, and the information structure. Source: Multiboot Specification, version
 * 0.6.96, chapters "OS image format" and "Boot information format". */
#pragma once

#include "base/types.h"

#define MULTIBOOT1_HEADER_MAGIC  0x1BADB002u
#define MULTIBOOT1_HEADER_WITHIN 8192u       /* bytes of the file */
#define MULTIBOOT1_LOADER_MAGIC  0x2BADB002u /* in EAX at entry */

/* Of the header's flags, bits 15:0 ask for what the kernel cannot do without. */
#define MULTIBOOT1_NEEDS_MASK 0x0000FFFFu
#define MULTIBOOT1_NEEDS_KNOWN                                                                     \
    0x00000007u /* modules on pages, memory, video: each has all that there is */
#define MULTIBOOT1_HAS_ADDRESSES 0x00010000u

struct multiboot1_header {
    uint32_t magic, flags, checksum;
};

/* What is told; one bit of `flags` for each group. */
#define MULTIBOOT1_BASIC_MEMORY 0x0001u
#define MULTIBOOT1_BOOT_DEVICE  0x0002u
#define MULTIBOOT1_COMMAND_LINE 0x0004u
#define MULTIBOOT1_MODULES      0x0008u
#define MULTIBOOT1_ELF_SECTIONS 0x0020u
#define MULTIBOOT1_MEMORY_MAP   0x0040u
#define MULTIBOOT1_LOADER_NAME  0x0200u
#define MULTIBOOT1_FRAMEBUFFER  0x1000u

struct multiboot1_information {
    uint32_t flags;
    uint32_t lower_kib, upper_kib;
    uint32_t boot_device;
    uint32_t command_line;
    uint32_t module_count, modules;
    uint32_t symbols[4];
    uint32_t memory_map_bytes, memory_map;
    uint32_t drives_bytes, drives;
    uint32_t config_table;
    uint32_t loader_name;
    uint32_t apm_table;
    uint32_t vbe[4];
    uint8_t framebuffer[28]; /* as the body of multiboot2's tag, the reserved half-word apart */
};
_Static_assert(sizeof(struct multiboot1_information) == 116, "multiboot information");

struct multiboot1_module {
    uint32_t start, end, string, reserved;
};

struct multiboot1_memory_entry {
    uint32_t bytes; /* that follow */
    uint64_t base, length_bytes;
    uint32_t type;
} __attribute__((packed));
_Static_assert(sizeof(struct multiboot1_memory_entry) == 24, "an entry of mmap_addr");
