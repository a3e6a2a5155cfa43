/* The world that debug/gdb*.c see, for tests: four CPUs, 64 KiB of memory, a session that notes
 * what is decided, a port that keeps what is sent. Memory shows at its physical addresses, and, but
 * for user tables (CR3, bit 12), at KERNEL too; the last page keeps no write. */
#pragma once

#include <string.h>

#include "debug/breakpoints.h"
#include "debug/gdb.h"
#include "debug/gdb_packets.h"
#include "debug/gdb_registers.h"
#include "debug/monitor.h"
#include "debug/port.h"
#include "debug/session.h"
#include "vmx/exit.h"
#include "vmx/guest_memory.h"
#include "vmx/machine.h"
#include "vmx/vmcs.h"

#define CPUS         4
#define MEMORY_BYTES 0x10000u
#define ROM          0xF000u
#define KERNEL       0xFFFFFFFF80000000ull
#define USER_TABLES  0x1000

struct machine machine;

static struct world {
    uint8_t memory[MEMORY_BYTES];
    struct target_value registers[CPUS][TARGET_REGISTER_COUNT];
    uint64_t cr3; /* target_set_cr3() */
    bool unknown[CPUS], stands_still, refused, gdb_talks;
    struct session_stop stop;
    char sent[8 * GDB_PACKET_BYTES];
    size_t sent_bytes;
    char decision[32], command[256];
    uint64_t now_us;
} world;

static unsigned cpu_number(const struct cpu *cpu)
{
    for (unsigned i = 0; i < CPUS; i++)
        if (percpu_get(i) == cpu)
            return i;
    return CPUS;
}

/* ---- kernel/time.h ---- */

uint64_t time_us(void) { return world.now_us; }

/* ---- debug/target.h ---- */

static const char *const register_names[] = {
#define WORLD_NAME(name, bits, from, which) #name,
    TARGET_REGISTERS(WORLD_NAME)
#undef WORLD_NAME
};
static const uint8_t register_bits[] = {
#define WORLD_BITS(name, bits, from, which) bits,
    TARGET_REGISTERS(WORLD_BITS)
#undef WORLD_BITS
};

const char *target_register_name(unsigned number) { return register_names[number]; }
unsigned target_register_bits(unsigned number) { return register_bits[number]; }

bool target_get(struct cpu *cpu, unsigned first, unsigned count, struct target_value *values)
{
    memcpy(values, &world.registers[cpu_number(cpu)][first], count * sizeof(*values));
    return !world.unknown[cpu_number(cpu)];
}

enum error target_set(struct cpu *cpu, unsigned number, struct target_value value)
{
    if (number == TARGET_dr7)
        return ERROR_UNSUPPORTED;
    if (number == TARGET_cr8 && value.low > 15)
        return ERROR_RANGE;
    world.registers[cpu_number(cpu)][number] = value;
    return ERROR_NONE;
}

uint64_t target_word(struct cpu *cpu, unsigned number)
{
    return world.registers[cpu_number(cpu)][number].low;
}

uint64_t target_set_cr3(uint64_t cr3)
{
    uint64_t before = world.cr3;
    world.cr3 = cr3;
    return before;
}

bool target_translate(struct cpu *cpu, uint64_t linear, gpa_t *physical)
{
    uint64_t cr3 = world.cr3 ? world.cr3 : world.registers[cpu_number(cpu)][TARGET_cr3].low;
    if (linear >= KERNEL && cr3 & USER_TABLES)
        return false;
    *physical = GPA(linear >= KERNEL ? linear - KERNEL : linear);
    return physical->v < MEMORY_BYTES;
}

/* Where a byte lies, or NULL. */
static uint8_t *memory_at(struct cpu *cpu, enum target_space space, uint64_t address)
{
    gpa_t at = GPA(address);
    if (space == TARGET_LINEAR && !target_translate(cpu, address, &at))
        return NULL;
    return at.v < MEMORY_BYTES ? &world.memory[at.v] : NULL;
}

size_t target_read(struct cpu *cpu, enum target_space space, uint64_t address, void *to,
                   size_t bytes)
{
    for (size_t done = 0; done < bytes; done++) {
        uint8_t *at = memory_at(cpu, space, address + done);
        if (!at)
            return done;
        ((uint8_t *)to)[done] = *at;
    }
    return bytes;
}

size_t target_write(struct cpu *cpu, enum target_space space, uint64_t address, const void *from,
                    size_t bytes)
{
    for (size_t done = 0; done < bytes; done++) {
        uint8_t *at = memory_at(cpu, space, address + done);
        if (!at)
            return done;
        if (at < &world.memory[ROM])
            *at = ((const uint8_t *)from)[done];
    }
    return bytes;
}

void target_mode(struct cpu *cpu, char *text, size_t size)
{
    format(text, size, "mode %u", cpu_number(cpu));
}

/* ---- debug/session.h, debug/monitor.h, debug/port.h ---- */

const struct session_stop *session_stopped(void) { return &world.stop; }
bool session_is_stopped(void) { return world.stands_still; }
uint32_t session_cpus(void) { return CPUS; }
void session_talk_gdb(bool gdb) { world.gdb_talks = gdb; }
const char *session_reason(enum debug_why why) { return why == DEBUG_LAUNCH ? "launch" : "other"; }

static bool decide(char *why, size_t size, const char *what, struct cpu *cpu)
{
    if (world.refused) {
        string_copy(why, size, "CR0.PG");
        return false;
    }
    format(world.decision, sizeof(world.decision), "%s%u", what, cpu ? cpu_number(cpu) : 0);
    world.stands_still = false;
    return true;
}

bool session_go_on(char *why, size_t size) { return decide(why, size, "all", NULL); }
bool session_run_alone(struct cpu *cpu, char *why, size_t size)
{
    return decide(why, size, "run", cpu);
}
bool session_step(struct cpu *cpu, bool alone, char *why, size_t size)
{
    return decide(why, size, alone ? "step" : "step among ", cpu);
}

void monitor_set_cpu(struct cpu *cpu) { (void)cpu; }

/* Says the command as often as its first digit tells. */
void monitor_run(char *line, void (*put)(const char *text, size_t length))
{
    string_copy(world.command, sizeof(world.command), line);
    for (int i = *line >= '0' && *line <= '9' ? *line - '0' : 1; i > 0; i--)
        put(line, strlen(line));
}

void port_write_raw(const char *bytes, size_t length)
{
    size_t room = sizeof(world.sent) - world.sent_bytes;
    memcpy(world.sent + world.sent_bytes, bytes, length < room ? length : room);
    world.sent_bytes += length < room ? length : room;
}

/* ---- vmx/ ---- */

uint64_t guest_code_address(void) { return vmcs_read(GUEST_RIP); }
enum error guest_translate(const struct vmx_cpu *vcpu, gva_t linear, gpa_t *physical)
{
    (void)vcpu;
    return target_translate(percpu_get(0), linear.v, physical) ? ERROR_NONE : ERROR_NOT_FOUND;
}

void vmx_field_failed(uint32_t encoding) { panic("field %x", encoding); }

/* ---- */

/* CPU `number` has stopped. */
static void world_stop(enum debug_why why, uint64_t detail, unsigned number)
{
    world.stands_still = true;
    world.stop = (struct session_stop){why, detail, percpu_get(number)};
    gdb_stopped();
}

/* As at the beginning of a boot, with no gdb; register R of CPU C is C0RR, RIP 1000 and its CPU. */
static void world_begin(void)
{
    memset(&world, 0, sizeof(world));
    memset(&machine, 0, sizeof(machine));
    for (unsigned i = 0; i < MEMORY_BYTES; i++)
        world.memory[i] = (uint8_t)(i * 7 + (i >> 8));
    for (unsigned i = 0; i < CPUS; i++) {
        for (unsigned j = 0; j < TARGET_REGISTER_COUNT; j++)
            world.registers[i][j] = (struct target_value){i << 12 | j, j};
        world.registers[i][TARGET_rip].low = 0x1000 + i;
        world.registers[i][TARGET_cr3].low = 0x8000;
    }
    world.gdb_talks = true;
    world_stop(DEBUG_LAUNCH, 0, 0);
}
