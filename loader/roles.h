/* What the modules of the Orlop entry in grub.cfg mean. The first word of a module's string is its
 * role, the rest are its arguments; one row a role in roles.c. The product is a plan: pure data
 * that says what is to be copied where and how the guest starts. When there is none, `message` is
 * the one sentence that tells the person what to write in grub.cfg. Pure. */
#pragma once

#include "base/error.h"
#include "boot/bootinfo.h"

#define GUEST_MESSAGE_BYTES   224u
#define REALMODE_DEFAULT_ADDR 0x7C00u
#define REALMODE_LOWEST_ADDR  0x600u   /* past the IVT, the BIOS data area and its neighbour */
#define REALMODE_END_ADDR     0xA0000u /* 640 KiB, or less where the BIOS keeps the top */

enum guest_kind {
    GUEST_NONE,
    GUEST_REALMODE,
    GUEST_LINUX,
    GUEST_LINUX16,
    GUEST_DISK,
    GUEST_MULTIBOOT,
};

/* Real-mode guests find the BIOS alive; others are told what they need by their boot protocol. */
static inline bool guest_has_bios(enum guest_kind kind)
{
    return kind == GUEST_REALMODE || kind == GUEST_LINUX16 || kind == GUEST_DISK;
}

struct guest_plan {
    enum guest_kind kind;
    uint32_t module;       /* index into bootinfo's modules */
    uint64_t source_start; /* physical address of the module, while it is where GRUB put it */
    uint64_t source_bytes;
    /* realmode */
    uint64_t load_address; /* guest-physical; aligned to 16 bytes */
    uint16_t entry_cs;     /* CS is this segment, IP this offset */
    uint16_t entry_ip;
    /* disk */
    uint8_t drive;
    /* linux, linux16, multiboot */
    const char *command_line; /* in bootinfo */
    /* multiboot */
    uint32_t module_count;
    uint32_t modules[BOOTINFO_MAX_MODULES]; /* the kernel's own: indices as below */
    /* linux */
    uint32_t initrd_count;
    uint32_t
        initrds[BOOTINFO_MAX_MODULES]; /* indices into bootinfo's modules, in grub.cfg's order */
    char message[GUEST_MESSAGE_BYTES]; /* why there is no plan, else empty */
};

/* Makes the plan from the modules. With `probe` no guest is wanted: modules are not looked at and
 * the kind is GUEST_NONE. Otherwise exactly one module must name a guest; initrds belong to a Linux
 * kernel and may stand before it or after it. A multiboot kernel's own modules follow it, up to one
 * that begins with a role's name. ERROR_NOT_FOUND when there is no guest,
 * ERROR_UNSUPPORTED for an unknown role, ERROR_RANGE for an argument that cannot be,
 * ERROR_MALFORMED for modules that contradict each other, have no role or are empty. */
MUST_CHECK enum error roles_plan(const struct bootinfo *info, bool probe, struct guest_plan *out);

/* The same where the option `disk` names the guest: what the BIOS boots from `drive`.
 * ERROR_MALFORMED when there are modules as well, ERROR_UNSUPPORTED on a machine without a BIOS. */
MUST_CHECK enum error roles_plan_disk(const struct bootinfo *info, uint8_t drive,
                                      struct guest_plan *out);
