/* The multiboot2 interface as numbers and layouts: the header in our image, what the boot loader
 * leaves in EAX, and the tags of the information structure. Layouts are read through memcpy, since
 * nothing promises that a loader aligns them. Source: Multiboot2 Specification, version 2.0,
 * chapters "OS image format" and "Boot information format"; EFI_MEMORY_DESCRIPTOR: UEFI
 * Specification 2.10, section 7.2 "Memory Allocation Services". */
#pragma once

#include "base/types.h"

#define MULTIBOOT2_HEADER_MAGIC       0xE85250D6u
#define MULTIBOOT2_LOADER_MAGIC       0x36D76289u /* in EAX at entry */
#define MULTIBOOT2_ARCHITECTURE_I386  0u
#define MULTIBOOT2_HEADER_ALIGN_BYTES 8u
#define MULTIBOOT2_TAG_ALIGN_BYTES    8u
#define MULTIBOOT2_HEADER_WITHIN      32768u /* bytes of the file */

/* Tags of the header, in our image. */
#define MULTIBOOT2_HEADER_TAG_END          0u
#define MULTIBOOT2_HEADER_TAG_INFORMATION  1u
#define MULTIBOOT2_HEADER_TAG_ADDRESS      2u
#define MULTIBOOT2_HEADER_TAG_ENTRY        3u
#define MULTIBOOT2_HEADER_TAG_CONSOLE      4u
#define MULTIBOOT2_HEADER_TAG_FRAMEBUFFER  5u
#define MULTIBOOT2_HEADER_TAG_MODULE_ALIGN 6u
#define MULTIBOOT2_HEADER_TAG_EFI_SERVICES 7u
#define MULTIBOOT2_HEADER_TAG_ENTRY_EFI32  8u
#define MULTIBOOT2_HEADER_TAG_ENTRY_EFI64  9u
#define MULTIBOOT2_HEADER_TAG_RELOCATABLE  10u
#define MULTIBOOT2_HEADER_TAG_OPTIONAL     1u /* in a header tag's flags */

/* Tags of the information structure. */
#define MULTIBOOT2_TAG_END          0u
#define MULTIBOOT2_TAG_COMMAND_LINE 1u
#define MULTIBOOT2_TAG_LOADER_NAME  2u
#define MULTIBOOT2_TAG_MODULE       3u
#define MULTIBOOT2_TAG_BASIC_MEMORY 4u
#define MULTIBOOT2_TAG_BOOT_DEVICE  5u
#define MULTIBOOT2_TAG_MEMORY_MAP   6u
#define MULTIBOOT2_TAG_VBE          7u
#define MULTIBOOT2_TAG_FRAMEBUFFER  8u
#define MULTIBOOT2_TAG_ELF_SECTIONS 9u
#define MULTIBOOT2_TAG_APM          10u
#define MULTIBOOT2_TAG_EFI32_TABLE  11u
#define MULTIBOOT2_TAG_EFI64_TABLE  12u
#define MULTIBOOT2_TAG_RSDP_V1      14u
#define MULTIBOOT2_TAG_RSDP_V2      15u
#define MULTIBOOT2_TAG_NETWORK      16u
#define MULTIBOOT2_TAG_EFI_MEMORY   17u
#define MULTIBOOT2_TAG_EFI_SERVICES 18u
#define MULTIBOOT2_TAG_EFI32_IMAGE  19u
#define MULTIBOOT2_TAG_EFI64_IMAGE  20u
#define MULTIBOOT2_TAG_LOAD_BASE    21u

/* Types of memory in tag 6. Any other number is to be taken as reserved. */
#define MULTIBOOT2_MEMORY_AVAILABLE    1u
#define MULTIBOOT2_MEMORY_RESERVED     2u
#define MULTIBOOT2_MEMORY_ACPI_RECLAIM 3u
#define MULTIBOOT2_MEMORY_ACPI_NVS     4u
#define MULTIBOOT2_MEMORY_BAD          5u

#define MULTIBOOT2_FRAMEBUFFER_INDEXED 0u
#define MULTIBOOT2_FRAMEBUFFER_RGB     1u
#define MULTIBOOT2_FRAMEBUFFER_TEXT    2u

struct multiboot2_header {
    uint32_t magic, architecture, bytes, checksum;
    /* tags follow */
};
_Static_assert(sizeof(struct multiboot2_header) == 16, "fixed part of the header");

struct multiboot2_header_tag {
    uint16_t type, flags;
    uint32_t bytes; /* this head included, the padding to 8 bytes not */
};
_Static_assert(sizeof(struct multiboot2_header_tag) == 8, "head of a header's tag");

/* Header tag 10, behind its head. */
struct multiboot2_relocatable {
    uint32_t lowest, highest, align, preference;
};
#define MULTIBOOT2_PREFERS_LOW  1u
#define MULTIBOOT2_PREFERS_HIGH 2u
_Static_assert(sizeof(struct multiboot2_relocatable) == 16, "header tag 10");

struct multiboot2_information {
    uint32_t total_bytes; /* this header and every tag, the end tag included */
    uint32_t reserved;
};
_Static_assert(sizeof(struct multiboot2_information) == 8, "fixed part of the information");

struct multiboot2_tag {
    uint32_t type;
    uint32_t bytes; /* this header included, the padding to 8 bytes not */
};
_Static_assert(sizeof(struct multiboot2_tag) == 8, "head of a tag");

/* What follows the head of a tag. */
struct multiboot2_module {
    uint32_t start;
    uint32_t end;
    /* a string follows */
};
_Static_assert(sizeof(struct multiboot2_module) == 8, "tag 3");

struct multiboot2_basic_memory {
    uint32_t lower_kib;
    uint32_t upper_kib;
};
_Static_assert(sizeof(struct multiboot2_basic_memory) == 8, "tag 4");

struct multiboot2_memory_map {
    uint32_t entry_bytes;
    uint32_t entry_version;
    /* entries of entry_bytes each follow */
};
_Static_assert(sizeof(struct multiboot2_memory_map) == 8, "tag 6");

struct multiboot2_memory_entry {
    uint64_t base;
    uint64_t length_bytes;
    uint32_t type;
} __attribute__((packed));
_Static_assert(sizeof(struct multiboot2_memory_entry) == 20, "what is used of an entry of tag 6");

struct multiboot2_framebuffer {
    uint64_t address;
    uint32_t pitch_bytes;
    uint32_t width;
    uint32_t height;
    uint8_t bits_per_pixel;
    uint8_t type;
} __attribute__((packed));
_Static_assert(sizeof(struct multiboot2_framebuffer) == 22, "the common part of tag 8");

/* What follows for type RGB. */
struct multiboot2_framebuffer_rgb {
    uint16_t reserved;
    uint8_t red_position, red_bits;
    uint8_t green_position, green_bits;
    uint8_t blue_position, blue_bits;
};
_Static_assert(sizeof(struct multiboot2_framebuffer_rgb) == 8, "the rest of tag 8");

struct multiboot2_efi_memory {
    uint32_t descriptor_bytes; /* 48 on common firmware, not the 40 of the structure */
    uint32_t descriptor_version;
    /* descriptors of descriptor_bytes each follow */
};
_Static_assert(sizeof(struct multiboot2_efi_memory) == 8, "tag 17");

struct multiboot2_efi_descriptor {
    uint32_t type;
    uint32_t padding;
    uint64_t physical_start;
    uint64_t virtual_start;
    uint64_t pages; /* of 4 KiB */
    uint64_t attributes;
};
_Static_assert(sizeof(struct multiboot2_efi_descriptor) == 40, "EFI_MEMORY_DESCRIPTOR");
