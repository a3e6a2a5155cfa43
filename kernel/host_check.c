#include "kernel/host_check.h"

#include "base/hw.h"
#include "base/log.h"
#include "base/panic.h"
#include "base/x86/cpuid.h"
#include "base/x86/cr.h"
#include "base/x86/msr.h"
#include "kernel/image.h"
#include "kernel/stop.h"
#include "mm/frames.h"
#include "mm/host_audit.h"

#define AREA "tables"

static uint64_t *map_table(void *context, hpa_t table)
{
    return host_audit_has_table(context, table) ? frames_pointer(table) : NULL;
}

static void report(const struct host_violation *violation)
{
    static const char wrongs[HOST_WRONGS][8] = {
        [HOST_WRONG_PLACE] = "place",
        [HOST_WRONG_RIGHTS] = "rights",
        [HOST_WRONG_FRAME] = "frame",
        [HOST_WRONG_TABLE] = "table",
    };
    log_error(AREA, "0x%llx: wrong %s, entry 0x%llx of level %u",
              (unsigned long long)violation->address, wrongs[violation->wrong],
              (unsigned long long)violation->entry, violation->level);
}

static void audit_tables(bool nx, struct host_audit *audit)
{
    struct host_picture picture = {
        .parts = image_parts(),
        .range = HPA(frames.base),
        .range_end = HPA(frames.end),
        .cpus = stop_cpus(),
        .nx = nx,
    };
    const struct table_memory memory = {.map = map_table, .context = &picture};
    host_audit(&memory, HPA(hw_read_cr3()), &picture, audit);
}

/* The bits that make the tables count and are off, though this processor has them: CR0.WP (16),
 * EFER.NXE (11), CR4.SMEP (20), CR4.SMAP (21). No two have one place, so one word holds all. */
static uint64_t bits_off(uint64_t efer)
{
    uint32_t features = hw_cpuid(CPUID_LEAF_EXTENDED, 0).ebx;
    uint64_t off = ~hw_read_cr0() & CR0_WP, cr4 = 0;
    if (features & CPUID_7_EBX_SMEP)
        cr4 |= CR4_SMEP;
    if (features & CPUID_7_EBX_SMAP)
        cr4 |= CR4_SMAP;
    if (hw_cpuid(CPUID_LEAF_EXT_FEATURES, 0).edx & CPUID_EXT_1_EDX_NX)
        off |= ~efer & EFER_NXE;
    return off | (~hw_read_cr4() & cr4);
}
_Static_assert((CR0_WP ^ EFER_NXE ^ CR4_SMEP ^ CR4_SMAP) ==
                   (CR0_WP | EFER_NXE | CR4_SMEP | CR4_SMAP),
               "bits_off");

void host_check(void)
{
    struct host_audit audit = {.found = report};
    const uint32_t *pages = audit.pages;
    uint64_t efer = hw_rdmsr(MSR_IA32_EFER), off = bits_off(efer);
    audit_tables(efer & EFER_NXE, &audit);
    log_info(AREA,
             "text %u, rodata %u, data %u, slots %u, windows %u, screen %u, pool %u: %u violations",
             pages[HOST_TEXT], pages[HOST_RODATA], pages[HOST_DATA], pages[HOST_SLOTS],
             pages[HOST_WINDOWS] + pages[HOST_APIC], pages[HOST_SCREEN], pages[HOST_POOL],
             audit.violations);
    if (audit.violations || off)
        panic("Orlop is not protected: %u violations, bits off 0x%x", audit.violations,
              (uint32_t)off);
}
