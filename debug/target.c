#include "debug/target.h"

#include "base/bits.h"
#include "base/hw.h"
#include "base/x86/cr.h"
#include "base/x86/eflags.h"
#include "base/x86/msr.h"
#include "base/x86/segment.h"
#include "kernel/stop.h"
#include "lib/format.h"
#include "lib/string.h"
#include "mm/frames.h"
#include "mm/pte.h"
#include "mm/walk.h"
#include "vmx/entry_now.h"
#include "vmx/exit.h"
#include "vmx/exit_dr.h"
#include "vmx/exit_info.h"
#include "vmx/guest_memory.h"
#include "vmx/machine.h"
#include "vmx/root.h"
#include "vmx/vmcs.h"

#define FXSAVE_BYTES      512
#define FXSAVE_MXCSR      24
#define FXSAVE_MXCSR_MASK 28
#define MXCSR_MASK_OLD    0xFFBF /* where the mask reads 0 (SDM vol. 1, 11.6.6) */
#define EFER_FREE         (EFER_SCE | EFER_NXE)

enum from { GENERAL, FIELD, LINEAR_RIP, CR, EFER, DR, MSR, SHOWN_MSR, FPU, FPU_WORD, FPU_TAGS };

static const struct row {
    uint32_t which;
    uint8_t from, bits;
} rows[] = {
#define ROW(name, bits, from, which) {which, from, bits},
    TARGET_REGISTERS(ROW)
#undef ROW
};

static const char names[] =
#define NAME(name, bits, from, which) #name "\0"
    TARGET_REGISTERS(NAME);
#undef NAME

static uint64_t other_cr3; /* target_set_cr3() */

const char *target_register_name(unsigned number)
{
    const char *name = names;
    while (number--)
        name += strlen(name) + 1;
    return name;
}

unsigned target_register_bits(unsigned number) { return rows[number].bits; }

unsigned target_register_find(const char *name, size_t length)
{
    const char *at = names;
    for (unsigned number = 0; number < TARGET_REGISTER_COUNT; number++, at += strlen(at) + 1)
        if (strlen(at) == length && !strncmp(at, name, length))
            return number;
    return TARGET_REGISTER_COUNT;
}

/* FXSAVE's area, as the guest has left it; without CR4.OSFXSR it lacks the XMM registers. */
static __attribute__((noinline)) void fpu_move(uint8_t *area, bool load)
{
    uint64_t cr4 = hw_read_cr4();
    hw_write_cr4(cr4 | CR4_OSFXSR);
    if (load)
        __asm__ volatile("fxrstor (%0)" : : "r"(area) : "memory");
    else
        __asm__ volatile("fxsave (%0)" : : "r"(area) : "memory");
    hw_write_cr4(cr4);
}

/* One bit a register in the area, two in the tag word: 3 is empty. */
static uint16_t wide_tags(uint8_t tags)
{
    uint16_t wide = 0;
    for (unsigned i = 0; i < 8; i++)
        wide |= tags >> i & 1 ? 0 : (uint16_t)(3u << 2 * i);
    return wide;
}

static uint8_t narrow_tags(uint64_t wide)
{
    uint8_t tags = 0;
    for (unsigned i = 0; i < 8; i++)
        tags |= (wide >> 2 * i & 3) == 3 ? 0 : (uint8_t)(1u << i);
    return tags;
}

static uint64_t read_cr(unsigned number)
{
    uint64_t value;
    if (number == 2)
        return hw_read_cr2();
    if (number != 8)
        return exit_read_cr(number);
    __asm__ volatile("mov %%cr8, %0" : "=r"(value));
    return value;
}

static bool read_row(struct vmx_cpu *vcpu, const struct row *row, const uint8_t *fpu,
                     struct target_value *value)
{
    *value = (struct target_value){0, 0};
    switch (row->from) {
    case GENERAL:
        value->low = exit_get_register(vcpu, row->which);
        return true;
    case FIELD:
        return vmcs_read_checked(row->which, &value->low);
    case LINEAR_RIP:
        value->low = guest_code_address();
        return true;
    case CR:
        value->low = read_cr(row->which);
        return true;
    case EFER:
        value->low = vmcs_read(GUEST_IA32_EFER);
        return true;
    case DR:
        value->low = debug_guest_dr(vcpu, row->which);
        return true;
    case MSR:
    case SHOWN_MSR:
        return hw_rdmsr_safe(row->which, &value->low);
    case FPU_TAGS:
        value->low = wide_tags(fpu[row->which]);
        return true;
    default:
        memcpy(value, fpu + row->which, row->from == FPU_WORD ? 2 : row->bits / 8u);
        return true;
    }
}

struct access {
    struct cpu *cpu;
    unsigned first, count;
    struct target_value *values;
    enum error error;
};

static void get_here(void *argument)
{
    struct access *access = argument;
    uint8_t fpu[FXSAVE_BYTES] __attribute__((aligned(16)));
    memset(fpu, 0, sizeof(fpu));
    fpu_move(fpu, false);
    for (unsigned i = 0; i < access->count; i++)
        if (!read_row(access->cpu->vcpu, &rows[access->first + i], fpu, &access->values[i]))
            access->error = ERROR_UNSUPPORTED;
}

/* What INIT leaves, and a debugger cannot do without. */
static bool get_reset(struct vmx_cpu *vcpu, struct access *access)
{
    struct reset_state state = reset_state_after_init(0, vcpu->signature);
    for (unsigned i = 0; i < access->count; i++) {
        struct target_value *value = &access->values[i];
        *value = (struct target_value){0, 0};
        switch (access->first + i) {
        case TARGET_rip:
            value->low = state.cs.base + state.rip;
            break;
        case TARGET_ip:
            value->low = state.rip;
            break;
        case TARGET_rdx:
            value->low = state.rdx;
            break;
        case TARGET_eflags:
            value->low = state.rflags;
            break;
        case TARGET_cs:
            value->low = state.cs.selector;
            break;
        case TARGET_cs_base:
            value->low = state.cs.base;
            break;
        case TARGET_cr0:
            value->low = state.cr0;
            break;
        default: /* the other general registers and segments are 0 */
            if (access->first + i > TARGET_gs)
                return false;
        }
    }
    return true;
}

bool target_get(struct cpu *cpu, unsigned first, unsigned count, struct target_value *values)
{
    struct access access = {.cpu = cpu, .first = first, .count = count, .values = values};
    if (cpu->state == CPU_WAIT_FOR_SIPI)
        return get_reset(cpu->vcpu, &access);
    return stop_run_on(cpu, get_here, &access) && access.error == ERROR_NONE;
}

uint64_t target_word(struct cpu *cpu, unsigned number)
{
    struct target_value value;
    return target_get(cpu, number, 1, &value) ? value.low : 0;
}

static enum error write_cr(struct vmx_cpu *vcpu, unsigned number, uint64_t value)
{
    if (number == 2)
        hw_write_cr2(value);
    else if (number == 8 && value < 16)
        __asm__ volatile("mov %0, %%cr8" : : "r"(value));
    else if (number == 8 || !exit_write_cr(vcpu, number, value))
        return ERROR_RANGE;
    return ERROR_NONE;
}

static enum error write_efer(uint64_t value)
{
    uint64_t now = vmcs_read(GUEST_IA32_EFER);
    if ((value ^ now) & ~(uint64_t)EFER_FREE)
        return ERROR_RANGE;
    vmcs_write(GUEST_IA32_EFER, value);
    vmx_flush_linear();
    return ERROR_NONE;
}

static enum error write_fpu(const struct row *row, const struct target_value *value)
{
    uint8_t fpu[FXSAVE_BYTES] __attribute__((aligned(16)));
    uint32_t mask, mxcsr = (uint32_t)value->low;
    fpu_move(fpu, false);
    memcpy(&mask, fpu + FXSAVE_MXCSR_MASK, sizeof(mask));
    if (row->from == FPU && row->which == FXSAVE_MXCSR && (mxcsr & ~(mask ? mask : MXCSR_MASK_OLD)))
        return ERROR_RANGE; /* FXRSTOR would raise #GP */
    if (row->from == FPU_TAGS)
        fpu[row->which] = narrow_tags(value->low);
    else
        memcpy(fpu + row->which, value, row->from == FPU_WORD ? 2 : row->bits / 8u);
    fpu_move(fpu, true);
    return ERROR_NONE;
}

static enum error write_field(uint32_t encoding, uint64_t value)
{
    uint64_t before;
    if (!vmcs_read_checked(encoding, &before))
        return ERROR_UNSUPPORTED;
    return vmx_vmwrite(encoding, value) ? ERROR_NONE : ERROR_RANGE;
}

static enum error write_row(struct vmx_cpu *vcpu, const struct row *row,
                            const struct target_value *value)
{
    switch (row->from) {
    case GENERAL:
        exit_set_register(vcpu, row->which, value->low);
        return ERROR_NONE;
    case FIELD:
        return write_field(row->which, value->low);
    case LINEAR_RIP:
        vmcs_write(GUEST_RIP, value->low - (exit_in_64bit_mode() ? 0 : vmcs_read(GUEST_CS_BASE)));
        return ERROR_NONE;
    case CR:
        return write_cr(vcpu, row->which, value->low);
    case EFER:
        return write_efer(value->low);
    case MSR:
        return hw_wrmsr_safe(row->which, value->low) ? ERROR_NONE : ERROR_RANGE;
    case DR:
        debug_set_guest_dr(vcpu, row->which, value->low);
        return ERROR_NONE;
    case SHOWN_MSR:
        return ERROR_UNSUPPORTED;
    default:
        return write_fpu(row, value);
    }
}

static void set_here(void *argument)
{
    struct access *access = argument;
    struct vmx_cpu *vcpu = access->cpu->vcpu;
    percpu_attend(access->cpu, ATTENTION_RELOAD);
    access->error = write_row(vcpu, &rows[access->first], access->values);
    vcpu->debug_changed = true;
}

enum error target_set(struct cpu *cpu, unsigned number, struct target_value value)
{
    struct access access = {cpu, number, 1, &value, ERROR_UNSUPPORTED};
    if (number >= TARGET_REGISTER_COUNT || cpu->state == CPU_WAIT_FOR_SIPI ||
        !stop_run_on(cpu, set_here, &access))
        return ERROR_UNSUPPORTED;
    return access.error;
}

struct copy {
    struct cpu *cpu;
    enum target_space space;
    uint64_t address;
    uint8_t *bytes;
    size_t count, done;
    bool write;
};

/* The walk reads CR3 from the VMCS; for a moment that holds the other one. */
static bool translate(const struct cpu *cpu, uint64_t linear, gpa_t *physical)
{
    struct paging paging = guest_paging();
    uint64_t cr3 = vmcs_read(GUEST_CR3);
    if (!paging_is_linear(&paging, linear))
        return false;
    if (other_cr3)
        vmcs_write(GUEST_CR3, other_cr3);
    bool found = guest_translate(cpu->vcpu, GVA(linear), physical) == ERROR_NONE;
    vmcs_write(GUEST_CR3, cr3);
    return found;
}

uint64_t target_set_cr3(uint64_t cr3)
{
    uint64_t before = other_cr3;
    other_cr3 = cr3;
    return before;
}

static uint64_t *host_table(void *context, hpa_t table)
{
    (void)context;
    return table.v >= frames.base && table.v < frames.end ? frames_pointer(table) : NULL;
}

static bool host_is_memory(uint64_t address)
{
    static const struct table_memory memory = {.map = host_table};
    hpa_t root = HPA(hw_read_cr3() & PTE_ADDRESS);
    if (address < LAYOUT_IMAGE_BASE)
        return false;
    struct walk walk = walk_lookup(&table_format_x86_64, &memory, root, address);
    return walk.mapped && !(walk.entry & PTE_PCD);
}

static bool copy_page(struct copy *copy, size_t step)
{
    gpa_t at = GPA(copy->address + copy->done);
    const struct window *window = &this_cpu()->windows[0];
    uint8_t *bytes = copy->bytes + copy->done;
    if (copy->space == TARGET_HOST) {
        if (copy->write || !host_is_memory(at.v))
            return false;
        memcpy(bytes, (const void *)at.v, step);
        return true;
    }
    if (copy->space == TARGET_LINEAR &&
        (!translate(copy->cpu, at.v, &at) || !guest_is_quiet(at, step)))
        return false;
    enum error error =
        copy->write ? guest_write(window, at, bytes, step) : guest_read(window, bytes, at, step);
    return error == ERROR_NONE;
}

static void copy_here(void *argument)
{
    struct copy *copy = argument;
    while (copy->done < copy->count) {
        uint64_t at = copy->address + copy->done;
        size_t step = min_u64(copy->count - copy->done, PAGE_SIZE - (at & PAGE_MASK));
        if (!copy_page(copy, step))
            return;
        copy->done += step;
    }
}

static size_t copy_on(struct copy *copy)
{
    if (copy->space == TARGET_LINEAR && copy->cpu->state == CPU_WAIT_FOR_SIPI)
        copy->space = TARGET_PHYSICAL; /* INIT leaves no paging */
    bool there = copy->space != TARGET_LINEAR;
    if (there)
        copy_here(copy);
    else
        (void)!stop_run_on(copy->cpu, copy_here, copy);
    return copy->done;
}

size_t target_read(struct cpu *cpu, enum target_space space, uint64_t address, void *to,
                   size_t bytes)
{
    struct copy copy = {cpu, space, address, to, bytes, 0, false};
    return copy_on(&copy);
}

size_t target_write(struct cpu *cpu, enum target_space space, uint64_t address, const void *from,
                    size_t bytes)
{
    struct copy copy = {cpu, space, address, (uint8_t *)from, bytes, 0, true};
    return copy_on(&copy);
}

struct translation {
    struct cpu *cpu;
    uint64_t linear;
    gpa_t physical;
    bool found;
};

static void translate_here(void *argument)
{
    struct translation *translation = argument;
    translation->found = translate(translation->cpu, translation->linear, &translation->physical);
}

bool target_translate(struct cpu *cpu, uint64_t linear, gpa_t *physical)
{
    struct translation translation = {cpu, linear, GPA(linear), true};
    if (cpu->state != CPU_WAIT_FOR_SIPI && !stop_run_on(cpu, translate_here, &translation))
        return false;
    *physical = translation.physical;
    return translation.found;
}

struct mode {
    const struct cpu *cpu;
    char *text;
    size_t size;
};

static void mode_here(void *argument)
{
    static const char *const activities[] = {"", ", halted", ", shut down", ", wait-for-SIPI"};
    struct mode *mode = argument;
    uint32_t rights = vmcs_read(GUEST_CS_ACCESS_RIGHTS);
    bool protected_mode = vmcs_read(GUEST_CR0) & CR0_PE,
         lma = vmcs_read(GUEST_IA32_EFER) & EFER_LMA;
    const char *activity = activities[vmcs_read(GUEST_ACTIVITY_STATE) & 3];
    const char *bits = lma && rights & SEGMENT_L ? "64" : rights & SEGMENT_DB ? "32" : "16";
    if (!protected_mode)
        format(mode->text, mode->size, "real mode%s", activity);
    else if (vmcs_read(GUEST_RFLAGS) & RFLAGS_VM)
        format(mode->text, mode->size, "virtual-8086%s", activity);
    else
        format(mode->text, mode->size, "%s%s-bit, CPL %u%s",
               lma && !(rights & SEGMENT_L) ? "compatibility, " : "", bits, exit_cpl(), activity);
}

void target_mode(struct cpu *cpu, char *text, size_t size)
{
    struct mode mode = {cpu, text, size};
    if (cpu->state == CPU_WAIT_FOR_SIPI)
        string_copy(text, size, "wait-for-SIPI");
    else if (cpu->state == CPU_LEFT_OUT)
        string_copy(text, size, "left out");
    else if (!stop_run_on(cpu, mode_here, &mode))
        string_copy(text, size, "does not stop");
}

static void check_here(void *argument)
{
    struct mode *mode = argument;
    struct entry_environment now = entry_now();
    struct entry_broken broken;
    *mode->text = 0;
    if (entry_check(&now, ENTRY_CONTROLS | ENTRY_GUEST, &broken))
        entry_broken_text(&broken, mode->text, mode->size);
}

bool target_may_go_on(struct cpu *cpu, char *why, size_t size)
{
    struct vmx_cpu *vcpu = cpu->vcpu;
    struct mode mode = {cpu, why, size};
    *why = 0;
    if (!vcpu->debug_changed || !stop_run_on(cpu, check_here, &mode))
        return true;
    vcpu->debug_changed = *why;
    return !*why;
}
