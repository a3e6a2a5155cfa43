#include "vmx/exit_io.h"

#include "base/bits.h"
#include "base/hw.h"
#include "base/log.h"
#include "base/x86/cr.h"
#include "base/x86/eflags.h"
#include "base/x86/exceptions.h"
#include "mm/frames.h"
#include "vcpu/decoder.h"
#include "vcpu/task_switch.h"
#include "vmx/exit.h"
#include "vmx/exit_breakpoints.h"
#include "vmx/exit_info.h"
#include "vmx/exit_range.h"
#include "vmx/guest_memory.h"
#include "vmx/machine.h"
#include "vmx/vmcs.h"

#define PORTS_PER_BITMAP 0x8000u

/* SDM vol. 3C, 25.6.4 "I/O-Bitmap Addresses": a bit a port, A below 8000h and B above. */
void ports_set_exits(uint16_t first, uint16_t last, bool on)
{
    for (uint32_t port = first; port <= last; port++) {
        uint8_t *bits = frames_pointer(machine.io_bitmap[port / PORTS_PER_BITMAP]);
        uint8_t bit = (uint8_t)(1u << port % 8);
        uint8_t *at = &bits[port % PORTS_PER_BITMAP / 8];
        *at = on ? *at | bit : *at & (uint8_t)~bit;
    }
}

void ports_prepare(void)
{
    if (!machine.ports.count)
        return;
    machine.io_bitmap[0] = frames_take();
    machine.io_bitmap[1] = frames_take();
    for (unsigned i = 0; i < machine.ports.count; i++) {
        const struct port_range *range = &machine.ports.range[i];
        ports_set_exits(range->first, range->last, !range->passes);
    }
}

static void give_way(const struct port_range *range, uint16_t port)
{
    log_warn("io", "INS or OUTS at port 0x%x: ports 0x%x-0x%x are not looked at any more", port,
             range->first, range->last);
    ports_set_exits(range->first, range->last, false);
}

/* The operand's bytes. False: a page fault, which is injected. */
static bool find_bytes(struct vmx_cpu *vcpu, const struct string_operand *operand, gpa_t at[4])
{
    uint64_t mask = operand->in_64bit_mode ? UINT64_MAX : UINT32_MAX;
    for (unsigned i = 0; i < operand->bytes; i++) {
        gva_t linear = GVA((operand->linear + i) & mask);
        uint32_t error;
        if (!guest_translate_as_guest(vcpu, linear, operand->write, &at[i], &error)) {
            hw_write_cr2(linear.v);
            exit_inject(EXCEPTION_PF, error);
            return false;
        }
    }
    return true;
}

/* What is no memory gives ones, and takes nothing. */
static void move_bytes(struct vmx_cpu *vcpu, uint16_t port, bool to_memory, unsigned bytes,
                       const gpa_t at[4])
{
    struct physical_memory memory = guest_physical(vcpu);
    uint32_t value = to_memory ? ports_read(&machine.ports, port, bytes) : UINT32_MAX;
    for (unsigned i = 0; i < bytes; i++) {
        uint8_t *byte = (uint8_t *)&value + i;
        if (to_memory)
            memory.write(memory.context, at[i], byte, 1);
        else
            (void)memory.read(memory.context, byte, at[i], 1);
    }
    if (!to_memory)
        ports_write(&machine.ports, port, bytes, value);
}

static uint64_t address_mask(unsigned bytes)
{
    return bytes == 8 ? UINT64_MAX : (1ull << 8 * bytes) - 1;
}

/* SDM vol. 3C, 28.2.5 "Information for VM Exits Due to Instruction Execution", table 28-8. The
 * guest-linear address of the exit is the operand's. */
static struct string_operand read_operand(const struct vmx_cpu *vcpu, uint64_t access,
                                          uint32_t info)
{
    bool in = access & IO_ACCESS_IN;
    unsigned segment = in ? TASK_ES : (unsigned)bits_get(info, IO_INFO_SEGMENT_MASK);
    unsigned address_bytes = 2u << bits_get(info, IO_INFO_ADDRESS_SIZE_MASK);
    uint64_t pointer = in ? vcpu->registers.rdi : vcpu->registers.rsi;
    bool checks = exit_cpl() == 3 && (vmcs_read(GUEST_RFLAGS) & RFLAGS_AC);
    return (struct string_operand){
        .offset = pointer & address_mask(address_bytes),
        .linear = vmcs_read(GUEST_LINEAR_ADDRESS),
        .bytes = (access & IO_ACCESS_SIZE_MASK) + 1,
        .limit = (uint32_t)vmcs_read_field(VMCS_AT(GUEST_ES_LIMIT, segment)),
        .rights = (uint32_t)vmcs_read_field(VMCS_AT(GUEST_ES_ACCESS_RIGHTS, segment)),
        .write = in,
        .stack = segment == TASK_SS,
        .in_64bit_mode = exit_in_64bit_mode(),
        .linear_bits = paging_linear_bits(vmcs_read(GUEST_CR4)),
        .aligned_only = checks && (vmcs_read(GUEST_CR0) & CR0_AM),
    };
}

/* One element; with REP the guest stays at the instruction until all are done. A processor that
 * does not tell where the operand is has no such instruction at these ports. */
static enum exit_next string_access(struct vmx_cpu *vcpu, uint64_t access, uint16_t port)
{
    uint32_t info = vmcs_read(VM_EXIT_INSTRUCTION_INFO);
    struct string_operand operand = read_operand(vcpu, access, info);
    struct decoded element = {
        .kind = operand.write ? DECODER_STOS : DECODER_LODS,
        .repeat = access & IO_ACCESS_REP ? DECODER_REPEAT_REP : DECODER_REPEAT_NONE,
        .length = (uint8_t)vmcs_read(VM_EXIT_INSTRUCTION_LENGTH),
        .memory_bytes = (uint8_t)operand.bytes,
        .address_bytes = (uint8_t)(2u << bits_get(info, IO_INFO_ADDRESS_SIZE_MASK)),
    };
    gpa_t at[4];
    if (!(machine.caps.basic & VMX_BASIC_INS_OUTS_INFO))
        return NEXT_GP;
    if ((access & IO_ACCESS_REP) && !(vcpu->registers.rcx & address_mask(element.address_bytes)))
        return NEXT_ADVANCE;
    unsigned fault = string_operand_fault(&operand);
    if (fault != EXCEPTION_VECTORS) {
        exit_inject(fault, 0);
        return NEXT_RESUME;
    }
    if (!find_bytes(vcpu, &operand, at))
        return NEXT_RESUME;
    move_bytes(vcpu, port, operand.write, operand.bytes, at);
    breakpoints_note_port(port, operand.bytes);
    return range_finish_string(vcpu, &element, GPA(operand.linear), true);
}

/* The permission to use the port was checked before the exit (SDM vol. 3C, 26.1.1 "Relative
 * Priority of Faults and VM Exits"). An access that goes on behind port FFFFh at 0 exits too
 * (25.6.4).
 */
enum exit_next handle_io(struct vmx_cpu *vcpu)
{
    uint64_t access = vmcs_read(EXIT_QUALIFICATION), *rax = &vcpu->registers.rax;
    uint16_t port = (uint16_t)((access & IO_ACCESS_PORT_MASK) >> 16);
    unsigned bytes = (unsigned)(access & IO_ACCESS_SIZE_MASK) + 1;
    const struct port_range *range = ports_find(&machine.ports, port, bytes);
    if (!machine.ports.count)
        return handle_unexpected(vcpu);
    if ((access & IO_ACCESS_STRING) && !(range && range->gives_way))
        return string_access(vcpu, access, port);
    if (access & IO_ACCESS_STRING) {
        give_way(range, port);
        return NEXT_RETRY;
    }
    breakpoints_note_port(port, bytes);
    if (!(access & IO_ACCESS_IN)) {
        ports_write(&machine.ports, port, bytes, (uint32_t)*rax);
        return NEXT_ADVANCE;
    }
    uint64_t mask = bytes == 4 ? ~0ull : (1ull << 8 * bytes) - 1; /* 32 bits clear the upper half */
    *rax = (*rax & ~mask) | ports_read(&machine.ports, port, bytes);
    return NEXT_ADVANCE;
}
