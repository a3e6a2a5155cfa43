/* What a guest finds where Orlop is, and where no memory can be: reads give ones, writes go
 * nowhere, a fetch gets #UD, a page walk finds an entry that is not present.
 *
 * Plain moves, STOS and LODS are carried out here. Any other instruction is let run once with a
 * sink in place of the page: a frame of ones for reads, a scratch frame for writes. The step needs
 * no monitor trap flag (vmx/step.h). A sink shows nothing of Orlop's, so that another CPU may see
 * it meanwhile.
 */
#pragma once

#include "vcpu/decoder.h"
#include "vmx/exit.h"

/* An EPT violation at `address`, with its exit qualification. Any CPU; the EPT lock is not held. */
enum exit_next range_access(struct vmx_cpu *vcpu, gpa_t address, uint64_t qualification);

/* Decode the instruction at the guest's RIP. */
struct decoded range_decode(struct vmx_cpu *vcpu);

/* Make sure that one more page can be shown. */
void range_make_room(struct vmx_cpu *vcpu);

/* Let the present instruction run once with `frame` shown at the page of `address`, with `rights`
 * of EPT_R, EPT_W, EPT_X. */
enum exit_next range_let_run_once(struct vmx_cpu *vcpu, gpa_t address, hpa_t frame,
                                  uint64_t rights);

/* The same with a sink: ones, or, where it writes, a scratch page of them. */
enum exit_next range_run_on_sink(struct vmx_cpu *vcpu, gpa_t address, uint64_t qualification);

/* A STOS or LODS has had its element carried out, or with REP, and not just `one`, all that lie in
 * the page and may be done at once: registers and RIP follow. */
enum exit_next range_finish_string(struct vmx_cpu *vcpu, const struct decoded *d, gpa_t address,
                                   bool one);

/* The step is over (or INIT ended it): the sinks go. Cheap where there are none. */
void range_end_step(struct vmx_cpu *vcpu);

/* Make the frame of ones. BSP, boot only. */
void range_prepare(void);
