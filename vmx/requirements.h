/* What Orlop needs of a CPU, and what it uses where it is there: one table. A missing need refuses
 * the machine by the SDM's name of what is missing, with what the person can do about it. Pure. */
#pragma once

#include "vmx/capabilities.h"

/* X(ID, NEEDED or USED, test, ID that it hangs on, "name", advice). Tests: MAY_BE_1(word, control),
 * HAS(word, bits), IS(function in requirements.c). A row whose other row fails is left out of the
 * report, so that one missing thing makes one refusal; rows come after those they hang on.
 *
 * "Intel" means the three vendors that implement VMX as the SDM describes it, FEATURE_CONTROL
 * included: Intel, Centaur (VIA) and Zhaoxin. Every other property is checked word by word. */
#define VMX_REQUIREMENTS(X)                                                                        \
    X(VENDOR, NEEDED, IS(vendor_with_vmx), VENDOR, "a processor with Intel VMX", VENDOR)           \
    X(VMX, NEEDED, HAS(cpuid_1_ecx, CPUID_1_ECX_VMX), VENDOR, "VMX (CPUID.1:ECX[5])", FIRMWARE)    \
    X(FEATURE_CONTROL, NEEDED, IS(vmxon_not_locked_off), VMX,                                      \
      "VMX outside SMX operation (IA32_FEATURE_CONTROL bit 2)", FIRMWARE)                          \
    X(VMCS_WRITE_BACK, NEEDED, IS(vmcs_write_back), VMX,                                           \
      "write-back memory for VMX structures (IA32_VMX_BASIC bits 53:50)", PROCESSOR)               \
    X(NMI_EXITING, NEEDED, MAY_BE_1(pin, PIN_NMI_EXITING), VMX, "NMI exiting", PROCESSOR)          \
    X(VIRTUAL_NMIS, NEEDED, MAY_BE_1(pin, PIN_VIRTUAL_NMIS), VMX, "virtual NMIs", PROCESSOR)       \
    X(NMI_WINDOW, NEEDED, MAY_BE_1(primary, PRIMARY_NMI_WINDOW_EXITING), VMX,                      \
      "NMI-window exiting", PROCESSOR)                                                             \
    X(IO_BITMAPS, NEEDED, MAY_BE_1(primary, PRIMARY_USE_IO_BITMAPS), VMX, "use I/O bitmaps",       \
      PROCESSOR)                                                                                   \
    X(MSR_BITMAPS, NEEDED, MAY_BE_1(primary, PRIMARY_USE_MSR_BITMAPS), VMX, "use MSR bitmaps",     \
      PROCESSOR)                                                                                   \
    X(SECONDARY_CONTROLS, NEEDED, MAY_BE_1(primary, PRIMARY_ACTIVATE_SECONDARY_CONTROLS), VMX,     \
      "activate secondary controls", PROCESSOR)                                                    \
    X(EPT, NEEDED, MAY_BE_1(secondary, SECONDARY_ENABLE_EPT), SECONDARY_CONTROLS, "enable EPT",    \
      PROCESSOR)                                                                                   \
    X(UNRESTRICTED_GUEST, NEEDED, MAY_BE_1(secondary, SECONDARY_UNRESTRICTED_GUEST), EPT,          \
      "unrestricted guest", PROCESSOR)                                                             \
    X(EPT_WALK_4, NEEDED, HAS(ept_vpid, EPT_VPID_CAP_WALK_4), EPT, "EPT page-walk length 4",       \
      PROCESSOR)                                                                                   \
    X(EPT_WRITE_BACK, NEEDED, HAS(ept_vpid, EPT_VPID_CAP_MEMORY_TYPE_WB), EPT,                     \
      "EPT paging structures of memory type WB", PROCESSOR)                                        \
    X(EPT_2M, NEEDED, HAS(ept_vpid, EPT_VPID_CAP_PAGE_2M), EPT, "EPT 2-MByte pages", PROCESSOR)    \
    X(INVEPT, NEEDED, HAS(ept_vpid, EPT_VPID_CAP_INVEPT), EPT, "INVEPT", PROCESSOR)                \
    X(INVEPT_TYPE, NEEDED, IS(invept_has_type), INVEPT, "single-context or all-context INVEPT",    \
      PROCESSOR)                                                                                   \
    X(HOST_64, NEEDED, MAY_BE_1(exit, EXIT_CTL_HOST_ADDRESS_SPACE_SIZE), VMX,                      \
      "host address-space size", PROCESSOR)                                                        \
    X(SAVE_DEBUG, NEEDED, MAY_BE_1(exit, EXIT_CTL_SAVE_DEBUG_CONTROLS), VMX,                       \
      "save debug controls", PROCESSOR)                                                            \
    X(SAVE_PAT, NEEDED, MAY_BE_1(exit, EXIT_CTL_SAVE_PAT), VMX, "save IA32_PAT", PROCESSOR)        \
    X(EXIT_LOAD_PAT, NEEDED, MAY_BE_1(exit, EXIT_CTL_LOAD_PAT), VMX, "load IA32_PAT on exit",      \
      PROCESSOR)                                                                                   \
    X(SAVE_EFER, NEEDED, MAY_BE_1(exit, EXIT_CTL_SAVE_EFER), VMX, "save IA32_EFER", PROCESSOR)     \
    X(EXIT_LOAD_EFER, NEEDED, MAY_BE_1(exit, EXIT_CTL_LOAD_EFER), VMX, "load IA32_EFER on exit",   \
      PROCESSOR)                                                                                   \
    X(GUEST_64, NEEDED, MAY_BE_1(entry, ENTRY_CTL_IA32E_MODE_GUEST), VMX, "IA-32e mode guest",     \
      PROCESSOR)                                                                                   \
    X(STORES_LMA, NEEDED, HAS(misc, VMX_MISC_STORES_LMA), VMX,                                     \
      "VM exits store IA32_EFER.LMA into the IA-32e mode guest control", PROCESSOR)                \
    X(LOAD_DEBUG, NEEDED, MAY_BE_1(entry, ENTRY_CTL_LOAD_DEBUG_CONTROLS), VMX,                     \
      "load debug controls", PROCESSOR)                                                            \
    X(ENTRY_LOAD_PAT, NEEDED, MAY_BE_1(entry, ENTRY_CTL_LOAD_PAT), VMX, "load IA32_PAT on entry",  \
      PROCESSOR)                                                                                   \
    X(ENTRY_LOAD_EFER, NEEDED, MAY_BE_1(entry, ENTRY_CTL_LOAD_EFER), VMX,                          \
      "load IA32_EFER on entry", PROCESSOR)                                                        \
    X(TRUE_CONTROLS, USED, HAS(basic, VMX_BASIC_TRUE_CONTROLS), VMX, "TRUE capability MSRs", NONE) \
    X(WAIT_FOR_SIPI, USED, HAS(misc, VMX_MISC_ACTIVITY_WAIT_FOR_SIPI), VMX,                        \
      "activity state wait-for-SIPI", NONE)                                                        \
    X(INS_OUTS_INFO, USED, HAS(basic, VMX_BASIC_INS_OUTS_INFO), VMX,                               \
      "VM-exit information for INS and OUTS", NONE)                                                \
    X(PREEMPTION_TIMER, USED, MAY_BE_1(pin, PIN_PREEMPTION_TIMER), VMX,                            \
      "activate VMX-preemption timer", NONE)                                                       \
    X(SAVE_PREEMPTION_TIMER, USED, MAY_BE_1(exit, EXIT_CTL_SAVE_PREEMPTION_TIMER),                 \
      PREEMPTION_TIMER, "save VMX-preemption timer value", NONE)                                   \
    X(MONITOR_TRAP_FLAG, USED, MAY_BE_1(primary, PRIMARY_MONITOR_TRAP_FLAG), VMX,                  \
      "monitor trap flag", NONE)                                                                   \
    X(EPT_1G, USED, HAS(ept_vpid, EPT_VPID_CAP_PAGE_1G), EPT, "EPT 1-GByte pages", NONE)           \
    X(EPT_EXECUTE_ONLY, USED, HAS(ept_vpid, EPT_VPID_CAP_EXECUTE_ONLY), EPT,                       \
      "execute-only EPT translations", NONE)                                                       \
    X(INVEPT_SINGLE, USED, HAS(ept_vpid, EPT_VPID_CAP_INVEPT_SINGLE), INVEPT,                      \
      "single-context INVEPT", NONE)                                                               \
    X(VPID, USED, IS(vpid_can_be_flushed), SECONDARY_CONTROLS,                                     \
      "enable VPID, with INVVPID of single or all contexts", NONE)                                 \
    X(MODE_BASED_EXECUTE, USED, MAY_BE_1(secondary, SECONDARY_MODE_BASED_EXECUTE_CONTROL), EPT,    \
      "mode-based execute control for EPT", NONE)                                                  \
    X(RDTSCP, USED, MAY_BE_1(secondary, SECONDARY_ENABLE_RDTSCP), SECONDARY_CONTROLS,              \
      "enable RDTSCP", NONE)                                                                       \
    X(INVPCID, USED, MAY_BE_1(secondary, SECONDARY_ENABLE_INVPCID), SECONDARY_CONTROLS,            \
      "enable INVPCID", NONE)                                                                      \
    X(XSAVES, USED, MAY_BE_1(secondary, SECONDARY_ENABLE_XSAVES_XRSTORS), SECONDARY_CONTROLS,      \
      "enable XSAVES/XRSTORS", NONE)                                                               \
    X(USER_WAIT, USED, MAY_BE_1(secondary, SECONDARY_ENABLE_USER_WAIT_AND_PAUSE),                  \
      SECONDARY_CONTROLS, "enable user wait and pause", NONE)                                      \
    X(PCONFIG, USED, MAY_BE_1(secondary, SECONDARY_ENABLE_PCONFIG), SECONDARY_CONTROLS,            \
      "enable PCONFIG", NONE)                                                                      \
    X(PT_IN_VMX, USED, HAS(misc, VMX_MISC_PT_IN_VMX), VMX,                                         \
      "Intel PT can be used in VMX operation", NONE)                                               \
    X(PT_GUEST_PHYSICAL, USED, IS(pt_uses_guest_physical), PT_IN_VMX,                              \
      "Intel PT uses guest physical addresses, with load and clear IA32_RTIT_CTL", NONE)           \
    X(CONCEAL_VMX_FROM_PT, USED, MAY_BE_1(secondary, SECONDARY_CONCEAL_VMX_FROM_PT),               \
      SECONDARY_CONTROLS, "conceal VMX from PT", NONE)                                             \
    X(BNDCFGS, USED, IS(bndcfgs_switched), VMX, "load and clear IA32_BNDCFGS", NONE)               \
    X(CET_STATE, USED, IS(cet_switched), VMX, "load CET state on entry and on exit", NONE)         \
    X(PKRS, USED, IS(pkrs_switched), VMX, "load PKRS on entry and on exit", NONE)                  \
    X(LBR_CTL, USED, IS(lbr_ctl_switched), VMX, "load and clear IA32_LBR_CTL", NONE)               \
    X(UINV, USED, IS(uinv_switched), VMX, "load and clear UINV", NONE)

enum vmx_feature {
#define VMX_FEATURE_ID(id, need, test, parent, name, advice) VMX_FEATURE_##id,
    VMX_REQUIREMENTS(VMX_FEATURE_ID)
#undef VMX_FEATURE_ID
        VMX_FEATURE_COUNT,
};

enum vmx_advice {
    VMX_ADVICE_NONE,
    VMX_ADVICE_VENDOR,
    VMX_ADVICE_FIRMWARE,
    VMX_ADVICE_PROCESSOR,
    VMX_ADVICE_COUNT,
};

struct vmx_requirement {
    bool needed;
    uint8_t parent;  /* enum vmx_feature; itself for the root */
    uint8_t advice;  /* enum vmx_advice */
    uint16_t offset; /* of the word in struct vmx_capabilities, with `mask` */
    uint64_t mask;
    bool (*holds)(const struct vmx_capabilities *caps); /* in place of word and mask */
    const char *name;
};

extern const struct vmx_requirement vmx_requirement_table[VMX_FEATURE_COUNT];

/* Whether the CPU has the feature and all that it hangs on. Pure; not for the exit path. */
bool vmx_feature_present(const struct vmx_capabilities *caps, enum vmx_feature feature);

/* Calls `report`, unless it is NULL, for every row, needed or used, that is missing by itself and
 * not only because of another row. True where nothing needed is missing. */
bool vmx_requirements_check(const struct vmx_capabilities *caps,
                            void (*report)(void *context, const struct vmx_requirement *missing),
                            void *context);

/* One sentence for the person: what is missing and what can be done. Returns the length as
 * format() does. */
size_t vmx_requirement_text(const struct vmx_requirement *missing,
                            const struct vmx_capabilities *caps, char *text, size_t size);
