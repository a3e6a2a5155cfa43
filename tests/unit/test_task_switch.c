/* with: vcpu/task_switch.c vcpu/paging.c vcpu/cr_rules.c vcpu/cr4_features.c vcpu/cpuid_policy.c vcpu/cpuid_rules.c */
#include "vcpu/task_switch.h"

#include "base/bits.h"
#include "base/x86/cr.h"
#include "base/x86/eflags.h"
#include "base/x86/page.h"
#include "base/x86/segment.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/random.h"

/* ---- a machine of sixteen pages ---------------------------------------------------------- */

static uint8_t memory_bytes[16 * PAGE_SIZE], before[sizeof(memory_bytes)];

static bool fake_read(void *context, void *to, gpa_t from, uint64_t bytes)
{
    (void)context;
    if (from.v > sizeof(memory_bytes) || bytes > sizeof(memory_bytes) - from.v)
        return false;
    memcpy(to, memory_bytes + from.v, bytes);
    return true;
}

static void fake_write(void *context, gpa_t to, const void *from, uint64_t bytes)
{
    (void)context;
    if (to.v <= sizeof(memory_bytes) && bytes <= sizeof(memory_bytes) - to.v)
        memcpy(memory_bytes + to.v, from, bytes);
}

static bool fake_exchange(void *context, gpa_t at, uint64_t old, uint64_t value, unsigned bytes)
{
    uint64_t now = 0;
    if (!fake_read(context, &now, at, bytes))
        return true;
    if (now != old)
        return false;
    fake_write(context, at, &value, bytes);
    return true;
}

static const struct physical_memory memory = {fake_read, fake_write, fake_exchange, NULL};

static void put32(uint32_t at, uint32_t value) { memcpy(memory_bytes + at, &value, 4); }
static void put16(uint32_t at, uint16_t value) { memcpy(memory_bytes + at, &value, 2); }
static uint32_t get32(uint32_t at)
{
    uint32_t value;
    memcpy(&value, memory_bytes + at, 4);
    return value;
}
static uint16_t get16(uint32_t at) { return (uint16_t)get32(at); }

/* ---- its tables -------------------------------------------------------------------------- */

enum {
    GDT = 0x1000,
    TSS_A = 0x2000,
    TSS_B = 0x3000,
    STACK = 0x5000,
    PD = 0x8000,
    PT = 0x9000,
};
enum {
    CODE = 0x08,
    DATA = 0x10,
    A = 0x18,
    B = 0x20,
    A16 = 0x28,
    B16 = 0x30,
    USER_CODE = 0x3B,
    USER_DATA = 0x43,
    ABSENT = 0x48,
    READ_ONLY = 0x50,
    FRESH = 0x58,
    BEYOND = 0x100,
};

static void describe(uint16_t selector, uint32_t base, uint32_t limit, uint32_t rights)
{
    uint64_t raw = SEGMENT_DESCRIPTOR(base, limit, rights);
    memcpy(memory_bytes + GDT + (selector & ~7u), &raw, sizeof(raw));
}

static uint32_t type_of(uint16_t selector)
{
    return memory_bytes[GDT + (selector & ~7u) + 5] & SEGMENT_TYPE_MASK;
}

static void fill_tss32(uint32_t at)
{
    static const uint16_t selectors[] = {DATA, CODE, DATA, DATA, DATA, DATA, 0};
    for (unsigned i = 0; i < 10; i++)
        put32(at + 0x20 + i * 4, 0x10000 * i + at);
    put32(at + 0x24, 0x00000082);
    put32(at + 0x38, STACK);
    for (unsigned i = 0; i < ARRAY_SIZE(selectors); i++)
        put32(at + 0x48 + i * 4, 0xABCD0000 | selectors[i]);
    put32(at + 0x64, 0x00680000);
}

static struct task_state new_state(void)
{
    const uint32_t flat = SEGMENT_G | SEGMENT_DB | SEGMENT_S | SEGMENT_P;
    struct task_state s = {.eip = 0x11223344,
                           .eflags = 0x00004002,
                           .gdt_base = GDT,
                           .gdt_limit = 0xBF,
                           .paging = {.cr0 = CR0_PE, .physical_bits = 36},
                           .dr7 = 0x7FF};
    memset(memory_bytes, 0, sizeof(memory_bytes));
    describe(CODE, 0, 0xFFFFF, flat | SEGMENT_TYPE_CODE_XR);
    describe(DATA, 0, 0xFFFFF, flat | SEGMENT_TYPE_DATA_RW);
    describe(A, TSS_A, 0x67, SEGMENT_P | SEGMENT_TYPE_TSS_BUSY);
    describe(B, TSS_B, 0x67, SEGMENT_P | SEGMENT_TYPE_TSS_AVAILABLE);
    describe(A16, TSS_A, 0x2B, SEGMENT_P | SEGMENT_TYPE_TSS16_BUSY);
    describe(B16, TSS_B, 0x2B, SEGMENT_P | SEGMENT_TYPE_TSS16_AVAILABLE);
    describe(USER_CODE, 0, 0xFFFFF, flat | SEGMENT_TYPE_CODE_XR | SEGMENT_DPL(3));
    describe(USER_DATA, 0, 0xFFFFF, flat | SEGMENT_TYPE_DATA_RW | SEGMENT_DPL(3));
    describe(ABSENT, 0, 0xFFFFF, (flat & ~SEGMENT_P) | SEGMENT_TYPE_DATA_RW);
    describe(READ_ONLY, 0, 0xFFFFF, flat | SEGMENT_TYPE_ACCESSED);
    describe(FRESH, 0, 0xFFFFF, flat | SEGMENT_TYPE_WRITABLE);
    fill_tss32(TSS_A);
    fill_tss32(TSS_B);
    for (unsigned i = 0; i < 8; i++)
        s.general[i] = 0xE0E0E000 + i;
    for (unsigned i = 0; i < TASK_LDTR; i++)
        s.segment[i] = (struct task_segment){(uint16_t)(0x700 + i), 0, UINT32_MAX, flat | 3};
    s.segment[TASK_LDTR] = (struct task_segment){0, 0, 0, SEGMENT_UNUSABLE};
    s.segment[TASK_TR] = (struct task_segment){A, TSS_A, 0x67, SEGMENT_P | SEGMENT_TYPE_TSS_BUSY};
    return s;
}

/* All pages one to one, but those that a test takes away. */
static void page(struct task_state *s)
{
    s->paging.cr0 |= CR0_PG | CR0_WP;
    s->paging.cr3 = PD;
    put32(PD, PT + 7);
    for (uint32_t i = 0; i < 16; i++)
        put32(PT + i * 4, i * 0x1000 + 7);
    put32(TSS_B + 0x1C, PD);
}
static void set_page(uint32_t address, uint32_t rights)
{
    put32(PT + (address >> 12) * 4, address | rights);
}

static struct task_outcome go(struct task_state *s, enum task_source source, uint16_t selector)
{
    struct task_request request = {.source = source, .selector = selector};
    memcpy(before, memory_bytes, sizeof(before));
    return task_switch(s, &memory, &request);
}

static void assert_fault(struct task_outcome outcome, unsigned vector, uint32_t error_code)
{
    assert_int_equal(outcome.vector, vector);
    assert_int_equal(outcome.error_code, error_code);
}

/* ---- whole switches ---------------------------------------------------------------------- */

/* SDM vol. 3A, table 8-2 "Effect of a Task Switch on Busy Flag, NT Flag, Previous Task Link Field,
 * and TS Flag". */
static void busy_nt_link_and_ts_are_those_of_the_table(void **state)
{
    (void)state;
    static const struct {
        enum task_source source;
        bool old_busy, new_nt, old_nt, link;
    } rows[] = {
        {TASK_JUMP, false, false, true, false},
        {TASK_CALL, true, true, true, true},
        {TASK_GATE, true, true, true, true},
        {TASK_IRET, false, false, false, false},
    };
    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
        struct task_state s = new_state();
        if (rows[i].source == TASK_IRET)
            describe(B, TSS_B, 0x67, SEGMENT_P | SEGMENT_TYPE_TSS_BUSY);
        put32(TSS_B, 0xDEADBEEF);
        struct task_outcome outcome = go(&s, rows[i].source, B);
        assert_int_equal(outcome.vector, TASK_NO_FAULT);
        assert_true(outcome.switched && !outcome.trap);
        assert_int_equal(type_of(A),
                         rows[i].old_busy ? SEGMENT_TYPE_TSS_BUSY : SEGMENT_TYPE_TSS_AVAILABLE);
        assert_int_equal(type_of(B), SEGMENT_TYPE_TSS_BUSY);
        assert_int_equal(s.segment[TASK_TR].selector, B);
        assert_int_equal(s.segment[TASK_TR].rights, SEGMENT_RIGHTS_TSS_BUSY);
        assert_int_equal(s.eflags, 0x82 | (rows[i].new_nt ? RFLAGS_NT : 0));
        assert_int_equal(get32(TSS_A + 0x24), 2 | (rows[i].old_nt ? RFLAGS_NT : 0));
        assert_int_equal(get32(TSS_B), rows[i].link ? 0xDEAD0000 | A : 0xDEADBEEF);
        assert_int_equal(s.paging.cr0, CR0_PE | CR0_TS);
        assert_int_equal(s.dr7, 0x7FF & ~0x155);
    }
}

/* SDM vol. 3A, figure 8-2 "32-Bit Task-State Segment (TSS)". */
static void a_32_bit_tss_holds_all_registers(void **state)
{
    (void)state;
    struct task_state s = new_state();
    assert_true(go(&s, TASK_JUMP, B).switched);
    assert_int_equal(get32(TSS_A + 0x20), 0x11223344);
    for (unsigned i = 0; i < 8; i++) {
        assert_int_equal(get32(TSS_A + 0x28 + i * 4), 0xE0E0E000 + i);
        assert_int_equal(s.general[i], i == 4 ? STACK : 0x10000 * (i + 2) + TSS_B);
    }
    for (unsigned i = 0; i < 6; i++)
        assert_int_equal(get32(TSS_A + 0x48 + i * 4), 0xABCD0700 + i); /* the upper half stays */
    assert_int_equal(get32(TSS_A + 0x60), 0xABCD0000);
    assert_int_equal(s.eip, TSS_B);
    assert_int_equal(s.segment[TASK_CS].selector, CODE);
    assert_int_equal(s.segment[TASK_GS].selector, DATA);
    assert_int_equal(s.segment[TASK_SS].limit, UINT32_MAX);
}

/* SDM vol. 3A, figure 8-10 "16-Bit TSS Format". */
static void a_16_bit_tss_holds_halves(void **state)
{
    (void)state;
    static const uint16_t selectors[] = {DATA, CODE, DATA, DATA, 0};
    struct task_state s = new_state();
    s.segment[TASK_TR] =
        (struct task_segment){A16, TSS_A, 0x2B, SEGMENT_P | SEGMENT_TYPE_TSS16_BUSY};
    for (unsigned i = 0; i < 10; i++)
        put16(TSS_B + 14 + i * 2, (uint16_t)(0x4500 + i));
    for (unsigned i = 0; i < 5; i++)
        put16(TSS_B + 34 + i * 2, selectors[i]);
    assert_true(go(&s, TASK_CALL, B16).switched);
    assert_int_equal(get16(TSS_B), A16);
    assert_int_equal(get16(TSS_A + 14), 0x3344);
    assert_int_equal(get16(TSS_A + 16), 0x4002);
    assert_int_equal(get16(TSS_A + 18), 0xE000);
    assert_int_equal(get16(TSS_A + 32), 0xE007);
    assert_int_equal(get16(TSS_A + 34), 0x700);
    assert_int_equal(get16(TSS_A + 40), 0x703);
    assert_memory_equal(memory_bytes + TSS_A + 42, before + TSS_A + 42, 0x3E);
    assert_int_equal(s.eip, 0x4500);
    assert_int_equal(s.eflags, (0x4501 & ~RFLAGS_RESERVED0) | RFLAGS_FIXED | RFLAGS_NT);
    assert_int_equal(s.general[0], 0xFFFF4502);
    assert_int_equal(s.general[7], 0xFFFF4509);
    assert_int_equal(s.segment[TASK_FS].rights, SEGMENT_UNUSABLE);
    assert_int_equal(s.segment[TASK_TR].rights, SEGMENT_P | SEGMENT_TYPE_TSS16_BUSY);
}

static void an_error_code_is_pushed_as_wide_as_the_tss(void **state)
{
    (void)state;
    struct task_request request = {TASK_GATE, B, true, true, 0xABCD1234};
    struct task_state s = new_state();
    assert_true(task_switch(&s, &memory, &request).vector == TASK_NO_FAULT);
    assert_int_equal(s.general[4], STACK - 4);
    assert_int_equal(get32(STACK - 4), 0xABCD1234);
    s = new_state();
    s.paging.cr0 |= CR0_AM;
    put32(TSS_B + 0x24, (uint32_t)RFLAGS_AC);
    put32(TSS_B + 0x38, STACK + 1);
    assert_true(task_switch(&s, &memory, &request).vector == TASK_NO_FAULT); /* level 0 */
    s = new_state();
    s.paging.cr0 |= CR0_AM;
    put32(TSS_B + 0x24, (uint32_t)RFLAGS_AC);
    put32(TSS_B + 0x38, STACK + 1);
    put32(TSS_B + 0x4C, USER_CODE);
    put32(TSS_B + 0x50, USER_DATA);
    put32(TSS_B + 0x48, 0);
    for (unsigned i = 0x54; i < 0x60; i += 4)
        put32(TSS_B + i, 0);
    assert_fault(task_switch(&s, &memory, &request), EXCEPTION_AC, 0);
    assert_int_equal(s.general[4], STACK + 1);
}

static void the_t_flag_traps_unless_something_faults(void **state)
{
    (void)state;
    struct task_state s = new_state();
    put32(TSS_B + 0x64, 1);
    assert_true(go(&s, TASK_JUMP, B).trap);
    s = new_state();
    put32(TSS_B + 0x64, 1);
    put32(TSS_B + 0x54, BEYOND);
    assert_false(go(&s, TASK_JUMP, B).trap);
}

/* ---- faults ------------------------------------------------------------------------------ */

/* Nothing but flags of page tables may have changed. */
static void assert_untouched(const struct task_state *s, struct task_state *kept)
{
    assert_memory_equal(s, kept, sizeof(*s));
    assert_memory_equal(memory_bytes, before, PD);
    assert_memory_equal(memory_bytes + PT + PAGE_SIZE, before + PT + PAGE_SIZE,
                        sizeof(before) - PT - PAGE_SIZE);
}

static void faults_before_the_commit_point_leave_the_old_task(void **state)
{
    (void)state;
    static const struct {
        enum task_source source;
        uint16_t selector;
        uint32_t limit, rights; /* of B */
        unsigned vector;
        uint32_t error;
    } rows[] = {
        {TASK_JUMP, B | 4, 0x67, 0x89, EXCEPTION_GP, B | 4},
        {TASK_IRET, B | 4, 0x67, 0x8B, EXCEPTION_TS, B | 4},
        {TASK_CALL, BEYOND, 0x67, 0x89, EXCEPTION_GP, BEYOND},
        {TASK_IRET, BEYOND, 0x67, 0x8B, EXCEPTION_TS, BEYOND},
        {TASK_JUMP, B, 0x67, 0x8B, EXCEPTION_GP, B},
        {TASK_IRET, B, 0x67, 0x89, EXCEPTION_TS, B},
        {TASK_GATE, DATA, 0x67, 0x89, EXCEPTION_GP, DATA},
        {TASK_JUMP, B, 0x67, 0x09, EXCEPTION_NP, B},
        {TASK_IRET, B, 0x67, 0x0B, EXCEPTION_NP, B},
        {TASK_JUMP, B, 0x66, 0x89, EXCEPTION_TS, B},
        {TASK_JUMP, B, 0x2A, 0x81, EXCEPTION_TS, B},
    };
    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
        struct task_state s = new_state(), kept = s;
        describe(B, TSS_B, rows[i].limit, rows[i].rights);
        assert_fault(go(&s, rows[i].source, rows[i].selector), rows[i].vector, rows[i].error);
        assert_untouched(&s, &kept);
    }
    struct task_state s = new_state();
    s.segment[TASK_TR].limit = 0x5E;
    struct task_state kept = s;
    assert_fault(go(&s, TASK_JUMP, B), EXCEPTION_TS, A);
    assert_untouched(&s, &kept);
}

/* A page that cannot be had, in each place that the switch touches before it commits. */
static void page_faults_come_before_the_first_side_effect(void **state)
{
    (void)state;
    static const struct {
        enum task_source source;
        uint32_t page, rights, error, cr2;
    } rows[] = {
        {TASK_JUMP, GDT, 0, 0, GDT + B},        {TASK_JUMP, GDT, 5, 3, GDT + A + 4},
        {TASK_CALL, GDT, 5, 3, GDT + B + 4},    {TASK_GATE, GDT, 5, 3, GDT + B + 4},
        {TASK_JUMP, TSS_B, 0, 0, TSS_B},        {TASK_CALL, TSS_B, 5, 3, TSS_B},
        {TASK_JUMP, TSS_A, 0, 2, TSS_A + 0x20}, {TASK_CALL, TSS_A, 5, 3, TSS_A + 0x20},
    };
    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
        struct task_state s = new_state();
        page(&s);
        set_page(rows[i].page, rows[i].rights);
        struct task_state kept = s;
        struct task_outcome outcome = go(&s, rows[i].source, B);
        assert_fault(outcome, EXCEPTION_PF, rows[i].error);
        assert_int_equal(outcome.cr2, rows[i].cr2);
        assert_untouched(&s, &kept);
    }
    struct task_state s = new_state();
    page(&s);
    set_page(TSS_B, 5); /* read alone: JMP writes nothing there */
    assert_int_equal(go(&s, TASK_JUMP, B).vector, TASK_NO_FAULT);
    s = new_state(); /* across a boundary */
    page(&s);
    describe(B, 0x3FF0, 0x67, SEGMENT_P | SEGMENT_TYPE_TSS_AVAILABLE);
    set_page(0x4000, 0);
    struct task_outcome outcome = go(&s, TASK_JUMP, B);
    assert_fault(outcome, EXCEPTION_PF, 0);
    assert_int_equal(outcome.cr2, 0x3FF0 + 0x67);
}

static void faults_behind_it_are_the_new_tasks(void **state)
{
    (void)state;
    static const struct {
        uint32_t offset;
        uint16_t value;
        unsigned vector;
        uint32_t error;
    } rows[] = {
        {0x60, DATA, EXCEPTION_TS, DATA},
        {0x60, 4 | DATA, EXCEPTION_TS, 4 | DATA},
        {0x60, BEYOND, EXCEPTION_TS, BEYOND},
        {0x50, 0, EXCEPTION_TS, 0},
        {0x50, BEYOND, EXCEPTION_TS, BEYOND},
        {0x50, 4 | DATA, EXCEPTION_TS, 4 | DATA},
        {0x50, CODE, EXCEPTION_TS, CODE},
        {0x50, READ_ONLY, EXCEPTION_TS, READ_ONLY},
        {0x50, ABSENT, EXCEPTION_SS, ABSENT},
        {0x50, DATA | 1, EXCEPTION_TS, DATA},
        {0x50, USER_DATA, EXCEPTION_TS, USER_DATA & ~3},
        {0x54, BEYOND, EXCEPTION_TS, BEYOND},
        {0x48, ABSENT, EXCEPTION_NP, ABSENT},
        {0x58, DATA | 3, EXCEPTION_TS, DATA},
        {0x5C, B, EXCEPTION_TS, B},
        {0x4C, 0, EXCEPTION_TS, 0},
        {0x4C, DATA, EXCEPTION_TS, DATA},
        {0x4C, USER_CODE & ~3, EXCEPTION_TS, USER_CODE & ~3},
        {0x4C, BEYOND, EXCEPTION_TS, BEYOND},
    };
    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++)
        for (unsigned external = 0; external < 2; external++) {
            struct task_state s = new_state();
            struct task_request request = {TASK_GATE, B, external, false, 0};
            put32(TSS_B + rows[i].offset, rows[i].value);
            struct task_outcome outcome = task_switch(&s, &memory, &request);
            assert_fault(outcome, rows[i].vector, rows[i].error | external);
            assert_true(outcome.switched);
            assert_int_equal(s.segment[TASK_TR].selector, B);
            assert_int_equal(s.eip, TSS_B);
            /* SS first: until it is loaded the level is 3. */
            bool stack = rows[i].offset != 0x50 && rows[i].offset != 0x60;
            assert_int_equal(s.segment[TASK_SS].rights & (SEGMENT_DPL_MASK | SEGMENT_UNUSABLE),
                             stack ? 0 : SEGMENT_DPL(3) | SEGMENT_UNUSABLE);
        }
}

static void a_fresh_segment_becomes_accessed_or_the_page_faults(void **state)
{
    (void)state;
    struct task_state s = new_state();
    put32(TSS_B + 0x54, FRESH);
    assert_int_equal(go(&s, TASK_JUMP, B).vector, TASK_NO_FAULT);
    assert_int_equal(type_of(FRESH), SEGMENT_TYPE_DATA_RW);
    assert_true(s.segment[TASK_DS].rights & SEGMENT_TYPE_ACCESSED);
    s = new_state();
    page(&s);
    put32(TSS_B + 0x54, FRESH);
    put32(TSS_B + 0x1C, PD + 0x2000); /* where the same page is not writable */
    put32(PD + 0x2000, PT + 0x2007);
    memcpy(memory_bytes + PT + 0x2000, memory_bytes + PT, PAGE_SIZE);
    put32(PT + 0x2000 + (GDT >> 12) * 4, GDT + 5);
    struct task_outcome outcome = go(&s, TASK_JUMP, B);
    assert_fault(outcome, EXCEPTION_PF, 3);
    assert_int_equal(outcome.cr2, GDT + FRESH + 5);
    assert_true(outcome.switched);
    assert_int_equal(s.paging.cr3, PD + 0x2000);
}

static void pae_paging_reads_its_pdptes_with_a_new_cr3(void **state)
{
    (void)state;
    for (unsigned legal = 0; legal < 3; legal++) {
        struct task_state s = new_state();
        s.paging.cr0 |= CR0_PG;
        s.paging.cr4 = CR4_PAE;
        s.paging.cr3 = 0xA000;
        s.paging.pdpte[0] = PD | PTE_P;
        put32(PD, 0 | 0x87);
        put32(TSS_B + 0x1C, legal == 2 ? 0x4000000 : 0xB000);
        put32(0xB000, PD | PTE_P);
        put32(0xB008, legal ? 0 : 0x1 | 0x2); /* a reserved bit */
        struct task_outcome outcome = go(&s, TASK_JUMP, B);
        assert_true(outcome.switched);
        if (legal == 1)
            assert_int_equal(outcome.vector, TASK_NO_FAULT);
        else
            assert_fault(outcome, EXCEPTION_TS, 0);
        assert_int_equal(s.paging.pdpte[0], legal == 1 ? PD | PTE_P : 0);
    }
}

/* ---- whatever a guest may write ---------------------------------------------------------- */

/* SDM vol. 3C, 27.3.1.2 "Checks on Guest Segment Registers": what VM entry refuses. */
static void assert_limit_fits(const struct task_segment *s)
{
    assert_false(s->rights & SEGMENT_RESERVED);
    assert_true((s->limit & 0xFFF) == 0xFFF || !(s->rights & SEGMENT_G));
    assert_true(!(s->limit >> 20) || (s->rights & SEGMENT_G));
}

static void assert_entry_takes(const struct task_state *s)
{
    const struct task_segment *cs = &s->segment[TASK_CS], *ss = &s->segment[TASK_SS];
    const struct task_segment *tr = &s->segment[TASK_TR], *ldtr = &s->segment[TASK_LDTR];
    assert_int_equal(s->eflags & RFLAGS_RESERVED0, 0);
    assert_true(s->eflags & RFLAGS_FIXED);
    assert_false(tr->selector & SELECTOR_TI);
    assert_true((tr->rights & (SEGMENT_UNUSABLE | 0x97)) == 0x83);
    assert_limit_fits(tr);
    if (!(ldtr->rights & SEGMENT_UNUSABLE)) {
        assert_false(ldtr->selector & SELECTOR_TI);
        assert_int_equal(ldtr->rights & 0xFF & ~SEGMENT_DPL_MASK, SEGMENT_RIGHTS_LDT);
        assert_limit_fits(ldtr);
    }
    for (unsigned i = 0; i < TASK_LDTR; i++) {
        const struct task_segment *segment = &s->segment[i];
        uint32_t type = segment->rights & SEGMENT_TYPE_MASK;
        if (s->eflags & RFLAGS_VM) {
            assert_int_equal(segment->base, (uint32_t)segment->selector << 4);
            assert_int_equal(segment->limit, 0xFFFF);
            assert_int_equal(segment->rights, 0xF3);
            continue;
        }
        if (i != TASK_CS && (segment->rights & SEGMENT_UNUSABLE))
            continue;
        assert_int_equal(segment->rights & (SEGMENT_S | SEGMENT_P), SEGMENT_S | SEGMENT_P);
        assert_true(type & SEGMENT_TYPE_ACCESSED);
        assert_limit_fits(segment);
        if (i == TASK_CS)
            assert_true(type & SEGMENT_TYPE_CODE);
        else if (i == TASK_SS)
            assert_true(type == 3 || type == 7);
        else
            assert_true(!(type & SEGMENT_TYPE_CODE) || (type & SEGMENT_TYPE_READABLE));
    }
    if (s->eflags & RFLAGS_VM)
        return;
    uint32_t cs_dpl = cs->rights & SEGMENT_DPL_MASK, ss_dpl = ss->rights & SEGMENT_DPL_MASK;
    assert_false(cs->rights & SEGMENT_UNUSABLE);
    if (cs->rights & SEGMENT_TYPE_CONFORMING)
        assert_true(cs_dpl <= ss_dpl);
    else
        assert_int_equal(cs_dpl, ss_dpl);
}

/* Likely good, at times not. */
static uint16_t random_selector(void)
{
    static const uint16_t good[] = {CODE, DATA, USER_CODE, USER_DATA, 0, DATA, FRESH};
    if (random_below(4))
        return good[random_below(ARRAY_SIZE(good))];
    return (uint16_t)(random_below(0x20) << 3 | random_below(8));
}

static void scramble(struct task_state *s)
{
    for (uint16_t selector = 0x60; selector < 0xC0; selector += 8)
        describe(selector, (uint32_t)random_u64() & 0xFFFF, (uint32_t)random_u64() & 0xFFFFF,
                 (uint32_t)random_u64() & 0xF0FF);
    for (unsigned i = 0x48; i < 0x60; i += 4)
        put32(TSS_B + i, random_selector());
    if (random_below(2)) /* of level 3 */
        for (unsigned i = 0x48; i < 0x60; i += 4)
            put32(TSS_B + i, i == 0x4C ? USER_CODE : USER_DATA);
    if (!random_below(4))
        put32(TSS_B + 0x60, (uint32_t)(random_below(0x20) << 3));
    put32(TSS_B + 0x24,
          (uint32_t)random_u64() & (random_below(3) ? ~(uint32_t)RFLAGS_VM : UINT32_MAX));
    put32(TSS_B + 0x38, (uint32_t)random_u64() >> random_below(32));
    if (!random_below(4))
        describe(B, (uint32_t)random_u64() >> random_below(32), (uint32_t)random_below(0x80),
                 (uint32_t)random_u64() & 0xF0FF);
    if (!random_below(8))
        s->gdt_base = (uint32_t)random_u64();
    if (!random_below(4)) {
        page(s);
        set_page((uint32_t)random_below(16) << 12, (uint32_t)random_below(8));
        put32(TSS_B + 0x1C, random_below(4) ? PD : (uint32_t)random_u64());
    }
}

static void no_table_can_make_a_state_that_vm_entry_refuses(void **state)
{
    (void)state;
    unsigned switched = 0, whole = 0;
    random_seed(0x7A5C);
    for (unsigned i = 0; i < 100000; i++) {
        struct task_state s = new_state();
        struct task_request request = {
            .source = (enum task_source)random_below(4),
            .selector = random_below(8) ? B : (uint16_t)(random_u64() & 0xFF),
            .external = random_below(2),
            .has_error_code = random_below(2),
            .error_code = (uint32_t)random_u64(),
        };
        if (request.source == TASK_IRET)
            describe(B, TSS_B, 0x67, SEGMENT_P | SEGMENT_TYPE_TSS_BUSY);
        scramble(&s);
        struct task_state kept = s;
        memcpy(before, memory_bytes, sizeof(before));
        struct task_outcome outcome = task_switch(&s, &memory, &request);
        if (outcome.switched) {
            assert_entry_takes(&s);
        } else {
            assert_int_not_equal(outcome.vector, TASK_NO_FAULT);
            assert_memory_equal(&s, &kept, sizeof(s));
            if (!(s.paging.cr0 & CR0_PG))
                assert_memory_equal(memory_bytes, before, sizeof(before));
        }
        switched += outcome.switched;
        whole += outcome.vector == TASK_NO_FAULT;
    }
    printf("%u switched, %u without a fault\n", switched, whole);
    assert_true(switched > 40000 && whole > 10000 && whole < switched);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(busy_nt_link_and_ts_are_those_of_the_table),
        cmocka_unit_test(a_32_bit_tss_holds_all_registers),
        cmocka_unit_test(a_16_bit_tss_holds_halves),
        cmocka_unit_test(an_error_code_is_pushed_as_wide_as_the_tss),
        cmocka_unit_test(the_t_flag_traps_unless_something_faults),
        cmocka_unit_test(faults_before_the_commit_point_leave_the_old_task),
        cmocka_unit_test(page_faults_come_before_the_first_side_effect),
        cmocka_unit_test(faults_behind_it_are_the_new_tasks),
        cmocka_unit_test(a_fresh_segment_becomes_accessed_or_the_page_faults),
        cmocka_unit_test(pae_paging_reads_its_pdptes_with_a_new_cr3),
        cmocka_unit_test(no_table_can_make_a_state_that_vm_entry_refuses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
