#include "vcpu/reload.h"

#include "base/bits.h"
#include "base/x86/segment.h"

#define BUSY      (SEGMENT_TYPE_TSS_BUSY ^ SEGMENT_TYPE_TSS_AVAILABLE)
#define HIGH_ZERO (0x1F00ull << 32) /* of a system descriptor's second half */

/* Byte by byte: a table may begin anywhere. Accesses to it are CPL 0's, whatever EFLAGS.AC says
 * (SDM vol. 3A, 4.6 "Access Rights"). */
static bool read(const struct reload_tables *t, uint64_t linear, uint8_t *to, unsigned bytes)
{
    uint32_t error;
    gpa_t at;
    for (unsigned i = 0; i < bytes; i++)
        if (!paging_walk(&t->paging, &t->memory, linear + i, PAGING_READ, &at, &error) ||
            !t->memory.read(t->memory.context, to + i, at, 1))
            return false;
    return true;
}

bool reload_gives(const struct reload_tables *t, const struct reload_segment *s)
{
    uint64_t raw[2] = {0, 0}, offset = s->selector & ~7u;
    bool local = s->selector & SELECTOR_TI, system = !(s->rights & SEGMENT_S);
    const struct reload_segment *table = local ? &t->ldt : &t->gdt;
    unsigned bytes = system ? 16 : 8;
    if (!(s->selector & ~SELECTOR_RPL_MASK))
        return true;
    if ((local && (system || (table->rights & SEGMENT_UNUSABLE))) ||
        offset + bytes - 1 > table->limit || !read(t, table->base + offset, (void *)raw, bytes))
        return false;
    uint32_t rights = segment_descriptor_rights(raw[0]);
    uint64_t base = raw[1] << 32 | segment_descriptor_base(raw[0]);
    if (system && (rights & SEGMENT_TYPE_MASK) == SEGMENT_TYPE_TSS_AVAILABLE)
        rights |= BUSY;
    return rights == s->rights && segment_descriptor_limit(raw[0]) == s->limit &&
           (!system || (base == s->base && !(raw[1] & HIGH_ZERO)));
}
