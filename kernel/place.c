#include "kernel/place.h"

#include "base/bits.h"
#include "base/hw.h"
#include "base/layout.h"
#include "base/x86/msr.h"
#include "kernel/image.h"
#include "kernel/percpu.h"
#include "mm/frames.h"
#include "mm/host_tables.h"

#define CPU_PAGES (LAYOUT_SLOT_STACK_PAGES + LAYOUT_SLOT_VCPU_PAGES + 1 + 3)
#define VMX_PAGES 6 /* the VMXON region, the VMCS, four scratch pages (vmx/vmx_cpu.h) */
/* MSR and I/O bitmaps, the trampoline's copies, the BIOS page's, and some to spare. */
#define MISC_PAGES 12
#define LIMIT      GIB(4)

/* kernel/move.asm */
void place_copy_and_switch(uint64_t to, uint64_t from, uint64_t bytes, uint64_t cr3);

static uint64_t bytes_needed(const struct place_needs *needs)
{
    uint64_t pages = needs->cpus * (uint64_t)(CPU_PAGES + VMX_PAGES) + needs->ept_tables +
                     MISC_PAGES + host_tables_pages(needs->cpus, 0);
    return image_bytes() + needs->log_bytes + pages * PAGE_SIZE;
}

enum error place_find(const struct place_needs *needs, const struct memory_map *map,
                      const struct memory_range *avoid, unsigned avoid_count, struct place *place)
{
    uint64_t bytes = ALIGN_UP(bytes_needed(needs), PLACE_ALIGN), base;
    enum error error =
        memory_map_find_top(map, bytes, PLACE_ALIGN, LIMIT, avoid, avoid_count, &base);
    if (error == ERROR_NONE)
        *place = (struct place){HPA(base), HPA(base + bytes), HPA(0)};
    return error;
}

void place_build(const struct place_needs *needs, struct place *place)
{
    const struct host_image parts = image_parts();
    frames.base = place->base.v;
    frames.next = place->base.v + image_bytes();
    frames.end = place->end.v;
    frames.to_virtual = 0; /* the boot map is one to one */
    bool nx = hw_rdmsr(MSR_IA32_EFER) & EFER_NXE;
    place->cr3 = host_tables_build(&parts, place->base, place->base, place->end, needs->cpus, nx);
}

/* The variables below change before the copy, so that the copy holds their new values; frames are
 * not touched in between. */
void place_move(struct place *place, hpa_t image)
{
    frames.to_virtual = LAYOUT_POOL_BASE - place->base.v;
    place_copy_and_switch(place->base.v, image.v, image_bytes(), place->cr3.v);
}

static void map_pages(uint32_t number, uint32_t page, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        host_tables_map((uint64_t)percpu_slot(number, page + i), frames_take(), HOST_RW);
}

void place_map_slot(uint32_t number)
{
    map_pages(number, LAYOUT_SLOT_STACK, LAYOUT_SLOT_STACK_PAGES);
    map_pages(number, LAYOUT_SLOT_VCPU, LAYOUT_SLOT_VCPU_PAGES);
    map_pages(number, LAYOUT_SLOT_CPU, 1);
    map_pages(number, LAYOUT_SLOT_NMI_STACK, 1);
    map_pages(number, LAYOUT_SLOT_DF_STACK, 1);
    map_pages(number, LAYOUT_SLOT_MC_STACK, 1);
}
