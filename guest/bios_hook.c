#include "guest/bios_hook.h"

#include "base/bits.h"
#include "base/log.h"
#include "base/x86/eflags.h"
#include "base/x86/segment.h"
#include "guest/memory_calls.h"
#include "lib/string.h"
#include "mm/frames.h"
#include "mm/pte.h"
#include "vmx/exit.h"
#include "vmx/exit_range.h"
#include "vmx/guest_memory.h"
#include "vmx/machine.h"
#include "vmx/vmcs.h"

#define IVT_ENTRY(vector) GPA((vector)*4)
#define MEMORY_VECTOR     0x15
#define ROM_BASE          0xC0000
#define ROM_END           MIB(1)
#define COMPATIBLE_BASE   0xF0000 /* F000:F859, where every PC's BIOS has INT 15h */
#define COMPATIBLE_IP     0xF859

/* VMCALL; IRET. The exit steps over the first, or lets the guest run on in the real page. */
static const uint8_t patch[] = {0x0F, 0x01, 0xC1, 0xCF};

static const struct memory_map *guest_map;
static const struct bios_return *awaited;
static volatile bool stale; /* the guest wrote to the real page */

/* A 16-bit stack or, of a caller in big real mode, a 32-bit one. */
static uint64_t stack_address(uint64_t offset)
{
    bool big = vmcs_read(GUEST_SS_ACCESS_RIGHTS) & SEGMENT_DB;
    return (uint32_t)(vmcs_read(GUEST_SS_BASE) + (big ? (uint32_t)offset : (uint16_t)offset));
}

/* Where the caller gave an address that is no memory, what is written goes nowhere. */
static void write_guest(struct vmx_cpu *vcpu, uint64_t linear, const uint8_t *bytes, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        gpa_t at;
        if (guest_translate(vcpu, GVA((uint32_t)(linear + i)), &at) == ERROR_NONE &&
            guest_write(&vcpu->cpu->windows[0], at, &bytes[i], 1) != ERROR_NONE)
            return;
    }
}

/* The flags that the patch's IRET takes from the stack: IP, CS, FLAGS. */
static void return_carry(struct vmx_cpu *vcpu, bool carry)
{
    gpa_t at;
    uint8_t flags;
    uint64_t linear = stack_address(vmcs_read(GUEST_RSP) + 4);
    if (guest_translate(vcpu, GVA(linear), &at) != ERROR_NONE ||
        guest_read(&vcpu->cpu->windows[0], &flags, at, 1) != ERROR_NONE)
        return;
    flags = (uint8_t)((flags & ~RFLAGS_CF) | (carry ? RFLAGS_CF : 0));
    write_guest(vcpu, linear, &flags, 1);
}

static enum exit_next run_in_real_page(struct vmx_cpu *vcpu, uint64_t rights)
{
    gpa_t page = machine.hook.page;
    range_make_room(vcpu);
    return range_let_run_once(vcpu, page, HPA(page.v), rights);
}

static uint64_t entry_address(void) { return machine.hook.entry_base + machine.hook.entry_ip; }

/* A virtual-8086 task may have other memory where the ROM was. */
static bool is_shown(const struct vmx_cpu *vcpu)
{
    gpa_t at;
    return guest_translate(vcpu, GVA(entry_address()), &at) == ERROR_NONE &&
           ALIGN_DOWN(at.v, PAGE_SIZE) == machine.hook.page.v;
}

static bool is_awaited(void)
{
    return awaited && vmcs_read(GUEST_SS_BASE) == awaited->stack_base &&
           (uint16_t)vmcs_read(GUEST_RSP) == awaited->sp;
}

/* The guest called INT 15h. */
static enum exit_next serve(struct vmx_cpu *vcpu)
{
    if (is_awaited())
        return awaited->returned(vcpu);
    struct guest_registers *r = &vcpu->registers;
    struct memory_call call = {
        (uint32_t)r->rax, (uint32_t)r->rbx, (uint32_t)r->rcx, (uint32_t)r->rdx, false, 0, {0}};
    if (!is_shown(vcpu))
        return NEXT_UD;
    if (!memory_call_answer(guest_map, &call))
        return run_in_real_page(vcpu, EPT_R | EPT_X);
    write_guest(vcpu, vmcs_read(GUEST_ES_BASE) + (uint16_t)r->rdi, call.entry, call.bytes);
    return_carry(vcpu, call.carry);
    r->rax = call.eax;
    r->rbx = call.ebx;
    r->rcx = call.ecx;
    r->rdx = call.edx;
    return NEXT_ADVANCE;
}

/* The patch is longer than the entry's first instruction may be: the next one runs in the real page
 * as well, until the patch is behind. */
static enum exit_next run_past_patch(struct vmx_cpu *vcpu)
{
    uint64_t offset = vmcs_read(GUEST_CS_BASE) + vmcs_read(GUEST_RIP) - entry_address();
    if (offset - 1 >= sizeof(patch) - 1 || !exit_in_real_mode() || !is_shown(vcpu))
        return NEXT_RESUME;
    return run_in_real_page(vcpu, EPT_R | EPT_X);
}

/* A ROM ignores it; memory that shadows a ROM and is unlocked takes it. */
static enum exit_next write_real_page(struct vmx_cpu *vcpu)
{
    stale = true;
    return run_in_real_page(vcpu, EPT_R | EPT_W | EPT_X);
}

static bool copy_page(struct cpu *cpu)
{
    uint8_t *copy = frames_pointer(machine.hook.frame);
    uint64_t offset = entry_address() & PAGE_MASK;
    if (guest_read(&cpu->windows[0], copy, machine.hook.page, PAGE_SIZE) != ERROR_NONE ||
        offset > PAGE_SIZE - sizeof(patch) || copy[offset] == 0xFF)
        return false; /* all ones is where no ROM is, and no instruction of a BIOS begins so */
    memcpy(copy + offset, patch, sizeof(patch));
    return true;
}

static void refresh(struct vmx_cpu *vcpu)
{
    if (stale)
        (void)copy_page(vcpu->cpu);
    stale = false;
}

/* The vector leads into the ROM, unless a boot program has put itself before it; then that program
 * calls on, in the end, where all have the entry. False: no BIOS was here. */
static bool find_entry(struct cpu *cpu)
{
    struct machine_hook *hook = &machine.hook;
    uint16_t vector[2];
    if (guest_read(&cpu->windows[0], vector, IVT_ENTRY(MEMORY_VECTOR), sizeof(vector)))
        return false;
    hook->entry_ip = vector[0];
    hook->entry_base = (uint32_t)vector[1] * 16;
    uint64_t address = entry_address();
    if (address < ROM_BASE || address >= ROM_END) {
        log_info("bios", "INT 15h leads to 0x%llx, no ROM: hooked at F000:F859",
                 (unsigned long long)address);
        hook->entry_ip = COMPATIBLE_IP;
        hook->entry_base = COMPATIBLE_BASE;
        address = entry_address();
    }
    hook->page = GPA(ALIGN_DOWN(address, PAGE_SIZE));
    return true;
}

struct bios_entry bios_hook_entry(void)
{
    return (struct bios_entry){(uint16_t)(machine.hook.entry_base / 16), machine.hook.entry_ip};
}

void bios_hook_await(const struct bios_return *expected) { awaited = expected; }

void bios_hook_install(struct cpu *cpu, const struct memory_map *map)
{
    struct machine_hook *hook = &machine.hook;
    guest_map = map;
    hook->frame = frames_take();
    if (!find_entry(cpu) || !copy_page(cpu) ||
        machine_show_page(hook->page, hook->frame, EPT_R | EPT_X) != ERROR_NONE) {
        *hook = (struct machine_hook){.page = GPA(0)};
        log_warn("bios", "INT 15h leads to no BIOS: who asks there is not told of Orlop's range");
        return;
    }
    hook->called = serve;
    hook->written = write_real_page;
    hook->stepped = run_past_patch;
    hook->refresh = refresh;
}
