#include "mm/host_audit.h"

#include "base/layout.h"
#include "mm/pte.h"

#define ADDRESS_BITS (PAGE_SHIFT + 9 * TABLE_LEVELS)

/* Which frames an area may show. */
enum frames_of {
    LINEAR, /* Orlop's range in order, from where the area begins */
    OWN,    /* any of Orlop's range behind the image */
    OTHERS, /* any outside Orlop's range */
};

/* Rights count as the entry that maps says: those above it can only take away (SDM vol. 3A, 4.6.1
 * "Determination of Access Rights"). Bits that are not named are 0: user, global, PAT, keys. */
static const struct rule {
    uint8_t bits;
    bool execute;
    uint8_t frames;
} rules[HOST_AREAS] = {
    [HOST_TEXT] = {PTE_P, true, LINEAR},
    [HOST_RODATA] = {PTE_P, false, LINEAR},
    [HOST_DATA] = {PTE_P | PTE_W, false, LINEAR},
    [HOST_POOL] = {PTE_P | PTE_W, false, LINEAR},
    [HOST_SCREEN] = {PTE_P | PTE_W | PTE_PCD | PTE_PWT, false, OTHERS},
    [HOST_SLOTS] = {PTE_P | PTE_W, false, OWN},
    [HOST_WINDOWS] = {PTE_P | PTE_W, false, OTHERS},
    [HOST_APIC] = {PTE_P | PTE_W | PTE_PCD | PTE_PWT, false, OTHERS},
};

/* The pages of a slot; those that are not named are guard pages. */
static const uint8_t slot_areas[LAYOUT_SLOT_PAGES] = {
    [LAYOUT_SLOT_STACK] = HOST_SLOTS,    [LAYOUT_SLOT_STACK + 1] = HOST_SLOTS,
    [LAYOUT_SLOT_VCPU] = HOST_SLOTS,     [LAYOUT_SLOT_VCPU + 1] = HOST_SLOTS,
    [LAYOUT_SLOT_CPU] = HOST_SLOTS,      [LAYOUT_SLOT_NMI_STACK] = HOST_SLOTS,
    [LAYOUT_SLOT_DF_STACK] = HOST_SLOTS, [LAYOUT_SLOT_MC_STACK] = HOST_SLOTS,
    [LAYOUT_SLOT_WINDOW] = HOST_WINDOWS, [LAYOUT_SLOT_WINDOW + 1] = HOST_WINDOWS,
    [LAYOUT_SLOT_APIC] = HOST_APIC,
};
_Static_assert(LAYOUT_SLOT_STACK_PAGES == 2 && LAYOUT_SLOT_VCPU_PAGES == 2 &&
                   LAYOUT_SLOT_WINDOWS == 2,
               "the table above");

static uint64_t image_bytes(const struct host_picture *picture)
{
    return picture->parts.edges[HOST_IMAGE_PARTS] - picture->parts.edges[0];
}

bool host_audit_has_table(const struct host_picture *picture, hpa_t table)
{
    return table.v >= picture->range.v + image_bytes(picture) && table.v < picture->range_end.v;
}

/* The area in which a page lies whole. */
static enum host_area area_of(const struct host_picture *picture, uint64_t address, uint64_t bytes)
{
    const uint64_t *parts = picture->parts.edges;
    const uint64_t range_bytes = picture->range_end.v - picture->range.v;
    const uint64_t screen = LAYOUT_DEVICE_BASE + LAYOUT_DEVICE_VGA * PAGE_SIZE;
    const uint64_t edges[] = {
        parts[0],
        parts[1],
        parts[2],
        parts[3],
        parts[4],
        parts[5],
        parts[6],
        LAYOUT_CPU_BASE,
        LAYOUT_CPU_BASE + picture->cpus * LAYOUT_SLOT_BYTES,
        screen,
        screen + LAYOUT_DEVICE_VGA_PAGES * PAGE_SIZE,
        LAYOUT_POOL_BASE + image_bytes(picture),
        LAYOUT_POOL_BASE + range_bytes,
    };
    static const uint8_t between[] = {HOST_TEXT,    HOST_RODATA, HOST_DATA,    HOST_TEXT,
                                      HOST_RODATA,  HOST_DATA,   HOST_NOTHING, HOST_SLOTS,
                                      HOST_NOTHING, HOST_SCREEN, HOST_NOTHING, HOST_POOL};
    enum host_area area = HOST_NOTHING;
    for (unsigned i = 0; i < ARRAY_SIZE(between); i++)
        if (address >= edges[i] && address + (bytes - 1) < edges[i + 1])
            area = between[i];
    return area == HOST_SLOTS ? slot_areas[address / PAGE_SIZE % LAYOUT_SLOT_PAGES] : area;
}

static bool rights_are(const struct rule *rule, const struct walk *walk, bool nx)
{
    uint64_t frame = PTE_ADDRESS & ~(level_bytes(walk->level) - 1);
    uint64_t wanted =
        rule->bits | (nx && !rule->execute ? PTE_NX : 0) | (walk->level > 1 ? PTE_PS : 0);
    return (walk->entry & ~(frame | PTE_A | PTE_D)) == wanted;
}

static bool frame_is(const struct host_picture *picture, enum host_area area, uint64_t address,
                     uint64_t frame)
{
    uint64_t origin = area == HOST_POOL ? LAYOUT_POOL_BASE : picture->parts.edges[0];
    switch (rules[area].frames) {
    case LINEAR:
        return frame == picture->range.v + (address - origin);
    case OWN:
        return host_audit_has_table(picture, HPA(frame));
    default:
        return frame < picture->range.v || frame >= picture->range_end.v;
    }
}

static void judge(const struct host_picture *picture, uint64_t address, const struct walk *walk,
                  struct host_audit *audit)
{
    struct host_violation violation = {address, walk->entry, walk->level, HOST_WRONG_TABLE};
    if (walk->mapped) {
        enum host_area area = area_of(picture, address, level_bytes(walk->level));
        audit->pages[area]++;
        if (area == HOST_NOTHING)
            violation.wrong = HOST_WRONG_PLACE;
        else if (!rights_are(&rules[area], walk, picture->nx))
            violation.wrong = HOST_WRONG_RIGHTS;
        else if (!frame_is(picture, area, address, walk->address))
            violation.wrong = HOST_WRONG_FRAME;
        else
            return;
    }
    audit->violations++;
    audit->found(&violation);
}

void host_audit(const struct table_memory *memory, hpa_t root, const struct host_picture *picture,
                struct host_audit *audit)
{
    for (uint64_t at = 0; !(at >> ADDRESS_BITS) && audit->violations < HOST_AUDIT_MAX;) {
        uint64_t address = sign_extend(at, ADDRESS_BITS);
        struct walk walk = walk_lookup(&table_format_x86_64, memory, root, address);
        walk.level += !walk.slot; /* the entry that names the table, not the table */
        if (walk.mapped || !walk.slot)
            judge(picture, address, &walk, audit);
        at = (at | (level_bytes(walk.level) - 1)) + 1;
    }
}
