#include "mm/host_tables.h"

#include "base/bits.h"
#include "base/hw.h"
#include "base/layout.h"
#include "base/panic.h"
#include "mm/pte.h"
#include "mm/frames.h"

#define ENTRIES           512
#define LARGE_BYTES       MIB(2)
#define PD_INDEX(address) ((address) >> 21 & (ENTRIES - 1))
#define PT_INDEX(address) ((address) >> 12 & (ENTRIES - 1))
#define SLOTS_PER_TABLE   (LARGE_BYTES / LAYOUT_SLOT_BYTES)

/* The image, the devices, the first 2 MiB of the pool; and PML4, PDPT, PD. */
#define FIXED_TABLES 6
/* PDPT, PD and PT of the trampoline's page. */
#define LOW_TABLES 3

static hpa_t pml4;
static hpa_t directory; /* the one page directory: it spans the whole layout */
static hpa_t low_tables[LOW_TABLES];
static uint64_t no_execute;

_Static_assert(LAYOUT_IMAGE_BASE >> 30 == (LAYOUT_POOL_END - 1) >> 30, "one page directory");

static uint64_t *table(hpa_t address) { return frames_pointer(address); }

uint64_t host_tables_pages(uint32_t cpus, uint64_t range_bytes)
{
    (void)range_bytes; /* the pool beyond 2 MiB is mapped by large pages */
    return FIXED_TABLES + LOW_TABLES + (cpus + SLOTS_PER_TABLE - 1) / SLOTS_PER_TABLE;
}

static uint64_t rights_bits(enum host_rights rights)
{
    switch (rights) {
    case HOST_RX:
        return PTE_P;
    case HOST_DEVICE:
        return PTE_P | PTE_W | PTE_PCD | PTE_PWT | no_execute;
    default:
        return PTE_P | PTE_W | no_execute;
    }
}

uint64_t *host_tables_entry(uint64_t address)
{
    uint64_t entry = table(directory)[PD_INDEX(address)];
    ASSERT((entry & PTE_P) && !(entry & PTE_PS));
    return &table(HPA(entry & PTE_ADDRESS))[PT_INDEX(address)];
}

void host_tables_map(uint64_t address, hpa_t page, enum host_rights rights)
{
    *host_tables_entry(address) = page.v | rights_bits(rights);
    hw_invlpg(address);
}

void host_tables_unmap(uint64_t address)
{
    *host_tables_entry(address) = 0;
    hw_invlpg(address);
}

static void add_table(uint64_t address)
{
    table(directory)[PD_INDEX(address)] = frames_take().v | PTE_P | PTE_W;
}

static void map_image(const struct host_image *parts, hpa_t image)
{
    const uint64_t bits[] = {PTE_P, PTE_P | no_execute, PTE_P | PTE_W | no_execute};
    const uint64_t *edges = parts->edges;
    add_table(LAYOUT_IMAGE_BASE);
    for (unsigned i = 0; i < HOST_IMAGE_PARTS; i++)
        for (uint64_t at = edges[i]; at < edges[i + 1]; at += PAGE_SIZE)
            *host_tables_entry(at) = (image.v + (at - edges[0])) | bits[i % ARRAY_SIZE(bits)];
}

/* The image's own pages are left out, so that no text is writable by another name. */
static void map_pool(hpa_t range, hpa_t range_end, uint64_t image_end)
{
    ASSERT(range_end.v - range.v <= LAYOUT_POOL_END - LAYOUT_POOL_BASE);
    add_table(LAYOUT_POOL_BASE);
    for (uint64_t at = image_end; at < min_u64(range.v + LARGE_BYTES, range_end.v); at += PAGE_SIZE)
        *host_tables_entry(LAYOUT_POOL_BASE + (at - range.v)) = at | rights_bits(HOST_RW);
    for (uint64_t at = range.v + LARGE_BYTES; at < range_end.v; at += LARGE_BYTES)
        table(directory)[PD_INDEX(LAYOUT_POOL_BASE + (at - range.v))] =
            at | PTE_PS | rights_bits(HOST_RW);
}

hpa_t host_tables_build(const struct host_image *parts, hpa_t image, hpa_t range, hpa_t range_end,
                        uint32_t cpus, bool nx)
{
    no_execute = nx ? PTE_NX : 0;
    pml4 = frames_take();
    hpa_t pdpt = frames_take();
    directory = frames_take();
    table(pml4)[ENTRIES - 1] = pdpt.v | PTE_P | PTE_W;
    table(pdpt)[LAYOUT_IMAGE_BASE >> 30 & (ENTRIES - 1)] = directory.v | PTE_P | PTE_W;
    map_image(parts, image);
    map_pool(range, range_end, image.v + (parts->edges[HOST_IMAGE_PARTS] - parts->edges[0]));
    add_table(LAYOUT_DEVICE_BASE);
    for (uint32_t cpu = 0; cpu < cpus; cpu += SLOTS_PER_TABLE)
        add_table(LAYOUT_CPU_BASE + (uint64_t)cpu * LAYOUT_SLOT_BYTES);
    for (unsigned i = 0; i < LOW_TABLES; i++)
        low_tables[i] = frames_take();
    return pml4;
}

void host_tables_map_low(hpa_t page)
{
    uint64_t link = PTE_P | PTE_W;
    table(low_tables[2])[PT_INDEX(page.v)] = page.v | rights_bits(HOST_RX);
    table(low_tables[1])[0] = low_tables[2].v | link;
    table(low_tables[0])[0] = low_tables[1].v | link;
    table(pml4)[0] = low_tables[0].v | link;
}

void host_tables_unmap_low(void)
{
    table(pml4)[0] = 0;
    hw_write_cr3(hw_read_cr3());
}
