/* What VM entry demands of a VMCS, one row a rule, in the SDM's order. vmx/entry_check.c goes
 * through the rows; docs/entry-checks.md says of each whether it was seen at work.
 * Source: Intel SDM (325462-083US) vol. 3C, 27.2 "Checks on VMX Controls and Host-State Area" and
 * 27.3.1 "Checks on the Guest-State Area". Where the SDM's text asks for one control because of
 * another, the row stands the same way around: what is set decides what must be set too. */
#pragma once

/* What rules depend on. X(NAME, gate, FIELD, lowest bit, bits, value): the bits of the field have
 * that value, and the gate, a row above, holds. Controls that are not activated count as 0. */
#define ENTRY_FACTS(X)                                                                             \
    X(SECONDARY, ALWAYS, PRIMARY_CONTROLS, 31, 1, 1)                                               \
    X(TERTIARY, ALWAYS, PRIMARY_CONTROLS, 17, 1, 1)                                                \
    X(EXTERNAL_EXITING, ALWAYS, PIN_CONTROLS, 0, 1, 1)                                             \
    X(NMI_EXITING, ALWAYS, PIN_CONTROLS, 3, 1, 1)                                                  \
    X(VIRTUAL_NMIS, ALWAYS, PIN_CONTROLS, 5, 1, 1)                                                 \
    X(TIMER, ALWAYS, PIN_CONTROLS, 6, 1, 1)                                                        \
    X(POSTED, ALWAYS, PIN_CONTROLS, 7, 1, 1)                                                       \
    X(TPR_SHADOW, ALWAYS, PRIMARY_CONTROLS, 21, 1, 1)                                              \
    X(NMI_WINDOW, ALWAYS, PRIMARY_CONTROLS, 22, 1, 1)                                              \
    X(IO_BITMAPS, ALWAYS, PRIMARY_CONTROLS, 25, 1, 1)                                              \
    X(MSR_BITMAPS, ALWAYS, PRIMARY_CONTROLS, 28, 1, 1)                                             \
    X(APIC_ACCESSES, SECONDARY, SECONDARY_CONTROLS, 0, 1, 1)                                       \
    X(EPT, SECONDARY, SECONDARY_CONTROLS, 1, 1, 1)                                                 \
    X(X2APIC, SECONDARY, SECONDARY_CONTROLS, 4, 1, 1)                                              \
    X(VPID, SECONDARY, SECONDARY_CONTROLS, 5, 1, 1)                                                \
    X(UNRESTRICTED, SECONDARY, SECONDARY_CONTROLS, 7, 1, 1)                                        \
    X(APIC_REGISTERS, SECONDARY, SECONDARY_CONTROLS, 8, 1, 1)                                      \
    X(DELIVERY, SECONDARY, SECONDARY_CONTROLS, 9, 1, 1)                                            \
    X(VM_FUNCTIONS, SECONDARY, SECONDARY_CONTROLS, 13, 1, 1)                                       \
    X(SHADOWING, SECONDARY, SECONDARY_CONTROLS, 14, 1, 1)                                          \
    X(PML, SECONDARY, SECONDARY_CONTROLS, 17, 1, 1)                                                \
    X(VE, SECONDARY, SECONDARY_CONTROLS, 18, 1, 1)                                                 \
    X(PASID, SECONDARY, SECONDARY_CONTROLS, 21, 1, 1)                                              \
    X(MODE_BASED, SECONDARY, SECONDARY_CONTROLS, 22, 1, 1)                                         \
    X(SUB_PAGE, SECONDARY, SECONDARY_CONTROLS, 23, 1, 1)                                           \
    X(PT_GUEST, SECONDARY, SECONDARY_CONTROLS, 24, 1, 1)                                           \
    X(TSC_SCALING, SECONDARY, SECONDARY_CONTROLS, 25, 1, 1)                                        \
    X(HLAT, TERTIARY, TERTIARY_CONTROLS, 1, 1, 1)                                                  \
    X(PAGING_WRITE, TERTIARY, TERTIARY_CONTROLS, 2, 1, 1)                                          \
    X(GUEST_PAGING, TERTIARY, TERTIARY_CONTROLS, 3, 1, 1)                                          \
    X(IPI, TERTIARY, TERTIARY_CONTROLS, 4, 1, 1)                                                   \
    X(EPTP_SWITCHING, VM_FUNCTIONS, VM_FUNCTION_CONTROLS, 0, 1, 1)                                 \
    X(HOST_64, ALWAYS, VM_EXIT_CONTROLS, 9, 1, 1)                                                  \
    X(EXIT_PERF, ALWAYS, VM_EXIT_CONTROLS, 12, 1, 1)                                               \
    X(ACKNOWLEDGE, ALWAYS, VM_EXIT_CONTROLS, 15, 1, 1)                                             \
    X(EXIT_PAT, ALWAYS, VM_EXIT_CONTROLS, 19, 1, 1)                                                \
    X(EXIT_EFER, ALWAYS, VM_EXIT_CONTROLS, 21, 1, 1)                                               \
    X(SAVE_TIMER, ALWAYS, VM_EXIT_CONTROLS, 22, 1, 1)                                              \
    X(CLEAR_RTIT, ALWAYS, VM_EXIT_CONTROLS, 25, 1, 1)                                              \
    X(EXIT_CET, ALWAYS, VM_EXIT_CONTROLS, 28, 1, 1)                                                \
    X(EXIT_PKRS, ALWAYS, VM_EXIT_CONTROLS, 29, 1, 1)                                               \
    X(EXIT_2, ALWAYS, VM_EXIT_CONTROLS, 31, 1, 1)                                                  \
    X(LOAD_DEBUG, ALWAYS, VM_ENTRY_CONTROLS, 2, 1, 1)                                              \
    X(IA32E, ALWAYS, VM_ENTRY_CONTROLS, 9, 1, 1)                                                   \
    X(TO_SMM, ALWAYS, VM_ENTRY_CONTROLS, 10, 1, 1)                                                 \
    X(DUAL_MONITOR, ALWAYS, VM_ENTRY_CONTROLS, 11, 1, 1)                                           \
    X(LOAD_PERF, ALWAYS, VM_ENTRY_CONTROLS, 13, 1, 1)                                              \
    X(LOAD_PAT, ALWAYS, VM_ENTRY_CONTROLS, 14, 1, 1)                                               \
    X(LOAD_EFER, ALWAYS, VM_ENTRY_CONTROLS, 15, 1, 1)                                              \
    X(LOAD_BNDCFGS, ALWAYS, VM_ENTRY_CONTROLS, 16, 1, 1)                                           \
    X(LOAD_RTIT, ALWAYS, VM_ENTRY_CONTROLS, 18, 1, 1)                                              \
    X(LOAD_UINV, ALWAYS, VM_ENTRY_CONTROLS, 19, 1, 1)                                              \
    X(LOAD_CET, ALWAYS, VM_ENTRY_CONTROLS, 20, 1, 1)                                               \
    X(LOAD_LBR, ALWAYS, VM_ENTRY_CONTROLS, 21, 1, 1)                                               \
    X(LOAD_PKRS, ALWAYS, VM_ENTRY_CONTROLS, 22, 1, 1)                                              \
    X(EVENT, ALWAYS, VM_ENTRY_INTERRUPTION_INFO, 31, 1, 1)                                         \
    X(EVENT_EXTERNAL, EVENT, VM_ENTRY_INTERRUPTION_INFO, 8, 3, 0)                                  \
    X(EVENT_NMI, EVENT, VM_ENTRY_INTERRUPTION_INFO, 8, 3, 2)                                       \
    X(EVENT_ERROR_CODE, EVENT, VM_ENTRY_INTERRUPTION_INFO, 11, 1, 1)                               \
    X(HOST_WP, ALWAYS, HOST_CR0, 16, 1, 1)                                                         \
    X(HOST_PAE, ALWAYS, HOST_CR4, 5, 1, 1)                                                         \
    X(HOST_PCIDE, ALWAYS, HOST_CR4, 17, 1, 1)                                                      \
    X(HOST_CET, ALWAYS, HOST_CR4, 23, 1, 1)                                                        \
    X(PE, ALWAYS, GUEST_CR0, 0, 1, 1)                                                              \
    X(WP, ALWAYS, GUEST_CR0, 16, 1, 1)                                                             \
    X(PG, ALWAYS, GUEST_CR0, 31, 1, 1)                                                             \
    X(PAE, ALWAYS, GUEST_CR4, 5, 1, 1)                                                             \
    X(PAE_PAGING, PG, GUEST_CR4, 5, 1, 1)                                                          \
    X(PCIDE, ALWAYS, GUEST_CR4, 17, 1, 1)                                                          \
    X(CET, ALWAYS, GUEST_CR4, 23, 1, 1)                                                            \
    X(CODE_64, IA32E, GUEST_CS_ACCESS_RIGHTS, 13, 1, 1)                                            \
    X(CS_DATA, ALWAYS, GUEST_CS_ACCESS_RIGHTS, 0, 4, 3)                                            \
    X(RFLAGS_1, ALWAYS, GUEST_RFLAGS, 1, 1, 1)                                                     \
    X(IF, ALWAYS, GUEST_RFLAGS, 9, 1, 1)                                                           \
    X(VM, ALWAYS, GUEST_RFLAGS, 17, 1, 1)                                                          \
    X(ACTIVE, ALWAYS, GUEST_ACTIVITY_STATE, 0, 32, 0)                                              \
    X(HLT, ALWAYS, GUEST_ACTIVITY_STATE, 0, 32, 1)                                                 \
    X(SHUTDOWN, ALWAYS, GUEST_ACTIVITY_STATE, 0, 32, 2)                                            \
    X(SIPI, ALWAYS, GUEST_ACTIVITY_STATE, 0, 32, 3)                                                \
    X(STI, ALWAYS, GUEST_INTERRUPTIBILITY_STATE, 0, 1, 1)                                          \
    X(MOV_SS, ALWAYS, GUEST_INTERRUPTIBILITY_STATE, 1, 1, 1)                                       \
    X(SMI_BLOCKED, ALWAYS, GUEST_INTERRUPTIBILITY_STATE, 2, 1, 1)                                  \
    X(NMI_BLOCKED, ALWAYS, GUEST_INTERRUPTIBILITY_STATE, 3, 1, 1)                                  \
    X(ENCLAVE, ALWAYS, GUEST_INTERRUPTIBILITY_STATE, 4, 1, 1)

/* Rules. X(NAME, condition, second condition, FIELD, fields in a row as a mask, check, argument).
 * A condition is a fact, NOT(fact), or USABLE, of the segment at hand. FIELD is the first of the
 * row. R(NAME, condition, second condition, fact): where both hold, so must the fact. */
#define ENTRY_RULES_CONTROLS(X, R)                                                                 \
    X(PIN_RESERVED, ALWAYS, ALWAYS, PIN_CONTROLS, 1, in_word, CAP(pin))                            \
    X(PRIMARY_RESERVED, ALWAYS, ALWAYS, PRIMARY_CONTROLS, 1, in_word, CAP(primary))                \
    X(SECONDARY_RESERVED, SECONDARY, ALWAYS, SECONDARY_CONTROLS, 1, in_word, CAP(secondary))       \
    X(TERTIARY_RESERVED, TERTIARY, ALWAYS, TERTIARY_CONTROLS, 1, in_flags, CAP(tertiary))          \
    X(CR3_TARGETS, ALWAYS, ALWAYS, CR3_TARGET_COUNT, 1, cr3_targets, 0)                            \
    X(IO_BITMAPS, IO_BITMAPS, ALWAYS, IO_BITMAP_A, 3, address, 12)                                 \
    X(MSR_BITMAPS, MSR_BITMAPS, ALWAYS, MSR_BITMAP, 1, address, 12)                                \
    X(VIRTUAL_APIC, TPR_SHADOW, ALWAYS, VIRTUAL_APIC_ADDRESS, 1, address, 12)                      \
    X(TPR_THRESHOLD, TPR_SHADOW, NOT(DELIVERY), TPR_THRESHOLD, 1, zero, 0xFFFFFFF0)                \
    X(TPR_THRESHOLD_VTPR, TPR_SHADOW, NOT(DELIVERY), TPR_THRESHOLD, 1, below_vtpr, 0)              \
    R(VIRTUAL_NMIS, VIRTUAL_NMIS, ALWAYS, NMI_EXITING)                                             \
    R(NMI_WINDOW, NMI_WINDOW, ALWAYS, VIRTUAL_NMIS)                                                \
    X(APIC_ACCESS_PAGE, APIC_ACCESSES, ALWAYS, APIC_ACCESS_ADDRESS, 1, address, 12)                \
    R(X2APIC_SHADOW, X2APIC, ALWAYS, TPR_SHADOW)                                                   \
    R(APIC_REGISTERS_SHADOW, APIC_REGISTERS, ALWAYS, TPR_SHADOW)                                   \
    R(DELIVERY_SHADOW, DELIVERY, ALWAYS, TPR_SHADOW)                                               \
    R(IPI_SHADOW, IPI, ALWAYS, TPR_SHADOW)                                                         \
    R(X2APIC_ALONE, X2APIC, ALWAYS, NOT(APIC_ACCESSES))                                            \
    R(DELIVERY_EXITING, DELIVERY, ALWAYS, EXTERNAL_EXITING)                                        \
    R(POSTED_DELIVERY, POSTED, ALWAYS, DELIVERY)                                                   \
    R(POSTED_ACKNOWLEDGE, POSTED, ALWAYS, ACKNOWLEDGE)                                             \
    X(POSTED_VECTOR, POSTED, ALWAYS, POSTED_INTERRUPT_NOTIFICATION_VECTOR, 1, zero, 0xFF00)        \
    X(POSTED_DESCRIPTOR, POSTED, ALWAYS, POSTED_INTERRUPT_DESCRIPTOR_ADDRESS, 1, address, 6)       \
    X(VPID, VPID, ALWAYS, VPID, 1, not_zero, 0)                                                    \
    X(EPTP_TYPE, EPT, ALWAYS, EPT_POINTER, 1, eptp_type, 0)                                        \
    X(EPTP_WALK, EPT, ALWAYS, EPT_POINTER, 1, eptp_walk, 0)                                        \
    X(EPTP_DIRTY, EPT, ALWAYS, EPT_POINTER, 1, eptp_dirty, 0)                                      \
    X(EPTP_RESERVED, EPT, ALWAYS, EPT_POINTER, 1, eptp_reserved, 0)                                \
    R(PML_EPT, PML, ALWAYS, EPT)                                                                   \
    X(PML_ADDRESS, PML, ALWAYS, PML_ADDRESS, 1, address, 12)                                       \
    R(UNRESTRICTED_EPT, UNRESTRICTED, ALWAYS, EPT)                                                 \
    R(MODE_BASED_EPT, MODE_BASED, ALWAYS, EPT)                                                     \
    R(SUB_PAGE_EPT, SUB_PAGE, ALWAYS, EPT)                                                         \
    X(SUB_PAGE_TABLE, SUB_PAGE, ALWAYS, SUB_PAGE_PERMISSION_TABLE_POINTER, 1, address, 12)         \
    X(VM_FUNCTIONS, VM_FUNCTIONS, ALWAYS, VM_FUNCTION_CONTROLS, 1, in_flags, CAP(vmfunc))          \
    R(EPTP_SWITCHING_EPT, EPTP_SWITCHING, ALWAYS, EPT)                                             \
    X(EPTP_LIST, EPTP_SWITCHING, ALWAYS, EPTP_LIST_ADDRESS, 1, address, 12)                        \
    X(SHADOW_BITMAPS, SHADOWING, ALWAYS, VMREAD_BITMAP, 3, address, 12)                            \
    X(VE_AREA, VE, ALWAYS, VE_INFORMATION_ADDRESS, 1, address, 12)                                 \
    R(PT_EPT, PT_GUEST, ALWAYS, EPT)                                                               \
    R(PT_LOAD, PT_GUEST, ALWAYS, LOAD_RTIT)                                                        \
    R(PT_CLEAR, PT_GUEST, ALWAYS, CLEAR_RTIT)                                                      \
    R(PT_TRACING, TRACING, ALWAYS, NOT(LOAD_RTIT))                                                 \
    X(TSC_MULTIPLIER, TSC_SCALING, ALWAYS, TSC_MULTIPLIER, 1, not_zero, 0)                         \
    X(PASID_DIRECTORIES, PASID, ALWAYS, LOW_PASID_DIRECTORY_ADDRESS, 3, address, 12)               \
    R(HLAT_EPT, HLAT, ALWAYS, EPT)                                                                 \
    X(HLAT_POINTER, HLAT, ALWAYS, HLAT_POINTER, 1, hlat_pointer, 0)                                \
    X(HLAT_PREFIX, HLAT, ALWAYS, HLAT_PREFIX_SIZE, 1, hlat_prefix, 0)                              \
    R(PAGING_WRITE_EPT, PAGING_WRITE, ALWAYS, EPT)                                                 \
    R(GUEST_PAGING_EPT, GUEST_PAGING, ALWAYS, EPT)                                                 \
    X(IPI_TABLE, IPI, ALWAYS, PID_POINTER_TABLE_ADDRESS, 1, address, 3)                            \
    X(IPI_TABLE_END, IPI, ALWAYS, PID_POINTER_TABLE_ADDRESS, 1, ipi_table_end, 0)

#define ENTRY_RULES_EXIT(X, R)                                                                     \
    X(EXIT_RESERVED, ALWAYS, ALWAYS, VM_EXIT_CONTROLS, 1, in_word, CAP(exit))                      \
    X(EXIT_2_RESERVED, EXIT_2, ALWAYS, SECONDARY_VM_EXIT_CONTROLS, 1, in_flags, CAP(exit2))        \
    R(SAVE_TIMER, SAVE_TIMER, ALWAYS, TIMER)                                                       \
    X(EXIT_STORE_LIST, ALWAYS, ALWAYS, VM_EXIT_MSR_STORE_COUNT, 1, msr_list, 0)                    \
    X(EXIT_LOAD_LIST, ALWAYS, ALWAYS, VM_EXIT_MSR_LOAD_COUNT, 1, msr_list, 1)

#define ENTRY_RULES_ENTRY(X, R)                                                                    \
    X(ENTRY_RESERVED, ALWAYS, ALWAYS, VM_ENTRY_CONTROLS, 1, in_word, CAP(entry))                   \
    X(EVENT_TYPE, EVENT, ALWAYS, VM_ENTRY_INTERRUPTION_INFO, 1, event_type, 0)                     \
    X(EVENT_VECTOR, EVENT, ALWAYS, VM_ENTRY_INTERRUPTION_INFO, 1, event_vector, 0)                 \
    X(EVENT_ERROR_CODE, EVENT, ALWAYS, VM_ENTRY_INTERRUPTION_INFO, 1, event_error_code, 0)         \
    X(EVENT_RESERVED, EVENT, ALWAYS, VM_ENTRY_INTERRUPTION_INFO, 1, zero, 0x7FFFF000)              \
    X(ERROR_CODE, EVENT_ERROR_CODE, ALWAYS, VM_ENTRY_EXCEPTION_ERROR_CODE, 1, zero, 0xFFFF0000)    \
    X(EVENT_LENGTH, EVENT, ALWAYS, VM_ENTRY_INSTRUCTION_LENGTH, 1, event_length, 0)                \
    X(ENTRY_LOAD_LIST, ALWAYS, ALWAYS, VM_ENTRY_MSR_LOAD_COUNT, 1, msr_list, 2)                    \
    R(TO_SMM, TO_SMM, ALWAYS, IN_SMM)                                                              \
    R(DUAL_MONITOR, DUAL_MONITOR, ALWAYS, IN_SMM)                                                  \
    R(SMM_ONE_OF_TWO, TO_SMM, ALWAYS, NOT(DUAL_MONITOR))

#define ENTRY_RULES_HOST_REGISTERS(X, R)                                                           \
    X(HOST_CR0, ALWAYS, ALWAYS, HOST_CR0, 1, cr0, 0)                                               \
    X(HOST_CR4, ALWAYS, ALWAYS, HOST_CR4, 1, cr4, 0)                                               \
    R(HOST_CET_WP, HOST_CET, ALWAYS, HOST_WP)                                                      \
    X(HOST_CR3, ALWAYS, ALWAYS, HOST_CR3, 1, address, 0)                                           \
    X(HOST_SYSENTER, ALWAYS, ALWAYS, HOST_IA32_SYSENTER_ESP, 3, canonical, 0)                      \
    X(HOST_PERF, EXIT_PERF, ALWAYS, HOST_IA32_PERF_GLOBAL_CTRL, 1, msr_bits, 0)                    \
    X(HOST_PAT, EXIT_PAT, ALWAYS, HOST_IA32_PAT, 1, pat, 0)                                        \
    X(HOST_EFER, EXIT_EFER, ALWAYS, HOST_IA32_EFER, 1, msr_bits, 1)                                \
    X(HOST_EFER_LMA, EXIT_EFER, ALWAYS, HOST_IA32_EFER, 1, host_lma, 0)                            \
    X(HOST_S_CET, EXIT_CET, ALWAYS, HOST_IA32_S_CET, 1, s_cet, 0)                                  \
    X(HOST_SSP, EXIT_CET, ALWAYS, HOST_SSP, 1, ssp, 0)                                             \
    X(HOST_SSP_TABLE, EXIT_CET, ALWAYS, HOST_IA32_INTERRUPT_SSP_TABLE_ADDR, 1, canonical, 0)       \
    X(HOST_PKRS, EXIT_PKRS, ALWAYS, HOST_IA32_PKRS, 1, zero, 0)

#define ENTRY_RULES_HOST_SEGMENTS(X, R)                                                            \
    X(HOST_SELECTORS, ALWAYS, ALWAYS, HOST_ES_SELECTOR, 0x7F, zero, 7)                             \
    X(HOST_CS, ALWAYS, ALWAYS, HOST_CS_SELECTOR, 1, not_zero, 0)                                   \
    X(HOST_TR, ALWAYS, ALWAYS, HOST_TR_SELECTOR, 1, not_zero, 0)                                   \
    X(HOST_SS, NOT(HOST_64), ALWAYS, HOST_SS_SELECTOR, 1, not_zero, 0)                             \
    X(HOST_BASES, ALWAYS, ALWAYS, HOST_FS_BASE, 0x1F, canonical, 0)

#define ENTRY_RULES_HOST_SIZE(X, R)                                                                \
    R(NO_IA32E_GUEST, NOT(NOW_IA32E), ALWAYS, NOT(IA32E))                                          \
    R(NO_HOST_64, NOT(NOW_IA32E), ALWAYS, NOT(HOST_64))                                            \
    R(HOST_64, NOW_IA32E, ALWAYS, HOST_64)                                                         \
    R(IA32E_HOST_64, IA32E, ALWAYS, HOST_64)                                                       \
    R(HOST_PCIDE, HOST_PCIDE, ALWAYS, HOST_64)                                                     \
    X(HOST_RIP_32, NOT(HOST_64), ALWAYS, HOST_RIP, 1, zero, 0)                                     \
    R(HOST_PAE, HOST_64, ALWAYS, HOST_PAE)                                                         \
    X(HOST_RIP, HOST_64, ALWAYS, HOST_RIP, 1, canonical, 0)

#define ENTRY_RULES_REGISTERS(X, R)                                                                \
    X(CR0, ALWAYS, ALWAYS, GUEST_CR0, 1, cr0, 1)                                                   \
    R(PG_PE, PG, ALWAYS, PE)                                                                       \
    X(CR4, ALWAYS, ALWAYS, GUEST_CR4, 1, cr4, 0)                                                   \
    R(CET_WP, CET, ALWAYS, WP)                                                                     \
    X(DEBUGCTL, LOAD_DEBUG, ALWAYS, GUEST_IA32_DEBUGCTL, 1, zero, 0xFFFF0038)                      \
    R(IA32E_PG, IA32E, ALWAYS, PG)                                                                 \
    R(IA32E_PAE, IA32E, ALWAYS, PAE)                                                               \
    R(PCIDE, PCIDE, ALWAYS, IA32E)                                                                 \
    X(CR3, ALWAYS, ALWAYS, GUEST_CR3, 1, address, 0)                                               \
    X(DR7, LOAD_DEBUG, ALWAYS, GUEST_DR7, 1, zero, 0)                                              \
    X(SYSENTER, ALWAYS, ALWAYS, GUEST_IA32_SYSENTER_ESP, 3, canonical, 0)                          \
    X(S_CET, LOAD_CET, ALWAYS, GUEST_IA32_S_CET, 1, s_cet, 0)                                      \
    X(SSP_TABLE, LOAD_CET, ALWAYS, GUEST_IA32_INTERRUPT_SSP_TABLE_ADDR, 1, canonical, 0)           \
    X(PERF, LOAD_PERF, ALWAYS, GUEST_IA32_PERF_GLOBAL_CTRL, 1, msr_bits, 0)                        \
    X(PAT, LOAD_PAT, ALWAYS, GUEST_IA32_PAT, 1, pat, 0)                                            \
    X(EFER, LOAD_EFER, ALWAYS, GUEST_IA32_EFER, 1, msr_bits, 1)                                    \
    X(IA32E_LMA, LOAD_EFER, ALWAYS, GUEST_IA32_EFER, 1, guest_lma, 0)                              \
    X(PG_LME, LOAD_EFER, PG, GUEST_IA32_EFER, 1, guest_lme, 0)                                     \
    X(BNDCFGS, LOAD_BNDCFGS, ALWAYS, GUEST_IA32_BNDCFGS, 1, bndcfgs, 0)                            \
    X(RTIT_CTL, LOAD_RTIT, ALWAYS, GUEST_IA32_RTIT_CTL, 1, msr_bits, 2)                            \
    X(LBR_CTL, LOAD_LBR, ALWAYS, GUEST_IA32_LBR_CTL, 1, zero, 0xFF80FFF0)                          \
    X(PKRS, LOAD_PKRS, ALWAYS, GUEST_IA32_PKRS, 1, zero, 0)                                        \
    X(UINV, LOAD_UINV, ALWAYS, GUEST_UINV, 1, zero, 0xFF00)

/* Segments in the order of the VMCS: ES, CS, SS, DS, FS, GS, LDTR, TR. */
#define ENTRY_RULES_SEGMENTS(X, R)                                                                 \
    X(TR_TI, ALWAYS, ALWAYS, GUEST_TR_SELECTOR, 1, zero, 4)                                        \
    X(LDTR_TI, USABLE, ALWAYS, GUEST_ES_SELECTOR, 0x40, zero, 4)                                   \
    X(SS_RPL, NOT(VM), NOT(UNRESTRICTED), GUEST_SS_SELECTOR, 1, ss_rpl, 0)                         \
    X(VM_BASE, VM, ALWAYS, GUEST_ES_BASE, 0x3F, vm_base, 0)                                        \
    X(BASE_CANONICAL, ALWAYS, ALWAYS, GUEST_ES_BASE, 0xB0, canonical, 0)                           \
    X(LDTR_BASE, USABLE, ALWAYS, GUEST_ES_BASE, 0x40, canonical, 0)                                \
    X(BASE_32, USABLE, ALWAYS, GUEST_ES_BASE, 0x0F, zero, 0)                                       \
    X(VM_LIMIT, VM, ALWAYS, GUEST_ES_LIMIT, 0x3F, equals, 0xFFFF)                                  \
    X(VM_RIGHTS, VM, ALWAYS, GUEST_ES_ACCESS_RIGHTS, 0x3F, equals, 0xF3)                           \
    X(CS_TYPE, NOT(VM), ALWAYS, GUEST_CS_ACCESS_RIGHTS, 1, cs_type, 0)                             \
    X(SS_TYPE, USABLE, ALWAYS, GUEST_ES_ACCESS_RIGHTS, 0x04, bits, BITS_ARE(0xB, 3))               \
    X(DATA_ACCESSED, USABLE, ALWAYS, GUEST_ES_ACCESS_RIGHTS, 0x39, bits, BITS_ARE(1, 1))           \
    X(DATA_READABLE, USABLE, ALWAYS, GUEST_ES_ACCESS_RIGHTS, 0x39, readable, 0)                    \
    X(USABLE_S, USABLE, ALWAYS, GUEST_ES_ACCESS_RIGHTS, 0x3F, bits, BITS_ARE(0x10, 0x10))          \
    X(CS_DPL_DATA, CS_DATA, NOT(VM), GUEST_CS_ACCESS_RIGHTS, 1, zero, 0x60)                        \
    X(CS_DPL_PLAIN, ALWAYS, ALWAYS, GUEST_CS_ACCESS_RIGHTS, 1, cs_dpl, 0)                          \
    X(CS_DPL_CONFORMING, ALWAYS, ALWAYS, GUEST_CS_ACCESS_RIGHTS, 1, cs_dpl, 4)                     \
    X(SS_DPL_RPL, NOT(UNRESTRICTED), NOT(VM), GUEST_SS_ACCESS_RIGHTS, 1, ss_dpl_rpl, 0)            \
    X(SS_DPL_CS_DATA, CS_DATA, NOT(VM), GUEST_SS_ACCESS_RIGHTS, 1, bits, BITS_ARE(0x60, 0))        \
    X(SS_DPL_REAL, NOT(PE), NOT(VM), GUEST_SS_ACCESS_RIGHTS, 1, bits, BITS_ARE(0x60, 0))           \
    X(DATA_DPL, USABLE, NOT(UNRESTRICTED), GUEST_ES_ACCESS_RIGHTS, 0x39, data_dpl, 0)              \
    X(USABLE_P, USABLE, ALWAYS, GUEST_ES_ACCESS_RIGHTS, 0x3F, bits, BITS_ARE(0x80, 0x80))          \
    X(RIGHTS_RESERVED, USABLE, ALWAYS, GUEST_ES_ACCESS_RIGHTS, 0x3F, zero, 0xFFFE0F00)             \
    X(CS_DB, CODE_64, ALWAYS, GUEST_CS_ACCESS_RIGHTS, 1, bits, BITS_ARE(0x4000, 0))                \
    X(LIMIT_LOW, USABLE, ALWAYS, GUEST_ES_LIMIT, 0x3F, limit_low, 0)                               \
    X(LIMIT_HIGH, USABLE, ALWAYS, GUEST_ES_LIMIT, 0x3F, limit_high, 0)                             \
    X(TR_TYPE, ALWAYS, ALWAYS, GUEST_TR_ACCESS_RIGHTS, 1, tr_type, 0)                              \
    X(TR_S, ALWAYS, ALWAYS, GUEST_TR_ACCESS_RIGHTS, 1, bits, BITS_ARE(0x10, 0))                    \
    X(TR_P, ALWAYS, ALWAYS, GUEST_TR_ACCESS_RIGHTS, 1, bits, BITS_ARE(0x80, 0x80))                 \
    X(TR_RESERVED, ALWAYS, ALWAYS, GUEST_TR_ACCESS_RIGHTS, 1, zero, 0xFFFE0F00)                    \
    X(TR_LIMIT_LOW, ALWAYS, ALWAYS, GUEST_ES_LIMIT, 0x80, limit_low, 0)                            \
    X(TR_LIMIT_HIGH, ALWAYS, ALWAYS, GUEST_ES_LIMIT, 0x80, limit_high, 0)                          \
    X(TR_UNUSABLE, ALWAYS, ALWAYS, GUEST_TR_ACCESS_RIGHTS, 1, zero, 0x10000)                       \
    X(LDTR_TYPE, USABLE, ALWAYS, GUEST_ES_ACCESS_RIGHTS, 0x40, bits, BITS_ARE(0xF, 2))             \
    X(LDTR_S, USABLE, ALWAYS, GUEST_ES_ACCESS_RIGHTS, 0x40, bits, BITS_ARE(0x10, 0))               \
    X(LDTR_P, USABLE, ALWAYS, GUEST_ES_ACCESS_RIGHTS, 0x40, bits, BITS_ARE(0x80, 0x80))            \
    X(LDTR_RESERVED, USABLE, ALWAYS, GUEST_ES_ACCESS_RIGHTS, 0x40, zero, 0xFFFE0F00)               \
    X(LDTR_LIMIT_LOW, USABLE, ALWAYS, GUEST_ES_LIMIT, 0x40, limit_low, 0)                          \
    X(LDTR_LIMIT_HIGH, USABLE, ALWAYS, GUEST_ES_LIMIT, 0x40, limit_high, 0)

#define ENTRY_RULES_TABLES(X, R)                                                                   \
    X(TABLE_BASE, ALWAYS, ALWAYS, GUEST_GDTR_BASE, 3, canonical, 0)                                \
    X(TABLE_LIMIT, ALWAYS, ALWAYS, GUEST_GDTR_LIMIT, 3, zero, 0xFFFF0000)

#define ENTRY_RULES_RIP(X, R)                                                                      \
    X(RIP_32, NOT(CODE_64), ALWAYS, GUEST_RIP, 1, zero, 0)                                         \
    X(RIP_64, CODE_64, ALWAYS, GUEST_RIP, 1, rip_64, 0)                                            \
    X(RFLAGS_RESERVED, ALWAYS, ALWAYS, GUEST_RFLAGS, 1, zero, 0xFFC08028)                          \
    R(RFLAGS_1, ALWAYS, ALWAYS, RFLAGS_1)                                                          \
    R(RFLAGS_VM_IA32E, VM, ALWAYS, NOT(IA32E))                                                     \
    R(RFLAGS_VM_PE, VM, ALWAYS, PE)                                                                \
    R(EXTERNAL_IF, EVENT_EXTERNAL, ALWAYS, IF)                                                     \
    X(SSP, LOAD_CET, ALWAYS, GUEST_SSP, 1, ssp, 0)                                                 \
    X(SSP_32, LOAD_CET, NOT(CODE_64), GUEST_SSP, 1, zero, 0)

#define ENTRY_RULES_NON_REGISTER(X, R)                                                             \
    X(ACTIVITY, ALWAYS, ALWAYS, GUEST_ACTIVITY_STATE, 1, activity, 0)                              \
    X(HLT_DPL, HLT, ALWAYS, GUEST_SS_ACCESS_RIGHTS, 1, bits, BITS_ARE(0x60, 0))                    \
    R(STI_ACTIVE, STI, ALWAYS, ACTIVE)                                                             \
    R(MOV_SS_ACTIVE, MOV_SS, ALWAYS, ACTIVE)                                                       \
    X(HLT_EVENT, EVENT, HLT, VM_ENTRY_INTERRUPTION_INFO, 1, hlt_event, 0)                          \
    X(SHUTDOWN_EVENT, EVENT, SHUTDOWN, VM_ENTRY_INTERRUPTION_INFO, 1, shutdown_event, 0)           \
    R(SIPI_EVENT, EVENT, ALWAYS, NOT(SIPI))                                                        \
    R(SMM_SIPI, TO_SMM, ALWAYS, NOT(SIPI))                                                         \
    X(BLOCKING_RESERVED, ALWAYS, ALWAYS, GUEST_INTERRUPTIBILITY_STATE, 1, zero, 0xFFFFFFE0)        \
    R(STI_MOV_SS, STI, ALWAYS, NOT(MOV_SS))                                                        \
    R(STI_IF, STI, ALWAYS, IF)                                                                     \
    X(EXTERNAL_BLOCKED, EVENT_EXTERNAL, ALWAYS, GUEST_INTERRUPTIBILITY_STATE, 1, zero, 3)          \
    R(NMI_MOV_SS, EVENT_NMI, ALWAYS, NOT(MOV_SS))                                                  \
    R(SMI_BLOCKED, SMI_BLOCKED, ALWAYS, IN_SMM)                                                    \
    R(SMM_SMI_BLOCKED, TO_SMM, ALWAYS, SMI_BLOCKED)                                                \
    R(NMI_STI, EVENT_NMI, ALWAYS, NOT(STI))                                                        \
    R(VIRTUAL_NMI_BLOCKED, EVENT_NMI, VIRTUAL_NMIS, NOT(NMI_BLOCKED))                              \
    R(ENCLAVE_MOV_SS, ENCLAVE, ALWAYS, NOT(MOV_SS))                                                \
    R(ENCLAVE_SGX, ENCLAVE, ALWAYS, HAS_SGX)                                                       \
    X(PENDING_RESERVED, ALWAYS, ALWAYS, GUEST_PENDING_DEBUG_EXCEPTIONS, 1, zero, 0xFFFEAFF0)       \
    X(PENDING_BS, ALWAYS, ALWAYS, GUEST_PENDING_DEBUG_EXCEPTIONS, 1, pending_bs, 1)                \
    X(PENDING_NO_BS, ALWAYS, ALWAYS, GUEST_PENDING_DEBUG_EXCEPTIONS, 1, pending_bs, 0)             \
    X(PENDING_RTM, ALWAYS, ALWAYS, GUEST_PENDING_DEBUG_EXCEPTIONS, 1, pending_rtm, 0)              \
    X(LINK_ADDRESS, ALWAYS, ALWAYS, VMCS_LINK_POINTER, 1, link_address, 0)                         \
    X(LINK_REVISION, ALWAYS, ALWAYS, VMCS_LINK_POINTER, 1, link_revision, 0)                       \
    X(LINK_SHADOW, ALWAYS, ALWAYS, VMCS_LINK_POINTER, 1, link_shadow, 0)                           \
    X(LINK_CURRENT, ALWAYS, ALWAYS, VMCS_LINK_POINTER, 1, link_current, 0)

#define ENTRY_RULES_PDPTES(X, R)                                                                   \
    X(PDPTES, PAE_PAGING, NOT(IA32E), GUEST_PDPTE0, 0x0F, pdpte, 0)                                \
    X(PDPTES_MEMORY, PAE_PAGING, NOT(IA32E), GUEST_CR3, 1, pdptes_memory, 0)

#define ENTRY_RULES(X, R)                                                                          \
    ENTRY_RULES_CONTROLS(X, R)                                                                     \
    ENTRY_RULES_EXIT(X, R)                                                                         \
    ENTRY_RULES_ENTRY(X, R)                                                                        \
    ENTRY_RULES_HOST_REGISTERS(X, R)                                                               \
    ENTRY_RULES_HOST_SEGMENTS(X, R)                                                                \
    ENTRY_RULES_HOST_SIZE(X, R)                                                                    \
    ENTRY_RULES_REGISTERS(X, R)                                                                    \
    ENTRY_RULES_SEGMENTS(X, R)                                                                     \
    ENTRY_RULES_TABLES(X, R)                                                                       \
    ENTRY_RULES_RIP(X, R)                                                                          \
    ENTRY_RULES_NON_REGISTER(X, R)                                                                 \
    ENTRY_RULES_PDPTES(X, R)

/* The sections, in the same order. S(number, class, rules): which failure can come of them. */
#define ENTRY_SECTIONS(S)                                                                          \
    S("27.2.1.1", CONTROLS, ENTRY_RULES_CONTROLS)                                                  \
    S("27.2.1.2", CONTROLS, ENTRY_RULES_EXIT)                                                      \
    S("27.2.1.3", CONTROLS, ENTRY_RULES_ENTRY)                                                     \
    S("27.2.2", HOST, ENTRY_RULES_HOST_REGISTERS)                                                  \
    S("27.2.3", HOST, ENTRY_RULES_HOST_SEGMENTS)                                                   \
    S("27.2.4", HOST, ENTRY_RULES_HOST_SIZE)                                                       \
    S("27.3.1.1", GUEST, ENTRY_RULES_REGISTERS)                                                    \
    S("27.3.1.2", GUEST, ENTRY_RULES_SEGMENTS)                                                     \
    S("27.3.1.3", GUEST, ENTRY_RULES_TABLES)                                                       \
    S("27.3.1.4", GUEST, ENTRY_RULES_RIP)                                                          \
    S("27.3.1.5", GUEST, ENTRY_RULES_NON_REGISTER)                                                 \
    S("27.3.1.6", GUEST, ENTRY_RULES_PDPTES)
