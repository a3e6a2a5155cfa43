/* The hardware port: the only inline assembly outside vmx/. Unit tests of code that touches the
 * machine put tests/unit/fake/ first on the include path and get their own. */
#pragma once

#include "base/types.h"

static inline uint8_t hw_in8(uint16_t port)
{
    uint8_t value;
    __asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
    return value;
}

static inline uint32_t hw_in32(uint16_t port)
{
    uint32_t value;
    __asm__ volatile("inl %1, %0" : "=a"(value) : "Nd"(port));
    return value;
}

static inline uint16_t hw_in16(uint16_t port)
{
    uint16_t value;
    __asm__ volatile("inw %1, %0" : "=a"(value) : "Nd"(port));
    return value;
}

static inline void hw_out8(uint16_t port, uint8_t value)
{
    __asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port));
}

static inline void hw_out16(uint16_t port, uint16_t value)
{
    __asm__ volatile("outw %0, %1" : : "a"(value), "Nd"(port));
}

static inline void hw_out32(uint16_t port, uint32_t value)
{
    __asm__ volatile("outl %0, %1" : : "a"(value), "Nd"(port));
}

struct cpuid_regs {
    uint32_t eax, ebx, ecx, edx;
};

static inline struct cpuid_regs hw_cpuid(uint32_t leaf, uint32_t subleaf)
{
    struct cpuid_regs r;
    __asm__ volatile("cpuid"
                     : "=a"(r.eax), "=b"(r.ebx), "=c"(r.ecx), "=d"(r.edx)
                     : "a"(leaf), "c"(subleaf));
    return r;
}

/* A fault here is our bug and panics; hw_rdmsr_safe below is for everything that may fault. */
static inline uint64_t hw_rdmsr(uint32_t index)
{
    uint32_t low, high;
    __asm__ volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(index));
    return (uint64_t)high << 32 | low;
}

static inline void hw_wrmsr(uint32_t index, uint64_t value)
{
    __asm__ volatile("wrmsr"
                     :
                     : "c"(index), "a"((uint32_t)value), "d"((uint32_t)(value >> 32))
                     : "memory");
}

/* Fault-safe forms: false where the processor answered with #GP or #UD, and nothing changed.
 * Defined in kernel/fault_safe.asm, resumed by kernel/traps.c. Any CPU, root mode. */
bool hw_rdmsr_safe(uint32_t index, uint64_t *value);
bool hw_wrmsr_safe(uint32_t index, uint64_t value);
bool hw_xsetbv_safe(uint32_t index, uint64_t value);

static inline uint64_t hw_rdtsc(void)
{
    uint32_t low, high;
    __asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
    return (uint64_t)high << 32 | low;
}

#define HW_CR_ACCESSORS(n)                                                                         \
    static inline uint64_t hw_read_cr##n(void)                                                     \
    {                                                                                              \
        uint64_t value;                                                                            \
        __asm__ volatile("mov %%cr" #n ", %0" : "=r"(value));                                      \
        return value;                                                                              \
    }                                                                                              \
    static inline void hw_write_cr##n(uint64_t value)                                              \
    {                                                                                              \
        __asm__ volatile("mov %0, %%cr" #n : : "r"(value) : "memory");                             \
    }
HW_CR_ACCESSORS(0)
HW_CR_ACCESSORS(2)
HW_CR_ACCESSORS(3)
HW_CR_ACCESSORS(4)

/* The guest's: VM entry and exit leave it in the register. */
static inline uint64_t hw_read_dr6(void)
{
    uint64_t value;
    __asm__ volatile("mov %%dr6, %0" : "=r"(value));
    return value;
}

static inline void hw_write_dr6(uint64_t value)
{
    __asm__ volatile("mov %0, %%dr6" : : "r"(value));
}

/* The host's: VM entry and exit load it. */
static inline uint64_t hw_read_dr7(void)
{
    uint64_t value;
    __asm__ volatile("mov %%dr7, %0" : "=r"(value));
    return value;
}

static inline void hw_write_dr7(uint64_t value)
{
    __asm__ volatile("mov %0, %%dr7" : : "r"(value));
}

/* DR0 to DR3, the guest's and a debugger's. */
static inline void hw_read_breakpoints(uint64_t address[4])
{
    __asm__ volatile("mov %%dr0, %0\n\tmov %%dr1, %1\n\tmov %%dr2, %2\n\tmov %%dr3, %3"
                     : "=r"(address[0]), "=r"(address[1]), "=r"(address[2]), "=r"(address[3]));
}

static inline void hw_write_breakpoints(const uint64_t address[4])
{
    __asm__ volatile("mov %0, %%dr0\n\tmov %1, %%dr1\n\tmov %2, %%dr2\n\tmov %3, %%dr3"
                     :
                     : "r"(address[0]), "r"(address[1]), "r"(address[2]), "r"(address[3]));
}

static inline void hw_invlpg(uint64_t address)
{
    __asm__ volatile("invlpg (%0)" : : "r"(address) : "memory");
}

static inline void hw_wbinvd(void) { __asm__ volatile("wbinvd" : : : "memory"); }
static inline void hw_pause(void) { __asm__ volatile("pause" : : : "memory"); }
static inline void hw_halt(void) { __asm__ volatile("hlt" : : : "memory"); }
static inline void hw_disable_interrupts(void) { __asm__ volatile("cli" : : : "memory"); }
