/* MOV to CR0 and CR4, LMSW and CLTS as the bare CPU would judge them, for the writes that exit.
 *
 * Orlop owns CR0.NE, CD and NW and, in CR4, VMXE, SMXE and every bit that VMX operation or the CPU
 * does not allow. Everything else in both registers is the guest's and costs no exit. What the
 * guest reads of an owned bit is its own last write (the "view"); what the CPU runs with is
 * NE = 1, CD = NW = 0, VMXE = 1. Pure; any CPU. */
#pragma once

#include "base/types.h"
#include "vcpu/cpuid_rules.h"

/* The guest's registers as the guest reads them. */
struct cr_state {
    uint64_t cr0, cr3, cr4, efer;
    bool cs_l;     /* CS.L */
    bool tr_16bit; /* TR holds a 16-bit TSS, which IA-32e mode refuses */
};

/* Either CR_VERDICT_GP alone, or what must follow the write; 0 is a write with nothing more to do.
 */
enum cr_verdict {
    CR_VERDICT_OK = 0,
    CR_VERDICT_GP = 1 << 0,          /* #GP(0), nothing is changed */
    CR_VERDICT_LOAD_PDPTES = 1 << 1, /* read the four PDPTEs at CR3; pdpte_legal() or #GP(0) */
    CR_VERDICT_ENTER_IA32E = 1 << 2, /* EFER.LMA and "IA-32e mode guest" become 1 */
    CR_VERDICT_LEAVE_IA32E = 1 << 3, /* ... become 0 */
    CR_VERDICT_FLUSH_TLB = 1 << 4,   /* the write invalidates the guest's TLB entries */
    CR_VERDICT_CACHES_OFF = 1 << 5,  /* CD becomes 1 */
    CR_VERDICT_CACHES_ON = 1 << 6,   /* ... becomes 0 */
};

/* MOV to CR0. *view_out is what the guest will read, also fit for the read shadow. */
enum cr_verdict cr0_write_rule(const struct cr_state *now, uint64_t value, uint64_t *view_out);

/* The CR0 value that LMSW and CLTS amount to; judge it with cr0_write_rule(). LMSW takes the low
 * four bits of its source and cannot clear PE. */
uint64_t cr0_lmsw_value(uint64_t cr0_view, uint16_t source);
uint64_t cr0_clts_value(uint64_t cr0_view);

/* MOV to CR4. `allowed` is from cr4_allowed_bits(). */
enum cr_verdict cr4_write_rule(const struct cr_state *now, uint64_t allowed, uint64_t value,
                               uint64_t *view_out);

/* One PDPTE of PAE paging: reserved bits clear, or not present. */
bool pdpte_legal(uint64_t pdpte, unsigned physical_bits);

/* Guest/host masks: a set bit is owned by Orlop. */
uint64_t cr0_owned_bits(void);
uint64_t cr4_owned_bits(uint64_t allowed);

/* What the CPU runs with when the guest's view is `view`. */
uint64_t cr0_hardware_value(uint64_t view);
uint64_t cr4_hardware_value(uint64_t view);

/* What the guest reads, from the running value and the read shadow. */
uint64_t cr0_view(uint64_t hardware, uint64_t shadow);
uint64_t cr4_view(uint64_t hardware, uint64_t shadow, uint64_t allowed);

/* The CR4 bits that the guest may set: those that Orlop knows, that this CPU enumerates and that
 * `fixed1` (IA32_VMX_CR4_FIXED1) lets be 1; never VMXE or SMXE. Boot time. */
uint64_t cr4_allowed_bits(cpuid_reader *native, uint64_t fixed1);
