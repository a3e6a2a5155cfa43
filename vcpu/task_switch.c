#include "vcpu/task_switch.h"

#include "base/bits.h"
#include "base/x86/cr.h"
#include "base/x86/eflags.h"
#include "base/x86/segment.h"
#include "lib/string.h"
#include "vcpu/cr_rules.h"

#define TSS_LINK        0u
#define TSS_MAX_BYTES   104u
#define TSS32_CR3       0x1Cu
#define TSS32_TRAP      0x64u
#define DESCRIPTOR_TYPE 5u /* the byte of a descriptor that holds busy and accessed */
#define BUSY            (SEGMENT_TYPE_TSS_BUSY ^ SEGMENT_TYPE_TSS_AVAILABLE)
#define TSS_IS_32       8u /* of the type */

#define EFLAGS_LOADED ((uint32_t)~RFLAGS_RESERVED0)
#define DR7_LOCAL     0x155u /* L0 to L3 and LE */
#define RIGHTS_V86    (SEGMENT_RIGHTS_REAL_DATA | SEGMENT_DPL_MASK)

/* Both kinds of TSS hold EIP, EFLAGS, eight registers, segment selectors and LDT in this order, in
 * slots of four or two bytes (SDM vol. 3A, figures 8-2 and 8-10). */
static const struct layout {
    uint8_t slot, first, segments, saved; /* bytes, offset, number, bytes up to the last selector */
    uint8_t limit, old_limit;             /* at least */
} layouts[2] = {
    {2, 14, 4, 28, 0x2B, 0x29},
    {4, 32, 6, 62, 0x67, 0x5F},
};

struct task {
    struct task_state *s;
    const struct physical_memory *memory;
    const struct task_request *request;
    struct task_outcome outcome;
};

static bool fault(struct task *t, unsigned vector, uint32_t error_code)
{
    t->outcome.vector = vector;
    t->outcome.error_code = error_code;
    return false;
}

/* Its error code is a selector, or none, with EXT (SDM vol. 3A, 6.13 "Error Code"). */
static bool bad(struct task *t, unsigned vector, uint32_t selector)
{
    return fault(t, vector, (selector & ~(uint32_t)SELECTOR_RPL_MASK) | t->request->external);
}

/* ---- linear memory ----------------------------------------------------------------------- */

/* Linear bytes that were found, across one page boundary at most. */
struct span {
    gpa_t first, second;
    uint32_t before; /* as many bytes lie at `first` */
};

static bool locate(struct task *t, uint32_t linear, unsigned access, gpa_t *at)
{
    uint32_t error;
    if (paging_walk(&t->s->paging, t->memory, linear, access, at, &error))
        return true;
    t->outcome.cr2 = linear;
    return fault(t, EXCEPTION_PF, error);
}

/* Addresses wrap at 4 GiB. */
static bool map(struct task *t, uint32_t linear, uint32_t bytes, unsigned access, struct span *span)
{
    uint32_t last = linear + bytes - 1;
    span->before = (uint32_t)min_u64(bytes, PAGE_SIZE - (linear & PAGE_MASK));
    if (!locate(t, linear, access, &span->first))
        return false;
    if (span->before == bytes)
        return true;
    bool found = locate(t, last, access, &span->second);
    span->second.v &= ~PAGE_MASK;
    return found;
}

static gpa_t span_at(const struct span *span, uint32_t offset)
{
    return offset < span->before ? GPA(span->first.v + offset)
                                 : GPA(span->second.v + (offset - span->before));
}

static void span_read(const struct task *t, const struct span *span, void *to, uint32_t bytes)
{
    uint32_t head = (uint32_t)min_u64(bytes, span->before);
    memset(to, 0xFF, bytes);
    (void)t->memory->read(t->memory->context, to, span->first, head);
    if (head < bytes)
        (void)t->memory->read(t->memory->context, (uint8_t *)to + head, span->second, bytes - head);
}

static void span_write(const struct task *t, const struct span *span, const void *from,
                       uint32_t bytes)
{
    uint32_t head = (uint32_t)min_u64(bytes, span->before);
    t->memory->write(t->memory->context, span->first, from, head);
    if (head < bytes)
        t->memory->write(t->memory->context, span->second, (const uint8_t *)from + head,
                         bytes - head);
}

static bool read_linear(struct task *t, uint32_t linear, void *to, uint32_t bytes)
{
    struct span span;
    if (!map(t, linear, bytes, PAGING_READ, &span))
        return false;
    span_read(t, &span, to, bytes);
    return true;
}

/* One bit of a descriptor's type becomes `on`, at once, so that another CPU's change of the others
 * is not lost. */
static void set_type_bit(const struct task *t, gpa_t at, uint8_t bit, bool on)
{
    uint8_t old = 0;
    for (unsigned tries = 16; tries; tries--) {
        (void)t->memory->read(t->memory->context, &old, at, 1);
        uint8_t value = on ? old | bit : old & (uint8_t)~bit;
        if (t->memory->exchange(t->memory->context, at, old, value, 1))
            return;
    }
}

/* ---- descriptors ------------------------------------------------------------------------- */

struct descriptor {
    uint32_t at; /* linear */
    struct task_segment segment;
};

static uint32_t dpl_of(const struct task_segment *segment)
{
    return (uint32_t)bits_get(segment->rights, SEGMENT_DPL_MASK);
}

/* `vector` where the selector is beyond its table, or that table is not there. */
static bool fetch(struct task *t, uint16_t selector, unsigned vector, struct descriptor *d)
{
    const struct task_segment *ldt = &t->s->segment[TASK_LDTR];
    bool local = selector & SELECTOR_TI;
    uint32_t offset = selector & ~7u, limit = local ? ldt->limit : t->s->gdt_limit;
    if ((local && (ldt->rights & SEGMENT_UNUSABLE)) || offset + 7 > limit)
        return bad(t, vector, selector);
    uint64_t raw;
    d->at = (local ? ldt->base : t->s->gdt_base) + offset;
    if (!read_linear(t, d->at, &raw, sizeof(raw)))
        return false;
    d->segment =
        (struct task_segment){selector, segment_descriptor_base(raw), segment_descriptor_limit(raw),
                              segment_descriptor_rights(raw)};
    return true;
}

static bool is_null(uint16_t selector) { return !(selector & ~SELECTOR_RPL_MASK); }

/* Into a segment register, marked as accessed (SDM vol. 3A, 3.4.5.1 "Code- and Data-Segment
 * Descriptor Types"). VM entry wants the flag in the register too. */
static bool load(struct task *t, enum task_segment_name name, struct descriptor *d)
{
    if (!(d->segment.rights & SEGMENT_TYPE_ACCESSED)) {
        struct span span;
        if (!map(t, d->at + DESCRIPTOR_TYPE, 1, PAGING_WRITE, &span))
            return false;
        set_type_bit(t, span.first, SEGMENT_TYPE_ACCESSED, true);
        d->segment.rights |= SEGMENT_TYPE_ACCESSED;
    }
    t->s->segment[name] = d->segment;
    return true;
}

static bool is_code(const struct task_segment *s) { return s->rights & SEGMENT_TYPE_CODE; }
static bool is_conforming(const struct task_segment *s)
{
    return is_code(s) && (s->rights & SEGMENT_TYPE_CONFORMING);
}

static bool load_ldt(struct task *t)
{
    uint16_t selector = t->s->segment[TASK_LDTR].selector;
    struct descriptor d;
    if (selector & SELECTOR_TI)
        return bad(t, EXCEPTION_TS, selector);
    if (is_null(selector))
        return true;
    if (!fetch(t, selector, EXCEPTION_TS, &d))
        return false;
    if ((d.segment.rights & (SEGMENT_TYPE_MASK | SEGMENT_S | SEGMENT_P)) != SEGMENT_RIGHTS_LDT)
        return bad(t, EXCEPTION_TS, selector);
    t->s->segment[TASK_LDTR] = d.segment;
    return true;
}

/* The CPL is the RPL of CS from here on, and the DPL of SS shows it. */
static bool load_stack(struct task *t)
{
    uint16_t selector = t->s->segment[TASK_SS].selector;
    uint32_t cpl = t->s->segment[TASK_CS].selector & SELECTOR_RPL_MASK;
    struct descriptor d;
    if (is_null(selector))
        return bad(t, EXCEPTION_TS, selector);
    if (!fetch(t, selector, EXCEPTION_TS, &d))
        return false;
    if (!(d.segment.rights & SEGMENT_S) || is_code(&d.segment) ||
        !(d.segment.rights & SEGMENT_TYPE_WRITABLE))
        return bad(t, EXCEPTION_TS, selector);
    if (!(d.segment.rights & SEGMENT_P))
        return bad(t, EXCEPTION_SS, selector);
    if (dpl_of(&d.segment) != cpl || dpl_of(&d.segment) != (selector & SELECTOR_RPL_MASK))
        return bad(t, EXCEPTION_TS, selector);
    return load(t, TASK_SS, &d);
}

static bool load_data(struct task *t, enum task_segment_name name)
{
    uint16_t selector = t->s->segment[name].selector;
    uint32_t cpl = t->s->segment[TASK_CS].selector & SELECTOR_RPL_MASK;
    struct descriptor d;
    if (is_null(selector))
        return true;
    if (!fetch(t, selector, EXCEPTION_TS, &d))
        return false;
    if (!(d.segment.rights & SEGMENT_S) ||
        (is_code(&d.segment) && !(d.segment.rights & SEGMENT_TYPE_READABLE)))
        return bad(t, EXCEPTION_TS, selector);
    if (!is_conforming(&d.segment) &&
        dpl_of(&d.segment) < max_u64(cpl, selector & SELECTOR_RPL_MASK))
        return bad(t, EXCEPTION_TS, selector);
    if (!(d.segment.rights & SEGMENT_P))
        return bad(t, EXCEPTION_NP, selector);
    return load(t, name, &d);
}

static bool load_code(struct task *t)
{
    uint16_t selector = t->s->segment[TASK_CS].selector;
    uint32_t rpl = selector & SELECTOR_RPL_MASK;
    struct descriptor d;
    if (is_null(selector))
        return bad(t, EXCEPTION_TS, selector);
    if (!fetch(t, selector, EXCEPTION_TS, &d))
        return false;
    if (!(d.segment.rights & SEGMENT_S) || !is_code(&d.segment))
        return bad(t, EXCEPTION_TS, selector);
    if (is_conforming(&d.segment) ? dpl_of(&d.segment) > rpl : dpl_of(&d.segment) != rpl)
        return bad(t, EXCEPTION_TS, selector);
    if (!(d.segment.rights & SEGMENT_P))
        return bad(t, EXCEPTION_NP, selector);
    return load(t, TASK_CS, &d);
}

/* ---- before the commit point ------------------------------------------------------------- */

/* Everything that the switch touches up to the commit point, found before it changes a byte. */
struct places {
    struct descriptor tss;
    const struct layout *new, *old;
    struct span new_tss, link, old_busy, old_tss, new_busy;
};

static bool nests(const struct task *t)
{
    return t->request->source == TASK_CALL || t->request->source == TASK_GATE;
}

static const struct layout *layout_of(const struct task_segment *tss)
{
    return &layouts[(tss->rights & TSS_IS_32) != 0];
}

/* The processor looked at all this before the exit, but another CPU may have changed the table
 * since. Privileges are its alone: they depend on a gate that is not seen here. */
static bool check_new_tss(struct task *t, struct places *p)
{
    bool iret = t->request->source == TASK_IRET;
    uint16_t selector = t->request->selector;
    unsigned wrong = iret ? EXCEPTION_TS : EXCEPTION_GP;
    const uint32_t kind = SEGMENT_S | (SEGMENT_TYPE_MASK & ~TSS_IS_32);
    if (selector & SELECTOR_TI)
        return bad(t, wrong, selector);
    if (!fetch(t, selector, wrong, &p->tss))
        return false;
    uint32_t wanted = SEGMENT_TYPE_TSS16_AVAILABLE | (iret ? BUSY : 0);
    if ((p->tss.segment.rights & kind) != wanted)
        return bad(t, wrong, selector);
    if (!(p->tss.segment.rights & SEGMENT_P))
        return bad(t, EXCEPTION_NP, selector);
    p->new = layout_of(&p->tss.segment);
    return p->tss.segment.limit >= p->new->limit || bad(t, EXCEPTION_TS, selector);
}

static bool find_places(struct task *t, struct places *p)
{
    const struct task_segment *old = &t->s->segment[TASK_TR];
    uint32_t old_descriptor = t->s->gdt_base + (old->selector & ~7u), from = p->tss.segment.base;
    p->old = layout_of(old);
    if (old->limit < p->old->old_limit)
        return bad(t, EXCEPTION_TS, old->selector);
    if (!map(t, from, p->new->limit + 1u, PAGING_READ, &p->new_tss))
        return false;
    if (nests(t) && !map(t, from + TSS_LINK, 2, PAGING_WRITE, &p->link))
        return false;
    if (!nests(t) && !map(t, old_descriptor + 4, 4, PAGING_WRITE, &p->old_busy))
        return false;
    if (!map(t, old->base + p->old->first, p->old->saved, PAGING_WRITE, &p->old_tss))
        return false;
    return t->request->source == TASK_IRET || map(t, p->tss.at + 4, 4, PAGING_WRITE, &p->new_busy);
}

/* Selectors take two bytes of their slots; the others stay. */
static void save_old(const struct task *t, const struct places *p)
{
    const struct task_state *s = t->s;
    uint32_t slot = p->old->slot, values[10] = {s->eip, s->eflags};
    uint8_t image[64];
    if (t->request->source == TASK_IRET)
        values[1] &= ~(uint32_t)RFLAGS_NT;
    memcpy(&values[2], s->general, sizeof(s->general));
    span_read(t, &p->old_tss, image, p->old->saved);
    for (unsigned i = 0; i < ARRAY_SIZE(values); i++)
        memcpy(&image[i * slot], &values[i], slot);
    for (unsigned i = 0; i < p->old->segments; i++)
        memcpy(&image[(ARRAY_SIZE(values) + i) * slot], &s->segment[i].selector, 2);
    span_write(t, &p->old_tss, image, p->old->saved);
}

/* ---- behind it --------------------------------------------------------------------------- */

static uint32_t slot_of(const struct layout *layout, const uint8_t *tss, unsigned number)
{
    uint32_t value = 0;
    memcpy(&value, &tss[layout->first + number * layout->slot], layout->slot);
    return value;
}

/* Selectors alone: no segment can be used before it is checked. A fault that comes before SS is
 * loaded finds CPL 3, so that its handler gets a stack from the TSS. VM entry wants a code segment
 * whatever happens: a conforming one of level 0 goes with each CPL. */
static void load_selectors(struct task_state *s, const struct layout *layout, const uint8_t *tss)
{
    const unsigned selectors = 10;
    for (unsigned i = 0; i < TASK_LDTR; i++) {
        uint32_t value = i < layout->segments ? slot_of(layout, tss, selectors + i) : 0;
        s->segment[i] =
            (struct task_segment){.selector = (uint16_t)value, .rights = SEGMENT_UNUSABLE};
        if (s->eflags & RFLAGS_VM)
            s->segment[i] =
                (struct task_segment){(uint16_t)value, (value & 0xFFFF) << 4, 0xFFFF, RIGHTS_V86};
    }
    s->segment[TASK_LDTR] = (struct task_segment){
        .selector = (uint16_t)slot_of(layout, tss, selectors + layout->segments),
        .rights = SEGMENT_UNUSABLE};
    if (s->eflags & RFLAGS_VM)
        return;
    s->segment[TASK_SS].rights |= SEGMENT_DPL(3);
    s->segment[TASK_CS].limit = UINT32_MAX;
    s->segment[TASK_CS].rights = SEGMENT_RIGHTS_CODE32 | SEGMENT_TYPE_CONFORMING;
}

/* A 16-bit TSS leaves ones in the upper halves of the registers, as the processors of the time of
 * the 32-bit ones did. */
static void commit(struct task *t, const struct places *p, const uint8_t *tss)
{
    struct task_state *s = t->s;
    bool narrow = p->new->slot == 2;
    s->segment[TASK_TR] = p->tss.segment;
    s->segment[TASK_TR].rights |= BUSY;
    s->paging.cr0 |= CR0_TS;
    s->dr7 &= ~(uint64_t)DR7_LOCAL;
    s->eip = slot_of(p->new, tss, 0);
    s->eflags = (slot_of(p->new, tss, 1) & EFLAGS_LOADED) | (uint32_t)RFLAGS_FIXED;
    if (nests(t))
        s->eflags |= (uint32_t)RFLAGS_NT;
    for (unsigned i = 0; i < ARRAY_SIZE(s->general); i++)
        s->general[i] = slot_of(p->new, tss, 2 + i) | (narrow ? 0xFFFF0000 : 0);
    load_selectors(s, p->new, tss);
    t->outcome.switched = true;
}

/* A 16-bit TSS has no CR3. PDPTEs are read with a new CR3 (SDM vol. 3A, 4.4.1 "PDPTE Registers");
 * those that are no legal ones leave nothing mapped. */
static bool load_cr3(struct task *t, const struct places *p, const uint8_t *tss)
{
    struct paging *paging = &t->s->paging;
    uint32_t cr3;
    memcpy(&cr3, &tss[TSS32_CR3], sizeof(cr3));
    if (p->new->slot == 2 || !(paging->cr0 & CR0_PG) || cr3 == paging->cr3)
        return true;
    paging->cr3 = cr3;
    if (!(paging->cr4 & CR4_PAE))
        return true;
    bool legal =
        t->memory->read(t->memory->context, paging->pdpte, GPA(cr3 & ~31u), sizeof(paging->pdpte));
    for (unsigned i = 0; i < ARRAY_SIZE(paging->pdpte); i++)
        legal = legal && pdpte_legal(paging->pdpte[i], paging->physical_bits);
    if (legal)
        return true;
    memset(paging->pdpte, 0, sizeof(paging->pdpte));
    return bad(t, EXCEPTION_TS, 0);
}

static bool load_segments(struct task *t)
{
    if (!load_ldt(t))
        return false;
    if (t->s->eflags & RFLAGS_VM)
        return true;
    return load_stack(t) && load_data(t, TASK_DS) && load_data(t, TASK_ES) &&
           load_data(t, TASK_FS) && load_data(t, TASK_GS) && load_code(t);
}

static bool stack_holds(const struct task_segment *ss, uint32_t from, uint32_t bytes)
{
    uint32_t last = from + bytes - 1;
    if (last < from)
        return false;
    if (!(ss->rights & SEGMENT_TYPE_EXPAND))
        return last <= ss->limit;
    return from > ss->limit && (last <= 0xFFFF || (ss->rights & SEGMENT_DB));
}

/* As the new task's own push, of the width of its TSS. */
static bool push_error_code(struct task *t, uint32_t bytes)
{
    const struct task_segment *ss = &t->s->segment[TASK_SS];
    uint32_t *esp = &t->s->general[4], kept = ss->rights & SEGMENT_DB ? 0 : 0xFFFF0000;
    uint32_t to = (*esp - bytes) & ~kept;
    bool user = dpl_of(ss) == 3, ac = t->s->eflags & RFLAGS_AC;
    struct span span;
    if (!stack_holds(ss, to, bytes))
        return bad(t, EXCEPTION_SS, 0);
    if (user && ac && (t->s->paging.cr0 & CR0_AM) && !IS_ALIGNED(ss->base + to, bytes))
        return fault(t, EXCEPTION_AC, 0);
    unsigned access = PAGING_WRITE | (user ? PAGING_USER : ac ? PAGING_AC : 0);
    if (!map(t, ss->base + to, bytes, access, &span))
        return false;
    span_write(t, &span, &t->request->error_code, bytes);
    *esp = (*esp & kept) | to;
    return true;
}

static bool begin(struct task *t, const struct places *p, const uint8_t *tss)
{
    uint32_t esp = t->s->general[4];
    if (!load_cr3(t, p, tss) || !load_segments(t))
        return false;
    if (t->request->has_error_code && !push_error_code(t, p->new->slot))
        return false;
    if (t->s->eip > t->s->segment[TASK_CS].limit) {
        t->s->general[4] = esp; /* the push is undone, as with every fault */
        return bad(t, EXCEPTION_GP, 0);
    }
    t->outcome.trap = p->new->slot == 4 && (tss[TSS32_TRAP] & 1);
    return true;
}

struct task_outcome task_switch(struct task_state *state, const struct physical_memory *memory,
                                const struct task_request *request)
{
    struct task t = {state, memory, request, {.vector = TASK_NO_FAULT}};
    struct places p;
    uint8_t tss[TSS_MAX_BYTES];
    if (!check_new_tss(&t, &p) || !find_places(&t, &p))
        return t.outcome;
    if (!nests(&t))
        set_type_bit(&t, span_at(&p.old_busy, DESCRIPTOR_TYPE - 4), BUSY, false);
    save_old(&t, &p);
    if (nests(&t))
        span_write(&t, &p.link, &state->segment[TASK_TR].selector, 2);
    span_read(&t, &p.new_tss, tss, p.new->limit + 1u);
    if (request->source != TASK_IRET)
        set_type_bit(&t, span_at(&p.new_busy, DESCRIPTOR_TYPE - 4), BUSY, true);
    commit(&t, &p, tss);
    (void)begin(&t, &p, tss);
    return t.outcome;
}
