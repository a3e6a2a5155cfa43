/* The hypercalls but for the version, which vmx/exit_instructions.c answers (include/orlop_abi.h):
 * out of the way of the usual exits. */
#pragma once

#include "vmx/exit.h"

/* VMCALL at CPL 0 with the signature, any number. The result goes to RAX. */
enum exit_next hypercall(struct vmx_cpu *vcpu);
