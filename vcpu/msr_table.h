/* The guest's MSRs: which ones Orlop looks at, and what the answer is.
 *
 * An MSR that is not in the table is passed: the guest's access goes to the CPU without an exit.
 * The table lists those that would show VMX, hurt Orlop, or let the guest reach memory past EPT.
 * The rules are pure; the caller does the access itself, fault-safely, so that the CPU has the last
 * word on an MSR's existence and reserved bits. Indexes outside 0-1FFFh and C0000000h-C0001FFFh
 * always exit (Intel SDM vol. 3C, 25.6.9 "MSR-Bitmap Address") and get #GP.
 * Any CPU; no locks. */
#pragma once

#include "base/types.h"

/* What an access to an MSR of the table meets. */
enum msr_access {
    MSR_PASS,  /* no exit */
    MSR_GUARD, /* exits, and a rule decides */
    MSR_FAULT, /* exits, and is #GP(0) */
};

/* Whether the guest could make the processor read or write memory that EPT does not cover. */
enum msr_memory {
    MSR_MEMORY_NONE,     /* addresses no memory */
    MSR_MEMORY_LINEAR,   /* linear addresses: through EPT while the guest runs, through Orlop's own
                            tables in root mode */
    MSR_MEMORY_PHYSICAL, /* physical addresses, used as they are */
};

/* What the caller does. */
enum msr_action {
    MSR_DO_NATIVE, /* the access itself, fault-safely; a read then goes through msr_read_filter() */
    MSR_DO_SHADOW, /* read or write the CPU's shadow of this MTRR; the MSR itself is not touched */
    MSR_DO_ANSWER, /* a read whose value is in *value */
    MSR_DO_IGNORE, /* a write that is done, without effect */
    MSR_DO_FAULT,  /* #GP(0) */
};

struct msr_policy {
    uint64_t own_base, own_end; /* Orlop's own range, physical, half-open */
    uint64_t mtrr_cap;          /* IA32_MTRRCAP of this CPU */
    uint64_t xss_supported;     /* cpuid_policy.xss_supported */
    uint8_t physical_bits;      /* MAXPHYADDR, 32 to 52 */
    bool has_x2apic;            /* CPUID.1:ECX[21] */
    bool has_microcode;         /* IA32_BIOS_SIGN_ID is there: updates can be asked for */
    bool pt_passes;             /* CPUID_PASSES_PT */
    bool pebs_passes;           /* CPUID_PASSES_PEBS */
};

/* One row of the table, as data for tests and listings. */
struct msr_row {
    uint32_t first, last;
    const char *name;
    enum msr_access read, write;
    enum msr_memory memory;
    const char *why;
};
extern const struct msr_row msr_rows[];
extern const unsigned msr_row_count;

/* Fills the 4 KiB MSR bitmap: a set bit makes the access exit. */
#define MSR_BITMAP_BYTES 4096
void msr_bitmap_build(uint8_t bitmap[MSR_BITMAP_BYTES], const struct msr_policy *policy);

/* RDMSR of `index` exited. *value is set for MSR_DO_ANSWER alone. */
enum msr_action msr_read_rule(const struct msr_policy *policy, uint32_t index, uint64_t *value);

/* What the guest sees of a value that MSR_DO_NATIVE has read. */
uint64_t msr_read_filter(const struct msr_policy *policy, uint32_t index, uint64_t native);

/* WRMSR of *value to `index` exited. `now` is the MSR's present value, as the CPU has it, where
 * msr_write_needs_now() says so; else it is ignored. For MSR_DO_NATIVE *value is what is to be
 * written; it may have lost bits that the guest must not set. */
enum msr_action msr_write_rule(const struct msr_policy *policy, uint32_t index, uint64_t now,
                               uint64_t *value);

/* Whether msr_write_rule() looks at `now`: IA32_APIC_BASE and IA32_MISC_ENABLE. */
bool msr_write_needs_now(uint32_t index);

/* Is a WRMSR of an MTRR (indexes 200H to 2FFH that exit) over without effect: legal, and `now` is
 * what the shadow has? Else msr_write_rule() decides. */
bool msr_mtrr_keeps(const struct msr_policy *policy, uint32_t index, uint64_t value, uint64_t now);
