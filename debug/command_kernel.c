/* Which Linux runs, and where. */
#include "base/x86/msr.h"
#include "debug/commands.h"
#include "debug/kernel_finder.h"
#include "debug/target.h"

static size_t read(void *cpu, uint64_t address, void *to, size_t bytes)
{
    return target_read(cpu, TARGET_LINEAR, address, to, bytes);
}

static bool find(struct cpu *cpu, struct found_kernel *image)
{
    const struct kernel_memory memory = {read, cpu};
    uint64_t cr3 = target_word(cpu, TARGET_cr3);
    bool found = kernel_find(&memory, image);
    if (found || !(cr3 & TARGET_CR3_PTI_USER))
        return found;
    uint64_t before = target_set_cr3(cr3 & ~TARGET_CR3_PTI_USER);
    found = kernel_find(&memory, image);
    target_set_cr3(before);
    return found;
}

static void kernel(struct arguments *arguments)
{
    static struct found_kernel image;
    struct cpu *cpu;
    if (!monitor_cpu_argument(arguments, 0, &cpu))
        return;
    if (!(target_word(cpu, TARGET_efer) & EFER_LMA))
        say("no kernel found: cpu%u is not in IA-32e mode\n", cpu->number);
    else if (!find(cpu, &image))
        say("no kernel found: cpu%u's page tables map no 64-bit Linux\n", cpu->number);
    else
        say("%s\ntext at %016llx, offset 0x%llx\n", image.banner, (unsigned long long)image.text,
            (unsigned long long)image.offset);
}

const struct command command_kernel = {
    "kernel", "kernel [CPU]", "which Linux runs, and where KASLR has put it", kernel, false,
};
