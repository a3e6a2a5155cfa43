/* The guest's MTRRs and CR0.CD are shadows, so that Orlop is never left uncached. CD = 1 has no
 * more effect than that what the caches hold is written back: with them on, memory is coherent all
 * the same (docs/design.md, "Memory types"). What the MTRRs say becomes the EPT's types, once, when
 * all CPUs that run agree (vcpu/type_watch.h). Root mode, on the CPU itself. */
#pragma once

#include "vmx/vmx_cpu.h"

/* A legal write of another value. */
void types_change_mtrr(struct vmx_cpu *vcpu, uint32_t index, uint64_t value);

/* The guest's view of CR0.CD becomes another one. */
void types_switch_caches(struct vmx_cpu *vcpu, bool off);

/* Look at all CPUs if this one was asked to, or if it is the BSP and the time has come; rebuild the
 * EPT's types if need be. Returns microseconds until the BSP is to look again, 0 for never; on
 * other CPUs it means nothing, for they ask the BSP. */
uint64_t types_attend(struct vmx_cpu *vcpu, bool asked);
