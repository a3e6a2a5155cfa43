/* What a kernel's file says of itself: the setup header that the Linux boot protocol puts at offset
 * 0x1F1. For the 32-bit entry a bzImage of protocol 2.06 or later (Linux 2.6.22); for the 16-bit
 * one all from protocol 2.00 on, a zImage too. Pure; no byte of the file is believed. Source:
 * Linux, Documentation/arch/x86/boot.rst, "The Real-Mode Kernel Header"; layout:
 * arch/x86/include/uapi/asm/bootparam.h. */
#pragma once

#include "base/error.h"
#include "base/types.h"

#define LINUX_HEADER_OFFSET 0x1F1u
#define LINUX_HEADER_LIMIT  0x290u /* in the zero page other fields follow here */
#define LINUX_SECTOR_BYTES  512u
#define LINUX_LOWEST_LOAD   MIB(1)

/* The setup header up to protocol 2.15, in the file and in the zero page. */
struct linux_header {
    uint8_t setup_sects; /* of 512 bytes, after the first one; 0 means 4 */
    uint16_t root_flags;
    uint32_t syssize; /* of the protected-mode part, in 16 bytes */
    uint16_t ram_size;
    uint16_t vid_mode;
    uint16_t root_dev;
    uint16_t boot_flag;
    uint8_t jump_opcode;
    uint8_t jump_offset; /* from 0x202 to the header's end */
    uint32_t magic;
    uint16_t version;
    uint32_t realmode_swtch;
    uint16_t start_sys_seg;
    uint16_t kernel_version;
    uint8_t type_of_loader;
    uint8_t loadflags; /* LINUX_LOAD_* */
    uint16_t setup_move_size;
    uint32_t code32_start;
    uint32_t ramdisk_image;
    uint32_t ramdisk_size;
    uint32_t bootsect_kludge;
    uint16_t heap_end_ptr;
    uint8_t ext_loader_ver;
    uint8_t ext_loader_type;
    uint32_t cmd_line_ptr;
    uint32_t initrd_addr_max; /* of an initrd's last byte */
    uint32_t kernel_alignment;
    uint8_t relocatable_kernel;
    uint8_t min_alignment; /* 2.10: as a power of two */
    uint16_t xloadflags;
    uint32_t cmdline_size; /* 2.06: without the NUL */
    uint32_t hardware_subarch;
    uint64_t hardware_subarch_data;
    uint32_t payload_offset; /* 2.08: from the start of the protected-mode part */
    uint32_t payload_length;
    uint64_t setup_data;
    uint64_t pref_address; /* 2.10 */
    uint32_t init_size;    /* 2.10 */
    uint32_t handover_offset;
    uint32_t kernel_info_offset;
} __attribute__((packed));
_Static_assert(LINUX_HEADER_OFFSET + sizeof(struct linux_header) == 0x26C, "ends as 2.15 does");

#define LINUX_LOAD_HIGH     0x01u
#define LINUX_LOAD_USE_HEAP 0x80u /* for the real-mode part: heap_end_ptr is good */

#define LINUX_SETUP_SECTS_MAX 64u /* the setup part, its data and its heap share a segment */

enum linux_version { /* of the protocol: the first that has ... */
                     LINUX_VERSION_2_00 = 0x200,
                     LINUX_VERSION_2_01 = 0x201, /* heap_end_ptr */
                     LINUX_VERSION_2_02 =
                         0x202, /* cmd_line_ptr; the setup part stays where it was put */
                     LINUX_VERSION_2_03 = 0x203, /* initrd_addr_max */
                     LINUX_VERSION_2_04 = 0x204, /* syssize of 4 bytes */
                     LINUX_VERSION_2_05 = 0x205, /* relocatable_kernel */
                     LINUX_VERSION_2_06 = 0x206, /* cmdline_size */
                     LINUX_VERSION_2_08 = 0x208, /* payload_offset, payload_length */
                     LINUX_VERSION_2_10 = 0x20A, /* pref_address, init_size, min_alignment */
};

enum linux_entry { LINUX_ENTRY_32, LINUX_ENTRY_16 };

/* All sizes in bytes. */
struct linux_image {
    enum linux_entry entry;    /* as it was read for */
    uint16_t version;          /* of the protocol, 0x020A is 2.10 */
    bool high;                 /* a bzImage: loaded at 1 MiB or above; else at 64 KiB */
    bool relocatable;          /* else it runs at pref_address alone */
    uint64_t setup_bytes;      /* where the protected-mode part begins in the file */
    uint64_t payload_bytes;    /* the rest of the file: what is to be copied */
    uint64_t pref_address;     /* before 2.10: 1 MiB */
    uint64_t init_size;        /* what it needs from where it is loaded, before it reads the map */
    uint64_t initrd_max;       /* an initrd ends at or below it; at most 4 GiB */
    uint32_t alignment;        /* as it prefers; a power of two; 1 when not relocatable */
    uint32_t min_alignment;    /* as it can bear; at most `alignment` */
    uint32_t command_line_max; /* without the NUL */
    uint32_t header_bytes;     /* of `header` in use */
    uint8_t header[LINUX_HEADER_LIMIT - LINUX_HEADER_OFFSET]; /* as in the file, from 0x1F1 */
};

/* Reads the header of a file of `bytes` bytes, of which at most the first LINUX_HEADER_LIMIT are
 * looked at, to enter it at `entry`. ERROR_MALFORMED or ERROR_UNSUPPORTED, and `*why` is the end of
 * a sentence that begins with the file's name: "is no bzImage". A file that is longer than its
 * header says is good (a signature may follow), and so is one whose last 16 bytes are not all there
 * (the header counts in 16 bytes). The checksum of protocol 2.08 is not looked at: a file that was
 * signed after it had been built (Debian's) breaks it, newer kernels have none, and the kernel
 * checks its compressed part itself. Before 2.10 no header says what the kernel needs: four times
 * its size in the file is assumed (it is compressed to about a third, and is unpacked above
 * itself). */
MUST_CHECK enum error linux_image_parse(const uint8_t *file, uint64_t bytes, enum linux_entry entry,
                                        struct linux_image *out, const char **why);
