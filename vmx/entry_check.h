/* The checker of VM entry: goes through the rules of vmx/entry_rules.h in the SDM's order and names
 * the first that a VMCS breaks, with the fields that it looked at. Pure: fields, memory and the
 * processor's capabilities are handed in. */
#pragma once

#include "vmx/capabilities.h"
#include "vmx/entry_rules.h"

#define ENTRY_RULE_ID(name, ...) ENTRY_RULE_##name,
enum entry_rule { ENTRY_RULES(ENTRY_RULE_ID, ENTRY_RULE_ID) ENTRY_RULE_COUNT };
#undef ENTRY_RULE_ID

/* What fails of a broken rule: VMfailValid 7, VMfailValid 8, exit reason 33. */
enum entry_class { ENTRY_CONTROLS = 1, ENTRY_HOST = 2, ENTRY_GUEST = 4, ENTRY_ALL = 7 };

struct entry_environment {
    const struct vmx_capabilities *caps;
    uint64_t (*read)(void *context, uint32_t encoding); /* 0 for a field that the CPU lacks */
    /* Eight bytes of memory; false: they cannot be read, and the rule counts as kept. */
    bool (*memory)(void *context, uint64_t address, uint64_t *value);
    void *context;
    uint64_t vmcs; /* the current-VMCS pointer */
    bool in_ia32e; /* EFER.LMA */
    bool tracing;  /* IA32_RTIT_CTL.TraceEn */
    bool in_smm;
};

#define ENTRY_SEEN_MAX 8

struct entry_broken {
    enum entry_rule rule;
    unsigned seen; /* the fields that decided */
    struct {
        uint32_t encoding;
        uint64_t value;
    } fields[ENTRY_SEEN_MAX];
};

/* False where no rule of the classes is broken. */
bool entry_check(const struct entry_environment *environment, unsigned classes,
                 struct entry_broken *broken);

const char *entry_rule_name(enum entry_rule rule);
const char *entry_rule_section(enum entry_rule rule); /* of the SDM's volume 3C */

/* One line: the rule, its section, the fields with their values. As format() does it. */
size_t entry_broken_text(const struct entry_broken *broken, char *text, size_t size);
