#include "vmx/guest_memory.h"

#include "base/bits.h"
#include "base/hw.h"
#include "base/x86/cr.h"
#include "base/x86/eflags.h"
#include "base/x86/msr.h"
#include "base/x86/segment.h"
#include "mm/guest_access.h"
#include "vmx/exit.h"
#include "vmx/machine.h"
#include "vmx/vmcs.h"

#define VGA_BASE    0xA0000 /* its reads fill latches */
#define VGA_END     0xC0000
#define FLASH_BYTES MIB(16) /* the firmware's, below 4 GiB */

/* Under EPT the PDPTEs of PAE paging are VMCS fields, loaded by MOV to CR3. */
struct paging guest_paging(void)
{
    struct paging paging = {
        .cr0 = vmcs_read(GUEST_CR0),
        .cr3 = vmcs_read(GUEST_CR3),
        .cr4 = vmcs_read(GUEST_CR4),
        .efer = vmcs_read(GUEST_IA32_EFER),
        .physical_bits = vmx_physical_bits(&machine.caps),
    };
    for (unsigned i = 0; i < 4; i++)
        paging.pdpte[i] = vmcs_read_field(VMCS_AT(GUEST_PDPTE0, i));
    return paging;
}

static const struct window *window_of(void *context)
{
    return &((const struct vmx_cpu *)context)->cpu->windows[0];
}

static bool is_apic(uint64_t page)
{
    return page == (hw_rdmsr(MSR_IA32_APIC_BASE) & APIC_BASE_ADDRESS_MASK);
}

static bool is_memory(gpa_t at)
{
    uint64_t page = ALIGN_DOWN(at.v, PAGE_SIZE);
    return !is_apic(page) && !(machine.hook.written && page == machine.hook.page.v);
}

bool guest_is_usable(gpa_t at, uint64_t bytes)
{
    return is_memory(at) && memory_map_type_of(machine.map, at.v, at.v + bytes) == MEMORY_USABLE;
}

/* What firmware keeps for itself is no RAM in the map, but is cached. */
bool guest_is_quiet(gpa_t at, uint64_t bytes)
{
    uint64_t page = ALIGN_DOWN(at.v, PAGE_SIZE);
    if (is_apic(page))
        return false;
    if (page < MIB(1))
        return page < VGA_BASE || page >= VGA_END;
    return (page >= GIB(4) - FLASH_BYTES && page < GIB(4)) ||
           mtrr_type(&machine.mtrr, at.v) >= MEMORY_TYPE_WT ||
           memory_map_holds_ram(machine.map, at.v, at.v + bytes);
}

static bool physical_read(void *context, void *to, gpa_t from, uint64_t bytes)
{
    return is_memory(from) && guest_read(window_of(context), to, from, bytes) == ERROR_NONE;
}

static void physical_write(void *context, gpa_t to, const void *from, uint64_t bytes)
{
    if (is_memory(to))
        (void)!guest_write(window_of(context), to, from, bytes);
}

/* What goes nowhere is done. */
static bool physical_exchange(void *context, gpa_t at, uint64_t old, uint64_t value, unsigned bytes)
{
    return !is_memory(at) ||
           guest_exchange(window_of(context), at, old, value, bytes) != ERROR_NOT_FOUND;
}

struct physical_memory guest_physical(const struct vmx_cpu *vcpu)
{
    return (struct physical_memory){physical_read, physical_write, physical_exchange, (void *)vcpu};
}

static bool walk(const struct vmx_cpu *vcpu, gva_t linear, unsigned access, gpa_t *physical,
                 uint32_t *error)
{
    struct paging paging = guest_paging();
    struct physical_memory memory = guest_physical(vcpu);
    return paging_walk(&paging, &memory, linear.v, access, physical, error);
}

static enum error translate(const struct vmx_cpu *vcpu, gva_t linear, unsigned access,
                            gpa_t *physical)
{
    uint32_t error;
    return walk(vcpu, linear, access, physical, &error) ? ERROR_NONE : ERROR_NOT_FOUND;
}

enum error guest_translate(const struct vmx_cpu *vcpu, gva_t linear, gpa_t *physical)
{
    return translate(vcpu, linear, PAGING_LOOK, physical);
}

static bool is_canonical(uint64_t linear)
{
    return sign_extend(linear, paging_linear_bits(vmcs_read(GUEST_CR4))) == linear;
}

enum error guest_translate_for_kernel(const struct vmx_cpu *vcpu, gva_t linear, bool write,
                                      gpa_t *physical)
{
    unsigned ac = vmcs_read(GUEST_RFLAGS) & RFLAGS_AC ? PAGING_AC : 0;
    if (!is_canonical(linear.v))
        return ERROR_NOT_FOUND;
    return translate(vcpu, linear, ac | (write ? PAGING_WRITE : PAGING_READ), physical);
}

enum error guest_translate_for_code(const struct vmx_cpu *vcpu, gva_t linear, gpa_t *physical)
{
    if (!is_canonical(linear.v))
        return ERROR_NOT_FOUND;
    return translate(vcpu, linear, PAGING_WRITE | PAGING_FETCH, physical);
}

bool guest_translate_as_guest(const struct vmx_cpu *vcpu, gva_t linear, bool write, gpa_t *physical,
                              uint32_t *error)
{
    unsigned ac = vmcs_read(GUEST_RFLAGS) & RFLAGS_AC ? PAGING_AC : 0;
    unsigned as = exit_cpl() == 3 ? PAGING_USER : ac;
    return walk(vcpu, linear, as | (write ? PAGING_WRITE : PAGING_READ), physical, error);
}

enum decoder_mode guest_code_mode(void)
{
    if (exit_in_64bit_mode())
        return DECODER_MODE_64;
    return vmcs_read(GUEST_CS_ACCESS_RIGHTS) & SEGMENT_DB ? DECODER_MODE_32 : DECODER_MODE_16;
}

uint64_t guest_code_address(void)
{
    uint64_t rip = vmcs_read(GUEST_RIP);
    return exit_in_64bit_mode() ? rip : (uint32_t)(vmcs_read(GUEST_CS_BASE) + rip);
}

size_t guest_fetch(const struct vmx_cpu *vcpu, uint8_t *bytes, size_t count)
{
    uint64_t linear = guest_code_address();
    size_t done = 0;
    while (done < count) {
        gpa_t physical;
        uint64_t at = exit_in_64bit_mode() ? linear + done : (uint32_t)(linear + done);
        uint64_t step = min_u64(count - done, PAGE_SIZE - (at & PAGE_MASK));
        if (guest_translate(vcpu, GVA(at), &physical) != ERROR_NONE ||
            !guest_is_quiet(physical, step) ||
            guest_read(&vcpu->cpu->windows[0], bytes + done, physical, step) != ERROR_NONE)
            break;
        done += step;
    }
    return done;
}
