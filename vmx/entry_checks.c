#include "vmx/entry_view.h"

#include "base/bits.h"
#include "base/x86/cr.h"
#include "base/x86/eflags.h"
#include "base/x86/exceptions.h"
#include "base/x86/msr.h"
#include "base/x86/segment.h"
#include "mm/pte.h"
#include "vcpu/cr_rules.h"
#include "vmx/capability_words.h"
#include "vmx/exit_info.h"
#include "vmx/vmcs_fields.h"

#define UPPER_HALF   0xFFFFFFFF00000000ull
#define SEGMENT_CS   1
#define SEGMENT_TR   7
#define DEBUGCTL_BTF BIT(1)

#define LOOK(field) entry_look(v, VMCS_##field.encoding)

/* Of the segment at hand. */
#define LOOK_SEGMENT(field) entry_look(v, VMCS_##field.encoding + 2 * v->segment)

static bool is(const struct entry_view *v, enum entry_fact fact) { return v->facts[fact]; }

static bool address_fits(const struct entry_view *v, uint64_t address)
{
    return !(address >> vmx_physical_bits(v->now->caps));
}

static unsigned linear_bits(const struct entry_view *v)
{
    uint64_t bits = bits_get(v->now->caps->cpuid_ext_8_eax, CPUID_EXT_8_EAX_LINEAR_BITS);
    return bits ? (unsigned)bits : 48;
}

/* The checks: whether `value`, of the row's field, is as it should be. */
#define CHECK(name)                                                                                \
    static bool check_##name(struct entry_view *v __attribute__((unused)),                         \
                             uint64_t value __attribute__((unused)),                               \
                             uint32_t argument __attribute__((unused)))

CHECK(zero) { return !(value & (UPPER_HALF | argument)); }
CHECK(not_zero) { return value != 0; }
CHECK(equals) { return value == argument; }
CHECK(bits) { return (value & argument & 0xFFFF) == argument >> 16; }

/* Appendix A.3 to A.5: bits that must be 1, bits that may be. */
CHECK(in_word)
{
    uint64_t word = vmx_capability_at(v->now->caps, (uint16_t)argument);
    return !(~value & (uint32_t)word) && !(value & ~(word >> 32));
}

CHECK(in_flags) { return !(value & ~vmx_capability_at(v->now->caps, (uint16_t)argument)); }

/* `argument` low bits are 0, and none is beyond the physical addresses. */
CHECK(address) { return !(value & (BIT(argument) - 1)) && address_fits(v, value); }

CHECK(canonical) { return sign_extend(value, linear_bits(v)) == value; }

CHECK(cr3_targets) { return value <= bits_get(v->now->caps->misc, VMX_MISC_CR3_TARGETS_MASK); }

/* Byte 80H of the virtual-APIC page holds VTPR. */
CHECK(below_vtpr)
{
    uint64_t word;
    return is(v, FACT_APIC_ACCESSES) ||
           !v->now->memory(v->now->context, LOOK(VIRTUAL_APIC_ADDRESS) + 0x80, &word) ||
           (value & 0xF) <= (word >> 4 & 0xF);
}

CHECK(eptp_type)
{
    uint64_t type = value & 7;
    return (type == 0 && (v->now->caps->ept_vpid & EPT_VPID_CAP_MEMORY_TYPE_UC)) ||
           (type == EPTP_TYPE_WB && (v->now->caps->ept_vpid & EPT_VPID_CAP_MEMORY_TYPE_WB));
}

CHECK(eptp_walk)
{
    uint64_t walk = value >> 3 & 7;
    return walk == 3 || (walk == 4 && (v->now->caps->ept_vpid & EPT_VPID_CAP_WALK_5));
}

CHECK(eptp_dirty)
{
    return !(value & EPTP_ACCESS_DIRTY) || (v->now->caps->ept_vpid & EPT_VPID_CAP_ACCESSED_DIRTY);
}

CHECK(eptp_reserved)
{
    bool shadow_stacks = v->now->caps->ept_vpid & EPT_VPID_CAP_SUPERVISOR_SHADOW_STACK;
    return !(value & BITS(11, shadow_stacks ? 8 : 7)) && address_fits(v, value);
}

CHECK(hlat_pointer) { return !(value & (BITS(11, 5) | BITS(2, 0))) && address_fits(v, value); }

CHECK(hlat_prefix) { return value <= bits_get(v->now->caps->ept_vpid, EPT_VPID_CAP_HLAT_MASK); }

CHECK(ipi_table_end) { return address_fits(v, value + 8 * LOOK(LAST_PID_POINTER_INDEX)); }

/* `value` is the count; the address is found by the list's number. */
CHECK(msr_list)
{
    uint64_t address =
        value ? entry_look(v, VMCS_VM_EXIT_MSR_STORE_ADDRESS.encoding + 2 * argument) : 0;
    return !(address & 15) && address_fits(v, address) &&
           (!value || address_fits(v, address + value * 16 - 1));
}

/* The event that is to be injected. */
#define EVENT_TYPE(info)   ((uint32_t)(info)&INTERRUPTION_TYPE_MASK)
#define EVENT_VECTOR(info) ((uint32_t)(info)&INTERRUPTION_VECTOR_MASK)

CHECK(event_type)
{
    uint32_t type = EVENT_TYPE(value);
    return type != 1 << 8 && (type != INTERRUPTION_TYPE_OTHER ||
                              (v->now->caps->primary >> 32 & PRIMARY_MONITOR_TRAP_FLAG));
}

CHECK(event_vector)
{
    switch (EVENT_TYPE(value)) {
    case INTERRUPTION_TYPE_NMI:
        return EVENT_VECTOR(value) == EXCEPTION_NMI;
    case INTERRUPTION_TYPE_HARDWARE:
        return EVENT_VECTOR(value) < EXCEPTION_VECTORS;
    case INTERRUPTION_TYPE_OTHER:
        return EVENT_VECTOR(value) == 0;
    default:
        return true;
    }
}

/* #CP came with the processors that do not look at the vector (VMX_BASIC bit 56). */
CHECK(event_error_code)
{
    unsigned vector = EVENT_VECTOR(value);
    bool has = value & INTERRUPTION_ERROR_CODE;
    if (EVENT_TYPE(value) != INTERRUPTION_TYPE_HARDWARE || !(LOOK(GUEST_CR0) & CR0_PE))
        return !has;
    return (v->now->caps->basic & VMX_BASIC_ANY_ERROR_CODE) ||
           has == (exception_pushes_error_code(vector) && vector != EXCEPTION_CP);
}

CHECK(event_length)
{
    uint32_t type = EVENT_TYPE(LOOK(VM_ENTRY_INTERRUPTION_INFO));
    if (type < INTERRUPTION_TYPE_SOFTWARE || type > INTERRUPTION_TYPE_SOFTWARE_EXCEPTION)
        return true;
    return value <= 15 && (value || (v->now->caps->misc & VMX_MISC_ZERO_LENGTH_INJECTION));
}

CHECK(hlt_event)
{
    unsigned vector = EVENT_VECTOR(value);
    switch (EVENT_TYPE(value)) {
    case INTERRUPTION_TYPE_EXTERNAL:
    case INTERRUPTION_TYPE_NMI:
    case INTERRUPTION_TYPE_OTHER:
        return true;
    default:
        return EVENT_TYPE(value) == INTERRUPTION_TYPE_HARDWARE &&
               (vector == EXCEPTION_DB || vector == EXCEPTION_MC);
    }
}

CHECK(shutdown_event)
{
    return is(v, FACT_EVENT_NMI) ||
           (EVENT_TYPE(value) == INTERRUPTION_TYPE_HARDWARE && EVENT_VECTOR(value) == EXCEPTION_MC);
}

/* NW and CD are never looked at; `argument`: the guest's, where PE and PG may be free. */
CHECK(cr0)
{
    uint64_t free = CR0_NW | CR0_CD;
    uint64_t free_to_clear = argument && is(v, FACT_UNRESTRICTED) ? CR0_PE | CR0_PG : 0;
    return !(~value & v->now->caps->cr0_fixed0 & ~free & ~free_to_clear) &&
           !(value & ~v->now->caps->cr0_fixed1 & ~free);
}

CHECK(cr4) { return !(~value & v->now->caps->cr4_fixed0) && !(value & ~v->now->caps->cr4_fixed1); }

/* UC, WC, WT, WP, WB and UC-: 0, 1, 4, 5, 6, 7. */
CHECK(pat)
{
    for (unsigned shift = 0; shift < 64; shift += 8)
        if ((value >> shift & 0xFF) > 7 || (0xF3u >> (value >> shift & 7) & 1) == 0)
            return false;
    return true;
}

/* Bits that no processor has in IA32_PERF_GLOBAL_CTRL, IA32_EFER, IA32_RTIT_CTL; of those that some
 * have, NX alone is asked for. */
CHECK(msr_bits)
{
    static const uint64_t reserved[] = {
        BITS(63, 49),
        ~(EFER_SCE | EFER_LME | EFER_LMA | EFER_NXE),
        BITS(63, 57) | BITS(30, 28) | BIT(23) | BIT(18),
    };
    bool no_nx = argument == 1 && !(v->now->caps->cpuid_ext_1_edx & CPUID_EXT_1_EDX_NX);
    return !(value & (reserved[argument] | (no_nx ? EFER_NXE : 0)));
}

CHECK(host_lma)
{
    return (value & (EFER_LMA | EFER_LME)) == (is(v, FACT_HOST_64) ? EFER_LMA | EFER_LME : 0);
}

CHECK(guest_lma) { return !!(value & EFER_LMA) == is(v, FACT_IA32E); }
CHECK(guest_lme) { return !!(value & EFER_LMA) == !!(value & EFER_LME); }

/* SUPPRESS and the tracker's waiting state exclude each other. */
CHECK(s_cet)
{
    return check_canonical(v, value, 0) && !(value & BITS(9, 6)) &&
           (value & BITS(11, 10)) != BITS(11, 10);
}

CHECK(ssp) { return check_canonical(v, value, 0) && !(value & 3); }
CHECK(bndcfgs) { return check_canonical(v, value, 0) && !(value & BITS(11, 2)); }

/* Segments. `argument` in cs_dpl: the bit of the type that says "conforming". */
#define DPL(rights) ((rights)&SEGMENT_DPL_MASK)

CHECK(ss_rpl) { return !((value ^ LOOK(GUEST_CS_SELECTOR)) & SELECTOR_RPL_MASK); }
CHECK(vm_base) { return value == LOOK_SEGMENT(GUEST_ES_SELECTOR) << 4; }

CHECK(cs_type)
{
    uint64_t code = SEGMENT_TYPE_CODE | SEGMENT_TYPE_ACCESSED;
    return (value & code) == code || (is(v, FACT_CS_DATA) && is(v, FACT_UNRESTRICTED));
}

CHECK(readable) { return !(value & SEGMENT_TYPE_CODE) || (value & SEGMENT_TYPE_READABLE); }

CHECK(cs_dpl)
{
    uint64_t stack = LOOK(GUEST_SS_ACCESS_RIGHTS);
    bool applies = !is(v, FACT_VM) && (value & SEGMENT_TYPE_CODE) &&
                   (value & SEGMENT_TYPE_CONFORMING) == argument;
    return !applies || (argument ? DPL(value) <= DPL(stack) : DPL(value) == DPL(stack));
}

CHECK(ss_dpl_rpl)
{
    return bits_get(value, SEGMENT_DPL_MASK) == (LOOK(GUEST_SS_SELECTOR) & SELECTOR_RPL_MASK);
}

CHECK(data_dpl)
{
    uint64_t type = value & SEGMENT_TYPE_MASK;
    return type > SEGMENT_TYPE_CODE_XR || bits_get(value, SEGMENT_DPL_MASK) >=
                                              (LOOK_SEGMENT(GUEST_ES_SELECTOR) & SELECTOR_RPL_MASK);
}

CHECK(limit_low)
{
    return (value & 0xFFF) == 0xFFF || !(LOOK_SEGMENT(GUEST_ES_ACCESS_RIGHTS) & SEGMENT_G);
}

CHECK(limit_high) { return !(value >> 20) || (LOOK_SEGMENT(GUEST_ES_ACCESS_RIGHTS) & SEGMENT_G); }

CHECK(tr_type)
{
    uint64_t type = value & SEGMENT_TYPE_MASK;
    return type == SEGMENT_TYPE_TSS_BUSY || (type == SEGMENT_TYPE_TSS16_BUSY && !is(v, FACT_IA32E));
}

/* Not the same as canonical: bit N-1 is free. */
CHECK(rip_64)
{
    uint64_t upper = value >> linear_bits(v);
    return upper == 0 || upper == ~0ull >> linear_bits(v);
}

CHECK(activity)
{
    return value == ACTIVITY_ACTIVE ||
           (value <= ACTIVITY_WAIT_FOR_SIPI &&
            (v->now->caps->misc & (VMX_MISC_ACTIVITY_HLT << (value - 1))));
}

/* In the shadow of STI or MOV SS, or in HLT, single-stepping is pending. `argument`: BS. */
CHECK(pending_bs)
{
    bool stepping = (LOOK(GUEST_RFLAGS) & RFLAGS_TF) && !(LOOK(GUEST_IA32_DEBUGCTL) & DEBUGCTL_BTF);
    bool shadow = (LOOK(GUEST_INTERRUPTIBILITY_STATE) & INTERRUPTIBILITY_SHADOW) || is(v, FACT_HLT);
    return !shadow || stepping != argument || !!(value & PENDING_DEBUG_BS) == stepping;
}

CHECK(pending_rtm)
{
    if (!(value & PENDING_DEBUG_RTM))
        return true;
    return value == (PENDING_DEBUG_RTM | PENDING_DEBUG_ENABLED_BREAKPOINT) &&
           (v->now->caps->cpuid_7_ebx & CPUID_7_EBX_RTM) && !is(v, FACT_MOV_SS);
}

CHECK(link_address) { return value == VMCS_LINK_POINTER_NONE || check_address(v, value, 12); }

/* The first word of the VMCS that the link pointer names; false: there is none to look at. */
static bool link_word(struct entry_view *v, uint64_t pointer, uint64_t *word)
{
    return pointer != VMCS_LINK_POINTER_NONE && v->now->memory(v->now->context, pointer, word);
}

CHECK(link_revision)
{
    uint64_t word;
    return !link_word(v, value, &word) || !((word ^ v->now->caps->basic) & VMX_BASIC_REVISION_MASK);
}

CHECK(link_shadow)
{
    uint64_t word;
    return !link_word(v, value, &word) || !!(word & BIT(31)) == is(v, FACT_SHADOWING);
}

CHECK(link_current) { return value != v->now->vmcs; }

CHECK(pdpte) { return !is(v, FACT_EPT) || pdpte_legal(value, vmx_physical_bits(v->now->caps)); }

/* Without EPT the PDPTEs are in memory. */
CHECK(pdptes_memory)
{
    uint64_t pdpte, table = value & BITS(31, 5);
    for (unsigned i = 0; i < 4 && !is(v, FACT_EPT); i++)
        if (v->now->memory(v->now->context, table + 8 * i, &pdpte) &&
            !pdpte_legal(pdpte, vmx_physical_bits(v->now->caps)))
            return false;
    return true;
}

/* Whether the segment at hand counts: CS and TR always do. */
static bool usable(struct entry_view *v)
{
    return v->segment == SEGMENT_CS || v->segment == SEGMENT_TR ||
           !(LOOK_SEGMENT(GUEST_ES_ACCESS_RIGHTS) & SEGMENT_UNUSABLE);
}

bool entry_holds(struct entry_view *v, unsigned condition)
{
    unsigned fact = condition & ~CONDITION_NOT;
    bool now = fact == FACT_USABLE ? usable(v) : v->facts[fact];
    return now != !!(condition & CONDITION_NOT);
}

CHECK(fact) { return entry_holds(v, argument); }

entry_check_function *const entry_checks[] = {
#define CHECK_POINTER(name) check_##name,
    ENTRY_CHECKS(CHECK_POINTER)
#undef CHECK_POINTER
};
