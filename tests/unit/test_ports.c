/* with: vcpu/ports.c */
#include "vcpu/ports.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/hw.h"
#include "base/x86/exceptions.h"
#include "base/x86/segment.h"
#include "tests/unit/random.h"

/* The machine: each port reads as its number's low byte turned over. All accesses are recorded. */
static struct access {
    uint16_t port;
    unsigned bytes;
    uint32_t value;
} accesses[8];
static unsigned access_count;
static struct access calls[8]; /* of the ranges' functions; bytes 1: read, 2: written */
static unsigned call_count;

static uint8_t device(uint16_t port) { return (uint8_t)~port; }

uint32_t fake_in(uint16_t port, unsigned bytes)
{
    uint32_t value = 0;
    for (unsigned i = 0; i < bytes; i++)
        value |= (uint32_t)device((uint16_t)(port + i)) << 8 * i;
    accesses[access_count++] = (struct access){port, bytes, value};
    return value;
}

void fake_out(uint16_t port, uint32_t value, unsigned bytes)
{
    accesses[access_count++] = (struct access){port, bytes, value};
}

static uint8_t turn(uint16_t port, uint8_t byte)
{
    calls[call_count++] = (struct access){port, 1, byte};
    return byte ^ 0x55;
}

static void note(uint16_t port, uint8_t byte)
{
    calls[call_count++] = (struct access){port, 2, byte};
}

static const struct port_range CMOS = {
    .first = 0x70, .last = 0x71, .gives_way = true, .read = turn, .written = note};
static const struct port_range HIDDEN = {.first = 0x2F8, .last = 0x2FF, .held = true};
static const struct port_range WATCHED = {
    .first = 0x3F8, .last = 0x3F8, .held = true, .read = turn, .written = note};
static struct port_table table;

static int set_up(void **state)
{
    (void)state;
    table.count = 0;
    ports_add(&table, &CMOS);
    ports_add(&table, &HIDDEN);
    ports_add(&table, &WATCHED);
    return 0;
}

static void start(void)
{
    access_count = call_count = 0;
    memset(accesses, 0, sizeof(accesses));
    memset(calls, 0, sizeof(calls));
}

static uint32_t read_at(uint16_t port, unsigned bytes)
{
    start();
    return ports_read(&table, port, bytes);
}

static void assert_access(unsigned i, uint16_t port, unsigned bytes, uint32_t value)
{
    assert_true(i < access_count);
    assert_int_equal(accesses[i].port, port);
    assert_int_equal(accesses[i].bytes, bytes);
    assert_int_equal(accesses[i].value, value);
}

static void a_hidden_port_is_never_touched_and_reads_as_ones(void **state)
{
    (void)state;
    for (unsigned bytes = 1; bytes <= 4; bytes *= 2)
        for (uint16_t port = 0x2F8; port + bytes <= 0x300; port++) {
            assert_int_equal(read_at(port, bytes), 0xFFFFFFFF >> (32 - 8 * bytes));
            ports_write(&table, port, bytes, 0x12345678);
            assert_int_equal(access_count, 0);
            assert_int_equal(call_count, 0);
        }
}

static void an_access_across_the_edge_is_split_into_bytes(void **state)
{
    (void)state;
    assert_int_equal(read_at(0x2F6, 4), 0xFFFF0809);
    assert_int_equal(access_count, 2);
    assert_access(0, 0x2F6, 1, 0x09);
    assert_access(1, 0x2F7, 1, 0x08);
    assert_int_equal(read_at(0x2FF, 2), 0xFFFF); /* 300h gives ones by itself */
    assert_int_equal(access_count, 1);
    assert_access(0, 0x300, 1, 0xFF);
    start();
    ports_write(&table, 0x2FE, 4, 0x44332211);
    assert_int_equal(access_count, 2);
    assert_access(0, 0x300, 1, 0x33);
    assert_access(1, 0x301, 1, 0x44);
}

static void a_range_that_is_not_held_sees_the_one_access_of_the_machine(void **state)
{
    (void)state;
    assert_int_equal(read_at(0x6F, 4), 0x8DDBDA90u);
    assert_int_equal(access_count, 1);
    assert_access(0, 0x6F, 4, 0x8D8E8F90);
    assert_int_equal(call_count, 2);
    assert_int_equal(calls[0].port, 0x70);
    assert_int_equal(calls[0].value, 0x8F);
    start();
    ports_write(&table, 0x70, 2, 0x5A6B);
    assert_access(0, 0x70, 2, 0x5A6B);
    assert_int_equal(call_count, 2);
    assert_int_equal(calls[0].value, 0x6B);
    assert_int_equal(calls[1].value, 0x5A);
}

static void the_functions_of_a_held_range_get_ones(void **state)
{
    (void)state;
    assert_int_equal(read_at(0x3F7, 2), 0xAA08);
    assert_int_equal(access_count, 1);
    assert_int_equal(call_count, 1);
    assert_int_equal(calls[0].value, 0xFF);
    start();
    ports_write(&table, 0x3F8, 1, 0x41);
    assert_int_equal(access_count, 0);
    assert_int_equal(calls[0].bytes, 2);
    assert_int_equal(calls[0].value, 0x41);
}

static void other_ports_and_the_end_of_the_space_are_the_machines(void **state)
{
    (void)state;
    assert_int_equal(read_at(0xFFFE, 4), 0xFEFF0001);
    assert_int_equal(access_count, 1);
    assert_null(ports_find(&table, 0xFFFE, 4));
    assert_null(ports_find(&table, 0x6E, 2));
    assert_true(ports_find(&table, 0x6D, 4) == &table.range[0]);
    assert_true(ports_find(&table, 0x3F8, 1) == &table.range[2]);
    assert_null(ports_find(&table, 0x3F9, 4));
    table.range[2].first = table.range[2].last = 0;
    assert_true(ports_find(&table, 0xFFFE, 4) == &table.range[2]);
    assert_int_equal(read_at(0xFFFD, 4) >> 24, 0xAA);
    set_up(NULL);
}

static struct string_operand operand(uint64_t offset, uint32_t bytes, bool write)
{
    return (struct string_operand){.offset = offset,
                                   .linear = offset,
                                   .bytes = bytes,
                                   .limit = 0xFFFF,
                                   .write = write,
                                   .rights = SEGMENT_RIGHTS_REAL_DATA,
                                   .linear_bits = 48};
}

static void assert_fault(struct string_operand o, unsigned vector)
{
    assert_int_equal(string_operand_fault(&o), vector);
}

static void the_operand_must_lie_in_its_segment(void **state)
{
    (void)state;
    struct string_operand o = operand(0xFFFC, 4, true);
    assert_fault(o, EXCEPTION_VECTORS);
    assert_fault(operand(0xFFFD, 4, true), EXCEPTION_GP);
    assert_fault(operand(0xFFFFFFFE, 4, true), EXCEPTION_GP); /* its end wraps to 1 */
    o.offset = 0xFFFD, o.stack = true;
    assert_fault(o, EXCEPTION_SS);
    o = operand(0xFFFF, 1, false); /* expand down: above the limit */
    o.rights |= SEGMENT_TYPE_EXPAND;
    assert_fault(o, EXCEPTION_GP);
    o.limit = 0xFFFE;
    assert_fault(o, EXCEPTION_VECTORS);
    o.bytes = 2;
    assert_fault(o, EXCEPTION_GP);
    o.rights |= SEGMENT_DB;
    assert_fault(o, EXCEPTION_VECTORS);
}

static void the_segment_must_be_of_a_kind_that_lets_it(void **state)
{
    static const struct {
        uint32_t type;
        bool read, write;
    } rows[] = {{0, true, false}, {2, true, true}, {8, false, false}, {10, true, false}};
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct string_operand o = operand(0, 1, false);
        o.rights = SEGMENT_P | SEGMENT_S | rows[i].type;
        assert_fault(o, rows[i].read ? EXCEPTION_VECTORS : EXCEPTION_GP);
        o.write = true;
        assert_fault(o, rows[i].write ? EXCEPTION_VECTORS : EXCEPTION_GP);
        o.rights |= SEGMENT_UNUSABLE;
        assert_fault(o, EXCEPTION_GP);
    }
}

static void in_64_bit_mode_the_address_alone_counts(void **state)
{
    (void)state;
    struct string_operand o = operand(0x00007FFFFFFFFFFC, 4, true);
    o.in_64bit_mode = true;
    o.rights = SEGMENT_UNUSABLE;
    assert_fault(o, EXCEPTION_VECTORS);
    o.linear++;
    assert_fault(o, EXCEPTION_GP);
    o.stack = true; /* no such override there */
    assert_fault(o, EXCEPTION_GP);
    o.linear_bits = 57;
    assert_fault(o, EXCEPTION_VECTORS);
    o.linear = 0xFFFF7FFFFFFFFFFF;
    o.linear_bits = 48;
    assert_fault(o, EXCEPTION_GP);
}

static void alignment_is_checked_behind_the_segment(void **state)
{
    (void)state;
    struct string_operand o = operand(2, 4, true);
    assert_fault(o, EXCEPTION_VECTORS);
    o.aligned_only = true;
    assert_fault(o, EXCEPTION_AC);
    o.limit = 3;
    assert_fault(o, EXCEPTION_GP);
    o = operand(4, 4, true);
    o.aligned_only = true;
    assert_fault(o, EXCEPTION_VECTORS);
}

/* Byte by byte: what the machine would give, and what the ranges make of it. */
static void random_accesses_are_those_of_the_model(void **state)
{
    (void)state;
    random_seed(0x9027);
    for (unsigned n = 0; n < 200000; n++) {
        static const uint16_t places[] = {0x70, 0x2F8, 0x2FF, 0x3F8, 0x1000};
        uint16_t port = (uint16_t)(places[random_below(5)] - 5 + random_below(10));
        unsigned bytes = 1u << random_below(3), touched = 0;
        uint32_t value = read_at(port, bytes);
        for (unsigned i = 0; i < access_count; i++)
            touched += accesses[i].bytes;
        unsigned free = 0, held = 0;
        for (unsigned i = 0; i < bytes; i++) {
            uint16_t at = (uint16_t)(port + i);
            bool hidden = at >= 0x2F8 && at <= 0x2FF, watched = at == 0x3F8;
            uint8_t byte = hidden || watched ? 0xFF : device(at);
            if (watched || at == 0x70 || at == 0x71)
                byte ^= 0x55;
            assert_int_equal(value >> 8 * i & 0xFF, byte);
            held += hidden || watched;
            free += !(hidden || watched);
        }
        assert_int_equal(touched, free);
        assert_int_equal(access_count, held ? free : 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_hidden_port_is_never_touched_and_reads_as_ones),
        cmocka_unit_test(an_access_across_the_edge_is_split_into_bytes),
        cmocka_unit_test(a_range_that_is_not_held_sees_the_one_access_of_the_machine),
        cmocka_unit_test(the_functions_of_a_held_range_get_ones),
        cmocka_unit_test(other_ports_and_the_end_of_the_space_are_the_machines),
        cmocka_unit_test(the_operand_must_lie_in_its_segment),
        cmocka_unit_test(the_segment_must_be_of_a_kind_that_lets_it),
        cmocka_unit_test(in_64_bit_mode_the_address_alone_counts),
        cmocka_unit_test(alignment_is_checked_behind_the_segment),
        cmocka_unit_test(random_accesses_are_those_of_the_model),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}
