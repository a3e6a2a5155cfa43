#include "vcpu/entry_state.h"

#include "base/x86/cr.h"
#include "base/x86/eflags.h"
#include "base/x86/segment.h"

#define BOOT_SECTOR_STACK   0x7C00
#define REAL_IDT_LIMIT      0x3FF
#define LINUX_SETUP_SEGMENT 0x20 /* 512 bytes: the sector that is not run */
#define FLAT_LIMIT          0xFFFFFFFF

static void set_segment(struct reset_segment *segment, uint16_t selector)
{
    segment->selector = selector;
    segment->base = (uint64_t)selector << 4;
}

/* SDM vol. 3B, 21.1 "Real-Address Mode". */
struct entry_state entry_state_boot_sector(uint64_t cr0, uint16_t cs, uint16_t ip, uint8_t drive)
{
    struct entry_state entry = {.processor = reset_state_after_init(cr0, drive),
                                .rsp = BOOT_SECTOR_STACK};
    set_segment(&entry.processor.cs, cs);
    entry.processor.rip = ip;
    entry.processor.idtr_limit = REAL_IDT_LIMIT;
    return entry;
}

struct entry_state entry_state_linux16(uint64_t cr0, uint16_t segment, uint16_t stack)
{
    struct entry_state entry =
        entry_state_boot_sector(cr0, (uint16_t)(segment + LINUX_SETUP_SEGMENT), 0, 0);
    set_segment(&entry.processor.data, segment);
    entry.rsp = stack;
    return entry;
}

/* The kernel makes an IDT and a stack of its own before it needs one. */
struct entry_state entry_state_linux(uint64_t cr0, uint32_t entry_ip, uint32_t params, uint32_t gdt)
{
    struct entry_state entry = {.processor = reset_state_after_init(cr0, 0), .rsi = params};
    struct reset_state *processor = &entry.processor;
    processor->cr0 |= CR0_PE;
    processor->rip = entry_ip;
    processor->cs = (struct reset_segment){ENTRY_LINUX_CODE, 0, FLAT_LIMIT, SEGMENT_RIGHTS_CODE32};
    processor->data =
        (struct reset_segment){ENTRY_LINUX_DATA, 0, FLAT_LIMIT, SEGMENT_RIGHTS_DATA32};
    processor->gdtr_base = gdt;
    processor->gdtr_limit = ENTRY_LINUX_GDT_BYTES - 1;
    processor->idtr_limit = 0;
    return entry;
}

/* GDTR and IDTR hold nothing: both are the kernel's to set (Multiboot2 Specification 2.0, 3.3 "I386
 * machine state"). */
struct entry_state entry_state_multiboot(uint64_t cr0, uint32_t magic, uint32_t entry_ip,
                                         uint32_t info)
{
    struct entry_state entry = entry_state_linux(cr0, entry_ip, 0, 0);
    entry.processor.gdtr_limit = 0;
    entry.rax = magic;
    entry.rbx = info;
    return entry;
}
