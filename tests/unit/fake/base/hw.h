/* The hardware port for unit tests, found before the real base/hw.h: the same functions and types,
 * but each access calls a function of the test's. They are weak, so a test defines only what its
 * code uses; a call of one that is missing jumps to address 0. Waiting and flushing do nothing. */
#pragma once

#include "base/types.h"

struct cpuid_regs {
    uint32_t eax, ebx, ecx, edx;
};

#define FAKE __attribute__((weak))
FAKE extern uint32_t fake_in(uint16_t port, unsigned bytes);
FAKE extern void fake_out(uint16_t port, uint32_t value, unsigned bytes);
FAKE extern struct cpuid_regs fake_cpuid(uint32_t leaf, uint32_t subleaf);
/* false: the access faults. hw_rdmsr and hw_wrmsr stop the test then. */
FAKE extern bool fake_rdmsr(uint32_t index, uint64_t *value);
FAKE extern bool fake_wrmsr(uint32_t index, uint64_t value);
FAKE extern bool fake_xsetbv(uint32_t index, uint64_t value);
FAKE extern uint64_t fake_rdtsc(void);
FAKE extern uint64_t fake_read_cr(unsigned number);
FAKE extern void fake_write_cr(unsigned number, uint64_t value);
FAKE extern void fake_invlpg(uint64_t address);
FAKE extern void fake_halt(void);
FAKE extern void fake_wbinvd(void); /* the one that may be missing */
#undef FAKE

static inline uint8_t hw_in8(uint16_t port) { return (uint8_t)fake_in(port, 1); }
static inline uint16_t hw_in16(uint16_t port) { return (uint16_t)fake_in(port, 2); }
static inline uint32_t hw_in32(uint16_t port) { return fake_in(port, 4); }
static inline void hw_out8(uint16_t port, uint8_t value) { fake_out(port, value, 1); }
static inline void hw_out16(uint16_t port, uint16_t value) { fake_out(port, value, 2); }
static inline void hw_out32(uint16_t port, uint32_t value) { fake_out(port, value, 4); }

static inline struct cpuid_regs hw_cpuid(uint32_t leaf, uint32_t subleaf)
{
    return fake_cpuid(leaf, subleaf);
}

static inline uint64_t hw_rdmsr(uint32_t index)
{
    uint64_t value = 0;
    if (!fake_rdmsr(index, &value))
        __builtin_trap();
    return value;
}

static inline void hw_wrmsr(uint32_t index, uint64_t value)
{
    if (!fake_wrmsr(index, value))
        __builtin_trap();
}

static inline bool hw_rdmsr_safe(uint32_t index, uint64_t *value)
{
    return fake_rdmsr(index, value);
}

static inline bool hw_wrmsr_safe(uint32_t index, uint64_t value)
{
    return fake_wrmsr(index, value);
}

static inline bool hw_xsetbv_safe(uint32_t index, uint64_t value)
{
    return fake_xsetbv(index, value);
}

static inline uint64_t hw_rdtsc(void) { return fake_rdtsc(); }

static inline uint64_t hw_read_cr0(void) { return fake_read_cr(0); }
static inline uint64_t hw_read_cr2(void) { return fake_read_cr(2); }
static inline uint64_t hw_read_cr3(void) { return fake_read_cr(3); }
static inline uint64_t hw_read_cr4(void) { return fake_read_cr(4); }
static inline void hw_write_cr0(uint64_t value) { fake_write_cr(0, value); }
static inline void hw_write_cr2(uint64_t value) { fake_write_cr(2, value); }
static inline void hw_write_cr3(uint64_t value) { fake_write_cr(3, value); }
static inline void hw_write_cr4(uint64_t value) { fake_write_cr(4, value); }

static inline void hw_invlpg(uint64_t address) { fake_invlpg(address); }
static inline void hw_wbinvd(void)
{
    if (fake_wbinvd)
        fake_wbinvd();
}
static inline void hw_pause(void) {}
static inline void hw_halt(void) { fake_halt(); }
static inline void hw_disable_interrupts(void) {}
