/* The guest on any CPU, as a debugger sees it: registers by number, memory by address. What is
 * asked of a CPU is done by that CPU (an errand, kernel/stop.h). All CPUs stand still; from the
 * holder of the stop, in root mode. A CPU in wait-for-SIPI has no more than what INIT leaves.
 *
 * `rip` is linear, CS.base + IP, so that a debugger finds code and breakpoints in real mode too;
 * the raw one is `ip`. Bits, and nothing else, decide how a value is written down. */
#pragma once

#include "base/error.h"
#include "kernel/percpu.h"

/* In gdb's order, as far as it has one. R(name, bits, where it lies, which one there) */
#define TARGET_CORE(R)                                                                             \
    R(rax, 64, GENERAL, 0)                                                                         \
    R(rbx, 64, GENERAL, 3)                                                                         \
    R(rcx, 64, GENERAL, 1)                                                                         \
    R(rdx, 64, GENERAL, 2)                                                                         \
    R(rsi, 64, GENERAL, 6)                                                                         \
    R(rdi, 64, GENERAL, 7)                                                                         \
    R(rbp, 64, GENERAL, 5)                                                                         \
    R(rsp, 64, FIELD, ENCODING_GUEST_RSP)                                                          \
    R(r8, 64, GENERAL, 8)                                                                          \
    R(r9, 64, GENERAL, 9)                                                                          \
    R(r10, 64, GENERAL, 10)                                                                        \
    R(r11, 64, GENERAL, 11)                                                                        \
    R(r12, 64, GENERAL, 12)                                                                        \
    R(r13, 64, GENERAL, 13)                                                                        \
    R(r14, 64, GENERAL, 14)                                                                        \
    R(r15, 64, GENERAL, 15)                                                                        \
    R(rip, 64, LINEAR_RIP, 0)                                                                      \
    R(eflags, 32, FIELD, ENCODING_GUEST_RFLAGS)                                                    \
    R(cs, 32, FIELD, ENCODING_GUEST_CS_SELECTOR)                                                   \
    R(ss, 32, FIELD, ENCODING_GUEST_SS_SELECTOR)                                                   \
    R(ds, 32, FIELD, ENCODING_GUEST_DS_SELECTOR)                                                   \
    R(es, 32, FIELD, ENCODING_GUEST_ES_SELECTOR)                                                   \
    R(fs, 32, FIELD, ENCODING_GUEST_FS_SELECTOR)                                                   \
    R(gs, 32, FIELD, ENCODING_GUEST_GS_SELECTOR)
#define TARGET_X87(R)                                                                              \
    R(st0, 80, FPU, 32)                                                                            \
    R(st1, 80, FPU, 48)                                                                            \
    R(st2, 80, FPU, 64)                                                                            \
    R(st3, 80, FPU, 80)                                                                            \
    R(st4, 80, FPU, 96)                                                                            \
    R(st5, 80, FPU, 112)                                                                           \
    R(st6, 80, FPU, 128)                                                                           \
    R(st7, 80, FPU, 144)                                                                           \
    R(fctrl, 32, FPU_WORD, 0)                                                                      \
    R(fstat, 32, FPU_WORD, 2)                                                                      \
    R(ftag, 32, FPU_TAGS, 4)                                                                       \
    R(fiseg, 32, FPU_WORD, 12)                                                                     \
    R(fioff, 32, FPU, 8)                                                                           \
    R(foseg, 32, FPU_WORD, 20)                                                                     \
    R(fooff, 32, FPU, 16)                                                                          \
    R(fop, 32, FPU_WORD, 6)
#define TARGET_SSE(R)                                                                              \
    R(xmm0, 128, FPU, 160)                                                                         \
    R(xmm1, 128, FPU, 176)                                                                         \
    R(xmm2, 128, FPU, 192)                                                                         \
    R(xmm3, 128, FPU, 208)                                                                         \
    R(xmm4, 128, FPU, 224)                                                                         \
    R(xmm5, 128, FPU, 240)                                                                         \
    R(xmm6, 128, FPU, 256)                                                                         \
    R(xmm7, 128, FPU, 272)                                                                         \
    R(xmm8, 128, FPU, 288)                                                                         \
    R(xmm9, 128, FPU, 304)                                                                         \
    R(xmm10, 128, FPU, 320)                                                                        \
    R(xmm11, 128, FPU, 336)                                                                        \
    R(xmm12, 128, FPU, 352)                                                                        \
    R(xmm13, 128, FPU, 368)                                                                        \
    R(xmm14, 128, FPU, 384)                                                                        \
    R(xmm15, 128, FPU, 400)                                                                        \
    R(mxcsr, 32, FPU, 24)
#define TARGET_SEGMENTS(R)                                                                         \
    R(fs_base, 64, FIELD, ENCODING_GUEST_FS_BASE)                                                  \
    R(gs_base, 64, FIELD, ENCODING_GUEST_GS_BASE)
#define TARGET_SYSTEM(R)                                                                           \
    R(ip, 64, FIELD, ENCODING_GUEST_RIP)                                                           \
    R(cr0, 64, CR, 0)                                                                              \
    R(cr2, 64, CR, 2)                                                                              \
    R(cr3, 64, CR, 3)                                                                              \
    R(cr4, 64, CR, 4)                                                                              \
    R(cr8, 64, CR, 8)                                                                              \
    R(efer, 64, EFER, 0)                                                                           \
    R(dr0, 64, DR, 0)                                                                              \
    R(dr1, 64, DR, 1)                                                                              \
    R(dr2, 64, DR, 2)                                                                              \
    R(dr3, 64, DR, 3)                                                                              \
    R(dr6, 64, DR, 6)                                                                              \
    R(dr7, 64, DR, 7)                                                                              \
    R(k_gs_base, 64, MSR, MSR_IA32_KERNEL_GS_BASE)                                                 \
    R(star, 64, MSR, MSR_IA32_STAR)                                                                \
    R(lstar, 64, MSR, MSR_IA32_LSTAR)                                                              \
    R(sfmask, 64, MSR, MSR_IA32_FMASK)                                                             \
    R(apic_base, 64, SHOWN_MSR, MSR_IA32_APIC_BASE)                                                \
    R(sysenter_cs, 32, FIELD, ENCODING_GUEST_IA32_SYSENTER_CS)                                     \
    R(sysenter_esp, 64, FIELD, ENCODING_GUEST_IA32_SYSENTER_ESP)                                   \
    R(sysenter_eip, 64, FIELD, ENCODING_GUEST_IA32_SYSENTER_EIP)                                   \
    R(pat, 64, FIELD, ENCODING_GUEST_IA32_PAT)                                                     \
    R(debugctl, 64, FIELD, ENCODING_GUEST_IA32_DEBUGCTL)                                           \
    R(cs_base, 64, FIELD, ENCODING_GUEST_CS_BASE)                                                  \
    R(cs_limit, 32, FIELD, ENCODING_GUEST_CS_LIMIT)                                                \
    R(cs_rights, 32, FIELD, ENCODING_GUEST_CS_ACCESS_RIGHTS)                                       \
    R(ss_base, 64, FIELD, ENCODING_GUEST_SS_BASE)                                                  \
    R(ss_limit, 32, FIELD, ENCODING_GUEST_SS_LIMIT)                                                \
    R(ss_rights, 32, FIELD, ENCODING_GUEST_SS_ACCESS_RIGHTS)                                       \
    R(ds_base, 64, FIELD, ENCODING_GUEST_DS_BASE)                                                  \
    R(ds_limit, 32, FIELD, ENCODING_GUEST_DS_LIMIT)                                                \
    R(ds_rights, 32, FIELD, ENCODING_GUEST_DS_ACCESS_RIGHTS)                                       \
    R(es_base, 64, FIELD, ENCODING_GUEST_ES_BASE)                                                  \
    R(es_limit, 32, FIELD, ENCODING_GUEST_ES_LIMIT)                                                \
    R(es_rights, 32, FIELD, ENCODING_GUEST_ES_ACCESS_RIGHTS)                                       \
    R(fs_limit, 32, FIELD, ENCODING_GUEST_FS_LIMIT)                                                \
    R(fs_rights, 32, FIELD, ENCODING_GUEST_FS_ACCESS_RIGHTS)                                       \
    R(gs_limit, 32, FIELD, ENCODING_GUEST_GS_LIMIT)                                                \
    R(gs_rights, 32, FIELD, ENCODING_GUEST_GS_ACCESS_RIGHTS)                                       \
    R(tr, 32, FIELD, ENCODING_GUEST_TR_SELECTOR)                                                   \
    R(tr_base, 64, FIELD, ENCODING_GUEST_TR_BASE)                                                  \
    R(tr_limit, 32, FIELD, ENCODING_GUEST_TR_LIMIT)                                                \
    R(tr_rights, 32, FIELD, ENCODING_GUEST_TR_ACCESS_RIGHTS)                                       \
    R(ldtr, 32, FIELD, ENCODING_GUEST_LDTR_SELECTOR)                                               \
    R(ldtr_base, 64, FIELD, ENCODING_GUEST_LDTR_BASE)                                              \
    R(ldtr_limit, 32, FIELD, ENCODING_GUEST_LDTR_LIMIT)                                            \
    R(ldtr_rights, 32, FIELD, ENCODING_GUEST_LDTR_ACCESS_RIGHTS)                                   \
    R(gdtr_base, 64, FIELD, ENCODING_GUEST_GDTR_BASE)                                              \
    R(gdtr_limit, 32, FIELD, ENCODING_GUEST_GDTR_LIMIT)                                            \
    R(idtr_base, 64, FIELD, ENCODING_GUEST_IDTR_BASE)                                              \
    R(idtr_limit, 32, FIELD, ENCODING_GUEST_IDTR_LIMIT)                                            \
    R(activity, 32, FIELD, ENCODING_GUEST_ACTIVITY_STATE)                                          \
    R(interruptibility, 32, FIELD, ENCODING_GUEST_INTERRUPTIBILITY_STATE)
#define TARGET_REGISTERS(R)                                                                        \
    TARGET_CORE(R) TARGET_X87(R) TARGET_SSE(R) TARGET_SEGMENTS(R) TARGET_SYSTEM(R)

enum target_register {
#define TARGET_NUMBER(name, bits, from, which) TARGET_##name,
    TARGET_REGISTERS(TARGET_NUMBER)
#undef TARGET_NUMBER
        TARGET_REGISTER_COUNT
};

/* 80 and 128 bits take both words. */
struct target_value {
    uint64_t low, high;
};

const char *target_register_name(unsigned number);
unsigned target_register_bits(unsigned number);

/* The number of a register, or TARGET_REGISTER_COUNT; `length` characters of `name`. */
unsigned target_register_find(const char *name, size_t length);

/* `count` registers from number `first` on. False: this CPU cannot tell (wait-for-SIPI, for most;
 * one that did not stop). */
MUST_CHECK bool target_get(struct cpu *cpu, unsigned first, unsigned count,
                           struct target_value *values);

/* ERROR_UNSUPPORTED: it cannot be written, or not on this CPU. ERROR_RANGE: a value that it cannot
 * have. What is wrong with several registers together shows when the guest is to go on. */
MUST_CHECK enum error target_set(struct cpu *cpu, unsigned number, struct target_value value);

/* The first word of a register, 0 where it cannot be read. */
uint64_t target_word(struct cpu *cpu, unsigned number);

enum target_space {
    TARGET_LINEAR,   /* by the CPU's present paging; of a device nothing is read or written */
    TARGET_PHYSICAL, /* guest-physical, devices too */
    TARGET_HOST,     /* Orlop's own; cannot be written */
};

/* How many bytes, from the first on, could be read or written. Orlop's range is never among the
 * first two. */
size_t target_read(struct cpu *cpu, enum target_space space, uint64_t address, void *to,
                   size_t bytes);
size_t target_write(struct cpu *cpu, enum target_space space, uint64_t address, const void *from,
                    size_t bytes);

/* Guest-linear to guest-physical by the CPU's present paging. */
MUST_CHECK bool target_translate(struct cpu *cpu, uint64_t linear, gpa_t *physical);

/* By other tables than the CPU's present ones: CR3 is taken to be this, until 0 is set. Gives what
 * was set before. */
uint64_t target_set_cr3(uint64_t cr3);

/* Of Linux's page-table isolation: a program's tables are the page behind the kernel's, and map no
 * more of the kernel than its entry (arch/x86/mm/pti.c, PTI_USER_PGTABLE_BIT in
 * arch/x86/entry/calling.h). */
#define TARGET_CR3_PTI_USER BIT(12)

/* "64-bit, CPL 0", "real mode, halted", "wait-for-SIPI". */
void target_mode(struct cpu *cpu, char *text, size_t size);

/* Whether the VM entry would take the CPU's state; if not, `why` says which rule it breaks. Asked
 * for what was changed since. */
MUST_CHECK bool target_may_go_on(struct cpu *cpu, char *why, size_t size);
