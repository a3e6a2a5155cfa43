#include "vmx/exit_io.h"

#include "base/bits.h"
#include "base/hw.h"
#include "base/log.h"
#include "mm/frames.h"
#include "vmx/exit.h"
#include "vmx/exit_breakpoints.h"
#include "vmx/exit_info.h"
#include "vmx/machine.h"
#include "vmx/vmcs.h"

#define PORTS_PER_BITMAP 0x8000u

/* SDM vol. 3C, 25.6.4 "I/O-Bitmap Addresses": a bit a port, A below 8000h and B above. */
static void set_exits(bool on)
{
    for (uint32_t port = machine.ports.first; port <= machine.ports.last; port++) {
        uint8_t *bits = frames_pointer(machine.io_bitmap[port / PORTS_PER_BITMAP]);
        uint8_t bit = (uint8_t)(1u << port % 8);
        uint8_t *at = &bits[port % PORTS_PER_BITMAP / 8];
        *at = on ? *at | bit : *at & (uint8_t)~bit;
    }
}

void ports_prepare(void)
{
    if (!machine.ports.read)
        return;
    machine.io_bitmap[0] = frames_take();
    machine.io_bitmap[1] = frames_take();
    set_exits(true);
}

static bool is_ours(uint32_t port)
{
    return port >= machine.ports.first && port <= machine.ports.last;
}

static uint32_t read_port(uint16_t port, unsigned bytes)
{
    uint32_t value = bytes == 1 ? hw_in8(port) : bytes == 2 ? hw_in16(port) : hw_in32(port);
    for (unsigned i = 0; i < bytes; i++) {
        uint16_t at = (uint16_t)(port + i);
        uint32_t mask = 0xFFu << 8 * i;
        if (is_ours(at))
            value = (value & ~mask) | (uint32_t)machine.ports.read(at, (uint8_t)(value >> 8 * i))
                                          << 8 * i;
    }
    return value;
}

static void write_port(uint16_t port, unsigned bytes, uint32_t value)
{
    if (bytes == 1)
        hw_out8(port, (uint8_t)value);
    else if (bytes == 2)
        hw_out16(port, (uint16_t)value);
    else
        hw_out32(port, value);
    for (unsigned i = 0; i < bytes; i++)
        if (is_ours(port + i))
            machine.ports.written((uint16_t)(port + i), (uint8_t)(value >> 8 * i));
}

/* The permission to use the port was checked before the exit (SDM vol. 3C, 26.1.1 "Relative
 * Priority of Faults and VM Exits"). No program has a use for INS and OUTS here; what uses them has
 * the ports to itself from then on. */
enum exit_next handle_io(struct vmx_cpu *vcpu)
{
    uint64_t access = vmcs_read(EXIT_QUALIFICATION), *rax = &vcpu->registers.rax;
    uint16_t port = (uint16_t)((access & IO_ACCESS_PORT_MASK) >> 16);
    unsigned bytes = (unsigned)(access & IO_ACCESS_SIZE_MASK) + 1;
    if (!machine.ports.read)
        return handle_unexpected(vcpu);
    if (access & IO_ACCESS_STRING) {
        log_warn("io", "INS or OUTS at port 0x%x: ports 0x%x-0x%x are not looked at any more", port,
                 machine.ports.first, machine.ports.last);
        set_exits(false);
        return NEXT_RETRY;
    }
    breakpoints_note_port(port, bytes);
    if (!(access & IO_ACCESS_IN)) {
        write_port(port, bytes, (uint32_t)*rax);
        return NEXT_ADVANCE;
    }
    uint64_t mask = bytes == 4 ? ~0ull : (1ull << 8 * bytes) - 1; /* 32 bits clear the upper half */
    *rax = (*rax & ~mask) | read_port(port, bytes);
    return NEXT_ADVANCE;
}
