/* How an address becomes a place in memory: the guest's page tables, then the EPT. */
#include "base/bits.h"
#include "base/x86/cr.h"
#include "base/x86/msr.h"
#include "base/x86/page.h"
#include "debug/commands.h"
#include "mm/guest_access.h"
#include "vmx/guest_memory.h"
#include "vmx/machine.h"

#define U(x) ((unsigned long long)(x))

struct look {
    struct cpu *cpu;
    uint64_t linear;
    struct paging paging;
    struct paging_way way;
    enum paging_outcome outcome;
};

/* Tables in a device are not read. */
static bool read_quiet(void *context, void *to, gpa_t from, uint64_t bytes)
{
    const struct cpu *cpu = context;
    return guest_is_quiet(from, bytes) &&
           guest_read(&cpu->windows[0], to, from, bytes) == ERROR_NONE;
}

static void look_here(void *argument)
{
    struct look *look = argument;
    const struct physical_memory memory = {.read = read_quiet, .context = look->cpu};
    look->paging = guest_paging();
    if (look->paging.cr0 & CR0_PG)
        look->outcome = paging_look(&look->paging, &memory, look->linear, &look->way);
}

static void say_size(unsigned shift)
{
    say("%u %ciB", 1u << shift % 10, shift >= 30 ? 'G' : shift >= 20 ? 'M' : 'K');
}

static void say_entry(const struct paging_way *way, unsigned index, bool page)
{
    static const struct bit_name bits[] = {{0, "P"}, {1, "RW"}, {2, "US"}, {3, "PWT"}, {4, "PCD"},
                                           {5, "A"}, {6, "D"},  {7, "PS"}, {8, "G"},   {63, "XD"}};
    unsigned level = way->levels - index;
    say("  level %u at %012llx: %0*llx", level, U(way->at[index].v), (int)way->entry_bytes * 2,
        U(way->entry[index]));
    if (page) {
        say(", page of ");
        say_size(way->page_shift);
    }
    say(":");
    say_bits(way->entry[index], bits, ARRAY_SIZE(bits));
}

/* True: `*physical` is where the page is. */
static bool say_tables(const struct look *look, gpa_t *physical)
{
    static const char *const ends[] = {
        [PAGING_ABSENT] = "not present",
        [PAGING_RESERVED] = "reserved bits are set",
        [PAGING_NOWHERE] = "no memory holds the next table",
    };
    const struct paging *paging = &look->paging;
    const struct paging_way *way = &look->way;
    bool wide = paging->efer & EFER_LMA, page = look->outcome == PAGING_PAGE;
    if (!(paging->cr0 & CR0_PG)) {
        say("no paging\n");
        return true;
    }
    say("%u-level paging%s, CR3 %016llx\n", way->levels + (!wide && paging->cr4 & CR4_PAE),
        wide                    ? ""
        : paging->cr4 & CR4_PAE ? " (PAE)"
                                : " (32-bit)",
        U(paging->cr3));
    if (!paging_is_linear(paging, look->linear)) {
        say("no linear address of this mode\n");
        return false;
    }
    if (!wide && (paging->cr4 & CR4_PAE))
        say("  PDPTE %u: %016llx\n", (unsigned)(look->linear >> 30 & 3),
            U(paging->pdpte[look->linear >> 30 & 3]));
    for (unsigned i = 0; i < way->count; i++)
        say_entry(way, i, page && i == way->count - 1);
    if (!page) {
        say("%s\n", ends[look->outcome]);
        return false;
    }
    say("guest-physical %012llx: %s, %s, %s\n", U(way->physical.v),
        way->rights & PTE_US ? "user" : "supervisor",
        way->rights & PTE_RW ? "writable" : "read-only", way->rights & PTE_XD ? "code" : "no code");
    *physical = way->physical;
    return true;
}

/* The tables that a walk asked for. */
struct tables {
    hpa_t at[TABLE_LEVELS];
    const uint64_t *entries[TABLE_LEVELS];
    unsigned count;
};

static uint64_t *note_table(void *context, hpa_t table)
{
    struct tables *tables = context;
    uint64_t *entries = machine.ept.memory->map(machine.ept.memory->context, table);
    tables->at[tables->count] = table;
    tables->entries[tables->count++] = entries;
    return entries;
}

static bool is_own(uint64_t physical)
{
    return physical >= machine.msr.own_base && physical < machine.msr.own_end;
}

static void say_ept(gpa_t physical)
{
    static const struct bit_name bits[] = {{0, "R"}, {1, "W"}, {2, "X"}, {6, "IPAT"}, {7, "PS"}};
    struct tables tables = {.count = 0};
    const struct table_memory memory = {.map = note_table, .context = &tables};
    struct walk walk = walk_lookup(&table_format_ept, &memory, machine.ept.root, physical.v);
    for (unsigned i = 0; i < tables.count; i++) {
        unsigned level = TABLE_LEVELS - i, index = level_index(level, physical.v);
        uint64_t entry = tables.entries[i][index];
        bool page = walk.mapped && i == tables.count - 1;
        say("  EPT level %u at %012llx: %016llx", level, U(tables.at[i].v + index * sizeof(entry)),
            U(entry));
        if (page) {
            say(", page of ");
            say_size(level_shift(level));
            say(", %s", memory_type_name(ept_entry_type(entry)));
        }
        say(":");
        say_bits(entry, bits, ARRAY_SIZE(bits));
    }
    if (walk.mapped)
        say("host-physical %012llx\n", U(walk.address));
    else
        say("the EPT does not map it: %s\n",
            physical.v >= machine.ept.plan.limit ? "no such address on this processor"
            : is_own(physical.v)                 ? "Orlop's own range"
                                                 : "it will at the guest's first touch");
}

static void walk(struct arguments *arguments)
{
    struct look look = {0};
    enum target_space space = TARGET_LINEAR;
    gpa_t physical;
    if (!address_argument(arguments, 0, &space, &look.linear) ||
        !monitor_cpu_argument(arguments, 1, &look.cpu))
        return;
    if (space == TARGET_HOST) {
        say("Orlop's own addresses have no guest tables: leave \"host:\" out\n");
        return;
    }
    physical = GPA(look.linear);
    if (space == TARGET_LINEAR &&
        (!ask_cpu(look.cpu, look_here, &look) || !say_tables(&look, &physical)))
        return;
    say_ept(physical);
}

const struct command command_walk = {
    "walk",
    "walk [phys:]ADDR [CPU]",
    "an address through the guest's page tables and the EPT",
    walk,
    false,
};
