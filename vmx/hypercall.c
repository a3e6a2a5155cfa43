#include "vmx/hypercall.h"

#include "base/bits.h"
#include "include/orlop_abi.h"
#include "kernel/log.h"
#include "kernel/stop.h"
#include "lib/string.h"
#include "mm/guest_access.h"
#include "vmx/guest_memory.h"
#include "vmx/machine.h"
#include "vmx/unload.h"

/* What a call was given. Outside 64-bit mode the upper halves of registers are leftovers. */
struct arguments {
    uint64_t address, bytes, third; /* RCX, RDX, RSI */
    bool wide;
};

/* A buffer of the guest's, as far as one can reach: two pages. */
struct buffer {
    uint64_t first; /* bytes in the first page */
    gpa_t pieces[2];
};
_Static_assert(ORLOP_LOG_READ_MAX <= PAGE_SIZE, "two pages");

/* All of the buffer is found before a byte of it is touched. */
static bool find_buffer(const struct vmx_cpu *vcpu, const struct arguments *arguments, bool write,
                        struct buffer *buffer)
{
    uint64_t linear = arguments->address, bytes = arguments->bytes;
    uint64_t last = arguments->wide ? UINT64_MAX : UINT32_MAX;
    buffer->first = min_u64(bytes, PAGE_SIZE - (linear & PAGE_MASK));
    for (unsigned i = 0; i < 2 && bytes; i++) {
        uint64_t step = i ? bytes : buffer->first;
        if (linear > last ||
            guest_translate_for_kernel(vcpu, GVA(linear), write, &buffer->pieces[i]) !=
                ERROR_NONE ||
            !guest_is_usable(buffer->pieces[i], step))
            return false;
        bytes -= step;
        linear += step;
        if (bytes && !linear)
            return false; /* wrapped */
    }
    return true;
}

/* The windows can reach what find_buffer() lets through. */
static bool copy(const struct vmx_cpu *vcpu, const struct buffer *buffer, uint64_t offset,
                 void *data, uint64_t bytes, bool write)
{
    const struct window *window = &vcpu->cpu->windows[0];
    for (uint64_t done = 0, step; done < bytes; done += step, offset += step) {
        bool second = offset >= buffer->first;
        uint64_t into = second ? offset - buffer->first : offset;
        gpa_t at = GPA(buffer->pieces[second].v + into);
        step = second ? bytes - done : min_u64(bytes - done, buffer->first - offset);
        uint8_t *piece = (uint8_t *)data + done;
        if ((write ? guest_write(window, at, piece, step) : guest_read(window, piece, at, step)) !=
            ERROR_NONE)
            return false;
    }
    return true;
}

static int64_t write_log(struct vmx_cpu *vcpu, const struct arguments *arguments)
{
    char text[ORLOP_LOG_WRITE_MAX];
    struct buffer buffer;
    if (arguments->bytes - 1 >= sizeof(text))
        return ORLOP_ERROR_ARGUMENT;
    if (!find_buffer(vcpu, arguments, false, &buffer) ||
        !copy(vcpu, &buffer, 0, text, arguments->bytes, false))
        return ORLOP_ERROR_ADDRESS;
    for (unsigned i = 0; i < arguments->bytes; i++)
        text[i] = text[i] >= ' ' && text[i] <= '~' ? text[i] : '.';
    log_info("guest", "%.*s", (int)arguments->bytes, text);
    return 0;
}

/* Another CPU's counters may be a few exits behind: it does not stand still for this. */
static int64_t read_counters(struct vmx_cpu *vcpu, const struct arguments *arguments)
{
    struct buffer buffer;
    const struct vmx_cpu *of = vcpu;
    if (arguments->bytes % sizeof(of->exits[0]) ||
        arguments->bytes - 1 >= ORLOP_COUNTERS_MAX * sizeof(of->exits[0]))
        return ORLOP_ERROR_ARGUMENT;
    if (arguments->third != (arguments->wide ? UINT64_MAX : UINT32_MAX)) {
        if (arguments->third >= machine.guest_cpus)
            return ORLOP_ERROR_ARGUMENT;
        of = percpu_get((uint32_t)arguments->third)->vcpu;
    }
    uint64_t bytes = min_u64(arguments->bytes, sizeof(of->exits));
    if (!find_buffer(vcpu, arguments, true, &buffer) ||
        !copy(vcpu, &buffer, 0, (void *)of->exits, bytes, true))
        return ORLOP_ERROR_ADDRESS;
    return (int64_t)(bytes / sizeof(of->exits[0]));
}

#define SAME_PLACE(member, offset)                                                                 \
    _Static_assert(offsetof(struct log_record, member) == (offset), "include/orlop_abi.h")
SAME_PLACE(sequence, ORLOP_LOG_RECORD_SEQUENCE);
SAME_PLACE(tsc, ORLOP_LOG_RECORD_TSC);
SAME_PLACE(cpu, ORLOP_LOG_RECORD_CPU);
SAME_PLACE(level, ORLOP_LOG_RECORD_LEVEL);
SAME_PLACE(length, ORLOP_LOG_RECORD_LENGTH);
SAME_PLACE(text, ORLOP_LOG_RECORD_TEXT);
_Static_assert(sizeof(struct log_record) == ORLOP_LOG_RECORD_BYTES, "include/orlop_abi.h");

static int64_t read_log(struct vmx_cpu *vcpu, const struct arguments *arguments)
{
    struct buffer buffer;
    struct log_record record;
    uint64_t cursor = arguments->third, done = 0;
    if (arguments->bytes % sizeof(record) || arguments->bytes - 1 >= ORLOP_LOG_READ_MAX)
        return ORLOP_ERROR_ARGUMENT;
    if (!find_buffer(vcpu, arguments, true, &buffer))
        return ORLOP_ERROR_ADDRESS;
    for (; done < arguments->bytes && log_read(&cursor, &record); done += sizeof(record))
        if (!copy(vcpu, &buffer, done, &record, sizeof(record), true))
            return ORLOP_ERROR_ADDRESS;
    return (int64_t)(done / sizeof(record));
}

static int64_t call_unload(struct vmx_cpu *vcpu, const struct arguments *arguments)
{
    return unload(vcpu, arguments->address);
}

static int64_t (*const calls[])(struct vmx_cpu *vcpu, const struct arguments *arguments) = {
    [ORLOP_CALL_LOG_WRITE] = write_log,
    [ORLOP_CALL_COUNTERS] = read_counters,
    [ORLOP_CALL_LOG_READ] = read_log,
    [ORLOP_CALL_UNLOAD] = call_unload,
};

static int64_t answer(struct vmx_cpu *vcpu, uint32_t number)
{
    bool wide = exit_in_64bit_mode();
    uint64_t mask = wide ? UINT64_MAX : UINT32_MAX;
    const struct guest_registers *given = &vcpu->registers;
    const struct arguments arguments = {given->rcx & mask, given->rdx & mask, given->rsi & mask,
                                        wide};
    if (number >= ARRAY_SIZE(calls) || !calls[number])
        return ORLOP_ERROR_UNKNOWN_CALL;
    return calls[number](vcpu, &arguments);
}

enum exit_next hypercall(struct vmx_cpu *vcpu)
{
    uint32_t number = (uint32_t)vcpu->registers.rax;
    if (machine.hidden)
        return NEXT_UD;
    if (number == ORLOP_CALL_DEBUGGER) {
        vcpu->registers.rax = (uint64_t)(machine.debug.attend ? 0 : ORLOP_ERROR_NOT_CONFIGURED);
        debug_event(vcpu, DEBUG_HYPERCALL, 0);
        return NEXT_ADVANCE;
    }
    vcpu->registers.rax = (uint64_t)answer(vcpu, number);
    return NEXT_ADVANCE;
}
