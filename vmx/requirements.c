#include "vmx/requirements.h"

#include "base/bits.h"
#include "include/orlop_abi.h"
#include "lib/format.h"
#include "lib/string.h"
#include "vmx/capability_words.h"

static bool may_be_1(uint64_t word, uint64_t control)
{
    return (word & CONTROL_MAY_BE_1(control)) == CONTROL_MAY_BE_1(control);
}

static bool vendor_with_vmx(const struct vmx_capabilities *caps)
{
    static const char *const vendors[] = {"GenuineIntel", "CentaurHauls", "  Shanghai  "};

    for (size_t i = 0; i < ARRAY_SIZE(vendors); i++)
        if (strcmp(caps->vendor, vendors[i]) == 0)
            return true;
    return false;
}

static bool vmxon_not_locked_off(const struct vmx_capabilities *caps)
{
    uint64_t write;
    enum vmx_feature_control state = vmx_feature_control_judge(caps->feature_control, &write);

    return state == VMXON_ALLOWED || state == VMXON_AFTER_WRITE;
}

static bool vmcs_write_back(const struct vmx_capabilities *caps)
{
    return bits_get(caps->basic, VMX_BASIC_MEMORY_TYPE_MASK) == VMX_BASIC_MEMORY_TYPE_WB;
}

static bool invept_has_type(const struct vmx_capabilities *caps)
{
    return caps->ept_vpid & (EPT_VPID_CAP_INVEPT_SINGLE | EPT_VPID_CAP_INVEPT_ALL);
}

/* A VPID whose stale translations cannot be dropped is worse than none. */
static bool vpid_can_be_flushed(const struct vmx_capabilities *caps)
{
    return may_be_1(caps->secondary, SECONDARY_ENABLE_VPID) &&
           (caps->ept_vpid & EPT_VPID_CAP_INVVPID) &&
           (caps->ept_vpid & (EPT_VPID_CAP_INVVPID_SINGLE | EPT_VPID_CAP_INVVPID_ALL));
}

/* State that VM entry loads is worth having only where VM exit takes it away from the host. */
static bool switched(const struct vmx_capabilities *caps, uint64_t entry, uint64_t exit)
{
    return may_be_1(caps->entry, entry) && may_be_1(caps->exit, exit);
}

/* VM entry fails with the one control and not the other two: Intel SDM vol. 3, section 27.2.1.1,
 * VM-Execution Control Fields. */
static bool pt_uses_guest_physical(const struct vmx_capabilities *caps)
{
    return may_be_1(caps->secondary, SECONDARY_PT_USES_GUEST_PHYSICAL) &&
           switched(caps, ENTRY_CTL_LOAD_RTIT_CTL, EXIT_CTL_CLEAR_RTIT_CTL);
}

static bool bndcfgs_switched(const struct vmx_capabilities *caps)
{
    return switched(caps, ENTRY_CTL_LOAD_BNDCFGS, EXIT_CTL_CLEAR_BNDCFGS);
}

static bool cet_switched(const struct vmx_capabilities *caps)
{
    return switched(caps, ENTRY_CTL_LOAD_CET_STATE, EXIT_CTL_LOAD_CET_STATE);
}

static bool pkrs_switched(const struct vmx_capabilities *caps)
{
    return switched(caps, ENTRY_CTL_LOAD_PKRS, EXIT_CTL_LOAD_PKRS);
}

static bool lbr_ctl_switched(const struct vmx_capabilities *caps)
{
    return switched(caps, ENTRY_CTL_LOAD_LBR_CTL, EXIT_CTL_CLEAR_LBR_CTL);
}

static bool uinv_switched(const struct vmx_capabilities *caps)
{
    return switched(caps, ENTRY_CTL_LOAD_UINV, EXIT_CTL_CLEAR_UINV);
}

#define NEEDED                  true
#define USED                    false
#define HAS(word, bits)         .offset = offsetof(struct vmx_capabilities, word), .mask = (uint64_t)(bits)
#define MAY_BE_1(word, control) HAS(word, CONTROL_MAY_BE_1(control))
#define IS(function)            .holds = function
#define REQUIREMENT(id, need, test, on, text, hint)                                                \
    [VMX_FEATURE_##id] = {.needed = need,                                                          \
                          .parent = VMX_FEATURE_##on,                                              \
                          .advice = VMX_ADVICE_##hint,                                             \
                          test,                                                                    \
                          .name = text},
const struct vmx_requirement vmx_requirement_table[VMX_FEATURE_COUNT] = {
    VMX_REQUIREMENTS(REQUIREMENT)};

#define PARENT_ASSERT(id, need, test, on, text, hint)                                              \
    _Static_assert(VMX_FEATURE_##on < VMX_FEATURE_##id || VMX_FEATURE_##id == 0, #id ": order");
VMX_REQUIREMENTS(PARENT_ASSERT)

static bool row_holds(const struct vmx_capabilities *caps, const struct vmx_requirement *row)
{
    if (row->holds)
        return row->holds(caps);
    return (vmx_capability_at(caps, row->offset) & row->mask) == row->mask;
}

/* Every step goes to an earlier row (asserted above), so the walk to the root ends. */
static bool parents_hold(const struct vmx_capabilities *caps, enum vmx_feature feature)
{
    unsigned id = feature, parent;

    while ((parent = vmx_requirement_table[id].parent) != id) {
        if (!row_holds(caps, &vmx_requirement_table[parent]))
            return false;
        id = parent;
    }
    return true;
}

bool vmx_feature_present(const struct vmx_capabilities *caps, enum vmx_feature feature)
{
    return row_holds(caps, &vmx_requirement_table[feature]) && parents_hold(caps, feature);
}

bool vmx_requirements_check(const struct vmx_capabilities *caps,
                            void (*report)(void *context, const struct vmx_requirement *missing),
                            void *context)
{
    bool suitable = true;

    for (unsigned id = 0; id < VMX_FEATURE_COUNT; id++) {
        const struct vmx_requirement *row = &vmx_requirement_table[id];

        if (row_holds(caps, row) || !parents_hold(caps, id))
            continue;
        suitable = suitable && !row->needed;
        if (report)
            report(context, row);
    }
    return suitable;
}

/* What can be done on bare metal, and above a hypervisor, which can be told to offer it. */
static const char *const advice_texts[VMX_ADVICE_COUNT][2] = {
    [VMX_ADVICE_NONE] = {"Orlop goes on without it", "Orlop goes on without it"},
    [VMX_ADVICE_VENDOR] = {"Orlop runs on Intel processors (AMD's SVM is another mechanism)",
                           "Orlop needs an Intel host whose hypervisor offers nested VMX"},
    [VMX_ADVICE_FIRMWARE] = {"switch on virtualization (VT-x, VMX) in the firmware setup, save, "
                             "and turn the machine off and on",
                             "start QEMU with -cpu host, and the host's kvm_intel with nested=1"},
    [VMX_ADVICE_PROCESSOR] = {"Orlop needs an Intel Core processor of 2010 (Westmere) or later",
                              "start QEMU with -cpu host, and the host's kvm_intel with nested=1, "
                              "ept=1 and unrestricted_guest=1"},
};

/* Above these nothing can be switched on. */
static const struct {
    const char *signature, *advice;
} without_vmx[] = {
    {"TCGTCGTCGTCG", "QEMU emulates no VMX without KVM: use QEMU/KVM on an Intel host, or Bochs"},
    {ORLOP_CPUID_SIGNATURE, "an Orlop is below already, and offers no VMX to its guest"},
};

static const char *advice_text(enum vmx_advice advice, const struct vmx_capabilities *caps)
{
    bool below = caps->cpuid_1_ecx & CPUID_1_ECX_HYPERVISOR;

    for (size_t i = 0; i < ARRAY_SIZE(without_vmx) && advice != VMX_ADVICE_NONE; i++)
        if (strcmp(caps->hypervisor, without_vmx[i].signature) == 0)
            return without_vmx[i].advice;
    return advice_texts[advice][below];
}

size_t vmx_requirement_text(const struct vmx_requirement *missing,
                            const struct vmx_capabilities *caps, char *text, size_t size)
{
    const char *below = vmx_hypervisor_name(caps);

    return format(text, size, "%s: %s (processor %s%s%s): %s",
                  missing->needed ? "needed but missing" : "not there", missing->name,
                  caps->vendor[0] ? caps->vendor : "without a name", below ? " under " : "",
                  below ? below : "", advice_text(missing->advice, caps));
}
