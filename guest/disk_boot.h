/* The boot sector of a BIOS drive, or a CD's boot image (El Torito, no emulation), is read and
 * started as a BIOS does it: by INT 13h, a call at a time. Pure: the caller makes each call in the
 * guest and hands back what it gave. Sources: Enhanced Disk Drive Specification 3.0; El Torito
 * Bootable CD-ROM Format Specification 1.0; BIOS Boot Specification 1.01, appendix D. */
#pragma once

#include "base/types.h"

/* A page of conventional memory that the calls use; its contents are the caller's to put back. */
#define DISK_WORK_AT      0x1000u
#define DISK_WORK_BYTES   0x1000u
#define DISK_WORK_STACK   0xF00u /* offsets: the stack grows down from here, */
#define DISK_WORK_PACKET  0xF00u /* what a call is given in memory, or gives */
#define DISK_PACKET_BYTES 16u
#define DISK_LOOK_BYTES   2048u

/* Registers of a call; segments are those of DS and ES. */
struct disk_call {
    uint16_t ax, bx, cx, dx, si, ds, es;
};

struct disk_answer {
    uint16_t ax, bx, cx;
    bool carry;
};

enum disk_next {
    DISK_CALL,  /* make `call`, with `packet` in memory; then bring what lies at `look_at` */
    DISK_START, /* start the guest at entry_cs:entry_ip */
    DISK_FAIL,  /* `why`, and `status` of INT 13h where it was a call that failed */
};

struct disk_boot {
    uint8_t drive;
    uint64_t memory_end; /* of conventional memory */
    unsigned step, attempts;
    bool resetting;
    uint64_t sector, to; /* of a CD: the next one to read, of `left`, and where to */
    uint32_t left, count;
    struct disk_call call;
    uint8_t packet[DISK_PACKET_BYTES];
    uint32_t look_at; /* 0: nothing is looked at */
    uint16_t entry_cs, entry_ip;
    const char *why;
    uint8_t status;
};

/* The first call for `drive`. */
enum disk_next disk_boot_begin(struct disk_boot *disk, uint8_t drive, uint64_t memory_end);

/* After a call: its answer and the DISK_LOOK_BYTES at `look_at`. Bounded: a drive is asked a few
 * times, and a boot image is as long as its catalogue says. */
enum disk_next disk_boot_next(struct disk_boot *disk, const struct disk_answer *answer,
                              const uint8_t *look);
