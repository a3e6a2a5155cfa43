/* Machine checks: reported in the log and delivered to the guest, whether they came in its code, in
 * Orlop's or in a VM entry. */
#pragma once

#include "vmx/vmx_cpu.h"

/* One has come on this CPU (ATTENTION_CHECK). Before the entry that follows. */
void machine_check_serve(struct vmx_cpu *vcpu);

/* One that had to wait can be delivered, if the window for NMIs opened for it. */
void machine_check_window(struct vmx_cpu *vcpu);

/* The one that `debug_fault=machine-check` asks for, once the guest can take it. */
void machine_check_provoke(const struct vmx_cpu *vcpu);
