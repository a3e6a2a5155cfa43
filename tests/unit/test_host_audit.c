/* with: mm/host_audit.c mm/host_tables.c mm/frames.c mm/walk.c */
/* The tables are built by the code that builds them in Orlop, in a range of the test's own, and
 * then spoilt in one way after the other. */
#include "mm/host_audit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "base/layout.h"
#include "mm/frames.h"
#include "mm/pte.h"
#include "tests/unit/random.h"

#define RANGE        MIB(64)
#define RANGE_BYTES  MIB(6)
#define CPUS         3u
#define TEXT_PAGES   5u
#define RODATA_PAGES 3u
#define DATA_PAGES   2u
#define CORE_PAGES   (TEXT_PAGES + RODATA_PAGES + DATA_PAGES)
#define IMAGE_PAGES  (CORE_PAGES + 2u + 1u + 3u) /* and the debugger's text, rodata, data */
#define VGA          0xB8000u
#define GUEST        0x123000u /* a page that is not Orlop's */

#define TEXT            LAYOUT_IMAGE_BASE
#define RODATA          (TEXT + TEXT_PAGES * PAGE_SIZE)
#define DATA            (RODATA + RODATA_PAGES * PAGE_SIZE)
#define DEBUGGER_TEXT   (TEXT + CORE_PAGES * PAGE_SIZE)
#define DEBUGGER_RODATA (DEBUGGER_TEXT + 2 * PAGE_SIZE)
#define DEBUGGER_DATA   (DEBUGGER_RODATA + PAGE_SIZE)
#define IN_POOL         (LAYOUT_POOL_BASE + IMAGE_PAGES * PAGE_SIZE)
#define LARGE           (LAYOUT_POOL_BASE + MIB(2))
#define SCREEN          LAYOUT_DEVICE_BASE

static uint8_t range[RANGE_BYTES] __attribute__((aligned(4096)));
static hpa_t root;
static struct host_picture picture;
static bool without_debugger;
static struct host_audit audit;
static struct host_violation found[HOST_AUDIT_MAX];

void fake_invlpg(uint64_t address) { (void)address; }
uint64_t fake_read_cr(unsigned number) { return number == 3 ? root.v : 0; }
void fake_write_cr(unsigned number, uint64_t value) { assert_true(number == 3 && value == root.v); }

static uint64_t *map_table(void *context, hpa_t table)
{
    return host_audit_has_table(context, table) ? frames_pointer(table) : NULL;
}

static void keep(const struct host_violation *violation)
{
    assert_true(audit.violations >= 1 && audit.violations <= HOST_AUDIT_MAX);
    found[audit.violations - 1] = *violation;
}

static uint32_t violations(void)
{
    const struct table_memory memory = {.map = map_table, .context = &picture};
    audit = (struct host_audit){.found = keep};
    host_audit(&memory, root, &picture, &audit);
    return audit.violations;
}

static uint64_t slot(uint32_t cpu, uint32_t page)
{
    return LAYOUT_CPU_BASE + cpu * (uint64_t)LAYOUT_SLOT_BYTES + page * PAGE_SIZE;
}

static void map_slot(uint32_t cpu)
{
    static const uint8_t used[] = {1, 2, 3, 4, 5, 7, 9, 11}; /* docs/memory-map.md */
    for (unsigned i = 0; i < sizeof(used); i++)
        host_tables_map(slot(cpu, used[i]), frames_take(), HOST_RW);
}

static void build(bool nx)
{
    frames = (struct frames){RANGE, RANGE + IMAGE_PAGES * PAGE_SIZE, RANGE + RANGE_BYTES,
                             (uint64_t)range - RANGE};
    picture = (struct host_picture){{{TEXT, RODATA, DATA, DEBUGGER_TEXT, DEBUGGER_RODATA,
                                      DEBUGGER_DATA, TEXT + IMAGE_PAGES * PAGE_SIZE}},
                                    HPA(RANGE),
                                    HPA(RANGE + RANGE_BYTES),
                                    CPUS,
                                    nx};
    for (unsigned i = 4; without_debugger && i <= HOST_IMAGE_PARTS; i++)
        picture.parts.edges[i] = DEBUGGER_TEXT;
    root = host_tables_build(&picture.parts, HPA(RANGE), HPA(RANGE), HPA(RANGE + RANGE_BYTES), CPUS,
                             nx);
    for (uint32_t i = 0; i < CPUS; i++)
        map_slot(i);
    for (uint64_t i = 0; i < 8; i++)
        host_tables_map(SCREEN + i * PAGE_SIZE, HPA(VGA + i * PAGE_SIZE), HOST_DEVICE);
}

static int build_good(void **state)
{
    (void)state;
    build(true);
    return 0;
}

/* The entry of a table of `level` on the way to `address`. */
static uint64_t *entry_at(uint64_t address, unsigned level)
{
    uint64_t *entry = NULL;
    hpa_t table = root;
    for (unsigned l = 4; l >= level; l--) {
        entry = &((uint64_t *)frames_pointer(table))[level_index(l, address)];
        table = HPA(*entry & PTE_ADDRESS);
    }
    return entry;
}

static uint64_t *leaf(uint64_t address)
{
    return entry_at(address, address >= LARGE && address < LAYOUT_POOL_END ? 2 : 1);
}

/* One violation, there; the tables are put right again. */
static void assert_found(uint64_t address, unsigned level, uint64_t value, enum host_wrong wrong)
{
    uint64_t *entry = entry_at(address, level), kept = *entry;
    *entry = value;
    uint32_t count = violations();
    *entry = kept;
    if (count != 1 || found[0].wrong != wrong)
        print_error("0x%llx = 0x%llx: %u violations, the first of kind %d\n",
                    (unsigned long long)address, (unsigned long long)value, count,
                    (int)found[0].wrong);
    assert_int_equal(count, 1);
    assert_int_equal(found[0].wrong, wrong);
    assert_int_equal(found[0].address, address);
    assert_int_equal(found[0].entry, value);
    assert_int_equal(found[0].level, level);
    assert_int_equal(violations(), 0);
}

static void assert_rights_found(uint64_t address, uint64_t set, uint64_t clear)
{
    unsigned level = address >= LARGE ? 2 : 1;
    assert_found(address, level, (*leaf(address) | set) & ~clear, HOST_WRONG_RIGHTS);
}

static void what_orlop_builds_passes(void **state)
{
    (void)state;
    assert_int_equal(violations(), 0);
    assert_int_equal(audit.pages[HOST_NOTHING], 0);
    assert_int_equal(audit.pages[HOST_TEXT], TEXT_PAGES + 2);
    assert_int_equal(audit.pages[HOST_RODATA], RODATA_PAGES + 1);
    assert_int_equal(audit.pages[HOST_DATA], DATA_PAGES + 3);
    assert_int_equal(audit.pages[HOST_SLOTS], CPUS * 8);
    assert_int_equal(audit.pages[HOST_SCREEN], 8);
    assert_int_equal(audit.pages[HOST_WINDOWS] + audit.pages[HOST_APIC], 0);
    assert_int_equal(audit.pages[HOST_POOL], 512 - IMAGE_PAGES + 2);
    build(false); /* a CPU without NX */
    assert_int_equal(violations(), 0);
}

/* Its pages belong to the pool then, and nothing is mapped where it would be. */
static void a_debugger_that_is_not_there_is_not_mapped(void **state)
{
    (void)state;
    const uint64_t *edges = picture.parts.edges;
    without_debugger = true;
    build(true);
    without_debugger = false;
    assert_int_equal(edges[3], edges[HOST_IMAGE_PARTS]);
    assert_int_equal(violations(), 0);
    assert_int_equal(audit.pages[HOST_TEXT], TEXT_PAGES);
    assert_int_equal(audit.pages[HOST_RODATA], RODATA_PAGES);
    assert_int_equal(audit.pages[HOST_DATA], DATA_PAGES);
    assert_int_equal(audit.pages[HOST_POOL], 512 - CORE_PAGES + 2);
    assert_found(DEBUGGER_TEXT, 1, (RANGE + CORE_PAGES * PAGE_SIZE) | PTE_P, HOST_WRONG_PLACE);
}

static void open_windows_pass_but_not_onto_orlop(void **state)
{
    (void)state;
    const uint64_t window = PTE_P | PTE_W | PTE_NX;
    *leaf(slot(0, 13)) = GUEST | window;
    *leaf(slot(2, 14)) = (RANGE + RANGE_BYTES) | window;
    *leaf(slot(1, 15)) = 0xFEE00000 | window | PTE_PCD | PTE_PWT;
    assert_int_equal(violations(), 0);
    assert_int_equal(audit.pages[HOST_WINDOWS], 2);
    assert_int_equal(audit.pages[HOST_APIC], 1);
    assert_found(slot(1, 13), 1, RANGE | window, HOST_WRONG_FRAME);
    assert_found(slot(1, 14), 1, (RANGE + RANGE_BYTES - PAGE_SIZE) | window, HOST_WRONG_FRAME);
    assert_found(slot(1, 15), 1, (RANGE + PAGE_SIZE) | window | PTE_PCD | PTE_PWT,
                 HOST_WRONG_FRAME);
    assert_found(slot(1, 15), 1, 0xFEE00000 | window, HOST_WRONG_RIGHTS);
    assert_found(slot(1, 13), 1, GUEST | PTE_P | PTE_W, HOST_WRONG_RIGHTS);
}

static void a_page_with_more_rights_is_found(void **state)
{
    (void)state;
    assert_rights_found(TEXT, PTE_W, 0); /* writable and executable */
    assert_rights_found(TEXT, PTE_W | PTE_NX, 0);
    assert_rights_found(TEXT + (TEXT_PAGES - 1) * PAGE_SIZE, PTE_W, 0);
    assert_rights_found(RODATA, PTE_W, 0);
    assert_rights_found(RODATA, 0, PTE_NX);
    assert_rights_found(DATA, 0, PTE_NX);
    assert_rights_found(DEBUGGER_TEXT, PTE_W, 0);
    assert_rights_found(DEBUGGER_RODATA, PTE_W, 0);
    assert_rights_found(DEBUGGER_RODATA, 0, PTE_NX);
    assert_rights_found(DEBUGGER_DATA, 0, PTE_NX);
    assert_rights_found(slot(0, LAYOUT_SLOT_STACK), 0, PTE_NX);
    assert_rights_found(slot(CPUS - 1, LAYOUT_SLOT_CPU), 0, PTE_NX);
    assert_rights_found(SCREEN, 0, PTE_NX);
    assert_rights_found(SCREEN, 0, PTE_PCD);
    assert_rights_found(IN_POOL, 0, PTE_NX);
    assert_rights_found(LARGE, 0, PTE_NX);
    assert_rights_found(LARGE, PTE_PAT_LARGE, 0);
}

static void a_user_page_is_found(void **state)
{
    (void)state;
    static const uint64_t pages[] = {TEXT, RODATA, DATA, SCREEN, IN_POOL, LARGE};
    for (unsigned i = 0; i < ARRAY_SIZE(pages); i++)
        assert_rights_found(pages[i], PTE_US, 0);
    assert_rights_found(slot(1, LAYOUT_SLOT_VCPU), PTE_US, 0);
}

static void a_mapped_guard_page_is_found(void **state)
{
    (void)state;
    static const uint8_t guards[] = {0, 6, 8, 10, 12};
    uint64_t entry = (frames.next - PAGE_SIZE) | PTE_P | PTE_W | PTE_NX;
    for (unsigned i = 0; i < sizeof(guards); i++)
        for (uint32_t cpu = 0; cpu < CPUS; cpu++)
            assert_found(slot(cpu, guards[i]), 1, entry, HOST_WRONG_PLACE);
    assert_found(slot(CPUS, LAYOUT_SLOT_STACK), 1, entry, HOST_WRONG_PLACE);
}

static void a_second_name_for_the_image_is_found(void **state)
{
    (void)state;
    const uint64_t rw = PTE_P | PTE_W | PTE_NX;
    for (uint64_t frame = RANGE; frame < RANGE + IMAGE_PAGES * PAGE_SIZE; frame += PAGE_SIZE) {
        assert_found(LAYOUT_POOL_BASE + (frame - RANGE), 1, frame | rw, HOST_WRONG_PLACE);
        assert_found(IN_POOL, 1, frame | rw, HOST_WRONG_FRAME);
        assert_found(slot(1, LAYOUT_SLOT_STACK), 1, frame | rw, HOST_WRONG_FRAME);
        assert_found(slot(1, LAYOUT_SLOT_WINDOW), 1, frame | rw, HOST_WRONG_FRAME);
        assert_found(SCREEN, 1, frame | rw | PTE_PCD | PTE_PWT, HOST_WRONG_FRAME);
    }
    assert_found(DATA, 1, RANGE | rw, HOST_WRONG_FRAME);
    assert_found(LARGE, 2, RANGE | rw | PTE_PS, HOST_WRONG_FRAME);
    assert_found(TEXT, 1, GUEST | PTE_P, HOST_WRONG_FRAME);
}

/* A large page in place of a whole table: it shows what the table showed, guard pages and all. */
static void a_large_page_is_found(void **state)
{
    (void)state;
    const uint64_t large = PTE_P | PTE_W | PTE_NX | PTE_PS;
    assert_found(TEXT, 2, RANGE | PTE_P | PTE_PS, HOST_WRONG_PLACE);
    assert_found(LAYOUT_CPU_BASE, 2, (RANGE + MIB(2)) | large, HOST_WRONG_PLACE);
    assert_found(SCREEN, 2, large | PTE_PCD | PTE_PWT, HOST_WRONG_PLACE);
    assert_found(LAYOUT_POOL_BASE, 2, RANGE | large, HOST_WRONG_PLACE);
    assert_found(LAYOUT_POOL_BASE + RANGE_BYTES, 2, (RANGE + RANGE_BYTES) | large,
                 HOST_WRONG_PLACE); /* past the range's end */
    assert_found(LAYOUT_IMAGE_BASE, 3, large, HOST_WRONG_PLACE);
    picture.cpus = LAYOUT_MAX_CPUS; /* a slot's rule says nothing of 2 MiB of slots */
    assert_found(LAYOUT_CPU_BASE, 2, (RANGE + MIB(2)) | large, HOST_WRONG_PLACE);
}

static void a_page_outside_the_areas_is_found(void **state)
{
    (void)state;
    const uint64_t rw = PTE_P | PTE_W | PTE_NX;
    const uint64_t image_end = TEXT + IMAGE_PAGES * PAGE_SIZE;
    assert_found(image_end, 1, (RANGE + IMAGE_PAGES * PAGE_SIZE) | rw, HOST_WRONG_PLACE);
    assert_found(SCREEN + LAYOUT_DEVICE_VGA_PAGES * PAGE_SIZE, 1, rw, HOST_WRONG_PLACE);
    assert_found(0xFFFFFFFFC0000000, 3, rw | PTE_PS, HOST_WRONG_PLACE);
    assert_found(0xFFFFFFFF90000000, 2, rw | PTE_PS, HOST_WRONG_PLACE);
    host_tables_map_low(HPA(0x8000)); /* the trampoline's page, not taken away */
    assert_int_equal(violations(), 1);
    assert_int_equal(found[0].address, 0x8000);
    assert_int_equal(found[0].wrong, HOST_WRONG_PLACE);
    host_tables_unmap_low();
    assert_int_equal(violations(), 0);
}

static void a_table_outside_the_range_is_found(void **state)
{
    (void)state;
    const uint64_t link = PTE_P | PTE_W;
    assert_found(TEXT, 2, GUEST | link, HOST_WRONG_TABLE);
    assert_found(TEXT, 2, (RANGE + RANGE_BYTES) | link, HOST_WRONG_TABLE);
    assert_found(TEXT, 2, RANGE | link, HOST_WRONG_TABLE); /* the image is no table */
    root = HPA(GUEST);
    assert_int_equal(violations(), 1);
    assert_int_equal(found[0].wrong, HOST_WRONG_TABLE);
    assert_int_equal(found[0].level, 5);
}

/* The whole directory by another name, and then the root as a table of itself. */
static void the_same_tables_twice_are_found(void **state)
{
    (void)state;
    uint64_t *pml4 = frames_pointer(root);
    pml4[256] = pml4[511];
    assert_int_equal(violations(), HOST_AUDIT_MAX);
    for (unsigned i = 0; i < HOST_AUDIT_MAX; i++)
        assert_true(found[i].wrong == HOST_WRONG_PLACE && found[i].address >> 39 == 0x1FFFF00);
    pml4[256] = root.v | PTE_P | PTE_W;
    assert_int_equal(violations(), HOST_AUDIT_MAX);
}

/* Every bit of the pages that lie in order, and all but the address of the others. */
static void one_bit_is_enough(void **state)
{
    (void)state;
    const uint64_t harmless = PTE_P | PTE_A | PTE_D; /* not present: seen in the count */
    for (unsigned bit = 0; bit < 64; bit++) {
        const uint64_t pages[] = {
            TEXT, RODATA, DATA, IN_POOL, LARGE, SCREEN, slot(0, LAYOUT_SLOT_STACK)};
        for (unsigned i = 0; i < ARRAY_SIZE(pages); i++) {
            uint64_t *entry = leaf(pages[i]);
            if ((BIT(bit) & harmless) || (i >= 5 && (BIT(bit) & PTE_ADDRESS)) ||
                (i == 4 && bit == 7)) /* then the page is a link to a table */
                continue;
            *entry ^= BIT(bit);
            assert_int_equal(violations(), 1);
            *entry ^= BIT(bit);
        }
    }
    *leaf(DATA) ^= PTE_A | PTE_D;
    *leaf(TEXT) ^= PTE_A;
    assert_int_equal(violations(), 0);
    *leaf(TEXT) ^= PTE_P;
    assert_int_equal(violations(), 0);
    assert_int_equal(audit.pages[HOST_TEXT], TEXT_PAGES + 2 - 1);
}

/* What passes is harmless whatever the rules say: entries are made at random, and of those that the
 * audit lets pass, each keeps W^X, is the supervisor's, and shows no byte of the image but at the
 * address that this byte was linked for. */
static void what_passes_is_harmless(void **state)
{
    (void)state;
    unsigned passed = 0;
    random_seed(0xA0D17);
    for (unsigned round = 0; round < 4000; round++) {
        static const uint64_t bases[] = {LAYOUT_IMAGE_BASE, LAYOUT_CPU_BASE, LAYOUT_DEVICE_BASE,
                                         LAYOUT_POOL_BASE};
        uint64_t address = bases[random_below(4)] + random_below(48) * PAGE_SIZE;
        uint64_t frame = random_below(2) ? RANGE + random_below(64) * PAGE_SIZE
                                         : RANGE + (address & (MIB(2) - 1));
        uint64_t *entry = entry_at(address, 1), kept = *entry;
        *entry = frame | PTE_P | (random_u64() & (PTE_W | PTE_NX)) |
                 (random_below(8) ? 0 : random_u64() & (PTE_US | PTE_PWT | PTE_PCD));
        if (violations() == 0) {
            passed++;
            assert_false(*entry & PTE_US);
            assert_true(!(*entry & PTE_W) || (*entry & PTE_NX));
            if (frame < RANGE + IMAGE_PAGES * PAGE_SIZE)
                assert_int_equal(address - TEXT, frame - RANGE);
        }
        *entry = kept;
    }
    assert_true(passed > 100);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup(f, build_good)
    const struct CMUnitTest tests[] = {
        TEST(what_orlop_builds_passes),
        TEST(a_debugger_that_is_not_there_is_not_mapped),
        TEST(open_windows_pass_but_not_onto_orlop),
        TEST(a_page_with_more_rights_is_found),
        TEST(a_user_page_is_found),
        TEST(a_mapped_guard_page_is_found),
        TEST(a_second_name_for_the_image_is_found),
        TEST(a_large_page_is_found),
        TEST(a_page_outside_the_areas_is_found),
        TEST(a_table_outside_the_range_is_found),
        TEST(the_same_tables_twice_are_found),
        TEST(one_bit_is_enough),
        TEST(what_passes_is_harmless),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
