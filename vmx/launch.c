#include "vmx/launch.h"

#include "base/hw.h"
#include "base/x86/cr.h"
#include "kernel/stop.h"
#include "kernel/traps.h"
#include "mm/frames.h"
#include "vmx/exit.h"
#include "vmx/exit_info.h"
#include "vmx/exit_io.h"
#include "vmx/exit_range.h"
#include "vmx/icr.h"
#include "vmx/requirements.h"
#include "vmx/root.h"
#include "vmx/vmcs.h"

extern const uint8_t vmx_fast_window[], vmx_fast_window_end[], vmx_restart_after_exit[];
extern const uint8_t vmx_slow_window[], vmx_slow_window_end[], vmx_restart[];
extern const uint8_t vmx_idle_window[], vmx_idle_over[]; /* vmx/entry.asm */

void vmx_prepare_machine(uint64_t own_base, uint64_t own_end)
{
    machine.host_cr4 =
        (hw_read_cr4() | machine.caps.cr4_fixed0 | CR4_VMXE) & machine.caps.cr4_fixed1;
    vmx_choose_controls(&machine.caps, machine.ports.count, &machine.controls);
    vmx_build_policies(&machine, own_base, own_end);
    range_prepare();
    ports_prepare();
    trap_set_entry_window(0, (struct entry_window){(uint64_t)vmx_fast_window,
                                                   (uint64_t)vmx_fast_window_end,
                                                   (uint64_t)vmx_restart_after_exit});
    trap_set_entry_window(1, (struct entry_window){(uint64_t)vmx_slow_window,
                                                   (uint64_t)vmx_slow_window_end,
                                                   (uint64_t)vmx_restart});
    trap_set_entry_window(2,
                          (struct entry_window){(uint64_t)vmx_idle_window, (uint64_t)vmx_idle_over,
                                                (uint64_t)vmx_idle_over});
}

void vmx_prepare_cpu(uint32_t number)
{
    struct vmx_cpu *vcpu = percpu_slot(number, LAYOUT_SLOT_VCPU);
    vcpu->vmxon = frames_take();
    vcpu->vmcs = frames_take();
    for (unsigned i = 0; i < VMX_SINK_PAGES; i++)
        vcpu->scratch[i] = frames_take();
}

enum error vmx_start_cpu(struct cpu *cpu)
{
    struct vmx_cpu *vcpu = cpu->vcpu;
    vcpu->cpu = cpu;
    vcpu->signature = hw_cpuid(CPUID_LEAF_FEATURES, 0).eax;
    vcpu->eptp = ept_pointer(&machine.ept);
    vcpu->run_state = CPU_STATE_OFF;
    mtrr_shadow_fill(vcpu->mtrr_shadow, &machine.mtrr);
    enum error error = vmx_root_enter(vcpu, vcpu->vmxon, vcpu->vmcs);
    if (error != ERROR_NONE)
        return error;
    vmx_write_vmcs(vcpu);
    icr_note_ids(vcpu);
    return ERROR_NONE;
}

_Noreturn void vmx_run_boot_cpu(struct cpu *cpu, const struct entry_state *entry)
{
    struct vmx_cpu *vcpu = cpu->vcpu;
    vmx_load_state(vcpu, &entry->processor, ACTIVITY_ACTIVE);
    vmcs_write(GUEST_RSP, entry->rsp);
    vcpu->registers.rsi = entry->rsi;
    vcpu->registers.rax = entry->rax;
    vcpu->registers.rbx = entry->rbx;
    vcpu->run_state = CPU_STATE_RUNNING;
    stop_publish(cpu, CPU_GUEST);
    vmx_enter_guest(vcpu);
}

_Noreturn void vmx_run_other_cpu(struct cpu *cpu)
{
    struct vmx_cpu *vcpu = cpu->vcpu;
    struct reset_state state = reset_state_after_init(cpu->cr0_found, vcpu->signature);
    vmx_load_state(vcpu, &state,
                   machine.icr_intercepted ? ACTIVITY_ACTIVE : ACTIVITY_WAIT_FOR_SIPI);
    vcpu->run_state = CPU_STATE_WAIT_FOR_SIPI;
    stop_publish(cpu, CPU_WAIT_FOR_SIPI);
    vmx_enter_guest(vcpu);
}

_Noreturn void vmx_park(struct cpu *cpu)
{
    ((struct vmx_cpu *)cpu->vcpu)->run_state = CPU_STATE_LEFT_OUT;
    stop_publish(cpu, CPU_LEFT_OUT);
    for (;;) {
        hw_disable_interrupts();
        hw_halt(); /* NMIs come and go; nothing else can */
    }
}
