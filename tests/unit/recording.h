/* A recorded processor of tests/data/vmx as a reader of capabilities. Included behind cmocka.h. */
#pragma once

#include "vmx/capabilities.h"

#include <stdio.h>
#include <string.h>

struct recording {
    struct {
        uint32_t leaf, subleaf;
        struct cpuid_regs r;
    } cpuid[32];
    struct {
        uint32_t index;
        uint64_t value;
    } msr[64];
    unsigned cpuid_count, msr_count, msr_reads;
};

static inline void record(struct recording *to, const char *name)
{
    char path[128], line[160];
    memset(to, 0, sizeof(*to));
    snprintf(path, sizeof(path), "tests/data/vmx/%s.txt", name);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    while (fgets(line, sizeof(line), file)) {
        struct cpuid_regs r;
        unsigned a, b;
        unsigned long v;
        if (sscanf(line, "cpuid %x %x %x %x %x %x", &a, &b, &r.eax, &r.ebx, &r.ecx, &r.edx) == 6) {
            assert_true(to->cpuid_count < 32);
            to->cpuid[to->cpuid_count].leaf = a;
            to->cpuid[to->cpuid_count].subleaf = b;
            to->cpuid[to->cpuid_count++].r = r;
        } else if (sscanf(line, "msr %x %lx", &a, &v) == 2) {
            assert_true(to->msr_count < 64);
            to->msr[to->msr_count].index = a;
            to->msr[to->msr_count++].value = v;
        } else {
            assert_int_equal(line[0], '#');
        }
    }
    fclose(file);
    assert_true(to->cpuid_count > 0);
}

static inline struct cpuid_regs recorded_cpuid(void *context, uint32_t leaf, uint32_t subleaf)
{
    struct recording *from = context;
    for (unsigned i = 0; i < from->cpuid_count; i++)
        if (from->cpuid[i].leaf == leaf && from->cpuid[i].subleaf == subleaf)
            return from->cpuid[i].r;
    /* The highest extended leaf may always be asked for; no other leaf that is not there may. */
    assert_int_equal(leaf, CPUID_LEAF_EXT_MAX);
    return (struct cpuid_regs){0, 0, 0, 0};
}

static inline uint64_t *recorded_msr(struct recording *from, uint32_t index)
{
    for (unsigned i = 0; i < from->msr_count; i++)
        if (from->msr[i].index == index)
            return &from->msr[i].value;
    return NULL;
}

static inline uint64_t recorded_rdmsr(void *context, uint32_t index)
{
    uint64_t *value = recorded_msr(context, index);
    ((struct recording *)context)->msr_reads++;
    if (!value)
        fail_msg("MSR %x read, which faults on this CPU", index);
    return *value;
}

static inline void read_recording(struct vmx_capabilities *caps, struct recording *from)
{
    struct vmx_capability_reader reader = {recorded_rdmsr, recorded_cpuid, from};
    memset(caps, 0xA5, sizeof(*caps));
    vmx_capabilities_read(caps, &reader);
}

static inline struct vmx_capabilities caps_of(const char *name)
{
    static struct recording from;
    struct vmx_capabilities caps;
    record(&from, name);
    read_recording(&caps, &from);
    return caps;
}
