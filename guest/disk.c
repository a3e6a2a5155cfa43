#include "guest/disk.h"

#include "base/bits.h"
#include "base/x86/eflags.h"
#include "guest/bios_hook.h"
#include "guest/disk_boot.h"
#include "kernel/panic.h"
#include "mm/frames.h"
#include "vmx/exit_info.h"
#include "vmx/setup.h"
#include "vmx/vmcs.h"

#define DISK_VECTOR    GPA(0x13 * 4)
#define BDA_MEMORY_KIB GPA(0x413)
#define WORK           GPA(DISK_WORK_AT)
#define FRAME_BYTES    6 /* IP, CS and FLAGS, as INT leaves them */
#define RETURN_FLAGS   (RFLAGS_FIXED | RFLAGS_IF)

_Static_assert(DISK_WORK_BYTES == PAGE_SIZE, "one frame keeps it");

static struct disk_boot disk;
static bool begun;
static uint64_t guest_cr0;
static hpa_t kept, looked_at; /* the work page as it was; what the last call brought */

static void must(enum error error)
{
    if (error != ERROR_NONE)
        panic("conventional memory cannot be used");
}

static const struct window *window(const struct vmx_cpu *vcpu) { return &vcpu->cpu->windows[0]; }

/* INT 13h as an instruction at the hook would have called it: the BIOS's IRET leads to the hook. */
static enum exit_next make_call(struct vmx_cpu *vcpu)
{
    const struct disk_call *call = &disk.call;
    struct bios_entry hook = bios_hook_entry();
    uint16_t vector[2], frame[3] = {hook.ip, hook.cs, RETURN_FLAGS};
    must(guest_read(window(vcpu), vector, DISK_VECTOR, sizeof(vector)));
    must(guest_write(window(vcpu), GPA(DISK_WORK_AT + DISK_WORK_PACKET), disk.packet,
                     sizeof(disk.packet)));
    must(guest_write(window(vcpu), GPA(DISK_WORK_AT + DISK_WORK_STACK - FRAME_BYTES), frame,
                     sizeof(frame)));
    struct entry_state entry = entry_state_boot_sector(guest_cr0, vector[1], vector[0], 0);
    vmx_load_state(vcpu, &entry.processor, ACTIVITY_ACTIVE);
    vmx_load_real_segment(VMCS_GUEST_SS_SELECTOR, DISK_WORK_AT / 16);
    vmx_load_real_segment(VMCS_GUEST_DS_SELECTOR, call->ds);
    vmx_load_real_segment(VMCS_GUEST_ES_SELECTOR, call->es);
    vmcs_write(GUEST_RSP, DISK_WORK_STACK - FRAME_BYTES);
    vcpu->registers = (struct guest_registers){
        .rax = call->ax, .rbx = call->bx, .rcx = call->cx, .rdx = call->dx, .rsi = call->si};
    return NEXT_RESUME;
}

static enum exit_next start(struct vmx_cpu *vcpu)
{
    struct entry_state entry =
        entry_state_boot_sector(guest_cr0, disk.entry_cs, disk.entry_ip, disk.drive);
    bios_hook_await(NULL);
    must(guest_write(window(vcpu), WORK, frames_pointer(kept), DISK_WORK_BYTES));
    vmx_load_state(vcpu, &entry.processor, ACTIVITY_ACTIVE);
    vmcs_write(GUEST_RSP, entry.rsp);
    vmcs_write(GUEST_RFLAGS, RETURN_FLAGS); /* BIOSes start boot sectors with interrupts on */
    return NEXT_RESUME;
}

static _Noreturn void give_up(void)
{
    if (disk.status)
        refuse("drive 0x%x: %s (INT 13h status 0x%x); name another one with disk=0xNN in grub.cfg",
               disk.drive, disk.why, disk.status);
    refuse("drive 0x%x: %s; name another one with disk=0xNN in grub.cfg", disk.drive, disk.why);
}

/* At the hook: for the first time, or back from a call. */
static enum exit_next returned(struct vmx_cpu *vcpu)
{
    const struct guest_registers *r = &vcpu->registers;
    struct disk_answer answer = {(uint16_t)r->rax, (uint16_t)r->rbx, (uint16_t)r->rcx,
                                 vmcs_read(GUEST_RFLAGS) & RFLAGS_CF};
    uint8_t *look = frames_pointer(looked_at);
    if (disk.look_at)
        must(guest_read(window(vcpu), look, GPA(disk.look_at), DISK_LOOK_BYTES));
    enum disk_next next = begun ? disk_boot_next(&disk, &answer, look)
                                : disk_boot_begin(&disk, disk.drive, disk.memory_end);
    begun = true;
    if (next == DISK_FAIL)
        give_up();
    return next == DISK_START ? start(vcpu) : make_call(vcpu);
}

enum error disk_prepare(struct cpu *cpu, uint8_t drive, uint64_t cr0, struct entry_state *entry)
{
    static const struct bios_return to_us = {DISK_WORK_AT, DISK_WORK_STACK, returned};
    struct bios_entry hook = bios_hook_entry();
    uint16_t memory_kib;
    if (!hook.ip && !hook.cs)
        return ERROR_NOT_FOUND;
    kept = frames_take();
    looked_at = frames_take();
    must(guest_read(&cpu->windows[0], frames_pointer(kept), WORK, DISK_WORK_BYTES));
    must(guest_read(&cpu->windows[0], &memory_kib, BDA_MEMORY_KIB, sizeof(memory_kib)));
    disk.drive = drive;
    disk.memory_end = KIB(memory_kib);
    guest_cr0 = cr0;
    bios_hook_await(&to_us);
    *entry = entry_state_boot_sector(cr0, hook.cs, hook.ip, drive);
    entry->processor.data.selector = DISK_WORK_AT / 16;
    entry->processor.data.base = DISK_WORK_AT;
    entry->rsp = DISK_WORK_STACK;
    return ERROR_NONE;
}
