#include "vcpu/cr_rules.h"

#include "base/x86/msr.h"
#include "vcpu/cr4_features.h"

/* NE must be 1 in VMX operation; CD and NW act on Orlop's own memory as well, because VM entry and
 * exit leave them alone (vol. 3C, 27.3.2.1 "Loading Guest Control Registers, Debug Registers, and
 * MSRs"). PG and PE are the guest's: unrestricted guest. */
#define CR0_OWNED (CR0_NE | CR0_CD | CR0_NW)

/* Changes that make PAE paging read its PDPTEs again (vol. 3A, 4.4.1 "PDPTE Registers"). */
#define CR0_LOADS_PDPTES (CR0_CD | CR0_NW | CR0_PG)
#define CR4_LOADS_PDPTES (CR4_PAE | CR4_PGE | CR4_PSE | CR4_SMEP)

/* Changes that invalidate TLB entries (vol. 3A, 4.10.4.1 "Operations that Invalidate TLBs and
 * Paging-Structure Caches"); PCIDE only when it is cleared, SMEP only when it is set. */
#define CR4_FLUSHES (CR4_PAE | CR4_PGE | CR4_PSE | CR4_LA57)

static bool uses_pae_paging(uint64_t cr0, uint64_t cr4, uint64_t efer)
{
    return (cr0 & CR0_PG) && (cr4 & CR4_PAE) && !(efer & EFER_LME);
}

/* #GP reasons that the value carries in itself. */
static bool cr0_value_legal(uint64_t value)
{
    if (value >> 32)
        return false;
    if ((value & CR0_PG) && !(value & CR0_PE))
        return false;
    return !(value & CR0_NW) || (value & CR0_CD);
}

/* #GP reasons that come from the rest of the state (vol. 2B, "MOV - Move to/from Control
 * Registers"; vol. 3A, 10.8.5 "Initializing IA-32e Mode"). */
static bool cr0_change_legal(const struct cr_state *now, uint64_t value)
{
    bool turns_on = (value & CR0_PG) && !(now->cr0 & CR0_PG);
    bool turns_off = !(value & CR0_PG) && (now->cr0 & CR0_PG);
    if (!(value & CR0_WP) && (now->cr4 & CR4_CET))
        return false;
    if (turns_on && (now->efer & EFER_LME))
        return (now->cr4 & CR4_PAE) && !now->cs_l && !now->tr_16bit;
    if (turns_off)
        return !(now->cr4 & CR4_PCIDE) && !((now->efer & EFER_LMA) && now->cs_l);
    return true;
}

enum cr_verdict cr0_write_rule(const struct cr_state *now, uint64_t value, uint64_t *view_out)
{
    unsigned verdict = CR_VERDICT_OK;
    if (!cr0_value_legal(value) || !cr0_change_legal(now, value))
        return CR_VERDICT_GP;

    /* Reserved bits of the lower half are ignored, ET is always 1. */
    uint64_t view = (value & CR0_DEFINED) | CR0_ET;
    uint64_t changed = view ^ now->cr0;
    if ((changed & CR0_LOADS_PDPTES) && uses_pae_paging(view, now->cr4, now->efer))
        verdict |= CR_VERDICT_LOAD_PDPTES;
    if ((changed & CR0_PG) && (now->efer & EFER_LME))
        verdict |= view & CR0_PG ? CR_VERDICT_ENTER_IA32E : CR_VERDICT_LEAVE_IA32E;
    if (changed & CR0_PG)
        verdict |= CR_VERDICT_FLUSH_TLB;
    if (changed & CR0_CD)
        verdict |= view & CR0_CD ? CR_VERDICT_CACHES_OFF : CR_VERDICT_CACHES_ON;
    *view_out = view;
    return verdict;
}

uint64_t cr0_lmsw_value(uint64_t cr0, uint16_t source)
{
    const uint64_t loaded = CR0_MP | CR0_EM | CR0_TS;
    return (cr0 & ~loaded) | (source & (loaded | CR0_PE));
}

uint64_t cr0_clts_value(uint64_t cr0) { return cr0 & ~CR0_TS; }

static bool cr4_change_legal(const struct cr_state *now, uint64_t value)
{
    uint64_t changed = value ^ now->cr4;
    bool long_mode = now->efer & EFER_LMA;
    if (long_mode && (!(value & CR4_PAE) || (changed & CR4_LA57)))
        return false;
    if ((changed & value & CR4_PCIDE) && (!long_mode || (now->cr3 & CR3_PCID)))
        return false;
    return !(value & CR4_CET) || (now->cr0 & CR0_WP);
}

enum cr_verdict cr4_write_rule(const struct cr_state *now, uint64_t allowed, uint64_t value,
                               uint64_t *view_out)
{
    unsigned verdict = CR_VERDICT_OK;
    if ((value & ~allowed) || !cr4_change_legal(now, value))
        return CR_VERDICT_GP;

    uint64_t changed = value ^ now->cr4;
    if ((changed & CR4_LOADS_PDPTES) && uses_pae_paging(now->cr0, value, now->efer))
        verdict |= CR_VERDICT_LOAD_PDPTES;
    if ((changed & CR4_FLUSHES) || (changed & now->cr4 & CR4_PCIDE) || (changed & value & CR4_SMEP))
        verdict |= CR_VERDICT_FLUSH_TLB;
    *view_out = value;
    return verdict;
}

/* Bits 2:1, 8:5 and those from MAXPHYADDR up are reserved (vol. 3A, 4.4.1). */
bool pdpte_legal(uint64_t pdpte, unsigned physical_bits)
{
    const uint64_t reserved = BITS(2, 1) | BITS(8, 5) | ~(BIT(physical_bits) - 1);
    return !(pdpte & 1) || !(pdpte & reserved);
}

uint64_t cr0_owned_bits(void) { return CR0_OWNED; }
uint64_t cr4_owned_bits(uint64_t allowed) { return ~allowed; }

uint64_t cr0_hardware_value(uint64_t view) { return (view & ~CR0_OWNED) | CR0_NE; }
uint64_t cr4_hardware_value(uint64_t view) { return view | CR4_VMXE; }

uint64_t cr0_view(uint64_t hardware, uint64_t shadow)
{
    return (hardware & ~CR0_OWNED) | (shadow & CR0_OWNED);
}

uint64_t cr4_view(uint64_t hardware, uint64_t shadow, uint64_t allowed)
{
    return (hardware & allowed) | (shadow & ~allowed);
}

uint64_t cr4_allowed_bits(cpuid_reader *native, uint64_t fixed1)
{
    uint64_t allowed = CR4_PCE;
    for (unsigned i = 0; i < cr4_feature_count; i++) {
        struct cpuid_regs answer = cpuid_place_read(native, cr4_features[i].place);
        if (cpuid_out_get(&answer, cr4_features[i].out) & cr4_features[i].bits)
            allowed |= cr4_features[i].cr4;
    }
    return allowed & fixed1;
}
