#include "vmx/guest_memory.h"

#include "base/bits.h"
#include "base/x86/cr.h"
#include "base/x86/eflags.h"
#include "base/x86/msr.h"
#include "base/x86/segment.h"
#include "mm/guest_access.h"
#include "mm/pte.h"
#include "vmx/exit.h"
#include "vmx/vmcs.h"

/* A paging mode: how many levels, how wide an entry, where the tables begin (SDM vol. 3A, 4.1.1
 * "Four Paging Modes"). */
struct mode {
    unsigned levels, entry_bytes, index_bits;
    uint64_t root;
};

/* Under EPT the PDPTEs of PAE paging are VMCS fields, loaded by MOV to CR3. */
static struct mode present_mode(uint64_t linear)
{
    uint64_t cr3 = vmcs_read(GUEST_CR3), cr4 = vmcs_read(GUEST_CR4);
    if (vmcs_read(GUEST_IA32_EFER) & EFER_LMA)
        return (struct mode){cr4 & CR4_LA57 ? 5 : 4, 8, 9, cr3 & PTE_ADDRESS};
    if (cr4 & CR4_PAE) {
        uint64_t pdpte = vmcs_read_field(VMCS_AT(GUEST_PDPTE0, linear >> 30 & 3));
        return (struct mode){2, 8, 9, pdpte & PTE_P ? pdpte & PTE_ADDRESS : UINT64_MAX};
    }
    return (struct mode){2, 4, 10, cr3 & BITS(31, 12)};
}

static bool is_page(const struct mode *mode, unsigned level, uint64_t entry)
{
    if (level == 1)
        return true;
    if (mode->entry_bytes == 4)
        return (entry & PTE_PS) && (vmcs_read(GUEST_CR4) & CR4_PSE);
    return level <= 3 && (entry & PTE_PS);
}

/* A large page of 32-bit paging keeps bits 39:32 of its address in bits 20:13 (PSE-36). */
static uint64_t page_base(const struct mode *mode, uint64_t entry, uint64_t page_mask)
{
    uint64_t high =
        mode->entry_bytes == 4 && page_mask >= MIB(4) - 1 ? (entry >> 13 & 0xFF) << 32 : 0;
    return (entry & PTE_ADDRESS & ~page_mask) | high;
}

/* `rights` loses what one of the entries does not give. */
static enum error translate(const struct vmx_cpu *vcpu, gva_t linear, gpa_t *physical,
                            uint64_t *rights)
{
    *physical = GPA(linear.v);
    if (!(vmcs_read(GUEST_CR0) & CR0_PG))
        return ERROR_NONE;
    struct mode mode = present_mode(linear.v);
    uint64_t table = mode.root;
    for (unsigned level = mode.levels; level > 0 && table != UINT64_MAX; level--) {
        unsigned shift = PAGE_SHIFT + mode.index_bits * (level - 1);
        uint64_t index = linear.v >> shift & (BIT(mode.index_bits) - 1), entry = 0;
        gpa_t at = GPA(table + index * mode.entry_bytes);
        if (guest_read(&vcpu->cpu->windows[0], &entry, at, mode.entry_bytes) != ERROR_NONE ||
            !(entry & PTE_P))
            break;
        *rights &= entry;
        if (is_page(&mode, level, entry)) {
            uint64_t mask = BIT(shift) - 1;
            *physical = GPA(page_base(&mode, entry, mask) | (linear.v & mask));
            return ERROR_NONE;
        }
        table = entry & PTE_ADDRESS;
    }
    return ERROR_NOT_FOUND;
}

enum error guest_translate(const struct vmx_cpu *vcpu, gva_t linear, gpa_t *physical)
{
    uint64_t rights = 0;
    return translate(vcpu, linear, physical, &rights);
}

/* SDM vol. 3A, 4.6.1 "Determination of Access Rights". */
enum error guest_translate_for_kernel(const struct vmx_cpu *vcpu, gva_t linear, bool write,
                                      gpa_t *physical)
{
    uint64_t paged = vmcs_read(GUEST_CR0) & CR0_PG, cr4 = vmcs_read(GUEST_CR4);
    uint64_t rights = paged ? PTE_W | PTE_US : PTE_W;
    unsigned unused = 64 - (cr4 & CR4_LA57 ? 57 : 48);
    if ((uint64_t)((int64_t)(linear.v << unused) >> unused) != linear.v)
        return ERROR_NOT_FOUND;
    enum error error = translate(vcpu, linear, physical, &rights);
    bool protected = write && !(rights & PTE_W) && (vmcs_read(GUEST_CR0) & CR0_WP);
    bool user = (rights & PTE_US) && (cr4 & CR4_SMAP) && !(vmcs_read(GUEST_RFLAGS) & RFLAGS_AC);
    return error == ERROR_NONE && (protected || user) ? ERROR_NOT_FOUND : error;
}

size_t guest_fetch(const struct vmx_cpu *vcpu, uint8_t *bytes, size_t count)
{
    uint64_t linear = vmcs_read(GUEST_CS_BASE) + vmcs_read(GUEST_RIP);
    size_t done = 0;
    if (exit_in_64bit_mode())
        linear = vmcs_read(GUEST_RIP);
    while (done < count) {
        gpa_t physical;
        uint64_t at = exit_in_64bit_mode() ? linear + done : (uint32_t)(linear + done);
        uint64_t step = min_u64(count - done, PAGE_SIZE - (at & PAGE_MASK));
        if (guest_translate(vcpu, GVA(at), &physical) != ERROR_NONE ||
            guest_read(&vcpu->cpu->windows[0], bytes + done, physical, step) != ERROR_NONE)
            break;
        done += step;
    }
    return done;
}
