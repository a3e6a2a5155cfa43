#include "kernel/time.h"

#include "base/hw.h"
#include "base/log.h"
#include "base/x86/cpuid.h"
#include "kernel/log.h"

#define PM_TIMER_HZ                                                                                \
    3579545ull /* ACPI Specification 6.5, section 4.8.2.1 "Power Management Timer" */
#define PM_TIMER_MASK 0xFFFFFFull
#define PIT_HZ        1193182ull
#define MEASURE_US    1000
#define STUCK_POLLS   200000 /* a clock that does not move for so long is none */

#define PIT_CHANNEL0  0x40
#define PIT_COMMAND   0x43
#define PIT_READ_BACK 0xC2 /* latch status and count of channel 0 */

static uint64_t origin;
static uint64_t tsc_khz; /* 0: not measured */

/* A free-running clock: how to read it, and which way and how far it counts. */
struct clock {
    const char *name;
    uint64_t (*read)(uint16_t port);
    uint64_t hz;
    uint64_t mask;
};

static uint64_t read_pm_timer(uint16_t port) { return hw_in32(port); }

/* Latching does not disturb the count. In mode 3 the counter goes down by two, and wraps twice a
 * period, so that half its count runs like the count of mode 2 (Intel 8254 data sheet, "Mode
 * Definitions"). Negated, for it counts down. */
static uint64_t read_pit(uint16_t port)
{
    hw_out8(PIT_COMMAND, PIT_READ_BACK);
    uint8_t status = hw_in8(port);
    uint64_t count = hw_in8(port);
    count |= (uint64_t)hw_in8(port) << 8;
    return (status & 0x6) == 0x6 ? 0 - (count >> 1) : 0 - count;
}

static const struct clock pm_timer = {"ACPI PM timer", read_pm_timer, PM_TIMER_HZ, PM_TIMER_MASK};
static const struct clock pit = {"PIT channel 0", read_pit, PIT_HZ, 0x7FFF};

/* TSC ticks while the clock runs for MEASURE_US, in kHz; 0 where it stands still. */
static uint64_t measure(const struct clock *clock, uint16_t port)
{
    uint64_t wanted = clock->hz * MEASURE_US / 1000000;
    uint64_t first = clock->read(port), tsc = hw_rdtsc(), passed = 0;
    unsigned still = 0;
    do {
        log_pump();
        uint64_t now = (clock->read(port) - first) & clock->mask;
        still = now == passed ? still + 1 : 0;
        passed = now;
        if (still > STUCK_POLLS)
            return 0;
    } while (passed < wanted);
    return passed ? (hw_rdtsc() - tsc) * clock->hz / passed / 1000 : 0;
}

static uint64_t ask_cpuid(void)
{
    if (hw_cpuid(CPUID_LEAF_VENDOR, 0).eax < 0x16)
        return 0;
    return (uint64_t)(hw_cpuid(0x16, 0).eax & 0xFFFF) * 1000;
}

void time_calibrate(uint16_t pm_timer_port)
{
    const char *source = pm_timer.name;
    uint64_t khz = pm_timer_port ? measure(&pm_timer, pm_timer_port) : 0;
    if (!khz) {
        source = pit.name;
        khz = measure(&pit, PIT_CHANNEL0);
    }
    if (!khz) {
        source = "CPUID leaf 16H; no timer answers";
        khz = ask_cpuid();
    }
    if (!khz) {
        source = "a guess; no timer answers";
        khz = 1000000;
    }
    tsc_khz = khz;
    log_debug("time", "TSC %llu.%03llu MHz (%s)", (unsigned long long)khz / 1000,
              (unsigned long long)khz % 1000, source);
}

void time_set_origin(uint64_t tsc) { origin = tsc; }

static uint64_t us_of(uint64_t ticks)
{
    return tsc_khz ? ticks / tsc_khz * 1000 + ticks % tsc_khz * 1000 / tsc_khz : 0;
}

/* A guest may set the TSC back. */
uint64_t time_us_at(uint64_t tsc) { return us_of(tsc > origin ? tsc - origin : 0); }

uint64_t time_us(void) { return us_of(hw_rdtsc()); }

uint64_t time_tsc_per_us(void) { return tsc_khz / 1000; }
uint64_t time_ticks(uint64_t us) { return us * tsc_khz / 1000; }

void time_delay_us(uint64_t us)
{
    uint64_t start = hw_rdtsc(), ticks = time_ticks(us);
    while (hw_rdtsc() - start < ticks) {
        log_pump();
        hw_pause();
    }
}
