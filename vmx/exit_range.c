#include "vmx/exit_range.h"

#include "base/bits.h"
#include "base/hw.h"
#include "base/log.h"
#include "base/panic.h"
#include "base/x86/cr.h"
#include "base/x86/eflags.h"
#include "base/x86/exceptions.h"
#include "base/x86/msr.h"
#include "base/x86/segment.h"
#include "kernel/time.h"
#include "lib/string.h"
#include "mm/frames.h"
#include "vcpu/decoder.h"
#include "vmx/exit_breakpoints.h"
#include "vmx/exit_info.h"
#include "vmx/guest_memory.h"
#include "vmx/machine.h"
#include "vmx/root.h"
#include "vmx/step.h"
#include "vmx/vmcs.h"

#define LOG_PERIOD_US 1000000
#define ONES          UINT64_MAX

static hpa_t ones_frame;

void range_prepare(void)
{
    ones_frame = frames_take();
    memset(frames_pointer(ones_frame), 0xFF, PAGE_SIZE);
}

static const char *kind_name(uint64_t qualification)
{
    if (!(qualification & EPT_VIOLATION_LINEAR_VALID))
        return "PDPTE load";
    if (!(qualification & EPT_VIOLATION_TRANSLATED))
        return "page walk";
    if (qualification & EPT_VIOLATION_FETCH)
        return "fetch";
    return qualification & EPT_VIOLATION_WRITE ? "write" : "read";
}

/* One line a second and CPU; what was kept back is told by the next one. */
static void tell(struct vmx_cpu *vcpu, gpa_t address, uint64_t qualification)
{
    uint64_t now = time_us();
    vcpu->range_touches++;
    if (vcpu->range_told && now - vcpu->range_told_us < LOG_PERIOD_US)
        return;
    log_warn("range", "guest %s of 0x%llx at rip 0x%llx (access %llu)", kind_name(qualification),
             (unsigned long long)address.v, (unsigned long long)vmcs_read(GUEST_RIP),
             (unsigned long long)vcpu->range_touches);
    vcpu->range_told = true;
    vcpu->range_told_us = now;
}

struct decoded range_decode(struct vmx_cpu *vcpu)
{
    uint8_t bytes[DECODER_MAX_BYTES];
    size_t count = guest_fetch(vcpu, bytes, sizeof(bytes));
    return decoder_decode(bytes, count, guest_code_mode());
}

static void load_register(struct vmx_cpu *vcpu, const struct decoded *d)
{
    uint64_t before = exit_get_register(vcpu, d->number);
    exit_set_register(vcpu, d->number, decoder_loaded_value(d, before, ONES));
}

/* Change the low `bytes` of a register, as an address or count of that size is changed. */
static uint64_t merged(uint64_t old, uint64_t value, unsigned bytes)
{
    if (bytes == 8)
        return value;
    if (bytes == 4)
        return (uint32_t)value;
    return (old & ~0xFFFFull) | (value & 0xFFFF);
}

/* Whether the processor would stop at this element, or may. */
static bool stops_at_element(void)
{
    return (vmcs_read(GUEST_RFLAGS) & RFLAGS_TF) || breakpoints_on() ||
           (vmcs_read(GUEST_INTERRUPTIBILITY_STATE) & INTERRUPTIBILITY_SHADOW);
}

/* STOS and LODS: one element, or, in 64-bit mode, where no limit and no wrap is in the way, with
 * REP all that lie in this page, so that an interrupt waits for a page at most. `pointer` is rDI or
 * rSI. False: REP with elements left, so the instruction is not over. */
static bool step_string(struct vmx_cpu *vcpu, const struct decoded *d, gpa_t address,
                        uint64_t *pointer, bool one)
{
    struct guest_registers *r = &vcpu->registers;
    bool down = vmcs_read(GUEST_RFLAGS) & RFLAGS_DF;
    uint64_t mask = d->address_bytes == 8 ? ONES : BIT(d->address_bytes * 8) - 1;
    uint64_t left = d->repeat == DECODER_REPEAT_NONE ? 1 : r->rcx & mask, room = 1;
    uint64_t offset = address.v & PAGE_MASK;
    if (!one && d->address_bytes == 8 && !stops_at_element())
        room = down ? offset / d->memory_bytes + 1 : (PAGE_SIZE - offset) / d->memory_bytes;
    uint64_t count = min_u64(left, room), bytes = count * d->memory_bytes;
    *pointer = merged(*pointer, down ? *pointer - bytes : *pointer + bytes, d->address_bytes);
    if (d->repeat == DECODER_REPEAT_NONE)
        return true;
    r->rcx = merged(r->rcx, (r->rcx & mask) - count, d->address_bytes);
    return count == left;
}

enum exit_next range_finish_string(struct vmx_cpu *vcpu, const struct decoded *d, gpa_t address,
                                   bool one)
{
    bool store = d->kind == DECODER_STOS;
    breakpoints_note_data(d->memory_bytes, store);
    if (step_string(vcpu, d, address, store ? &vcpu->registers.rdi : &vcpu->registers.rsi, one))
        exit_step_over(d->length);
    else
        exit_step_element();
    return NEXT_RESUME;
}

/* The page shows `frame` until the next NMI window. The EPT keeps a table for hidden ranges, so
 * this cannot run out of frames; beyond the physical address width there is no page to show. */
enum exit_next range_let_run_once(struct vmx_cpu *vcpu, gpa_t address, hpa_t frame, uint64_t rights)
{
    gpa_t page = GPA(ALIGN_DOWN(address.v, PAGE_SIZE));
    ASSERT(vcpu->sink_count < VMX_SINK_PAGES); /* range_make_room() came before */
    enum error error = machine_show_page(page, frame, rights);
    if (error == ERROR_NO_SPACE)
        return NEXT_RETRY; /* not in a hidden range, and no table free: until a CPU stops for it */
    if (error != ERROR_NONE)
        return NEXT_GP;
    vcpu->sink[vcpu->sink_count++] = page;
    step_by_window(vcpu, vmcs_read(IDT_VECTORING_INFO) & INTERRUPTION_VALID);
    vmx_flush_ept(vcpu->eptp);
    return NEXT_RETRY;
}

/* An instruction with more pages than there are places begins again with those it needs next. */
void range_make_room(struct vmx_cpu *vcpu)
{
    if (vcpu->sink_count == VMX_SINK_PAGES)
        range_end_step(vcpu);
}

enum exit_next range_run_on_sink(struct vmx_cpu *vcpu, gpa_t address, uint64_t qualification)
{
    bool write = qualification & EPT_VIOLATION_WRITE;
    range_make_room(vcpu);
    hpa_t frame = write ? vcpu->scratch[vcpu->sink_count] : ones_frame;
    if (write)
        memset(frames_pointer(frame), 0xFF, PAGE_SIZE);
    return range_let_run_once(vcpu, address, frame, EPT_R | (write ? EPT_W : 0));
}

void range_end_step(struct vmx_cpu *vcpu)
{
    if (!vcpu->sink_count)
        return;
    while (vcpu->sink_count)
        machine_restore_page(vcpu->sink[--vcpu->sink_count]);
    vmx_flush_ept(vcpu->eptp);
    step_give_back(vcpu);
}

/* A walk that meets absent memory ends in an entry that is not present. The exit tells the address
 * but not what the access was: whether it wrote comes from the decoder, where it knows. */
static enum exit_next page_fault(struct vmx_cpu *vcpu, uint64_t linear)
{
    bool implicit = vmcs_read(IDT_VECTORING_INFO) & INTERRUPTION_VALID; /* of event delivery */
    uint64_t error = exit_cpl() == 3 && !implicit ? PF_ERROR_U : 0;
    uint64_t rip = vmcs_read(GUEST_CS_BASE) + vmcs_read(GUEST_RIP);
    if (linear - rip < DECODER_MAX_BYTES)
        error |= vmcs_read(GUEST_IA32_EFER) & EFER_NXE ? PF_ERROR_I : 0;
    else if (range_decode(vcpu).writes)
        error |= PF_ERROR_W;
    hw_write_cr2(linear);
    exit_inject(EXCEPTION_PF, (uint32_t)error);
    return NEXT_RESUME;
}

static enum exit_next data_access(struct vmx_cpu *vcpu, gpa_t address, uint64_t qualification)
{
    struct decoded d = {.kind = DECODER_OTHER};
    if (!(vmcs_read(IDT_VECTORING_INFO) & INTERRUPTION_VALID) && !vcpu->sink_count)
        d = range_decode(vcpu);
    /* An operand that crosses a page may be memory on the other side: let the CPU do it. It does,
     * or may, where it ends behind this page, and where it is found at its start. Where no page can
     * be shown there is none beside it either. */
    uint64_t offset = address.v & PAGE_MASK;
    if (offset + d.memory_bytes > PAGE_SIZE || (offset == 0 && d.memory_bytes > 1)) {
        enum exit_next next = range_run_on_sink(vcpu, address, qualification);
        if (next != NEXT_GP || d.kind == DECODER_OTHER)
            return next;
    }
    switch (d.kind) {
    case DECODER_LOAD:
    case DECODER_LOAD_ZERO:
    case DECODER_LOAD_SIGN:
        load_register(vcpu, &d);
        breakpoints_note_data(d.memory_bytes, false);
        break;
    case DECODER_STORE:
    case DECODER_STORE_IMMEDIATE:
        breakpoints_note_data(d.memory_bytes, true);
        break;
    case DECODER_LODS:
        load_register(vcpu, &d);
        return range_finish_string(vcpu, &d, address, false);
    case DECODER_STOS:
        return range_finish_string(vcpu, &d, address, false);
    default:
        return range_run_on_sink(vcpu, address, qualification);
    }
    exit_step_over(d.length);
    return NEXT_RESUME;
}

enum exit_next range_access(struct vmx_cpu *vcpu, gpa_t address, uint64_t qualification)
{
    tell(vcpu, address, qualification);
    if (!(qualification & EPT_VIOLATION_LINEAR_VALID))
        return NEXT_GP; /* MOV to CR3 with PAE paging: ones are no PDPTEs */
    if (!(qualification & EPT_VIOLATION_TRANSLATED))
        return page_fault(vcpu, vmcs_read(GUEST_LINEAR_ADDRESS));
    if (qualification & EPT_VIOLATION_FETCH)
        return NEXT_UD;
    return data_access(vcpu, address, qualification);
}
