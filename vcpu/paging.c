#include "vcpu/paging.h"

#include "base/bits.h"
#include "base/x86/cr.h"
#include "base/x86/msr.h"
#include "base/x86/page.h"

/* A paging mode: how many levels, how wide an entry, where the tables begin (SDM vol. 3A, 4.1.1
 * "Four Paging Modes"). */
struct mode {
    unsigned levels, entry_bytes, index_bits;
    uint64_t root;
};

/* PAE paging starts at a register, whose reserved bits were checked when it was loaded. */
static struct mode present_mode(const struct paging *p, uint64_t linear)
{
    if (p->efer & EFER_LMA)
        return (struct mode){p->cr4 & CR4_LA57 ? 5 : 4, 8, 9, p->cr3 & PTE_ADDRESS_MASK};
    if (p->cr4 & CR4_PAE) {
        uint64_t pdpte = p->pdpte[linear >> 30 & 3];
        return (struct mode){2, 8, 9, pdpte & PTE_P ? pdpte & PTE_ADDRESS_MASK : UINT64_MAX};
    }
    return (struct mode){2, 4, 10, p->cr3 & BITS(31, 12)};
}

static bool is_page(const struct paging *p, const struct mode *mode, unsigned level, uint64_t entry)
{
    if (level == 1)
        return true;
    if (mode->entry_bytes == 4)
        return (entry & PTE_PS) && (p->cr4 & CR4_PSE);
    return level <= 3 && (entry & PTE_PS);
}

/* A large page of 32-bit paging keeps bits 39:32 of its address in bits 20:13 (PSE-36). */
static uint64_t page_base(const struct mode *mode, uint64_t entry, uint64_t page_mask)
{
    uint64_t high =
        mode->entry_bytes == 4 && page_mask >= MIB(4) - 1 ? (entry >> 13 & 0xFF) << 32 : 0;
    return (entry & PTE_ADDRESS_MASK & ~page_mask) | high;
}

/* SDM vol. 3A, tables 4-4 and 4-9 to 4-20: what must be 0 in an entry that is present. */
static uint64_t reserved_bits(const struct paging *p, const struct mode *mode, unsigned level,
                              bool page)
{
    bool large = page && level > 1;
    unsigned bits = p->physical_bits;
    if (mode->entry_bytes == 4)
        return large ? BITS(21, 13) & ~(bits > 32 ? BITS((bits < 40 ? bits : 40) - 20, 13) : 0) : 0;
    uint64_t reserved = BITS(51, 0) & ~(BIT(bits) - 1);
    if (!(p->efer & EFER_LMA))
        reserved |= BITS(62, 52);
    if (!(p->efer & EFER_NXE))
        reserved |= PTE_XD;
    if (level > 3)
        reserved |= PTE_PS;
    return large ? reserved | (BITS(29, 13) & (BIT(PAGE_SHIFT + 9 * (level - 1)) - 1)) : reserved;
}

enum paging_outcome paging_look(const struct paging *p, const struct physical_memory *memory,
                                uint64_t linear, struct paging_way *way)
{
    struct mode mode = present_mode(p, linear);
    uint64_t table = mode.root;
    *way = (struct paging_way){
        .rights = PTE_RW | PTE_US | PTE_XD, .levels = mode.levels, .entry_bytes = mode.entry_bytes};
    for (unsigned level = mode.levels; table != UINT64_MAX; level--) {
        unsigned shift = PAGE_SHIFT + mode.index_bits * (level - 1);
        gpa_t at = GPA(table + (linear >> shift & (BIT(mode.index_bits) - 1)) * mode.entry_bytes);
        uint64_t entry = 0;
        if (!memory->read(memory->context, &entry, at, mode.entry_bytes))
            break;
        way->at[way->count] = at;
        way->entry[way->count++] = entry;
        if (!(entry & PTE_P))
            return PAGING_ABSENT;
        bool page = is_page(p, &mode, level, entry);
        if (entry & reserved_bits(p, &mode, level, page))
            return PAGING_RESERVED;
        way->rights &= entry ^ PTE_XD;
        if (page) {
            uint64_t mask = BIT(shift) - 1;
            way->page_shift = shift;
            way->physical = GPA(page_base(&mode, entry, mask) | (linear & mask));
            return PAGING_PAGE;
        }
        table = entry & (mode.entry_bytes == 4 ? BITS(31, 12) : PTE_ADDRESS_MASK);
    }
    return PAGING_NOWHERE;
}

/* SDM vol. 3A, 4.6.1 "Determination of Access Rights". */
static bool allowed(const struct paging *p, uint64_t rights, unsigned access)
{
    if (access & PAGING_USER)
        return (rights & PTE_US) && (!(access & PAGING_WRITE) || (rights & PTE_RW));
    if ((access & PAGING_FETCH) &&
        (!(rights & PTE_XD) || ((rights & PTE_US) && (p->cr4 & CR4_SMEP))))
        return false;
    if ((rights & PTE_US) && (p->cr4 & CR4_SMAP) && !(access & PAGING_AC))
        return false;
    return !(access & PAGING_WRITE) || (rights & PTE_RW) || !(p->cr0 & CR0_WP);
}

/* False: another CPU has changed an entry meanwhile. */
static bool set_flags(const struct physical_memory *memory, const struct paging_way *way,
                      unsigned access)
{
    for (unsigned i = 0; i < way->count; i++) {
        bool dirty = i == way->count - 1 && (access & PAGING_WRITE);
        uint64_t old = way->entry[i], value = old | PTE_A | (dirty ? PTE_D : 0);
        if (value != old &&
            !memory->exchange(memory->context, way->at[i], old, value, way->entry_bytes))
            return false;
    }
    return true;
}

#define TRIES 16 /* against a CPU that changes the tables all the time */

bool paging_walk(const struct paging *p, const struct physical_memory *memory, uint64_t linear,
                 unsigned access, gpa_t *physical, uint32_t *error)
{
    *physical = GPA(linear);
    if (!(p->cr0 & CR0_PG))
        return true;
    struct paging_way way;
    for (unsigned tries = TRIES; tries; tries--) {
        enum paging_outcome outcome = paging_look(p, memory, linear, &way);
        *physical = way.physical;
        if (outcome == PAGING_PAGE && (access & PAGING_LOOK))
            return true;
        bool present = outcome == PAGING_PAGE || outcome == PAGING_RESERVED;
        *error = (access & (PF_ERROR_W | PF_ERROR_U)) | (present ? PF_ERROR_P : 0) |
                 (outcome == PAGING_RESERVED ? PF_ERROR_RSVD : 0);
        if (outcome != PAGING_PAGE || !allowed(p, way.rights, access))
            return false;
        if (set_flags(memory, &way, access))
            return true;
    }
    return false;
}

bool paging_is_linear(const struct paging *p, uint64_t linear)
{
    if (!(p->efer & EFER_LMA))
        return linear <= UINT32_MAX;
    return sign_extend(linear, paging_linear_bits(p->cr4)) == linear;
}
