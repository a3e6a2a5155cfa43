#include "kernel/percpu.h"

#include "base/hw.h"
#include "base/x86/msr.h"
#include "kernel/descriptors.h"
#include "kernel/stop.h"
#include "lib/string.h"

/* A TSS descriptor takes two entries (SDM vol. 3A, 8.2.3 "TSS Descriptor in 64-bit mode"): type 9,
 * available, present; the upper entry holds bits 63:32 of the base. */
static void set_tss_descriptor(struct cpu *cpu)
{
    uint64_t base = (uint64_t)&cpu->tss;
    uint64_t limit = sizeof(cpu->tss) - 1;
    cpu->gdt[3] = limit | (base & 0xFFFFFF) << 16 | 0x89ull << 40 | (base >> 24 & 0xFF) << 56;
    cpu->gdt[4] = base >> 32;
}

static void load_descriptors(const struct cpu *cpu)
{
    struct {
        uint16_t limit;
        uint64_t base;
    } __attribute__((packed)) pointer = {sizeof(cpu->gdt) - 1, (uint64_t)cpu->gdt};

    __asm__ volatile("lgdt %0\n\t"
                     "pushq %1\n\t"
                     "leaq 1f(%%rip), %%rax\n\t"
                     "pushq %%rax\n\t"
                     "lretq\n"
                     "1: movl %2, %%eax\n\t"
                     "movl %%eax, %%ds\n\t"
                     "movl %%eax, %%es\n\t"
                     "movl %%eax, %%ss\n\t"
                     "xorl %%eax, %%eax\n\t"
                     "movl %%eax, %%fs\n\t"
                     "movl %%eax, %%gs\n\t"
                     "lldt %%ax\n\t"
                     "movl %3, %%eax\n\t"
                     "ltr %%ax"
                     :
                     : "m"(pointer), "i"(HOST_CS), "i"(HOST_DS), "i"(HOST_TSS)
                     : "rax", "memory");
}

void percpu_enter(struct cpu *cpu, uint32_t number, uint32_t apic_id, const uint64_t stacks[3])
{
    memset(cpu, 0, sizeof(*cpu));
    cpu->self = cpu;
    cpu->number = number;
    cpu->apic_id = apic_id;
    cpu->state = CPU_ROOT;
    cpu->gdt[HOST_CS / 8] = GDT_CODE64;
    cpu->gdt[HOST_DS / 8] = GDT_DATA;
    cpu->tss.ist[IST_NMI - 1] = stacks[0];
    cpu->tss.ist[IST_DF - 1] = stacks[1];
    cpu->tss.ist[IST_MC - 1] = stacks[2];
    cpu->tss.io_map_base = sizeof(cpu->tss); /* beyond the limit: no bitmap */
    set_tss_descriptor(cpu);
    load_descriptors(cpu);
    descriptors_load_idt();
    hw_wrmsr(MSR_IA32_GS_BASE, (uint64_t)cpu);
}

static void stacks_of(uint32_t number, uint64_t stacks[3])
{
    static const uint32_t pages[] = {LAYOUT_SLOT_NMI_STACK, LAYOUT_SLOT_DF_STACK,
                                     LAYOUT_SLOT_MC_STACK};
    for (unsigned i = 0; i < ARRAY_SIZE(pages); i++)
        stacks[i] = (uint64_t)percpu_slot(number, pages[i] + 1);
}

void percpu_enter_slot(uint32_t number, uint32_t apic_id)
{
    struct cpu *cpu = percpu_get(number);
    uint64_t stacks[3];
    stacks_of(number, stacks);
    percpu_enter(cpu, number, apic_id, stacks);
    cpu->vcpu = percpu_slot(number, LAYOUT_SLOT_VCPU);
    guest_access_open_windows(cpu->windows, number);
}

void percpu_nmi_taken(struct cpu *cpu)
{
    cpu->nmi_generation = stop_generation();
    if (!__atomic_exchange_n(&cpu->kicked, 0, __ATOMIC_SEQ_CST)) {
        percpu_guest_nmi(cpu);
        return;
    }
    cpu->nmis_kicked++;
    percpu_attend(cpu, ATTENTION_KICKED);
}
